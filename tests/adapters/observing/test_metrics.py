"""Metrics: what processes count adds up, nothing goes back, and no label names anybody."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sealbook.adapters.observing.metrics import GONE_AFTER_SECONDS, SERIES_MAX, Metrics
from sealbook.adapters.observing.metrics_page import DESCRIBED, MetricsPage
from tests.test_docs import ROOT, rows

USES = "/v1/credentials/{id}/uses"


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """The page's samples by name and labels' values, read as Prometheus would."""
    families = text_string_to_metric_families(MetricsPage(metrics).render().decode())
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.fixture
def process(tmp_path: Path) -> Callable[[str], Metrics]:
    return lambda name: Metrics(folder=tmp_path, process=name)


def test_a_single_process_needs_no_folder() -> None:
    metrics = Metrics()
    metrics.request(USES, 200, 0.004)
    metrics.publish()

    assert samples(metrics)["sealbook_request_seconds_count", USES, "2xx"] == 1


def test_requests_are_counted_by_template_and_status_class() -> None:
    metrics = Metrics()
    for status, seconds in ((200, 0.001), (201, 0.0011), (409, 0.5), (500, 99.0)):
        metrics.request(USES, status, seconds)
    metrics.request(None, 404, 0.1)

    found = samples(metrics)
    assert found["sealbook_request_seconds_count", USES, "2xx"] == 2
    assert found["sealbook_request_seconds_sum", USES, "2xx"] == pytest.approx(0.0021)
    assert found["sealbook_request_seconds_bucket", "0.001", USES, "2xx"] == 1
    assert found["sealbook_request_seconds_bucket", "0.0025", USES, "2xx"] == 2
    assert found["sealbook_request_seconds_bucket", "10.0", USES, "5xx"] == 0
    assert found["sealbook_request_seconds_bucket", "+Inf", USES, "5xx"] == 1
    assert found["sealbook_request_seconds_count", "none", "4xx"] == 1


def test_appends_and_batches_are_counted() -> None:
    metrics = Metrics()
    metrics.append(0.003)
    metrics.batch(64, 0.02)
    metrics.batch(1, 0.01)
    metrics.decided_again(3)
    metrics.decided_again()
    metrics.shed("queue")
    metrics.shed("queue")

    found = samples(metrics)
    assert found["sealbook_append_seconds_count",] == 1
    assert (found["sealbook_batch_commands_count",], found["sealbook_batch_commands_sum",]) == (2, 65)
    assert found["sealbook_batch_commands_bucket", "64.0"] - found["sealbook_batch_commands_bucket", "32.0"] == 1
    assert found["sealbook_batch_seconds_sum",] == pytest.approx(0.03)
    assert found["sealbook_decided_again_total",] == 4
    assert found["sealbook_requests_shed_total", "queue"] == 2


def test_processes_add_up_on_the_page_of_each(process: Callable[[str], Metrics]) -> None:
    first, second, writer = process("http_1"), process("http_2"), process("writer")
    for metrics in (first, second, second):
        metrics.request(USES, 200, 0.004)
        metrics.in_flight += 1
    second.in_flight -= 1
    writer.queued(7)
    writer.leading(True)
    writer.publish()
    second.publish()

    found = samples(first)
    second.publish()
    assert found == samples(second)
    assert found["sealbook_request_seconds_count", USES, "2xx"] == 3
    assert found["sealbook_requests_in_flight",] == 2
    assert (found["sealbook_queue_commands",], found["sealbook_leader",]) == (7, 1)
    assert (first.in_flight, second.in_flight) == (1, 1)


def test_what_an_ended_process_counted_stays_and_what_it_held_goes(tmp_path: Path) -> None:
    clock = Clock()
    killed, other = (Metrics(folder=tmp_path, process=name, clock=clock) for name in ("http_1", "http_2"))
    killed.request(USES, 200, 0.004)
    killed.in_flight += 1
    killed.leading(True)
    killed.publish()
    assert samples(other)["sealbook_requests_in_flight",] == 1

    clock.seconds += GONE_AFTER_SECONDS + 1
    found = samples(other)
    assert found["sealbook_request_seconds_count", USES, "2xx"] == 1
    assert found["sealbook_requests_in_flight",] == 0
    assert ("sealbook_leader",) not in found


def test_who_takes_a_place_goes_on_with_its_numbers(process: Callable[[str], Metrics], tmp_path: Path) -> None:
    killed = process("http_1")
    killed.request(USES, 200, 0.004)
    killed.in_flight += 1
    seen = samples(killed)["sealbook_request_seconds_count", USES, "2xx"]

    again = process("http_1")
    again.request(USES, 200, 0.004)

    found = samples(again)
    assert found["sealbook_request_seconds_count", USES, "2xx"] == seen + 1
    assert found["sealbook_requests_in_flight",] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["http_1.metrics"]


def test_what_was_told_never_goes_back(process: Callable[[str], Metrics]) -> None:
    """A counter that goes back counts as begun anew, and all that it has as new."""
    killed = process("http_1")
    killed.request(USES, 200, 0.004)
    told = samples(killed)["sealbook_request_seconds_count", USES, "2xx"]

    assert samples(process("http_1"))["sealbook_request_seconds_count", USES, "2xx"] == told


@pytest.mark.parametrize("content", [b"", b"\x00", b"\x93\xcb", b"not a number"])
def test_a_file_that_cannot_be_read_counts_nothing(
    process: Callable[[str], Metrics], tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "http_2.metrics").write_bytes(content)
    metrics = process("http_1")
    metrics.request(USES, 200, 0.004)

    assert samples(metrics)["sealbook_request_seconds_count", USES, "2xx"] == 1


def test_numbers_of_another_version_are_not_added(process: Callable[[str], Metrics], tmp_path: Path) -> None:
    import msgspec

    of_old = [100.0, [[["sealbook_append_seconds"], [1.0, 2.0]], [["sealbook_unknown_total"], [1.0]]], []]
    (tmp_path / "http_1.metrics").write_bytes(msgspec.msgpack.encode(of_old))

    assert samples(process("http_1"))["sealbook_append_seconds_count",] == 0


@pytest.mark.parametrize(
    "route", [f"/v1/credentials/{uuid4()}/uses", "/v1/customers/850101-1234567", "/v1/Hong Gildong", "a" * 200, ""]
)
def test_no_label_is_an_id_or_a_name(route: str) -> None:
    metrics = Metrics()
    metrics.request(route, 200, 0.004)
    metrics.shed("123456")

    page = MetricsPage(metrics).render().decode()
    assert 'route="other"' in page
    assert 'why="other"' in page
    assert not route or route not in page
    assert "123456" not in page


def test_the_number_of_series_is_bounded() -> None:
    metrics = Metrics()
    for number in range(2 * SERIES_MAX):
        metrics.request(
            f"/{'abcdefghij'[number // 100 % 10]}{number % 100}/{'abcdefghij'[number // 1000 % 10]}", 200, 1
        )

    found = samples(metrics)
    counts = {series: value for series, value in found.items() if series[0] == "sealbook_request_seconds_count"}
    assert len(counts) <= SERIES_MAX + 1
    assert sum(counts.values()) == 2 * SERIES_MAX


def test_the_document_has_every_metric() -> None:
    text = (ROOT / "docs" / "observing.md").read_text(encoding="utf-8")

    described = [
        (row.words("metric")[0], row.cells["type"], tuple(row.words("labels")), row.cells["tells"])
        for row in rows(text, "metric", "type", "labels", "tells")
    ]
    assert described == [(each.name, each.kind.value, each.labels, each.says) for each in DESCRIBED]


def test_the_page_has_every_metric_and_no_other() -> None:
    names = {family.name for family in text_string_to_metric_families(MetricsPage(Metrics()).render().decode())}
    assert names == {each.name.removesuffix("_total") for each in DESCRIBED}
