"""Loss and copies: what is told at once, and holds the credential in the same breath (domain rules R44, R52, R61).

Wrongly denying is the smaller harm, so weak identification is enough (NIST SP 800-63B-4 4.3).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, assert_never

from sealbook.domain.credential.holds import Suspended, outlasted_by_loss
from sealbook.domain.credential.standing import Credential, check_changeable
from sealbook.domain.records import replace
from sealbook.domain.values import EventType, SuspensionReason

# --- Events


@dataclass(frozen=True, slots=True, kw_only=True)
class LossReported:
    """From `at` on the bank is liable (Electronic Financial Transactions Act 10(1)). `lost_at` is the holder's word."""

    stored: ClassVar = EventType("credential.loss_reported", 1)

    at: datetime
    lost_at: datetime | None
    theft: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneSuspected:
    """A second device seems to hold the key. `evidence` is None where a use itself showed it."""

    stored: ClassVar = EventType("credential.clone_suspected", 1)

    at: datetime
    evidence: str | None


Event = LossReported | CloneSuspected


# --- Commands


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportLoss:
    at: datetime
    lost_at: datetime | None = None
    theft: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalClone:
    at: datetime
    evidence: str


Command = ReportLoss | SignalClone


# --- Evolve


def evolve(state: Credential, event: Event) -> Credential:
    match event:
        case LossReported(at=at, theft=theft):
            lost = replace(state, reported_at=state.reported_at or at, stolen=state.stolen or theft)
            return replace(lost, suspended_for=_reason(theft)) if outlasted_by_loss(state) else lost
        case CloneSuspected():
            return replace(state, suspended_for=SuspensionReason.CLONE_SUSPECTED)
        case _:
            assert_never(event)


def _reason(theft: bool) -> SuspensionReason:
    return SuspensionReason.THEFT_REPORTED if theft else SuspensionReason.LOSS_REPORTED


# --- Decide


def decide(state: Credential, command: Command) -> tuple[Event | Suspended, ...]:
    """Answer; a second report of the same loss adds nothing, unless it is a theft now."""
    check_changeable(state, command.at)
    match command:
        case ReportLoss(at=at, lost_at=lost_at, theft=theft):
            if state.reported_at is not None and (state.stolen or not theft):
                return ()
            reported = LossReported(at=at, lost_at=lost_at, theft=theft)
            return (reported, *_held(state, _reason(theft), at=at))
        case SignalClone(at=at, evidence=evidence):
            suspected = CloneSuspected(at=at, evidence=evidence)
            return (suspected, *_held(state, SuspensionReason.CLONE_SUSPECTED, at=at))
        case _:
            assert_never(command)


def _held(state: Credential, reason: SuspensionReason, *, at: datetime) -> tuple[Suspended, ...]:
    return () if state.suspended else (Suspended(at=at, reason=reason),)
