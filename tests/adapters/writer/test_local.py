"""The writer in this process: whoever asks again is answered as the first time."""

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import cast
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from sealbook.adapters.eventstore.memory import MemoryEventStore
from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.writer import first_answers
from sealbook.adapters.writer.first_answers import EVENTS_A_READ, left_by
from sealbook.adapters.writer.local import LocalWriter
from sealbook.adapters.writer.port import Answered
from sealbook.application.commands import Command
from sealbook.application.ledger import execute
from sealbook.application.ports import OutcomeUnknown, Unavailable
from sealbook.domain.catalogue import RecordedEvent
from sealbook.domain.credential import Use
from sealbook.domain.errors import Refusal
from tests.adapters.writer.writing import use, uses_recorded, written
from tests.commands import MARCH, Script
from tests.conftest import Server
from tests.system.writing import credential_of, customer_of, device_of, people

DUPLICATES = 10_000


def test_an_answer_tells_position_version_and_events(
    ledger: str, postgres_store: PostgresEventStore, script: Script
) -> None:
    command = use(script)

    answered = written(ledger, lambda writer: writer.submit(command))

    (*_, last) = postgres_store.stream(credential_of(0))
    assert answered == Answered(None, "", credential_of(0), last.position, last.version, ("credential.used",))
    assert uses_recorded(postgres_store) == {command.command_id: last.position}


def reissue(script: Script) -> Command:
    """A command that leaves events on several streams, the credential's own not the last among them."""
    return script.issue(script.new_id(), customer=customer_of(0), device=device_of(0), replaces=credential_of(0))


def test_who_asks_again_is_answered_as_the_first_time(ledger: str, script: Script) -> None:
    commands = [use(script), reissue(script), script.suspend(credential_of(1))]

    async def work(writer: LocalWriter) -> list[list[Answered]]:
        first = [await writer.submit(command) for command in commands]
        # What comes after must not show in the answer.
        await writer.submit(script.resume(credential_of(1)))
        return [first, [await writer.submit(command) for command in commands]]

    first, again = written(ledger, work)

    assert all(answered.accepted and answered.version for answered in first)
    assert len(first[1].events) > 1
    assert again == [answered._replace(repeated=True) for answered in first]


def test_a_recorded_refusal_is_answered_as_the_first_time(ledger: str, script: Script) -> None:
    wrong = script.on(credential_of(0), Use(at=MARCH, device=device_of(0), proven=False))

    async def work(writer: LocalWriter) -> list[Answered]:
        return [await writer.submit(wrong), await writer.submit(wrong)]

    first, again = written(ledger, work)

    assert first.refusal is Refusal.BAD_PROOF
    assert first.position is not None
    assert again == first._replace(repeated=True, message=again.message)


def test_a_repeated_command_that_left_nothing_is_answered_without_a_read(
    ledger: str, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_answers, "left_by", None)
    twice = script.suspend(credential_of(0))
    again = replace(twice, command_id=script.new_id())

    async def work(writer: LocalWriter) -> list[Answered]:
        return [await writer.submit(command) for command in (twice, again, again)]

    _, first, repeated = written(ledger, work)

    assert first.position is None
    assert repeated.refusal == first.refusal


def test_many_duplicates_at_once_have_one_effect_and_one_answer(
    ledger: str, postgres_store: PostgresEventStore, script: Script
) -> None:
    command = use(script)

    async def work(writer: LocalWriter) -> list[Answered]:
        return await asyncio.gather(*(writer.submit(command) for _ in range(DUPLICATES)))

    first, *others = written(ledger, work, waiting_max=10)
    again = written(ledger, work, waiting_max=10)

    assert not first.repeated
    assert set(others) == set(again) == {first._replace(repeated=True)}
    assert uses_recorded(postgres_store) == {command.command_id: first.position}


def test_the_id_of_another_command_at_once_is_refused(ledger: str, script: Script) -> None:
    command = use(script)
    other = replace(use(script, 1), command_id=command.command_id)

    async def work(writer: LocalWriter) -> list[Answered]:
        return await asyncio.gather(*map(writer.submit, [command, other]))

    answers = written(ledger, work)

    assert {answered.refusal for answered in answers} == {None, Refusal.COMMAND_ID_REUSED}


def test_a_command_without_an_id_gets_one(ledger: str, postgres_store: PostgresEventStore, script: Script) -> None:
    written(ledger, lambda writer: writer.submit(replace(use(script), command_id=None)))

    (command_id,) = uses_recorded(postgres_store)
    assert isinstance(command_id, UUID)


def test_who_asked_the_same_is_answered_though_the_first_has_left(ledger: str, script: Script) -> None:
    command = use(script)

    async def work(writer: LocalWriter) -> Answered:
        first, second = (asyncio.create_task(writer.submit(command)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert written(ledger, work).accepted


def test_who_asked_the_same_is_told_of_an_error_too(ledger: str, script: Script) -> None:
    command = script.on(credential_of(0), Use(at=cast("datetime", "today")))

    async def work(writer: LocalWriter) -> list[Answered | BaseException]:
        return await asyncio.gather(*(writer.submit(command) for _ in range(3)), return_exceptions=True)

    told = written(ledger, work)

    assert [type(each) for each in told] == [TypeError] * 3


def test_what_cannot_be_read_is_unknown_and_another_time_told(
    ledger: str, postgres_server: Server, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = use(script)

    def away(*_: object) -> None:
        raise Unavailable("the database does not answer")

    async def work(writer: LocalWriter) -> None:
        first = await writer.submit(command)
        with monkeypatch.context() as outage:
            outage.setattr(first_answers, "left_by", away)
            with pytest.raises(OutcomeUnknown):
                await writer.submit(command)
        assert await writer.submit(command) == first._replace(repeated=True)
        with psycopg.connect(postgres_server.dsn("postgres"), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND query LIKE %s",
                [conninfo_to_dict(ledger)["dbname"], "%ORDER BY position LIMIT%"],
            )
        with pytest.raises(OutcomeUnknown):
            await writer.submit(command)
        assert await writer.submit(command) == first._replace(repeated=True)

    written(ledger, work)


class OneLongCommand(MemoryEventStore):
    """A log in which one command left the events of a stretch."""

    stretch = range(0)

    def read(self, *, after: int, limit: int) -> list[RecordedEvent]:
        events = super().read(after=after, limit=limit)
        return [replace(each, command_id=UUID(int=1)) if each.position in self.stretch else each for each in events]


@pytest.mark.parametrize("begin", [1, 4])
@pytest.mark.parametrize("count", [1, EVENTS_A_READ - 1, EVENTS_A_READ, EVENTS_A_READ + 1, 3 * EVENTS_A_READ])
def test_the_events_of_a_command_are_found_however_many(begin: int, count: int) -> None:
    store = OneLongCommand(clock=lambda: MARCH)
    execute(store, people(range(2 * EVENTS_A_READ)))
    store.stretch = range(begin, begin + count)

    found = left_by(store, UUID(int=1), begin + count - 1)

    assert [each.position for each in found] == list(store.stretch)


def test_of_a_command_whose_events_are_set_apart_none_are_found(memory_store: MemoryEventStore) -> None:
    execute(memory_store, people(range(3)))

    assert left_by(memory_store, UUID(int=1), 4) == []
