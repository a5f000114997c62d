"""A kill in the middle of many callers: what they were told is in the ledger, once, and they are served again."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sealbook.adapters.postgres import postmaster
from sealbook.adapters.postgres.ledger_folder import LedgerFolder
from tests.conftest import KeptKeys
from tests.system.service_callers import Load
from tests.system.service_ledger import Ledger, embedded_ledger, ledger_in
from tests.system.service_process import WORKER, WRITER, ServiceProcess, until

HOLDERS = 900
KILLS = 2
WORKERS = 2

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def ledger(ledger_dsn: str, kept_keys: KeptKeys, tmp_path: Path) -> Iterator[Ledger]:
    with ledger_in(ledger_dsn, kept_keys, tmp_path) as ledger:
        yield ledger


async def killed_under_load(load: Load, kill: Callable[[], None], *, times: int) -> None:
    """Let callers work, and kill so many times in between. All of them get an answer."""
    working = asyncio.create_task(load.run())
    for number in range(times):
        await load.answered(HOLDERS * (number + 1) // (times + 2))
        kill()
    await working
    assert load.refused == []
    assert len(load.acknowledged) == HOLDERS


@pytest.mark.parametrize("module", [WORKER, WRITER])
def test_a_killed_process_of_a_service_loses_and_doubles_nothing_and_is_begun_anew(ledger: Ledger, module: str) -> None:
    def kill() -> None:
        os.kill(service.children_of(module)[0], signal.SIGKILL)

    holders = ledger.with_holders(HOLDERS)
    with ServiceProcess(ledger, workers=WORKERS) as service:
        load = Load(service.port, holders, token=ledger.token())
        before = service.children_of(module)
        asyncio.run(killed_under_load(load, kill, times=KILLS))
        until(lambda: len(service.children_of(WORKER)) == WORKERS and len(service.children_of(WRITER)) == 1)
        assert service.children_of(module) != before
    assert ledger.uses() == load.acknowledged


def open_once(ledger: Ledger) -> None:
    with ledger.opened():
        pass


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_database_loses_and_doubles_nothing(tmp_path: Path, workers: int) -> None:
    def kill() -> None:
        pid = postmaster.running(LedgerFolder(own.folder))
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    async def work(load: Load) -> None:
        working = asyncio.create_task(load.run())
        await load.answered(HOLDERS // 3)
        kill()
        # Whoever opens the ledger brings its server back.
        await asyncio.to_thread(open_once, own)
        await working
        assert (load.refused, len(load.acknowledged)) == ([], HOLDERS)

    own = embedded_ledger(tmp_path / "ledger")
    holders = own.with_holders(HOLDERS)
    with ServiceProcess(own, workers=workers) as service:
        load = Load(service.port, holders, token=own.token())
        before = service.children_of(WORKER)
        asyncio.run(work(load))
        # They waited for it.
        assert service.children_of(WORKER) == before
    assert own.uses() == load.acknowledged
