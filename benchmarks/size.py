"""Bytes an event with all its indexes, against the bytes of its body alone."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figure import Figure
from benchmarks.history import write_uses
from benchmarks.importing import import_uses
from benchmarks.ledger import bench


def run(rounds: int) -> Iterator[Figure]:
    """Sizes do not vary between rounds: one is enough, whatever is asked for."""
    del rounds
    with bench() as place, place.store("size") as store, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "uses.csv"
        write_uses(path)
        import_uses(store, path)
        ((stored, body),) = store.connection.execute(
            "SELECT pg_total_relation_size('sealbook.events')::float8 / count(*), avg(length(body))::float8"
            " FROM sealbook.events"
        ).fetchall()
        yield Figure(
            bench="size",
            case="event with its indexes",
            unit="bytes/event",
            rounds=(stored,),
            against="its body",
            against_rounds=(body,),
        )
