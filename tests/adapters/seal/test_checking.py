"""One altered byte of any event, in any column, is found, and the finding names its position."""

from collections.abc import Iterator

import psycopg
import pytest

from sealbook.adapters.eventstore.fsck import Fsck
from sealbook.adapters.eventstore.postgres import PostgresEventStore, connected
from sealbook.adapters.seal.checking import SealCheck
from sealbook.adapters.seal.desk import SealDesk
from sealbook.adapters.seal.folder import SealFolder
from sealbook.adapters.seal.notes import signed
from tests.adapters.seal.sealing import live, sealed, signer

# Each alters one byte of the row at a position, whose number and place follow from the position.
ALTERED = {
    "body": "body = set_byte(body, %(p)s %% length(body), 255 - get_byte(body, %(p)s %% length(body)))",
    "salt": "salt = set_byte(salt, %(p)s %% 16, 255 - get_byte(salt, %(p)s %% 16))",
    "mac": "mac = set_byte(mac, %(p)s %% 17, 255 - get_byte(mac, %(p)s %% 17))",
    "version": "version = version # 128",
    "stream": "stream = encode(set_byte(uuid_send(stream), %(p)s %% 16,"
    " 255 - get_byte(uuid_send(stream), %(p)s %% 16)), 'hex')::uuid",
    "recorded_at": "recorded_at = recorded_at + interval '1 microsecond'",
    "position": "position = position # 1048576",
}


@pytest.fixture
def superuser(ledger_dsn: str) -> Iterator[psycopg.Connection]:
    """Past the triggers, in a transaction that is undone."""
    with connected(ledger_dsn) as connection:
        connection.execute("SET session_replication_role = replica")
        yield connection


def findings(connection: psycopg.Connection, desk: SealDesk) -> list[str]:
    return list(Fsck(connection, keys=desk.keys, seal=SealCheck(desk.folder)).findings())


def test_what_was_sealed_and_left_alone_is_clean(
    desk: SealDesk, superuser: psycopg.Connection, postgres_store: PostgresEventStore
) -> None:
    sealed(desk)
    assert findings(superuser, desk) == []

    live(postgres_store, seed=1)
    assert findings(superuser, desk) == []


@pytest.mark.parametrize("column", ALTERED)
def test_a_byte_that_was_altered_is_named_by_position(
    desk: SealDesk, superuser: psycopg.Connection, column: str
) -> None:
    size = sealed(desk).checkpoint.size

    for position in range(1, size + 1):
        with superuser.transaction(force_rollback=True):
            superuser.execute(
                f"UPDATE sealbook.events SET {ALTERED[column]} WHERE position = %(p)s".encode(), {"p": position}
            )
            found = findings(superuser, desk)
        assert any(f"position {position} " in finding for finding in found), (column, position, found)


def test_what_has_a_fitting_mac_and_was_sealed_otherwise_is_named(
    desk: SealDesk, superuser: psycopg.Connection
) -> None:
    """Who stole the ledger's key can write what the ledger believes, and not what the seal holds."""
    sealed(desk)
    ((stream, version, salt, body),) = superuser.execute(
        "SELECT uuid_send(stream), version, salt, body FROM sealbook.events WHERE position = 9", binary=True
    ).fetchall()
    forged = bytes(each ^ 0xFF for each in salt)
    mac = desk.keys.mac(book=0, stream=stream, version=version, salt=forged, body=body)
    superuser.execute("UPDATE sealbook.events SET salt = %s, mac = %s WHERE position = 9", [forged, mac])

    assert findings(superuser, desk) == ["position 9 is not what was sealed there"]


def test_an_older_ledger_is_told_from_its_seal(desk: SealDesk, superuser: psycopg.Connection) -> None:
    size = sealed(desk).checkpoint.size
    superuser.execute("DELETE FROM sealbook.events WHERE position = %s", [size])
    superuser.execute("UPDATE sealbook.books SET position = position - 1")

    assert any(
        f"the ledger ends at position {size - 1}, the seal at {size}" in each for each in findings(superuser, desk)
    )


def test_a_seal_that_was_altered_is_named(desk: SealDesk, superuser: psycopg.Connection) -> None:
    size = sealed(desk).checkpoint.size
    note = desk.folder.checkpoint()
    assert note is not None

    desk.folder.put_checkpoint(signed(note.text, [signer(seed=b"x")]))
    assert findings(superuser, desk) == ["the seal's checkpoint is not signed by a key that the folder's policy names"]

    desk.folder.put_checkpoint(note)
    tile = desk.folder.path / f"tile/0/000.p/{size}"
    hashes = bytearray(tile.read_bytes())
    hashes[32 * 8] ^= 1
    tile.write_bytes(hashes)
    found = list(Fsck(superuser, keys=desk.keys, seal=SealCheck(SealFolder(desk.folder.path))).findings())
    assert found == [
        "the seal's tiles do not lead to the root of its checkpoint",
        "position 9 is not what was sealed there",
    ]
