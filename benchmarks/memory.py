"""The most memory that long work holds at once, each in its own process, against one that only opens the ledger."""

import os
import re
import tempfile
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from threading import Event, Thread
from uuid import UUID

from benchmarks.callers import Place, call
from benchmarks.figure import Figure
from benchmarks.filling import filled
from benchmarks.history import LINES_A_CUSTOMER, write_uses
from benchmarks.importing import import_uses
from benchmarks.ledger import bench
from benchmarks.meter import GONE, PROCESSES, children
from benchmarks.plan import Plan
from benchmarks.report import MIDWAY, report
from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.read_models.postgres import PostgresReadModels

CALLERS = 1_000
CALLED_MAX = 100_000
"""How many credentials the callers use; each is an id in their process."""
WATCH_SECONDS = 0.02
"""How often other processes that the work began are looked at."""
KIB_A_MIB = 1024


def run(plan: Plan) -> Iterator[Figure]:
    peaks, idle = defaultdict[str, list[float]](list), list[float]()
    with bench() as server, server.store("filled") as store, tempfile.TemporaryDirectory() as folder:
        place, path = Place(dsn=server.dsn("filled"), keys=store.keys), Path(folder) / "uses.csv"
        credentials = filled(place, plan.size)[:CALLED_MAX]
        write_uses(path, lines=max(plan.size, LINES_A_CUSTOMER))
        of = f"{plan.size:,}"
        for number in range(plan.rounds):
            with server.store(f"imported_{number}") as empty:
                into = Place(dsn=server.dsn(f"imported_{number}"), keys=empty.keys)
                work: dict[str, Callable[[], object]] = {
                    f"{CALLERS:,} callers for {plan.seconds:g} s": partial(_call, place, credentials, plan.seconds),
                    f"import of {of} lines": partial(_import, into, path),
                    f"rebuild over {of} credentials": partial(_rebuild, place),
                    f"report as of the past, {of} credentials": partial(_report, place),
                }
                idle.append(_peak_apart(partial(_open, place)))
                for case, each in work.items():
                    peaks[case].append(_peak_apart(each))
    for case, rounds in peaks.items():
        yield Figure(
            bench="memory",
            case=case,
            unit="MiB",
            rounds=tuple(rounds),
            against="opening the ledger",
            against_rounds=tuple(idle),
        )


def _peak_apart(work: Callable[[], object]) -> float:
    """Do the work in a process of its own; return the most memory, in MiB, that it held there."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_peak_after, work).result()


def _peak_after(work: Callable[[], object]) -> float:
    """Do the work; return the most that this process held, and with it each that it began meanwhile, in MiB."""
    peaks, ended = dict[Path, int](), Event()

    def watch() -> None:
        while not ended.wait(WATCH_SECONDS):
            for child in children(os.getpid()):
                # One that has gone says nothing any more: what it said stands.
                peaks[child] = max(peaks.get(child, 0), _peak_kib(child))

    watcher = Thread(target=watch)
    watcher.start()
    try:
        work()
    finally:
        ended.set()
        watcher.join()
    return (sum(peaks.values()) + _peak_kib(PROCESSES / "self")) / KIB_A_MIB


def _peak_kib(process: Path) -> int:
    # Not getrusage: its figure starts at that of the process that this one was started by.
    with suppress(*GONE):
        for peak in re.findall(r"^VmHWM:\s*(\d+) kB$", (process / "status").read_text(), re.MULTILINE):
            return int(peak)
    return 0


@contextmanager
def _opened(place: Place) -> Generator[PostgresEventStore]:
    store = PostgresEventStore.connect(place.dsn, keys=place.keys, randomness=os.urandom)
    try:
        yield store
    finally:
        store.close()


def _open(place: Place) -> None:
    with _opened(place):
        pass


def _call(place: Place, credentials: Sequence[UUID], seconds: float) -> None:
    call(place, credentials, callers=CALLERS, seconds=seconds, seed=0)


def _import(place: Place, path: Path) -> None:
    with _opened(place) as store:
        import_uses(store, path)


def _rebuild(place: Place) -> None:
    with _opened(place) as store:
        PostgresReadModels(store.connection, store).rebuild()


def _report(place: Place) -> None:
    with _opened(place) as store:
        report(store, PostgresReadModels(store.connection, store), as_of=datetime.now(UTC) - MIDWAY)
