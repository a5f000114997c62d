"""What became of the chains of a partition, added up by what they have in common: one pass in compiled code."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sealbook.adapters.replay.compiled import compiled, kept
from sealbook.adapters.replay.contract import Outcomes
from sealbook.adapters.replay.csr import to_read
from sealbook.adapters.replay.figures import METRICS, Ground, Numbers

_NOBODY = -1
(
    RENEWALS,
    LAPSES,
    LOCKOUTS,
    CHAINS_LOCKED_OUT,
    CUSTOMERS,
    REISSUES,
    COST,
    VALID_DAYS,
    EXPOSED_DAYS,
    STILL_VALID,
) = range(len(METRICS))


class _Made(NamedTuple):
    """What became of chains, as columns."""

    renewals: NDArray[np.int32]
    lapses: NDArray[np.int32]
    lockouts: NDArray[np.int32]
    reissues: NDArray[np.int32]
    valid_days: NDArray[np.int32]
    exposed_days: NDArray[np.int32]
    valid: NDArray[np.bool_]


class _Common(NamedTuple):
    """What chains have in common whatever became of them. `customer` counts up from one customer to the next."""

    customer: Numbers
    cell: Numbers
    groups: Numbers
    truncated: NDArray[np.bool_]
    fee: Numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """The metrics of all chains, of the truncated ones, (metrics,), and by group, (metrics, groups).

    `changed` tells of each chain whether anything became of it otherwise than of the one it was compared with.
    """

    totals: Numbers
    truncated: Numbers
    groups: Numbers
    changed: NDArray[np.bool_]


class Adding:
    """Adds up what became of the chains of a partition, for one policy after the other."""

    def __init__(self, ground: Ground) -> None:
        customer = np.zeros(ground.partition.chains, np.int64)
        customer[ground.firsts] = 1
        member, cell = ground.cells
        columns = (np.cumsum(customer), cell, ground.grouped, ground.partition.truncated, ground.fees)
        kinds = (np.int64, np.int64, np.int64, np.bool_, np.int64)
        self._common = _Common(*(to_read(each, kind) for each, kind in zip(columns, kinds, strict=True)))
        self._member = member

    def sums(self, outcomes: Outcomes, against: Outcomes) -> Sums:
        """Return the sums of what became of the chains, and which of them fared otherwise than against others.

        A customer who was locked out counts in the totals at the first of his chains, and once in each group in which
        he was locked out.
        """
        by_cell = np.zeros((len(self._member), len(METRICS)), np.int64)
        truncated = np.zeros(len(METRICS), np.int64)
        customers = np.zeros((2, self._member.shape[1]), np.int64)
        customers[1] = _NOBODY
        changed = np.zeros(len(outcomes.renewals), np.bool_)
        _add_up(_made(outcomes), _made(against), self._common, by_cell, truncated, customers, changed)
        groups: Numbers = by_cell.T @ self._member
        groups[CUSTOMERS] = customers[0]
        return Sums(totals=by_cell.sum(axis=0), truncated=truncated, groups=groups, changed=changed)


def _made(outcomes: Outcomes) -> _Made:
    return _Made(
        to_read(outcomes.renewals, np.int32),
        to_read(outcomes.lapses, np.int32),
        to_read(outcomes.lockouts, np.int32),
        to_read(outcomes.reissues, np.int32),
        to_read(outcomes.valid_days, np.int32),
        to_read(outcomes.exposed_days, np.int32),
        to_read(outcomes.valid, np.bool_),
    )


@kept
def _add_up(
    made: _Made,
    against: _Made,
    common: _Common,
    by_cell: Numbers,
    truncated: Numbers,
    customers: Numbers,
    changed: NDArray[np.bool_],
) -> None:
    """Add to the sums. `customers` counts by group, and remembers who was counted there last."""
    first = locked_out = 0
    for chain in range(len(made.renewals)):
        if common.customer[chain] != common.customer[first]:
            first, locked_out = chain, 0
        locked = made.lockouts[chain] > 0
        _add(made, chain, common.fee[chain], by_cell[common.cell[chain]])
        if common.truncated[chain]:
            _add(made, chain, common.fee[chain], truncated)
        if locked and not locked_out:
            locked_out = 1
            by_cell[common.cell[first], CUSTOMERS] += 1
            truncated[CUSTOMERS] += common.truncated[first]
        for grouping in range(len(common.groups) if locked else 0):
            group = common.groups[grouping, chain]
            if customers[1, group] != common.customer[chain]:
                customers[0, group] += 1
                customers[1, group] = common.customer[chain]
        changed[chain] = _differs(made, against, chain)


@compiled
def _add(made: _Made, chain: int, fee: int, sums: Numbers) -> None:
    sums[RENEWALS] += made.renewals[chain]
    sums[LAPSES] += made.lapses[chain]
    sums[LOCKOUTS] += made.lockouts[chain]
    sums[CHAINS_LOCKED_OUT] += made.lockouts[chain] > 0
    sums[REISSUES] += made.reissues[chain]
    sums[COST] += made.reissues[chain] * fee
    sums[VALID_DAYS] += made.valid_days[chain]
    sums[EXPOSED_DAYS] += made.exposed_days[chain]
    sums[STILL_VALID] += made.valid[chain]


@compiled
def _differs(made: _Made, against: _Made, chain: int) -> bool:
    return bool(
        made.renewals[chain] != against.renewals[chain]
        or made.lapses[chain] != against.lapses[chain]
        or made.lockouts[chain] != against.lockouts[chain]
        or made.reissues[chain] != against.reissues[chain]
        or made.valid_days[chain] != against.valid_days[chain]
        or made.exposed_days[chain] != against.exposed_days[chain]
        or made.valid[chain] != against.valid[chain]
    )
