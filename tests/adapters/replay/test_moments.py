"""Moments as seconds, days and months of Seoul, held against the time zone database."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from sealbook.adapters.replay.contract import NEVER
from sealbook.adapters.replay.moments import DAY_SECONDS, END, FIRST, day_of, moment_of, month_of, seconds_of
from sealbook.domain.calendar import MICROSECOND
from tests.domain.examples import kst

SEOUL = ZoneInfo("Asia/Seoul")
DAYS = (date(2068, 1, 1) - date(1989, 1, 1)).days


def test_seconds_are_counted_from_the_first_midnight_of_2000_in_seoul() -> None:
    assert seconds_of(kst("2000-01-01")) == 0
    assert seconds_of(kst("2000-01-02T00:00:01")) == DAY_SECONDS + 1
    assert seconds_of(kst("1999-12-31T23:59:59")) == -1
    assert moment_of(DAY_SECONDS) == datetime(2000, 1, 1, 15, tzinfo=UTC)


def test_a_fraction_is_cut_off() -> None:
    assert seconds_of(kst("2000-01-01T00:00:01") + MICROSECOND) == 1
    assert seconds_of(kst("2000-01-01") - MICROSECOND) == -1


def test_every_day_and_month_is_one_of_the_time_zone_database() -> None:
    for number in range(DAYS):
        day = date(1989, 1, 1) + timedelta(days=number)
        begin = datetime(day.year, day.month, day.day, tzinfo=SEOUL)
        seconds = seconds_of(begin)

        assert begin.utcoffset() == timedelta(hours=9)
        assert seconds == (day - date(2000, 1, 1)).days * DAY_SECONDS
        assert day_of(seconds) == day_of(seconds + DAY_SECONDS - 1) == (day - date(2000, 1, 1)).days
        assert moment_of(seconds) == begin
        assert month_of(begin) == (day.year - 2000) * 12 + day.month - 1


def test_a_month_begins_at_midnight_in_seoul() -> None:
    assert month_of(kst("2024-03-01") - MICROSECOND) == 24 * 12 + 1
    assert month_of(kst("2024-03-01")) == 24 * 12 + 2


@pytest.mark.parametrize("moment", [FIRST - MICROSECOND, END, kst("1988-07-01"), kst("2399-01-01")])
def test_a_moment_that_a_replay_does_not_cover_is_refused(moment: datetime) -> None:
    with pytest.raises(ValueError, match=r"^\S+ lies outside the years 1989 to 2067 of Seoul, which a replay covers$"):
        seconds_of(moment)


@pytest.mark.parametrize("seconds", [seconds_of(FIRST) - 1, seconds_of(END - MICROSECOND) + 1, NEVER])
def test_seconds_that_a_replay_does_not_cover_are_refused(seconds: int) -> None:
    with pytest.raises(ValueError, match=r"^-?\d+ s since 2000 lie outside the years 1989 to 2067 of Seoul"):
        moment_of(seconds)


def test_whatever_is_covered_fits_into_the_columns() -> None:
    first, last = seconds_of(FIRST), seconds_of(END - MICROSECOND)

    assert np.iinfo(np.int32).min <= first <= last < NEVER
    assert np.iinfo(np.int16).min <= day_of(first) <= day_of(last) <= np.iinfo(np.int16).max
