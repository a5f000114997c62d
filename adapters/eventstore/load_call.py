"""The load's one call, and how rows of heads and events are read."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce
from typing import Any
from uuid import UUID

from sealbook.adapters.eventstore.codec import OutdatedHead, decode_event, decode_head
from sealbook.adapters.eventstore.columns import blobs, integers, texts, uuids
from sealbook.adapters.eventstore.schema import BOOK
from sealbook.adapters.keys.port import Keys
from sealbook.application.commands import day_said_by
from sealbook.application.names import Name
from sealbook.application.ports import Head, LedgerDamaged, Loaded, StoredOutcome
from sealbook.domain.catalogue import RecordedEvent, evolve
from sealbook.domain.errors import Refusal

LOAD_TYPES = ("smallint", "uuid[]", "text[]", "bytea[]", "uuid[]", "integer[]")
LOAD = f"SELECT * FROM sealbook.load({', '.join(f'%b::{each}' for each in LOAD_TYPES)})"  # noqa: S608 (constants)
STREAM = """
    SELECT book, position, stream, version, recorded_at, body FROM sealbook.events
    WHERE book = %s AND stream = %s AND version > %s ORDER BY version
"""

Row = tuple[Any, ...]
Digested = Mapping[tuple[str, bytes], Name]
"""Names by their kind and digest."""


def digested(names: Collection[Name], *, keys: Keys) -> Digested:
    return {(name.kind.value, keys.name_digest(name)): name for name in names}


def load_arguments(streams: Collection[UUID], names: Digested, commands: Collection[UUID]) -> list[object]:
    """Return the arguments of one call."""
    ids = list(commands)
    return [
        *(BOOK, uuids(list(streams)), texts([kind for kind, _ in names]), blobs([digest for _, digest in names])),
        *(uuids(ids), integers([day_said_by(each) for each in ids])),
    ]


@dataclass(slots=True)
class HeadReader:
    """Reads heads. One that an older fold made has no state yet; `outdated` names its stream."""

    outdated: list[UUID] = field(default_factory=list[UUID])

    def read(self, stream: UUID, version: int, state: bytes | None, latest_at: datetime | None) -> Head:
        try:
            return Head(version, None if state is None else decode_head(state), latest_at)
        except OutdatedHead:
            self.outdated.append(stream)
            return Head(version, None, latest_at)


def refolded(head: Head, rows: Iterable[Row]) -> Head:
    """Return a head with its stream folded anew, up to its own version."""
    history = map(recorded, rows)
    state = reduce(evolve, (each.event for each in history if each.version <= head.version), None)
    return Head(head.version, state, head.latest_at)


def loaded(rows: Iterable[Row], *, names: Digested, reader: HeadReader) -> Loaded:
    """Return what the rows of the call say."""
    heads: dict[UUID, Head] = {}
    found: dict[Name, UUID] = {}
    outcomes: dict[UUID, StoredOutcome] = {}
    for what, stream, version, state, latest_at, digest, refusal, command, position in rows:
        match what:
            case "head":
                heads[stream] = reader.read(stream, version, state, latest_at)
            case "name":
                found[names[refusal, digest]] = stream
            case "command":
                outcomes[command] = stored_outcome(digest, refusal, stream, position)
            case other:
                raise LedgerDamaged(f"the load answered {other!r}")
    return Loaded(heads=heads, names=found, outcomes=outcomes)


def stored_outcome(digest: bytes, refusal: str | None, stream: UUID | None, position: int | None) -> StoredOutcome:
    code = None if refusal is None else Refusal(refusal)
    return StoredOutcome(digest=digest, refusal=code, stream=stream, position=position)


def recorded(row: Row) -> RecordedEvent:
    book, position, stream, version, recorded_at, body = row
    decoded = decode_event(body)
    return RecordedEvent(
        book=book,
        position=position,
        stream=stream,
        version=version,
        recorded_at=recorded_at,
        actor=decoded.actor,
        channel=decoded.channel,
        command_id=decoded.command_id,
        caused_by=decoded.caused_by,
        event=decoded.event,
    )
