"""Read everything and compare: what is stored contradicts itself nowhere, or here is where.

Others may write meanwhile: the log is read up to where it stood at the beginning.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from uuid import UUID

from psycopg import Connection

from sealbook.adapters.eventstore.codec import OutdatedHead, decode_canonical, decode_head, encode_head
from sealbook.adapters.eventstore.keys import Keys
from sealbook.adapters.eventstore.postgres import translated
from sealbook.adapters.eventstore.schema import BOOK
from sealbook.application.ports import NO_HEAD, Head, LedgerDamaged
from sealbook.domain.errors import Refused

ROWS_A_READ = 2_000
_EVENTS = """
    SELECT position, stream, version, recorded_at, salt, mac, body FROM sealbook.events
    WHERE book = %s AND position > %s AND position <= %s ORDER BY position LIMIT %s
"""
_ENDS = """
    SELECT b.position, (SELECT coalesce(max(e.position), 0) FROM sealbook.events e WHERE e.book = b.book)
    FROM sealbook.books b WHERE b.book = %s
"""
_TAIL = """
    SELECT position, version, salt, mac, body FROM sealbook.events
    WHERE book = %s AND stream = %s AND version > %s AND version <= %s ORDER BY version
"""
_HEADS = """
    SELECT stream, version, latest_at, state FROM sealbook.heads
    WHERE book = %s AND stream > %s ORDER BY stream LIMIT %s
"""


class Fsck:
    """One reading of a ledger, by short ranges; `findings` yields a line for each contradiction."""

    def __init__(self, connection: Connection, *, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys
        self._versions: dict[UUID, int] = {}
        self._folds: dict[UUID, Head] = {}
        self._outdated_heads = 0

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
            yield from self._log(advanced)
            yield from self._heads()
            yield from self._names()
        if self._outdated_heads:
            noted(f"heads of an older schema: {self._outdated_heads:,}; each is rebuilt when it is touched")

    def _log(self, advanced: Callable[[int], None]) -> Iterator[str]:
        ((last, highest),) = self._connection.execute(_ENDS, [BOOK]).fetchall()
        before, recorded_before = 0, None
        while rows := self._connection.execute(_EVENTS, [BOOK, before, last, ROWS_A_READ], binary=True).fetchall():
            for position, stream, version, recorded_at, salt, mac, body in rows:
                if position != before + 1:
                    yield f"position {before + 1} is missing: the log goes on at {position}"
                if recorded_before is not None and recorded_at < recorded_before:
                    yield f"position {position} was recorded before the one that it follows"
                before, recorded_before = position, recorded_at
                yield from self._event(position, stream, version, salt, mac, body)
            advanced(before)
        if not before == last == highest:
            yield f"the book stands at position {last}, the log ends at {highest}"

    def _event(self, position: int, stream: UUID, version: int, salt: bytes, mac: bytes, body: bytes) -> Iterator[str]:
        expected = self._versions.get(stream, 0) + 1
        if version != expected:
            yield f"position {position} is version {version} of its stream, {expected} was to follow"
        self._versions[stream] = version
        if self._keys.mac(book=BOOK, stream=stream, version=version, salt=salt, body=body) != mac:
            yield f"position {position} was altered: its MAC does not fit"
        try:
            self._folds[stream] = self._folds.get(stream, NO_HEAD).after(decode_canonical(body).event)
        except (LedgerDamaged, Refused, TypeError) as error:
            yield f"position {position} does not fold: {error}"

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
            for position, later, salt, mac, body in self._tail(stream, version):
                yield from self._event(position, stream, later, salt, mac, body)
        if version != self._versions.get(stream, 0):
            yield f"stream {stream} has {self._versions.get(stream, 0)} events, its head is at version {version}"
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

    def _tail(self, stream: UUID, version: int) -> list[tuple[int, int, bytes, bytes, bytes]]:
        known = self._versions.get(stream, 0)
        return self._connection.execute(_TAIL, [BOOK, stream, known, version], binary=True).fetchall()
