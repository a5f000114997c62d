"""Reading: questions over connections of their own, in threads, for the event loop must not wait for them."""

import asyncio
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import TypeVar

from psycopg.errors import QueryCanceled
from psycopg.pq import TransactionStatus

from sealbook.adapters.eventstore.postgres import PostgresEventStore, translated
from sealbook.application.ports import Unavailable

T = TypeVar("T")
READERS = 4
"""How many questions are answered at a time in one process; the others wait for their turn."""


class Readers:
    """Stores for as many threads of one process. A store that has lost its connection is not used again.

    The database ends a statement that takes longer than `statement_seconds`: who asked has left by then.
    """

    def __init__(
        self,
        connect: Callable[[], PostgresEventStore],
        *,
        count_max: int = READERS,
        statement_seconds: float | None = None,
    ) -> None:
        self._connect = connect
        self._statement_seconds = statement_seconds
        self._free: deque[PostgresEventStore] = deque()
        self._lock = Lock()
        self._threads = ThreadPoolExecutor(count_max, thread_name_prefix="reader")
        self._unanswered = 0
        self._apart: list[Readers] = []
        self._closed = False

    @property
    def unanswered(self) -> int:
        """How many questions wait or have a thread, be it that nobody waits for the answer any more."""
        return self._unanswered

    def apart(self, *, count_max: int, statement_seconds: float) -> "Readers":
        """Return readers of the same ledger that have threads and stores of their own; closed with these."""
        self._apart.append(Readers(self._connect, count_max=count_max, statement_seconds=statement_seconds))
        return self._apart[-1]

    @contextmanager
    def store(self) -> Generator[PostgresEventStore]:
        """Give a store to one thread. Raises Unavailable."""
        with self._lock:
            store = self._free.pop() if self._free else None
        if store is None or store.connection.closed:
            store = self._connected()
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

        Who is cancelled waits no longer. A question that waited for its turn is never asked then; one that had it
        keeps it until the thread is done.
        """
        if self._closed:
            raise Unavailable("the service is being closed")

        def answered() -> T:
            try:
                with self.store() as store:
                    return question(store)
            except QueryCanceled as error:
                raise Unavailable("the database took too long to answer") from error

        asked = self._threads.submit(answered)
        with self._lock:
            self._unanswered += 1
        asked.add_done_callback(self._was_answered)
        return await asyncio.wrap_future(asked)

    async def close(self) -> None:
        """Answer no more, and let go of the database when the questions that were begun have ended."""
        self._closed = True
        for each in self._apart:
            await each.close()
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        while self._free:
            await asyncio.to_thread(self._free.pop().close)

    def _connected(self) -> PostgresEventStore:
        store = self._connect()
        if self._statement_seconds is not None:
            limit = f"{max(1, int(self._statement_seconds * 1000))}ms"
            try:
                with translated():
                    store.connection.execute("SELECT set_config('statement_timeout', %s, false)", [limit])
            except BaseException:
                store.close()
                raise
        return store

    def _was_answered(self, _asked: Future[T]) -> None:
        with self._lock:
            self._unanswered -= 1
