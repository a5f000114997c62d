"""The oracle against worked cases: those of the shared folder, if it is there, and those of this project.

A policy of a case is the id of a preset, or a preset with changes: `D+{"grace":"P30D"}`; a fact is
`fact@time` or `fact@time?key=value&key=value`, facts are joined by semicolons. A switch names its policy in
the same way.
"""

import csv
import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.oracle import PRESETS, Answer, add, parts, replay

TESTS = Path(__file__).resolve().parent
SHARED = TESTS.parent.parent / "shared" / "data"
SAMPLE = SHARED / "policy_cases_sample.csv"

Row = dict[str, str]


def rows(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def policy_of(text: str) -> dict[str, Any]:
    preset, _, changes = text.partition("+")
    return PRESETS[preset] | (json.loads(changes) if changes else {})


def fact_of(token: str) -> dict[str, Any]:
    name, _, rest = token.partition("@")
    at, _, query = rest.partition("?")
    extra = dict(pair.split("=", 1) for pair in query.split("&") if pair)
    return {"at": datetime.fromisoformat(at), "fact": name, **extra}


def facts_of(issued_at: str, tokens: str) -> list[dict[str, Any]]:
    issued = {"at": datetime.fromisoformat(issued_at), "fact": "issued"}
    return [issued, *(fact_of(token) for token in tokens.split(";") if token)]


def answer_of(row: Row, tokens: str) -> Answer:
    facts = facts_of(row["issued_at"], tokens)
    others = {fact["policy"]: policy_of(fact["policy"]) for fact in facts if "policy" in fact}
    return replay(facts, policy_of(row["policy"]), datetime.fromisoformat(row["as_of"]), others)


def moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def assert_answer(answer: Answer, row: Row, expires_at: str) -> None:
    assert answer["state"] == row["state"]
    assert answer["expires_at"] == moment(expires_at)
    assert answer["eligible_from"] == moment(row["eligible_from"])
    assert answer["auto_renewal"] == row["auto_renewal"]
    assert answer["renewed_at"] == [moment(one) for one in row["renewed_at"].split(";") if one]


CASES = rows(TESTS / "domain" / "policy_cases.csv")


@pytest.mark.parametrize("row", CASES, ids=lambda row: row["case_id"])
def test_a_case_of_the_project(row: Row) -> None:
    answer = answer_of(row, row["facts"])

    assert_answer(answer, row, row["expires_at"])
    assert len(answer["refused"]) == int(row["refused"])


def test_the_cases_have_names_of_their_own() -> None:
    names = [row["case_id"] for row in CASES]

    assert len(set(names)) == len(names) >= 120


@pytest.mark.skipif(not SAMPLE.exists(), reason="the shared data folder is not beside the repository")
def test_the_sample_cases() -> None:
    for row in rows(SAMPLE):
        tokens = ";".join(token.replace("use@", "used@") for token in row["events"].split(";"))

        assert_answer(answer_of(row, tokens), row, row["expires_at_exclusive"])


@pytest.mark.skipif(not SHARED.exists(), reason="the shared data folder is not beside the repository")
def test_the_presets_are_those_of_the_shared_policies() -> None:
    written = json.loads((SHARED / "policies.json").read_text(encoding="utf-8"))

    assert written == PRESETS


@pytest.mark.parametrize(
    ("period", "months", "days"),
    [("P2Y", 24, 0), ("P18M", 18, 0), ("P1Y6M", 18, 0), ("P2W", 0, 14), ("P30D", 0, 30), ("P0D", 0, 0)],
)
def test_a_period_is_months_and_days(period: str, months: int, days: int) -> None:
    assert parts(period) == (months, days)


@pytest.mark.parametrize("period", ["", "P", "P1", "2Y", "PT1H", "P-1D", "P1D2M", "P1.5Y"])
def test_other_words_are_no_periods(period: str) -> None:
    with pytest.raises(ValueError, match="not a period"):
        parts(period)


def test_facts_out_of_order_are_not_replayed() -> None:
    facts = facts_of("2024-03-15T10:00:00+09:00", "used@2024-03-15T09:59:59+09:00")

    with pytest.raises(ValueError, match="goes back in time"):
        replay(facts, PRESETS["D"], datetime.fromisoformat("2025-01-01T00:00:00Z"), {})


def test_what_stands_in_the_way_is_told() -> None:
    facts = facts_of(
        "2024-03-15T10:00:00+09:00",
        "suspended@2025-01-01T00:00:00+09:00;renewal_objected@2025-01-02T00:00:00+09:00",
    )

    answer = replay(facts, PRESETS["X"], datetime.fromisoformat("2025-02-01T00:00:00+09:00"), {})

    assert answer["blocked_by"] == ["objection", "suspension"]


def differing_days(years: int) -> list[str]:
    """The issue days of 2019-2038, at ten o'clock, on which the two calendars of days differ."""
    found: list[str] = []
    for ordinal in range(date(2019, 1, 1).toordinal(), date(2039, 1, 1).toordinal()):
        day = date.fromordinal(ordinal)
        issued = datetime.fromisoformat(f"{day}T10:00:00+09:00")
        ends = {add(issued, f"P{years}Y", one, "Asia/Seoul") for one in ("end_of_day", "civil_kr")}
        if len(ends) == 2:
            found.append(str(day))
    return found


@pytest.mark.parametrize("years", [1, 2, 3])
def test_the_calendars_of_days_differ_on_five_days_of_twenty_years(years: int) -> None:
    days = differing_days(years)

    assert len(days) == 5
    assert all(day.endswith("-02-28") for day in days)
