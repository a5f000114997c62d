"""Requests of one event loop that share a query: what comes while one runs is in the next."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, LiteralString, NamedTuple, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from sealbook.adapters.eventstore.columns import register
from sealbook.adapters.eventstore.postgres import PREPARED_FOR_APPENDS, impatient, translated
from sealbook.application.ports import Unavailable

BATCH_MAX = 256
WAITING_MAX = 4_096
"""How many requests may wait; the next one is told to come back."""
# A new table has no statistics: a plan made then would read all of it for as long as the connection lasts.
_PREPARED: tuple[tuple[LiteralString, list[object]], ...] = (
    *PREPARED_FOR_APPENDS,
    ("SELECT set_config('enable_seqscan', %s, false)", ["off"]),
    # One plan for any number of subjects: to plan each time costs more than to read.
    ("SELECT set_config('plan_cache_mode', %s, false)", ["force_generic_plan"]),
)

_Asked = TypeVar("_Asked")
_Given = TypeVar("_Given")
Connection = AsyncConnection[tuple[Any, ...]]


class _Waiting(NamedTuple, Generic[_Asked, _Given]):
    asked: _Asked
    future: "asyncio.Future[_Given]"


class Batches(Generic[_Asked, _Given]):
    """Requests that are answered together, over one connection, which is made when it is needed.

    `answer` gets a batch and returns, for each request in it, the answer or the error that its caller is told.
    When a connection breaks it is asked once more: what it does may be done twice.
    """

    def __init__(
        self,
        dsn: str,
        answer: Callable[[Connection, Sequence[_Asked]], Awaitable[Sequence[_Given | Exception]]],
        *,
        waiting_max: int = WAITING_MAX,
    ) -> None:
        self._dsn = dsn
        self._answer = answer
        self._waiting_max = waiting_max
        self._waiting: list[_Waiting[_Asked, _Given]] = []
        self._serving: asyncio.Task[None] | None = None
        self._connection: Connection | None = None
        self._closed = False

    async def ask(self, asked: _Asked) -> _Given:
        """Return the answer. Raises Unavailable when the database is, when too many wait, and after `close`."""
        if self._closed:
            raise Unavailable("the service is being closed: ask another process")
        if len(self._waiting) >= self._waiting_max:
            raise Unavailable("too many wait for the vault: try again in a second")
        future: asyncio.Future[_Given] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(asked, future))
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve())
        return await future

    async def close(self) -> None:
        """Answer what waits, take no more, and leave."""
        self._closed = True
        if self._serving is not None:
            # Whoever ended the task itself has told its callers.
            await asyncio.wait([self._serving])
        if self._connection is not None:
            await self._connection.close()

    async def _serve(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
            batch = [each for each in batch if not each.future.done()]
            try:
                answers = await self._answered([each.asked for each in batch])
            except Exception as error:  # noqa: BLE001 (told to the callers)
                answers = [error] * len(batch)
            except BaseException:
                self._leave_nobody_waiting(batch)
                raise
            for each, answer in zip(batch, answers, strict=True):
                _tell(each.future, answer)

    def _leave_nobody_waiting(self, batch: Sequence[_Waiting[_Asked, _Given]]) -> None:
        for each in (*batch, *self._waiting):
            _tell(each.future, Unavailable("the service was stopped: ask again"))
        self._waiting = []

    async def _answered(self, asked: Sequence[_Asked]) -> Sequence[_Given | Exception]:
        with translated():
            connection = await self._connected()
            try:
                return await self._answer(connection, asked)
            except psycopg.OperationalError:
                if not connection.closed:
                    raise
                return await self._answer(await self._connected(), asked)

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = await _opened(self._dsn)
        return self._connection


async def _opened(dsn: str) -> Connection:
    try:
        connection = await AsyncConnection.connect(impatient(dsn), autocommit=True, row_factory=tuple_row)
    except psycopg.ProgrammingError:
        # From None: what could not be read may be half a password.
        raise Unavailable("the DSN of the database cannot be read") from None
    try:
        register(connection)
        for statement, arguments in _PREPARED:
            await connection.execute(statement, arguments)
    except BaseException:
        await connection.close()
        raise
    return connection


def _tell(future: "asyncio.Future[_Given]", answer: _Given | Exception) -> None:
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
