"""What work costs the machine: processor time of Python and of PostgreSQL, and bytes of write-ahead log."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from psycopg import Connection

T = TypeVar("T")
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
PROCESSES = Path("/proc")
# The columns of /proc/PID/stat that follow the program's name.
PARENT, OWN_TICKS, CHILDRENS_TICKS = 1, slice(11, 13), slice(13, 15)
GONE = (FileNotFoundError, ProcessLookupError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    python_seconds: float
    postgres_seconds: float
    wal_bytes: float


def metered(connection: Connection, work: Callable[[], T]) -> tuple[T, Spent]:
    """Do the work; return its result and what it cost.

    Python's part is this process's, callers included. PostgreSQL's is the whole server's, whatever
    else it did meanwhile, in steps of the kernel's clock (10 ms).
    """
    server = _postmaster(connection)
    wal, ticks, python = _wal(connection), _ticks(server), time.process_time()
    result = work()
    spent = Spent(
        python_seconds=time.process_time() - python,
        # At least one step, so that there always is a ratio.
        postgres_seconds=max(1, _ticks(server) - ticks) / TICKS_A_SECOND,
        wal_bytes=_wal(connection) - wal,
    )
    return result, spent


def _wal(connection: Connection) -> float:
    ((inserted,),) = connection.execute("SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::float8").fetchall()
    return float(inserted)


def children(parent: int) -> Iterator[Path]:
    """Yield the folders in /proc of the processes that a process has now; one may be gone when it is read."""
    for process in PROCESSES.iterdir():
        if process.name.isdigit():
            with suppress(*GONE):
                if int(stat(process)[PARENT]) == parent:
                    yield process


def _postmaster(connection: Connection) -> int:
    return int(stat(PROCESSES / str(connection.info.backend_pid))[PARENT])


def _ticks(server: int) -> int:
    """Return the processor time of a server's processes so far, those that have ended included."""
    while True:
        own = stat(PROCESSES / str(server))
        total = _sum(own[OWN_TICKS]) + _sum(own[CHILDRENS_TICKS])
        for child in children(server):
            with suppress(*GONE):
                total += _sum(stat(child)[OWN_TICKS])
        # What a child had spent goes to its parent when it ends: one that did so meanwhile is counted anew.
        if stat(PROCESSES / str(server))[CHILDRENS_TICKS] == own[CHILDRENS_TICKS]:
            return total


def stat(process: Path) -> list[str]:
    # A program's name may hold blanks; it ends with the last bracket.
    return (process / "stat").read_text().rpartition(")")[2].split()


def _sum(ticks: list[str]) -> int:
    return sum(map(int, ticks))
