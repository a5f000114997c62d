"""Suspension, which is reversible, and revocation, which is final (RFC 5280 5.3.1)."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar, assert_never

from sealbook.domain.credential.standing import Credential, check_changeable
from sealbook.domain.values import EventType

# --- Events


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended:
    stored: ClassVar = EventType("credential.suspended", 1)

    at: datetime
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    stored: ClassVar = EventType("credential.resumed", 1)

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    stored: ClassVar = EventType("credential.revoked", 1)

    at: datetime
    reason: str | None


Event = Suspended | Resumed | Revoked


# --- Commands


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspend:
    at: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoke:
    at: datetime
    reason: str | None = None


Command = Suspend | Resume | Revoke


# --- Evolve


def evolve(state: Credential, event: Event) -> Credential:
    match event:
        case Suspended():
            return replace(state, suspended=True)
        case Resumed():
            return replace(state, suspended=False)
        case Revoked():
            return replace(state, revoked=True)
        case _:
            assert_never(event)


# --- Decide


def decide(state: Credential, command: Command) -> tuple[Event, ...]:
    """Answer a command on a credential that the clock has settled; in its grace each still works."""
    check_changeable(state, command.at)
    match command:
        case Suspend(at=at, reason=reason):
            return () if state.suspended else (Suspended(at=at, reason=reason),)
        case Resume(at=at):
            return (Resumed(at=at),) if state.suspended else ()
        case Revoke(at=at, reason=reason):
            return (Revoked(at=at, reason=reason),)
        case _:
            assert_never(command)


# --- Replay


def fact_of(event: Event) -> Command:
    """Return the fact that an event came of."""
    match event:
        case Suspended(at=at, reason=reason):
            return Suspend(at=at, reason=reason)
        case Resumed(at=at):
            return Resume(at=at)
        case Revoked(at=at, reason=reason):
            return Revoke(at=at, reason=reason)
        case _:
            assert_never(event)
