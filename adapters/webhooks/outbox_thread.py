"""The outbox for a sender that is awaited: one thread has its connection, and connects anew after an outage."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.webhooks.outbox import Outbox
from sealbook.application.ports import OutcomeUnknown, Unavailable

T = TypeVar("T")


class OutboxThread:
    """Asks the outbox one thing at a time. `connect` opens a store of its own."""

    def __init__(self, connect: Callable[[], PostgresEventStore]) -> None:
        self._connect = connect
        self._store: PostgresEventStore | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="webhooks")

    async def ask(self, question: Callable[[Outbox], T]) -> T:
        """Return the answer to a question. Raises what it raises; after an outage the next one connects anew."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, question)

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
        self._thread.shutdown()

    def _answer(self, question: Callable[[Outbox], T]) -> T:
        try:
            self._store = self._store or self._connect()
            return question(Outbox(self._store))
        except (Unavailable, OutcomeUnknown):
            self._disconnect()
            raise

    def _disconnect(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None
