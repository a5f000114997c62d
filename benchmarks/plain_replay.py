"""The rivals: chains replayed in the eventsourcing library's aggregates, and in one statement of DuckDB.

Both know one use that renews, by the end of the day, no grace, and that all who are locked out return at once.
"""

from calendar import monthrange
from collections.abc import Sequence
from datetime import date, timedelta
from functools import cache
from re import sub
from typing import ClassVar
from uuid import UUID

import duckdb
import numpy as np
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from benchmarks.synthetic_bank import SECONDS_A_DAY, Numbers
from benchmarks.what_if_lives import Terms
from sealbook.adapters.replay.contract import Facts, Partition, Uses
from sealbook.adapters.replay.snapshot_arrow import arrow, lists

EPOCH = date(2000, 1, 1)
REISSUED, SERVED, REFUSED = range(3)
"""What a happening is, in the last two bits of its number; the day is above them."""
BITS = 2
CHAIN_BITS = 40
REPLAY = """
WITH replayed AS (
    SELECT list_reduce(
        happened,
        lambda s, x: CASE
            WHEN x & 3 = 0 AND x >> 2 < s.ends OR x & 3 > 0 AND x >> 2 < s.opens THEN s
            WHEN x >> 2 < s.ends THEN
                {'ends': END_OF(x >> 2), 'opens': OPENING_OF(x >> 2), 'locked': false,
                 'renewals': s.renewals + 1, 'lockouts': s.lockouts, 'reissues': s.reissues}
            WHEN x & 3 < 2 THEN
                {'ends': END_OF(x >> 2), 'opens': OPENING_OF(x >> 2), 'locked': false, 'renewals': s.renewals,
                 'lockouts': s.lockouts + (x & 3 = 1 AND NOT s.locked)::INTEGER, 'reissues': s.reissues + 1}
            ELSE
                {'ends': s.ends, 'opens': s.opens, 'locked': true, 'renewals': s.renewals,
                 'lockouts': s.lockouts + (NOT s.locked)::INTEGER, 'reissues': s.reissues}
        END,
        {'ends': END_OF(issued), 'opens': OPENING_OF(issued), 'locked': false,
         'renewals': 0, 'lockouts': 0, 'reissues': 0}
    ) AS told FROM chains
)
SELECT sum(told.renewals)::BIGINT, sum(told.lockouts)::BIGINT, sum(told.reissues)::BIGINT FROM replayed
"""
Totals = tuple[int, ...]
"""Renewals, lock-outs, reissues."""


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
        self.renewals = self.lockouts = self.reissues = 0
        self.locked = False
        self._start(day)

    @event("Used")
    def use(self, day: int, *, refused: bool) -> None:
        if day < self.ends:
            if day >= self.opens:
                self.renewals += 1
                self._start(day)
            return
        if not self.locked:
            self.lockouts += 1
            self.locked = True
        if not refused:
            self.reissues += 1
            self._start(day)

    @event("Reissued")
    def reissue(self, day: int) -> None:
        if day >= self.ends:
            self.reissues += 1
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
        found = self._connection.execute(_sql(terms)).fetchall()
        ((renewals, lockouts, reissues),) = found
        return renewals, lockouts, reissues


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
