"""The rivals: chains replayed in the eventsourcing library's aggregates, and in one statement of DuckDB.

Both know one use that renews, by the end of the day, no grace, and that all who are locked out return at once.
"""

from calendar import monthrange
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from re import sub
from typing import ClassVar
from uuid import UUID

import duckdb
import numpy as np
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from benchmarks.synthetic_bank import SECONDS_A_DAY, UNTIL, Numbers
from benchmarks.what_if_lives import Terms
from sealbook.adapters.replay.contract import Facts, Partition, Uses
from sealbook.adapters.replay.snapshot_arrow import arrow, lists

EPOCH = date(2000, 1, 1)
REISSUED, SERVED, REFUSED = range(3)
"""What a happening is, in the last two bits of its number; the day is above them."""
BITS = 2
CHAIN_BITS = 40
EXPOSED_AFTER_DAYS = 180
TODAY = UNTIL // SECONDS_A_DAY
STATE = ("ends", "opens", "span", "last", "locked", "renewals", "lockouts", "reissues", "valid_days", "exposed_days")
NEW = {"ends": "END_OF(x >> 2)", "opens": "OPENING_OF(x >> 2)"}
USED = {"last": "x >> 2", "exposed_days": f"s.exposed_days + greatest(0, (x >> 2) - 1 - s.last - {EXPOSED_AFTER_DAYS})"}
ISSUED_ANEW = {
    **NEW,
    "span": "x >> 2",
    "last": "x >> 2",
    "locked": "false",
    "lockouts": "s.lockouts + (x & 3 = 1 AND NOT s.locked)::INTEGER",
    "reissues": "s.reissues + 1",
    "valid_days": "s.valid_days + s.ends - s.span",
    "exposed_days": f"s.exposed_days + greatest(0, s.ends - 1 - s.last - {EXPOSED_AFTER_DAYS})",
}
LOCKED_OUT = {"locked": "true", "lockouts": "s.lockouts + (NOT s.locked)::INTEGER"}


def _state(changes: Mapping[str, str]) -> str:
    """Return a state as DuckDB writes one: what does not change is as it was."""
    return "{" + ", ".join(f"'{name}': {changes.get(name, f's.{name}')}" for name in STATE) + "}"


BEGUN = dict.fromkeys(STATE, "0") | {
    "ends": "END_OF(issued)",
    "opens": "OPENING_OF(issued)",
    "span": "issued",
    "last": "issued",
    "locked": "false",
}
REPLAY = f"""
WITH replayed AS (
    SELECT list_reduce(
        happened,
        lambda s, x: CASE
            WHEN x >> 2 < s.ends AND x & 3 = 0 THEN s
            WHEN x >> 2 < s.ends AND x >> 2 < s.opens THEN {_state(USED)}
            WHEN x >> 2 < s.ends THEN {_state(USED | NEW | {"renewals": "s.renewals + 1"})}
            WHEN x & 3 < 2 THEN {_state(ISSUED_ANEW)}
            ELSE {_state(LOCKED_OUT)}
        END,
        {_state(BEGUN)}
    ) AS told FROM chains
), ended AS (SELECT told, least(told.ends - 1, {TODAY}) AS last FROM replayed)
SELECT
    sum(told.renewals)::BIGINT,
    sum(told.lockouts)::BIGINT,
    sum(told.reissues)::BIGINT,
    sum(told.valid_days + last - told.span + 1)::BIGINT,
    sum(told.exposed_days + greatest(0, last - told.last - {EXPOSED_AFTER_DAYS}))::BIGINT
FROM ended
"""  # noqa: S608 (it is made of the words above)
Totals = tuple[int, ...]
"""Renewals, lock-outs, reissues, valid days, exposed days."""


def happened(log: Partition) -> tuple[Numbers, Numbers]:
    """Return what happened to the chains, each at [begin[i], begin[i + 1]), in time order."""
    if log.accepted is None or log.refused is None:
        raise ValueError("the attempts were not read")
    keys = np.sort(
        np.concatenate([_keys(log.facts, REISSUED), _keys(log.accepted, SERVED), _keys(log.refused, REFUSED)])
    )
    begin = np.searchsorted(keys, np.arange(log.chains + 1) << CHAIN_BITS)
    at = (keys & (1 << CHAIN_BITS) - 1) >> BITS
    return begin, at // SECONDS_A_DAY << BITS | keys & (1 << BITS) - 1


class Chain(Aggregate):
    """A chain in the library's own style, its decisions taken anew while its events are applied."""

    terms: ClassVar[Terms] = Terms(validity_months=24, eligible_months=12)

    @event("Issued")
    def __init__(self, day: int) -> None:
        self.renewals = self.lockouts = self.reissues = self.valid_days = self.exposed_days = 0
        self.locked = False
        self.span = self.last = day
        self._start(day)

    @event("Used")
    def use(self, day: int, *, refused: bool) -> None:
        if day < self.ends:
            self.exposed_days += max(0, day - 1 - self.last - EXPOSED_AFTER_DAYS)
            self.last = day
            if day >= self.opens:
                self.renewals += 1
                self._start(day)
            return
        if not self.locked:
            self.lockouts += 1
            self.locked = True
        if not refused:
            self._reissue(day)

    @event("Reissued")
    def reissue(self, day: int) -> None:
        if day >= self.ends:
            self._reissue(day)

    def days_on(self, today: int) -> tuple[int, int]:
        """Return the valid days until today, and the exposed ones."""
        last = min(self.ends - 1, today)
        unused = max(0, last - self.last - EXPOSED_AFTER_DAYS)
        return self.valid_days + last - self.span + 1, self.exposed_days + unused

    def _reissue(self, day: int) -> None:
        self.valid_days, self.exposed_days = self.days_on(self.ends)
        self.reissues += 1
        self.span = self.last = day
        self._start(day)

    def _start(self, day: int) -> None:
        self.ends = end_of_day(day, self.terms.validity_months)
        self.opens = end_of_day(day, self.terms.eligible_months)
        self.locked = False


class PlainLibrary:
    """The library's application over its store in memory, which holds events as a database would, as JSON."""

    def __init__(self, log: Partition) -> None:
        self._application = Application[UUID]({"PERSISTENCE_MODULE": "eventsourcing.popo"})
        begin, numbers = (each.tolist() for each in happened(log))
        issued: list[int] = (log.issued_at // SECONDS_A_DAY).tolist()
        self._ids = [
            self._saved(day, numbers[first:last])
            for day, first, last in zip(issued, begin[:-1], begin[1:], strict=True)
        ]

    def replay(self, terms: Terms) -> Totals:
        """Load every chain and return what became of all under a policy."""
        Chain.terms = terms
        found = list[Chain]()
        for each in self._ids:
            chain: Chain = self._application.repository.get(each)
            found.append(chain)
        return (
            sum(chain.renewals for chain in found),
            sum(chain.lockouts for chain in found),
            sum(chain.reissues for chain in found),
            *map(sum, zip(*(chain.days_on(TODAY) for chain in found), strict=True)),
        )

    def _saved(self, issued: int, numbers: Sequence[int]) -> UUID:
        chain = Chain(day=issued)
        for day, what in ((number >> BITS, number & (1 << BITS) - 1) for number in numbers):
            if what == REISSUED:
                chain.reissue(day=day)
            else:
                chain.use(day=day, refused=what == REFUSED)
        self._application.save(chain)
        return chain.id


class DuckDb:
    """A table of chains in memory, a row each, with what happened to it as a list."""

    def __init__(self, log: Partition) -> None:
        self._connection = duckdb.connect()
        begin, numbers = happened(log)
        flat = arrow.table(
            {"issued": log.issued_at // SECONDS_A_DAY, "happened": lists(begin, numbers.astype(np.int32))}
        )
        self._connection.register("flat", flat)
        self._connection.execute("CREATE TABLE chains AS SELECT * FROM flat")

    def replay(self, terms: Terms) -> Totals:
        """Return what became of all chains under a policy."""
        (found,) = self._connection.execute(_sql(terms)).fetchall()
        return tuple(found)


@cache
def end_of_day(day: int, months: int) -> int:
    """Return the day after the one so many months later, days counted from 2000 on."""
    at = EPOCH + timedelta(days=day)
    year, month = divmod(at.year * 12 + at.month - 1 + months, 12)
    moved = date(year, month + 1, min(at.day, monthrange(year, month + 1)[1]))
    return (moved - EPOCH).days + 1


def _sql(terms: Terms) -> str:
    return sub(
        r"END_OF\((.*?)\)",
        _moved(terms.validity_months),
        sub(r"OPENING_OF\((.*?)\)", _moved(terms.eligible_months), REPLAY),
    )


def _moved(months: int) -> str:
    return rf"((DATE '2000-01-01' + (\1) + INTERVAL {months} MONTH)::DATE - DATE '2000-01-01' + 1)"


def _keys(held: Uses | Facts, what: int) -> Numbers:
    chain = np.repeat(np.arange(len(held.begin) - 1), np.diff(held.begin))
    return chain << CHAIN_BITS | held.at.astype(np.int64) << BITS | what
