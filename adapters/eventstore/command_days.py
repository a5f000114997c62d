"""Days of command ids: each day has a partition, made ahead; the days that are kept no more are dropped whole."""

from datetime import date, timedelta
from typing import NamedTuple

from psycopg import Connection

from sealbook.adapters.eventstore.postgres import translated

AHEAD_DAYS = 7
_LOCK_WAIT_SECONDS = 5


class DaysKept(NamedTuple):
    """How many days' partitions were made and how many were dropped."""

    made: int
    dropped: int


def keep_command_days(connection: Connection, *, today: date, kept_days: int, ahead_days: int = AHEAD_DAYS) -> DaysKept:
    """Make the partitions of the coming days and drop those of more than `kept_days` ago, as the maintenance role.

    Afterwards a command id that says a dropped day is refused: whether it was carried out is not known any
    more. Raises Unavailable when the ledger is too busy to let go of its table for a moment.
    """
    with translated(), connection.transaction():
        connection.execute("SELECT set_config('lock_timeout', %s, true)", [f"{_LOCK_WAIT_SECONDS}s"])
        connection.execute("SET LOCAL ROLE sealbook_owner")
        row = connection.execute(
            "SELECT made, dropped FROM sealbook.keep_command_days(%s, %s, %s)",
            [today - timedelta(days=kept_days), today, today + timedelta(days=ahead_days)],
        ).fetchone()
    return DaysKept(*row) if row else DaysKept(0, 0)
