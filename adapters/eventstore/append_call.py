"""The append's one call: groups into arrays, rows into what became of them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sealbook.adapters.eventstore.codec import encode_event, encode_head
from sealbook.adapters.eventstore.keys import NONCE_BYTES, Keys
from sealbook.adapters.eventstore.schema import BOOK
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
from sealbook.domain.errors import Refusal

SALT_BYTES = 16

# A row of types a table of the batch, as the function in the DDL names its parameters.
_TYPES = """
    smallint boolean
    integer[] uuid[] integer[]
    integer[] uuid[] integer[] integer[] bytea[]
    integer[] uuid[] integer[] bytea[] bytea[] bytea[]
    integer[] text[] bytea[] uuid[] bytea[]
    integer[] uuid[] bytea[] text[] uuid[] integer[]
    bytea text bigint bigint boolean
""".split()  # noqa: SIM905 (a list of 32 lines says less)
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
    reads = [(place, *each) for place, group in places for each in group.read.items()]
    heads = [
        (place, stream, group.read[stream], head.version, encode_head(head.state))
        for place, group in places
        for stream, head in group.moved.items()
    ]
    events = [
        (place, *stored_row(new, keys=keys, salt=randomness(SALT_BYTES)))
        for place, group in places
        for new in group.events
    ]
    names = [
        (place, *_named(name, stream, keys=keys, nonce=randomness(NONCE_BYTES)))
        for place, group in places
        for name, stream in group.names.items()
    ]
    commands = [
        (place, kept.command_id, kept.digest, kept.refusal, kept.stream, kept.last_event)
        for place, group in places
        for kept in group.outcomes
    ]
    columns = (
        _columns(rows, width) for rows, width in ((reads, 3), (heads, 5), (events, 6), (names, 5), (commands, 6))
    )
    return [BOOK, whole, *(column for table in columns for column in table), *_progress(progress)]


def appended(
    rows: Iterable[tuple[Any, ...]], *, names: Mapping[bytes, Name], decode_head: Callable[[int, bytes | None], Head]
) -> Appended:
    """Return what the rows of the call say."""
    positions: dict[int, int] = {}
    left_out: set[int] = set()
    stale: dict[UUID, Head] = {}
    taken: dict[Name, UUID] = {}
    outcomes: dict[UUID, StoredOutcome] = {}
    recorded_at: datetime | None = None
    for what, place, stream, version, state, digest, refusal, command, position, at in rows:
        match what:
            case "group":
                positions[place] = position
            case "left":
                left_out.add(place)
            case "head":
                stale[stream] = decode_head(version, state)
            case "name":
                taken[names[digest]] = stream
            case "command":
                code = None if refusal is None else Refusal(refusal)
                outcomes[command] = StoredOutcome(digest=digest, refusal=code, stream=stream, position=position)
            case "at":
                recorded_at = at
            case other:
                raise LedgerDamaged(f"the append answered {other!r}")
    if recorded_at is None:
        raise LedgerDamaged("the append gave no time of recording")
    return Appended(
        recorded_at=recorded_at,
        positions=positions,
        left_out=frozenset(left_out),
        stale=stale,
        taken=taken,
        outcomes=outcomes,
    )


def _named(name: Name, stream: UUID, *, keys: Keys, nonce: bytes) -> tuple[str, bytes, UUID, bytes]:
    return name.kind.value, keys.name_digest(name), stream, keys.seal_name(name, stream, nonce=nonce)


def _columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


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
