"""Some chains of a partition: whom a policy concerns, who is in a sample."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sealbook.adapters.replay.contract import Days, Facts, Outcomes, Partition, Places, Uses

Rows = NDArray[np.int64]
PER_CHAIN = ("renewals", "lapses", "lockouts", "reissues", "valid_days", "exposed_days", "valid")
"""What of an outcome is of each chain."""


def taken(partition: Partition, rows: Rows) -> Partition:
    """Return the chains at these rows, in their order; the partition itself where those are all."""
    if len(rows) == partition.chains:
        return partition
    days = partition.days
    return Partition(
        key=partition.key[rows],
        customer=partition.customer[rows],
        kind=partition.kind[rows],
        holder=partition.holder[rows],
        channel=partition.channel[rows],
        policy=partition.policy[rows],
        truncated=partition.truncated[rows],
        issued_at=partition.issued_at[rows],
        accepted=_uses(partition.accepted, rows),
        refused=_uses(partition.refused, rows),
        facts=_facts(partition.facts, rows),
        days=days and Days(first_day=days.first_day, attempted=days.attempted[rows], refused=days.refused[rows]),
    )


def taken_uses(uses: Uses, rows: Rows) -> Uses:
    """Return the uses of the chains at these rows."""
    begin, of = _spread(uses.begin, rows)
    return replace(uses, begin=begin, at=uses.at[of], use_class=None if uses.use_class is None else uses.use_class[of])


def picked(outcomes: Outcomes, rows: Rows) -> Outcomes:
    """Return what became of the chains at these rows; what is by month is that of all."""
    return Outcomes(**{name: getattr(outcomes, name)[rows] for name in PER_CHAIN}, by_month=outcomes.by_month)


def _uses(uses: Uses | None, rows: Rows) -> Uses | None:
    return None if uses is None else taken_uses(uses, rows)


def _facts(facts: Facts, rows: Rows) -> Facts:
    begin, of = _spread(facts.begin, rows)
    return Facts(begin=begin, at=facts.at[of], kind=facts.kind[of], place=facts.place[of], detail=facts.detail[of])


def _spread(begin: Places, rows: Rows) -> tuple[Places, NDArray[Any]]:
    """Return where the lists of the rows begin when they stand alone, and where each item of them stands now."""
    lengths = begin[rows + 1] - begin[rows]
    fresh = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
    return fresh, np.repeat(begin[rows] - fresh[:-1], lengths) + np.arange(fresh[-1], dtype=np.int64)
