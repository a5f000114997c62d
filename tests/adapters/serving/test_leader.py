"""One leads, whatever ends it; and while it does, the timers run, until they are told to end."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from sealbook.adapters.eventstore.memory import MemoryEventStore
from sealbook.adapters.serving.leader import Leader, TimerLoop, begun_anew
from sealbook.application.agenda import Agenda, MemoryAgenda
from sealbook.application.ledger import execute
from sealbook.application.ports import EventStore, LedgerDamaged, OutcomeUnknown, Unavailable
from sealbook.domain.catalogue import event_name
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.presets import preset_kinds
from tests.commands import Script

SOON_SECONDS = 20
LATER = datetime(2027, 1, 1, tzinfo=UTC)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, timeout=SOON_SECONDS))


def leader(dsn: str) -> Leader:
    return Leader(dsn, again_seconds=0.02, watch_seconds=0.02, answer_seconds=2)


def sessions(dsn: str) -> list[int]:
    """The server's processes that hold a lock of a session."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        ).fetchall()
    return [pid for (pid,) in rows]


# --- In one process


def test_one_of_two_leads_until_it_resigns(ledger_dsn: str) -> None:
    async def work() -> None:
        first, second = leader(ledger_dsn), leader(ledger_dsn)
        assert await first.acquire(asyncio.Event())
        waiting = asyncio.create_task(second.acquire(asyncio.Event()))
        await asyncio.sleep(0.1)
        assert not waiting.done()

        await first.resign()

        assert await waiting
        assert (first.lost.is_set(), second.lost.is_set()) == (True, False)
        assert len(sessions(ledger_dsn)) == 1
        await second.resign()
        assert sessions(ledger_dsn) == []

    run(work())


def test_who_is_to_stop_waits_no_longer(ledger_dsn: str) -> None:
    async def work() -> None:
        first, second, stopping = leader(ledger_dsn), leader(ledger_dsn), asyncio.Event()
        await first.acquire(asyncio.Event())
        waiting = asyncio.create_task(second.acquire(stopping))
        stopping.set()

        assert not await waiting
        await first.resign()

    run(work())


def test_a_leader_whose_session_the_server_ended_leads_no_more(ledger_dsn: str) -> None:
    async def work() -> None:
        lost = leader(ledger_dsn)
        await lost.acquire(asyncio.Event())
        (pid,) = sessions(ledger_dsn)
        with psycopg.connect(ledger_dsn) as connection:
            connection.execute("SELECT pg_terminate_backend(%s)", [pid])

        await lost.lost.wait()

        assert await lost.acquire(asyncio.Event())
        assert not lost.lost.is_set()
        await lost.resign()

    run(work())


def test_without_a_database_nobody_leads() -> None:
    async def work() -> None:
        stopping = asyncio.Event()
        waiting = asyncio.create_task(leader("host=/nowhere user=u").acquire(stopping))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        stopping.set()
        assert not await waiting

    run(work())


def test_tasks_run_while_it_leads_and_again_when_it_leads_again(ledger_dsn: str) -> None:
    async def work() -> None:
        stopping, begun, ended = asyncio.Event(), list[int](), list[int]()

        async def task(ending: asyncio.Event) -> None:
            begun.append(1)
            if len(begun) == 2:
                stopping.set()
            else:
                (pid,) = sessions(ledger_dsn)
                with psycopg.connect(ledger_dsn) as connection:
                    connection.execute("SELECT pg_terminate_backend(%s)", [pid])
            await ending.wait()
            ended.append(1)

        await leader(ledger_dsn).run(stopping, task)

        assert (len(begun), len(ended)) == (2, 2)
        assert sessions(ledger_dsn) == []

    run(work())


def test_a_task_that_fails_ends_the_leading(ledger_dsn: str) -> None:
    async def work() -> None:
        async def fails(_ending: asyncio.Event) -> None:
            raise ValueError("broken")

        with pytest.raises(ExceptionGroup) as raised:
            await leader(ledger_dsn).run(asyncio.Event(), fails)
        assert raised.group_contains(ValueError, match="broken")
        assert sessions(ledger_dsn) == []

    run(work())


def test_a_task_that_fails_is_begun_anew_and_ends_no_other(ledger_dsn: str) -> None:
    async def work() -> None:
        stopping, failures, begun, other = asyncio.Event(), list[Exception](), list[int](), list[int]()

        async def fails(ending: asyncio.Event) -> None:
            begun.append(1)
            if len(begun) == 1:
                raise LedgerDamaged("a row contradicts another")
            if len(begun) == 2:
                async with asyncio.TaskGroup() as group:
                    group.create_task(raising())
            stopping.set()
            await ending.wait()

        async def raising() -> None:
            raise ValueError("broken")

        async def goes_on(ending: asyncio.Event) -> None:
            other.append(1)
            await ending.wait()

        tasks = [begun_anew(each, failed=failures.append, again_seconds=0.01) for each in (fails, goes_on)]
        await leader(ledger_dsn).run(stopping, *tasks)

        assert [type(each) for each in failures] == [LedgerDamaged, ValueError]
        assert (len(begun), len(other)) == (3, 1)

    run(work())


# --- Two processes


class Candidate:
    """Another process that wants to lead."""

    def __init__(self, dsn: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.adapters.serving.lead", dsn], stdout=subprocess.PIPE, text=True
        )
        assert self.says() == "ready"

    def says(self) -> str:
        """The next line; a process that says nothing fails by the test's time limit."""
        killing = threading.Timer(SOON_SECONDS, self.process.kill)
        killing.start()
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        killing.cancel()
        return line


@pytest.fixture
def candidate(ledger_dsn: str) -> Iterator[Callable[[], Candidate]]:
    begun: list[Candidate] = []

    def begin() -> Candidate:
        begun.append(Candidate(ledger_dsn))
        return begun[-1]

    yield begin
    for each in begun:
        each.process.kill()
        each.process.wait()
        if each.process.stdout is not None:
            each.process.stdout.close()


def test_of_two_processes_one_leads_and_the_other_when_it_is_killed(
    candidate: Callable[[], Candidate], ledger_dsn: str
) -> None:
    first = candidate()
    assert first.says() == "leads"
    second = candidate()
    assert len(sessions(ledger_dsn)) == 1

    os.kill(first.process.pid, signal.SIGKILL)

    assert second.says() == "leads"
    assert first.says() == ""


def test_a_process_whose_session_was_ended_leads_no_more(candidate: Callable[[], Candidate], ledger_dsn: str) -> None:
    first = candidate()
    assert first.says() == "leads"
    (pid,) = sessions(ledger_dsn)

    with psycopg.connect(ledger_dsn) as connection:
        connection.execute("SELECT pg_terminate_backend(%s)", [pid])

    assert first.says() == "leads no more"
    assert first.says() == "leads"


# --- The timers


PERSON, PHONE, HELD = UUID(int=1), UUID(int=3), UUID(int=4)


class Kept:
    """A ledger with one credential that has expired, given out as a run of the timers gets it."""

    def __init__(self, store: MemoryEventStore) -> None:
        script = Script(seed=9)
        issue = script.issue(HELD, customer=PERSON, device=PHONE)
        execute(store, [script.adopt_policy(), script.enroll(PERSON), script.register(PHONE), issue])
        self.store, self.agenda = store, MemoryAgenda()
        self.opened, self.fails = 0, list[Exception]()

    @contextmanager
    def open(self) -> Generator[tuple[EventStore, Agenda]]:
        self.opened += 1
        if self.fails:
            raise self.fails.pop()
        yield self.store, self.agenda

    def story(self) -> list[str]:
        return [event_name(each.event).removeprefix("credential.") for each in self.store.stream(HELD)]


def loop(kept: Kept, told: Callable[[object], None], *, every_seconds: float = 0.01) -> TimerLoop:
    clock = iter([datetime(2026, 1, 20, tzinfo=UTC) + timedelta(days=365 * each) for each in range(1_000)])
    return TimerLoop(kept.open, kinds=preset_kinds(), clock=lambda: next(clock), every_seconds=every_seconds, told=told)


def test_the_timers_run_again_and_again_until_they_are_to_end(memory_store: MemoryEventStore) -> None:
    kept, told = Kept(memory_store), list[object]()

    async def work() -> None:
        ending = asyncio.Event()
        running = asyncio.create_task(loop(kept, told.append).run(ending))
        while len(told) < 3:
            await asyncio.sleep(0.01)
        ending.set()
        await running

    run(work())
    assert told[:3] == [1, 1, 0]
    assert kept.story() == ["issued", "key_attested", "expiry_notice_sent", "expired"]


def test_a_run_that_fails_for_now_is_told_and_made_up_for(memory_store: MemoryEventStore) -> None:
    kept, told = Kept(memory_store), list[object]()
    kept.fails += [OutcomeUnknown("cut"), Unavailable("away")]

    async def work() -> None:
        ending = asyncio.Event()
        running = asyncio.create_task(loop(kept, told.append).run(ending))
        while len(told) < 3:
            await asyncio.sleep(0.01)
        ending.set()
        await running

    run(work())
    assert [str(each) for each in told[:3]] == ["away", "cut", "1"]


@pytest.mark.parametrize("error", [LedgerDamaged("damaged"), Refused(Refusal.NOT_FOUND, "gone")])
def test_a_run_that_fails_for_good_is_told_and_tried_again(memory_store: MemoryEventStore, error: Exception) -> None:
    kept, told, failures = Kept(memory_store), list[object](), list[Exception]()
    kept.fails.append(error)

    async def work() -> None:
        ending = asyncio.Event()
        timers = begun_anew(loop(kept, told.append).run, failed=failures.append, again_seconds=0.01)
        running = asyncio.create_task(timers(ending))
        while not told:
            await asyncio.sleep(0.01)
        ending.set()
        await running

    run(work())
    assert (failures, told[0]) == ([error], 1)


def test_a_long_wait_ends_at_once(memory_store: MemoryEventStore) -> None:
    kept, told = Kept(memory_store), list[object]()

    async def work() -> None:
        ending = asyncio.Event()
        running = asyncio.create_task(loop(kept, told.append, every_seconds=3_600).run(ending))
        while not told:
            await asyncio.sleep(0.01)
        ending.set()
        await running

    run(work())
    assert kept.opened == 1


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_run_under_way_ends_between_two_batches(memory_store: MemoryEventStore, *, cancelled: bool) -> None:
    kept, told = Kept(memory_store), list[object]()
    reading, go_on = threading.Event(), threading.Event()

    class Slow(MemoryAgenda):
        def standing(self) -> Any:
            reading.set()
            go_on.wait()
            return super().standing()

    kept.agenda = Slow()

    async def work() -> None:
        ending = asyncio.Event()
        running = asyncio.create_task(loop(kept, told.append).run(ending))
        await asyncio.to_thread(reading.wait)
        if cancelled:
            running.cancel()
        else:
            ending.set()
        await asyncio.sleep(0.05)
        assert not running.done()
        go_on.set()
        await asyncio.wait({running})

    run(work())
    assert (told, kept.story()) == ([], ["issued", "key_attested"])
