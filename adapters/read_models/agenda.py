"""The timers' agenda in PostgreSQL: a narrow table beside the read models, a row for what may come due.

Its position is the timers' own in the tracking of process managers.
"""

from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Connection
from psycopg.errors import LockNotAvailable

from sealbook.adapters.eventstore.postgres import translated
from sealbook.adapters.eventstore.schema import BOOK
from sealbook.application.agenda import NOTHING, AgendaStanding, Entry
from sealbook.application.ports import EventStore, Unavailable
from sealbook.application.timers import TRACKED_AS

WAIT_SECONDS = 2
"""How long a run waits for another one to end."""
_TABLES: tuple[LiteralString, ...] = (
    """CREATE TABLE IF NOT EXISTS sealbook_read.agenda (
        stream uuid PRIMARY KEY, due_at timestamptz, looked_at timestamptz
    )""",
    "CREATE INDEX IF NOT EXISTS agenda_due ON sealbook_read.agenda (due_at, stream)",
    "CREATE INDEX IF NOT EXISTS agenda_looked ON sealbook_read.agenda (looked_at) WHERE looked_at IS NOT NULL",
    """CREATE TABLE IF NOT EXISTS sealbook_read.agenda_standing (
        one boolean PRIMARY KEY DEFAULT true CHECK (one), rules text NOT NULL, walked_to uuid
    )""",
)
_DUE: LiteralString = """
    SELECT stream FROM (
        (SELECT due_at, stream FROM sealbook_read.agenda WHERE due_at <= %(until)s
         ORDER BY due_at, stream LIMIT %(limit)s)
        UNION (SELECT due_at, stream FROM sealbook_read.agenda WHERE looked_at > %(until)s LIMIT %(limit)s)
    ) AS found ORDER BY due_at, stream LIMIT %(limit)s
"""
_PUT: LiteralString = """
    INSERT INTO sealbook_read.agenda AS old SELECT * FROM unnest(%b::uuid[], %b::timestamptz[], %b::timestamptz[])
    ON CONFLICT (stream) DO UPDATE SET due_at = excluded.due_at, looked_at = excluded.looked_at
    WHERE (old.due_at, old.looked_at) IS DISTINCT FROM (excluded.due_at, excluded.looked_at)
"""


class PostgresAgenda:
    """The agenda of one ledger, over the event store's own connection. Its tables are made when they are needed."""

    def __init__(self, connection: Connection, store: EventStore) -> None:
        self._connection = connection
        self._store = store

    @contextmanager
    def alone(self) -> Generator[None]:
        """Hold a lock of the session, which ends with it: who loses the connection can write nothing more."""
        with translated():
            self._lock()
        try:
            yield
        finally:
            if not self._connection.closed:
                self._rows("SELECT pg_advisory_unlock(hashtext('sealbook_read agenda'))")

    def _lock(self) -> None:
        try:
            with self._connection.transaction():
                # Not at once: of a process that was killed, the server holds it for a moment more.
                self._rows("SELECT set_config('lock_timeout', %s, true)", [f"{WAIT_SECONDS * 1000:.0f}ms"])
                self._connection.execute("SELECT pg_advisory_lock(hashtext('sealbook_read agenda'))")
        except LockNotAvailable:
            raise Unavailable("the timers are being run by another process: wait until it is done") from None

    def standing(self) -> AgendaStanding:
        ((there,),) = self._rows("SELECT to_regclass('sealbook_read.agenda_standing') IS NOT NULL")
        rows = self._rows("SELECT rules, walked_to FROM sealbook_read.agenda_standing") if there else []
        for rules, walked_to in rows:
            return AgendaStanding(position=self._store.tracked(TRACKED_AS), rules=rules, walked_to=walked_to)
        for statement in _TABLES:
            self._rows(statement)
        # What is in the log by now, the walk finds by itself.
        return AgendaStanding(position=self._store.last_position(), rules="", walked_to=None)

    def note(self, standing: AgendaStanding) -> None:
        with translated(), self._connection.transaction():
            self._rows(
                "INSERT INTO sealbook_read.agenda_standing (rules, walked_to) VALUES (%s, %s)"
                " ON CONFLICT (one) DO UPDATE SET rules = excluded.rules, walked_to = excluded.walked_to",
                [standing.rules, standing.walked_to],
            )
            self._store.track(TRACKED_AS, standing.position)

    def put(self, entries: Mapping[UUID, Entry]) -> None:
        kept = {stream: entry for stream, entry in entries.items() if entry != NOTHING}
        gone = entries.keys() - kept.keys()
        if gone:
            self._rows("DELETE FROM sealbook_read.agenda WHERE stream = ANY (%b)", [list(gone)])
        if kept:
            columns = zip(*((stream, *entry) for stream, entry in kept.items()), strict=True)
            self._rows(_PUT, [list(column) for column in columns])

    def due(self, *, until: datetime, limit: int) -> list[UUID]:
        return [stream for (stream,) in self._rows(_DUE, {"until": until, "limit": limit})]

    def entries(self, streams: Collection[UUID]) -> Mapping[UUID, Entry]:
        rows = self._rows(
            "SELECT stream, due_at, looked_at FROM sealbook_read.agenda WHERE stream = ANY (%b)", [list(streams)]
        )
        return {stream: Entry(due_at, looked_at) for stream, due_at, looked_at in rows}

    def streams(self, *, after: UUID, limit: int) -> list[UUID]:
        """Return the streams that have a head: of whatever kind, and each that has an event."""
        rows = self._rows(
            "SELECT stream FROM sealbook.heads WHERE book = %s AND stream > %s ORDER BY stream LIMIT %s",
            [BOOK, after, limit],
        )
        return [stream for (stream,) in rows]

    def _rows(
        self, statement: LiteralString, arguments: Sequence[object] | Mapping[str, object] = ()
    ) -> list[tuple[Any, ...]]:
        with translated():
            cursor = self._connection.execute(statement, arguments, binary=True)
            return cursor.fetchall() if cursor.description else []
