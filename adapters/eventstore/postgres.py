"""The event store in PostgreSQL: one call a load, one call an append."""

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, LiteralString, cast
from uuid import UUID

import psycopg
from psycopg import BaseConnection, Connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import tuple_row

from sealbook.adapters.eventstore.append_call import APPEND, append_arguments, appended, owner_keys
from sealbook.adapters.eventstore.columns import register
from sealbook.adapters.eventstore.load_call import (
    LOAD,
    STREAM,
    HeadReader,
    digested,
    load_arguments,
    loaded,
    recorded,
    refolded,
)
from sealbook.adapters.eventstore.readable import NAMES_OF, NAMES_OF_KIND, check_erased, readable
from sealbook.adapters.eventstore.schema import BOOK, check_keys, check_version
from sealbook.adapters.keys.port import Keys
from sealbook.adapters.vault.fields import name_field
from sealbook.application.names import SHOWN, Name, NameKind
from sealbook.application.ports import (
    Appended,
    Erasure,
    Group,
    Head,
    ImportProgress,
    Loaded,
    OutcomeUnknown,
    Unavailable,
)
from sealbook.domain.catalogue import RecordedEvent

APPEND_WAIT_SECONDS = 5
"""How long an append waits for the book before it answers that the ledger is busy."""
LOCK_WAIT_SECONDS = 1
"""The same for holding the book, which is held over a decision: there the others wait behind us."""
PREPARED_FOR_APPENDS: tuple[tuple[LiteralString, list[object]], ...] = (
    ("SET ROLE sealbook_app", []),
    ("SELECT set_config('lock_timeout', %s, false)", [f"{APPEND_WAIT_SECONDS}s"]),
)
"""What makes a connection one of the application."""
HOLD_BOOK: tuple[tuple[LiteralString, list[object]], ...] = (
    ("SELECT set_config('lock_timeout', %s, true)", [f"{LOCK_WAIT_SECONDS}s"]),
    ("SELECT sealbook.lock_book(%s::smallint)", [BOOK]),
)
"""What holds the book until the transaction ends."""
_IMPATIENCE = {
    "connect_timeout": "10",
    "tcp_user_timeout": "10000",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
}
"""A host that was switched off sends nothing, not even a refusal, and the kernel would wait a quarter of an hour."""
IMPORT_UNDER_WAY = "another import of this file is under way"
_READ = """
    SELECT book, position, stream, version, recorded_at, body FROM sealbook.events
    WHERE book = %s AND position > %s ORDER BY position LIMIT %s
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
    def connect(
        cls, dsn: str, *, keys: Keys, randomness: Callable[[int], bytes], reconciling: bool = False
    ) -> "PostgresEventStore":
        """Connect as the application's role. Raises Unavailable with what to do about it.

        Only who is `reconciling` may have keys that lag behind the ledger's erasures.
        """
        connection = connected(dsn)
        try:
            with translated():
                check_version(connection)
                check_keys(connection, keys)
                if not reconciling:
                    check_erased(connection, keys)
                for statement, arguments in PREPARED_FOR_APPENDS:
                    connection.execute(statement, arguments)
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
        reader, sought = HeadReader(), digested(names, keys=self._keys)
        rows = self._rows(LOAD, load_arguments(streams, sought, commands))
        found = loaded(rows, names=sought, reader=reader)
        return replace(found, heads=self._up_to_date(found.heads, reader))

    def append(
        self, groups: Sequence[Group], *, whole: bool = False, progress: ImportProgress | None = None
    ) -> Appended:
        """Append as the contract says. Raises OutcomeUnknown when the connection broke meanwhile."""
        owned = owner_keys(groups, keys=self._keys)
        arguments = append_arguments(
            groups, keys=self._keys, owned=owned, randomness=self._randomness, whole=whole, progress=progress
        )
        with commit_told(self._connection):
            rows = self._connection.execute(APPEND, arguments, prepare=True, binary=True).fetchall()
        reader, given = HeadReader(), digested([name for group in groups for name in group.names], keys=self._keys)
        sizes = [len(group.events) for group in groups]
        result = appended(rows, sizes=sizes, names=given, reader=reader)
        return replace(result, stale=self._up_to_date(result.stale, reader))

    def command_digest(self, content: bytes) -> bytes:
        return self._keys.command_digest(content)

    def _up_to_date(self, heads: Mapping[UUID, Head], reader: HeadReader) -> Mapping[UUID, Head]:
        fresh = {each: refolded(heads[each], self._rows(STREAM, [BOOK, each, 0])) for each in reader.outdated}
        return {**heads, **fresh} if fresh else heads

    @contextmanager
    def locked(self) -> Generator[None]:
        with commit_told(self._connection), self._connection.transaction():
            with translated():
                for statement, arguments in HOLD_BOOK:
                    self._connection.execute(statement, arguments)
            yield

    def read(self, *, after: int, limit: int) -> list[RecordedEvent]:
        rows = self._rows(_READ, [BOOK, after, limit])
        return list(map(recorded, rows))

    def stream(self, stream: UUID, *, after: int = 0) -> list[RecordedEvent]:
        rows = self._rows(STREAM, [BOOK, stream, after])
        return list(map(recorded, rows))

    def last_position(self) -> int:
        ((position,),) = self._rows("SELECT position FROM sealbook.books WHERE book = %s", [BOOK])
        return int(position)

    def names_of(self, streams: Collection[UUID]) -> Mapping[UUID, Name]:
        rows = self._rows(NAMES_OF, [BOOK, list(streams), [name_field(kind) for kind in SHOWN]])
        return {stream: name for name, stream in readable(rows, keys=self._keys)}

    def named(self, kind: NameKind) -> Mapping[Name, UUID]:
        rows = self._rows(NAMES_OF_KIND, [BOOK, kind.value, name_field(kind)])
        return dict(readable(rows, keys=self._keys))

    def erasures(self, *, after: int) -> list[Erasure]:
        rows = self._rows(
            "SELECT position, subject FROM sealbook.erasures WHERE book = %s AND position > %s ORDER BY position",
            [BOOK, after],
        )
        return [Erasure(position, subject) for position, subject in rows]

    def forget_erased(self, *, after: int) -> None:
        self._rows("SELECT sealbook.forget_erased(%s::smallint, %s)", [BOOK, after])

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
        connection = Connection.connect(impatient(dsn), autocommit=True, row_factory=tuple_row)
    except psycopg.ProgrammingError:
        # From None: what could not be read may be half a password.
        raise Unavailable(
            "the database cannot be reached: write the DSN like 'host=db dbname=bank user=service'"
        ) from None
    except psycopg.Error as error:
        raise Unavailable(f"the database cannot be reached: {first_line(error)}") from error
    connection.execute("SET TIME ZONE 'UTC'")
    register(connection)
    return connection


def impatient(dsn: str) -> str:
    """Return a DSN that notices a host which vanished, where it does not say itself how long to wait."""
    said = conninfo_to_dict(dsn)
    return make_conninfo(dsn, **{name: value for name, value in _IMPATIENCE.items() if name not in said})


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


@contextmanager
def commit_told(connection: BaseConnection[Any]) -> Generator[None]:
    """Say of a commit that was sent whether it failed or whether nobody knows."""
    try:
        with translated():
            yield
    except psycopg.errors.UniqueViolation as error:
        if error.diag.table_name != "imports" and error.diag.message_primary != IMPORT_UNDER_WAY:
            raise
        raise Unavailable(f"{IMPORT_UNDER_WAY}: wait until it ends") from error
    except Unavailable as error:
        if connection.broken:
            raise OutcomeUnknown(
                "the connection broke before the answer came: send the command again with the same id"
            ) from error
        raise


def first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0] or type(error).__name__
