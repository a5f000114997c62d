"""A way to PostgreSQL that breaks when it is told: in front of a server's Unix socket, by a socket of its own.

It knows the protocol's messages as far as it needs to find the appends.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from pathlib import Path

APPEND = b"sealbook.append("
PREPARE_APPEND = b'PREPARE "append" '
LENGTH_BYTES = 4
SILENT_SECONDS = 0.3


class Trouble(StrEnum):
    """What becomes of an append."""

    NOT_SENT = "the connection breaks before the server hears of it"
    CUT = "the connection breaks after the commit"
    SWALLOWED = "after the commit nothing is heard, and some time later the connection breaks"


class Proxy:
    """Breaks one in so many appends, by chance. `troubles` counts what it did."""

    def __init__(self, server: Path, *, one_in: int, seed: int) -> None:
        self._server = server
        self._one_in = one_in
        self._chance = random.Random(seed)
        self.troubles = Counter[Trouble]()

    async def carry(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """Carry one connection to its end."""
        server, to_server = await asyncio.open_unix_connection(str(self._server))
        way = _Way(self._trouble)
        up = asyncio.create_task(way.up(client, to_server))
        down = asyncio.create_task(way.down(server, to_client))
        await asyncio.wait([up, down], return_when=asyncio.FIRST_COMPLETED)
        for each in (up, down):
            each.cancel()
        for end in (to_client, to_server):
            end.close()

    def _trouble(self) -> Trouble | None:
        if self._chance.randrange(self._one_in):
            return None
        trouble = self._chance.choice(list(Trouble))
        self.troubles[trouble] += 1
        return trouble


class _Way:
    """One connection's two directions. Where one of them ends, the connection does."""

    def __init__(self, trouble: Callable[[], Trouble | None]) -> None:
        self._chosen = trouble
        self._appends = set[bytes]()
        self._trouble: Trouble | None = None

    async def up(self, client: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            server.write(await _message(client, kind=b""))
            while True:
                message = await _message(client, kind=await client.readexactly(1))
                if self._is_append(message):
                    self._trouble = self._chosen()
                if self._trouble is Trouble.NOT_SENT:
                    return
                server.write(message)

    async def down(self, server: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                kind = await server.readexactly(1)
                message = await _message(server, kind=kind)
                if self._trouble is None:
                    client.write(message)
                elif kind == b"Z":
                    # The server is ready for the next query, so this one's commit is durable.
                    await asyncio.sleep(SILENT_SECONDS if self._trouble is Trouble.SWALLOWED else 0)
                    return

    def _is_append(self, message: bytes) -> bool:
        """Tell whether a message begins an append; remember under which name the statement was prepared."""
        parts = message[1 + LENGTH_BYTES :].split(b"\0", 2)
        if message[:1] == b"P" and APPEND in parts[1]:
            self._appends.add(parts[0])
        if message[:1] == b"Q" and parts[0].startswith(PREPARE_APPEND):
            self._appends.add(b"append")
        return message[:1] == b"B" and parts[1] in self._appends


async def _message(end: asyncio.StreamReader, *, kind: bytes) -> bytes:
    length = await end.readexactly(LENGTH_BYTES)
    return kind + length + await end.readexactly(int.from_bytes(length, "big") - LENGTH_BYTES)


@asynccontextmanager
async def proxied(server: Path, folder: Path, *, one_in: int, seed: int) -> AsyncGenerator[Proxy]:
    """Listen in a folder, as the server does in its own."""
    proxy = Proxy(server, one_in=one_in, seed=seed)
    listener = await asyncio.start_unix_server(proxy.carry, str(folder / server.name))
    try:
        yield proxy
    finally:
        listener.close()
