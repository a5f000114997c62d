"""Periods, their ends under the three calendars, and wall times that a clock change skips or repeats."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealbook.domain.calendar import (
    MICROSECOND,
    PERIOD_YEARS_MAX,
    Calendar,
    Period,
    add,
    last_valid_day,
    last_valid_instant,
    shift_back,
    shift_forward,
)
from tests.domain.examples import kst

SEOUL, NEW_YORK = "Asia/Seoul", "America/New_York"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def end(anchor: datetime, period: str, calendar: Calendar, zone_name: str = SEOUL) -> datetime:
    return add(anchor, Period.parse(period), calendar=calendar, zone_name=zone_name)


@pytest.mark.parametrize(
    ("anchor", "period", "expected"),
    [
        pytest.param("2024-03-15T10:00", "P2Y", "2026-03-16", id="an ordinary day"),
        pytest.param("2019-01-30T14:00", "P2Y", "2021-01-31", id="as the Korean authorities publish it"),
        pytest.param("2024-03-15T00:00", "P2Y", "2026-03-16", id="at midnight, the day it begins"),
        pytest.param("2024-03-15T23:59:59.999999", "P2Y", "2026-03-16", id="at the last microsecond of a day"),
        pytest.param("2024-02-29T10:00", "P2Y", "2026-03-01", id="a leap day to a common year"),
        pytest.param("2024-02-29T10:00", "P4Y", "2028-03-01", id="a leap day to a leap year"),
        pytest.param("2026-02-28T10:00", "P2Y", "2028-02-29", id="a last of February to a leap year"),
        pytest.param("2023-01-31T10:00", "P1M", "2023-03-01", id="a month's end, clamped"),
        pytest.param("2024-01-31T10:00", "P1M", "2024-03-01", id="a month's end, clamped to a leap day"),
        pytest.param("2024-08-31T10:00", "P6M", "2025-03-01", id="a month's end over the year's"),
        pytest.param("2024-12-31T10:00", "P1D", "2025-01-02", id="days over the year's end"),
        pytest.param("2024-01-31T10:00", "P1M1D", "2024-03-02", id="months before days"),
        pytest.param("2024-03-15T10:00", "P0D", "2024-03-16", id="no time is the rest of the day"),
    ],
)
def test_a_period_ends_with_its_last_day(anchor: str, period: str, expected: str) -> None:
    assert end(kst(anchor), period, Calendar.END_OF_DAY) == kst(expected)


@pytest.mark.parametrize(
    ("anchor", "period", "expected"),
    [
        pytest.param("2024-03-15T10:00", "P2Y", "2026-03-16", id="the first day does not count"),
        pytest.param("2024-03-15T00:00", "P2Y", "2026-03-15", id="at midnight the first day counts"),
        pytest.param("2024-02-29T00:00", "P2Y", "2026-03-01", id="at midnight of a leap day the month ends it"),
        pytest.param("2024-02-29T10:00", "P2Y", "2026-03-01", id="on a leap day"),
        pytest.param("2026-02-28T10:00", "P2Y", "2028-03-01", id="the last of February gains the leap day"),
        pytest.param("2023-01-30T10:00", "P1M", "2023-03-01", id="no corresponding day, so the month ends it"),
        pytest.param("2023-01-30T10:00", "P1M1D", "2023-03-02", id="no corresponding day, and a day more"),
        pytest.param("2023-01-30T10:00", "P2M", "2023-03-31", id="a corresponding day that is a month's last"),
        pytest.param("2024-12-31T10:00", "P1M", "2025-02-01", id="counted from New Year"),
        pytest.param("2024-03-15T10:00", "P30D", "2024-04-15", id="thirty days"),
    ],
)
def test_a_period_of_the_civil_act_ends_before_the_corresponding_day(anchor: str, period: str, expected: str) -> None:
    assert end(kst(anchor), period, Calendar.CIVIL_KR) == kst(expected)


@pytest.mark.parametrize(
    ("anchor", "period", "expected"),
    [
        pytest.param("2024-03-15T10:00:00.000001", "P2Y", "2026-03-15T10:00:00.000001", id="the same wall time"),
        pytest.param("2024-02-29T10:00", "P2Y", "2026-02-28T10:00", id="a leap day, clamped"),
        pytest.param("2024-03-31T10:00", "P1M", "2024-04-30T10:00", id="a month's end, clamped"),
    ],
)
def test_a_period_to_the_instant_ends_at_the_same_wall_time(anchor: str, period: str, expected: str) -> None:
    assert end(kst(anchor), period, Calendar.INSTANT) == kst(expected)


@pytest.mark.parametrize(
    ("zone_name", "anchor", "period", "expected"),
    [
        # 1987-05-10 02:00-03:00 was skipped in Seoul, 1987-10-11 02:00-03:00 came twice.
        pytest.param(SEOUL, "1987-04-09T17:30", "P1M", "1987-05-09T17:30", id="Seoul, skipped: an hour forward"),
        pytest.param(SEOUL, "1987-09-10T16:30", "P1M", "1987-10-10T16:30", id="Seoul, repeated: the earlier"),
        pytest.param(NEW_YORK, "2025-02-09T07:30", "P1M", "2025-03-09T07:30", id="New York, skipped"),
        pytest.param(NEW_YORK, "2025-10-02T05:30", "P1M", "2025-11-02T05:30", id="New York, repeated"),
        pytest.param(NEW_YORK, "2025-11-02T06:30", "P6Y", "2031-11-02T05:30", id="New York, repeated to repeated"),
        pytest.param(NEW_YORK, "2025-03-08T15:00", "P1D", "2025-03-09T14:00", id="New York, a day of 23 hours"),
    ],
)
def test_a_clock_change_moves_forward_or_takes_the_earlier(
    zone_name: str, anchor: str, period: str, expected: str
) -> None:
    assert end(utc(anchor), period, Calendar.INSTANT, zone_name) == utc(expected)


@pytest.mark.parametrize("calendar", list(Calendar))
def test_an_end_is_told_in_utc(calendar: Calendar) -> None:
    assert end(kst("2024-03-15T10:00"), "P2Y", calendar).tzinfo is UTC


def test_a_day_of_another_zone_ends_at_its_own_midnight() -> None:
    assert end(utc("2025-03-08T15:00"), "P1D", Calendar.END_OF_DAY, NEW_YORK) == utc("2025-03-10T04:00")


@pytest.mark.parametrize(
    ("moment", "period", "expected"),
    [
        pytest.param("2026-03-31T10:00", "P1M", "2026-02-28T10:00", id="the day clamped"),
        pytest.param("2026-01-15T10:00", "P1Y2M", "2024-11-15T10:00", id="over years"),
        pytest.param("2026-03-01T00:00", "P30D", "2026-01-30T00:00", id="days"),
        pytest.param("2026-03-01T00:00", "P0D", "2026-03-01T00:00", id="no time"),
    ],
)
def test_a_shift_back_keeps_the_wall_time(moment: str, period: str, expected: str) -> None:
    assert shift_back(kst(moment), Period.parse(period), zone_name=SEOUL) == kst(expected)


def test_a_shift_forward_keeps_the_wall_time() -> None:
    assert shift_forward(kst("2026-01-31T10:00"), Period.parse("P1M1D"), zone_name=SEOUL) == kst("2026-03-01T10:00")


@pytest.mark.parametrize(
    ("calendar", "expected"),
    [
        (Calendar.END_OF_DAY, kst("2026-03-16") - MICROSECOND),
        (Calendar.CIVIL_KR, kst("2026-03-16")),
        (Calendar.INSTANT, kst("2026-03-16")),
    ],
)
def test_the_last_valid_instant_is_within_the_day_only_by_end_of_day(calendar: Calendar, expected: datetime) -> None:
    assert last_valid_instant(kst("2026-03-16"), calendar=calendar) == expected


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        pytest.param(kst("2026-03-16T00:00"), date(2026, 3, 15), id="at midnight it is the day before"),
        pytest.param(kst("2026-03-16T10:00"), date(2026, 3, 16), id="within a day it is that day"),
        pytest.param(kst("2026-03-16T00:00") + MICROSECOND, date(2026, 3, 16), id="just after midnight as well"),
    ],
)
def test_people_are_shown_the_day_of_the_last_valid_microsecond(moment: datetime, day: date) -> None:
    assert last_valid_day(moment, zone_name=SEOUL) == day


@pytest.mark.parametrize(
    ("text", "months", "days"),
    [
        ("P2Y", 24, 0),
        ("P18M", 18, 0),
        ("P30D", 0, 30),
        ("P2W", 0, 14),
        ("P0D", 0, 0),
        ("P0Y", 0, 0),
        ("P1Y2M3W4D", 14, 25),
        ("P200Y", 2400, 0),
        ("P73200D", 0, 73200),
    ],
)
def test_a_period_is_whole_months_then_whole_days(text: str, months: int, days: int) -> None:
    assert Period.parse(text) == Period(months=months, days=days)


@pytest.mark.parametrize(
    "text",
    ["", "P", "2Y", "p2y", "P-1D", "-P1D", "P1.5Y", "PT1H", "P1DT1H", "P1D2M", "P1Y ", " P1Y", "P1Y\n", "P٢Y", "P1"],
)
def test_anything_else_is_no_period(text: str) -> None:
    with pytest.raises(ValueError, match="is not a period"):
        Period.parse(text)


@pytest.mark.parametrize("text", ["P201Y", "P2401M", "P73201D", "P9999Y"])
def test_a_period_of_centuries_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is longer than 200 years"):
        Period.parse(text)


@pytest.mark.parametrize(
    ("text", "written"),
    [("P24M", "P2Y"), ("P18M", "P1Y6M"), ("P2W", "P14D"), ("P0M", "P0D"), ("P1Y1M1D", "P1Y1M1D")],
)
def test_a_period_has_one_way_to_be_written(text: str, written: str) -> None:
    assert str(Period.parse(text)) == written


@given(
    st.builds(
        Period,
        months=st.integers(0, PERIOD_YEARS_MAX * 12),
        days=st.integers(0, PERIOD_YEARS_MAX * 366),
    )
)
def test_a_written_period_is_read_back(period: Period) -> None:
    assert Period.parse(str(period)) == period


@pytest.mark.parametrize(("text", "zero"), [("P0D", True), ("P1D", False), ("P1M", False)])
def test_a_period_of_no_time_is_zero(text: str, zero: bool) -> None:
    assert Period.parse(text).is_zero is zero


instants = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(st.lists(instants, min_size=2, max_size=2), st.sampled_from(["P1M", "P1Y", "P2Y", "P30D", "P1Y1M1D"]))
def test_a_later_anchor_never_ends_earlier_in_the_calendars_of_days(anchors: list[datetime], period: str) -> None:
    first, second = sorted(anchors)

    for calendar in (Calendar.END_OF_DAY, Calendar.CIVIL_KR):
        assert end(first, period, calendar) <= end(second, period, calendar)
