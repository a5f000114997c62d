"""How long the report over a large ledger takes, now and as of the past, against copying out the rows that it reads."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from psycopg import Connection

from benchmarks.callers import Place
from benchmarks.figure import Figure
from benchmarks.filling import OLDEST, YOUNGEST, filled
from benchmarks.ledger import bench
from benchmarks.plan import Plan
from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.read_models.postgres import PostgresReadModels
from sealbook.application import questions
from sealbook.projections.counts import Report

MIDWAY = (OLDEST + YOUNGEST) / 2
"""How long ago half of the credentials were there."""
OF_STATES = "COPY (SELECT stream, state FROM sealbook_read.credentials) TO STDOUT (FORMAT BINARY)"
OF_LOG = "COPY (SELECT stream, body FROM sealbook.events ORDER BY position) TO STDOUT (FORMAT BINARY)"


def run(plan: Plan) -> Iterator[Figure]:
    taken = defaultdict[str, list[float]](list)
    with bench() as server, server.store("report") as store:
        filled(Place(dsn=server.dsn("report"), keys=store.keys), plan.size)
        models = PostgresReadModels(store.connection, store)
        models.catch_up()
        now = datetime.now(UTC)
        for _ in range(plan.rounds):
            taken["states"].append(_seconds(lambda: _copied_out(store.connection, OF_STATES)))
            taken["now"].append(_seconds(lambda: report(store, models, as_of=now)))
            taken["log"].append(_seconds(lambda: _copied_out(store.connection, OF_LOG)))
            taken["past"].append(_seconds(lambda: report(store, models, as_of=now - MIDWAY)))
    of = f"{plan.size:,} credentials"
    yield _figure(f"{of}, now, of the read models", taken["now"], "copying the states out", taken["states"])
    yield _figure(f"{of}, as of the past, of the log", taken["past"], "copying the log out", taken["log"])


def report(store: PostgresEventStore, models: PostgresReadModels, *, as_of: datetime) -> Report:
    """Answer as the command `report` does."""
    models.catch_up()
    return questions.count(store, as_of=as_of, known_at=None, counted=models.tally(as_of=as_of))


def _copied_out(connection: Connection, statement: str) -> None:
    with connection.cursor().copy(statement.encode()) as copy:
        for _data in copy:
            pass


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _figure(case: str, seconds: list[float], against: str, against_seconds: list[float]) -> Figure:
    return Figure(
        bench="report",
        case=case,
        unit="s",
        rounds=tuple(seconds),
        against=against,
        against_rounds=tuple(against_seconds),
    )
