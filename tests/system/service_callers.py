"""Callers of a service, each over a connection of its own, as a right client: without an answer it asks again."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from tests.system.service_ledger import Holder

HOST = "127.0.0.1"
AGAIN_SECONDS = 0.05
PATIENCE_SECONDS = 90
CONNECTIONS = 50
AGAIN = (429, 503, 504)
"""Who hears so asks again, with the same key."""
END_OF_HEAD = b"\r\n\r\n"


class NoAnswer(Exception):
    """The connection ended before an answer began."""


class CutAnswer(NoAnswer):
    """The connection ended in the middle of an answer."""


class Answer(NamedTuple):
    status: int
    body: bytes

    @property
    def told(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.body)
        return told

    @property
    def outcome(self) -> str:
        """Return `accepted`, or the code of the problem."""
        return str(self.told.get("code", "accepted"))


@dataclass(frozen=True, slots=True)
class Request:
    """A command and its key."""

    path: str
    body: bytes
    token: str
    key: UUID = field(default_factory=uuid4)

    def as_bytes(self) -> bytes:
        return (
            f"POST {self.path} HTTP/1.1\r\nhost: {HOST}\r\nauthorization: Bearer {self.token}\r\n"
            f"idempotency-key: {self.key}\r\ncontent-type: application/json\r\ncontent-length: {len(self.body)}\r\n\r\n"
        ).encode() + self.body


def posted(path: str, body: Mapping[str, object], *, token: str) -> Request:
    return Request(path, json.dumps(body).encode(), token)


def use(holder: Holder, *, token: str) -> Request:
    """Return a use with the code that the holder's phone shows now."""
    proof = {"type": "totp", "code": holder.code()}
    body = {"proof": proof, "device": str(holder.device), "purpose": "login"}
    return posted(f"/v1/credentials/{holder.credential}/uses", body, token=token)


class Line:
    """A connection to a service, which is made again when it was lost. One request at a time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._ends: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.cut = 0
        """How many answers were cut."""

    @property
    def own_port(self) -> int:
        assert self._ends is not None
        return int(self._ends[1].get_extra_info("sockname")[1])

    async def ask(self, request: bytes) -> Answer:
        """Ask once. Raises NoAnswer."""
        try:
            reader, writer = self._ends = self._ends or await asyncio.open_connection(HOST, self._port)
            writer.write(request)
            return await self._answer(reader)
        except OSError:
            self.close()
            raise NoAnswer from None
        except asyncio.IncompleteReadError as end:
            self.close()
            if end.partial:
                self.cut += 1
                raise CutAnswer from None
            raise NoAnswer from None

    async def alive(self) -> Answer:
        return await self.ask(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")

    async def answered(self, request: Request) -> Answer:
        """Ask until there is an answer."""
        asked = request.as_bytes()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                with suppress(NoAnswer):
                    answer = await self.ask(asked)
                    if answer.status not in AGAIN:
                        return answer
                await asyncio.sleep(AGAIN_SECONDS)

    def close(self) -> None:
        if self._ends is not None:
            self._ends[1].close()
            self._ends = None

    async def _answer(self, reader: asyncio.StreamReader) -> Answer:
        head = (await reader.readuntil(END_OF_HEAD)).lower()
        (length,) = [int(each[15:]) for each in head.split(b"\r\n") if each.startswith(b"content-length:")]
        try:
            body = await reader.readexactly(length)
        except asyncio.IncompleteReadError:
            raise asyncio.IncompleteReadError(head, None) from None
        if b"\r\nconnection: close" in head:
            self.close()
        return Answer(int(head[9:12]), body)


class Load:
    """Callers who use mobile OTPs, each holder's once: `acknowledged` are the positions of the keys that were accepted.

    What was answered otherwise is in `refused`.
    """

    def __init__(self, port: int, holders: Iterable[Holder], *, token: str, connections: int = CONNECTIONS) -> None:
        self._holders = iter(holders)
        self._token = token
        self.lines = [Line(port) for _ in range(connections)]
        self.acknowledged: dict[UUID, int] = {}
        self.refused: list[str] = []
        self._answered = asyncio.Condition()

    async def run(self) -> None:
        """Use until every holder's use has been answered."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for each in self.lines:
                    tasks.create_task(self._call(each))
        finally:
            for each in self.lines:
                each.close()

    async def answered(self, count: int) -> None:
        """Wait until so many have been answered."""
        async with self._answered:
            await self._answered.wait_for(lambda: len(self.acknowledged) + len(self.refused) >= count)

    async def _call(self, line: Line) -> None:
        for holder in self._holders:
            request = use(holder, token=self._token)
            answer = await line.answered(request)
            async with self._answered:
                if answer.outcome == "accepted":
                    self.acknowledged[request.key] = answer.told["position"]
                else:
                    self.refused.append(answer.outcome)
                self._answered.notify_all()


@asynccontextmanager
async def lines(count: int, *ports: int) -> AsyncGenerator[list[Line]]:
    """Give so many connections to each of some services."""
    made = [Line(port) for port in ports for _ in range(count)]
    try:
        yield made
    finally:
        for each in made:
            each.close()
