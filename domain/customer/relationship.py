"""Relationship: enrollment, the services joined, and what changes about a customer (domain rules R09, R16)."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, assert_never

from sealbook.domain.customer.standing import Customer, State, active, present
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.evidence import check_evidence
from sealbook.domain.records import replace
from sealbook.domain.values import EventType, HolderSubkind, Service

# --- Events


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """The customer became known after identity proofing, or came in with an imported history."""

    stored: ClassVar = EventType("customer.enrolled", 1)

    at: datetime
    subkind: HolderSubkind
    provenance: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceJoined:
    stored: ClassVar = EventType("customer.service_joined", 1)

    at: datetime
    service: Service


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLeft:
    stored: ClassVar = EventType("customer.service_left", 1)

    at: datetime
    service: Service


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactChanged:
    """`contact` refers to the address or number; it is kept elsewhere."""

    stored: ClassVar = EventType("customer.contact_changed", 1)

    at: datetime
    contact: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NameChanged:
    """Credentials that show the name end with it; the name itself is kept elsewhere."""

    stored: ClassVar = EventType("customer.name_changed", 1)

    at: datetime
    evidence: str


Event = ServiceJoined | ServiceLeft | ContactChanged | NameChanged


# --- Commands


@dataclass(frozen=True, slots=True, kw_only=True)
class Enroll:
    at: datetime
    subkind: HolderSubkind
    provenance: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinService:
    at: datetime
    service: Service


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveService:
    at: datetime
    service: Service


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeContact:
    at: datetime
    contact: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeName:
    at: datetime
    evidence: str | None


Command = JoinService | LeaveService | ChangeContact | ChangeName


# --- Evolve


def begin(event: Enrolled) -> Customer:
    return Customer(subkind=event.subkind)


def evolve(state: Customer, event: Event) -> Customer:
    match event:
        case ServiceJoined(service=service):
            return replace(state, services=(*state.services, service))
        case ServiceLeft(service=left):
            return replace(state, services=tuple(each for each in state.services if each is not left))
        case ContactChanged() | NameChanged():
            return state
        case _:
            assert_never(event)


# --- Decide


def enroll(state: State, command: Enroll) -> tuple[Enrolled, ...]:
    if state is not None:
        raise Refused(Refusal.DUPLICATE, "the customer is enrolled already")
    return (Enrolled(at=command.at, subkind=command.subkind, provenance=command.provenance),)


def decide(state: State, command: Command) -> tuple[Event, ...]:
    match command:
        case JoinService(at=at, service=service):
            return () if service in active(state).services else (ServiceJoined(at=at, service=service),)
        case LeaveService(at=at, service=service):
            return (ServiceLeft(at=at, service=service),) if service in present(state).services else ()
        case ChangeContact(at=at, contact=contact):
            active(state)
            return (ContactChanged(at=at, contact=contact),)
        case ChangeName(at=at, evidence=evidence):
            active(state)
            return (NameChanged(at=at, evidence=check_evidence(evidence)),)
        case _:
            assert_never(command)
