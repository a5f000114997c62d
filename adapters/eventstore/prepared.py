"""One statement, prepared once, and asked without what a driver does for statements that it does not know.

A use waits for two of these. The driver's own way costs a tenth of a millisecond each in watching the connection, in
conversions and in looking the statement up; here arguments and values stay the bytes that they are on the line.
"""

import asyncio
import select
from collections.abc import Sequence
from typing import Any, LiteralString

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGresult

_BROKEN = "the connection to the database broke"
Row = tuple[bytes | None, ...]


class Prepared:
    """A statement over a connection of which nothing else is asked meanwhile, for one caller at a time."""

    def __init__(self, connection: AsyncConnection[Any], name: bytes, parameters: int) -> None:
        self._connection = connection
        self._pgconn = connection.pgconn
        self._name = name
        self._formats = [Format.BINARY] * parameters
        self._loop = asyncio.get_running_loop()
        self._loaders = Transformer(connection)
        self._reply: asyncio.Future[PGresult] | None = None
        self._result: PGresult | None = None

    @classmethod
    async def make(
        cls, connection: AsyncConnection[Any], name: str, types: Sequence[LiteralString], query: LiteralString
    ) -> "Prepared":
        """Prepare a query, whose parameters are $1, $2 ... of these types."""
        return await cls._made(connection, name, types, sql.SQL(query))

    @classmethod
    async def call(cls, connection: AsyncConnection[Any], function: str, types: Sequence[LiteralString]) -> "Prepared":
        """Prepare a call of one of the ledger's functions, whose parameters have these types."""
        numbers = sql.SQL(", ").join([sql.SQL("$") + sql.Literal(number) for number, _ in enumerate(types, 1)])
        query = sql.SQL("SELECT * FROM sealbook.{}({})").format(sql.Identifier(function), numbers)
        return await cls._made(connection, function, types, query)

    @classmethod
    async def _made(
        cls, connection: AsyncConnection[Any], name: str, types: Sequence[LiteralString], query: sql.Composable
    ) -> "Prepared":
        statement = sql.SQL("PREPARE {} ({}) AS {}").format(
            sql.Identifier(name), sql.SQL(", ").join(map(sql.SQL, types)), query
        )
        await connection.execute(statement)
        return cls(connection, name.encode(), len(types))

    @property
    def closed(self) -> bool:
        return self._connection.closed

    async def rows(self, arguments: Sequence[bytes | None]) -> list[Row]:
        """Return the rows, each value in its binary form. Raises psycopg.Error; a lost connection is closed then."""
        result = await self._asked(arguments)
        columns = range(result.nfields)
        return [tuple([result.get_value(row, column) for column in columns]) for row in range(result.ntuples)]

    async def values(self, arguments: Sequence[bytes | None]) -> list[tuple[Any, ...]]:
        """Return the rows, each value as the driver reads it. Raises as `rows` does."""
        result = await self._asked(arguments)
        self._loaders.set_pgresult(result)
        return self._loaders.load_rows(0, result.ntuples, tuple)

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()

    async def _asked(self, arguments: Sequence[bytes | None]) -> PGresult:
        reply: asyncio.Future[PGresult] = self._loop.create_future()
        self._reply = reply
        # Kept: a connection that is lost does not tell it any more.
        socket = self._connection.fileno()
        self._loop.add_reader(socket, self._readable)
        try:
            self._pgconn.send_query_prepared(
                self._name, arguments, param_formats=self._formats, result_format=Format.BINARY
            )
            while self._pgconn.flush():
                # What is asked is mostly shorter than the system's buffers: this is for one that is full.
                await asyncio.sleep(0)
            result = await reply
        except BaseException:
            # The reply may still come, and would be taken for the next one's. It is broken, and not closed: whoever
            # sent a commit has to say so.
            self._pgconn.finish()
            raise
        finally:
            self._loop.remove_reader(socket)
            self._reply = self._result = None
        if result.status != ExecStatus.TUPLES_OK:
            raise psycopg.errors.error_from_result(result)
        return result

    def _readable(self) -> None:
        reply = self._reply
        if reply is None or reply.done():
            return
        try:
            self._take(reply)
            # Of a line that broke, the loop may tell once only, together with the last words of the server: what is
            # left of it is read to its end, which raises.
            while not reply.done() and _hung_up(self._pgconn.socket):
                self._take(reply)
        except psycopg.OperationalError as error:
            reply.set_exception(psycopg.OperationalError(_BROKEN).with_traceback(error.__traceback__))

    def _take(self, reply: "asyncio.Future[PGresult]") -> None:
        """Read what has come. Raises psycopg.OperationalError at the end of the line."""
        self._pgconn.consume_input()
        while not self._pgconn.is_busy():
            result = self._pgconn.get_result()
            if result is None:
                if self._result is not None:
                    reply.set_result(self._result)
                return
            self._result = result


def _hung_up(descriptor: int) -> bool:
    poll = select.poll()
    # Asked for nothing, it tells of errors and of hang-ups only.
    poll.register(descriptor, 0)
    return bool(poll.poll(0))
