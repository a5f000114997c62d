"""The append's one call: groups into arrays, rows into what became of them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sealbook.adapters.eventstore.codec import encode_event, encode_head
from sealbook.adapters.eventstore.columns import Column, blobs, integers, moments, texts, uuids
from sealbook.adapters.eventstore.load_call import Digested, HeadReader, Row, stored_outcome
from sealbook.adapters.eventstore.schema import BOOK
from sealbook.adapters.keys.port import Keys
from sealbook.adapters.vault.fields import name_field
from sealbook.adapters.vault.sealing import NAMES_CLASS, Place, seal
from sealbook.application.commands import day_said_by
from sealbook.application.names import SHOWN, Name
from sealbook.application.ports import (
    Appended,
    Group,
    Head,
    ImportProgress,
    LedgerDamaged,
    NewEvent,
    StoredOutcome,
)
from sealbook.domain import credential, customer
from sealbook.domain.credential import Credential

SALT_BYTES = 16

# A row of types a table of the batch, as the function in the DDL names its parameters.
APPEND_TYPES = """
    smallint boolean
    integer[] uuid[] integer[]
    integer[] uuid[] integer[] integer[] timestamptz[] bytea[]
    integer[] uuid[] integer[] bytea[] bytea[] bytea[]
    integer[] text[] bytea[] uuid[] uuid[] bytea[]
    integer[] uuid[] uuid[] integer[]
    integer[] uuid[] integer[] bytea[] text[] uuid[] integer[]
    bytea text bigint bigint boolean
""".split()  # noqa: SIM905 (a list of 39 lines says less)
APPEND = f"SELECT * FROM sealbook.append({', '.join(f'%b::{each}' for each in APPEND_TYPES)})"  # noqa: S608 (constants)

StoredRow = tuple[UUID, int, bytes, bytes, bytes]
"""An event's stream, version, salt, MAC and body, as its row will have them."""


def stored_row(new: NewEvent, *, keys: Keys, salt: bytes) -> StoredRow:
    body = encode_event(new)
    mac = keys.mac(book=BOOK, stream=new.stream.bytes, version=new.version, salt=salt, body=body)
    return new.stream, new.version, salt, mac, body


def owner_keys(groups: Sequence[Group], *, keys: Keys) -> Mapping[UUID, bytes]:
    """Return the keys of those who own the readable names of the groups, durable when this returns.

    No key is asked for where nothing is named, as by uses.
    """
    owners = {
        group.owner_of(stream)
        for group in groups
        if group.names
        for name, stream in group.names.items()
        if name.kind in SHOWN
    }
    if not owners:
        return {}
    found = keys.subject_keys(owners, NAMES_CLASS, create=True)
    if owners - found.keys():
        raise LedgerDamaged("who is to own a name was erased: nothing of this was written")
    return found


def append_arguments(
    groups: Sequence[Group],
    *,
    keys: Keys,
    owned: Mapping[UUID, bytes],
    randomness: Callable[[int], bytes],
    whole: bool,
    progress: ImportProgress | None,
) -> list[object]:
    """Return the arguments of one call for all groups, a column an array. `owned` are the owners' keys."""
    places = list(enumerate(groups))
    reads = [(place, stream, version) for place, group in places for stream, version in group.read.items()]
    heads = [
        (place, stream, group.read[stream], head.version, head.latest_at, encode_head(head.state))
        for place, group in places
        for stream, head in group.moved.items()
    ]
    events = _events(groups, keys=keys, randomness=randomness)
    names = [
        (place, *_named(name, stream, group.owner_of(stream), keys=keys, owned=owned, randomness=randomness))
        for place, group in places
        for name, stream in group.names.items()
    ]
    return [
        *(BOOK, whole),
        *_columns(reads, integers, uuids, integers),
        *_columns(heads, integers, uuids, integers, integers, moments, blobs),
        *_columns(events, integers, uuids, integers, blobs, blobs, blobs),
        *_columns(names, integers, texts, blobs, uuids, uuids, blobs),
        *_columns(_erased(groups), integers, uuids, uuids, integers),
        *_columns(_outcomes(groups, keys=keys), integers, uuids, integers, blobs, texts, uuids, integers),
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


_ERASING = (customer.PersonalDataErased, credential.PersonalDataErased)


def _erased(groups: Sequence[Group]) -> list[tuple[int, UUID, UUID | None, int]]:
    """Return whose names and values go, or of which subject of theirs; and by which of the batch's events, from 1."""
    rows: list[tuple[int, UUID, UUID | None, int]] = []
    number = 0
    for place, group in enumerate(groups):
        for new in group.events:
            number += 1
            if type(new.event) not in _ERASING:
                continue
            match new.event:
                case customer.PersonalDataErased():
                    rows += [(place, owner, None, number) for owner in (new.stream, *group.erased_with(new.stream))]
                case credential.PersonalDataErased():
                    state = group.moved[new.stream].state
                    assert isinstance(state, Credential)  # noqa: S101 (what such an event is of)
                    rows.append((place, state.customer, new.stream, number))
                case _:
                    pass
    return rows


def _outcomes(groups: Sequence[Group], *, keys: Keys) -> list[tuple[object, ...]]:
    """Return the rows of command ids; of each, which of the batch's events is its last, from 1 on."""
    rows: list[tuple[object, ...]] = []
    before = 1
    for place, group in enumerate(groups):
        for kept in group.outcomes:
            event = None if kept.last_event is None else before + kept.last_event
            day = day_said_by(kept.command_id)
            digest = keys.command_digest(kept.digest)
            rows.append((place, kept.command_id, day, digest, kept.refusal, kept.stream, event))
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


def _named(
    name: Name,
    stream: UUID,
    owner: UUID,
    *,
    keys: Keys,
    owned: Mapping[UUID, bytes],
    randomness: Callable[[int], bytes],
) -> tuple[str, bytes, UUID, UUID, bytes | None]:
    # An identity is compared, and never told: there is nothing of it that could be read.
    sealed = None
    if name.kind in SHOWN:
        place = Place(owner, stream, name_field(name.kind), NAMES_CLASS)
        sealed = seal(name.value.encode(), place, key=owned[owner], randomness=randomness)
    return name.kind.value, keys.name_digest(name), stream, owner, sealed


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
