"""Events a second into the read models, rebuilt or followed, against reading the same log without folding it."""

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.figure import Figure
from benchmarks.history import write_facts
from benchmarks.importing import import_facts
from benchmarks.ledger import bench
from benchmarks.plan import Plan
from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.read_models.postgres import PostgresReadModels
from sealbook.adapters.read_models.tables import LIVE, Tables
from sealbook.application.ports import read_all

AGAINST = "reading and decoding the log in one process"


def run(plan: Plan) -> Iterator[Figure]:
    with bench() as place, place.store("rebuild") as store, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "facts.jsonl"
        write_facts(path, lines=plan.size)
        import_facts(store, path)
        events = store.last_position()
        ways: dict[str, Callable[[], object]] = {
            AGAINST: lambda: _read(store),
            "all read models, rebuilt": PostgresReadModels(store.connection, store).rebuild,
            "all read models, rebuilt in one process": PostgresReadModels(store.connection, store, workers=1).rebuild,
            "all read models, followed": lambda: _follow(store),
        }
        measured: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(plan.rounds):
            for way, run_once in ways.items():
                begun = time.perf_counter()
                run_once()
                measured[way].append(events / (time.perf_counter() - begun))
    against = tuple(measured.pop(AGAINST))
    for case, values in measured.items():
        yield Figure(
            bench="rebuild",
            case=case,
            unit="events/s",
            rounds=tuple(values),
            against=AGAINST,
            against_rounds=against,
        )


def _read(store: PostgresEventStore) -> None:
    for _event in read_all(store):
        pass


def _follow(store: PostgresEventStore) -> None:
    """Catch up by a follower's batches, from the second event on: models without any would be rebuilt."""
    tables = Tables(store.connection, LIVE)
    tables.drop()
    tables.create()
    (first,) = store.read(after=0, limit=1)
    tables.add_counts(Counter([first.event.stored.name]))
    tables.advance(first.position, first.event.at)
    PostgresReadModels(store.connection, store).catch_up()
