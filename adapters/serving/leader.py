"""One leader among any number of processes, and what it does again and again: the timers.

The lock of a database session makes the leader: it ends with the session, however the process ends. That there
is one leader spares work; that nothing is done twice is the command ids' promise, not this one's.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from typing import Any, cast

import psycopg
from psycopg import AsyncConnection

from sealbook.adapters.eventstore.postgres import impatient
from sealbook.application.agenda import Agenda
from sealbook.application.ports import EventStore, OutcomeUnknown, Unavailable
from sealbook.application.timers import Timers
from sealbook.domain.kind_document import KindBook

AGAIN_SECONDS = 1.0
"""How long after a leader's end another one leads, at most."""
WATCH_SECONDS = 1.0
AFTER_FAILURE_SECONDS = 5.0
ANSWER_SECONDS = 5.0
"""A database that does not answer for longer may have given the lock to somebody else."""

Task = Callable[[asyncio.Event], Coroutine[Any, Any, None]]
"""Works until its event is set, then ends by itself, soon."""


class Leader:
    """Leads a ledger's processes, as long as it holds the lock. The DSN leads to the database itself, to no pooler.

    `lost` is set when it leads no more; `acquire` clears it.
    """

    def __init__(
        self,
        dsn: str,
        *,
        again_seconds: float = AGAIN_SECONDS,
        watch_seconds: float = WATCH_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._dsn = impatient(dsn)
        self._again_seconds = again_seconds
        self._watch_seconds = watch_seconds
        self._answer_seconds = answer_seconds
        self._connection: AsyncConnection[Any] | None = None
        self._watching: asyncio.Task[None] | None = None
        self.lost = asyncio.Event()

    async def acquire(self, stopping: asyncio.Event) -> bool:
        """Wait until this process leads, through outages as well; False if `stopping` came first."""
        while not stopping.is_set():
            with suppress(psycopg.Error):
                if await self._lock():
                    return True
            await came_within(stopping, self._again_seconds)
        return False

    async def resign(self) -> None:
        """Lead no more, and let the next one lead at once."""
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            await asyncio.wait({watching})
        await self._end()

    async def run(self, stopping: asyncio.Event, *tasks: Task) -> None:
        """Run tasks whenever this process leads, until `stopping`. What one raises ends the others, and is raised."""
        while await self.acquire(stopping):
            ending = asyncio.Event()
            try:
                async with asyncio.TaskGroup() as group:
                    for task in tasks:
                        group.create_task(task(ending))
                    await _any_of(stopping, self.lost)
                    ending.set()
            finally:
                ending.set()
                await self.resign()

    async def _lock(self) -> bool:
        connection = await AsyncConnection.connect(self._dsn, autocommit=True)
        try:
            await connection.execute("SET ROLE sealbook_app")
            cursor = await connection.execute("SELECT pg_try_advisory_lock(hashtext('sealbook leader'))")
            leads = await cursor.fetchone() == (True,)
        except BaseException:
            await connection.close()
            raise
        if not leads:
            await connection.close()
            return False
        self._connection = connection
        self.lost.clear()
        self._watching = asyncio.create_task(self._watch(connection))
        return True

    async def _watch(self, connection: AsyncConnection[Any]) -> None:
        """Ask the session for a sign of life until there is none."""
        while True:
            asked = asyncio.ensure_future(connection.execute("SELECT"))
            try:
                await asyncio.wait({asked}, timeout=self._answer_seconds)
            finally:
                if not asked.done():
                    asked.cancel()
            if not asked.done() or asked.exception() is not None:
                break
            await asyncio.sleep(self._watch_seconds)
        await self._end()

    async def _end(self) -> None:
        # First, so that nobody works on while the connection is let go.
        self.lost.set()
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


class TimerLoop:
    """Runs a ledger's timers again and again, each time over a connection of its own, in a thread.

    `opened` gives a store and its agenda until the block ends. `told` is given what a run came to: how many commands
    did something, or why there was none; then the next one makes up for it.
    """

    def __init__(
        self,
        opened: Callable[[], AbstractContextManager[tuple[EventStore, Agenda]]],
        *,
        kinds: KindBook,
        clock: Callable[[], datetime],
        every_seconds: float,
        told: Callable[[int | Unavailable | OutcomeUnknown], None] = lambda _what: None,
    ) -> None:
        self._opened = opened
        self._kinds = kinds
        self._clock = clock
        self._every_seconds = every_seconds
        self._told = told

    async def run(self, ending: asyncio.Event) -> None:
        """Run them until `ending`; the batch under way is finished."""
        while not ending.is_set():
            running = asyncio.ensure_future(asyncio.to_thread(self._once, ending))
            try:
                await asyncio.shield(running)
            except asyncio.CancelledError:
                # The thread cannot be cancelled, and what it uses must not be taken away.
                ending.set()
                await asyncio.wait({running})
                raise
            await came_within(ending, self._every_seconds)

    def _once(self, ending: asyncio.Event) -> None:
        def advanced() -> None:
            if ending.is_set():
                raise _EndedError

        try:
            with self._opened() as (store, agenda):
                self._told(Timers(store, self._kinds, agenda, advanced).run(until=self._clock()))
        except _EndedError:
            pass
        except (Unavailable, OutcomeUnknown) as error:
            self._told(error)


class _EndedError(Exception):
    """The loop is to end: between two batches, all that was done is durable."""


def begun_anew(
    task: Task, *, failed: Callable[[Exception], None], again_seconds: float = AFTER_FAILURE_SECONDS
) -> Task:
    """Return a task that is begun anew whenever it fails, whatever it was: others that run beside it go on.

    `failed` is told of each error.
    """

    async def run(ending: asyncio.Event) -> None:
        while not ending.is_set():
            try:
                await task(ending)
            except Exception as error:  # noqa: BLE001 (told, and tried anew)
                failed(_first_of(error))
                await came_within(ending, again_seconds)
            else:
                return

    return run


async def came_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, but no longer than that; tell whether it came."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


def _first_of(error: Exception) -> Exception:
    """Return of what failed together the first: a group says nothing of itself."""
    while isinstance(error, ExceptionGroup):
        error = cast("ExceptionGroup[Exception]", error).exceptions[0]
    return error


async def _any_of(*events: asyncio.Event) -> None:
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
