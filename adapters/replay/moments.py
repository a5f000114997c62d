"""Moments as whole seconds since 2000-01-01 00:00 in Seoul, and the days and months of Seoul that they lie in."""

from datetime import UTC, datetime, timedelta

from sealbook.domain.calendar import zone

SEOUL = "Asia/Seoul"
EPOCH = datetime(2000, 1, 1, tzinfo=zone(SEOUL)).astimezone(UTC)
EPOCH_YEAR = 2000
MONTHS_IN_A_YEAR = 12
DAY_SECONDS = 86_400
SECOND = timedelta(seconds=1)
FIRST = datetime(1989, 1, 1, tzinfo=zone(SEOUL)).astimezone(UTC)
END = datetime(2068, 1, 1, tzinfo=zone(SEOUL)).astimezone(UTC)
"""Moments in [FIRST, END) fit into 32 bits, and no clock of Seoul was changed in between."""


def seconds_of(moment: datetime) -> int:
    """Return a moment as seconds, a fraction cut off. Raises ValueError for one before 1989 or after 2067."""
    if not FIRST <= moment < END:
        raise ValueError(f"{moment.isoformat()} lies outside the years 1989 to 2067 of Seoul, which a replay covers")
    return (moment - EPOCH) // SECOND


def moment_of(seconds: int) -> datetime:
    """Return the moment in UTC. Raises ValueError for one before 1989 or after 2067."""
    moment = EPOCH + seconds * SECOND
    if not FIRST <= moment < END:
        raise ValueError(f"{seconds} s since 2000 lie outside the years 1989 to 2067 of Seoul, which a replay covers")
    return moment


def day_of(seconds: int) -> int:
    """Return the day of Seoul, counted from 2000-01-01 on."""
    return seconds // DAY_SECONDS


def month_of(moment: datetime) -> int:
    """Return the month of Seoul, counted from January 2000 on."""
    local = moment.astimezone(zone(SEOUL))
    return (local.year - EPOCH_YEAR) * MONTHS_IN_A_YEAR + local.month - 1
