"""The archive in PostgreSQL: the maintenance role's named procedures, and nothing else, move and destroy records."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import LiteralString
from uuid import UUID

from psycopg import Connection, Rollback

from sealbook.adapters.eventstore.codec import decode_event
from sealbook.adapters.eventstore.postgres import translated
from sealbook.adapters.eventstore.schema import BOOK
from sealbook.adapters.read_models.tables import LIVE, Tables
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

    def set_apart(self, streams: Mapping[UUID, int], *, ended_at: datetime) -> bool:
        moved = False
        with translated(), self._connection.transaction():
            # In one transaction, or a kill in between would leave models that nothing repairs. Before the book is
            # locked: an append does not wait for a reader of the models.
            self._connection.execute("SET LOCAL ROLE sealbook_app")
            Tables(self._connection, LIVE).outdate()
            moved = self._call(
                "SELECT sealbook.set_apart(%s::smallint, %s, %s, %s)",
                [BOOK, list(streams), list(streams.values()), ended_at],
            )
            if not moved:
                raise Rollback
        return moved

    def destroy(self, stream: UUID, positions: Collection[int]) -> None:
        with translated(), self._connection.transaction():
            self._call("SELECT sealbook.destroy_records(%s::smallint, %s, %s)", [BOOK, stream, list(positions)])

    def _records(self, stream: UUID) -> tuple[Record, ...]:
        with translated():
            rows = self._connection.execute(_RECORDS, [BOOK, stream]).fetchall()
        return tuple(
            Record(position, version, decode_event(body).event.stored.name) for position, version, body in rows
        )

    def _call(self, function: LiteralString, arguments: Sequence[object]) -> bool:
        self._connection.execute("SET LOCAL ROLE sealbook_owner")
        return self._connection.execute(function, arguments).fetchone() == (True,)
