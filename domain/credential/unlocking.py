"""Unlock methods: how the holder opens the credential on the phone (domain rules R30, R33, R34, R45).

Templates and PINs never leave the phone; the record is told what was chosen, and what failed.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, assert_never

from sealbook.domain.credential.standing import Credential, check_usable
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.evidence import check_evidence
from sealbook.domain.kind_document import KindDocument
from sealbook.domain.records import replace
from sealbook.domain.values import EventType, UnlockMethod

# --- Events


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlockMethodSet:
    stored: ClassVar = EventType("credential.unlock_method_set", 1)

    at: datetime
    method: UnlockMethod


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlockMethodRemoved:
    stored: ClassVar = EventType("credential.unlock_method_removed", 1)

    at: datetime
    method: UnlockMethod


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlockFailed:
    """`failures` counts those of the method in a row. At the kind's limit the method is blocked."""

    stored: ClassVar = EventType("credential.unlock_failed", 1)

    at: datetime
    method: UnlockMethod
    failures: int


Event = UnlockMethodSet | UnlockMethodRemoved | UnlockFailed


# --- Commands


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUnlockMethod:
    """To set a method that failed since it last opened, the holder is identified first."""

    at: datetime
    method: UnlockMethod
    evidence: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveUnlockMethod:
    at: datetime
    method: UnlockMethod


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportUnlockFailure:
    at: datetime
    method: UnlockMethod


Command = SetUnlockMethod | RemoveUnlockMethod | ReportUnlockFailure


# --- Evolve


def evolve(state: Credential, event: Event) -> Credential:
    unlocks = state.unlock_methods
    match event:
        case UnlockMethodSet(method=method):
            others = tuple(each for each in unlocks.chosen if each is not method)
            unlocks = replace(unlocks.failing(method, 0), chosen=(*others, method))
        case UnlockMethodRemoved(method=removed):
            # Its failures stay, or removing a blocked method and setting it again would need no evidence.
            unlocks = replace(unlocks, chosen=tuple(each for each in unlocks.chosen if each is not removed))
        case UnlockFailed(method=method, failures=failures):
            unlocks = unlocks.failing(method, failures)
        case _:
            assert_never(event)
    return replace(state, unlock_methods=unlocks)


# --- Decide


def decide(state: Credential, command: Command, kind: KindDocument) -> tuple[Event, ...]:
    check_usable(state, command.at)
    match command:
        case SetUnlockMethod():
            return _set(state, command, kind)
        case RemoveUnlockMethod(at=at, method=method):
            return _removed(state, method, at=at)
        case ReportUnlockFailure(at=at, method=method):
            if method not in state.unlock_methods.chosen:
                raise Refused(Refusal.UNLOCK_METHOD, f"{method} is not set: set it first")
            failures = state.unlock_methods.failures_of(method) + 1
            return (UnlockFailed(at=at, method=method, failures=failures),)
        case _:
            assert_never(command)


def failures_max(method: UnlockMethod, kind: KindDocument) -> int:
    """Return after how many failures in a row a method is blocked (NIST SP 800-63B-4 3.2.3, 3.2.10)."""
    return kind.unlocking.biometric_failures_max if method.biometric else kind.unlocking.pin_failures_max


def _set(state: Credential, command: SetUnlockMethod, kind: KindDocument) -> tuple[Event, ...]:
    method, unlocks = command.method, state.unlock_methods
    if method not in kind.unlocking.methods:
        allowed = ", ".join(sorted(kind.unlocking.methods))
        raise Refused(Refusal.UNLOCK_METHOD, f"a {state.kind} is not opened by {method}: choose one of {allowed}")
    if method is not UnlockMethod.PIN and UnlockMethod.PIN not in unlocks.chosen:
        raise Refused(Refusal.UNLOCK_METHOD, "set a PIN first: it is what remains when another method fails")
    if unlocks.failures_of(method):
        # Else the limit could be slipped by setting the method again before it is reached.
        check_evidence(command.evidence)
    elif method in unlocks.chosen:
        return ()
    return (UnlockMethodSet(at=command.at, method=method),)


def _removed(state: Credential, method: UnlockMethod, *, at: datetime) -> tuple[Event, ...]:
    if method not in state.unlock_methods.chosen:
        return ()
    if method is UnlockMethod.PIN:
        raise Refused(Refusal.LAST_METHOD, "the PIN stays: it is what remains when another method fails")
    return (UnlockMethodRemoved(at=at, method=method),)
