"""The check before every result: does a replay of the policies in force come to what was recorded?"""

from dataclasses import dataclass

import numpy as np

from sealbook.adapters.replay.contract import Outcomes, Recorded, Uses
from sealbook.adapters.replay.figures import Numbers, Partial, months_of
from sealbook.adapters.replay.plan import Plan

CHAINS, DIFFERING, RENEWALS, LAPSES, RENEWALS_REPLAYED, LAPSES_REPLAYED = range(6)


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfCheck:
    """How far the replay of the policies in force differs from the record.

    A chain differs where it had not as many renewals and lapses. `months_agree` tells whether as many fell into each
    month.
    """

    chains: int
    differing: int
    renewals: int
    lapses: int
    renewals_replayed: int
    lapses_replayed: int
    months_agree: bool

    @property
    def agrees(self) -> bool:
        return self.differing == 0 and self.months_agree


def compared(recorded: Recorded, replayed: Outcomes, plan: Plan) -> tuple[Numbers, Numbers]:
    """Return the check's counts of a partition, and the recorded renewals and lapses by month."""
    renewals, lapses = (_counted(each, plan.until) for each in (recorded.renewals, recorded.lapses))
    unlike = (renewals != replayed.renewals) | (lapses != replayed.lapses)
    sums = [renewals.sum(), lapses.sum(), replayed.renewals.sum(), replayed.lapses.sum()]
    by_month = np.stack([_by_month(each, plan) for each in (recorded.renewals, recorded.lapses)], axis=1)
    return np.array([len(unlike), unlike.sum(), *sums], np.int64), by_month


def self_check(partial: Partial) -> SelfCheck:
    check = [int(each) for each in partial.check]
    return SelfCheck(
        chains=check[CHAINS],
        differing=check[DIFFERING],
        renewals=check[RENEWALS],
        lapses=check[LAPSES],
        renewals_replayed=check[RENEWALS_REPLAYED],
        lapses_replayed=check[LAPSES_REPLAYED],
        months_agree=bool((partial.by_month[0] == partial.recorded_by_month).all()),
    )


def _counted(uses: Uses, until: int) -> Numbers:
    """Return how many of each chain lie in time."""
    sums = np.concatenate([np.zeros(1, np.int64), np.cumsum(uses.at <= until, dtype=np.int64)])
    counted: Numbers = np.diff(sums[uses.begin])
    return counted


def _by_month(uses: Uses, plan: Plan) -> Numbers:
    months = months_of(uses.at[uses.at <= plan.until]) - plan.shape.first_month
    return np.bincount(np.clip(months, 0, plan.shape.months - 1), minlength=plan.shape.months)
