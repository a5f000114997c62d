"""What another system saw or decided: recorded as observed, without effect on the state."""

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from sealbook.domain.errors import Refusal
from sealbook.domain.values import PolicyRef, SwitchMode

# --- Events


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalObserved:
    """Another system says that it renewed then; a replay of the policy is compared with it."""

    at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryObserved:
    """Another system says that it expired then; a replay of the policy is compared with it."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FactNotApplied:
    """A fact of an adopted history that the rules gave no effect: kept, for it happened.

    Under another policy it might have had one, so a what-if replays it.
    """

    at: datetime
    fact: str
    reason: Refusal
    switch_to: PolicyRef | None
    mode: SwitchMode | None


Event = RenewalObserved | ExpiryObserved | FactNotApplied


# --- Commands


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserveRenewal:
    at: datetime
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserveExpiry:
    at: datetime


Command = ObserveRenewal | ObserveExpiry


# --- Decide


def decide(command: Command) -> tuple[Event, ...]:
    match command:
        case ObserveRenewal(at=at, expires_at=expires_at):
            return (RenewalObserved(at=at, expires_at=expires_at),)
        case ObserveExpiry(at=at):
            return (ExpiryObserved(at=at),)
        case _:
            assert_never(command)
