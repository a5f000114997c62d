"""The fold of a rebuild: one process's share of the log, by ranges of positions, in bounded memory.

A share is the streams of one hash, so that each stream's events are folded in order by one process.
"""

from collections import Counter
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from uuid import UUID

from psycopg import Connection

from sealbook.adapters.eventstore.codec import decode_event
from sealbook.adapters.eventstore.schema import BOOK
from sealbook.adapters.read_models.tables import BEGINNING, State, Tables
from sealbook.application.ports import LedgerDamaged, Unavailable
from sealbook.domain.catalogue import Event
from sealbook.projections.counts import add, streams_of_credentials

POSITIONS_A_RANGE = 20_000
"""Read by one statement, so no snapshot is held for long; some megabytes, and little work between two reports."""
STATES_IN_MEMORY = 100_000
"""By process; about 1.5 kB each."""
STATES_A_COPY = 20_000

_EVENTS = """
    SELECT position, uuid_send(stream), body FROM sealbook.events
    WHERE book = %s AND position > %s AND position <= %s AND mod(uuid_hash(stream) & 2147483647, %s::integer) = %s
    ORDER BY position
"""
_APART = "SELECT count(*) FROM sealbook.events_apart WHERE book = %s AND position > %s AND position <= %s"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogShare:
    """The `number`th of `shares` parts of the log up to a position. `tables` is the number of the tables to fill."""

    number: int
    shares: int
    until: int
    tables: int


@dataclass(slots=True)
class Folded:
    """What a share came to, besides the states: events by name, and the latest moment that one speaks of."""

    counts: Counter[str] = field(default_factory=Counter[str])
    latest_at: datetime = BEGINNING


def events_between(
    connection: Connection, after: int, until: int, *, shares: int = 1, number: int = 0
) -> list[tuple[bytes, Event]]:
    """Return a range of the log, in order, as streams and events: of all streams, or of one share of them.

    The range must be in the log. Raises LedgerDamaged where a position is missing; of shares, their sum tells.
    """
    rows = connection.execute(_EVENTS, [BOOK, after, until, shares, number], binary=True, prepare=True).fetchall()
    if shares == 1 and len(rows) < until - after - apart_between(connection, after, until):
        raise LedgerDamaged(f"of the positions {after + 1} to {until} one is missing: run sealbook fsck")
    return [(stream, decode_event(body).event) for _, stream, body in rows]


def apart_between(connection: Connection, after: int, until: int) -> int:
    """Return how many positions of a range are out of the log by law."""
    row = connection.execute(_APART, [BOOK, after, until]).fetchone()
    return 0 if row is None else int(row[0])


def fold_share(
    tables: Tables, share: LogShare, *, advanced: Callable[[int], None], states_in_memory: int = STATES_IN_MEMORY
) -> Folded:
    """Fold a share into its tables and say after each range how far it is; return what the events came to."""
    folded = Folded()
    working = WorkingStates(tables, number=share.tables, most=states_in_memory)
    for after in range(0, share.until, POSITIONS_A_RANGE):
        until = min(after + POSITIONS_A_RANGE, share.until)
        events = events_between(tables.connection, after, until, shares=share.shares, number=share.number)
        add(events, counts=folded.counts, credentials=working.with_those_of(streams_of_credentials(events)))
        folded.latest_at = max([folded.latest_at, *(event.at for _, event in events)])
        working.shrink()
        advanced(until)
    working.write_all()
    return folded


class WorkingStates:
    """The states in hand: those last met in memory, the others in their table, each in one of the two.

    There are two generations. When the recent one is full, the older is written, and the recent becomes the older.
    """

    def __init__(self, tables: Tables, *, number: int, most: int) -> None:
        self._tables = tables
        self._number = number
        self._most = most
        self._recent: dict[bytes, State] = {}
        self._older: dict[bytes, State] = {}
        self._some_are_written = False

    def with_those_of(self, streams: Collection[bytes]) -> dict[bytes, State]:
        """Return the recent states, with those of the streams among them if there are any."""
        missing = [stream for stream in streams if stream not in self._recent]
        for stream in missing:
            state = self._older.pop(stream, None)
            if state is not None:
                self._recent[stream] = state
        if self._some_are_written:
            self._take([stream for stream in missing if stream not in self._recent])
        return self._recent

    def shrink(self) -> None:
        if len(self._recent) * 2 >= self._most:
            self._write(self._older)
            self._older, self._recent = self._recent, {}

    def write_all(self) -> None:
        self._write(self._older)
        self._write(self._recent)

    def _take(self, streams: Sequence[bytes]) -> None:
        with self._own_tables():
            self._recent.update(self._tables.take_states([UUID(bytes=stream) for stream in streams]))

    def _write(self, states: dict[bytes, State]) -> None:
        left = iter(states.items())
        while part := list(islice(left, STATES_A_COPY)):
            with self._own_tables():
                self._tables.copy_states(part)
        self._some_are_written |= bool(states)

    @contextmanager
    def _own_tables(self) -> Generator[None]:
        """Work on the tables in a transaction, if they are still those of our rebuild. Raises Unavailable.

        A worker may outlive its rebuild by a moment: the next one's tables bear the same names.
        """
        with self._tables.connection.transaction():
            self._tables.run("LOCK TABLE {} IN ROW EXCLUSIVE MODE", self._tables.name("credentials"))
            if self._tables.number() != self._number:
                raise Unavailable("another rebuild of the read models has begun: wait until it ends")
            yield
