"""Ending: restriction, death, closure and erasure, and the legal hold that stops the last (domain 5.3).

What a customer holds follows by itself: the cascade is a process manager's (application/cascades.py).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, assert_never

from sealbook.domain.calendar import shift_forward
from sealbook.domain.customer.standing import Customer, State, active, enrolled, present
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.evidence import check_evidence
from sealbook.domain.kind_document import BankDocument
from sealbook.domain.records import replace
from sealbook.domain.values import EventType, HolderKind

# --- Events


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerRestricted:
    """An officer, a court or a suspicion of fraud holds everything of the customer's."""

    stored: ClassVar = EventType("customer.restricted", 1)

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RestrictionLifted:
    stored: ClassVar = EventType("customer.restriction_lifted", 1)

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerDeceased:
    stored: ClassVar = EventType("customer.deceased", 1)

    at: datetime
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerClosed:
    """The relationship ended; from here on the retention counts."""

    stored: ClassVar = EventType("customer.closed", 1)

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalHoldPlaced:
    stored: ClassVar = EventType("customer.legal_hold_placed", 1)

    at: datetime
    case: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalHoldLifted:
    stored: ClassVar = EventType("customer.legal_hold_lifted", 1)

    at: datetime
    case: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalDataErased:
    """It was decided that what belonged to the person is to go. `basis` is the rule that asked for it."""

    stored: ClassVar = EventType("customer.personal_data_erased", 1)

    at: datetime
    basis: str
    approved_by: str


Event = (
    CustomerRestricted
    | RestrictionLifted
    | CustomerDeceased
    | CustomerClosed
    | LegalHoldPlaced
    | LegalHoldLifted
    | PersonalDataErased
)


# --- Commands


@dataclass(frozen=True, slots=True, kw_only=True)
class Restrict:
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftRestriction:
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordDeath:
    at: datetime
    evidence: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """`fee_open`: an application of the customer's has a fee that was asked for and not paid."""

    at: datetime
    fee_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceLegalHold:
    at: datetime
    case: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftLegalHold:
    at: datetime
    case: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Erase:
    """`approved_by` is an actor's reference."""

    at: datetime
    basis: str
    approved_by: str


Command = Restrict | LiftRestriction | RecordDeath | Close | PlaceLegalHold | LiftLegalHold | Erase


# --- Evolve


def evolve(state: Customer, event: Event) -> Customer:
    match event:
        case CustomerRestricted():
            return replace(state, restricted=True)
        case RestrictionLifted():
            return replace(state, restricted=False)
        case CustomerDeceased(at=at):
            return replace(state, deceased_at=at)
        case CustomerClosed(at=at):
            return replace(state, closed_at=at)
        case LegalHoldPlaced(case=placed):
            return replace(state, legal_holds=(*state.legal_holds, placed))
        case LegalHoldLifted(case=lifted):
            return replace(state, legal_holds=tuple(case for case in state.legal_holds if case != lifted))
        case PersonalDataErased():
            return replace(state, erased=True)
        case _:
            assert_never(event)


# --- Decide


def decide(state: State, command: Command, bank: BankDocument) -> tuple[Event, ...]:
    match command:
        case Restrict(at=at, reason=reason):
            return () if present(state).restricted else (CustomerRestricted(at=at, reason=reason),)
        case LiftRestriction(at=at):
            return (RestrictionLifted(at=at),) if present(state).restricted else ()
        case RecordDeath(at=at, evidence=evidence):
            return _deceased(enrolled(state), evidence, at=at)
        case Close(at=at, fee_open=fee_open):
            return _closed(enrolled(state), fee_open=fee_open, at=at)
        case PlaceLegalHold(at=at, case=case):
            return () if case in enrolled(state).legal_holds else (LegalHoldPlaced(at=at, case=case),)
        case LiftLegalHold(at=at, case=case):
            return (LegalHoldLifted(at=at, case=case),) if case in enrolled(state).legal_holds else ()
        case Erase():
            return _erased(enrolled(state), command, bank)
        case _:
            assert_never(command)


def _deceased(state: Customer, evidence: str | None, *, at: datetime) -> tuple[Event, ...]:
    if state.kind is not HolderKind.PERSONAL:
        raise Refused(Refusal.CUSTOMER_STATE, "a company does not die: close it")
    if state.deceased_at is not None:
        return ()
    present(state)
    return (CustomerDeceased(at=at, evidence=check_evidence(evidence)),)


def _closed(state: Customer, *, fee_open: bool, at: datetime) -> tuple[Event, ...]:
    if state.closed_at is not None:
        return ()
    active(state)
    if fee_open:
        raise Refused(Refusal.OPEN_FEE, "a fee is open: charge or waive it, or abandon the application")
    return (CustomerClosed(at=at),)


def _erased(state: Customer, command: Erase, bank: BankDocument) -> tuple[Event, ...]:
    if state.erased:
        return ()
    check_evidence(command.approved_by)
    if state.legal_hold:
        raise Refused(Refusal.LEGAL_HOLD, "a legal hold stands: lift it first")
    ended_at = state.closed_at or state.deceased_at
    if ended_at is None or command.at < shift_forward(ended_at, bank.retention, zone_name=bank.zone):
        raise Refused(Refusal.RETENTION, f"the records are kept for {bank.retention} after the relationship's end")
    return (PersonalDataErased(at=command.at, basis=command.basis, approved_by=command.approved_by),)
