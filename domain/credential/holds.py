"""Suspension, which is reversible, and revocation, which is final (RFC 5280 5.3.1)."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, assert_never

from sealbook.domain.calendar import shift_forward
from sealbook.domain.credential.standing import Credential, check_changeable
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.evidence import check_evidence
from sealbook.domain.kind_document import KindBook
from sealbook.domain.records import replace
from sealbook.domain.values import EventType, SuspensionReason

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
    evidence: str | None


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
    """After a loss or a suspected copy, `evidence` refers to an identification by another factor or at a branch."""

    at: datetime
    evidence: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoke:
    at: datetime
    reason: str | None = None


Command = Suspend | Resume | Revoke


# --- Evolve


def evolve(state: Credential, event: Event) -> Credential:
    match event:
        case Suspended(at=at, reason=reason):
            return replace(state, suspended=True, suspended_at=state.suspended_at or at, suspended_for=reason)
        case Resumed(at=at):
            return _resumed(state, at)
        case Revoked(at=at):
            return replace(state, revoked=True, revoked_at=at)
        case _:
            assert_never(event)


def _resumed(state: Credential, at: datetime) -> Credential:
    return replace(
        state,
        suspended=False,
        suspended_at=None,
        suspended_for=None,
        reported_at=None,
        held_from=state.suspended_at,
        held_until=at,
    )


# --- Decide


def decide(state: Credential, command: Command, kinds: KindBook | None) -> tuple[Event, ...]:
    """Answer a command on a credential that the clock has settled; in its grace each still works.

    `kinds` is None in a replay: who resumed was identified, or not, when it was so.
    """
    check_changeable(state, command.at)
    match command:
        case Suspend(at=at, reason=reason):
            return _suspended(state, reason, at=at)
        case Resume(at=at, evidence=evidence):
            if not state.suspended:
                return ()
            if kinds is not None:
                _check_resumable(state, command, kinds)
            return (Resumed(at=at, evidence=evidence),)
        case Revoke(at=at, reason=reason):
            return (Revoked(at=at, reason=reason),)
        case _:
            assert_never(command)


def _suspended(state: Credential, reason: str | None, *, at: datetime) -> tuple[Suspended, ...]:
    if not state.suspended:
        return (Suspended(at=at, reason=reason),)
    outlasts = state.suspended_for == SuspensionReason.CUSTOMER_RESTRICTED and reason != state.suspended_for
    return (Suspended(at=at, reason=reason),) if outlasts else ()


def outlasted_by_loss(state: Credential) -> bool:
    """Tell whether a loss becomes the reason: a recovery lifts it, and what an officer held must outlast that."""
    by_itself = (
        SuspensionReason.CUSTOMER_RESTRICTED,
        SuspensionReason.LOSS_REPORTED,
        SuspensionReason.THEFT_REPORTED,
        None,
    )
    return not state.suspended or state.suspended_for in by_itself


def _check_resumable(state: Credential, command: Resume, kinds: KindBook) -> None:
    if state.stolen:
        raise Refused(Refusal.PERMANENT, "the device was stolen: have a new credential issued")
    if command.at >= suspension_ends_at(state, kinds):
        raise Refused(Refusal.EXPIRED, "the suspension has lasted as long as allowed: have a new credential issued")
    if state.reported_at is not None or state.suspended_for == SuspensionReason.CLONE_SUSPECTED:
        check_evidence(command.evidence)


def suspension_ends_at(state: Credential, kinds: KindBook) -> datetime:
    """Return when a suspension has lasted as long as the kind allows; the credential is revoked then."""
    since = state.suspended_at or state.issued_at
    return shift_forward(since, kinds.kind(state.kind).suspension_max, zone_name=kinds.bank.zone)


# --- Replay


def fact_of(event: Event) -> Command:
    """Return the fact that an event came of."""
    match event:
        case Suspended(at=at, reason=reason):
            return Suspend(at=at, reason=reason)
        case Resumed(at=at, evidence=evidence):
            return Resume(at=at, evidence=evidence)
        case Revoked(at=at, reason=reason):
            return Revoke(at=at, reason=reason)
        case _:
            assert_never(event)
