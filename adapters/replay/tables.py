"""A report as a table: for spreadsheets as CSV, for other programs as Parquet, a row a number."""

import csv
from codecs import getwriter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from sealbook.adapters.replay.report import Figures, PolicyReport, Report
from sealbook.adapters.whole_files import whole

COLUMNS = ("policy", "part", "group", "metric", "low", "point", "high", "interval_low", "interval_high")
"""`part` says what a row is of: total, difference, kind, holder, cohort, channel, month or truncated; `group` which."""
ROWS_A_GROUP = 100_000

Row = tuple[str, str, str, str, int | None, int | None, int | None, int | None, int | None]


def rows(report: Report) -> Iterator[Row]:
    """Yield the rows of a report: those of the policies in force first. A count of one behavior is a point alone."""
    for each in (report.in_force, *report.policies):
        yield from _figures(each, "total", each.totals)
        yield from _figures(each, "difference", each.difference)
        yield from _count(each, "total", "", "changed_chains", each.changed_chains)
        yield from _count(each, "total", "", "unseen_chains", each.unseen_chains)
        for metric, number in each.truncated.items():
            yield from _count(each, "truncated", "", metric, number)
        for part, groups in each.by.items():
            for group, counts in groups.items():
                for metric, number in counts.items():
                    yield from _count(each, part, group, metric, number)
        for month in each.by_month:
            for metric in ("renewals", "lapses"):
                yield from _count(each, "month", str(month["month"]), metric, month[metric])


def write_csv(report: Report, path: Path) -> None:
    """Write the rows, the names of the columns first. Raises BadFile."""
    with whole(path) as file:
        writer = csv.writer(getwriter("utf-8")(file), lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows(report))


def write_parquet(report: Report, path: Path) -> None:
    """Write the rows. Raises BadFile, ImportError without pyarrow."""
    from sealbook.adapters.replay.snapshot_arrow import arrow, pq

    kinds = [*([arrow.string()] * 4), *([arrow.int64()] * 5)]
    schema = arrow.schema(list(zip(COLUMNS, kinds, strict=True)))
    left = rows(report)
    with whole(path) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        while part := list(islice(left, ROWS_A_GROUP)):
            held = dict(zip(COLUMNS, zip(*part, strict=True), strict=True))
            writer.write_table(arrow.table({name: list(values) for name, values in held.items()}, schema=schema))


def _figures(each: PolicyReport, part: str, figures: Figures) -> Iterator[Row]:
    for metric, figure in figures.items():
        low, high = figure.interval or (None, None)
        yield each.label, part, "", metric, figure.low, figure.point, figure.high, low, high


def _count(each: PolicyReport, part: str, group: str, metric: str, number: object) -> Iterator[Row]:
    point = number if isinstance(number, int) else None
    yield each.label, part, group, metric, None, point, None, None, None
