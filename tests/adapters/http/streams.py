"""Server-sent events over a real socket, as a client hears them."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
import uvicorn

from sealbook.adapters.http.edge import Edge
from sealbook.adapters.serving.protocol import BoundedProtocol

PATIENCE_SECONDS = 30


class Heard(NamedTuple):
    """A frame: an event if it has data, else how far the log is, or a comment."""

    id: int | None
    event: str | None
    data: dict[str, Any] | None
    comment: str | None = None


class Listened:
    """A running server; `client` asks it. `server.should_exit` stops it."""

    def __init__(self, server: uvicorn.Server, client: httpx.AsyncClient, port: int) -> None:
        self.server, self.client, self.port = server, client, port

    @asynccontextmanager
    async def listening(self, query: str = "", *, by: str, **headers: str) -> AsyncGenerator[AsyncIterator[Heard]]:
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        said = {"authorization": f"Bearer {by}", "access-reason": "audit 7", **said}
        async with self.client.stream("GET", f"/v1/events{query}", headers=said) as answer:
            assert answer.status_code == 200, (await answer.aread()).decode()
            yield frames(answer)


@asynccontextmanager
async def listened(edge: Edge) -> AsyncGenerator[Listened]:
    """Let an app answer at a port of this computer until the block ends."""
    config = uvicorn.Config(edge, host="127.0.0.1", port=0, http=BoundedProtocol, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS) as client:
            yield Listened(server, client, port)
    finally:
        server.should_exit = True
        await serving


async def frames(answer: httpx.Response) -> AsyncIterator[Heard]:
    said = dict[str, str]()
    async for line in answer.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            said[name or "comment"] = value
            continue
        number = said.get("id")
        data = json.loads(said["data"]) if "data" in said else None
        yield Heard(None if number is None else int(number), said.get("event"), data, said.get("comment"))
        said = {}


async def events(heard: AsyncIterator[Heard], count: int) -> list[Heard]:
    """Return the next few events, whatever else comes between them."""
    found = list[Heard]()
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for each in heard:
            if each.data is not None:
                found.append(each)
            if len(found) == count:
                return found
    return found
