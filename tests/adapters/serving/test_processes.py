"""The processes of a service: a worker ends as it should, and one that hangs is ended."""

import asyncio
import json
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Barrier
from typing import Any

import httpx
import pytest

from sealbook.adapters.eventstore.reach import reach_of
from sealbook.adapters.http.development_keys import DevelopmentKeys
from sealbook.adapters.serving import supervisor
from sealbook.adapters.serving.supervisor import Child, Plan, WorkerProcess, supervise
from sealbook.adapters.serving.task import Tokens, WebhookReach, WorkerTask
from sealbook.application.ports import Unavailable
from tests.conftest import KeptKeys
from tests.system.service_ledger import ledger_in

SOON_SECONDS = 60
TOLD = ("sealbook_leader 1.0", "sealbook_outbox_age_seconds 0.0")


@pytest.fixture
def task(ledger_dsn: str, kept_keys: KeptKeys, tmp_path: Path) -> Iterator[WorkerTask]:
    DevelopmentKeys(tmp_path, clock=lambda: 0.0)
    with ledger_in(ledger_dsn, kept_keys, tmp_path) as ledger, ledger.opened() as store:
        yield worker_task(tmp_path, reach_of(store))


def worker_task(folder: Path, reach: Mapping[str, Any]) -> WorkerTask:
    return WorkerTask(
        name="http_1",
        host="127.0.0.1",
        port=0,
        reach=dict(reach),
        kinds=None,
        seal=str(folder / "seal"),
        writer=None,
        tokens=Tokens(development=str(folder)),
        trusted_proxies=(),
        webhooks=WebhookReach(),
        metrics=str(folder),
        log_level="info",
        version="test",
    )


def test_a_worker_that_is_told_to_end_comes_to_its_end(task: WorkerTask, tmp_path: Path) -> None:
    worker = WorkerProcess(task)
    try:
        worker.wait_until_ready()
        published = tmp_path / "http_1.metrics"
        published.unlink(missing_ok=True)
        worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(SOON_SECONDS) == 0
        assert published.exists()
    finally:
        worker.end()


def test_a_process_that_hangs_is_ended(task: WorkerTask) -> None:
    worker = WorkerProcess(task)
    try:
        os.kill(worker.process.pid, signal.SIGSTOP)
        with pytest.raises(Unavailable, match="not ready within"):
            worker.wait_until_ready(seconds=0.1)
        assert worker.fallen_silent()
    finally:
        worker.end()


def test_a_service_tells_who_leads_and_how_old_its_outbox_is(task: WorkerTask) -> None:
    pages = list[str]()

    async def work() -> None:
        def listening(port: int) -> None:
            address.append(f"http://127.0.0.1:{port}")

        address = list[str]()
        running = asyncio.create_task(
            supervise(Plan(workers=1, task=task, kinds=None), leading=(), listening=listening)
        )
        while not any(all(each in page for each in TOLD) for page in pages):
            await asyncio.sleep(0.1)
            if address:
                pages.append(await asyncio.to_thread(read, f"{address[0]}/metrics"))
        ready = json.loads(await asyncio.to_thread(read, f"{address[0]}/readyz"))
        assert [each["name"] for each in ready["checks"]] == ["tokens", "ledger", "seal"]
        os.kill(os.getpid(), signal.SIGTERM)
        await running

    asyncio.run(asyncio.wait_for(work(), SOON_SECONDS))


def read(address: str) -> str:
    return httpx.get(address).text


def test_workers_begin_and_end_together_after_and_before_the_writer(
    task: WorkerTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each waits for the other: one after the other, they would never be done."""
    together, story = Barrier(2, timeout=SOON_SECONDS), list[str]()

    class Fake:
        def __init__(self, name: str) -> None:
            self.name = name

        def wait_until_ready(self) -> None:
            if self.name != "writer":
                together.wait()
            story.append(f"{self.name[:4]} begun")

        def fallen_silent(self) -> bool:
            return False

        def stop(self, *, seconds: float = 0) -> None:
            assert seconds == 0
            if self.name != "writer":
                together.wait()
            story.append(f"{self.name[:4]} ended")

    def worker(told: WorkerTask) -> Child:
        return Fake(told.name)

    def writer(*_told: object, **_named: object) -> Child:
        return Fake("writer")

    monkeypatch.setattr(supervisor, "WorkerProcess", worker)
    monkeypatch.setattr(supervisor, "WriterProcess", writer)

    def listening(_port: int) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    asyncio.run(supervise(Plan(workers=2, task=task, kinds=None), leading=(), listening=listening))
    assert story == ["writ begun", "http begun", "http begun", "http ended", "http ended", "writ ended"]
