"""The gatherer: concurrent commands share a commit, for a commit costs a flush of the disk.

A lane is a task with a connection. It takes what waits, at most BATCH_MAX commands, carries it out as one
batch and answers each caller after the commit; what comes meanwhile is the next batch. Where many wait, a second
lane decides while the first one's batch commits. Commands that name the same thing first, in the same way, are never in
two batches at once; of others, each is decided on what was committed before it.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from time import monotonic
from types import TracebackType
from typing import NamedTuple, Protocol, Self
from uuid import UUID
from zlib import crc32

from sealbook.adapters.eventstore.awaited import AwaitedStore, TookSeconds
from sealbook.adapters.eventstore.lane import PATIENCE_SECONDS, Answer, Lane
from sealbook.adapters.ids import new_id
from sealbook.adapters.keys.port import Keys
from sealbook.application.commands import Command, targets
from sealbook.application.ledger import Outcome
from sealbook.application.names import Ref
from sealbook.application.ports import OutcomeUnknown, Unavailable
from sealbook.domain.kind_document import KindBook
from sealbook.domain.presets import preset_kinds

BATCH_MAX = 512
SHARED_FROM = 128
"""With so many waiting, two lanes work, and share them: each then has enough for a commit. With fewer, one does."""
LANES = 2
WAITING_MAX = 4_096
"""How many commands may wait; the next one is told to come back."""
RETRY_AFTER_SECONDS_MIN = 0.05
RETRY_AFTER_SECONDS_MAX = 5.0


class Busy(Unavailable):
    """Too many commands wait. This one was not taken: send it again after `retry_after_seconds`."""

    def __init__(self, retry_after_seconds: float) -> None:
        super().__init__(f"the ledger is busy: try again in {retry_after_seconds:.2f} seconds")
        self.retry_after_seconds = retry_after_seconds


def writer_of(command: Command, *, writers: int) -> int:
    """Return which of several writer processes a command goes to: by a hash of the first that it speaks of.

    Any writer may carry out any command. But two that move the same streams make each other decide twice.
    """
    ref = targets(command.request)[0]
    named = ref.bytes if isinstance(ref, UUID) else f"{ref.kind} {ref.value}".encode("utf-8", "surrogatepass")
    return crc32(named) % writers


class Asker(Protocol):
    """Whoever waits for an outcome; a Future is one.

    It is told once, with everybody else of its batch, so it must be quick and must not raise.
    """

    def done(self) -> bool:
        """Return whether nobody waits any more: of a command not begun by then, nothing is done and nothing told."""
        ...

    def set_result(self, outcome: Outcome, /) -> None: ...

    def set_exception(self, error: Exception, /) -> None: ...


class Batch(NamedTuple):
    """A batch that was carried out: its commands, its time, who waits meanwhile, decisions that were made anew."""

    size: int
    seconds: float
    waiting: int
    decided_again: int


Told = Callable[[Batch], None]


class _Waiting(NamedTuple):
    """A command, the first stream or name that it speaks of, and who waits for it."""

    command: Command
    ref: Ref
    asker: Asker


class Gatherer:
    """One process's way into a ledger, for the tasks of one event loop; `async with` opens and closes it.

    At the end of the block it takes no more, answers what waits, and leaves. A process that does nothing else
    should work under `seldom_collected`.
    """

    def __init__(
        self,
        lanes: list[Lane],
        *,
        new_id: Callable[[], UUID],
        waiting_max: int,
        stopping: asyncio.Event,
        told: Told,
    ) -> None:
        self._lanes = lanes
        self._new_id = new_id
        self._waiting_max = waiting_max
        self._stopping = stopping
        self._told = told
        self._waiting: deque[_Waiting] = deque()
        self._in_flight: set[Ref] = set()
        self._idle = len(lanes)
        self._called = asyncio.Event()
        self._seconds_a_batch = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False

    @classmethod
    def open(
        cls,
        dsn: str,
        *,
        keys: Keys,
        randomness: Callable[[int], bytes],
        kinds: KindBook | None = None,
        new_id: Callable[[], UUID] = new_id,
        lanes: int = LANES,
        waiting_max: int = WAITING_MAX,
        patience_seconds: float = PATIENCE_SECONDS,
        told: Told = lambda _batch: None,
        append_took: TookSeconds = lambda _seconds: None,
    ) -> "Gatherer":
        """Return a gatherer for a ledger; entering it connects. A lost server is awaited for `patience_seconds`.

        `told` hears of every batch, `append_took` of every append.
        """
        stopping = asyncio.Event()

        def lane() -> Lane:
            return Lane(
                lambda: AwaitedStore.connect(dsn, keys=keys, randomness=randomness, took=append_took),
                kinds=kinds or preset_kinds(),
                stopping=stopping,
                patience_seconds=patience_seconds,
            )

        return cls([lane() for _ in range(lanes)], new_id=new_id, waiting_max=waiting_max, stopping=stopping, told=told)

    @property
    def waiting(self) -> int:
        """How many commands wait for a batch."""
        return len(self._waiting)

    async def submit(self, command: Command) -> Outcome:
        """Carry out a command; return its outcome when that is durable.

        A command without an id gets one, so that its outcome can be looked up if a connection breaks. A
        caller that is cancelled finds its command whole or undone. Raises Busy at once when too many wait,
        Unavailable when nothing was written, and OutcomeUnknown when nobody can tell for now.
        """
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.hand_in(command, answer)
        return await answer

    def hand_in(self, command: Command, asker: Asker) -> None:
        """Let a command be carried out and its asker be told, as `submit` does, without a task that waits.

        Raises Busy or Unavailable if it is not taken; the asker is told everything else.
        """
        if self._closed:
            raise Unavailable("the ledger is being closed: send the command to another writer")
        if len(self._waiting) >= self._waiting_max:
            self._forget_who_left()
        if len(self._waiting) >= self._waiting_max:
            raise Busy(self._seconds_until_room())
        if command.command_id is None:
            command = replace(command, command_id=self._new_id())
        self._waiting.append(_Waiting(command, targets(command.request)[0], asker))
        self._called.set()

    async def __aenter__(self) -> Self:
        try:
            # All of them, even if one fails: a lane that is left alone would connect when nobody closes it any more.
            opened = await asyncio.gather(*(lane.open() for lane in self._lanes), return_exceptions=True)
        except BaseException:
            await self._leave()
            raise
        failures = [each for each in opened if each is not None]
        if failures:
            await self._leave()
            raise failures[0]
        self._tasks = [asyncio.create_task(self._serve(lane)) for lane in self._lanes]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        # Who waits for a lost server waits no longer.
        self._stopping.set()
        self._called.set()
        try:
            await asyncio.gather(*self._tasks)
        finally:
            for waiting in self._waiting:
                _tell(waiting.asker, Unavailable("the ledger was closed: nothing of this command was written"))
            await self._leave()

    async def _leave(self) -> None:
        await asyncio.gather(*(lane.close() for lane in self._lanes))

    def _forget_who_left(self) -> None:
        self._waiting = deque(waiting for waiting in self._waiting if not waiting.asker.done())

    def _seconds_until_room(self) -> float:
        batches = 1 + len(self._waiting) // BATCH_MAX // len(self._lanes)
        return min(RETRY_AFTER_SECONDS_MAX, max(RETRY_AFTER_SECONDS_MIN, self._seconds_a_batch * batches))

    async def _serve(self, lane: Lane) -> None:
        while True:
            batch = self._take()
            if batch:
                await self._carry_out(lane, batch)
            elif self._closed and not self._waiting:
                return
            else:
                self._called.clear()
                await self._called.wait()

    def _take(self) -> list[_Waiting]:
        """Take the next batch, in the order in which the commands came.

        What speaks of a stream that is in flight waits for the answer, and so does what came after it. Whoever
        has left since is passed over: nothing of that command is done.
        """
        batch: list[_Waiting] = []
        kept: list[_Waiting] = []
        count = len(self._waiting)
        if count < SHARED_FROM and self._idle < len(self._lanes):
            # They go with what comes until the lane that is at work is free.
            return batch
        shared = self._idle > 1 and count >= SHARED_FROM
        limit = min(BATCH_MAX, count // self._idle if shared else count)
        while self._waiting and len(batch) < limit:
            first = self._waiting.popleft()
            if first.ref in self._in_flight:
                kept.append(first)
            elif not first.asker.done():
                batch.append(first)
        self._waiting.extendleft(reversed(kept))
        self._in_flight.update([each.ref for each in batch])
        return batch

    async def _carry_out(self, lane: Lane, batch: list[_Waiting]) -> None:
        begun = monotonic()
        self._idle -= 1
        try:
            answers = await lane.carry_out([each.command for each in batch])
        except BaseException:
            # Whoever ends the lane itself must not leave callers waiting.
            for waiting in batch:
                _tell(waiting.asker, OutcomeUnknown("the writer was stopped: send the command again with the same id"))
            raise
        self._idle += 1
        self._seconds_a_batch = monotonic() - begun
        self._in_flight.difference_update([each.ref for each in batch])
        # What waited for these streams may go now.
        self._called.set()
        for waiting, answer in zip(batch, answers, strict=True):
            _tell(waiting.asker, answer)
        again = sum([each.attempts - 1 for each in answers if isinstance(each, Outcome)])
        self._told(Batch(len(batch), self._seconds_a_batch, len(self._waiting), again))


def _tell(asker: Asker, answer: Answer) -> None:
    if asker.done():
        return
    if isinstance(answer, Exception):
        asker.set_exception(answer)
    else:
        asker.set_result(answer)
