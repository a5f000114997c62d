"""The writer in another process, over a Unix socket."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import NamedTuple, Self, assert_never
from uuid import UUID

from sealbook.adapters.eventstore.gatherer import RETRY_AFTER_SECONDS_MIN, WAITING_MAX, Busy
from sealbook.adapters.ids import new_id
from sealbook.adapters.writer.frames import FRAME_BYTES_MAX, Frames
from sealbook.adapters.writer.port import Answered
from sealbook.adapters.writer.request_codec import Trouble, Unreadable, decode_reply, encode_command
from sealbook.application.commands import Command
from sealbook.application.ports import LedgerDamaged, OutcomeUnknown, Unavailable

PATIENCE_SECONDS = 5.0
"""How long commands wait for a writer that is gone, counted from when it was lost."""
RECONNECT_SECONDS_MIN = 0.02
RECONNECT_SECONDS_MAX = 0.25


class WriterDefect(Exception):
    """The writer process could not carry out a command, for a reason that is a defect of this program."""


class RemoteWriter:
    """Hands commands to the writer process that listens on a socket; `async with` connects and closes.

    When the connection breaks, it connects again and sends what has no answer yet once more, with the same command
    ids: what was done is answered as it was, what was not is done now.
    """

    def __init__(
        self,
        path: Path,
        *,
        new_id: Callable[[], UUID] = new_id,
        in_flight_max: int = WAITING_MAX,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._path = path
        self._new_id = new_id
        self._in_flight_max = in_flight_max
        self._patience_seconds = patience_seconds
        self._numbers = count(1)
        self._in_flight: dict[int, _InFlight] = {}
        self._unsent: dict[int, bytes] = {}
        self._unknown: set[int] = set()
        self.connection: Frames | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._lost_at: float | None = None
        self._flushing = False
        self._closed = False

    @property
    def in_flight(self) -> int:
        """How many commands have no answer yet."""
        return len(self._in_flight)

    async def __aenter__(self) -> Self:
        """Connect. Raises Unavailable after the patience."""
        self._connecting = asyncio.create_task(self._connect())
        await asyncio.wait([self._connecting], timeout=self._patience_seconds)
        if self.connection is None:
            await self._leave()
            raise Unavailable("the writer process does not listen: look why it does not run")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave()

    async def submit(self, command: Command) -> Answered:
        """Carry out a command, as `Writer` says. A caller that is cancelled finds it whole or undone."""
        if self._closed:
            raise Unavailable("the service is being closed: send the command to another one")
        if self._patience_is_over():
            raise Unavailable("the writer process is away: nothing of this command was written, try again")
        if len(self._in_flight) >= self._in_flight_max:
            raise Busy(RETRY_AFTER_SECONDS_MIN)
        if command.command_id is None:
            command = replace(command, command_id=self._new_id())
        number = next(self._numbers)
        frame = encode_command(number, command)
        if len(frame) > FRAME_BYTES_MAX:
            raise ValueError("a command is larger than any command may be")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answered] = loop.create_future()
        self._in_flight[number] = _InFlight(frame, answer)
        self._unsent[number] = frame
        if not self._flushing:
            # With all others of this turn of the loop.
            self._flushing = True
            loop.call_soon(self.flush)
        try:
            return await answer
        finally:
            self._forget(number)

    # --- What the connection tells

    def flush(self) -> None:
        """Send what waits, unless the writer process is slow to take it."""
        self._flushing = False
        if self.connection is not None and not self.connection.paused and self._unsent:
            frames = list(self._unsent.values())
            self._unsent.clear()
            self.connection.write(frames)

    def made(self, connection: Frames) -> None:
        self.connection = connection
        if not self._in_flight:
            self._lost_at = None
        self.flush()

    def replied(self, frame: bytes) -> None:
        """Take a reply. Raises Unreadable."""
        reply = decode_reply(frame)
        self._lost_at = None
        waiting = self._in_flight.get(reply.number)
        # A caller that left is told nothing.
        if waiting is None or waiting.answer.done():
            return
        if reply.answered is not None:
            waiting.answer.set_result(reply.answered)
        elif reply.trouble is not None:
            waiting.answer.set_exception(error_of(reply.trouble))

    def lost(self, connection: Frames) -> None:
        if connection is not self.connection:
            return
        self.connection = None
        self._lost_at = self._lost_at or monotonic()
        self._unknown.update(self._in_flight.keys() - self._unsent.keys())
        self._unsent = {number: each.frame for number, each in self._in_flight.items()}
        if not self._closed:
            self._connecting = asyncio.create_task(self._connect())

    # --- Connecting

    async def _connect(self) -> None:
        loop, pause_seconds = asyncio.get_running_loop(), RECONNECT_SECONDS_MIN
        while not self._closed:
            try:
                await loop.create_unix_connection(lambda: _Connection(self), str(self._path))
            except OSError:
                if self._patience_is_over():
                    self._tell_all("the writer process is away")
                await asyncio.sleep(pause_seconds)
                pause_seconds = min(RECONNECT_SECONDS_MAX, 2 * pause_seconds)
            else:
                return

    def _patience_is_over(self) -> bool:
        away = self.connection is None and self._lost_at is not None
        return away and monotonic() >= (self._lost_at or 0.0) + self._patience_seconds

    async def _leave(self) -> None:
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        if self.connection is not None:
            self.connection.leave()
        self._unknown.update(self._in_flight.keys() - self._unsent.keys())
        self._tell_all("the service was closed")

    def _tell_all(self, why: str) -> None:
        for number, waiting in self._in_flight.items():
            if waiting.answer.done():
                continue
            if number in self._unknown:
                waiting.answer.set_exception(OutcomeUnknown(f"{why}: send the command again with the same id"))
            else:
                waiting.answer.set_exception(Unavailable(f"{why}: nothing of this command was written"))

    def _forget(self, number: int) -> None:
        del self._in_flight[number]
        self._unsent.pop(number, None)
        self._unknown.discard(number)


class _InFlight(NamedTuple):
    frame: bytes
    answer: "asyncio.Future[Answered]"


class _Connection(Frames):
    def __init__(self, writer: RemoteWriter) -> None:
        super().__init__()
        self._writer = writer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._writer.made(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._writer.lost(self)

    def taken(self, frame: bytes) -> None:
        try:
            self._writer.replied(frame)
        except Unreadable:
            self.abort()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._writer.flush()


def error_of(trouble: Trouble) -> Exception:
    """Return what the writer process raised."""
    match trouble.kind:
        case "busy":
            return Busy(trouble.retry_after_seconds or RETRY_AFTER_SECONDS_MIN)
        case "unavailable":
            return Unavailable(trouble.message)
        case "unknown":
            return OutcomeUnknown(trouble.message)
        case "damaged":
            return LedgerDamaged(trouble.message)
        case "defect":
            return WriterDefect(trouble.message)
        case _:
            assert_never(trouble.kind)
