"""The archive in PostgreSQL: the maintenance role's named procedures, and nothing else, move and destroy records."""

from collections.abc import Collection, Iterator
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from uuid import UUID

from psycopg import Connection

from sealbook.adapters.eventstore.codec import decode_event
from sealbook.adapters.eventstore.postgres import translated
from sealbook.adapters.eventstore.schema import BOOK
from sealbook.application.retention import ApartStream, Record

_ERASED = """
    SELECT e.position, e.subject FROM sealbook.erasures e
    WHERE e.book = %s AND EXISTS (SELECT FROM sealbook.events v WHERE v.book = e.book AND v.stream = e.subject)
    ORDER BY e.position, e.subject
"""
_STREAMS = "SELECT stream, ended_at FROM sealbook.streams_apart WHERE book = %s ORDER BY stream"
_RECORDS = """
    SELECT position, version, body FROM sealbook.events_apart
    WHERE book = %s AND stream = %s AND body IS NOT NULL ORDER BY version
"""


class PostgresArchive:
    """The archive of one book, over a connection of the maintenance role."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def erased_together(self) -> Iterator[Collection[UUID]]:
        with translated():
            rows = self._connection.execute(_ERASED, [BOOK]).fetchall()
        for _, together in groupby(rows, key=itemgetter(0)):
            yield [subject for _, subject in together]

    def streams(self) -> Iterator[ApartStream]:
        with translated():
            streams = self._connection.execute(_STREAMS, [BOOK]).fetchall()
        for stream, ended_at in streams:
            yield ApartStream(stream=stream, ended_at=ended_at, records=self._records(stream))

    def set_apart(self, streams: Collection[UUID], *, ended_at: datetime) -> None:
        self._run("SELECT sealbook.set_apart(%s::smallint, %s, %s)", BOOK, list(streams), ended_at)

    def destroy(self, stream: UUID, positions: Collection[int]) -> None:
        self._run("SELECT sealbook.destroy_records(%s::smallint, %s, %s)", BOOK, stream, list(positions))

    def _records(self, stream: UUID) -> tuple[Record, ...]:
        with translated():
            rows = self._connection.execute(_RECORDS, [BOOK, stream]).fetchall()
        return tuple(
            Record(position, version, decode_event(body).event.stored.name) for position, version, body in rows
        )

    def _run(self, statement: str, *arguments: object) -> None:
        with translated(), self._connection.transaction():
            self._connection.execute("SET LOCAL ROLE sealbook_owner")
            self._connection.execute(statement.encode(), arguments)
