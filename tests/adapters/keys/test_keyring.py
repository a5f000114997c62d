"""Several processes over one keystore, what a process keeps, and what it says when the keys are not there."""

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from sealbook.adapters.keys import keystore
from sealbook.adapters.keys.file_root import FileRoot
from sealbook.adapters.keys.keyring import Keyring
from sealbook.adapters.keys.keystore import Keystore, create_keystore
from sealbook.adapters.keys.memory import MemoryKeys
from sealbook.adapters.keys.port import KeyClass
from sealbook.adapters.keys.reach import keyring_of, reach_of_keys
from sealbook.adapters.keys.recent import RecentKeys
from sealbook.adapters.keys.rotation import rotate_mac
from sealbook.adapters.keys.wrapping import BUCKETS, bucket_of
from sealbook.application.ports import LedgerDamaged, Unavailable
from tests.adapters.keys.conftest import Kept
from tests.conftest import LEDGER_ID, WORKING_KEYS, Server

ALICE, BOB = UUID(int=1), UUID(int=2)
SAME_BUCKET = next(
    each for each in (UUID(int=number) for number in range(100, 100_000)) if bucket_of(each) == bucket_of(ALICE)
)
EVENT: Any = {"book": 0, "stream": ALICE.bytes, "version": 1, "salt": b"s", "body": b"b"}
ANOTHER_PROCESS = """
import json, sys
from uuid import UUID
from sealbook.adapters.keys.port import KeyClass
from sealbook.adapters.keys.reach import keyring_of

told = json.loads(sys.stdin.readline())
keyring = keyring_of(told["reach"])
print("ready", flush=True)
sys.stdin.readline()
made = keyring.subject_keys([UUID(each) for each in told["subjects"]], KeyClass.PERSONAL, create=True)
print(json.dumps({str(subject): key.hex() for subject, key in made.items()}))
"""


def test_processes_that_make_the_same_keys_at_once_agree(kept: Kept) -> None:
    subjects = [str(uuid4()) for _ in range(200)]
    with closing(kept.keyring()) as keyring:
        told = json.dumps({"reach": reach_of_keys(keyring), "subjects": subjects}) + "\n"
    processes = [
        subprocess.Popen([sys.executable, "-c", ANOTHER_PROCESS], stdin=-1, stdout=-1, text=True) for _ in range(2)
    ]
    for process in processes:
        assert process.stdin
        process.stdin.write(told)
        process.stdin.flush()
    assert [process.stdout.readline() for process in processes if process.stdout] == ["ready\n"] * 2
    made = [json.loads(process.communicate("go\n")[0]) for process in processes]

    with closing(kept.keyring()) as keyring:
        found = keyring.subject_keys([UUID(each) for each in subjects], KeyClass.PERSONAL)
    assert made == [{str(subject): key.hex() for subject, key in found.items()}] * 2
    assert found.keys() == {UUID(each) for each in subjects}


def test_threads_of_one_process_agree(kept_by_file: Kept) -> None:
    subjects, together = [uuid4() for _ in range(50)], Barrier(4)
    with closing(kept_by_file.keyring()) as keyring, ThreadPoolExecutor(4) as threads:

        def made(_thread: int) -> object:
            together.wait()
            return keyring.subject_keys(subjects, KeyClass.PERSONAL, create=True)

        first, *others = threads.map(made, range(4))
    assert others == [first] * 3


def test_nobody_makes_a_key_while_it_is_destroyed(kept_by_file: Kept) -> None:
    """Whoever makes a key waits for one who destroys, and then makes none."""
    with (
        closing(kept_by_file.keyring()) as keyring,
        ThreadPoolExecutor(1) as thread,
        psycopg.connect(kept_by_file.dsn) as destroying,
    ):
        keystore.destroy(destroying, [ALICE], 3)
        made = thread.submit(keyring.subject_keys, [ALICE], KeyClass.PERSONAL, create=True)
        with psycopg.connect(kept_by_file.dsn, autocommit=True) as watching:
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            while not watching.execute(waiting).fetchall()[0][0]:
                assert not made.done()
        destroying.commit()
        assert made.result() == {}


def test_a_key_that_another_process_destroyed_is_kept_for_minutes_at_most(kept_by_file: Kept) -> None:
    now = 0.0
    with (
        closing(Keyring(Keystore(kept_by_file.dsn), kept_by_file.root, clock=lambda: now)) as keyring,
        closing(kept_by_file.keyring()) as another,
    ):
        keyring.subject_keys([ALICE], KeyClass.PERSONAL, create=True)
        another.destroy([ALICE], position=3)

        now = 299.0
        assert keyring.subject_keys([ALICE], KeyClass.PERSONAL).keys() == {ALICE}
        now = 300.0
        assert keyring.subject_keys([ALICE], KeyClass.PERSONAL) == {}


def test_recent_keys_are_so_many_at_most() -> None:
    recent = RecentKeys[int](count_max=2, seconds_max=10, clock=lambda: 0.0)
    for number in (1, 2, 1, 3):
        recent.put(number, b"k")

    assert [recent.get(number) for number in (1, 2, 3)] == [b"k", None, b"k"]
    recent.forget(3)
    recent.forget(3)
    assert (len(recent), recent.get(3), repr(recent)) == (1, None, "RecentKeys(1 keys)")


def test_subjects_are_spread_over_all_buckets() -> None:
    found = {bucket_of(UUID(int=number)) for number in range(60_000)}

    assert found == set(range(BUCKETS))
    assert bucket_of(ALICE) == 3132


def test_a_connection_that_broke_is_made_anew(kept_by_file: Kept) -> None:
    with closing(kept_by_file.keyring()) as keyring:
        made = keyring.subject_keys([ALICE], KeyClass.PERSONAL, create=True)
        end_connections(kept_by_file.dsn)

        assert keyring.subject_keys([ALICE, BOB], KeyClass.PERSONAL, create=True)[ALICE] == made[ALICE]


def test_a_bucket_that_was_not_committed_may_come_back_with_another_key(
    kept_by_file: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection breaks before the commit, and before the second attempt another writer makes the bucket."""
    add, made = keystore.add_subject_keys, list[object]()
    with closing(kept_by_file.keyring()) as keyring, closing(kept_by_file.keyring()) as another:

        def broken(*arguments: Any) -> None:
            monkeypatch.setattr(keystore, "add_subject_keys", add)
            end_connections(kept_by_file.dsn)
            made.append(another.subject_keys([SAME_BUCKET], KeyClass.PERSONAL, create=True))
            add(*arguments)

        monkeypatch.setattr(keystore, "add_subject_keys", broken)
        found = keyring.subject_keys([ALICE], KeyClass.PERSONAL, create=True)

    assert len(made) == 1
    with closing(kept_by_file.keyring()) as keyring:
        assert keyring.subject_keys([ALICE], KeyClass.PERSONAL) == found


def end_connections(dsn: str) -> None:
    ending = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"{ending} AND pid <> pg_backend_pid()".encode())


def test_a_mac_key_of_another_process_is_learned(kept: Kept) -> None:
    with closing(kept.keyring()) as old, closing(kept.keyring()) as other:
        first = old.mac(**EVENT)
        assert rotate_mac(other.store, other.root) == 2
        with closing(kept.keyring()) as new:
            second = new.mac(**EVENT)
            assert (second[0], new.mac_fits(first, **EVENT)) == (2, True)

        assert old.mac_fits(second, **EVENT)
        assert not old.mac_fits(b"\x03" + second[1:], **EVENT)
        assert other.mac(**EVENT)[0] == 1
        # Whoever connects to the ledger asks for the check value, which is the same for all.
        assert other.check_value(LEDGER_ID) == MemoryKeys(WORKING_KEYS).check_value(LEDGER_ID)
        assert other.mac(**EVENT) == second


def test_keys_in_memory_reach_no_other_process() -> None:
    with pytest.raises(Unavailable, match="in the memory of one process"):
        reach_of_keys(MemoryKeys(WORKING_KEYS))


def test_a_wrapped_key_that_was_moved_to_another_subject_does_not_open(kept_by_file: Kept) -> None:
    with closing(kept_by_file.keyring()) as keyring:
        keyring.subject_keys([ALICE, BOB], KeyClass.PERSONAL, create=True)
        with psycopg.connect(kept_by_file.dsn) as connection:
            connection.execute(
                "UPDATE sealbook_keys.subject_keys s SET (wrapped, bucket) = (o.wrapped, o.bucket)"
                " FROM sealbook_keys.subject_keys o WHERE s.subject = %s AND o.subject = %s",
                [ALICE, BOB],
            )
    with closing(kept_by_file.keyring()) as keyring, pytest.raises(LedgerDamaged, match="does not open"):
        keyring.subject_keys([ALICE], KeyClass.PERSONAL)


# --- What is not there, or not right


def test_a_keystore_is_made_once(kept: Kept) -> None:
    assert not create_keystore(kept.dsn, kept.root, WORKING_KEYS)


def test_two_who_make_a_keystore_at_once_make_one(new_database: Callable[[], str], file_root: FileRoot) -> None:
    dsn, together = new_database(), Barrier(2)

    def make(_thread: int) -> bool:
        together.wait()
        return create_keystore(dsn, file_root, WORKING_KEYS)

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(make, range(2))) == [False, True]
    assert file_root.epochs() == [1]


def test_an_empty_database_is_no_keystore(new_database: Callable[[], str], file_root: FileRoot) -> None:
    with pytest.raises(Unavailable, match="the keystore is empty: bring it back"):
        Keyring(Keystore(new_database()), file_root)


def test_the_ledgers_database_is_no_place_for_its_keys(ledger_dsn: str, file_root: FileRoot) -> None:
    with pytest.raises(Unavailable, match="name another in SEALBOOK_KEYSTORE_DSN"):
        create_keystore(ledger_dsn, file_root, WORKING_KEYS)
    assert file_root.epochs() == []


def test_a_server_that_is_not_there_is_the_keystores(file_root: FileRoot) -> None:
    with pytest.raises(Unavailable, match="the keystore: the database cannot be reached") as caught:
        Keyring(Keystore("host=127.0.0.1 port=1 password=geheim"), file_root)
    assert "geheim" not in str(caught.value)


def test_a_keystore_of_another_version_is_left_alone(kept_by_file: Kept) -> None:
    with psycopg.connect(kept_by_file.dsn) as connection:
        connection.execute("UPDATE sealbook_keys.state SET version = 2")

    with pytest.raises(Unavailable, match="the keystore is of version 2, this sealbook knows 1"):
        kept_by_file.keyring()


def test_a_keystore_that_lost_its_keys_says_so(kept_by_file: Kept) -> None:
    with psycopg.connect(kept_by_file.dsn) as connection:
        connection.execute("TRUNCATE sealbook_keys.service_keys")

    with pytest.raises(LedgerDamaged, match="lost the keys in force: restore it from a backup"):
        kept_by_file.keyring()


def test_a_keystore_that_lost_its_epochs_says_so(kept_by_file: Kept) -> None:
    with psycopg.connect(kept_by_file.dsn) as connection:
        connection.execute("UPDATE sealbook_keys.epochs SET retired = true")

    with closing(kept_by_file.keyring()) as keyring, pytest.raises(LedgerDamaged, match="has lost its epochs"):
        keyring.subject_keys([ALICE], KeyClass.PERSONAL, create=True)


def test_a_role_without_the_right_is_told(kept_by_file: Kept, postgres_server: Server) -> None:
    role = f"stranger_{uuid4().hex}"
    with psycopg.connect(kept_by_file.dsn, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN".encode())
        try:
            stranger = postgres_server.dsn(connection.info.dbname, role)
            with pytest.raises(Unavailable, match="the database role may not do this"):
                Keyring(Keystore(stranger), kept_by_file.root)
            connection.execute(f"GRANT sealbook_keys TO {role}".encode())
            with closing(Keyring(Keystore(stranger), kept_by_file.root)) as keyring:
                assert keyring.subject_keys([ALICE], KeyClass.PERSONAL, create=True).keys() == {ALICE}
        finally:
            connection.execute(f"DROP ROLE {role}".encode())


def test_no_key_is_readable_in_the_keystore(kept_by_file: Kept) -> None:
    with closing(kept_by_file.keyring()) as keyring:
        (subject_key,) = keyring.subject_keys([ALICE], KeyClass.PERSONAL, create=True).values()
    with psycopg.connect(kept_by_file.dsn) as connection:
        stored = "".join(
            str(connection.execute(f"SELECT t::text FROM sealbook_keys.{table} t".encode()).fetchall())
            for table in ("service_keys", "buckets", "subject_keys", "state", "epochs", "destroyed")
        )

    assert str(ALICE) in stored
    assert not any(key.hex() in stored for key in (subject_key, b"m" * 32, b"n" * 32, b"c" * 32))


def test_another_process_gets_the_keyring_by_a_document(kept: Kept) -> None:
    with closing(kept.keyring()) as keyring:
        reach = json.loads(json.dumps(reach_of_keys(keyring)))
        made = keyring.subject_keys([ALICE], KeyClass.SECRET, create=True)
    with closing(keyring_of(reach)) as another:
        assert another.subject_keys([ALICE], KeyClass.SECRET) == made
