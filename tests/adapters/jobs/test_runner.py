"""Jobs are done once, by whoever leads, through kills and cancels; their answer is the command line's."""

import asyncio
import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from psycopg.conninfo import conninfo_to_dict

from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.eventstore.reach import reach_of
from sealbook.adapters.jobs import rows, runner, what_if
from sealbook.adapters.jobs.rows import Job, Jobs, JobThere, NotDone, State, TooManyJobs, UnknownJob
from sealbook.adapters.jobs.runner import JobRunner
from sealbook.adapters.jobs.what_if import WhatIfProcess, request_of
from sealbook.adapters.keys.file_root import FileRoot
from sealbook.adapters.keys.keyring import Keyring
from sealbook.adapters.keys.keystore import Keystore
from sealbook.application.ports import LedgerDamaged, Unavailable
from sealbook.domain.presets import preset_policies
from tests.adapters.seal.sealing import CREDENTIALS, live
from tests.conftest import KeptKeys
from tests.system.writing import REPOSITORY

NOW = datetime(2026, 4, 1, tzinfo=UTC)
JOB, OTHER = UUID(int=1), UUID(int=2)
PATIENCE_SECONDS = 60
REQUEST = request_of({each: preset_policies()[each] for each in ("D", "C")}, as_of=NOW, switch_at=None, mode=None)


@dataclass
class Led:
    """A ledger, and runners that lead it one after the other."""

    store: PostgresEventStore
    connect: Callable[[], PostgresEventStore]
    complaints: list[str] = field(default_factory=list[str])

    @property
    def jobs(self) -> Jobs:
        return Jobs(self.store.connection)

    def submit(self, job: UUID = JOB, at: datetime = NOW) -> Job:
        return self.jobs.submit(job, request=REQUEST, sent="ab", at=at, by="analyst-1")

    def lead(self, *, until: Callable[[], bool]) -> None:
        """Let a runner lead until something is so."""

        async def leading() -> None:
            ending = asyncio.Event()
            made = JobRunner(
                self.connect, reach=reach_of(self.store), clock=lambda: NOW, complain=self.complaints.append
            )
            running = asyncio.create_task(made.run(ending))
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not until():
                    await asyncio.sleep(0.02)
                ending.set()
                await running

        asyncio.run(leading())

    def is_now(self, state: State, job: UUID = JOB) -> Callable[[], bool]:
        return lambda: self.jobs.get(job).state is state


@pytest.fixture
def led(ledger_dsn: str, kept_keys: KeptKeys, monkeypatch: pytest.MonkeyPatch) -> Iterator[Led]:
    monkeypatch.setattr(runner, "IDLE_SECONDS", 0.05)
    with kept_keys.of_ledger(str(conninfo_to_dict(ledger_dsn)["dbname"])) as keystore:
        keys = Keyring(Keystore(keystore), FileRoot(kept_keys.key_file))

        def connect() -> PostgresEventStore:
            return PostgresEventStore.connect(ledger_dsn, keys=keys, randomness=os.urandom)

        store = connect()
        live(store)
        yield Led(store, connect)
        store.close()
        keys.close()


# --- The queue


def test_a_job_is_asked_for_once(led: Led) -> None:
    first, again = led.submit(), led.submit(at=NOW + timedelta(days=1))

    assert first == again
    assert (first.state, first.created_at, first.created_by) == (State.QUEUED, NOW, "analyst-1")
    assert led.jobs.latest(10) == [first]


@pytest.mark.parametrize(("sent", "by"), [("cd", "analyst-1"), ("ab", "analyst-2")])
def test_an_id_is_one_jobs_alone(led: Led, sent: str, by: str) -> None:
    led.submit()

    with pytest.raises(JobThere):
        led.jobs.submit(JOB, request=REQUEST, sent=sent, at=NOW, by=by)


def test_no_more_wait_than_may(led: Led, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "OPEN_MAX", 1)
    led.submit()

    with pytest.raises(TooManyJobs):
        led.submit(OTHER)
    led.jobs.cancel(JOB, at=NOW)
    assert led.submit(OTHER).state is State.QUEUED


def test_what_is_not_there_is_not_found(led: Led) -> None:
    with pytest.raises(UnknownJob):
        led.jobs.get(JOB)
    with pytest.raises(UnknownJob):
        led.jobs.result(JOB)
    with pytest.raises(UnknownJob):
        led.jobs.cancel(JOB, at=NOW)


def test_jobs_are_taken_in_the_order_of_asking_and_what_was_begun_comes_first(led: Led) -> None:
    led.submit(OTHER)
    led.submit(JOB, at=NOW + timedelta(seconds=1))

    taken = [led.jobs.take(at=NOW), led.jobs.take(at=NOW)]
    led.jobs.end(OTHER, State.DONE, at=NOW, result={})

    assert [each.id for each in taken if each is not None] == [OTHER, OTHER]
    last = led.jobs.take(at=NOW)
    assert last is not None
    assert last.id == JOB


def test_what_ended_long_ago_is_forgotten(led: Led) -> None:
    led.submit()
    led.jobs.cancel(JOB, at=NOW)
    led.submit(OTHER)
    led.jobs.take(at=NOW)

    led.jobs.end(OTHER, State.DONE, at=NOW + rows.KEPT + timedelta(seconds=1), result={})

    assert [each.id for each in led.jobs.latest(10)] == [OTHER]


# --- The runner


def test_a_job_comes_to_what_it_comes_to_in_this_process(led: Led) -> None:
    led.submit()
    with pytest.raises(NotDone):
        led.jobs.result(JOB)

    led.lead(until=led.is_now(State.DONE))

    job, result = led.jobs.get(JOB), cast("dict[str, Any]", led.jobs.result(JOB))
    assert result == what_if.answered(led.store, REQUEST, advanced=lambda _far: None)
    assert result["factual"]["credentials"] == CREDENTIALS
    assert [each["policy"] for each in result["policies"]] == ["D", "C"]
    assert job.progress is not None
    assert (job.progress.phase, job.progress.of) == ("replaying", CREDENTIALS)
    assert job.finished_at == NOW
    assert led.complaints == []


def test_a_process_that_may_not_be_nice_does_its_job(led: Led, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(what_if, "MODULE", "tests.adapters.jobs.not_nice")
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    led.submit()

    led.lead(until=led.is_now(State.DONE))
    assert led.complaints == []


def test_the_result_names_no_credential_and_no_person(led: Led) -> None:
    led.submit()
    led.lead(until=led.is_now(State.DONE))

    told = json.dumps(led.jobs.result(JOB))
    names = [
        name.value for name in led.store.names_of([each.stream for each in led.store.read(after=0, limit=999)]).values()
    ]
    assert [name for name in names if len(name) > 1 and name in told] == []


def test_a_job_whose_leader_died_is_begun_again(led: Led) -> None:
    led.submit()
    led.jobs.take(at=NOW)
    assert led.jobs.get(JOB).state is State.RUNNING

    led.lead(until=led.is_now(State.DONE))


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> list[WhatIfProcess]:
    """What-ifs that come to no end, as they are begun."""
    begun = list[WhatIfProcess]()

    class Endless(WhatIfProcess):
        def __init__(self, reach: Mapping[str, Any], request: Mapping[str, Any]) -> None:
            super().__init__(reach, request)
            begun.append(self)

    # It reads what it is told until there is no more, and says nothing before.
    monkeypatch.setattr(what_if, "MODULE", "json.tool")
    monkeypatch.setattr(runner, "WhatIfProcess", Endless)
    return begun


def test_a_job_that_is_cancelled_ends_and_its_process_with_it(led: Led, endless: list[WhatIfProcess]) -> None:
    led.submit()

    def cancelled() -> bool:
        if endless and led.jobs.get(JOB).state is State.RUNNING:
            led.jobs.cancel(JOB, at=NOW)
        return led.is_now(State.CANCELLED)()

    led.lead(until=cancelled)

    assert [each.process.returncode for each in endless] == [-signal.SIGKILL]
    assert led.jobs.cancel(JOB, at=NOW).state is State.CANCELLED


def test_who_leads_no_more_kills_the_process_and_leaves_the_job(led: Led, endless: list[WhatIfProcess]) -> None:
    led.submit()

    led.lead(until=lambda: bool(endless))

    assert [each.process.returncode for each in endless] == [-signal.SIGKILL]
    assert led.jobs.get(JOB).state is State.RUNNING


def test_a_process_that_is_killed_again_and_again_fails_the_job_and_no_other(
    led: Led, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = list[int]()

    class Killed(WhatIfProcess):
        def take(self) -> None:
            if not begun or begun[-1] != self.process.pid:
                begun.append(self.process.pid)
            self.process.kill()
            self.process.wait()
            raise Unavailable("a worker process ended too early")

    led.submit()
    with monkeypatch.context() as patched:
        patched.setattr(runner, "WhatIfProcess", Killed)
        led.lead(until=led.is_now(State.FAILED))
    led.submit(OTHER)
    led.lead(until=led.is_now(State.DONE, OTHER))

    assert len(begun) == runner.ATTEMPTS_MAX
    assert led.jobs.get(JOB).error == runner.GAVE_UP
    assert led.complaints == ["a worker process ended too early"]


def test_a_damaged_ledger_fails_the_job(led: Led, monkeypatch: pytest.MonkeyPatch) -> None:
    class Damaged(WhatIfProcess):
        def take(self) -> None:
            raise LedgerDamaged("position 3 has another MAC")

    monkeypatch.setattr(runner, "WhatIfProcess", Damaged)
    led.submit()
    led.lead(until=led.is_now(State.FAILED))

    assert led.jobs.get(JOB).error == runner.DAMAGED
