"""The end of a service: told to end, it answers what it has begun and leaves nothing; killed, it leaves no process."""

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from sealbook.adapters.eventstore.schema import BOOK
from tests.conftest import KeptKeys
from tests.system.service_callers import HOST, Answer, Line, NoAnswer, Request, lines, use
from tests.system.service_ledger import Holder, Ledger, ledger_in
from tests.system.service_process import ServiceProcess, arguments, children

CALLERS = 40
HOLDERS = 800
BEGUN_SECONDS = 1.0
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def ledger(ledger_dsn: str, kept_keys: KeptKeys, tmp_path: Path) -> Iterator[Ledger]:
    with ledger_in(ledger_dsn, kept_keys, tmp_path) as ledger:
        yield ledger


def has_left(service: ServiceProcess, processes: list[int]) -> bool:
    """Tell whether nothing is left of a service: no process, no file, nobody who listens."""

    there = [*filter(arguments, processes), *service.temporary.iterdir()]
    with socket.socket() as caller:
        return not there and caller.connect_ex((HOST, service.port)) == errno.ECONNREFUSED


@pytest.mark.parametrize("workers", [1, 2])
def test_told_to_end_it_answers_what_it_has_begun_and_leaves_nothing(
    ledger: Ledger, ledger_dsn: str, workers: int
) -> None:
    async def work(service: ServiceProcess, book: psycopg.Connection) -> list[Answer]:
        async with lines(CALLERS, service.port) as callers:
            await asyncio.gather(*(each.alive() for each in callers))
            asked = [each.ask(request.as_bytes()) for each, request in zip(callers, requests, strict=True)]
            answers = asyncio.gather(*asked)
            while book.execute(WAITING).fetchone() == (0,):
                await asyncio.sleep(0.02)
            # Nobody tells from outside that all of them were read.
            await asyncio.sleep(BEGUN_SECONDS)
            ending = asyncio.create_task(asyncio.to_thread(service.end))
            await asyncio.sleep(BEGUN_SECONDS)
            book.rollback()
            assert await ending == 0
            return await answers

    requests = [use(each, token=ledger.token()) for each in ledger.with_holders(CALLERS)]
    with ServiceProcess(ledger, workers=workers) as service, psycopg.connect(ledger_dsn) as book:
        processes = list(children(service.pid))
        book.execute("SELECT sealbook.lock_book(%s::smallint)", [BOOK])
        answers = asyncio.run(work(service, book))
        assert [each.outcome for each in answers] == ["accepted"] * CALLERS
        assert has_left(service, processes)
    told = zip(requests, answers, strict=True)
    assert ledger.uses() == {request.key: answer.told["position"] for request, answer in told}


async def use_until_it_ends(line: Line, holders: Iterator[Holder], token: str) -> dict[Request, Answer]:
    """Use until there is no answer any more; return the answers."""
    answers = dict[Request, Answer]()
    with suppress(NoAnswer):
        for holder in holders:
            request = use(holder, token=token)
            answers[request] = await line.ask(request.as_bytes())
    return answers


async def ended_amid_callers(service: ServiceProcess, ledger: Ledger, holders: list[Holder], *, kill: bool) -> int:
    """End a service amid its callers; return how many answers were cut. What was acknowledged is in the ledger."""
    shared = iter(holders)
    async with lines(CALLERS, service.port) as callers:
        using = asyncio.gather(*(use_until_it_ends(each, shared, ledger.token()) for each in callers))
        await asyncio.sleep(BEGUN_SECONDS / 5)
        await asyncio.to_thread(service.kill if kill else service.end)
        answers = {request: answer for each in await using for request, answer in each.items()}
        cut = sum(each.cut for each in callers)
    accepted = {key.key: each.told["position"] for key, each in answers.items() if each.outcome == "accepted"}
    assert accepted
    assert {each.status for each in answers.values()} <= ({200, 503} if kill else {200})
    assert accepted.items() <= ledger.uses().items()
    return cut


def test_told_to_end_amid_its_callers_it_cuts_no_answer(ledger: Ledger) -> None:
    holders = list(ledger.with_holders(HOLDERS))
    with ServiceProcess(ledger) as service:
        processes = list(children(service.pid))
        assert asyncio.run(ended_amid_callers(service, ledger, holders, kill=False)) == 0
        assert service.process.returncode == 0
        assert has_left(service, processes)


async def use_once(service: ServiceProcess, request: Request) -> Answer:
    async with lines(1, service.port) as (line,):
        return await line.answered(request)


def test_what_a_killed_service_began_ends_by_itself_and_another_takes_its_place(ledger: Ledger) -> None:
    holders = list(ledger.with_holders(HOLDERS))
    with ServiceProcess(ledger) as service:
        processes = list(children(service.pid))
        asyncio.run(ended_amid_callers(service, ledger, holders[1:], kill=True))
        assert not any(map(arguments, processes))
    with ServiceProcess(ledger) as another:
        answer = asyncio.run(use_once(another, use(holders[0], token=ledger.token())))
        assert answer.outcome == "accepted"
