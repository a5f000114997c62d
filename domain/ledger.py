"""Ledger: what the record says of itself, one stream a book.

* Whatever becomes a leaf of the seal is an event, this too: maps of heads, changes of keys, records that were
  destroyed by law, and the replacement of a log that lost its ledger.
* What is said here grows: a map covers no less of the log than the one before, a key's id is higher than the last.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import reduce
from typing import ClassVar, assert_never
from uuid import UUID

from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.evidence import check_evidence
from sealbook.domain.records import replace
from sealbook.domain.values import EventType

LEDGER_STREAM = UUID("5ea1b00c-0000-8000-8000-000000000000")
"""The stream of the ledger itself, in every book."""
_ROOT = re.compile("[0-9a-f]{64}")


class KeyPurpose(StrEnum):
    """What a key of the ledger's own is for."""

    MAC = "mac"
    LOG = "log"
    EPOCH = "epoch"


# --- Events: facts, in the past tense. Stored for years; see docs/events.md.


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadsMapped:
    """All streams of the log's first `tree_size` events, with their heads, have the Merkle root `root`."""

    stored: ClassVar = EventType("ledger.heads_mapped", 1)

    at: datetime
    tree_size: int
    streams: int
    root: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChanged:
    """Another key is in force. Of one that others verify with, `public_key` is the public half."""

    stored: ClassVar = EventType("ledger.key_changed", 1)

    at: datetime
    purpose: KeyPurpose
    key_id: int
    public_key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsDropped:
    """The bodies of a stream's events, up to version `versions`, are to be destroyed: their time is over."""

    stored: ClassVar = EventType("ledger.records_dropped", 1)

    at: datetime
    stream: UUID
    versions: int
    rule: str
    approved_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReplaced:
    """The ledger came back older than its log, so that log ended: at this size, with this root."""

    stored: ClassVar = EventType("ledger.log_replaced", 1)

    at: datetime
    origin: str
    tree_size: int
    root: str
    reason: str
    approved_by: str


Event = HeadsMapped | KeyChanged | RecordsDropped | LogReplaced


# --- Commands: requests, in the imperative. Never stored.


@dataclass(frozen=True, slots=True, kw_only=True)
class MapHeads:
    at: datetime
    tree_size: int
    streams: int
    root: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeKey:
    at: datetime
    purpose: KeyPurpose
    key_id: int
    public_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DropRecords:
    """`rule` says by what right, `approved_by` is an actor's reference."""

    at: datetime
    stream: UUID
    versions: int
    rule: str
    approved_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceLog:
    at: datetime
    origin: str
    tree_size: int
    root: str
    reason: str
    approved_by: str


Command = MapHeads | ChangeKey | DropRecords | ReplaceLog


# --- State.


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """`mapped` is how much of the log the last map covers, `key_ids` the highest id of each purpose."""

    mapped: int = 0
    root: str | None = None
    key_ids: tuple[tuple[KeyPurpose, int], ...] = ()
    dropped: int = 0
    logs_replaced: int = 0

    def key_id(self, purpose: KeyPurpose) -> int:
        return dict(self.key_ids).get(purpose, 0)


NEW = Ledger()


def evolve(state: Ledger, event: Event) -> Ledger:
    match event:
        case HeadsMapped(tree_size=tree_size, root=root):
            return replace(state, mapped=tree_size, root=root)
        case KeyChanged(purpose=purpose, key_id=key_id):
            others = tuple(each for each in state.key_ids if each[0] is not purpose)
            return replace(state, key_ids=(*others, (purpose, key_id)))
        case RecordsDropped():
            return replace(state, dropped=state.dropped + 1)
        case LogReplaced():
            # Another log begins at nothing, and so do its maps.
            return replace(state, logs_replaced=state.logs_replaced + 1, mapped=0, root=None)
        case _:
            assert_never(event)


def fold(history: Iterable[Event], since: Ledger = NEW) -> Ledger:
    return reduce(evolve, history, since)


# --- Decide.


def decide(state: Ledger, command: Command) -> tuple[Event, ...]:
    """Answer a command with new facts, nothing (already so), or a refusal."""
    match command:
        case MapHeads():
            return _mapped(state, command)
        case ChangeKey():
            return _key_changed(state, command)
        case DropRecords(at=at, stream=stream, versions=versions, rule=rule, approved_by=approved_by):
            check_evidence(approved_by)
            if stream == LEDGER_STREAM:
                raise Refused(Refusal.MISMATCH, "what the ledger says of itself is kept: name another stream")
            dropped = RecordsDropped(at=at, stream=stream, versions=versions, rule=rule, approved_by=approved_by)
            return (dropped,)
        case ReplaceLog():
            return _log_replaced(command)
        case _:
            assert_never(command)


def _mapped(state: Ledger, command: MapHeads) -> tuple[Event, ...]:
    if (command.tree_size, command.root) == (state.mapped, state.root):
        return ()
    if command.tree_size <= state.mapped:
        raise Refused(Refusal.SEAL_ORDER, f"a map of the first {state.mapped} events is in the ledger: map more of it")
    _check_root(command.root)
    mapped = HeadsMapped(at=command.at, tree_size=command.tree_size, streams=command.streams, root=command.root)
    return (mapped,)


def _key_changed(state: Ledger, command: ChangeKey) -> tuple[Event, ...]:
    held = state.key_id(command.purpose)
    if command.key_id == held:
        return ()
    if command.key_id < held:
        raise Refused(Refusal.SEAL_ORDER, f"the {command.purpose} key {held} is in force: a later one has a higher id")
    changed = KeyChanged(at=command.at, purpose=command.purpose, key_id=command.key_id, public_key=command.public_key)
    return (changed,)


def _log_replaced(command: ReplaceLog) -> tuple[Event, ...]:
    check_evidence(command.approved_by)
    _check_root(command.root)
    replaced = LogReplaced(
        at=command.at,
        origin=command.origin,
        tree_size=command.tree_size,
        root=command.root,
        reason=command.reason,
        approved_by=command.approved_by,
    )
    return (replaced,)


def _check_root(root: str) -> None:
    if not _ROOT.fullmatch(root):
        raise Refused(Refusal.MISMATCH, "a root has 64 hexadecimal digits")
