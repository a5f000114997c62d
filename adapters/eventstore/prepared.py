"""One statement, prepared once, and asked without what a driver does for statements that it does not know.

A use waits for two of these. The driver's own way costs a tenth of a millisecond each in watching the connection, in
conversions and in looking the statement up; here arguments and values stay the bytes that they are on the line.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, LiteralString

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGresult

_BROKEN = "the connection to the database broke"
Row = tuple[bytes | None, ...]


class Prepared:
    """A statement over a connection that nothing else is asked of any more, for one caller at a time."""

    def __init__(self, connection: AsyncConnection[Any], name: bytes, parameters: int) -> None:
        self._connection = connection
        self._pgconn = connection.pgconn
        self._name = name
        self._formats = [Format.BINARY] * parameters
        self._loop = asyncio.get_running_loop()
        self._reply: asyncio.Future[PGresult] | None = None
        self._result: PGresult | None = None
        # Kept: a connection that is lost does not tell it any more.
        self._socket: int | None = connection.fileno()
        self._loop.add_reader(self._socket, self._readable)

    @classmethod
    async def make(
        cls, connection: AsyncConnection[Any], name: str, types: Sequence[LiteralString], query: LiteralString
    ) -> "Prepared":
        """Prepare a query, whose parameters are $1, $2 ... of these types."""
        statement = sql.SQL("PREPARE {} ({}) AS {}").format(
            sql.Identifier(name), sql.SQL(", ").join(map(sql.SQL, types)), sql.SQL(query)
        )
        await connection.execute(statement)
        return cls(connection, name.encode(), len(types))

    @property
    def closed(self) -> bool:
        return self._connection.closed

    async def rows(self, arguments: Sequence[bytes]) -> list[Row]:
        """Return the rows, each value in its binary form. Raises psycopg.Error; a lost connection is closed then."""
        self._reply = self._loop.create_future()
        try:
            self._pgconn.send_query_prepared(
                self._name, arguments, param_formats=self._formats, result_format=Format.BINARY
            )
            while self._pgconn.flush():
                # What is asked is shorter than any buffer of the system: this is for one that is full for once.
                await asyncio.sleep(0)
            result = await self._reply
        except BaseException:
            # The reply may still come, and would be taken for the next one's.
            await self.close()
            raise
        if result.status != ExecStatus.TUPLES_OK:
            raise psycopg.errors.error_from_result(result)
        columns = range(result.nfields)
        return [tuple([result.get_value(row, column) for column in columns]) for row in range(result.ntuples)]

    async def close(self) -> None:
        """Close the connection."""
        self._read_no_more()
        await self._connection.close()

    def _readable(self) -> None:
        try:
            self._pgconn.consume_input()
            while not self._pgconn.is_busy():
                result = self._pgconn.get_result()
                if result is None:
                    self._answer()
                    return
                self._result = result
        except psycopg.OperationalError as error:
            self._read_no_more()
            self._fail(error)

    def _read_no_more(self) -> None:
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._socket = None

    def _answer(self) -> None:
        reply, result = self._reply, self._result
        self._reply = self._result = None
        if reply is not None and not reply.done() and result is not None:
            reply.set_result(result)

    def _fail(self, error: psycopg.OperationalError) -> None:
        reply, self._reply = self._reply, None
        if reply is not None and not reply.done():
            reply.set_exception(psycopg.OperationalError(_BROKEN).with_traceback(error.__traceback__))
