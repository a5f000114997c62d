"""Read everything and compare: what is stored contradicts itself nowhere, or here is where.

Others may write meanwhile: the log is read up to where it stood at the beginning.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg import Connection

from sealbook.adapters.eventstore.codec import OutdatedHead, decode_canonical, decode_head, encode_head
from sealbook.adapters.eventstore.postgres import translated
from sealbook.adapters.eventstore.schema import BOOK
from sealbook.adapters.keys.port import Keys
from sealbook.adapters.seal.checking import SealCheck
from sealbook.adapters.seal.rows import LedgerRows, StoredRow
from sealbook.application.ports import NO_HEAD, Head, LedgerDamaged
from sealbook.domain.customer import PersonalDataErased
from sealbook.domain.errors import Refused

ROWS_A_READ = 2_000
_ENDS = """
    SELECT b.position, greatest(
        (SELECT coalesce(max(e.position), 0) FROM sealbook.events e WHERE e.book = b.book),
        (SELECT coalesce(max(a.position), 0) FROM sealbook.events_apart a WHERE a.book = b.book)
    ) FROM sealbook.books b WHERE b.book = %s
"""
_APART: LiteralString = "SELECT stream FROM sealbook.streams_apart WHERE book = %s"
_UNCOMMITTED = """
    SELECT position FROM sealbook.events_apart
    WHERE book = %s AND position > %s AND position <= %s AND body IS NOT NULL
        AND commitment <> sealbook.commitment(salt, body) ORDER BY position
"""
_ERASED: LiteralString = "SELECT subject FROM sealbook.erasures WHERE book = %s"
_HEADS = """
    SELECT stream, version, latest_at, state FROM sealbook.heads
    WHERE book = %s AND stream > %s ORDER BY stream LIMIT %s
"""


class Fsck:
    """One reading of a ledger, by short ranges; `findings` yields a line for each contradiction.

    With `seal`, every event is compared with what was sealed as well.
    """

    def __init__(self, connection: Connection, *, keys: Keys, seal: SealCheck | None = None) -> None:
        self._connection = connection
        self._keys = keys
        self._seal = seal
        self._versions: dict[UUID, int] = {}
        self._folds: dict[UUID, Head] = {}
        self._outdated_heads = 0
        self._rows = LedgerRows(connection)
        self._apart: set[UUID] = set()
        self._erased: set[UUID] = set()
        self._dropped: dict[bytes, int] = {}

    def findings(
        self,
        *,
        advanced: Callable[[int], None] = lambda _position: None,
        noted: Callable[[str], None] = lambda _note: None,
    ) -> Iterator[str]:
        """Yield the contradictions; `noted` is told what is none and yet worth knowing.

        Raises Unavailable for a head that a newer version wrote: it would have to be judged by that one.
        """
        with translated():
            self._read_beginning()
            yield from () if self._seal is None else self._seal.of_the_log()
            yield from self._log(advanced)
            yield from self._heads()
            yield from self._names()
        if self._seal is None:
            noted("not compared with a seal: there is none")
        if self._outdated_heads:
            noted(f"heads of an older schema: {self._outdated_heads:,}; each is rebuilt when it is touched")

    def _log(self, advanced: Callable[[int], None]) -> Iterator[str]:
        ((last, highest),) = self._connection.execute(_ENDS, [BOOK]).fetchall()
        before, recorded_before = 0, 0
        while before < last and (rows := self._rows.after(before, min(ROWS_A_READ, last - before))):
            for (position,) in self._connection.execute(_UNCOMMITTED, [BOOK, before, rows[-1].position]).fetchall():
                yield f"position {position} is set apart with a commitment that is not its body's"
            for row in rows:
                if row.position != before + 1:
                    yield f"position {before + 1} is missing: the log goes on at {row.position}"
                if row.recorded_us < recorded_before:
                    yield f"position {row.position} was recorded before the one that it follows"
                before, recorded_before = row.position, row.recorded_us
                yield from self._row(row)
                yield from () if self._seal is None else self._seal.of_row(row)
            advanced(before)
        if before < last:
            yield f"position {before + 1} is missing: the book stands at {last}"
        if last != highest:
            yield f"the book stands at position {last}, the log ends at {highest}"
        yield from () if self._seal is None else self._seal.of_the_end(before)

    def _row(self, row: StoredRow) -> Iterator[str]:
        stream = UUID(bytes=row.stream)
        expected = self._versions.get(stream, 0) + 1
        if row.version != expected:
            yield f"position {row.position} is version {row.version} of its stream, {expected} was to follow"
        self._versions[stream] = row.version
        if row.mac is None:
            if row.version > self._dropped_to(row.stream, row.version):
                yield f"position {row.position} has lost its body, and no event of the ledger says by what right"
            return
        if not self._keys.mac_fits(
            row.mac, book=BOOK, stream=row.stream, version=row.version, salt=row.salt, body=row.body
        ):
            yield f"position {row.position} was altered: its MAC does not fit"
        if stream not in self._apart:
            yield from self._fold_of(stream, row)

    def _fold_of(self, stream: UUID, row: StoredRow) -> Iterator[str]:
        try:
            event = decode_canonical(row.body).event
            if isinstance(event, PersonalDataErased) and not self._is_known(_ERASED, stream, self._erased):
                yield f"position {row.position} erased customer {stream}, and the ledger no longer knows of it"
            self._folds[stream] = self._folds.get(stream, NO_HEAD).after(event)
        except (LedgerDamaged, Refused, TypeError) as error:
            yield f"position {row.position} does not fold: {error}"

    def _read_beginning(self) -> None:
        self._apart = {stream for (stream,) in self._connection.execute(_APART, [BOOK]).fetchall()}
        self._erased = {subject for (subject,) in self._connection.execute(_ERASED, [BOOK]).fetchall()}
        self._dropped = self._rows.dropped()

    def _is_known(self, query: LiteralString, stream: UUID, known: set[UUID]) -> bool:
        """Tell whether a stream is among those of a query, now if not at the beginning: others write meanwhile."""
        if stream not in known:
            known |= {found for (found,) in self._connection.execute(query, [BOOK]).fetchall()}
        return stream in known

    def _dropped_to(self, stream: bytes, version: int) -> int:
        if self._dropped.get(stream, 0) < version:
            self._dropped = self._rows.dropped()
        return self._dropped.get(stream, 0)

    def _heads(self) -> Iterator[str]:
        headless = set(self._versions)
        before = UUID(int=0)
        while rows := self._connection.execute(_HEADS, [BOOK, before, ROWS_A_READ], binary=True).fetchall():
            for stream, version, latest_at, state in rows:
                headless.discard(stream)
                yield from self._head(stream, version, latest_at, state)
            before = rows[-1][0]
        for stream in headless:
            yield from self._head(stream, 0, None, None)

    def _head(self, stream: UUID, version: int, latest_at: datetime | None, state: bytes | None) -> Iterator[str]:
        if version > self._versions.get(stream, 0):
            # Appended since the log was read: the head knows it, so we read it too.
            for row in self._tail(stream, version):
                yield from self._row(row)
        if version != self._versions.get(stream, 0):
            yield f"stream {stream} has {self._versions.get(stream, 0)} events, its head is at version {version}"
        elif stream in self._apart or (state is None and self._is_known(_APART, stream, self._apart)):
            if state is not None:
                yield f"stream {stream} is set apart, and its head still tells of it"
        elif state is None or not self._is_fold(stream, state) or latest_at != self._fold(stream).latest_at:
            yield f"stream {stream}: its head is not the fold of its events"

    def _is_fold(self, stream: UUID, head: bytes) -> bool:
        """Tell whether a head is the fold of its stream. One of an older schema is counted: nobody decides on it."""
        if head == encode_head(self._fold(stream).state):
            return True
        try:
            decode_head(head)
        except OutdatedHead:
            self._outdated_heads += 1
            return True
        except LedgerDamaged:
            return False
        return False

    def _fold(self, stream: UUID) -> Head:
        return self._folds.get(stream, NO_HEAD)

    def _names(self) -> Iterator[str]:
        rows = self._connection.execute("SELECT stream FROM sealbook.names WHERE book = %s", [BOOK]).fetchall()
        for (stream,) in rows:
            if stream not in self._versions and not self._tail(stream, 1):
                yield f"a name leads to stream {stream}, which has no event"

    def _tail(self, stream: UUID, version: int) -> list[StoredRow]:
        known = self._versions.get(stream, 0)
        return [row for row in self._rows.of_stream(stream.bytes) if known < row.version <= version]
