"""Events a second when the read models are rebuilt, against reading the same log without folding it."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figure import Figure
from benchmarks.history import write_uses
from benchmarks.importing import import_uses
from benchmarks.ledger import bench
from sealbook.adapters.read_models.postgres import PostgresReadModels
from sealbook.application.ports import read_all


def run(rounds: int) -> Iterator[Figure]:
    with bench() as place, place.store("rebuild") as store, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "uses.csv"
        write_uses(path)
        import_uses(store, path)
        events = store.last_position()
        models = PostgresReadModels(store.connection, store)
        rebuilt: list[float] = []
        read: list[float] = []
        for _ in range(rounds):
            begun = time.perf_counter()
            for _event in read_all(store):
                pass
            read.append(events / (time.perf_counter() - begun))
            begun = time.perf_counter()
            models.rebuild()
            rebuilt.append(events / (time.perf_counter() - begun))
        yield Figure(
            bench="rebuild",
            case="all read models",
            unit="events/s",
            rounds=tuple(rebuilt),
            against="reading and decoding the log",
            against_rounds=tuple(read),
        )
