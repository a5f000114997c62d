"""The page of metrics, as Prometheus reads it."""

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Protocol

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from sealbook.adapters.observing.ledger_numbers import READ, Reading
from sealbook.adapters.observing.metrics import COUNTED, Described, Kind, Metrics

DESCRIBED = (*COUNTED, *READ)
"""Every metric that there may be; docs/observing.md has them all."""
CONTENT_TYPE = CONTENT_TYPE_LATEST


class LedgerSays(Protocol):
    def read(self) -> list[Reading]: ...


class MetricsPage(Collector):
    """All metrics of a service, by a registry of its own. `ledger` is None where there is no database to ask."""

    def __init__(self, metrics: Metrics, ledger: LedgerSays | None = None) -> None:
        self._metrics = metrics
        self._ledger = ledger
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def render(self) -> bytes:
        """Return the page, of the type CONTENT_TYPE. It may ask the database: call it outside an event loop."""
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """Return the metrics without numbers: registering asks nobody."""
        return [_family(metric) for metric in DESCRIBED]

    def collect(self) -> Iterator[Metric]:
        counted, held = self._metrics.numbers()
        readings = [] if self._ledger is None else self._ledger.read()
        for metric in DESCRIBED:
            family = _family(metric)
            for (name, *labels), cell in counted.items():
                if name == metric.name:
                    _add_counted(family, metric, labels, cell)
            for (name, *labels), value in held.items():
                if name == metric.name and isinstance(family, GaugeMetricFamily):
                    family.add_metric(labels, value)
            for reading in readings:
                if reading.metric is metric and isinstance(family, GaugeMetricFamily):
                    family.add_metric(reading.labels, reading.value)
            yield family


def _family(metric: Described) -> CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily:
    match metric.kind:
        case Kind.COUNTER:
            return CounterMetricFamily(metric.name, metric.says, labels=metric.labels)
        case Kind.GAUGE:
            return GaugeMetricFamily(metric.name, metric.says, labels=metric.labels)
        case Kind.HISTOGRAM:
            return HistogramMetricFamily(metric.name, metric.says, labels=metric.labels)


def _add_counted(
    family: CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily,
    metric: Described,
    labels: list[str],
    cell: list[float],
) -> None:
    if isinstance(family, HistogramMetricFamily):
        *counts, total = cell
        # Prometheus counts in a bucket all that is below its bound.
        bounds = [*map(str, metric.bounds), "+Inf"]
        family.add_metric(labels, buckets=list(zip(bounds, accumulate(counts), strict=True)), sum_value=total)
    else:
        family.add_metric(labels, cell[0])
