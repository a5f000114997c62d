"""The ledger's schema: created and brought up to date by the maintenance role, once, under a lock."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from uuid import UUID

from psycopg import Connection

from sealbook.adapters.keys.port import Keys
from sealbook.application.ports import LedgerDamaged, Unavailable

BOOK = 0
_LOCK = 0x5EA1B00C
"""The advisory lock under which one maintenance run at a time changes the schema."""


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def migrations() -> tuple[Migration, ...]:
    """Return the project's DDL in order."""
    folder = files("sealbook.adapters.eventstore.sql")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return tuple(Migration(int(name[:4]), folder.joinpath(name).read_text(encoding="utf-8")) for name in names)


def migrate(connection: Connection, *, keys: Keys, new_id: Callable[[], UUID]) -> list[int]:
    """Create the ledger or bring it up to date; return the numbers of the migrations that ran.

    Raises LedgerDamaged when a migration that ran is not the one of this version, and
    Unavailable when the ledger is of a newer version.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        applied = _applied(connection)
        _check(applied)
        due = [migration for migration in migrations() if migration.number not in applied]
        for migration in due:
            connection.execute(migration.text.encode())
        # What the ledger is made of belongs to its owner, whoever ran the maintenance.
        connection.execute("SET LOCAL ROLE sealbook_owner")
        if due:
            _note(connection, due)
        if not applied:
            _found(connection, keys, new_id())
        connection.execute("RESET ROLE")
    return [migration.number for migration in due]


def check_version(connection: Connection) -> None:
    """Raise Unavailable unless the ledger is there and of this version."""
    applied = _applied(connection)
    if not applied:
        raise Unavailable("there is no ledger in this database: create it with sealbook migrate")
    _check(applied)
    if len(applied) < len(migrations()):
        raise Unavailable("the ledger is of an older version: bring it up to date with sealbook migrate")


def check_keys(connection: Connection, keys: Keys) -> None:
    """Raise Unavailable when the keys are not this ledger's: nothing may be written with others."""
    row = connection.execute("SELECT id, key_check FROM sealbook.ledger").fetchone()
    if row is None:
        raise LedgerDamaged("the ledger has lost its own row: restore it from a backup")
    if keys.check_value(row[0]) != row[1]:
        raise Unavailable("the keystore is not this ledger's: name the right one in SEALBOOK_KEYSTORE_DSN")


def _applied(connection: Connection) -> dict[int, str]:
    there = connection.execute("SELECT to_regclass('sealbook.migrations') IS NOT NULL").fetchone()
    if there is None or not there[0]:
        return {}
    return dict(connection.execute("SELECT number, checksum FROM sealbook.migrations").fetchall())


def _check(applied: dict[int, str]) -> None:
    ours = {migration.number: migration.checksum for migration in migrations()}
    if applied.keys() - ours.keys():
        newest = max(applied)
        raise Unavailable(
            f"the ledger is of a newer version (schema {newest}, this one knows {max(ours)}): use a newer sealbook"
        )
    for number, checksum in applied.items():
        if ours[number] != checksum:
            raise LedgerDamaged(f"migration {number} of this ledger is not the one that this version brings")


def _note(connection: Connection, due: list[Migration]) -> None:
    connection.execute(
        "CREATE TABLE IF NOT EXISTS sealbook.migrations"
        " (number integer PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL)"
    )
    connection.execute("GRANT SELECT ON sealbook.migrations TO sealbook_app")
    for migration in due:
        connection.execute(
            "INSERT INTO sealbook.migrations VALUES (%s, %s, clock_timestamp())",
            [migration.number, migration.checksum],
        )


def _found(connection: Connection, keys: Keys, ledger: UUID) -> None:
    connection.execute(
        "INSERT INTO sealbook.ledger (id, books, created_at, key_check) VALUES (%s, 1, clock_timestamp(), %s)",
        [ledger, keys.check_value(ledger)],
    )
    connection.execute(
        "INSERT INTO sealbook.books (book, position, recorded_at) VALUES (%s, 0, clock_timestamp())", [BOOK]
    )
