"""Rotation: nothing is lost, every older backup of the keystore dies, and what was cut short is completed."""

from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from threading import Event, Thread
from typing import Any, cast
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from sealbook.adapters.keys import rotation
from sealbook.adapters.keys.keystore import Keystore
from sealbook.adapters.keys.port import KeyClass
from sealbook.adapters.keys.roots import RootKeys
from sealbook.adapters.keys.rotation import EpochRotated, rotate_epoch, rotate_mac
from sealbook.adapters.keys.status import KeysStatus, status_of
from sealbook.adapters.keys.wrapping import bucket_of
from sealbook.application.ports import Unavailable
from tests.adapters.keys.conftest import Kept, made_keystore
from tests.conftest import Server

SUBJECTS = [UUID(int=number) for number in range(1, 31)]
ERASED = SUBJECTS[0]
SAME_BUCKET = next(
    each for each in (UUID(int=number) for number in range(100, 100_000)) if bucket_of(each) == bucket_of(ERASED)
)
ALL = [*SUBJECTS, SAME_BUCKET]
EVENT: Any = {"book": 0, "stream": ERASED.bytes, "version": 1, "salt": b"s", "body": b"b"}
STEPS = 400
"""More than any rotation here has."""


class Killed(BaseException):
    """What nobody catches: the process is gone."""


class Countdown:
    """Lets so many steps pass, then kills."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed


class MortalRoot:
    """Root keys that are used by a process which is killed at some step: before a call, or after it."""

    def __init__(self, root: RootKeys, countdown: Countdown) -> None:
        self._root = root
        self._countdown = countdown

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._root, name)

        def called(*arguments: Any) -> Any:
            self._countdown.step()
            answer = found(*arguments)
            self._countdown.step()
            return answer

        return called if callable(found) else found


class MortalStore(Keystore):
    def __init__(self, dsn: str, countdown: Countdown) -> None:
        super().__init__(dsn)
        self._countdown = countdown

    def run(self, work: Callable[[psycopg.Connection], Any]) -> Any:
        self._countdown.step()
        answer = super().run(work)
        self._countdown.step()
        return answer


def lived(kept: Kept) -> Mapping[UUID, bytes]:
    """Let subjects get keys, and one of them lose its own; return the others'."""
    with closing(kept.keyring()) as keyring:
        found = dict(keyring.subject_keys(ALL, KeyClass.PERSONAL, create=True))
        keyring.subject_keys(ALL, KeyClass.RECORD, create=True)
        keyring.destroy([ERASED], position=3)
    del found[ERASED]
    return found


def assert_whole(kept: Kept, found: Mapping[UUID, bytes]) -> KeysStatus:
    with closing(kept.keyring()) as keyring:
        assert keyring.subject_keys(ALL, KeyClass.PERSONAL) == found
        assert keyring.subject_keys(ALL, KeyClass.RECORD).keys() == found.keys()
        status = status_of(keyring)
    assert (status.buckets_to_renew, status.epochs_to_destroy) == (0, ())
    return status


@pytest.fixture
def backed_up(postgres_server: Server) -> Callable[[str], str]:
    """Copy a keystore as it is now; the copies go with the server."""

    def copy(dsn: str) -> str:
        name, copied = conninfo_to_dict(dsn)["dbname"], f"backup_{uuid4().hex}"
        with psycopg.connect(postgres_server.dsn("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {copied} TEMPLATE {name}".encode())
        return postgres_server.dsn(copied)

    return copy


def test_a_new_epoch_keeps_all_keys_and_renews_what_lost_one(kept: Kept) -> None:
    found = lived(kept)
    before = kept.root.epochs()
    with closing(kept.keyring()) as keyring:
        mac = keyring.mac(**EVENT)
        epoch = status_of(keyring).epoch
        done = rotate_epoch(keyring.store, keyring.root)

    buckets = len({bucket_of(each) for each in ALL})
    assert done == EpochRotated(
        epoch=max(before) + 1, destroyed=(epoch,), buckets_renewed=1, keys_rewrapped=buckets - 1 + 3
    )
    assert set(kept.root.epochs()) == {*before, done.epoch} - {epoch}
    status = assert_whole(kept, found)
    assert (status.epoch, status.destroyed, status.reconciled_to) == (done.epoch, 1, 3)
    with closing(kept.keyring()) as keyring:
        assert keyring.mac_fits(mac, **EVENT)
        assert keyring.subject_keys([ERASED], KeyClass.PERSONAL, create=True) == {}


def test_an_older_backup_of_the_keystore_opens_nothing(kept: Kept, backed_up: Callable[[str], str]) -> None:
    with closing(kept.keyring()) as keyring:
        keyring.subject_keys(ALL, KeyClass.PERSONAL, create=True)
    backup = Kept(backed_up(kept.dsn), kept.root)
    with closing(kept.keyring()) as keyring:
        keyring.destroy([ERASED], position=3)
    with closing(backup.keyring()) as keyring:
        assert ERASED in keyring.subject_keys([ERASED], KeyClass.PERSONAL)

    with closing(kept.keyring()) as keyring:
        rotate_epoch(keyring.store, keyring.root)

    with pytest.raises(Unavailable, match=r"has no (epoch|keys called)"):
        backup.keyring()


def test_the_backups_rows_open_nothing_with_the_keys_of_now(
    kept_by_file: Kept, backed_up: Callable[[str], str]
) -> None:
    """Whoever has the backup and all that is in force now puts both together, and finds nothing."""
    with closing(kept_by_file.keyring()) as keyring:
        keyring.subject_keys(ALL, KeyClass.PERSONAL, create=True)
    backup = backed_up(kept_by_file.dsn)
    with closing(kept_by_file.keyring()) as keyring:
        keyring.destroy([ERASED], position=3)
        rotate_epoch(keyring.store, keyring.root)

    taken = "SELECT subject, key_class, bucket, wrapped FROM sealbook_keys.subject_keys WHERE subject = %s"
    with psycopg.connect(backup) as old, psycopg.connect(kept_by_file.dsn) as now:
        subject, key_class, bucket, wrapped = old.execute(taken, [ERASED]).fetchall()[0]
        versions = "SELECT version FROM sealbook_keys.buckets WHERE bucket = %s"
        ((version,),) = now.execute(versions, [bucket]).fetchall()
        now.execute(
            "INSERT INTO sealbook_keys.subject_keys VALUES (%s, %s, %s, %s, %s)",
            [subject, key_class, bucket, version, wrapped],
        )
    with closing(kept_by_file.keyring()) as keyring, pytest.raises(Exception, match="does not open"):
        keyring.subject_keys([ERASED], KeyClass.PERSONAL)


def test_a_rotation_that_is_killed_at_any_step_is_completed(
    kept_by_file: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "WRAPPED_A_TRANSACTION", 16)
    found = lived(kept_by_file)
    root = kept_by_file.root
    for steps in range(0, STEPS, 3):
        countdown = Countdown(steps)
        with closing(MortalStore(kept_by_file.dsn, countdown)) as store:
            try:
                rotate_epoch(store, cast("RootKeys", MortalRoot(root, countdown)))
            except Killed:
                with closing(kept_by_file.keyring()) as keyring:
                    assert keyring.subject_keys(ALL, KeyClass.PERSONAL) == found
                continue
        break
    else:
        pytest.fail("it never came to its end")

    assert_whole(kept_by_file, found)
    with closing(kept_by_file.keyring()) as keyring:
        wrapping = status_of(keyring).epoch
    # What was killed between the making of a root key and its noting leaves one that wraps nothing.
    assert max(root.epochs()) == wrapping


@pytest.mark.parametrize("call", ["create_epoch", "destroy_epoch"])
@pytest.mark.parametrize("after", [False, True])
def test_a_rotation_that_is_killed_at_the_root_is_completed(kept: Kept, call: str, after: bool) -> None:
    found = lived(kept)
    with closing(kept.keyring()) as keyring:
        old = status_of(keyring).epoch

        class Mortal(MortalRoot):
            def __getattr__(self, name: str) -> Any:
                def killed(*arguments: Any) -> None:
                    if after:
                        getattr(kept.root, name)(*arguments)
                    raise Killed

                return killed if name == call else getattr(kept.root, name)

        with suppress(Killed):
            rotate_epoch(keyring.store, cast("RootKeys", Mortal(kept.root, Countdown(0))))
        done = rotate_epoch(keyring.store, keyring.root)

    assert done.destroyed == (old,)
    assert old not in kept.root.epochs()
    assert_whole(kept, found)


def test_keys_are_made_while_an_epoch_is_rotated(kept_by_file: Kept) -> None:
    found, ended = dict(lived(kept_by_file)), Event()

    def make() -> None:
        with closing(kept_by_file.keyring()) as keyring:
            while not ended.is_set():
                found.update(keyring.subject_keys([uuid4()], KeyClass.PERSONAL, create=True))

    making = Thread(target=make)
    making.start()
    try:
        with closing(kept_by_file.keyring()) as keyring:
            for _ in range(3):
                rotate_epoch(keyring.store, keyring.root)
    finally:
        ended.set()
        making.join()

    with closing(kept_by_file.keyring()) as keyring:
        assert keyring.subject_keys(found.keys(), KeyClass.PERSONAL) == found


def test_two_rotations_at_once_are_one_or_two(kept_by_file: Kept) -> None:
    found = lived(kept_by_file)

    def rotate() -> None:
        with closing(kept_by_file.keyring()) as keyring:
            rotate_epoch(keyring.store, keyring.root)

    threads = [Thread(target=rotate) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert_whole(kept_by_file, found)


def test_others_who_keep_epochs_in_the_same_place_are_left_alone(kept: Kept, new_database: Callable[[], str]) -> None:
    other = made_keystore(new_database(), kept.root)
    with closing(other.keyring()) as others:
        (key,) = others.subject_keys([ERASED], KeyClass.PERSONAL, create=True).values()

    for _ in range(2):
        with closing(kept.keyring()) as keyring:
            rotate_epoch(keyring.store, keyring.root)

    with closing(other.keyring()) as others:
        assert others.subject_keys([ERASED], KeyClass.PERSONAL) == {ERASED: key}


def test_mac_keys_end(kept_by_file: Kept) -> None:
    with closing(kept_by_file.keyring()) as keyring:
        with psycopg.connect(kept_by_file.dsn) as connection:
            connection.execute("UPDATE sealbook_keys.service_keys SET key_id = 255 WHERE purpose = 'mac'")
        with pytest.raises(Unavailable, match="all 255 MAC keys"):
            rotate_mac(keyring.store, keyring.root)


def test_what_there_is_stands_in_the_status(kept_by_file: Kept) -> None:
    lived(kept_by_file)
    with closing(kept_by_file.keyring()) as keyring:
        rotate_mac(keyring.store, keyring.root)
        status = status_of(keyring)

    assert status == KeysStatus(
        root=kept_by_file.root.told,
        for_development=True,
        ledger=None,
        epoch=1,
        epochs_to_destroy=(),
        mac_key_id=2,
        mac_key_ids=(1, 2),
        subject_keys={"personal": 30, "record": 30, "secret": 30},
        buckets=len({bucket_of(each) for each in ALL}),
        buckets_to_renew=1,
        destroyed=1,
        reconciled_to=3,
    )
