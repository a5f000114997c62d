"""The event store in PostgreSQL: one call a load, one call an append."""

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import starmap
from typing import Any, cast
from uuid import UUID

import psycopg
from psycopg import Connection
from psycopg.rows import tuple_row

from sealbook.adapters.eventstore.append_call import APPEND, append_arguments, appended
from sealbook.adapters.eventstore.codec import decode_event, decode_head
from sealbook.adapters.eventstore.keys import Keys
from sealbook.adapters.eventstore.schema import BOOK, check_keys, check_version
from sealbook.application.names import SHOWN, Name, NameKind
from sealbook.application.ports import (
    Appended,
    Group,
    Head,
    ImportProgress,
    LedgerDamaged,
    Loaded,
    OutcomeUnknown,
    StoredOutcome,
    Unavailable,
)
from sealbook.domain.catalogue import RecordedEvent
from sealbook.domain.errors import Refusal

APPEND_WAIT_SECONDS = 5
"""How long an append waits for the book before it answers that the ledger is busy."""
LOCK_WAIT_SECONDS = 1
"""The same for holding the book, which is held over a decision: there the others wait behind us."""
IMPORT_UNDER_WAY = "another import of this file is under way"
_LOAD = "SELECT * FROM sealbook.load(%b::smallint, %b::uuid[], %b::text[], %b::bytea[], %b::uuid[])"
_READ = """
    SELECT book, position, stream, version, recorded_at, body FROM sealbook.events
    WHERE book = %s AND position > %s ORDER BY position LIMIT %s
"""
_STREAM = """
    SELECT book, position, stream, version, recorded_at, body FROM sealbook.events
    WHERE book = %s AND stream = %s ORDER BY version
"""


class PostgresEventStore:
    """One book of a ledger over one connection; not shared between threads.

    `randomness` returns that many random bytes, for salts and nonces.
    """

    def __init__(self, connection: Connection, *, keys: Keys, randomness: Callable[[int], bytes]) -> None:
        self._connection = connection
        self._keys = keys
        self._randomness = randomness

    @classmethod
    def connect(cls, dsn: str, *, keys: Keys, randomness: Callable[[int], bytes]) -> "PostgresEventStore":
        """Connect as the application's role. Raises Unavailable with what to do about it."""
        connection = connected(dsn)
        try:
            with translated():
                check_version(connection)
                check_keys(connection, keys)
                connection.execute("SET ROLE sealbook_app")
                connection.execute("SELECT set_config('lock_timeout', %s, false)", [f"{APPEND_WAIT_SECONDS}s"])
        except BaseException:
            connection.close()
            raise
        return cls(connection, keys=keys, randomness=randomness)

    @property
    def connection(self) -> Connection:
        return self._connection

    @property
    def keys(self) -> Keys:
        return self._keys

    def close(self) -> None:
        self._connection.close()

    def load(self, *, streams: Collection[UUID], names: Collection[Name], commands: Collection[UUID]) -> Loaded:
        digests = {(name.kind.value, self._keys.name_digest(name)): name for name in names}
        kinds = [kind for kind, _ in digests]
        arguments = [BOOK, list(streams), kinds, [digest for _, digest in digests], list(commands)]
        heads: dict[UUID, Head] = {}
        found: dict[Name, UUID] = {}
        outcomes: dict[UUID, StoredOutcome] = {}
        for what, stream, version, state, digest, refusal, command, position in self._rows(_LOAD, arguments):
            match what:
                case "head":
                    heads[stream] = _head(version, state)
                case "name":
                    found[digests[refusal, digest]] = stream
                case "command":
                    outcomes[command] = _stored_outcome(digest, refusal, stream, position)
                case other:
                    raise LedgerDamaged(f"the load answered {other!r}")
        return Loaded(heads=heads, names=found, outcomes=outcomes)

    def append(
        self, groups: Sequence[Group], *, whole: bool = False, progress: ImportProgress | None = None
    ) -> Appended:
        """Append as the contract says. Raises OutcomeUnknown when the connection broke meanwhile."""
        arguments = append_arguments(
            groups, keys=self._keys, randomness=self._randomness, whole=whole, progress=progress
        )
        with self._commit_told():
            rows = self._connection.execute(APPEND, arguments, prepare=True, binary=True).fetchall()
        names = {self._keys.name_digest(name): name for group in groups for name in group.names}
        return appended(rows, names=names, decode_head=_head)

    @contextmanager
    def locked(self) -> Generator[None]:
        with self._commit_told(), self._connection.transaction():
            with translated():
                self._connection.execute("SELECT set_config('lock_timeout', %s, true)", [f"{LOCK_WAIT_SECONDS}s"])
                self._connection.execute("SELECT sealbook.lock_book(%s::smallint)", [BOOK])
            yield

    @contextmanager
    def _commit_told(self) -> Generator[None]:
        """Say of a commit that was sent whether it failed or whether nobody knows."""
        try:
            with translated():
                yield
        except psycopg.errors.UniqueViolation as error:
            if error.diag.table_name != "imports" and error.diag.message_primary != IMPORT_UNDER_WAY:
                raise
            raise Unavailable(f"{IMPORT_UNDER_WAY}: wait until it ends") from error
        except Unavailable as error:
            if self._connection.broken:
                raise OutcomeUnknown(
                    "the connection broke before the answer came: send the command again with the same id"
                ) from error
            raise

    def read(self, *, after: int, limit: int) -> list[RecordedEvent]:
        rows = self._rows(_READ, [BOOK, after, limit])
        return list(starmap(_recorded, rows))

    def stream(self, stream: UUID) -> list[RecordedEvent]:
        rows = self._rows(_STREAM, [BOOK, stream])
        return list(starmap(_recorded, rows))

    def last_position(self) -> int:
        ((position,),) = self._rows("SELECT position FROM sealbook.books WHERE book = %s", [BOOK])
        return int(position)

    def names_of(self, streams: Collection[UUID]) -> Mapping[UUID, Name]:
        rows = self._rows(
            "SELECT stream, kind, sealed FROM sealbook.names WHERE book = %s AND stream = ANY (%s) AND kind = ANY (%s)",
            [BOOK, list(streams), [kind.value for kind in SHOWN]],
        )
        return {stream: self._keys.unseal_name(NameKind(kind), stream, sealed) for stream, kind, sealed in rows}

    def named(self, kind: NameKind) -> Mapping[Name, UUID]:
        rows = self._rows("SELECT stream, sealed FROM sealbook.names WHERE book = %s AND kind = %s", [BOOK, kind.value])
        return {self._keys.unseal_name(kind, stream, sealed): stream for stream, sealed in rows}

    def import_progress(self, digest: bytes) -> tuple[str, int, bool] | None:
        rows = self._rows(
            "SELECT options, lines_done, finished FROM sealbook.imports WHERE book = %s AND digest = %s",
            [BOOK, digest],
        )
        return rows[0] if rows else None

    def tracked(self, name: str) -> int:
        rows = self._rows("SELECT position FROM sealbook.tracking WHERE name = %s", [name])
        return int(rows[0][0]) if rows else 0

    def track(self, name: str, position: int) -> None:
        with translated():
            self._connection.execute(
                "INSERT INTO sealbook.tracking VALUES (%s, %s)"
                " ON CONFLICT (name) DO UPDATE SET position = excluded.position",
                [name, position],
            )

    def _rows(self, query: str, arguments: Sequence[object]) -> list[tuple[Any, ...]]:
        with translated():
            cursor = self._connection.execute(cast("Any", query), arguments, prepare=True, binary=True)
            return cursor.fetchall()


def connected(dsn: str) -> Connection:
    """Return a connection that commits each statement by itself. Raises Unavailable."""
    try:
        connection = Connection.connect(dsn, autocommit=True, row_factory=tuple_row)
    except psycopg.ProgrammingError:
        # From None: what could not be read may be half a password.
        raise Unavailable(
            "the database cannot be reached: write the DSN like 'host=db dbname=bank user=service'"
        ) from None
    except psycopg.Error as error:
        raise Unavailable(f"the database cannot be reached: {first_line(error)}") from error
    connection.execute("SET TIME ZONE 'UTC'")
    return connection


@contextmanager
def translated() -> Generator[None]:
    """Say what the driver says of an outage in the words of the ports."""
    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        raise Unavailable("the ledger is busy: try again in a second") from error
    except psycopg.errors.DiskFull as error:
        raise Unavailable("the database's disk is full: make room and try again") from error
    except psycopg.OperationalError as error:
        raise Unavailable(f"the database does not answer: {first_line(error)}") from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise Unavailable(f"the database role may not do this: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0] or type(error).__name__


def _head(version: int, state: bytes | None) -> Head:
    return Head(version=version, state=None if state is None else decode_head(state))


def _stored_outcome(digest: bytes, refusal: str | None, stream: UUID | None, position: int | None) -> StoredOutcome:
    code = None if refusal is None else Refusal(refusal)
    return StoredOutcome(digest=digest, refusal=code, stream=stream, position=position)


def _recorded(
    book: int, position: int, stream: UUID, version: int, recorded_at: datetime, body: bytes
) -> RecordedEvent:
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
