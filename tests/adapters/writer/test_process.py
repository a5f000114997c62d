"""The writer process, killed and ended among callers of other processes: nothing acknowledged is lost or done twice."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from threading import Event, Thread
from uuid import UUID

import pytest

from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.eventstore.reach import reach_of
from sealbook.adapters.writer.process import WriterProcess
from sealbook.application.ports import Unavailable
from tests.adapters.writer.calling import CALLERS
from tests.adapters.writer.writing import uses_recorded
from tests.system.gathering import Told, script_of
from tests.system.writing import REPOSITORY

SECONDS = float(os.environ.get("SEALBOOK_SOAK_SECONDS", "4"))
KILLS = 3

pytestmark = [pytest.mark.timeout(int(SECONDS) * 4 + 120), pytest.mark.usefixtures("ledger")]


class Callers:
    """A process with CALLERS callers, of which what each says is taken as it comes."""

    def __init__(self, socket: Path, number: int, *, seconds: float = SECONDS, patience_seconds: float = 5) -> None:
        self.number, self.told = number, Told()
        arguments = [str(socket), str(number), str(seconds), str(patience_seconds)]
        command = [sys.executable, "-m", "tests.adapters.writer.calling", *arguments]
        self.process = subprocess.Popen(
            command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._heard = Thread(target=self._hear)
        assert self._said() == "ready\n"

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        self._heard.start()

    def end(self) -> None:
        self._heard.join()
        with self.process:
            pass

    def assert_kept(self, recorded: dict[UUID | None, int], *, unanswered: bool = False) -> None:
        """All that was acknowledged is there; of each caller, what is there is the beginning of its script."""
        for caller in range(CALLERS):
            acknowledged = self.told.positions.get(caller, {})
            *answered, last = (
                each.command_id for each in islice(script_of(self.number, caller), len(acknowledged) + 1)
            )
            assert {each: recorded.pop(each) for each in answered} == acknowledged
            if unanswered:
                recorded.pop(last, None)

    def _said(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def _hear(self) -> None:
        while (line := self._said()).endswith("\n"):
            self.told.take(line)


@contextmanager
def writing(socket: Path, store: PostgresEventStore) -> Generator[WriterProcess]:
    process = WriterProcess(socket, reach=reach_of(store))
    try:
        process.wait_until_ready()
        yield process
    finally:
        process.end()


def killed(process: WriterProcess) -> None:
    os.kill(process.process.pid, signal.SIGKILL)
    process.process.wait()


def test_a_writer_killed_again_and_again_is_not_missed(postgres_store: PostgresEventStore, socket: Path) -> None:
    with writing(socket, postgres_store) as first:
        callers = Callers(socket, 1)
        callers.go()
        Event().wait(SECONDS / (KILLS + 1))
        killed(first)
    for _ in range(KILLS - 1):
        with writing(socket, postgres_store) as process:
            Event().wait(SECONDS / (KILLS + 1))
            killed(process)
    with writing(socket, postgres_store):
        callers.end()

    recorded = uses_recorded(postgres_store)
    assert callers.process.returncode == 0
    assert callers.told.positions.keys() == set(range(CALLERS))
    callers.assert_kept(recorded)
    assert not recorded


def test_of_what_a_killed_writer_did_not_answer_each_is_there_once_or_not(
    postgres_store: PostgresEventStore, socket: Path
) -> None:
    with writing(socket, postgres_store) as process:
        callers = Callers(socket, 1, patience_seconds=0.2)
        callers.go()
        Event().wait(SECONDS / 4)
        killed(process)
        callers.end()

    recorded = uses_recorded(postgres_store)
    assert callers.told.positions
    callers.assert_kept(recorded, unanswered=True)
    assert not recorded


def test_the_same_commands_from_two_processes_have_one_effect_and_one_answer(
    postgres_store: PostgresEventStore, socket: Path
) -> None:
    with writing(socket, postgres_store):
        both = [Callers(socket, 1, seconds=SECONDS / 2) for _ in range(2)]
        for callers in both:
            callers.go()
        for callers in both:
            callers.end()

    recorded = uses_recorded(postgres_store)
    one, other = (callers.told.acknowledged() for callers in both)
    assert one | other == other | one == recorded
    assert one.keys() & other.keys()


def test_callers_that_are_killed_leave_the_writer_to_others(postgres_store: PostgresEventStore, socket: Path) -> None:
    with writing(socket, postgres_store):
        leaving, staying = Callers(socket, 1), Callers(socket, 2, seconds=SECONDS / 2)
        leaving.go()
        staying.go()
        Event().wait(SECONDS / 4)
        leaving.process.kill()
        leaving.end()
        staying.end()

    recorded = uses_recorded(postgres_store)
    assert staying.process.returncode == 0
    staying.assert_kept(recorded)
    leaving.assert_kept(recorded, unanswered=True)
    assert not recorded


def test_a_writer_that_is_asked_to_end_answers_what_it_took(postgres_store: PostgresEventStore, socket: Path) -> None:
    with writing(socket, postgres_store) as first:
        callers = Callers(socket, 1, seconds=SECONDS / 2)
        callers.go()
        Event().wait(SECONDS / 4)
        first.stop()
        assert first.process.returncode == 0
        assert not socket.exists()
    with writing(socket, postgres_store):
        callers.end()

    recorded = uses_recorded(postgres_store)
    assert callers.process.returncode == 0
    callers.assert_kept(recorded)
    assert not recorded
    # Nothing was in doubt: what was taken was answered, and the rest was not taken.
    assert callers.told.attempts_max == 0


def test_a_writer_ends_with_whoever_began_it(postgres_store: PostgresEventStore, socket: Path) -> None:
    with writing(socket, postgres_store) as process:
        assert process.process.stdin is not None
        process.process.stdin.close()
        assert process.process.wait(30) == 0
        assert not socket.exists()


def test_a_writer_that_cannot_begin_says_why(postgres_store: PostgresEventStore, socket: Path, tmp_path: Path) -> None:
    reach = reach_of(postgres_store)
    for process, why in [
        (WriterProcess(socket, reach=reach | {"conninfo": "host=/nowhere"}), "cannot be reached"),
        (WriterProcess(tmp_path / "missing" / "writer.sock", reach=reach), "is not there"),
        (WriterProcess(socket, reach=reach, kinds=tmp_path), "holds no kind"),
    ]:
        with pytest.raises(Unavailable, match=why):
            process.wait_until_ready()
        process.end()
