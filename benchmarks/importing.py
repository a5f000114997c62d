"""Lines imported a second, against the same lines in a COPY into a bare table."""

import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figure import Figure
from benchmarks.history import write_uses
from benchmarks.ledger import bench
from sealbook.adapters.eventstore.postgres import PostgresEventStore, connected
from sealbook.adapters.history_files import given_policies, uses_file
from sealbook.adapters.ids import new_id
from sealbook.application.facts import DEFAULT_KIND
from sealbook.application.import_forms import UsesForm
from sealbook.application.importing import Import


def import_uses(store: PostgresEventStore, path: Path) -> float:
    """Import a uses file; return the seconds that it took."""
    begun = time.perf_counter()
    form = UsesForm(
        store=store,
        policies_given=given_policies([]),
        kind=DEFAULT_KIND,
        reissue=False,
        provenance="bench",
        new_id=new_id,
    )
    Import(store=store, file=uses_file(path), form=form, now=datetime.now(UTC), new_id=new_id).run()
    return time.perf_counter() - begun


def run(rounds: int) -> Iterator[Figure]:
    with bench() as place, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "uses.csv"
        lines = write_uses(path)
        imported: list[float] = []
        copied: list[float] = []
        with connected(place.server.dsn()) as connection:
            connection.execute("CREATE TABLE bare (customer text, used_at bigint)")
            for number in range(rounds):
                begun = time.perf_counter()
                with connection.cursor().copy("COPY bare FROM STDIN (FORMAT csv, HEADER)") as copy:
                    copy.write(path.read_bytes())
                copied.append(lines / (time.perf_counter() - begun))
                with place.store(f"import_{number}") as store:
                    imported.append(lines / import_uses(store, path))
        yield Figure(
            bench="import",
            case="uses file",
            unit="lines/s",
            rounds=tuple(imported),
            against="COPY into a bare table",
            against_rounds=tuple(copied),
        )
