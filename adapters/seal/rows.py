"""What the seal reads of a ledger: stored bytes, and nothing of what they mean."""

from collections.abc import Mapping
from contextlib import suppress
from struct import Struct
from typing import LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection

from sealbook.adapters.eventstore.codec import decode_canonical
from sealbook.adapters.eventstore.postgres import translated
from sealbook.adapters.eventstore.schema import BOOK
from sealbook.adapters.seal.leaves import Leaf, commitment, kind_of
from sealbook.application.ports import LedgerDamaged
from sealbook.domain.ledger import LEDGER_STREAM, RecordsDropped

# Bytes, not objects: a million rows a few seconds. What is set apart is among them in its place; where its body is
# destroyed, kind and commitment stand in the places of salt and body.
_ROWS: LiteralString = """
    SELECT position, uuid_send(stream), version, timestamptz_send(recorded_at), salt, mac, body
    FROM sealbook.events WHERE book = %(book)s AND {}
    UNION ALL
    SELECT position, uuid_send(stream), version, timestamptz_send(recorded_at),
        coalesce(salt, substr(int2send(kind), 2)), mac, coalesce(body, commitment)
    FROM sealbook.events_apart WHERE book = %(book)s AND {}
    ORDER BY {} LIMIT %(limit)s
"""
_AFTER = _ROWS.format("position > %(position)s", "position > %(position)s", "1")
_STREAM = _ROWS.format("stream = %(stream)s", "stream = %(stream)s", "3")
_PLACE: LiteralString = """
    SELECT position FROM sealbook.events WHERE book = %(book)s AND stream = %(stream)s AND version = %(version)s
    UNION ALL
    SELECT position FROM sealbook.events_apart WHERE book = %(book)s AND stream = %(stream)s AND version = %(version)s
"""
_END: LiteralString = "SELECT position FROM sealbook.books WHERE book = %s"
_ID: LiteralString = "SELECT id FROM sealbook.ledger"
_SINCE_2000 = Struct(">q")
_MICROSECONDS_TO_2000 = 946_684_800_000_000


class StoredRow(NamedTuple):
    """An event as it is stored. `recorded_us` is in microseconds since 1970 UTC.

    One whose body was destroyed has no MAC; its salt is the leaf's kind, its body the commitment.
    """

    position: int
    stream: bytes
    version: int
    recorded_us: int
    salt: bytes
    mac: bytes | None
    body: bytes

    @property
    def destroyed(self) -> bool:
        return self.mac is None

    @property
    def kind(self) -> int:
        return self.salt[0] if self.destroyed else kind_of(self.body)

    @property
    def commitment(self) -> bytes:
        return self.body if self.destroyed else commitment(self.salt, self.body)


def leaf_of(row: StoredRow, *, previous: bytes) -> Leaf:
    """Return the leaf that a row makes after its stream's previous leaf hash."""
    return Leaf(row.kind, row.position, row.stream, row.version, row.recorded_us, previous, row.commitment)


class LedgerRows:
    """The rows of one book, over a connection that may only read."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def after(self, position: int, limit: int) -> list[StoredRow]:
        """Return the rows that follow a position, at most so many."""
        return self._rows(_AFTER, {"position": position, "limit": limit})

    def of_stream(self, stream: bytes) -> list[StoredRow]:
        """Return a stream's rows by version."""
        return self._rows(_STREAM, {"stream": stream.hex(), "limit": None})

    def dropped(self) -> dict[bytes, int]:
        """Return, by stream, up to which version the ledger's own events let bodies be destroyed."""
        found: dict[bytes, int] = {}
        for row in self.of_stream(LEDGER_STREAM.bytes):
            with suppress(LedgerDamaged):
                event = decode_canonical(row.body).event
                if isinstance(event, RecordsDropped):
                    found[event.stream.bytes] = max(event.versions, found.get(event.stream.bytes, 0))
        return found

    def place(self, stream: bytes, version: int) -> int | None:
        """Return the position of a stream's event; None if there is none."""
        with translated():
            row = self._connection.execute(
                _PLACE, {"book": BOOK, "stream": stream.hex(), "version": version}
            ).fetchone()
        return None if row is None else int(row[0])

    def end(self) -> int:
        """Return the book's last position."""
        with translated():
            row = self._connection.execute(_END, [BOOK]).fetchone()
        return 0 if row is None else int(row[0])

    def ledger_id(self) -> UUID:
        with translated():
            row = self._connection.execute(_ID).fetchone()
        if row is None:
            raise LedgerDamaged("the ledger has lost its own row: restore it from a backup")
        return UUID(str(row[0]))

    def _rows(self, query: LiteralString, arguments: Mapping[str, object]) -> list[StoredRow]:
        with translated():
            rows = self._connection.execute(query, {"book": BOOK, **arguments}, binary=True, prepare=True).fetchall()
        moment = _SINCE_2000.unpack
        return [
            StoredRow(position, stream, version, moment(at)[0] + _MICROSECONDS_TO_2000, salt, mac, body)
            for position, stream, version, at, salt, mac, body in rows
        ]
