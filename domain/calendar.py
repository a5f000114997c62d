"""Periods of the civil calendar and the instants at which they end.

An instant is UTC with microseconds; a day is a day in the policy's zone (domain 4.1). A year is
never 365 days and a month never 30. Every end is exclusive.
"""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import assert_never
from zoneinfo import ZoneInfo

MICROSECOND = timedelta(microseconds=1)
DAY = timedelta(days=1)
MIDNIGHT = time()
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
LATEST = datetime(2400, 1, 1, tzinfo=UTC)
"""Moments outside [EARLIEST, LATEST) are refused at the edge, so that adding a period never overflows."""
PERIOD_YEARS_MAX = 200
DAYS_IN_EVERY_MONTH = 28

_ISO_PERIOD = re.compile(r"P(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})W)?(?:(\d{1,5})D)?", re.ASCII)


class Calendar(StrEnum):
    """How a period is counted (domain 4.1)."""

    END_OF_DAY = "end_of_day"
    CIVIL_KR = "civil_kr"
    INSTANT = "instant"


@dataclass(frozen=True, slots=True)
class Period:
    """A length of civil time: whole months, then whole days."""

    months: int
    days: int

    @classmethod
    def parse(cls, text: str) -> "Period":
        """Read an ISO 8601 period of years, months, weeks and days, such as P2Y, P18M or P30D.

        Raises ValueError for anything else, a time of day and a sign included.
        """
        found = _ISO_PERIOD.fullmatch(text)
        if found is None or text == "P":
            raise ValueError(f"{text!r} is not a period: write years, months, weeks or days, like P2Y, P18M, P30D")
        years, months, weeks, days = (int(part or 0) for part in found.groups())
        period = cls(months=years * 12 + months, days=weeks * 7 + days)
        if period.months > PERIOD_YEARS_MAX * 12 or period.days > PERIOD_YEARS_MAX * 366:
            raise ValueError(f"{text!r} is longer than {PERIOD_YEARS_MAX} years")
        return period

    @property
    def is_zero(self) -> bool:
        return self.months == 0 and self.days == 0

    def __str__(self) -> str:
        years, months = divmod(self.months, 12)
        parts = ((years, "Y"), (months, "M"), (self.days, "D"))
        return "P" + ("".join(f"{count}{unit}" for count, unit in parts if count) or "0D")


NO_TIME = Period(months=0, days=0)


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def add(anchor: datetime, period: Period, *, calendar: Calendar, zone_name: str) -> datetime:
    """Return the exclusive end, in UTC, of a period that begins at `anchor`.

    The one function behind expiry and eligibility, so that both read a period alike (domain 4.1).
    """
    local = anchor.astimezone(zone(zone_name))
    match calendar:
        case Calendar.END_OF_DAY:
            return _midnight(_moved(local.date(), period) + DAY, zone_name)
        case Calendar.CIVIL_KR:
            return _midnight(_civil_end(local, period), zone_name)
        case Calendar.INSTANT:
            return _resolved(datetime.combine(_moved(local.date(), period), local.time()), zone_name)
        case _:
            assert_never(calendar)


def shift_back(moment: datetime, period: Period, *, zone_name: str) -> datetime:
    """Return the moment whose wall time lies a period earlier, the day clamped (domain 4.6)."""
    return _shifted(moment, Period(months=-period.months, days=-period.days), zone_name)


def shift_forward(moment: datetime, period: Period, *, zone_name: str) -> datetime:
    """Return the moment whose wall time lies a period later, the day clamped (domain 4.6)."""
    return _shifted(moment, period, zone_name)


def last_valid_instant(end: datetime, *, calendar: Calendar) -> datetime:
    """Return where the next period is counted from when one follows upon `end`.

    Under end_of_day that is the last microsecond of the last valid day: from `end` itself, each
    renewal would gain a day (domain 4.1).
    """
    return end - MICROSECOND if calendar is Calendar.END_OF_DAY else end


def last_valid_day(end: datetime, *, zone_name: str) -> date:
    """Return the date that people are shown: the day of the last valid microsecond."""
    return (end - MICROSECOND).astimezone(zone(zone_name)).date()


def _shifted(moment: datetime, period: Period, zone_name: str) -> datetime:
    local = moment.astimezone(zone(zone_name))
    return _resolved(datetime.combine(_moved(local.date(), period), local.time()), zone_name)


def _moved(day: date, period: Period) -> date:
    year, month = _month_after(day, period.months)
    clamped = day.day if day.day <= DAYS_IN_EVERY_MONTH else min(day.day, monthrange(year, month)[1])
    return date(year, month, clamped) + period.days * DAY


def _month_after(day: date, months: int) -> tuple[int, int]:
    years, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return years, month + 1


def _civil_end(local: datetime, period: Period) -> date:
    # Civil Act 157: the first day does not count, unless the period begins with the day itself.
    first = local.date() if local.time() == MIDNIGHT else local.date() + DAY
    year, month = _month_after(first, period.months)
    if first.day > monthrange(year, month)[1]:
        # Civil Act 160(3): without a corresponding day, the period ends with the month.
        year, month = _month_after(date(year, month, 1), 1)
        return date(year, month, 1) + period.days * DAY
    # Civil Act 160(2): it ends with the day before the corresponding day.
    return date(year, month, first.day) + period.days * DAY


def _midnight(day: date, zone_name: str) -> datetime:
    # As _resolved has it: a time of day that is made anew has fold=0.
    return datetime.combine(day, MIDNIGHT, zone(zone_name)).astimezone(UTC)


def _resolved(wall: datetime, zone_name: str) -> datetime:
    # fold=0 takes the earlier of two readings, and moves a wall time that a clock change skips forward.
    return wall.replace(tzinfo=zone(zone_name), fold=0).astimezone(UTC)
