"""The gatherer: many callers share a commit, and each is told what became of its own command."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import TypeVar, cast
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from sealbook.adapters.eventstore import awaited
from sealbook.adapters.eventstore.gatherer import RETRY_AFTER_SECONDS_MAX, Busy, Gatherer, writer_of
from sealbook.adapters.eventstore.postgres import PREPARED_FOR_APPENDS, PostgresEventStore
from sealbook.adapters.keys.port import Keys
from sealbook.application.commands import Command
from sealbook.application.ledger import Outcome, execute
from sealbook.application.ports import OutcomeUnknown, Unavailable, read_all
from sealbook.application.requests import OnCredential
from sealbook.domain.credential import Use, Used
from sealbook.domain.errors import Refusal
from tests.commands import Script
from tests.conftest import KEYS, Server
from tests.system.writing import credential_of, device_of, holders

CALLERS = 200
SOON_SECONDS = 30
T = TypeVar("T")


@pytest.fixture
def script() -> Script:
    return Script(7)


@pytest.fixture
def ledger(ledger_dsn: str, postgres_store: PostgresEventStore) -> str:
    execute(postgres_store, holders())
    return ledger_dsn


def opened(dsn: str, *, lanes: int = 2, waiting_max: int = 1_000, patience_seconds: float = 10.0) -> Gatherer:
    return Gatherer.open(
        dsn,
        keys=KEYS,
        randomness=os.urandom,
        lanes=lanes,
        waiting_max=waiting_max,
        patience_seconds=patience_seconds,
    )


def use(script: Script, number: int = 0) -> Command:
    return script.use(credential_of(number), device=device_of(number))


def uses(script: Script, count: int = CALLERS) -> list[Command]:
    return [use(script, number % 12) for number in range(count)]


async def together(gatherer: Gatherer, commands: Sequence[Command]) -> list[Outcome]:
    return await asyncio.gather(*(gatherer.submit(command) for command in commands))


def submitted(dsn: str, work: Callable[[Gatherer], Awaitable[T]], *, lanes: int = 2) -> T:
    async def run() -> T:
        async with opened(dsn, lanes=lanes) as gatherer:
            return await work(gatherer)

    return asyncio.run(run())


def recorded(store: PostgresEventStore) -> dict[UUID | None, int]:
    """Return the positions of the uses by the commands that brought them; each may be there once."""
    found = [(event.command_id, event.position) for event in read_all(store) if isinstance(event.event, Used)]
    assert len(dict(found)) == len(found)
    return dict(found)


def impatient_for_the_book(monkeypatch: pytest.MonkeyPatch, time: str) -> None:
    """Let the gatherer's connections give up waiting for the book after a time."""
    prepared = (*PREPARED_FOR_APPENDS, ("SELECT set_config('lock_timeout', %s, false)", [time]))
    monkeypatch.setattr(awaited, "PREPARED_FOR_APPENDS", prepared)


@contextmanager
def held_book(dsn: str) -> Generator[None]:
    """Hold the ledger's book, so that appends wait."""
    with psycopg.connect(dsn) as connection:
        connection.execute("SELECT FROM sealbook.books FOR UPDATE")
        yield


async def in_flight(gatherer: Gatherer) -> None:
    """Wait until nothing waits for a lane any more: what was submitted is with the ledger."""
    while gatherer.waiting:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)


# --- Answers


def test_an_answer_is_of_what_the_ledger_holds(ledger: str, postgres_store: PostgresEventStore, script: Script) -> None:
    commands = uses(script)

    outcomes = submitted(ledger, lambda gatherer: together(gatherer, commands))

    assert all(outcome.accepted for outcome in outcomes)
    told = {command.command_id: outcome.position for command, outcome in zip(commands, outcomes, strict=True)}
    assert recorded(postgres_store) == told


def test_every_append_is_told(ledger: str, script: Script) -> None:
    async def work() -> list[float]:
        took = list[float]()
        async with Gatherer.open(ledger, keys=KEYS, randomness=os.urandom, append_took=took.append) as gatherer:
            await gatherer.submit(use(script))
            await gatherer.submit(use(script, 1))
        return took

    took = asyncio.run(work())
    assert len(took) == 2
    assert min(took) > 0


def test_callers_share_a_commit(ledger: str, postgres_store: PostgresEventStore, script: Script) -> None:
    submitted(ledger, lambda gatherer: together(gatherer, uses(script)))

    # Each append bears a moment of its own.
    appends = {event.recorded_at for event in read_all(postgres_store) if isinstance(event.event, Used)}
    assert len(appends) < CALLERS / 10


def test_commands_on_one_credential_are_carried_out_in_their_order(ledger: str, script: Script) -> None:
    held = credential_of(0)
    commands = [use(script), script.suspend(held), use(script), script.resume(held), use(script)]

    outcomes = submitted(ledger, lambda gatherer: together(gatherer, commands))

    assert [outcome.refusal for outcome in outcomes] == [None, None, Refusal.SUSPENDED, None, None]


def test_a_command_sent_twice_at_once_is_carried_out_once(
    ledger: str, postgres_store: PostgresEventStore, script: Script
) -> None:
    command = use(script)

    one, other = submitted(ledger, lambda gatherer: together(gatherer, [command, command]))

    assert one.position == other.position == recorded(postgres_store)[command.command_id]


def test_a_command_without_an_id_gets_one(ledger: str, postgres_store: PostgresEventStore, script: Script) -> None:
    command = replace(use(script), command_id=None)

    submitted(ledger, lambda gatherer: together(gatherer, [command]))

    assert None not in recorded(postgres_store)


def test_a_defect_of_one_command_does_not_fail_its_neighbours(
    ledger: str, postgres_store: PostgresEventStore, script: Script
) -> None:
    good = uses(script, 20)
    request = OnCredential(credential=credential_of(0), command=Use(at=cast("datetime", "today")))
    bad = replace(good[0], request=request, command_id=script.new_id())

    async def work(gatherer: Gatherer) -> list[Outcome | BaseException]:
        tasks = [gatherer.submit(command) for command in [*good[:10], bad, *good[10:]]]
        return await asyncio.gather(*tasks, return_exceptions=True)

    outcomes = submitted(ledger, work, lanes=1)

    assert isinstance(outcomes.pop(10), TypeError)
    assert all(isinstance(outcome, Outcome) and outcome.accepted for outcome in outcomes)
    assert recorded(postgres_store).keys() == {command.command_id for command in good}


class Told:
    """Waits without a task."""

    def __init__(self, *, gone: bool = False) -> None:
        self.gone = gone
        self.answers: list[Outcome | Exception] = []

    def done(self) -> bool:
        return self.gone

    def set_result(self, outcome: Outcome) -> None:
        self.answers.append(outcome)

    def set_exception(self, error: Exception) -> None:
        self.answers.append(error)


def test_who_hands_in_without_a_task_is_told_once(
    ledger: str, postgres_store: PostgresEventStore, script: Script
) -> None:
    commands, askers = uses(script, 20), [Told() for _ in range(20)]
    left, broken = Told(gone=True), Told()
    request = OnCredential(credential=credential_of(0), command=Use(at=cast("datetime", "today")))

    async def work() -> None:
        async with opened(ledger) as gatherer:
            for command, asker in zip(commands, askers, strict=True):
                gatherer.hand_in(command, asker)
            gatherer.hand_in(use(script), left)
            gatherer.hand_in(replace(commands[0], request=request, command_id=script.new_id()), broken)
        with pytest.raises(Unavailable, match="being closed"):
            gatherer.hand_in(use(script), left)

    asyncio.run(work())

    told = {each.command_id: asker.answers for each, asker in zip(commands, askers, strict=True)}
    positions = {
        each: [answer.position for answer in answers if isinstance(answer, Outcome)] for each, answers in told.items()
    }
    assert positions == {each: [position] for each, position in recorded(postgres_store).items()}
    assert left.answers == []
    assert [type(each) for each in broken.answers] == [TypeError]


# --- Bounds, leaving, the end


def test_when_too_many_wait_the_next_is_told_to_come_back(ledger: str, script: Script) -> None:
    async def work() -> list[Outcome]:
        async with opened(ledger, lanes=1, waiting_max=3) as gatherer:
            with held_book(ledger):
                first = asyncio.create_task(gatherer.submit(use(script)))
                await in_flight(gatherer)
                others = [asyncio.create_task(gatherer.submit(use(script))) for _ in range(3)]
                await asyncio.sleep(0)
                with pytest.raises(Busy) as told:
                    await gatherer.submit(use(script))
                assert 0 < told.value.retry_after_seconds <= RETRY_AFTER_SECONDS_MAX
            return await asyncio.gather(first, *others)

    assert all(outcome.accepted for outcome in asyncio.run(work()))


def test_who_leaves_finds_the_command_whole_or_undone(
    ledger: str, postgres_store: PostgresEventStore, script: Script
) -> None:
    taken, waiting, patient = (use(script) for _ in range(3))

    async def work() -> None:
        async with opened(ledger, lanes=1) as gatherer:
            with held_book(ledger):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(gatherer.submit(taken), timeout=0.3)
                left = asyncio.create_task(gatherer.submit(waiting))
                stays = asyncio.create_task(gatherer.submit(patient))
                await asyncio.sleep(0)
                left.cancel()
            await stays

    asyncio.run(work())

    assert recorded(postgres_store).keys() == {taken.command_id, patient.command_id}


@pytest.mark.parametrize("lanes", [1, 2])
def test_the_end_comes_though_all_that_still_wait_have_left(ledger: str, script: Script, lanes: int) -> None:
    async def work() -> None:
        async with opened(ledger, lanes=lanes) as gatherer:
            with held_book(ledger):
                taken = asyncio.create_task(gatherer.submit(use(script)))
                await in_flight(gatherer)
                # Of the stream that is in flight, so it waits whatever lane is idle.
                waiting = asyncio.create_task(gatherer.submit(use(script)))
                await asyncio.sleep(0.05)
                waiting.cancel()
        assert (await taken).accepted

    asyncio.run(asyncio.wait_for(work(), timeout=SOON_SECONDS))


def test_who_is_left_by_a_writer_that_is_stopped_is_told(ledger: str, script: Script) -> None:
    tasks: list[asyncio.Task[Outcome]] = []

    async def leave_two() -> None:
        async with opened(ledger, lanes=1) as gatherer:
            tasks.append(asyncio.create_task(gatherer.submit(use(script))))
            await in_flight(gatherer)
            tasks.append(asyncio.create_task(gatherer.submit(use(script))))
            await asyncio.sleep(0)

    async def work() -> list[Outcome | BaseException]:
        with held_book(ledger):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(leave_two(), timeout=0.5)
            return await asyncio.gather(*tasks, return_exceptions=True)

    taken, waiting = asyncio.run(asyncio.wait_for(work(), timeout=SOON_SECONDS))

    assert isinstance(taken, OutcomeUnknown)
    assert type(waiting) is Unavailable


def test_a_busy_ledger_is_told_of_and_nothing_is_written(
    ledger: str, postgres_store: PostgresEventStore, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient_for_the_book(monkeypatch, "100ms")

    async def work(gatherer: Gatherer) -> list[Outcome | BaseException]:
        with held_book(ledger):
            return await asyncio.gather(*map(gatherer.submit, uses(script, 3)), return_exceptions=True)

    told = submitted(ledger, work)

    assert [type(each) for each in told] == [Unavailable] * 3
    assert "busy" in str(told[0])
    assert not recorded(postgres_store)


def test_a_busy_ledger_after_a_lost_connection_leaves_it_unknown(
    ledger: str, postgres_server: Server, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient_for_the_book(monkeypatch, "500ms")

    async def work(gatherer: Gatherer) -> Outcome | BaseException:
        with held_book(ledger):
            asked = asyncio.create_task(gatherer.submit(use(script)))
            await in_flight(gatherer)
            with psycopg.connect(postgres_server.dsn("postgres"), autocommit=True) as connection:
                # The append that waits for the book; the book's holder stays.
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = %s AND wait_event_type = 'Lock'",
                    [conninfo_to_dict(ledger)["dbname"]],
                )
            (answer,) = await asyncio.gather(asked, return_exceptions=True)
            return answer

    # The first append may have been committed for all that anybody knows; that the second was not says nothing of it.
    assert isinstance(submitted(ledger, work, lanes=1), OutcomeUnknown)


def test_at_the_end_what_waits_is_answered_and_nothing_more_is_taken(ledger: str, script: Script) -> None:
    async def work() -> list[Outcome]:
        async with opened(ledger) as gatherer:
            tasks = [asyncio.create_task(gatherer.submit(command)) for command in uses(script)]
            await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="being closed"):
            await gatherer.submit(use(script))
        return await asyncio.gather(*tasks)

    assert all(outcome.accepted for outcome in asyncio.run(work()))


# --- Outages


def terminated(dsn: str, connection: psycopg.Connection) -> None:
    """Put out whoever is connected to a database."""
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
        [conninfo_to_dict(dsn)["dbname"]],
    )


def test_a_lost_connection_loses_and_doubles_nothing(
    ledger: str, postgres_server: Server, keys: Keys, script: Script
) -> None:
    batches = [uses(script) for _ in range(10)]

    async def work(gatherer: Gatherer) -> None:
        with psycopg.connect(postgres_server.dsn("postgres"), autocommit=True) as connection:
            for batch in batches:
                answers = asyncio.gather(*(gatherer.submit(command) for command in batch))
                await asyncio.sleep(0.005)
                await asyncio.to_thread(terminated, ledger, connection)
                assert all(outcome.accepted for outcome in await answers)

    submitted(ledger, work)

    store = PostgresEventStore.connect(ledger, keys=keys, randomness=os.urandom)
    assert recorded(store).keys() == {command.command_id for batch in batches for command in batch}
    store.close()


def test_a_server_that_stays_away_is_told_of_after_a_while(
    ledger: str, postgres_server: Server, postgres_store: PostgresEventStore, script: Script
) -> None:
    postgres_store.close()

    async def work() -> None:
        async with opened(ledger, patience_seconds=0.3) as gatherer:
            with psycopg.connect(postgres_server.dsn("postgres"), autocommit=True) as connection:
                let_in = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
                name = sql.Identifier(str(conninfo_to_dict(ledger)["dbname"]))
                connection.execute(let_in.format(name, sql.SQL("false")))
                terminated(ledger, connection)
                with pytest.raises((Unavailable, OutcomeUnknown)):
                    await gatherer.submit(use(script))
                connection.execute(let_in.format(name, sql.SQL("true")))
            assert (await gatherer.submit(use(script))).accepted

    asyncio.run(work())


def test_a_ledger_that_is_not_there_cannot_be_entered() -> None:
    async def work() -> None:
        async with opened("host=/nowhere"):
            pytest.fail("it was entered")

    with pytest.raises(Unavailable, match="cannot be reached"):
        asyncio.run(work())


# --- Several writers


def test_every_command_on_a_stream_goes_to_one_writer(script: Script) -> None:
    for number in range(50):
        held = credential_of(number)
        each = [script.use(held, device=held), script.suspend(held), script.resume(held)]
        assert len({writer_of(command, writers=4) for command in each}) == 1


def test_streams_are_spread_over_the_writers(script: Script) -> None:
    found = [writer_of(script.use(script.new_id(), device=device_of(0)), writers=4) for _ in range(400)]
    assert all(found.count(writer) > 50 for writer in range(4))
