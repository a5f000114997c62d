"""Reports as people and programs read them: pages, files, and where two of them differ."""

import json
import os
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from sealbook.adapters.history_files import BadFile
from sealbook.adapters.replay.page import figure_text, page
from sealbook.adapters.replay.plan import Asked
from sealbook.adapters.replay.report import Figure, Report
from sealbook.adapters.replay.rerunning import asked_again, first_difference, read_report
from sealbook.adapters.replay.running import Run
from sealbook.adapters.replay.tables import rows
from sealbook.adapters.whole_files import whole
from tests.adapters.replay.bank import PRESETS, bank, spoilt


def figure(low: int, point: int | None, high: int, interval: tuple[int, int] | None = None) -> Figure:
    return Figure(low=low, point=point, high=high, interval=interval)


def report(**asked: object) -> Report:
    policies = {"NV": PRESETS["NV"], "<b>": PRESETS["D"]}
    question = Asked(**{"policies": policies, "engine": "reference", **asked})  # type: ignore[arg-type]  # by name
    return Run(bank(customers=8), question, version="1").report()


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (figure(3, None, 3), "3"),
        (figure(1000, None, 3000), "1,000 to 3,000"),
        (figure(3, 3, 3), "3"),
        (figure(1, 2, 3), "2 (1 to 3)"),
        (figure(1, 2, 3, (0, 9)), "2 (1 to 3) [0 to 9]"),
        (figure(3, 3, 3, (3, 3)), "3"),
    ],
)
def test_a_figure_shows_its_bounds_where_it_has_some(shown: Figure, text: str) -> None:
    assert figure_text(shown) == text


def test_a_difference_has_its_sign() -> None:
    assert figure_text(figure(-1, 2, 3), sign=True) == "+2 (-1 to +3)"


def test_a_label_is_no_markup() -> None:
    text = page(report())

    assert "<b>" not in text
    assert "&lt;b&gt;" in text


def test_the_page_warns_where_the_check_differs() -> None:
    asked = Asked(policies={"NV": PRESETS["NV"]}, engine="reference")

    text = page(Run(spoilt(bank(customers=8)), asked, version="1").report())

    assert 'class="warning"' in text
    assert "read what follows with that in mind" in text
    assert 'class="warning"' not in page(report())


def test_the_rows_hold_every_figure() -> None:
    found = report()

    held = {(row[0], row[1], row[2], row[3]): row[4:7] for row in rows(found)}

    never = found.policies[0]
    for name, each in never.totals.items():
        assert held["NV", "total", "", name] == (each.low, each.point, each.high)
    for month in never.by_month:
        assert held["NV", "month", str(month["month"]), "lapses"] == (None, month["lapses"], None)
    assert held["NV", "kind", "mobile_otp", "renewals"] == (None, 0, None)


def test_a_large_sweep_tells_totals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    full = report()
    monkeypatch.setattr("sealbook.adapters.replay.report.DETAILED_MAX", 1)

    brief = report()

    assert brief.policies[0].totals == full.policies[0].totals
    assert (brief.policies[0].by, brief.policies[0].by_month) == ({}, ())


def test_a_report_read_back_asks_the_same(tmp_path: Path) -> None:
    before = report(seed=2**63 - 1, fees={"mobile_otp": 3}, exposed_after_days=30)
    (tmp_path / "report.json").write_text(before.written(), encoding="utf-8")

    document = read_report(tmp_path / "report.json")
    again = Run(bank(customers=8), asked_again(document, where=tmp_path), version="1").report()

    assert again.written() == before.written()


@pytest.mark.parametrize(
    ("one", "other", "where"),
    [
        ({"a": 1}, {"a": 1}, None),
        ({"a": 1}, {"a": 2}, "a"),
        ({"a": 1}, {"a": True}, "a"),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, "a.b.1"),
        ({"a": [1]}, {"a": [1, 2]}, "a.1"),
        ({"a": None}, {}, "a"),
        ({}, {"a": None}, "a"),
        ({"a": []}, {"a": {}}, "a"),
        (1, 2, "the whole"),
    ],
)
def test_the_first_difference_is_named(one: object, other: object, where: str | None) -> None:
    assert first_difference(one, other) == where


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("before")

    def interrupted() -> None:
        with whole(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_and_what_it_points_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")

    with whole(tmp_path / "link", private=True) as file:
        file.write(b"whole")

    assert (tmp_path / "link").readlink() == Path("target")
    assert (tmp_path / "target").read_bytes() == b"whole"
    assert (tmp_path / "target").stat().st_mode & 0o777 == 0o600


def test_what_is_no_regular_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(BadFile, match="not a regular file"), whole(tmp_path / "pipe"):
        pass

    assert (tmp_path / "pipe").is_fifo()


REPORT: dict[str, Any] = {
    "schema": 1,
    "sealbook": "1",
    "made_of": {},
    "asked": {
        "policies": [json.loads(PRESETS["D"].document)],
        "sample": 0.5,
        "seed": 7,
        "exposed_after_days": 90,
        "engine": "auto",
        "fees": {"mobile_otp": 3},
    },
    "policies": [{"label": "D"}],
}


def test_a_report_needs_no_more_than_what_it_was_asked(tmp_path: Path) -> None:
    asked = asked_again(REPORT, where=tmp_path)

    assert (asked.policies, asked.sample, asked.seed) == ({"D": PRESETS["D"]}, Fraction(1, 2), 7)


SPOILT: list[tuple[dict[str, Any], str]] = [
    ({"schema": "1"}, "not a report of whatif run: schema is missing, or not what it is in one"),
    ({"schema": True}, "not a report of whatif run: schema"),
    ({"schema": 2}, "a report of schema 2, this version reads 1"),
    ({"sealbook": None}, "not a report of whatif run: sealbook"),
    ({"made_of": None}, "not a report of whatif run: made_of"),
    ({"made_of": []}, "not a report of whatif run: made_of"),
    ({"asked": []}, "not a report of whatif run: asked"),
    ({"policies": None}, "not a report of whatif run: policies"),
    ({"policies": []}, "at least one policy"),
    ({"policies": [{"label": "D"}] * 2}, "has a label of its own"),
    ({"policies": [{"label": 3}]}, "got `int`"),
    ({"asked": {"policies": []}, "policies": []}, "at least one policy"),
    ({"asked": {"policies": [{}]}}, "D: policy_id"),
    ({"asked": {"policies": None}}, "`$.policies`"),
    ({"asked": {"engine": "foo"}}, "there is no engine 'foo'"),
    ({"asked": {"engine": None}}, "`$.engine`"),
    ({"asked": {"sample": "1/0"}}, "`$.sample`"),
    ({"asked": {"sample": 1.5}}, "`$.sample`"),
    ({"asked": {"exposed_after_days": 10**30}}, "`$.exposed_after_days`"),
    ({"asked": {"seed": 2**63}}, "`$.seed`"),
    ({"asked": {"seed": -1}}, "`$.seed`"),
    ({"asked": {"fees": []}}, "`$.fees`"),
    ({"asked": {"fees": {"mobile_otp": "3"}}}, "`$.fees[...]`"),
]


@pytest.mark.parametrize(("changes", "why"), SPOILT)
def test_a_report_that_was_spoilt_is_refused_in_one_line(tmp_path: Path, changes: dict[str, Any], why: str) -> None:
    path = tmp_path / "report.json"
    changed = REPORT | changes
    if changes.get("asked"):
        changed["asked"] = REPORT["asked"] | changes["asked"]
    path.write_text(json.dumps(changed))

    with pytest.raises(BadFile, match=re.escape(why)) as refused:
        asked_again(read_report(path), where=path)

    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", ["", "3", "{}", "[" * 100_000])
def test_a_file_that_holds_no_report_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(content)

    with pytest.raises(BadFile, match="not a report of whatif run"):
        read_report(path)
