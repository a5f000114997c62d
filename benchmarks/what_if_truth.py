"""A bank whose truth is known: what a replay of its log says of other policies, beside what would have happened.

The log is that of the policy in force. What people would have done after it lost them is in no log: a replay can only
say how much of it there could be at most.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.synthetic_bank import FIRST_DAY, LAST_DAY, SECONDS_A_DAY, UNTIL, Bank, Numbers
from benchmarks.what_if_lives import Terms, lived, log_of
from sealbook.adapters.replay.contract import (
    Behavior,
    Engine,
    Facts,
    Mode,
    Outcomes,
    Partition,
    Question,
    Recorded,
    Uses,
)
from sealbook.adapters.replay.fitting import fitted, refusals
from sealbook.adapters.replay.selecting import taken

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
Times = NDArray[np.signedinteger[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What is true of a policy and what a replay says: all leaving, all returning, some as they did in fact.

    `unseen` is how much more there can be at most of those whom the policy in force lost, and this one had kept.
    """

    label: str
    truth: Totals
    leave: Totals
    come_back: Totals
    as_fitted: Totals
    unseen: Totals

    def low(self, metric: str) -> int:
        return min(self.leave[metric], self.come_back[metric])

    def high(self, metric: str) -> int:
        return max(self.leave[metric], self.come_back[metric])


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
        found.append(
            Judged(
                label=terms.label,
                truth=_sum(lived(each, terms).totals for each in lives),
                leave=said[Mode.LEAVE],
                come_back=said[Mode.RETURN],
                as_fitted=said[Mode.AS_FITTED],
                unseen=_sum(_unseen(engine, log, terms) for log in logs),
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
    found = fitted(np.concatenate([refusals(log, decided, until=UNTIL) for log, decided in recorded]), until=UNTIL)
    if found is None:
        return Behavior(mode=Mode.AS_FITTED)
    return found.behavior(seed=1)


def _unseen(engine: Engine, log: Partition, terms: Terms) -> Totals:
    """Return how much more there can be of chains whose log ends with a refusal that this policy would not have made.

    Had the last refused attempts been accepted in fact, then a replay in which all return issues anew at them, unless
    the policy had kept the chain valid: so it shows which those are.
    """
    lost = _lost(log)
    if not len(lost):
        return dict.fromkeys(METRICS, 0)
    come_back = Behavior(mode=Mode.RETURN)
    as_it_was = _replayed(engine, taken(log, lost), terms, come_back)
    had_it_served = _replayed(engine, _served(taken(log, lost)), terms, come_back)
    kept = as_it_was.reissues == had_it_served.reissues
    _, refused = _attempts(log)
    left_days = (UNTIL - _last(refused)[lost][kept]) // SECONDS_A_DAY
    # What is valid until the end without a use more cannot lapse with some.
    lapses = np.where(had_it_served.valid[kept], 0, 1 + left_days // (terms.validity_months * DAYS_A_MONTH_MIN))
    return {
        "renewals": int((1 + left_days // (terms.eligible_months * DAYS_A_MONTH_MIN)).sum()),
        "lockouts": int(lapses.sum()),
        "chains_locked_out": int(np.count_nonzero(lapses)),
        "reissues": int(lapses.sum()),
    }


def _lost(log: Partition) -> Numbers:
    """Return the chains of whose people nothing is known any more after a refusal."""
    accepted, refused = _attempts(log)
    last = _last(refused)
    return np.flatnonzero((last > _last(accepted)) & (last > _last(log.facts)))


def _served(log: Partition) -> Partition:
    """Return the log as if the attempts after the last new credential had all been accepted."""
    accepted, refused = _attempts(log)
    chain = _chain_of(refused)
    served = refused.at > _last(log.facts)[chain]
    at = np.concatenate([accepted.at, refused.at[served]])
    of = np.concatenate([_chain_of(accepted), chain[served]])
    order = np.lexsort((at, of))
    return replace(
        log,
        accepted=_uses(of[order], at[order], log.chains),
        refused=_uses(chain[~served], refused.at[~served], log.chains),
    )


def _attempts(log: Partition) -> tuple[Uses, Uses]:
    if log.accepted is None or log.refused is None:
        raise ValueError("the attempts were not read")
    return log.accepted, log.refused


def _uses(chain: Numbers, at: Times, chains: int) -> Uses:
    return Uses(begin=np.searchsorted(chain, np.arange(chains + 1)), at=at.astype(np.int32))


def _chain_of(held: Uses | Facts) -> Numbers:
    return np.repeat(np.arange(len(held.begin) - 1), np.diff(held.begin))


def _last(held: Uses | Facts) -> Numbers:
    """Return the last moment of each chain; -1 without any."""
    last = np.append(held.at, -1).astype(np.int64)
    return np.where(np.diff(held.begin) > 0, last[held.begin[1:] - 1], -1)


def _sum(totals: Iterator[Totals]) -> Totals:
    held = list(totals)
    return {metric: sum(each[metric] for each in held) for metric in METRICS}
