"""Months: commands are carried out in the order of time, and at each month's end the timers run."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby

from sealbook.application.cascades import carry_out
from sealbook.application.commands import Command
from sealbook.application.ledger import Outcome
from sealbook.application.ports import EventStore
from sealbook.application.timers import Timers
from sealbook.domain.kind_document import KindBook

COMMANDS_A_BATCH = 500


def live(
    store: EventStore, commands: Sequence[Command], *, kinds: KindBook, until: datetime
) -> Iterator[list[Outcome]]:
    """Carry out commands that are in time order, and what follows of them or of the clock; yield their outcomes."""
    timers = Timers(store, kinds)
    for month, asked in _by_month(commands, until):
        timers.run(until=month)
        for start in range(0, len(asked), COMMANDS_A_BATCH):
            yield carry_out(store, asked[start : start + COMMANDS_A_BATCH], kinds=kinds)
    timers.run(until=until)


def _by_month(commands: Sequence[Command], until: datetime) -> Iterator[tuple[datetime, list[Command]]]:
    """Yield every month from the first command on, by its first instant, with what is asked in it."""
    asked = {month: list(each) for month, each in groupby(commands, key=lambda each: _month(each.request.at))}
    month = min(asked, default=until)
    while month <= until:
        yield month, asked.get(month, [])
        month = _month_after(month)


def _month(at: datetime) -> datetime:
    return at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _month_after(month: datetime) -> datetime:
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
