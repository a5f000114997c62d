"""The calendar in whole numbers is the domain's."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import cast

import numba
from hypothesis import given, settings
from hypothesis import strategies as st

from sealbook.adapters.replay import calendar_tables
from sealbook.adapters.replay.calendar_tables import CODES, FAR, tables, tick_of
from sealbook.adapters.replay.moments import SEOUL, moment_of
from sealbook.domain.calendar import MICROSECOND, Calendar, Period, add, shift_back, shift_forward
from tests.adapters.replay.histories import moments

EPOCH = datetime(1999, 12, 31, 15, tzinfo=UTC)
_periods = st.builds(Period, months=st.integers(0, 40) | st.integers(0, 2_400), days=st.integers(0, 400))
# Compiled, as kernels have them: called from here, they would run as Python.
added = cast("Callable[..., int]", numba.njit(calendar_tables.added))
shifted = cast("Callable[..., int]", numba.njit(calendar_tables.shifted))


def tick(moment: datetime) -> int:
    """Return the tick of a moment that is a whole second, or a microsecond before one."""
    seconds, rest = divmod(moment - EPOCH, timedelta(seconds=1))
    return tick_of(seconds) + (rest > timedelta(0))


# The first call compiles.
@settings(deadline=None)
@given(moments(), st.booleans(), _periods, st.sampled_from(Calendar))
def test_a_period_ends_where_the_domain_says(moment: int, last: bool, period: Period, calendar: Calendar) -> None:
    start = moment_of(moment) - (MICROSECOND if last else timedelta(0))
    end = add(start, period, calendar=calendar, zone_name=SEOUL)
    assert added(tick(start), period.months, period.days, CODES[calendar], tables()) == tick(end)


@settings(deadline=None)
@given(moments(), _periods)
def test_a_moment_is_moved_as_the_domain_moves_it(moment: int, period: Period) -> None:
    start = moment_of(moment)
    ahead = shift_forward(start, period, zone_name=SEOUL)
    assert shifted(tick(start), period.months, period.days, tables()) == tick(ahead)
    back = shift_back(start, period, zone_name=SEOUL)
    found = shifted(tick(start), -period.months, -period.days, tables())
    # Before 1989, clocks went otherwise; no moment that a replay compares lies there.
    assert found == tick(back) if back.year >= 1989 else found < tick(moment_of(tick_free(1990)))


def tick_free(year: int) -> int:
    return (datetime(year, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(seconds=1)


def test_what_lies_beyond_the_tables_never_comes() -> None:
    late = tick(datetime(2450, 1, 1, tzinfo=UTC))
    for calendar in Calendar:
        assert added(late, 12 * 100, 0, CODES[calendar], tables()) == FAR
        assert added(FAR, 1, 0, CODES[calendar], tables()) == FAR
    assert shifted(FAR, -12, 0, tables()) == FAR
    assert shifted(tick_of(0), -12 * 200, 0, tables()) == 0
