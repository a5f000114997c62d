"""A changed device: setting up again after an update, and moving to another phone (domain rules R55, R56)."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, assert_never
from uuid import UUID

from sealbook.domain.credential.issuing import Attestation, key_attested
from sealbook.domain.credential.standing import Credential, LastProof, check_changeable
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.evidence import check_evidence
from sealbook.domain.kind_document import KindDocument
from sealbook.domain.records import replace
from sealbook.domain.values import EventType, StorageLevel

# --- Events


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetRequired:
    stored: ClassVar = EventType("credential.reset_required", 1)

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetCompleted:
    """`key_rolled`: a new key took the old one's place, so counters begin anew."""

    stored: ClassVar = EventType("credential.reset_completed", 1)

    at: datetime
    evidence: str
    key_rolled: bool
    level: StorageLevel
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """The credential stays, on another device: its key is kept in a cloud."""

    stored: ClassVar = EventType("credential.moved", 1)

    at: datetime
    device: UUID


Event = ResetRequired | ResetCompleted | Moved


# --- Commands


@dataclass(frozen=True, slots=True, kw_only=True)
class RequireReset:
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteReset:
    """`evidence` refers to a verification of the phone."""

    at: datetime
    evidence: str | None
    key_rolled: bool
    attestation: Attestation | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    at: datetime
    device: UUID


Command = RequireReset | CompleteReset | Move


# --- Evolve


def evolve(state: Credential, event: Event) -> Credential:
    match event:
        case ResetRequired():
            return replace(state, reset_required=True)
        case ResetCompleted(key_rolled=key_rolled, level=level):
            last = LastProof(timecode=state.last_proof.timecode) if key_rolled else state.last_proof
            return replace(state, reset_required=False, storage=level, last_proof=last)
        case Moved(device=device):
            return replace(state, device=device)
        case _:
            assert_never(event)


# --- Decide


def decide(state: Credential, command: Command, kind: KindDocument) -> tuple[Event, ...]:
    check_changeable(state, command.at)
    match command:
        case RequireReset(at=at):
            return () if state.reset_required else (ResetRequired(at=at),)
        case CompleteReset():
            return _completed(command, kind) if state.reset_required else ()
        case Move(at=at, device=device):
            return () if state.device == device else _moved(device, kind, at=at)
        case _:
            assert_never(command)


def _moved(device: UUID, kind: KindDocument, *, at: datetime) -> tuple[Moved]:
    if not kind.storage.moves:
        raise Refused(Refusal.ATTESTATION, f"the key of a {kind.kind} stays in its device: have a new one issued")
    return (Moved(at=at, device=device),)


def _completed(command: CompleteReset, kind: KindDocument) -> tuple[Event, ...]:
    attested = key_attested(command.attestation, kind, at=command.at)
    return (
        ResetCompleted(
            at=command.at,
            evidence=check_evidence(command.evidence),
            key_rolled=command.key_rolled,
            level=attested.level,
            digest=attested.digest,
        ),
    )
