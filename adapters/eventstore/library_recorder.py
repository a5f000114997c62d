"""The eventsourcing library's recorders over the ledger's own append: one book, one log.

A row of ours is seen by the library as a SealedEvent. A stored event of any other topic is kept as
the body [topic, state]; it is for the library's conformance cases, and no decision reads it.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from threading import Event, RLock
from typing import Any, cast
from uuid import UUID

import msgspec
from eventsourcing.persistence import (
    ApplicationRecorder,
    IntegrityError,
    Notification,
    ProcessRecorder,
    StoredEvent,
    Subscription,
    Tracking,
    TrackingRecorder,
)

from sealbook.adapters.eventstore.append_call import APPEND, SALT_BYTES, appended
from sealbook.adapters.eventstore.codec import decode_canonical, encode_head
from sealbook.adapters.eventstore.load_call import HeadReader
from sealbook.adapters.eventstore.postgres import PostgresEventStore, translated
from sealbook.adapters.eventstore.schema import BOOK
from sealbook.adapters.keys.port import Keys
from sealbook.application.ports import Head, OutcomeUnknown, Unavailable

POLL_SECONDS = 0.1
EVENTS_A_READ = 500

_COLUMNS = "position, stream, version, body, salt, mac"
_STREAM = f"""SELECT {_COLUMNS} FROM sealbook.events
    WHERE book = %s AND stream = %s AND version > %s AND version <= %s ORDER BY version"""  # noqa: S608  # constants
_LOG = f"""SELECT {_COLUMNS} FROM sealbook.events
    WHERE book = %s AND position > %s AND position <= %s ORDER BY position LIMIT %s"""  # noqa: S608  # constants
_TRACK = """INSERT INTO sealbook.tracking AS t VALUES (%s, %s)
    ON CONFLICT (name) DO UPDATE SET position = excluded.position WHERE t.position < excluded.position"""
_VERSION_MAX = 2**31 - 1
_POSITION_MAX = 2**63 - 1
_Columns = tuple[int, UUID, int, bytes, bytes, bytes]


@dataclass(frozen=True)
class SealedEvent(StoredEvent):
    """An event of ours for the library: `state` is the whole body, envelope included."""

    salt: bytes
    mac: bytes


class SharedStore:
    """A store that threads share by taking turns, for its one connection may be in a transaction.

    Writers of one book wait for each other in any case; whoever needs reads beside them opens
    another store.
    """

    def __init__(self, store: PostgresEventStore, *, randomness: Callable[[int], bytes]) -> None:
        self._store = store
        self.randomness = randomness
        self._lock = RLock()

    @contextmanager
    def held(self) -> Generator[PostgresEventStore]:
        with self._lock:
            yield self._store

    def rows(self, query: str, *arguments: object) -> list[Any]:  # rows are what the query says
        with self.held() as store, translated():
            return store.connection.execute(query.encode(), arguments, prepare=True, binary=True).fetchall()


class LedgerRecorder(ApplicationRecorder):
    """Writes and reads the library's stored events; a notification's id is the position."""

    def __init__(self, shared: SharedStore) -> None:
        self._shared = shared

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int]:  # noqa: ANN401  # theirs
        """Append all or none, and return their positions. Raises IntegrityError when a version is taken."""
        tracking: Tracking | None = kwargs.get("tracking")
        if not stored_events and tracking is None:
            return []
        with self._shared.held() as store, _unknown_if_broken(store), translated():
            # Alone, the append commits by itself: one round trip.
            with nullcontext() if tracking is None else store.connection.transaction():
                rows = [self._row(event, store.keys) for event in stored_events]
                positions = _append(store, rows) if rows else []
                if tracking is not None:
                    self._track(store, tracking)
            return positions

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        after, last = -1 if gt is None else gt, _VERSION_MAX if lte is None else lte
        events = [_stored(row) for row in self._shared.rows(_STREAM, BOOK, originator_id, after, last)]
        return (events[::-1] if desc else events)[:limit]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        after = 0 if start is None else start - 1 if inclusive_of_start else start
        log = self._log(after, _POSITION_MAX if stop is None else stop)
        return list(islice((each for each in log if not topics or each.topic in topics), limit))

    def max_notification_id(self) -> int | None:
        return self.last_position() or None

    def last_position(self) -> int:
        with self._shared.held() as store:
            return store.last_position()

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[ApplicationRecorder]:
        return PollingSubscription(self, gt, topics)

    def _row(self, event: StoredEvent, keys: Keys) -> SealedEvent:
        if isinstance(event, SealedEvent):
            return event
        stream, version = cast("UUID", event.originator_id), event.originator_version
        salt, body = self._shared.randomness(SALT_BYTES), msgspec.msgpack.encode([event.topic, event.state])
        mac = keys.mac(book=BOOK, stream=stream.bytes, version=version, salt=salt, body=body)
        return SealedEvent(stream, version, event.topic, body, salt, mac)

    def _track(self, _store: PostgresEventStore, tracking: Tracking) -> None:
        raise TypeError(f"tracking of {tracking.application_name} needs a process recorder")

    def _log(self, after: int, last: int) -> Iterator[Notification]:
        while True:
            rows = self._shared.rows(_LOG, BOOK, after, last, EVENTS_A_READ)
            yield from map(_notification, rows)
            if len(rows) < EVENTS_A_READ:
                return
            after = rows[-1][0]


class LedgerTrackingRecorder(TrackingRecorder):
    """Keeps how far a reader has come with an application's log. `reader` sets its rows apart from others'."""

    def __init__(self, shared: SharedStore, *, reader: str) -> None:
        self._shared = shared
        self._reader = reader

    def insert_tracking(self, tracking: Tracking) -> None:
        with self._shared.held() as store, _unknown_if_broken(store), translated():
            self._track(store, tracking)

    def max_tracking_id(self, application_name: str) -> int | None:
        query = "SELECT position FROM sealbook.tracking WHERE name = %s"
        rows: list[tuple[int]] = self._shared.rows(query, self._name(application_name))
        return rows[0][0] if rows else None

    def _track(self, store: PostgresEventStore, tracking: Tracking) -> None:
        arguments = [self._name(tracking.application_name), tracking.notification_id]
        if store.connection.execute(_TRACK, arguments).rowcount == 0:
            raise IntegrityError(f"position {tracking.notification_id} was tracked before: it is not taken twice")

    def _name(self, application_name: str) -> str:
        return f"{self._reader}:{application_name}"


class LedgerProcessRecorder(LedgerTrackingRecorder, LedgerRecorder, ProcessRecorder):
    """Records events and tracking in one transaction: what was made of a notification is made once."""


class PollingSubscription(Subscription[ApplicationRecorder]):
    """Follows the log by asking for the book's position: no LISTEN, which would cost every writer.

    Positions are dense and in commit order. So what the position says is readable then, and a range
    once read is read for good.
    """

    def __init__(self, recorder: LedgerRecorder, gt: int | None, topics: Sequence[str]) -> None:
        super().__init__(recorder=recorder, gt=gt, topics=topics)
        self._log = recorder
        self._after = gt or 0
        self._ready: list[Notification] = []
        self._stopped = Event()

    def stop(self) -> None:
        super().stop()
        self._stopped.set()

    def __next__(self) -> Notification:
        while not self._stopped.is_set():
            if self._ready:
                return self._ready.pop()
            last = self._log.last_position()
            if last > self._after:
                self._read(last)
            else:
                self._stopped.wait(POLL_SECONDS)
        raise StopIteration

    def _read(self, last: int) -> None:
        until = min(last, self._after + EVENTS_A_READ)
        found = self._log.select_notifications(self._after + 1, EVENTS_A_READ, until, self._topics)
        self._ready = list(reversed(found))
        self._after = until


@dataclass(frozen=True, slots=True)
class _Move:
    """What an insert does to one head. `foreign`: of the library's own events, which nothing folds."""

    expected: int
    head: Head
    foreign: bool


def _append(store: PostgresEventStore, rows: Sequence[SealedEvent]) -> list[int]:
    """Append as one group: what the library saves at once stands or falls together."""
    streams = [cast("UUID", row.originator_id) for row in rows]
    known = store.load(streams=set(streams), names=(), commands=()).heads
    moves: dict[UUID, _Move] = {}
    for stream, row in zip(streams, rows, strict=True):
        moves[stream] = _moved(moves.get(stream) or _begun(known.get(stream), row), row)
    call = store.connection.execute(APPEND, _arguments(moves, rows), prepare=True, binary=True)
    result = appended(call.fetchall(), sizes=[len(rows)], names={}, reader=HeadReader())
    if result.left_out:
        raise IntegrityError(f"versions were taken meanwhile in {', '.join(map(str, result.stale))}")
    first = result.positions[0]
    return list(range(first, first + len(rows)))


def _begun(there: Head | None, row: SealedEvent) -> _Move:
    if there is not None:
        return _Move(expected=there.version, head=there, foreign=there.state is None)
    # The library's streams begin at version 0 or 1.
    before = min(row.originator_version, 1) - 1
    return _Move(expected=before, head=Head(version=before, state=None), foreign=_opened(row.state)[2])


def _moved(move: _Move, row: SealedEvent) -> _Move:
    stream, version, (_, body, foreign) = row.originator_id, row.originator_version, _opened(row.state)
    if version != move.head.version + 1 or version < 0:
        raise IntegrityError(f"version {version} of stream {stream} does not follow version {move.head.version}")
    if foreign is not move.foreign:
        raise TypeError(f"stream {stream} holds events of the ledger or of the library, never both")
    head = Head(version=version, state=None) if foreign else move.head.after(decode_canonical(body).event)
    return replace(move, head=head)


def _arguments(moves: Mapping[UUID, _Move], rows: Sequence[SealedEvent]) -> list[object]:
    reads: list[list[object]] = [[0] * len(moves), [*moves], [move.expected for move in moves.values()]]
    heads = [move.head for move in moves.values()]
    states = [None if head.state is None else encode_head(head.state) for head in heads]
    events = [[0, row.originator_id, row.originator_version, row.salt, row.mac, row.state] for row in rows]
    latest = [head.latest_at for head in heads]
    columns = [list(column) for column in zip(*events, strict=True)]
    nothing: list[object] = [*([[]] * 17), *([None] * 5)]  # no names, no erasures, no commands, no import
    return [BOOK, True, *reads, *reads, [head.version for head in heads], latest, states, *columns, *nothing]


def _stored(row: _Columns) -> StoredEvent:
    _, stream, version, body, salt, mac = row
    topic, state, foreign = _opened(body)
    if foreign:
        return StoredEvent(stream, version, topic, state)
    return SealedEvent(stream, version, topic, state, salt, mac)


def _notification(row: _Columns) -> Notification:
    position, stream, version, body, *_ = row
    topic, state, _ = _opened(body)
    return Notification(stream, version, topic, state, position)


def _opened(body: bytes) -> tuple[str, bytes, bool]:
    """Return a body's topic and state for the library, and whether it is of the library's own."""
    topic, *rest = msgspec.msgpack.decode(body)
    return (topic, rest[0], True) if len(rest) == 1 else (topic, body, False)


@contextmanager
def _unknown_if_broken(store: PostgresEventStore) -> Generator[None]:
    try:
        yield
    except Unavailable as error:
        if store.connection.broken:
            raise OutcomeUnknown("the connection broke before the answer came: look before you save again") from error
        raise
