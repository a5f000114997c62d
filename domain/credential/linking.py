"""Links: the IDs and services that one credential stands for (domain rules R10, R11, R35, R43, R53, R54)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, assert_never
from uuid import UUID

from sealbook.domain.credential.standing import Credential, LinkedId, check_changeable, check_usable
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.kind_document import KindDocument
from sealbook.domain.records import replace
from sealbook.domain.values import EventType, Service

# --- Events


@dataclass(frozen=True, slots=True, kw_only=True)
class IdLinked:
    """`bank_id` is a reference to the ID, and `owner` is whose it is: the holder, or a company of the holder's."""

    stored: ClassVar = EventType("credential.id_linked", 1)

    at: datetime
    bank_id: str
    owner: UUID
    purpose: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IdUnlinked:
    stored: ClassVar = EventType("credential.id_unlinked", 1)

    at: datetime
    bank_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLinked:
    stored: ClassVar = EventType("credential.service_linked", 1)

    at: datetime
    service: Service


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceUnlinked:
    stored: ClassVar = EventType("credential.service_unlinked", 1)

    at: datetime
    service: Service


Event = IdLinked | IdUnlinked | ServiceLinked | ServiceUnlinked


# --- Commands


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkId:
    """`unlocked_at` is when the holder last opened the credential: linking asks for a fresh unlock (R54).

    `in_own_name`: the owner is the holder, or a company that the holder acts for.
    """

    at: datetime
    bank_id: str
    owner: UUID
    in_own_name: bool
    purpose: str
    unlocked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlinkId:
    at: datetime
    bank_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkService:
    """`for_company`: the holder is a company, or acts for one."""

    at: datetime
    service: Service
    for_company: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlinkService:
    at: datetime
    service: Service


Command = LinkId | UnlinkId | LinkService | UnlinkService


# --- Evolve


def evolve(state: Credential, event: Event) -> Credential:
    links = state.links
    match event:
        case IdLinked(bank_id=bank_id, owner=owner, purpose=purpose):
            links = replace(links, ids=(*links.ids, LinkedId(bank_id=bank_id, owner=owner, purpose=purpose)))
        case IdUnlinked(bank_id=removed):
            links = replace(links, ids=tuple(each for each in links.ids if each.bank_id != removed))
        case ServiceLinked(service=service):
            links = replace(links, services=(*links.services, service))
        case ServiceUnlinked(service=ended):
            links = replace(links, services=tuple(each for each in links.services if each is not ended))
        case _:
            assert_never(event)
    return replace(state, links=links)


# --- Decide


def decide(state: Credential, command: Command, kind: KindDocument) -> tuple[Event, ...]:
    """Answer; what was linked can be unlinked as long as the credential can change at all."""
    match command:
        case LinkId():
            check_usable(state, command.at)
            return _linked(state, command, kind)
        case UnlinkId(at=at, bank_id=bank_id):
            check_changeable(state, at)
            return () if state.links.find(bank_id) is None else (IdUnlinked(at=at, bank_id=bank_id),)
        case LinkService():
            check_usable(state, command.at)
            return _service_linked(state, command, kind)
        case UnlinkService(at=at, service=service):
            check_changeable(state, at)
            return (ServiceUnlinked(at=at, service=service),) if service in state.links.services else ()
        case _:
            assert_never(command)


def _linked(state: Credential, command: LinkId, kind: KindDocument) -> tuple[Event, ...]:
    if state.links.find(command.bank_id) is not None:
        return ()
    if not command.in_own_name:
        raise Refused(Refusal.NOT_OWN_NAME, "the ID is neither the holder's own nor of a company that it acts for")
    if not command.purpose:
        raise Refused(Refusal.SCOPE, "say what the ID is linked for: a purpose is mandatory")
    if len(state.links.ids) >= kind.linking.ids_max:
        most = kind.linking.ids_max
        raise Refused(Refusal.LINK_LIMIT, f"a {state.kind} stands for at most {most} IDs: unlink one first")
    if not command.unlocked_at <= command.at < command.unlocked_at + timedelta(minutes=kind.unlocking.fresh_minutes):
        raise Refused(Refusal.EVIDENCE, "open the credential anew on the phone, then link")
    return (IdLinked(at=command.at, bank_id=command.bank_id, owner=command.owner, purpose=command.purpose),)


def _service_linked(state: Credential, command: LinkService, kind: KindDocument) -> tuple[Event, ...]:
    if command.service in state.links.services:
        return ()
    linking = kind.linking
    allowed = linking.services_corporate if command.for_company else linking.services_personal
    if command.service not in allowed:
        raise Refused(Refusal.SCOPE, f"a {state.kind} of this holder is not linked to {command.service}")
    return (ServiceLinked(at=command.at, service=command.service),)
