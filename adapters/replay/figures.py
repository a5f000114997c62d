"""The figures of a partition: what became of its chains, counted by what they have in common.

All are whole numbers that add up over partitions in any order, so a run comes to the same on any number of
processes. Those of the policies in force stand first, those of the policies asked about after them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sealbook.adapters.replay.contract import Moments, Outcomes, Partition
from sealbook.adapters.replay.moments import DAY_SECONDS, EPOCH_YEAR
from sealbook.adapters.replay.selecting import Rows

METRICS = (
    "renewals",
    "lapses",
    "lockouts",
    "chains_locked_out",
    "customers_locked_out",
    "reissues",
    "cost",
    "valid_days",
    "exposed_days",
    "still_valid",
)
CUSTOMERS = METRICS.index("customers_locked_out")
GROUPINGS = ("kind", "holder", "cohort", "channel")
MODES = 3

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How many groups there are of each sort, the months counted from `first_month` on; what a reissue costs by kind.

    Costs are whole amounts of one currency. `resamples` is 0 where all customers are replayed.
    """

    kinds: int
    holders: int
    channels: int
    first_month: int
    months: int
    fees: tuple[int, ...]
    resamples: int = 0

    @property
    def widths(self) -> tuple[int, ...]:
        """How many groups each of GROUPINGS has."""
        return self.kinds, self.holders, self.months, self.channels


@dataclass(frozen=True, slots=True, kw_only=True)
class Partial:
    """Figures of some partitions, under n policies: those in force first.

    All are of the mode that is shown but `resampled`, the totals of each resample by mode, (n, modes, metrics,
    resamples). `totals`, (n, metrics), are of all chains, `truncated` of the truncated ones, `groups` side by side in
    the order of GROUPINGS, (n, metrics, groups); `by_month`, (n, months, 2), has renewals and lapses. `beyond`, (n, 2,
    metrics), is by how much totals may be lower and higher, whatever each does whose doing is not known, and `apart` by
    how much their differences from those in force. `changed`, (n), is how many chains fare otherwise than in fact,
    `unseen`, (n), how many were lost in fact that would have been kept. `chains`, `customers` and `chains_resampled`
    say how many were replayed, `check` counts chains, those that differ, and renewals and lapses, recorded and
    replayed, `recorded_by_month` says when the recorded ones were, (months, 2).
    """

    totals: Numbers
    resampled: Numbers
    groups: Numbers
    truncated: Numbers
    by_month: Numbers
    changed: Numbers
    unseen: Numbers
    beyond: Numbers
    apart: Numbers
    chains: Numbers
    customers: Numbers
    chains_resampled: Numbers
    check: Numbers
    recorded_by_month: Numbers

    def __add__(self, other: "Partial") -> "Partial":
        return Partial(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)})

    @classmethod
    def empty(cls, shape: Shape, *, policies: int) -> "Partial":
        """Return the figures of no chains at all, under so many policies and those in force."""
        n, metrics = policies + 1, len(METRICS)
        sizes: dict[str, tuple[int, ...]] = {
            "totals": (n, metrics),
            "resampled": (n, MODES, metrics, shape.resamples),
            "groups": (n, metrics, sum(shape.widths)),
            "truncated": (n, metrics),
            "by_month": (n, shape.months, 2),
            "changed": (n,),
            "unseen": (n,),
            "beyond": (n, 2, metrics),
            "apart": (n, 2, metrics),
            "chains": (),
            "customers": (),
            "chains_resampled": (shape.resamples,),
            "check": (6,),
            "recorded_by_month": (shape.months, 2),
        }
        return cls(**{name: np.zeros(size, np.int64) for name, size in sizes.items()})


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What the chains of a partition have in common, found once for all policies."""

    partition: Partition
    shape: Shape
    weights: Numbers

    @cached_property
    def fees(self) -> Numbers:
        return np.array(self.shape.fees, np.int64)[self.partition.kind]

    @cached_property
    def firsts(self) -> Rows:
        """Where each customer's chains begin."""
        customer = self.partition.customer
        return np.flatnonzero(np.concatenate([np.ones(min(len(customer), 1), bool), customer[1:] != customer[:-1]]))

    @cached_property
    def grouped(self) -> Numbers:
        """The group of each chain in each grouping, (4, n), all groupings numbered in one row."""
        months = months_of(self.partition.issued_at) - self.shape.first_month
        cohort = np.clip(months, 0, self.shape.months - 1)
        of = (self.partition.kind, self.partition.holder, cohort, self.partition.channel)
        begin = np.cumsum((0, *self.shape.widths[:-1]))
        grouped: Numbers = np.array(of, np.int64).reshape(len(of), -1) + begin[:, np.newaxis]
        return grouped

    @cached_property
    def cells(self) -> tuple[NDArray[Any], Numbers]:
        """The chains that are in the same groups throughout: which these are of each cell, and each chain's cell."""
        key = np.zeros(self.partition.chains, np.int64)
        for row in self.grouped:
            key = key * sum(self.shape.widths) + row
        _, first, cell = np.unique(key, return_index=True, return_inverse=True)
        member = np.zeros((len(first), sum(self.shape.widths)), np.int64)
        member[np.arange(len(first)), self.grouped[:, first]] = 1
        return member, cell


def columns(ground: Ground, outcomes: Outcomes, rows: Rows | None = None) -> Numbers:
    """Return the metrics of chains one by one, (metrics, n): of all, or of those at the rows that were replayed.

    A customer who was locked out counts at the first of his chains, and only where all chains are there.
    """
    fees = ground.fees if rows is None else ground.fees[rows]
    found = np.zeros((len(METRICS), len(outcomes.renewals)), np.int64)
    locked = outcomes.lockouts > 0
    of = (outcomes.renewals, outcomes.lapses, outcomes.lockouts, locked, None, outcomes.reissues)
    rest = (outcomes.reissues * fees, outcomes.valid_days, outcomes.exposed_days, outcomes.valid)
    for number, each in enumerate((*of, *rest)):
        if each is not None:
            found[number] = each
    if rows is None and len(locked):
        found[CUSTOMERS, ground.firsts] = np.logical_or.reduceat(locked, ground.firsts)
    return found


def months_of(at: Moments) -> Numbers:
    """Return the month of Seoul of each moment, counted from January 2000 on."""
    days = np.datetime64(f"{EPOCH_YEAR}-01-01", "D") + (at // DAY_SECONDS).astype("timedelta64[D]")
    return (days.astype("datetime64[M]") - np.datetime64(f"{EPOCH_YEAR}-01", "M")).astype(np.int64)


def month_named(month: int) -> str:
    """Return a month counted from January 2000 on as 2021-03."""
    return f"{EPOCH_YEAR + month // 12}-{month % 12 + 1:02}"


def split_groups(shape: Shape, row: Numbers) -> Iterator[tuple[str, Numbers]]:
    """Yield each grouping with its own part of a row of all groups; groups are the last axis."""
    ends = np.cumsum(shape.widths)
    for name, width, end in zip(GROUPINGS, shape.widths, ends, strict=True):
        yield name, row[..., end - width : end]
