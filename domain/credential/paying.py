"""Fees: of the issue and of a renewal on request (domain rules R15, R18, R37, R38)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, assert_never

from sealbook.domain.credential.standing import Application, Credential, check_unlapsed
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.kind_document import KindDocument
from sealbook.domain.records import replace
from sealbook.domain.values import EventType, Step


class FeeFor(StrEnum):
    ISSUE = "issue"
    RENEWAL = "renewal"


# --- Events


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeCharged:
    """`receipt` is the payment's reference."""

    stored: ClassVar = EventType("credential.fee_charged", 1)

    at: datetime
    what: FeeFor
    amount_krw: int
    fee_version: int
    receipt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeFailed:
    stored: ClassVar = EventType("credential.fee_failed", 1)

    at: datetime
    what: FeeFor
    amount_krw: int
    fee_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeWaived:
    """The schedule asks for nothing, or an officer let the holder off."""

    stored: ClassVar = EventType("credential.fee_waived", 1)

    at: datetime
    fee_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeRefunded:
    stored: ClassVar = EventType("credential.fee_refunded", 1)

    at: datetime
    amount_krw: int
    fee_version: int


Event = FeeCharged | FeeFailed | FeeWaived | FeeRefunded


# --- Commands


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeFee:
    """Record a payment. Without a receipt it failed, and the fee stays open."""

    at: datetime
    receipt: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiveFee:
    at: datetime


Command = ChargeFee | WaiveFee


# --- Evolve


def evolve(state: Application, event: Event) -> Application:
    match event:
        case FeeCharged():
            return replace(state.done_with(Step.FEE), fee_paid=True, escalated=False)
        case FeeFailed():
            return replace(state, fee_failed=True)
        case FeeWaived():
            return replace(state.done_with(Step.FEE), fee_failed=False, escalated=False)
        case FeeRefunded():
            return replace(state, fee_paid=False)
        case _:
            assert_never(event)


def evolve_issued(state: Credential, event: Event) -> Credential:
    match event:
        case FeeCharged() | FeeWaived():
            return replace(state, term=replace(state.term, fee_paid=True))
        case FeeFailed() | FeeRefunded():
            return state
        case _:
            assert_never(event)


# --- Decide


def decide(state: Application, command: Command) -> tuple[Event, ...]:
    """Answer for the fee of an issue."""
    if state.due[0] is not Step.FEE:
        raise Refused(Refusal.STEP_ORDER, f"the next step of the application is {state.due[0]}")
    return _answer(command, what=FeeFor.ISSUE, amount_krw=state.fee_krw, version=state.fee_version)


def decide_issued(state: Credential, command: Command, kind: KindDocument) -> tuple[Event, ...]:
    """Answer for the fee of the next renewal on request; nothing if it is paid, or none is asked.

    Raises Refused once the credential has lapsed or was revoked: nothing can be renewed on request then.
    """
    check_unlapsed(state, command.at)
    amount_krw = kind.fees.of_renewal_krw(state.holder)
    if state.term.fee_paid or not amount_krw:
        return ()
    return _answer(command, what=FeeFor.RENEWAL, amount_krw=amount_krw, version=kind.fees.version)


def _answer(command: Command, *, what: FeeFor, amount_krw: int, version: int) -> tuple[Event, ...]:
    match command:
        case ChargeFee(at=at, receipt=receipt):
            if receipt is None:
                return (FeeFailed(at=at, what=what, amount_krw=amount_krw, fee_version=version),)
            return (FeeCharged(at=at, what=what, amount_krw=amount_krw, fee_version=version, receipt=receipt),)
        case WaiveFee(at=at):
            return (FeeWaived(at=at, fee_version=version),)
        case _:
            assert_never(command)


def check_renewal_paid(state: Credential, kind: KindDocument) -> None:
    """Raise Refused(fee_unpaid) while the fee of a renewal on request is open."""
    if kind.fees.of_renewal_krw(state.holder) and not state.term.fee_paid:
        raise Refused(Refusal.FEE_UNPAID, "the renewal has a fee: charge it first")
