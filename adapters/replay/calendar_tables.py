"""The civil calendar in whole numbers, for compiled code: two table look-ups add months to a day.

A tick is half a second since 1900-01-01 00:00 in Seoul. The calendar knows only whole seconds, but for the last
valid instant of a day, a microsecond before midnight: that is the odd tick before it, and it compares with whole
seconds as the instant does.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sealbook.adapters.replay.compiled import compiled
from sealbook.domain.calendar import Calendar

TICKS_PER_SECOND = 2
TICKS_PER_DAY = 86_400 * TICKS_PER_SECOND
FIRST_YEAR, END_YEAR = 1900, 2501
DAYS_BEFORE_2000 = 36_524
"""Days of Seoul from 1900-01-01 to 2000-01-01."""
FAR = 2**60
"""The tick of what never comes.

Also of what lies beyond the tables: no moment that is asked about is later than 2067, and what leads back from an
end that far, two periods of 200 years at most, is still later than that.
"""

END_OF_DAY, CIVIL_KR, INSTANT = 0, 1, 2
CODES = {Calendar.END_OF_DAY: END_OF_DAY, Calendar.CIVIL_KR: CIVIL_KR, Calendar.INSTANT: INSTANT}


class Tables(NamedTuple):
    """Days count from 1900-01-01, months from January 1900. `first_day` has one month more than the days reach."""

    month: NDArray[np.int16]
    day_of_month: NDArray[np.int8]
    first_day: NDArray[np.int32]


@cache
def tables() -> Tables:
    """Return the tables of all days of the years 1900 to 2500."""
    months = np.arange(f"{FIRST_YEAR}-01", f"{END_YEAR}-02", dtype="datetime64[M]")
    first_day = (months.astype("datetime64[D]") - np.datetime64(f"{FIRST_YEAR}-01-01")).astype(np.int32)
    lengths = np.diff(first_day)
    month = np.repeat(np.arange(len(lengths), dtype=np.int16), lengths)
    day_of_month = (np.arange(len(month), dtype=np.int32) - first_day[month] + 1).astype(np.int8)
    return Tables(month, day_of_month, first_day)


def tick_of(moment: int) -> int:
    """Return the tick of a moment in seconds since 2000-01-01."""
    return (moment + DAYS_BEFORE_2000 * 86_400) * TICKS_PER_SECOND


@compiled
def moved(day: int, months: int, days: int, tables: Tables) -> int:
    """Return the day that lies months, then days later, clamped to the end of the month; -1 outside the tables."""
    if day < 0 or day >= len(tables.month):
        return -1
    month = tables.month[day] + months
    if month < 0 or month + 1 >= len(tables.first_day):
        return -1
    first = np.int64(tables.first_day[month])
    last = np.int64(tables.first_day[month + 1]) - 1
    return int(min(first + tables.day_of_month[day] - 1, last)) + days


@compiled
def added(tick: int, months: int, days: int, calendar: int, tables: Tables) -> int:
    """Return the exclusive end of a period, a tick, as the domain's `add` has it; FAR for one outside the tables."""
    if tick >= FAR:
        return FAR
    day = tick // TICKS_PER_DAY
    if calendar == CIVIL_KR:
        return _civil_end(day + (tick % TICKS_PER_DAY > 0), months, days, tables)
    there = moved(day, months, days, tables)
    if there < 0:
        return FAR
    if calendar == INSTANT:
        return there * TICKS_PER_DAY + tick % TICKS_PER_DAY
    return (there + 1) * TICKS_PER_DAY


@compiled
def shifted(tick: int, months: int, days: int, tables: Tables) -> int:
    """Return a tick moved in wall time, the day clamped: FAR, or 0 for one that is moved back out of the tables."""
    if tick >= FAR:
        return FAR
    there = moved(tick // TICKS_PER_DAY, months, days, tables)
    if there < 0:
        return 0 if months < 0 or days < 0 else FAR
    return there * TICKS_PER_DAY + tick % TICKS_PER_DAY


@compiled
def _civil_end(first: int, months: int, days: int, tables: Tables) -> int:
    # Civil Act 160(3): without a corresponding day, the period ends with the month.
    if first >= len(tables.month):
        return FAR
    month = tables.month[first] + months
    if month + 1 >= len(tables.first_day):
        return FAR
    corresponding = np.int64(tables.first_day[month]) + tables.day_of_month[first] - 1
    return (int(min(corresponding, np.int64(tables.first_day[month + 1]))) + days) * TICKS_PER_DAY
