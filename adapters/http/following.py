"""Following the log: one question every quarter of a second in each process, however many listen.

What was read last is kept for all. Who is further behind reads for itself, in short reads, one listener at a time,
so that whoever catches up takes no more than one reader's turn from the others.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from itertools import takewhile
from typing import NamedTuple
from uuid import UUID

import msgspec
from sse_starlette.event import ServerSentEvent

from sealbook.adapters.http.reading import Readers
from sealbook.adapters.plain import fields_of, plain
from sealbook.application.ports import EventStore, Unavailable
from sealbook.domain.catalogue import RecordedEvent, event_name

POLL_SECONDS = 0.25
TROUBLE_SECONDS = 1.0
"""How long after trouble with the ledger it is asked again; whoever listens waits."""
EVENTS_A_READ = 200
RECENT_EVENTS = 1_000
LINE_END = "\n"


class Told(NamedTuple):
    """An event, and the frame that it is sent as."""

    position: int
    stream: UUID
    name: str
    frame: bytes


class Part(NamedTuple):
    """The next part of the log, and up to which position nothing is missing from it."""

    events: Sequence[Told]
    position: int


class Follower:
    """Follows a ledger's log for the listeners of a process; while there is none, it asks nothing."""

    def __init__(self, readers: Readers, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._readers = readers
        self._poll_seconds = poll_seconds
        # Every event that follows `_begin`, up to `_end`, is in `_recent`.
        self._recent = deque[Told]()
        self._begin = self._end = 0
        self._moved = asyncio.Event()
        self._catching_up = asyncio.Lock()
        self._polling: asyncio.Task[None] | None = None
        self.listeners = 0

    @property
    def following(self) -> bool:
        return self._polling is not None

    def join(self) -> None:
        """Count one listener more."""
        self.listeners += 1

    def follow(self, position: int) -> None:
        """Begin to follow, unless it is done already, from a position that the log is known to reach."""
        if self._polling is None:
            self._recent.clear()
            self._begin = self._end = position
            self._polling = asyncio.create_task(self._poll())

    def leave(self) -> None:
        """Count one listener less; after the last, follow no longer."""
        self.listeners -= 1
        if self.listeners == 0 and self._polling is not None:
            self._polling.cancel()
            self._polling = None

    async def after(self, position: int, *, wait_seconds: float) -> Part:
        """Return what follows a position; nothing if nothing comes in time. Raises LedgerDamaged."""
        if position < self._begin:
            return await self._caught_up(position)
        if position >= self._end:
            await self._came(wait_seconds)
        if position < self._begin:
            # So much came meanwhile that what follows is no longer at hand.
            return Part((), position)
        newer = list(takewhile(lambda each: each.position > position, reversed(self._recent)))
        events = newer[::-1][:EVENTS_A_READ]
        return Part(events, events[-1].position if events else position)

    async def _caught_up(self, position: int) -> Part:
        begin = self._begin
        async with self._catching_up:
            try:
                events = await self._readers.ask(lambda store: read(store, after=position))
            except Unavailable:
                await asyncio.sleep(TROUBLE_SECONDS)
                return Part((), position)
        # What is set apart by law is out of the log, to its end perhaps.
        return Part(events, events[-1].position if events else begin)

    async def _came(self, wait_seconds: float) -> None:
        if self._polling is not None and self._polling.done():
            self._polling.result()
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_seconds):
                await self._moved.wait()

    async def _poll(self) -> None:
        try:
            while True:
                try:
                    events = await self._readers.ask(lambda store: read(store, after=self._end))
                except Unavailable:
                    await asyncio.sleep(TROUBLE_SECONDS)
                    continue
                self._keep(events)
                if len(events) < EVENTS_A_READ:
                    await asyncio.sleep(self._poll_seconds)
        finally:
            # Who waits is to hear of the end as well.
            self._wake()

    def _keep(self, events: Sequence[Told]) -> None:
        if not events:
            return
        self._recent.extend(events)
        self._end = events[-1].position
        while len(self._recent) > RECENT_EVENTS:
            self._begin = self._recent.popleft().position
        self._wake()

    def _wake(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()


def read(store: EventStore, *, after: int) -> list[Told]:
    """Return the next few events as they are told."""
    return [told(recorded) for recorded in store.read(after=after, limit=EVENTS_A_READ)]


def told(recorded: RecordedEvent) -> Told:
    name = event_name(recorded.event)
    said = {
        "position": recorded.position,
        "stream": recorded.stream,
        "version": recorded.version,
        "event": name,
        "occurred_at": recorded.event.at,
        "recorded_at": recorded.recorded_at,
        "actor": recorded.actor,
        "channel": recorded.channel,
        "fields": fields_of(recorded.event),
    }
    data = msgspec.json.encode(plain(said)).decode()
    frame = ServerSentEvent(data, event=name, id=str(recorded.position), sep=LINE_END).encode()
    return Told(recorded.position, recorded.stream, name, frame)


def place(position: int) -> bytes:
    """Return a frame that tells a client how far it is, and nothing else: to go on from after a break."""
    return ServerSentEvent(id=str(position), sep=LINE_END).encode()
