"""The event store in PostgreSQL for a writer that is awaited: the same two calls, and the book held."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from time import perf_counter
from typing import Any, NamedTuple, assert_never, cast
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from sealbook.adapters.eventstore.append_call import APPEND_TYPES, append_arguments, appended, owner_keys
from sealbook.adapters.eventstore.columns import Column, register
from sealbook.adapters.eventstore.load_call import (
    LOAD_TYPES,
    STREAM,
    HeadReader,
    digested,
    load_arguments,
    loaded,
    refolded,
)
from sealbook.adapters.eventstore.postgres import (
    HOLD_BOOK,
    PREPARED_FOR_APPENDS,
    PostgresEventStore,
    commit_told,
    impatient,
    translated,
)
from sealbook.adapters.eventstore.prepared import Prepared
from sealbook.adapters.eventstore.schema import BOOK
from sealbook.adapters.keys.port import Keys
from sealbook.application.batch import Append, Hold, KnownPolicies, LetGo, Load, Reply, steps
from sealbook.application.commands import Command
from sealbook.application.outcomes import Outcome
from sealbook.application.ports import Appended, Head, Loaded
from sealbook.domain.kind_document import KindBook

TookSeconds = Callable[[float], None]
"""Is told how long the database took for an append, its commit in it."""


class _Statements(NamedTuple):
    load: Prepared
    append: Prepared


class AwaitedStore:
    """One book of a ledger over one connection, for one batch at a time."""

    def __init__(
        self,
        connection: AsyncConnection[tuple[Any, ...]],
        statements: _Statements,
        *,
        keys: Keys,
        randomness: Callable[[int], bytes],
        took: TookSeconds = lambda _seconds: None,
    ) -> None:
        self._connection = connection
        self._load = statements.load
        self._append = statements.append
        self._keys = keys
        self._randomness = randomness
        self._took = took

    @classmethod
    async def connect(
        cls, dsn: str, *, keys: Keys, randomness: Callable[[int], bytes], took: TookSeconds = lambda _seconds: None
    ) -> "AwaitedStore":
        """Connect as the application's role. Raises Unavailable with what to do about it."""
        # What is wrong with a ledger or its keys is found and told in one place.
        checked = await asyncio.to_thread(PostgresEventStore.connect, dsn, keys=keys, randomness=randomness)
        checked.close()
        with translated():
            connection = await AsyncConnection.connect(impatient(dsn), autocommit=True, row_factory=tuple_row)
            try:
                register(connection)
                await connection.execute("SET TIME ZONE 'UTC'")
                for statement, arguments in PREPARED_FOR_APPENDS:
                    await connection.execute(statement, arguments)
                statements = await _prepared(connection)
            except BaseException:
                await connection.close()
                raise
        return cls(connection, statements, keys=keys, randomness=randomness, took=took)

    @property
    def closed(self) -> bool:
        """Whether the connection is gone, by us or by an outage."""
        return self._connection.closed

    async def close(self) -> None:
        await self._connection.close()

    async def execute(
        self, commands: Sequence[Command], *, kinds: KindBook, known: KnownPolicies | None = None
    ) -> list[Outcome]:
        """Carry out commands as `sealbook.application.ledger.execute` does; the decisions run between the waits."""
        work = steps(commands, kinds=kinds, known=known, kept_of=self.command_digest)
        reply: Reply = None
        async with AsyncExitStack() as held:
            while True:
                try:
                    step = work.send(reply)
                except StopIteration as done:
                    outcomes: list[Outcome] = done.value
                    return outcomes
                match step:
                    case Load():
                        reply = await self.load(step)
                    case Append():
                        reply = await self.append(step)
                    case Hold():
                        await held.enter_async_context(self._held())
                        reply = None
                    case LetGo():
                        await held.aclose()
                        reply = None
                    case _:
                        assert_never(step)

    async def load(self, step: Load) -> Loaded:
        reader, sought = HeadReader(), digested(step.names, keys=self._keys)
        with translated():
            rows = await self._load.values(_as_sent(load_arguments(step.streams, sought, step.commands)))
        found = loaded(rows, names=sought, reader=reader)
        return replace(found, heads=await self._up_to_date(found.heads, reader))

    async def append(self, step: Append) -> Appended:
        groups, keys = step.groups, self._keys
        owned: Mapping[UUID, bytes] = {}
        if any(group.names for group in groups):
            # In a thread: the keystore waits for a disk or a device, and the loop has other callers.
            owned = await asyncio.to_thread(owner_keys, groups, keys=keys)
        arguments = append_arguments(
            groups, keys=keys, owned=owned, randomness=self._randomness, whole=step.whole, progress=step.progress
        )
        sent, begun = _as_sent(arguments), perf_counter()
        with commit_told(self._connection):
            rows = await self._append.values(sent)
        self._took(perf_counter() - begun)
        reader, given = HeadReader(), digested([name for group in groups for name in group.names], keys=keys)
        result = appended(rows, sizes=[len(group.events) for group in groups], names=given, reader=reader)
        return replace(result, stale=await self._up_to_date(result.stale, reader))

    def command_digest(self, content: bytes) -> bytes:
        return self._keys.command_digest(content)

    @asynccontextmanager
    async def _held(self) -> AsyncGenerator[None]:
        with commit_told(self._connection):
            async with self._connection.transaction():
                with translated():
                    for statement, arguments in HOLD_BOOK:
                        await self._connection.execute(statement, arguments)
                yield

    async def _up_to_date(self, heads: Mapping[UUID, Head], reader: HeadReader) -> Mapping[UUID, Head]:
        if not reader.outdated:
            return heads
        fresh = {each: refolded(heads[each], await self._rows(STREAM, [BOOK, each, 0])) for each in reader.outdated}
        return {**heads, **fresh}

    async def _rows(self, query: str, arguments: Sequence[object]) -> list[tuple[Any, ...]]:
        with translated():
            cursor = await self._connection.execute(cast("Any", query), arguments, prepare=True, binary=True)
            return await cursor.fetchall()


async def _prepared(connection: AsyncConnection[tuple[Any, ...]]) -> _Statements:
    return _Statements(
        load=await Prepared.call(connection, "load", LOAD_TYPES),
        append=await Prepared.call(connection, "append", APPEND_TYPES),
    )


def _as_sent(arguments: Sequence[object]) -> list[bytes | None]:
    """Return arguments in their binary form: the book, columns, whether all or nothing. Nothing here imports."""
    return list(map(_binary, arguments))


def _binary(value: object) -> bytes | None:
    match value:
        case None | Column():
            return value
        case bool():
            return value.to_bytes()
        case int():
            return value.to_bytes(2, "big")
        case _:
            raise TypeError(f"no parameter of a batch is a {type(value).__name__}")
