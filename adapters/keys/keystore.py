"""The keystore: wrapped keys, in a PostgreSQL database of their own."""

from collections.abc import Callable, Collection, Iterable, Iterator
from importlib.resources import files
from threading import RLock
from typing import Any, LiteralString, NamedTuple, TypeVar
from uuid import UUID

import psycopg
from psycopg import Connection, sql
from psycopg.conninfo import make_conninfo

from sealbook.adapters.eventstore.postgres import connected, translated
from sealbook.adapters.keys.port import KeyClass
from sealbook.adapters.keys.roots import RootKeys
from sealbook.adapters.keys.working import FIRST_KEY, WorkingKeys
from sealbook.application.ports import LedgerDamaged, Unavailable

VERSION = 1
PURPOSES = ("mac", "name", "command")
DATABASE_SUFFIX = "_keys"
_IDENTIFIER_BYTES_MAX = 63
_LOCK = 0x5EA1B00D
"""The advisory lock of a keystore: shared by those who make keys, held alone by whoever destroys or renews some."""
SUBJECT_KEYS: LiteralString = """
    SELECT s.subject, s.wrapped, b.bucket, b.version, b.epoch, b.wrapped
    FROM sealbook_keys.subject_keys s
    JOIN sealbook_keys.buckets b ON b.bucket = s.bucket AND b.version = s.bucket_version
"""
_Made = TypeVar("_Made")


class ServiceKey(NamedTuple):
    purpose: str
    key_id: int
    epoch: int
    wrapped: bytes
    in_force: bool


class Bucket(NamedTuple):
    bucket: int
    version: int
    epoch: int
    wrapped: bytes


class SubjectKey(NamedTuple):
    """A wrapped key, and the bucket whose key wraps it."""

    subject: UUID
    wrapped: bytes
    bucket: Bucket


class Keystore:
    """The rows of a keystore over one connection, which is made when it is needed; safe for threads."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: Connection | None = None
        self._lock = RLock()

    @property
    def dsn(self) -> str:
        return self._dsn

    def __repr__(self) -> str:
        return "Keystore()"

    def close(self) -> None:
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def run(self, work: Callable[[Connection], _Made]) -> _Made:
        """Do work in a transaction; if the connection breaks, once more: all work here may be done twice.

        Raises Unavailable.
        """
        with self._lock, translated():
            try:
                return self._run(work)
            except psycopg.OperationalError:
                if self._connection is None or not self._connection.closed:
                    raise
                return self._run(work)

    def _run(self, work: Callable[[Connection], _Made]) -> _Made:
        if self._connection is None or self._connection.closed:
            self._connection = opened(self._dsn)
        with self._connection.transaction():
            return work(self._connection)


def opened(dsn: str) -> Connection:
    """Return a connection of the keystore's role. Raises Unavailable where there is no keystore of this version."""
    connection = _reached(dsn)
    try:
        with translated():
            _enter(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _enter(connection: Connection) -> None:
    if not _is_there(connection):
        raise Unavailable("the keystore is empty: bring it back from its backup")
    connection.execute("SET ROLE sealbook_keys")
    version = _one(connection, "SELECT version FROM sealbook_keys.state")
    if version != VERSION:
        raise Unavailable(
            f"the keystore is of version {version}, this sealbook knows {VERSION}: use the one that made it"
        )


def create_keystore(dsn: str, root: RootKeys, working: WorkingKeys) -> bool:
    """Make the tables and put the working keys in, wrapped under a new epoch; tell whether there were none yet.

    The database is there and empty. Raises Unavailable.
    """
    connection = _reached(dsn)
    try:
        with translated(), connection.transaction():
            hold_alone(connection)
            if _is_there(connection):
                return False
            if _one(connection, "SELECT to_regclass('sealbook.ledger') IS NOT NULL"):
                raise Unavailable("the keystore is the ledger's own database: name another in SEALBOOK_KEYSTORE_DSN")
            connection.execute(
                files("sealbook.adapters.keys").joinpath("keystore.sql").read_text(encoding="utf-8").encode()
            )
            connection.execute("INSERT INTO sealbook_keys.state (version) VALUES (%s)", [VERSION])
            epoch = root.create_epoch()
            connection.execute("INSERT INTO sealbook_keys.epochs (epoch) VALUES (%s)", [epoch])
            for row in _wrapped(working, root, epoch):
                add_service_key(connection, row)
    finally:
        connection.close()
    return True


def _wrapped(working: WorkingKeys, root: RootKeys, epoch: int) -> Iterator[ServiceKey]:
    for purpose, keys, in_force in (
        ("mac", working.mac_keys, working.mac_key_id),
        ("name", working.name_keys, working.name_key_id),
        ("command", {FIRST_KEY: working.command_key}, FIRST_KEY),
    ):
        for number, key in keys.items():
            yield ServiceKey(purpose, number, epoch, root.wrap(epoch, key), in_force=number == in_force)


def keystore_dsn(ledger_dsn: str, database: str) -> str:
    """Return where a ledger's keystore is if nothing else was said: beside its database. Raises Unavailable."""
    name = database + DATABASE_SUFFIX
    if len(name.encode()) > _IDENTIFIER_BYTES_MAX:
        raise Unavailable(f"the name {name} is too long for a database: name the keystore in SEALBOOK_KEYSTORE_DSN")
    return make_conninfo(ledger_dsn, dbname=name)


def database_is_there(connection: Connection, database: str) -> bool:
    """Tell whether the server of a connection has a database of that name."""
    return bool(_one(connection, "SELECT count(*) FROM pg_database WHERE datname = %s", [database]))


def create_database(connection: Connection, database: str) -> None:
    """Make an empty database on the server of a connection; one that is there stays. Raises Unavailable."""
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(database))
    try:
        connection.execute(statement)
    except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
        # Another one who makes the same ledger was first.
        return
    except psycopg.errors.InsufficientPrivilege:
        raise Unavailable(
            f"the role may not create the database {database} for the keys:"
            " create it, or name another in SEALBOOK_KEYSTORE_DSN"
        ) from None


def hold_alone(connection: Connection) -> None:
    """See that nobody makes, destroys or renews keys until the transaction ends."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def hold_together(connection: Connection) -> None:
    """See that nobody destroys or renews keys until the transaction ends."""
    connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", [_LOCK])


def service_keys(connection: Connection) -> list[ServiceKey]:
    query = "SELECT purpose, key_id, epoch, wrapped, in_force FROM sealbook_keys.service_keys ORDER BY purpose, key_id"
    return [ServiceKey(*row) for row in connection.execute(query, binary=True)]


def add_service_key(connection: Connection, key: ServiceKey) -> None:
    connection.execute("INSERT INTO sealbook_keys.service_keys VALUES (%s, %s, %s, %s, %s)", list(key))


def epoch_in_force(connection: Connection) -> int:
    epoch = _one(connection, "SELECT max(epoch) FROM sealbook_keys.epochs WHERE NOT retired")
    if epoch is None:
        raise LedgerDamaged("the keystore has lost its epochs: restore it from a backup")
    return int(epoch)


def buckets(connection: Connection, numbers: Collection[int]) -> list[Bucket]:
    query = "SELECT bucket, version, epoch, wrapped FROM sealbook_keys.buckets WHERE bucket = ANY (%s)"
    return [Bucket(*row) for row in connection.execute(query, [list(numbers)], binary=True)]


def add_buckets(connection: Connection, rows: Iterable[Bucket]) -> None:
    """Add buckets; those that another writer added first stay."""
    columns = [list(column) for column in zip(*sorted(rows), strict=True)]
    connection.execute(
        "INSERT INTO sealbook_keys.buckets (bucket, version, epoch, wrapped)"
        " SELECT * FROM unnest(%s::smallint[], %s::integer[], %s::integer[], %s::bytea[]) ON CONFLICT DO NOTHING",
        columns,
    )


def subject_keys(connection: Connection, subjects: Collection[UUID], key_class: KeyClass) -> list[SubjectKey]:
    query = SUBJECT_KEYS + "WHERE s.subject = ANY (%b::uuid[]) AND s.key_class = %b"
    rows = connection.execute(query, [list(subjects), key_class.value], binary=True)
    return [SubjectKey(subject, wrapped, Bucket(*bucket)) for subject, wrapped, *bucket in rows]


def add_subject_keys(connection: Connection, rows: Iterable[SubjectKey], key_class: KeyClass) -> None:
    """Add keys; those that another writer added first stay, and the destroyed get none.

    The caller holds the keystore together with others: nobody is destroyed meanwhile.
    """
    # In one order: two writers that add the same never wait for each other in a ring.
    ordered = sorted(rows, key=lambda row: row.subject)
    connection.execute(
        "INSERT INTO sealbook_keys.subject_keys"
        " SELECT n.subject, %s, n.bucket, n.version, n.wrapped"
        " FROM unnest(%s::uuid[], %s::smallint[], %s::integer[], %s::bytea[]) AS n (subject, bucket, version, wrapped)"
        " WHERE NOT EXISTS (SELECT FROM sealbook_keys.destroyed d WHERE d.subject = n.subject)"
        " ON CONFLICT DO NOTHING",
        [
            key_class.value,
            [row.subject for row in ordered],
            [row.bucket.bucket for row in ordered],
            [row.bucket.version for row in ordered],
            [row.wrapped for row in ordered],
        ],
    )


def destroy(connection: Connection, subjects: Collection[UUID], position: int) -> int:
    """Delete the keys of subjects, and note what must not come back; return how many keys there were."""
    hold_alone(connection)
    connection.execute(
        "INSERT INTO sealbook_keys.destroyed SELECT subject, %s FROM unnest(%s::uuid[]) AS gone (subject)"
        " ON CONFLICT DO NOTHING",
        [position, list(subjects)],
    )
    deleted = "DELETE FROM sealbook_keys.subject_keys WHERE subject = ANY (%s) RETURNING bucket"
    touched = [bucket for (bucket,) in connection.execute(deleted, [list(subjects)])]
    connection.execute("UPDATE sealbook_keys.buckets SET to_renew = true WHERE bucket = ANY (%s)", [touched])
    connection.execute("UPDATE sealbook_keys.state SET reconciled_to = greatest(reconciled_to, %s)", [position])
    return len(touched)


def begin_again(connection: Connection) -> list[UUID]:
    """Note that no erasure is carried out here; return the subjects whose keys are destroyed, which stay so."""
    hold_alone(connection)
    connection.execute("UPDATE sealbook_keys.state SET reconciled_to = 0")
    return [subject for (subject,) in connection.execute("SELECT subject FROM sealbook_keys.destroyed").fetchall()]


def reconciled_to(connection: Connection) -> int:
    return int(_one(connection, "SELECT reconciled_to FROM sealbook_keys.state"))


def ledger(connection: Connection) -> UUID | None:
    """Return the id of the ledger whose keys these are, once that is known."""
    found: UUID | None = _one(connection, "SELECT ledger FROM sealbook_keys.state")
    return found


def bind(connection: Connection, to: UUID) -> None:
    connection.execute("UPDATE sealbook_keys.state SET ledger = %s WHERE ledger IS NULL", [to])


def _reached(dsn: str) -> Connection:
    try:
        return connected(dsn)
    except Unavailable as error:
        raise Unavailable(f"the keystore: {error}") from error.__cause__


def _is_there(connection: Connection) -> bool:
    return bool(_one(connection, "SELECT to_regclass('sealbook_keys.state') IS NOT NULL"))


def _one(connection: Connection, query: LiteralString, arguments: Collection[object] = ()) -> Any:  # noqa: ANN401 (a column of any type)
    row = connection.execute(query, list(arguments)).fetchone()
    return None if row is None else row[0]
