"""Lockout: wrong proofs in a row, over all channels, lock the credential (NIST SP 800-63B-4 3.2.2)."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, assert_never

from sealbook.domain.credential.standing import Credential, LastProof, Lockout, check_changeable
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.evidence import check_evidence
from sealbook.domain.kind_document import KindDocument
from sealbook.domain.records import replace
from sealbook.domain.values import EventType

# --- Events


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """`for_good`: no identification lifts it; the credential has to be issued anew."""

    stored: ClassVar = EventType("credential.locked", 1)

    at: datetime
    for_good: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlocked:
    stored: ClassVar = EventType("credential.unlocked", 1)

    at: datetime
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resynchronized:
    """The device's clock is `drift_steps` off; the codes of both steps shown are used up (RFC 6238 6)."""

    stored: ClassVar = EventType("credential.resynchronized", 1)

    at: datetime
    timecode: int
    drift_steps: int


Event = Locked | Unlocked | Resynchronized


# --- Commands


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlock:
    """`evidence` refers to the holder's identification, by phone and document or at a branch."""

    at: datetime
    evidence: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordLock:
    """A lock that stands on record: in a replay it is a fact."""

    at: datetime
    for_good: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Resynchronize:
    """Two codes in a row were right at `timecode`, the later of the two."""

    at: datetime
    timecode: int
    drift_steps: int


Command = Unlock | RecordLock | Resynchronize


# --- Evolve


def evolve(state: Credential, event: Event) -> Credential:
    match event:
        case Locked(for_good=for_good):
            return replace(state, lockout=replace(state.lockout, locked=True, for_good=for_good))
        case Unlocked():
            return replace(state, lockout=Lockout())
        case Resynchronized(timecode=timecode, drift_steps=drift_steps):
            last = LastProof(timecode=timecode, counter=state.last_proof.counter, drift_steps=drift_steps)
            return replace(state, last_proof=last)
        case _:
            assert_never(event)


# --- Decide


def lock_due(state: Credential, failures: int, kind: KindDocument, *, at: datetime) -> Locked | None:
    """Return the lock that so many wrong proofs in a row bring, if it does not stand already."""
    if failures >= kind.lockout.hard and not state.lockout.for_good:
        return Locked(at=at, for_good=True)
    if failures >= kind.lockout.soft and not state.lockout.locked:
        return Locked(at=at, for_good=False)
    return None


def decide(state: Credential, command: Command) -> tuple[Event, ...]:
    check_changeable(state, command.at)
    match command:
        case Unlock(at=at, evidence=evidence):
            return _unlocked(state, evidence, at=at)
        case RecordLock(at=at, for_good=for_good):
            known = state.lockout.for_good or (state.locked and not for_good)
            return () if known else (Locked(at=at, for_good=for_good),)
        case Resynchronize(at=at, timecode=timecode, drift_steps=drift_steps):
            return _resynchronized(state, timecode, drift_steps, at=at)
        case _:
            assert_never(command)


def _unlocked(state: Credential, evidence: str | None, *, at: datetime) -> tuple[Event, ...]:
    if not state.locked:
        return ()
    if state.lockout.for_good:
        raise Refused(Refusal.PERMANENT, "the credential is locked for good: have a new one issued")
    return (Unlocked(at=at, evidence=check_evidence(evidence)),)


def _resynchronized(state: Credential, timecode: int, drift_steps: int, *, at: datetime) -> tuple[Event, ...]:
    last = state.last_proof.timecode
    if last is not None and timecode <= last:
        raise Refused(Refusal.REPLAY, "a code as late as that was accepted before: wait for the next one")
    return (Resynchronized(at=at, timecode=timecode, drift_steps=drift_steps),)


# --- Replay


def fact_of(event: Event) -> Command | None:
    """Return the fact that an event came of; a lock stops a renewal by the clock, so a replay needs it."""
    match event:
        case Locked(at=at, for_good=for_good):
            return RecordLock(at=at, for_good=for_good)
        case Unlocked(at=at, evidence=evidence):
            return Unlock(at=at, evidence=evidence)
        case Resynchronized():
            return None
        case _:
            assert_never(event)
