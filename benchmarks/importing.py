"""Lines imported a second over the whole path, against the same lines in a COPY into a bare table."""

import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from psycopg import Connection

from benchmarks.figure import Figure
from benchmarks.history import write_facts, write_uses
from benchmarks.ledger import Bench, bench
from benchmarks.plan import Plan
from sealbook.adapters.collecting import seldom_collected
from sealbook.adapters.eventstore.postgres import PostgresEventStore, connected
from sealbook.adapters.eventstore.reach import reach_of
from sealbook.adapters.importing.shared import import_shared, shared
from sealbook.adapters.importing.task import ImportTask
from sealbook.application.facts import DEFAULT_KIND

BARE = "CREATE TABLE IF NOT EXISTS bare (line text)"
# What stands in no file keeps each line whole.
COPY = "COPY bare FROM STDIN (FORMAT csv, DELIMITER E'\\x01', QUOTE E'\\x02')"


def import_uses(store: PostgresEventStore, path: Path) -> float:
    """Import a uses file; return the seconds that it took."""
    return _import(store, path, uses=True)


def import_facts(store: PostgresEventStore, path: Path) -> float:
    """Import a facts file; return the seconds that it took."""
    return _import(store, path, uses=False)


def _import(store: PostgresEventStore, path: Path, *, uses: bool) -> float:
    task = ImportTask(path=path, uses=uses, policy=None, kind=DEFAULT_KIND, reissue=False, now=datetime.now(UTC))

    def imported() -> None:
        file = task.file()
        if shared(file.content):
            import_shared(task, reach_of(store), content=file.content, skip=None, advanced=_unheard)
        else:
            task.job(store, file, skip=None, advanced=_unheard).run()

    return _seconds(imported)


def _unheard(done: int, total: int | None = None) -> None:
    """Nobody watches."""


def run(plan: Plan) -> Iterator[Figure]:
    with bench() as place, tempfile.TemporaryDirectory() as folder:
        uses, facts = Path(folder) / "uses.csv", Path(folder) / "facts.jsonl"
        yield _figure(place, "uses file", uses, write_uses(uses, lines=plan.size), import_uses, plan.rounds)
        yield _figure(place, "facts file", facts, write_facts(facts, lines=plan.size), import_facts, plan.rounds)


def _figure(
    place: Bench,
    case: str,
    path: Path,
    lines: int,
    imported_into: Callable[[PostgresEventStore, Path], float],
    rounds: int,
) -> Figure:
    imported: list[float] = []
    copied: list[float] = []
    with connected(place.server.dsn()) as connection:
        connection.execute(BARE)
        for number in range(rounds):
            copied.append(lines / _seconds(lambda: _copy(connection, path)))
            with place.store(f"{path.stem}_{number}") as store:
                imported.append(lines / imported_into(store, path))
    return Figure(
        bench="import",
        case=case,
        unit="lines/s",
        rounds=tuple(imported),
        against="COPY into a bare table",
        against_rounds=tuple(copied),
    )


def _copy(connection: Connection, path: Path) -> None:
    with connection.cursor().copy(COPY) as copy:
        copy.write(path.read_bytes())


def _seconds(work: Callable[[], object]) -> float:
    with seldom_collected():
        begun = time.perf_counter()
        work()
        return time.perf_counter() - begun
