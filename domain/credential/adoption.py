"""What another system saw or decided: recorded as observed, without effect on the state."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, assert_never

from sealbook.domain.credential import holds, renewing
from sealbook.domain.credential.standing import Credential
from sealbook.domain.errors import Refusal
from sealbook.domain.values import EventType, PolicyRef, SwitchMode

# --- Events


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalObserved:
    """Another system says that it renewed then; a replay of the policy is compared with it."""

    stored: ClassVar = EventType("credential.renewal_observed", 1)

    at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryObserved:
    """Another system says that it expired then; a replay of the policy is compared with it."""

    stored: ClassVar = EventType("credential.expiry_observed", 1)

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FactNotApplied:
    """A fact of an adopted history that the rules gave no effect: kept, for it happened.

    Under another policy it might have had one, so a what-if replays it.
    """

    stored: ClassVar = EventType("credential.fact_not_applied", 1)

    at: datetime
    fact: str
    reason: Refusal
    switch_to: PolicyRef | None
    mode: SwitchMode | None


Event = RenewalObserved | ExpiryObserved | FactNotApplied

Refusable = (
    holds.Suspend
    | holds.Resume
    | holds.Revoke
    | renewing.RequestRenewal
    | renewing.ObjectToRenewal
    | renewing.SwitchPolicy
)
"""The facts that an import brings and the rules can refuse; a refused use is an event of its own."""

_NAMES: dict[type[Refusable], str] = {
    holds.Suspend: "suspended",
    holds.Resume: "resumed",
    holds.Revoke: "revoked",
    renewing.RequestRenewal: "renewal_requested",
    renewing.ObjectToRenewal: "renewal_objected",
    renewing.SwitchPolicy: "policy_switched",
}


# --- Commands


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserveRenewal:
    at: datetime
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserveExpiry:
    at: datetime


Command = ObserveRenewal | ObserveExpiry


# --- Evolve


def evolve(state: Credential, event: Event) -> Credential:
    """Return the state as it was: an observation changes nothing."""
    match event:
        case RenewalObserved() | ExpiryObserved() | FactNotApplied():
            return state
        case _:
            assert_never(event)


# --- Decide


def decide(command: Command) -> tuple[Event, ...]:
    match command:
        case ObserveRenewal(at=at, expires_at=expires_at):
            return (RenewalObserved(at=at, expires_at=expires_at),)
        case ObserveExpiry(at=at):
            return (ExpiryObserved(at=at),)
        case _:
            assert_never(command)


def not_applied(fact: Refusable, reason: Refusal) -> FactNotApplied:
    """Return the record of a fact that was refused."""
    policy, mode = (fact.policy, fact.mode) if isinstance(fact, renewing.SwitchPolicy) else (None, None)
    return FactNotApplied(at=fact.at, fact=_NAMES[type(fact)], reason=reason, switch_to=policy, mode=mode)


# --- Replay


def fact_of(event: Event) -> Command | Refusable:
    """Return the fact that an event came of. Raises ValueError for a kind of fact that nobody recorded."""
    match event:
        case RenewalObserved(at=at, expires_at=expires_at):
            return ObserveRenewal(at=at, expires_at=expires_at)
        case ExpiryObserved(at=at):
            return ObserveExpiry(at=at)
        case FactNotApplied():
            return _refused_fact(event)
        case _:
            assert_never(event)


def _refused_fact(event: FactNotApplied) -> Refusable:
    if event.switch_to is not None and event.mode is not None:
        return renewing.SwitchPolicy(at=event.at, policy=event.switch_to, mode=event.mode)
    for kind in _WITH_A_MOMENT:
        if _NAMES[kind] == event.fact:
            return kind(at=event.at)
    raise ValueError(f"a recorded fact of an unknown kind: {event.fact!r}")


_WITH_A_MOMENT = (
    holds.Suspend,
    holds.Resume,
    holds.Revoke,
    renewing.RequestRenewal,
    renewing.ObjectToRenewal,
)
