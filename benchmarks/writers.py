"""Several writer processes on one ledger, each with its share of the callers."""

from array import array
from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from multiprocessing.managers import SyncManager
from typing import Any
from uuid import UUID

from benchmarks.callers import Place, Sample, call, use_of
from sealbook.adapters.eventstore.gatherer import writer_of

START_SECONDS_MAX = 60
"""How long a writer waits for the others until all are open."""


class Writers:
    """Processes that stay, so that their start is in no figure."""

    def __init__(self, pool: ProcessPoolExecutor, manager: SyncManager) -> None:
        self._pool = pool
        self._manager = manager

    def call(self, place: Place, shares: Sequence[Sequence[UUID]], *, callers: int, seconds: float) -> Sample:
        """Let a writer for each share of the credentials begin together; return what all callers saw."""
        writers = len(shares)
        # Whoever waits here keeps its process: each share gets one of its own.
        together = self._manager.Barrier(writers, timeout=START_SECONDS_MAX)
        work = partial(_share, place, callers=callers // writers, seconds=seconds, together=together)
        samples = list(self._pool.map(work, shares, range(writers)))
        return Sample(
            seconds=max(sample.seconds for sample in samples),
            latencies_ms=array("d", (each for sample in samples for each in sample.latencies_ms)),
        )


def routed(credentials: Sequence[UUID], *, writers: int) -> list[list[UUID]]:
    """Share credentials out as the ledger routes their commands: no two writers meet on a stream."""
    shares: list[list[UUID]] = [[] for _ in range(writers)]
    for credential in credentials:
        shares[writer_of(use_of(credential), writers=writers)].append(credential)
    return shares


@contextmanager
def writer_processes(count: int) -> Generator[Writers]:
    context = get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(count, mp_context=context) as pool:
        yield Writers(pool, manager)


def _share(
    place: Place,
    credentials: Sequence[UUID],
    seed: int,
    *,
    callers: int,
    seconds: float,
    together: Any,  # noqa: ANN401 (a barrier's proxy has no public type)
) -> Sample:
    return call(place, credentials, callers=callers, seconds=seconds, seed=seed, together=together.wait)
