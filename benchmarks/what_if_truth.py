"""A bank whose truth is known: what a replay of its log says of other policies, beside what would have happened.

The log is that of the policy in force. What people would have done after it lost them is in no log: the bounds hold as
much of it as there can have been.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.synthetic_bank import FIRST_DAY, LAST_DAY, UNTIL, Bank
from benchmarks.what_if_lives import Terms, lived, log_of
from sealbook.adapters.replay.contract import Behavior, Engine, Mode, Outcomes, Partition, Question, Recorded
from sealbook.adapters.replay.figures import METRICS as METRICS_OF_ALL
from sealbook.adapters.replay.figures import Ground, Shape
from sealbook.adapters.replay.fitting import fitted, refusals
from sealbook.adapters.replay.unseen import lost

IN_FORCE = Terms(validity_months=24, eligible_months=12)
POLICIES = (
    IN_FORCE,
    Terms(validity_months=12, eligible_months=6),
    Terms(validity_months=36, eligible_months=12),
    Terms(validity_months=24, eligible_months=6),
    Terms(validity_months=24, eligible_months=18),
    Terms(validity_months=24, eligible_months=12, grace_days=90),
)
METRICS = ("renewals", "lockouts", "chains_locked_out", "reissues")
DAYS_A_MONTH_MIN = 28
Totals = dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What is true of a policy and what a replay says: all leaving, all returning, some as they did in fact.

    `lower` and `higher` are what the bounds have besides, for those whom the policy in force lost.
    """

    label: str
    truth: Totals
    leave: Totals
    come_back: Totals
    as_fitted: Totals
    lower: Totals
    higher: Totals

    def low(self, metric: str) -> int:
        return min(self.leave[metric], self.come_back[metric]) + self.lower[metric]

    def high(self, metric: str) -> int:
        return max(self.leave[metric], self.come_back[metric]) + self.higher[metric]


def judged(bank: Bank, engine: Engine, policies: Sequence[Terms] = POLICIES) -> list[Judged]:
    """Let a bank live under each policy, and replay the log of the first under all of them."""
    lives = list(bank.partitions())
    recorded = [log_of(each, policies[0]) for each in lives]
    logs = [log for log, _ in recorded]
    as_fitted = _fitted(recorded)
    found = list[Judged]()
    for terms in policies:
        said = {
            mode: _sum(_totals(_replayed(engine, log, terms, behavior)) for log in logs)
            for mode, behavior in (
                (Mode.LEAVE, Behavior(mode=Mode.LEAVE)),
                (Mode.RETURN, Behavior(mode=Mode.RETURN)),
                (Mode.AS_FITTED, as_fitted),
            )
        }
        lower, higher = zip(*(_beyond(engine, log, terms) for log in logs), strict=True)
        found.append(
            Judged(
                label=terms.label,
                truth=_sum(lived(each, terms).totals for each in lives),
                leave=said[Mode.LEAVE],
                come_back=said[Mode.RETURN],
                as_fitted=said[Mode.AS_FITTED],
                lower=_sum(lower),
                higher=_sum(higher),
            )
        )
    return found


def question(behavior: Behavior) -> Question:
    """Ask of the whole life of the bank."""
    return Question(
        policies=(IN_FORCE.policy,),
        until=UNTIL,
        exposed_after_days=180,
        behavior=behavior,
        first_month=(FIRST_DAY * 12) // 365,
        months=(LAST_DAY - FIRST_DAY) // DAYS_A_MONTH_MIN,
    )


def _replayed(engine: Engine, log: Partition, terms: Terms, behavior: Behavior) -> Outcomes:
    (outcomes,) = engine.replay(log, [terms.policy], question(behavior))
    return outcomes


def _totals(outcomes: Outcomes) -> Totals:
    return {
        "renewals": int(outcomes.renewals.sum()),
        "lockouts": int(outcomes.lockouts.sum()),
        "chains_locked_out": int(np.count_nonzero(outcomes.lockouts)),
        "reissues": int(outcomes.reissues.sum()),
    }


def _fitted(recorded: Sequence[tuple[Partition, Recorded]]) -> Behavior:
    """Let people do after a lock-out what those did who were locked out in fact."""
    of_logs = [
        refusals(log.refused, log.facts, decided, until=UNTIL) for log, decided in recorded if log.refused is not None
    ]
    found = fitted(np.concatenate(of_logs), until=UNTIL)
    if found is None:
        return Behavior(mode=Mode.AS_FITTED)
    return found.behavior(seed=1)


def _beyond(engine: Engine, log: Partition, terms: Terms) -> tuple[Totals, Totals]:
    """Return how much lower and higher it may be because of those whom the policy in force lost."""
    kinds, holders = int(log.kind.max()) + 1, int(log.holder.max()) + 1
    shape = Shape(kinds=kinds, holders=holders, channels=1, first_month=0, months=1, fees=(0,) * kinds)
    ground = Ground(partition=log, shape=shape, weights=np.zeros((0, log.chains), np.int64))
    asked = question(Behavior(mode=Mode.RETURN))
    (unseen,) = lost(log, until=UNTIL).under(engine, [terms.policy], asked, ground)
    lower, higher = ({name: int(row[METRICS_OF_ALL.index(name)]) for name in METRICS} for row in unseen.beyond)
    return lower, higher


def _sum(totals: Iterable[Totals]) -> Totals:
    held = list(totals)
    return {metric: sum(each[metric] for each in held) for metric in METRICS}
