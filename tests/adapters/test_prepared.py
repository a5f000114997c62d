"""A prepared statement whose server goes away: it is told, whatever of the line is told at once."""

import asyncio
import os
import signal
from time import sleep

import psycopg
import pytest
import uvloop
from psycopg import AsyncConnection

from sealbook.adapters.eventstore.prepared import Prepared


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_last_words_and_the_end_of_a_line_that_come_at_once_break_it(ledger_dsn: str, loop: type) -> None:
    async def ask() -> None:
        connection = await AsyncConnection.connect(ledger_dsn, autocommit=True)
        prepared = await Prepared.make(connection, "one", ("text",), "SELECT $1")
        backend = connection.info.backend_pid
        with psycopg.connect(ledger_dsn, autocommit=True) as watcher:
            os.kill(backend, signal.SIGSTOP)
            asked = asyncio.create_task(prepared.rows([b"x"]))
            # What is sent is never read: so the line ends with a reset, behind the last words.
            await asyncio.sleep(0)
            os.kill(backend, signal.SIGTERM)
            os.kill(backend, signal.SIGCONT)
            while watcher.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [backend]).fetchall():
                sleep(0.01)
            sleep(0.1)
        with pytest.raises(psycopg.OperationalError):
            await asyncio.wait_for(asked, 20)
        assert prepared.closed
        await connection.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(ask())
