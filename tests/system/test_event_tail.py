"""The event tail of a service that is killed: whoever comes back hears every event once."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from sealbook.adapters.http.access import Role
from sealbook.application.ledger import execute
from tests.adapters.http.streams import PATIENCE_SECONDS, frames
from tests.commands import Script
from tests.conftest import KeptKeys
from tests.system.service_ledger import Holder, Ledger, ledger_in
from tests.system.service_process import WORKER, ServiceProcess

HOLDERS, EVENTS, KILLS = 3, 300, 3

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def ledger(ledger_dsn: str, kept_keys: KeptKeys, tmp_path: Path) -> Iterator[Ledger]:
    with ledger_in(ledger_dsn, kept_keys, tmp_path) as ledger:
        yield ledger


def record(ledger: Ledger, holders: list[Holder]) -> None:
    """Record events, a few at a time."""
    script = Script(55)
    with ledger.opened() as store:
        for number in range(EVENTS // HOLDERS):
            change = script.resume if number % 2 else script.suspend
            outcomes = execute(store, [change(each.credential, at=datetime.now(UTC)) for each in holders])
            assert [each.message for each in outcomes if not each.accepted] == []


async def listen(service: ServiceProcess, ledger: Ledger, heard: list[int], *, most: int) -> None:
    """Hear so many events more, from the last one heard on; or fewer, if the connection breaks."""
    said = {"authorization": f"Bearer {ledger.token('auditor-1', role=Role.AUDITOR)}", "access-reason": "audit"}
    said["last-event-id"] = str(heard[-1] if heard else 0)
    enough = len(heard) + most
    async with (
        httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client,
        client.stream("GET", f"http://127.0.0.1:{service.port}/v1/events", headers=said) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        async for each in frames(answer):
            if each.data is not None and each.id is not None:
                heard.append(each.id)
            if len(heard) >= enough:
                return


def test_who_comes_back_after_the_server_was_killed_hears_every_event_once(ledger: Ledger) -> None:
    async def hear(service: ServiceProcess) -> None:
        recording = asyncio.create_task(asyncio.to_thread(record, ledger, holders))
        for _ in range(KILLS):
            await listen(service, ledger, heard, most=EVENTS // (KILLS + 1))
            (worker,) = service.children_of(WORKER)
            os.kill(worker, signal.SIGKILL)
            await back(service)
        await recording
        with ledger.opened() as store:
            last = store.last_position()
        await listen(service, ledger, heard, most=last - len(heard))

    async def back(service: ServiceProcess) -> None:
        async with httpx.AsyncClient() as client, asyncio.timeout(PATIENCE_SECONDS):
            while True:
                with suppress(httpx.TransportError):
                    await client.get(f"http://127.0.0.1:{service.port}/livez")
                    return
                await asyncio.sleep(0.05)

    holders, heard = list(ledger.with_holders(HOLDERS)), list[int]()
    with ServiceProcess(ledger, workers=1) as service:
        asyncio.run(hear(service))
    assert heard == list(range(1, len(heard) + 1))
    assert len(heard) > EVENTS


def test_a_service_that_stops_ends_its_streams_well(ledger: Ledger) -> None:
    async def hear(service: ServiceProcess) -> list[int]:
        heard = list[int]()
        listening = asyncio.create_task(listen(service, ledger, heard, most=1_000_000))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not heard:
                await asyncio.sleep(0.02)
        service.process.send_signal(signal.SIGTERM)
        # A stream that breaks off is an error of the client's.
        await listening
        return heard

    ledger.with_holders(1)
    with ServiceProcess(ledger, workers=2) as service:
        assert asyncio.run(hear(service))
