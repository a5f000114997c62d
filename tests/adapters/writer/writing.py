"""Writers for tests: one in this process, and one that serves a socket from this process."""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from sealbook.adapters.eventstore.gatherer import Gatherer
from sealbook.adapters.writer.local import LocalWriter
from sealbook.adapters.writer.process import local_writer
from sealbook.adapters.writer.server import serve_writer
from sealbook.application.commands import Command
from sealbook.application.ports import EventStore, read_all
from sealbook.domain.credential import Used
from tests.commands import Script
from tests.conftest import KEYS
from tests.system.writing import PEOPLE, credential_of, device_of

T = TypeVar("T")


def use(script: Script, number: int = 0) -> Command:
    return script.use(credential_of(number % PEOPLE), device=device_of(number % PEOPLE))


def uses_recorded(store: EventStore) -> dict[UUID | None, int]:
    """Return the positions of the uses by the commands that brought them; each may be there once."""
    found = [(event.command_id, event.position) for event in read_all(store) if isinstance(event.event, Used)]
    assert len(dict(found)) == len(found)
    return dict(found)


def written(dsn: str, work: Callable[[LocalWriter], Awaitable[T]], *, waiting_max: int = 1_000) -> T:
    """Do some work with a writer in this process."""

    async def run() -> T:
        async with Gatherer.open(dsn, keys=KEYS, randomness=os.urandom, waiting_max=waiting_max) as gatherer:
            writer = local_writer(gatherer, dsn=dsn, keys=KEYS)
            try:
                return await work(writer)
            finally:
                await writer.close()

    return asyncio.run(run())


@asynccontextmanager
async def serving(dsn: str, socket: Path, *, waiting_max: int = 1_000) -> AsyncGenerator[asyncio.Event]:
    """Serve a socket; set the event, or leave, to end that."""
    gatherer = Gatherer.open(dsn, keys=KEYS, randomness=os.urandom, waiting_max=waiting_max)
    writer = local_writer(gatherer, dsn=dsn, keys=KEYS)
    stopping, ready = asyncio.Event(), asyncio.Event()
    served = asyncio.create_task(
        serve_writer(socket, gatherer=gatherer, writer=writer, stopping=stopping, ready=ready.set)
    )
    await asyncio.wait([served, asyncio.create_task(ready.wait())], return_when=asyncio.FIRST_COMPLETED)
    try:
        yield stopping
    finally:
        stopping.set()
        await served
