"""Reading: questions over connections of their own, in threads, for the event loop must not wait for them."""

import asyncio
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import Lock
from typing import TypeVar

from anyio import CapacityLimiter, to_thread
from psycopg.pq import TransactionStatus

from sealbook.adapters.eventstore.postgres import PostgresEventStore

T = TypeVar("T")
READERS = 4
"""How many questions are answered at a time in one process; the others wait for their turn."""


class Readers:
    """Stores for the threads of one process. A store that has lost its connection is not used again."""

    def __init__(self, connect: Callable[[], PostgresEventStore], *, count_max: int = READERS) -> None:
        self._connect = connect
        self._count_max = count_max
        self._free: deque[PostgresEventStore] = deque()
        self._lock = Lock()
        self._turns: CapacityLimiter | None = None

    @contextmanager
    def store(self) -> Generator[PostgresEventStore]:
        """Give a store to one thread. Raises Unavailable."""
        with self._lock:
            store = self._free.pop() if self._free else None
        if store is None or store.connection.closed:
            store = self._connect()
        try:
            yield store
        finally:
            if store.connection.info.transaction_status is TransactionStatus.IDLE:
                with self._lock:
                    self._free.append(store)
            else:
                # In the middle of something, or gone.
                store.close()

    async def ask(self, question: Callable[[PostgresEventStore], T]) -> T:
        """Answer a question in a thread. Raises what the question raises, and Unavailable.

        Who is cancelled waits no longer; the thread goes on to its end, and keeps its turn until then.
        """
        if self._turns is None:
            self._turns = CapacityLimiter(self._count_max)

        def answered() -> T:
            with self.store() as store:
                return question(store)

        return await to_thread.run_sync(answered, abandon_on_cancel=True, limiter=self._turns)

    async def close(self) -> None:
        while self._free:
            await asyncio.to_thread(self._free.pop().close)
