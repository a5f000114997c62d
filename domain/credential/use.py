"""Use: daily life, and what a use may bring about."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar, assert_never
from uuid import UUID

from sealbook.domain import renewal
from sealbook.domain.credential.renewing import AutoRenewed
from sealbook.domain.credential.standing import Credential
from sealbook.domain.errors import Refusal
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.renewal import Bounds
from sealbook.domain.values import EventType, RenewalCause

# --- Events


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """`qualifies`: the policy of that moment counts it towards a renewal. Judged once."""

    stored: ClassVar = EventType("credential.used", 1)

    at: datetime
    channel: str
    purpose: str | None
    qualifies: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UseRefused:
    stored: ClassVar = EventType("credential.use_refused", 1)

    at: datetime
    channel: str
    purpose: str | None
    reason: Refusal


Event = Used | UseRefused


# --- Commands


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    at: datetime
    channel: str = "app"
    purpose: str | None = None
    device: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRefusal:
    """Another system refused a use."""

    at: datetime
    channel: str = "app"
    purpose: str | None = None


Command = Use | RecordRefusal


# --- Evolve


def evolve(state: Credential, event: Event) -> Credential:
    match event:
        case Used(at=at, qualifies=True):
            return replace(state, term=state.term.with_use(at))
        case Used() | UseRefused():
            return state
        case _:
            assert_never(event)


# --- Decide


def decide(state: Credential, command: Command, policy: RenewalPolicy) -> tuple[Event | AutoRenewed, ...]:
    """Answer a use of a credential that the clock has settled. A refused use is an event too."""
    match command:
        case RecordRefusal():
            return (_refused(command, Refusal.REPORTED),)
        case Use():
            return _use(state, command, policy)
        case _:
            assert_never(command)


def _use(state: Credential, use: Use, policy: RenewalPolicy) -> tuple[Event | AutoRenewed, ...]:
    counts = renewal.qualifies(policy, channel=use.channel, purpose=use.purpose)
    back = _brought_back(state, use, policy) if counts else None
    if back is not None:
        return _renewing(use, policy, RenewalCause.GRACE, back)
    refusal = refusal_of_use(state, use.at, device=use.device)
    if refusal is not None:
        return (_refused(use, refusal),)
    # A use that reaches back before the present period, or to before a recorded lapse, is
    # recorded; what was decided since stays decided.
    counts = counts and use.at >= state.term.bounds.anchor and state.lapsed_at is None
    bounds = renewal.on_use(policy, state.term.with_use(use.at), use.at) if counts else None
    if bounds is not None:
        return _renewing(use, policy, RenewalCause.USE, bounds)
    return (Used(at=use.at, channel=use.channel, purpose=use.purpose, qualifies=counts),)


def refusal_of_use(state: Credential, at: datetime, *, device: UUID | None) -> Refusal | None:
    """Return why a use at `at` would be refused, or None if it may pass."""
    if state.revoked:
        return Refusal.REVOKED
    if state.lapsed_at is not None and at >= state.lapsed_at:
        return Refusal.EXPIRED
    if state.suspended:
        return Refusal.SUSPENDED
    return None if state.device == device else Refusal.WRONG_DEVICE


def _brought_back(state: Credential, use: Use, policy: RenewalPolicy) -> Bounds | None:
    if state.revoked or state.lapsed_at is None or state.device != use.device:
        return None
    if not state.lapsed_at <= use.at or not state.in_grace_at(use.at):
        return None
    return renewal.on_use_in_grace(policy, state.term, use.at, suspended=state.suspended)


def _renewing(use: Use, policy: RenewalPolicy, cause: RenewalCause, bounds: Bounds) -> tuple[Event | AutoRenewed, ...]:
    return (
        Used(at=use.at, channel=use.channel, purpose=use.purpose, qualifies=True),
        AutoRenewed(at=use.at, policy=policy.ref, cause=cause, bounds=bounds),
    )


def _refused(use: Command, reason: Refusal) -> UseRefused:
    return UseRefused(at=use.at, channel=use.channel, purpose=use.purpose, reason=reason)


# --- Replay


OF_THE_USE_ITSELF = (Refusal.REPORTED, Refusal.WRONG_DEVICE)
"""Refusals that no policy for renewal has a part in; any other attempt might have passed."""


def fact_of(event: Event) -> Command:
    """Return the fact that an event came of: a use that was refused was an attempt all the same."""
    match event:
        case UseRefused(reason=reason) if reason in OF_THE_USE_ITSELF:
            return RecordRefusal(at=event.at, channel=event.channel, purpose=event.purpose)
        case Used(at=at, channel=channel, purpose=purpose) | UseRefused(at=at, channel=channel, purpose=purpose):
            return Use(at=at, channel=channel, purpose=purpose)
        case _:
            assert_never(event)
