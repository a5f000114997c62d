"""Metrics: what a process counts of itself, cheaply, and what all processes of a service come to together.

Each process counts in plain numbers and writes them to a file of its own in a common folder, every second; whoever is
asked for the page adds the files up. prometheus_client's own mode for several processes asks for an environment
variable before the first import and keeps its numbers in a global; it makes a file for each process there ever was.
Here a process that comes back goes on with the file of its place, so nothing grows and no counter goes back.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import NamedTuple

import msgspec

from sealbook.adapters.observing.redaction import route as shown_route
from sealbook.adapters.observing.redaction import word as shown_word

GONE_AFTER_SECONDS = 5.0
"""A process that has not written for so long has ended: what it counted stays, what it held has gone."""
SERIES_MAX = 1_000
OTHER = "other"
"""Stands for whatever may not be a label, and for what is too much."""
NO_ROUTE = "none"
LATENCY_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.07, 0.1, 0.2, 0.4, 1.0, 2.5, 5.0, 10.0)
SIZE_BOUNDS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A metric: its name, what it tells, by which labels; the bounds of a histogram's buckets."""

    name: str
    kind: Kind
    says: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()


REQUEST = Described(
    name="sealbook_request_seconds",
    kind=Kind.HISTOGRAM,
    says="Time from a request's arrival to its answer, by the route's template and the status class.",
    labels=("route", "status"),
    bounds=LATENCY_BOUNDS,
)
SHED = Described(
    name="sealbook_requests_shed_total",
    kind=Kind.COUNTER,
    says="Requests that were answered 503 and not begun, by what was full.",
    labels=("why",),
)
IN_FLIGHT = Described(name="sealbook_requests_in_flight", kind=Kind.GAUGE, says="Requests that were begun.")
APPEND = Described(
    name="sealbook_append_seconds",
    kind=Kind.HISTOGRAM,
    says="Time of one append in the database, its commit in it.",
    bounds=LATENCY_BOUNDS,
)
BATCH = Described(
    name="sealbook_batch_commands",
    kind=Kind.HISTOGRAM,
    says="Commands that shared a commit.",
    bounds=SIZE_BOUNDS,
)
BATCH_TIME = Described(
    name="sealbook_batch_seconds",
    kind=Kind.HISTOGRAM,
    says="Time of one batch: loading, deciding, appending.",
    bounds=LATENCY_BOUNDS,
)
DECIDED_AGAIN = Described(
    name="sealbook_decided_again_total",
    kind=Kind.COUNTER,
    says="Conflicts: decisions that were made anew because another writer had moved what they read.",
)
QUEUE = Described(name="sealbook_queue_commands", kind=Kind.GAUGE, says="Commands that wait for a batch.")
LEADER = Described(
    name="sealbook_leader", kind=Kind.GAUGE, says="1 where this service leads: it runs timers, webhooks and jobs."
)
COUNTED = (REQUEST, SHED, IN_FLIGHT, APPEND, BATCH, BATCH_TIME, DECIDED_AGAIN, QUEUE, LEADER)
"""What processes count. What is read from the database is in `ledger_numbers`."""

Series = tuple[str, ...]
"""A metric's name, then its labels' values."""


class _Written(msgspec.Struct, array_like=True):
    """A process's file. `at` is of the clock that all processes of a computer share."""

    at: float
    counted: list[tuple[list[str], list[float]]]
    held: list[tuple[list[str], float]]


class Numbers(NamedTuple):
    """What all processes come to: of a histogram the counts by bucket and then the sum, of a counter one number."""

    counted: Mapping[Series, list[float]]
    held: Mapping[Series, float]


class Metrics:
    """What one process counts; for one thread, but for `publish` and `numbers`.

    `folder` is common to the processes of a service and empty when that starts; None for a single process. `process`
    is this one's place among them, such as `http_1`: who takes its place goes on with its numbers. `publish` is to be
    called every second and at the end.
    """

    def __init__(
        self, *, folder: Path | None = None, process: str = "service", clock: Callable[[], float] = monotonic
    ) -> None:
        self._path = None if folder is None else folder / f"{process}.metrics"
        self._clock = clock
        self._lock = Lock()
        self._counted: dict[Series, list[float]] = {}
        self._held: dict[Series, float] = {}
        self._requests: dict[tuple[str | None, int], list[float]] = {}
        self._sheds: dict[str, list[float]] = {}
        if self._path is not None:
            before = _read(self._path)
            self._counted = {} if before is None else _fitting(before)
        self._append = self._cell(APPEND)
        self._batch = self._cell(BATCH)
        self._batch_time = self._cell(BATCH_TIME)
        self._again = self._cell(DECIDED_AGAIN)
        self.in_flight = 0
        """How many requests of this process were begun and not answered yet; who counts them anyway may set it."""

    def request(self, route: str | None, status: int, seconds: float) -> None:
        """Count an answered request. `route` is its template, None where there was none."""
        try:
            cell = self._requests[route, status // 100]
        except KeyError:
            cell = self._cell(REQUEST, NO_ROUTE if route is None else route, f"{status // 100}xx")
            if len(self._requests) < SERIES_MAX:
                self._requests[route, status // 100] = cell
        cell[bisect_left(LATENCY_BOUNDS, seconds)] += 1
        cell[-1] += seconds

    def shed(self, why: str) -> None:
        """Count a request that was not begun; `why` is a short word of the code, such as `queue`."""
        cell = self._sheds.get(why)
        if cell is None:
            cell = self._sheds[why] = self._cell(SHED, why)
        cell[0] += 1

    def append(self, seconds: float) -> None:
        self._append[bisect_left(LATENCY_BOUNDS, seconds)] += 1
        self._append[-1] += seconds

    def batch(self, size: int, seconds: float) -> None:
        self._batch[bisect_left(SIZE_BOUNDS, size)] += 1
        self._batch[-1] += size
        self._batch_time[bisect_left(LATENCY_BOUNDS, seconds)] += 1
        self._batch_time[-1] += seconds

    def decided_again(self, count: int = 1) -> None:
        self._again[0] += count

    def queued(self, count: int) -> None:
        """Say how many commands wait now."""
        self._held[QUEUE.name,] = count

    def leading(self, leads: bool) -> None:
        self._held[LEADER.name,] = float(leads)

    def publish(self) -> None:
        """Write this process's numbers where the others find them. What cannot be written is told at the next time."""
        if self._path is None:
            return
        with self._lock:
            written = self._now()
            aside = self._path.with_suffix(".new")
            aside.write_bytes(msgspec.msgpack.encode(written))
            aside.replace(self._path)

    def numbers(self) -> Numbers:
        """Return what all processes come to. Raises OSError where the folder cannot be used."""
        if self._path is None:
            return _sum([self._now()], now=self._clock())
        # Nothing is told that is not written: if this process is killed, its numbers do not go back.
        self.publish()
        found = (_read(path) for path in sorted(self._path.parent.glob("*.metrics")))
        return _sum([each for each in found if each is not None], now=self._clock())

    def _now(self) -> _Written:
        held = {**self._held, (IN_FLIGHT.name,): float(self.in_flight)}
        return _Written(
            at=self._clock(),
            counted=[(list(series), list(cell)) for series, cell in list(self._counted.items())],
            held=[(list(series), value) for series, value in held.items()],
        )

    def _cell(self, metric: Described, *labels: str) -> list[float]:
        """Return a series' numbers. A label that is no template and no short word is counted as another."""
        series = (metric.name, *(label_value(each) for each in labels))
        if series not in self._counted and len(self._counted) >= SERIES_MAX:
            series = (metric.name, *(OTHER for _ in labels))
        return self._counted.setdefault(series, _empty(metric))


def label_value(text: str) -> str:
    """Return what may be a label: a route's template or a short word, so nobody's number, name or id."""
    return text if text in (shown_route(text), shown_word(text)) or text in STATUS_CLASSES else OTHER


STATUS_CLASSES = frozenset(f"{each}xx" for each in range(1, 6))


def _empty(metric: Described) -> list[float]:
    """Return a histogram's counts by bucket, the last without bound, and its sum; a counter's one number."""
    return [0.0] * (len(metric.bounds) + 2 if metric.kind is Kind.HISTOGRAM else 1)


def _read(path: Path) -> _Written | None:
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=_Written)
    except (OSError, msgspec.DecodeError):
        return None


def _fitting(written: _Written) -> dict[Series, list[float]]:
    """Return what a predecessor counted, but for what another version counted in other buckets."""
    lengths = {metric.name: len(_empty(metric)) for metric in COUNTED}
    return {tuple(series): cell for series, cell in written.counted if lengths.get(series[0]) == len(cell)}


def _sum(written: list[_Written], *, now: float) -> Numbers:
    counted: dict[Series, list[float]] = {}
    held: dict[Series, float] = {}
    for each in written:
        for series, cell in _fitting(each).items():
            so_far = counted.get(series)
            counted[series] = cell if so_far is None else [a + b for a, b in zip(so_far, cell, strict=True)]
        if now - each.at <= GONE_AFTER_SECONDS:
            for name, value in each.held:
                held[tuple(name)] = held.get(tuple(name), 0.0) + value
    return Numbers(counted, held)
