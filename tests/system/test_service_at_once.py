"""The same thing sent at once, to processes of their own: it is done once, and everybody hears how it was answered."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from uuid import uuid4

import pytest

from sealbook.domain.errors import Refusal
from tests.conftest import KeptKeys
from tests.system.service_callers import Answer, Line, Request, lines, posted, use
from tests.system.service_ledger import Holder, Ledger, ledger_in
from tests.system.service_process import ServiceProcess

ROUNDS = 60
DUPLICATES = 10_000
CONNECTIONS = 200
REUSED = (422, Refusal.COMMAND_ID_REUSED)

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def ledger(ledger_dsn: str, kept_keys: KeptKeys, tmp_path: Path) -> Iterator[Ledger]:
    with ledger_in(ledger_dsn, kept_keys, tmp_path) as ledger:
        yield ledger


async def both(one: Line, other: Line, requests: tuple[Request, Request]) -> tuple[Answer, Answer]:
    return await asyncio.gather(one.answered(requests[0]), other.answered(requests[1]))


async def of_two_processes(service: ServiceProcess, among: Sequence[Line]) -> tuple[Line, Line]:
    """Return two connections that are served by two processes."""
    await asyncio.gather(*(each.alive() for each in among))
    served = {each: service.serving(each.own_port) for each in among}
    assert None not in served.values()
    return next(pair for pair in combinations(among, 2) if served[pair[0]] != served[pair[1]])


async def race(one: Line, other: Line, ledger: Ledger, holders: Sequence[Holder]) -> None:
    """Send each use twice at once, under keys of their own: of the two with one code, one may pass."""
    tokens = ledger.token("teller-1"), ledger.token("teller-2")
    for holder in holders:
        first = use(holder, token=tokens[0])
        requests = first, replace(first, token=tokens[1], key=uuid4())
        answers = await both(one, other, requests)
        assert sorted(each.outcome for each in answers) == ["accepted", Refusal.REPLAY]


def test_of_two_uses_with_one_code_at_two_workers_one_passes(ledger: Ledger) -> None:
    async def work(service: ServiceProcess) -> None:
        async with lines(16, service.port) as among:
            await race(*await of_two_processes(service, among), ledger, holders)

    holders = ledger.with_holders(ROUNDS)
    with ServiceProcess(ledger) as service:
        asyncio.run(work(service))
    assert len(ledger.uses()) == ROUNDS


def test_of_two_uses_with_one_code_at_two_services_one_passes(ledger: Ledger) -> None:
    async def work(ports: tuple[int, int]) -> None:
        async with lines(1, *ports) as (one, other):
            await race(one, other, ledger, holders)

    holders = ledger.with_holders(ROUNDS)
    with ExitStack() as stack:
        services = [stack.enter_context(ServiceProcess(ledger, workers=1)) for _ in range(2)]
        asyncio.run(work((services[0].port, services[1].port)))
    assert len(ledger.uses()) == ROUNDS


def test_a_key_sent_ten_thousand_times_at_once_has_one_effect_and_one_answer(ledger: Ledger) -> None:
    async def ask(line: Line, request: Request) -> set[Answer]:
        return {await line.answered(request) for _ in range(DUPLICATES // CONNECTIONS)}

    async def work(port: int) -> None:
        async with lines(CONNECTIONS, port) as among:
            request = use(holder, token=ledger.token())
            found = await asyncio.gather(*(ask(line, request) for line in among))
            (answer,) = {each for answers in found for each in answers}
            assert (answer.outcome, answer.told["events"]) == ("accepted", ["credential.used"])
            for other in (replace(request, body=request.body + b" "), replace(request, token=ledger.token("other"))):
                refused = await among[0].answered(other)
                assert (refused.status, refused.outcome) == REUSED
                assert str(answer.told["position"]).encode() not in refused.body
        assert ledger.uses() == {request.key: answer.told["position"]}

    (holder,) = ledger.with_holders(1)
    with ServiceProcess(ledger, limited=False) as service:
        asyncio.run(work(service.port))


@pytest.mark.parametrize("services", [1, 2])
def test_of_two_commands_with_one_key_at_once_one_is_done_and_the_other_hears_nothing_of_it(
    ledger: Ledger, services: int
) -> None:
    async def work(begun: Sequence[ServiceProcess]) -> None:
        async with lines(16 // services, *(each.port for each in begun)) as among:
            one, other = await of_two_processes(begun[0], among) if services == 1 else (among[0], among[-1])
            for number in range(ROUNDS):
                enrolled = [
                    posted("/v1/customers", {"name": f"{number}-{each}", "subkind": "individual"}, token=token)
                    for each in range(2)
                ]
                requests = enrolled[0], replace(enrolled[1], key=enrolled[0].key)
                answers = await both(one, other, requests)
                assert sorted(each.status for each in answers) == [201, 422]
                done, refused = sorted(answers, key=lambda each: each.status)
                assert (refused.status, refused.outcome) == REUSED
                assert done.told["id"].encode() not in refused.body

    token = ledger.token()
    with ExitStack() as stack:
        begun = [stack.enter_context(ServiceProcess(ledger, workers=3 - services)) for _ in range(services)]
        asyncio.run(work(begun))
    assert ledger.uses() == {}
