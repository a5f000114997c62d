"""Many callers of one writer, and a kill in the middle: what was answered is there, once, and nothing is half there.

SEALBOOK_SOAK_SECONDS makes each run longer.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Collection, Generator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from threading import Event, Thread
from uuid import UUID

import pytest

from sealbook.adapters.eventstore.fsck import Fsck
from sealbook.adapters.eventstore.postgres import PostgresEventStore, connected
from sealbook.adapters.eventstore.schema import migrate
from sealbook.adapters.postgres import postmaster
from sealbook.adapters.postgres.ledger_folder import LedgerFolder
from sealbook.adapters.postgres.server import EmbeddedServer
from sealbook.application.ledger import execute
from sealbook.application.ports import read_all
from sealbook.domain.credential import Used
from tests.conftest import KEYS, LEDGER_ID
from tests.system.gathering import CALLERS, Told, script_of
from tests.system.writing import REPOSITORY, holders, opened

SECONDS = float(os.environ.get("SEALBOOK_SOAK_SECONDS", "4"))
ATTEMPTS_MAX = 4
SHARE_MIN = 0.25

pytestmark = pytest.mark.timeout(int(SECONDS) * 4 + 240)


class Writer:
    """A process with CALLERS callers. It waits until it is told to go; what it says is taken as it comes."""

    def __init__(self, dsn: str, number: int, *, seconds: float = SECONDS) -> None:
        self.number, self.told = number, Told()
        command = [sys.executable, "-m", "tests.system.gathering", dsn, str(number), str(seconds)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, cwd=REPOSITORY, stdin=pipe, stdout=pipe, text=True)
        self._heard = Thread(target=self._hear)
        assert self._said() == "ready\n"

    def go(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        self._heard.start()

    def kill(self) -> None:
        self._process.kill()
        self._heard.join()
        with self._process:
            pass

    def end(self) -> None:
        """Wait until it ends by itself, all being well."""
        self._heard.join()
        with self._process:
            pass
        assert self._process.returncode == 0

    def _said(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def _hear(self) -> None:
        while (line := self._said()).endswith("\n"):
            self.told.take(line)


@contextmanager
def durable_ledger(folder: Path) -> Generator[str]:
    """A durable ledger of its own, whose server may be killed; everybody holds a credential."""
    with EmbeddedServer.join(folder) as server:
        with connected(server.dsn()) as connection:
            migrate(connection, keys=KEYS, new_id=lambda: LEDGER_ID)
        store = opened(server.dsn())
        execute(store, holders())
        store.close()
        yield server.dsn()


def assert_kept(dsn: str, writers: list[Writer], *, killed: Collection[Writer] = ()) -> PostgresEventStore:
    """All that was acknowledged is there once; of each caller what is there is the beginning of its script."""
    store = opened(dsn)
    found: dict[UUID, int] = {}
    for event in read_all(store):
        if isinstance(event.event, Used) and event.command_id is not None:
            assert event.command_id not in found
            found[event.command_id] = event.position
    for writer in writers:
        for caller in range(CALLERS):
            acknowledged = writer.told.positions.get(caller, {})
            sent = islice(script_of(writer.number, caller), len(acknowledged) + 1)
            *answered, last = (command.command_id for command in sent if command.command_id is not None)
            assert {each: found.pop(each) for each in answered} == acknowledged
            if writer in killed:
                # The one that it had in flight is whole or undone.
                found.pop(last, None)
    assert not found
    assert list(Fsck(store.connection, keys=KEYS).findings()) == []
    return store


def test_a_server_killed_amid_many_callers_loses_and_doubles_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    with durable_ledger(folder) as dsn:
        writer = Writer(dsn, 1)
        writer.go()
        Event().wait(SECONDS / 2)
        pid = postmaster.running(LedgerFolder(folder))
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        with EmbeddedServer.join(folder):
            writer.end()
            assert_kept(dsn, [writer]).close()


def test_a_writer_killed_amid_its_callers_loses_and_doubles_nothing(tmp_path: Path) -> None:
    with durable_ledger(tmp_path / "ledger") as dsn:
        killed, next_one = Writer(dsn, 1), Writer(dsn, 2, seconds=SECONDS / 2)
        killed.go()
        Event().wait(SECONDS / 2)
        killed.kill()
        next_one.go()
        next_one.end()
        assert killed.told.positions
        assert_kept(dsn, [killed, next_one], killed=[killed]).close()


def test_two_writers_on_the_same_streams_share_the_ledger(tmp_path: Path) -> None:
    with durable_ledger(tmp_path / "ledger") as dsn:
        both = [Writer(dsn, 1), Writer(dsn, 2)]
        for writer in both:
            writer.go()
        for writer in both:
            writer.end()
        assert_kept(dsn, both).close()

    commits = [len(writer.told.acknowledged()) for writer in both]
    assert min(commits) >= SHARE_MIN * sum(commits)
    assert all(0 < writer.told.attempts_max <= ATTEMPTS_MAX for writer in both)
