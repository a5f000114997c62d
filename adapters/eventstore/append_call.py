"""The append's one call: groups into arrays, rows into what became of them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sealbook.adapters.eventstore.codec import encode_event, encode_head
from sealbook.adapters.eventstore.columns import Column, blobs, integers, moments, texts, uuids
from sealbook.adapters.eventstore.keys import NONCE_BYTES, Keys
from sealbook.adapters.eventstore.load_call import Digested, HeadReader, Row, stored_outcome
from sealbook.adapters.eventstore.schema import BOOK
from sealbook.application.commands import day_said_by
from sealbook.application.names import Name
from sealbook.application.ports import (
    Appended,
    Group,
    Head,
    ImportProgress,
    LedgerDamaged,
    NewEvent,
    StoredOutcome,
)

SALT_BYTES = 16

# A row of types a table of the batch, as the function in the DDL names its parameters.
_TYPES = """
    smallint boolean
    integer[] uuid[] integer[]
    integer[] uuid[] integer[] integer[] timestamptz[] bytea[]
    integer[] uuid[] integer[] bytea[] bytea[] bytea[]
    integer[] text[] bytea[] uuid[] bytea[]
    integer[] uuid[] integer[] bytea[] text[] uuid[] integer[]
    bytea text bigint bigint boolean
""".split()  # noqa: SIM905 (a list of 34 lines says less)
APPEND = f"SELECT * FROM sealbook.append({', '.join(f'%b::{each}' for each in _TYPES)})"  # noqa: S608 (constants)

StoredRow = tuple[UUID, int, bytes, bytes, bytes]
"""An event's stream, version, salt, MAC and body, as its row will have them."""


def stored_row(new: NewEvent, *, keys: Keys, salt: bytes) -> StoredRow:
    body = encode_event(new)
    mac = keys.mac(book=BOOK, stream=new.stream, version=new.version, salt=salt, body=body)
    return new.stream, new.version, salt, mac, body


def append_arguments(
    groups: Sequence[Group],
    *,
    keys: Keys,
    randomness: Callable[[int], bytes],
    whole: bool,
    progress: ImportProgress | None,
) -> list[object]:
    """Return the arguments of one call for all groups, a column an array."""
    places = list(enumerate(groups))
    reads = [(place, stream, version) for place, group in places for stream, version in group.read.items()]
    heads = [
        (place, stream, group.read[stream], head.version, head.latest_at, encode_head(head.state))
        for place, group in places
        for stream, head in group.moved.items()
    ]
    events = _events(groups, keys=keys, randomness=randomness)
    names = [
        (place, *_named(name, stream, keys=keys, nonce=randomness(NONCE_BYTES)))
        for place, group in places
        for name, stream in group.names.items()
    ]
    return [
        *(BOOK, whole),
        *_columns(reads, integers, uuids, integers),
        *_columns(heads, integers, uuids, integers, integers, moments, blobs),
        *_columns(events, integers, uuids, integers, blobs, blobs, blobs),
        *_columns(names, integers, texts, blobs, uuids, blobs),
        *_columns(_outcomes(groups), integers, uuids, integers, blobs, texts, uuids, integers),
        *_progress(progress),
    ]


def _events(
    groups: Sequence[Group], *, keys: Keys, randomness: Callable[[int], bytes]
) -> list[tuple[int, UUID, int, bytes, bytes, bytes]]:
    salts = randomness(SALT_BYTES * sum(len(group.events) for group in groups))
    rows: list[tuple[int, UUID, int, bytes, bytes, bytes]] = []
    for place, group in enumerate(groups):
        for new in group.events:
            start = SALT_BYTES * len(rows)
            rows.append((place, *stored_row(new, keys=keys, salt=salts[start : start + SALT_BYTES])))
    return rows


def _outcomes(groups: Sequence[Group]) -> list[tuple[object, ...]]:
    """Return the rows of command ids; of each, which of the batch's events is its last, from 1 on."""
    rows: list[tuple[object, ...]] = []
    before = 1
    for place, group in enumerate(groups):
        for kept in group.outcomes:
            event = None if kept.last_event is None else before + kept.last_event
            day = day_said_by(kept.command_id)
            rows.append((place, kept.command_id, day, kept.digest, kept.refusal, kept.stream, event))
        before += len(group.events)
    return rows


def appended(
    rows: Iterable[Row],
    *,
    sizes: Sequence[int],
    names: Digested,
    reader: HeadReader,
) -> Appended:
    """Return what the rows of the call say. `sizes` are how many events each group sent had."""
    left_out: set[int] = set()
    stale: dict[UUID, Head] = {}
    taken: dict[Name, UUID] = {}
    outcomes: dict[UUID, StoredOutcome] = {}
    forgotten: set[UUID] = set()
    end: tuple[int, datetime] | None = None
    for what, place, stream, version, state, latest_at, digest, refusal, command, position, at in rows:
        match what:
            case "left":
                left_out.add(place)
            case "head":
                stale[stream] = reader.read(stream, version, state, latest_at)
            case "name":
                taken[names[refusal, digest]] = stream
            case "command":
                outcomes[command] = stored_outcome(digest, refusal, stream, position)
            case "forgotten":
                forgotten.add(command)
            case "at":
                end = (position, at)
            case other:
                raise LedgerDamaged(f"the append answered {other!r}")
    if end is None:
        raise LedgerDamaged("the append gave no time of recording")
    last, recorded_at = end
    return Appended(
        recorded_at=recorded_at,
        positions=_positions(sizes, left_out, last),
        left_out=frozenset(left_out),
        stale=stale,
        taken=taken,
        outcomes=outcomes,
        forgotten=frozenset(forgotten),
    )


def _positions(sizes: Sequence[int], left_out: set[int], last: int) -> dict[int, int]:
    """Return the first position of each group that was written: densely, in their order, from `last` on."""
    positions: dict[int, int] = {}
    for place, size in enumerate(sizes):
        if size and place not in left_out:
            positions[place] = last + 1
            last += size
    return positions


def _named(name: Name, stream: UUID, *, keys: Keys, nonce: bytes) -> tuple[str, bytes, UUID, bytes]:
    return name.kind.value, keys.name_digest(name), stream, keys.seal_name(name, stream, nonce=nonce)


def _columns(rows: Sequence[tuple[Any, ...]], *kinds: Callable[[Sequence[Any]], Column]) -> Iterator[Column]:
    columns = zip(*rows, strict=True) if rows else ((),) * len(kinds)
    return (kind(column) for kind, column in zip(kinds, columns, strict=True))


def _progress(progress: ImportProgress | None) -> tuple[object, ...]:
    if progress is None:
        return (None, None, None, None, None)
    return (
        progress.digest,
        progress.options,
        progress.lines_done_before,
        progress.lines_done,
        progress.finished,
    )
