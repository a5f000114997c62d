"""One partition under all policies of a plan: what became of its chains, as figures that add up."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sealbook.adapters.replay.contract import Mode, Outcomes, Partition, Recorded
from sealbook.adapters.replay.figures import CUSTOMERS, METRICS, Ground, Numbers, Partial, columns
from sealbook.adapters.replay.kernel_sums import Adding
from sealbook.adapters.replay.otherwise import More
from sealbook.adapters.replay.plan import Concerned, Histories, Plan
from sealbook.adapters.replay.sampling import sampled, weights
from sealbook.adapters.replay.selecting import PER_CHAIN, Rows, picked, taken, taken_uses
from sealbook.adapters.replay.self_check import compared
from sealbook.adapters.replay.unseen import Lost, Unseen, lost

CHAINS = METRICS.index("chains_locked_out")
POLICIES_AT_A_TIME = 50
"""So many are replayed before their outcomes are counted and forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """The chains of a partition that fare otherwise under a policy; `rows` is where they stand in it."""

    policy: int
    rows: Rows
    customer: Numbers
    in_force: dict[str, Any]
    under: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """The figures of a partition, and, where names are asked for, who changes."""

    partial: Partial
    changed: tuple[Changed, ...] = ()


def replayed(histories: Histories, number: int, plan: Plan) -> Replayed:
    """Replay a partition under every policy of the plan."""
    whole = histories.read(number, attempts=True, days=True)
    factual = replace(whole, facts=histories.read(number, attempts=False, days=False, in_fact=True).facts)
    rows = np.arange(whole.chains)
    if plan.share is not None:
        rows = np.flatnonzero(sampled(whole.customer, share=plan.share, seed=plan.seed))
    work = _Work(plan, taken(whole, rows), taken(factual, rows), rows)
    recorded = histories.recorded(number)
    mine = Recorded(renewals=taken_uses(recorded.renewals, rows), lapses=taken_uses(recorded.lapses, rows))
    return work.done(mine)


class _Work:
    """The work on one partition. The figures fill up, policy by policy."""

    def __init__(self, plan: Plan, partition: Partition, factual: Partition, rows: Rows) -> None:
        resamples = plan.shape.resamples
        drawn = weights(partition.customer, seed=plan.seed, resamples=resamples)
        self.plan = plan
        self.partition = partition
        self.factual = factual
        self.rows = rows
        self.ground = Ground(partition=partition, shape=plan.shape, weights=drawn)
        self.adding = Adding(self.ground)
        self.partial = Partial.empty(plan.shape, policies=len(plan.policies))
        self.changed: list[Changed] = []
        self.in_force_more = More.nothing(len(plan.others))

    def done(self, recorded: Recorded) -> Replayed:
        everyone = np.arange(self.partition.chains)
        in_force = self._in_force(everyone, self.plan.shown)
        self.partial.chains[...] = self.partition.chains
        self.partial.customers[...] = len(self.ground.firsts)
        self.partial.chains_resampled[...] = self.ground.weights.sum(axis=1)
        check, by_month = compared(recorded, in_force, self.plan)
        self.partial.check[...] = check
        self.partial.recorded_by_month[...] = by_month
        self._enter(0, in_force, in_force)
        self.in_force_more = self._more_in_force(in_force)
        self._add(0, self.in_force_more, More.nothing(2))
        for concerned in self.plan.concerned():
            self._replay(concerned, in_force)
        # In the order of the policies, whichever engine each of them has.
        return Replayed(partial=self.partial, changed=tuple(sorted(self.changed, key=lambda each: each.policy)))

    def _in_force(self, rows: Rows, mode: Mode) -> Outcomes:
        """Return what became of chains under the policy that was in force for each."""
        outcomes = _nothing(len(rows), self.plan.shape.months)
        codes: list[int] = np.unique(self.partition.policy[rows]).tolist()
        for code in codes:
            mine = np.flatnonzero(self.partition.policy[rows] == code)
            engine, policy = self.plan.engines_in_force[code], self.plan.in_force[code]
            (found,) = engine.replay(taken(self.factual, rows[mine]), [policy], self.plan.question(mode))
            _put(outcomes, mine, found)
        return outcomes

    def _replay(self, concerned: Concerned, in_force: Outcomes) -> None:
        rows = concerned.rows(self.partition, self.plan)
        part, rest = taken(self.partition, rows), np.setdiff1d(np.arange(self.partition.chains), rows)
        gone = lost(part, until=self.plan.until)
        gone = replace(gone, rows=rows[gone.rows])
        others = _copied(in_force, by_month=self._in_force(rest, self.plan.shown).by_month) if len(rest) else None
        for few in concerned.parts(POLICIES_AT_A_TIME):
            shown = few.engine.replay(part, few.policies, self.plan.question(self.plan.shown))
            for number, found in zip(few.numbers, shown, strict=True):
                self._enter(number + 1, found if others is None else _merged(others, rows, found), in_force)
            self._behave_otherwise(few, part, rows, shown, in_force, gone)

    def _behave_otherwise(
        self,
        few: Concerned,
        part: Partition,
        rows: Rows,
        shown: Sequence[Outcomes],
        in_force: Outcomes,
        gone: Lost,
    ) -> None:
        """Count the behaviors that are not shown. They change nothing for whom a policy never locks out."""
        only = np.array([found.lockouts > 0 for found in shown])
        rest = self.in_force_more.without(rows)
        replays = [
            few.engine.replay(part, few.policies, self.plan.question(mode), only=only) if only.any() else shown
            for mode in self.plan.others
        ]
        unseen = gone.under(few.engine, few.policies, self.plan.question(self.plan.shown), self.ground)
        for number, mine, found, nobody_saw, *otherwise in zip(few.numbers, only, shown, unseen, *replays, strict=True):
            locked = np.flatnonzero(mine)
            left_open = self._open(rows, found, nobody_saw)
            self._add(number + 1, self._more(rows[locked], locked, found, otherwise).and_of(rest), left_open)
            if len(nobody_saw.rows):
                of_all = in_force.lockouts > 0
                of_all[rows] = mine
                customers = self._customers(of_all, left_open)
                self.partial.beyond[number + 1, :, CUSTOMERS] += customers
                self.partial.apart[number + 1, :, CUSTOMERS] += customers
            self.partial.unseen[number + 1] = len(nobody_saw.rows)

    def _enter(self, number: int, outcomes: Outcomes, in_force: Outcomes) -> None:
        """Count what is shown of a policy. The resamples of the other modes begin with the same."""
        sums = self.adding.sums(outcomes, in_force)
        partial = self.partial
        partial.totals[number] = sums.totals
        partial.groups[number] = sums.groups
        partial.truncated[number] = sums.truncated
        partial.by_month[number] = outcomes.by_month
        partial.changed[number] = np.count_nonzero(sums.changed)
        if self.plan.shape.resamples:
            partial.resampled[number] = (self.ground.weights @ columns(self.ground, outcomes).T).T
        if self.plan.naming and number and sums.changed.any():
            self._name(number - 1, np.flatnonzero(sums.changed), outcomes, in_force)

    def _name(self, policy: int, unlike: Rows, outcomes: Outcomes, in_force: Outcomes) -> None:
        self.changed.append(
            Changed(
                policy=policy,
                rows=self.rows[unlike],
                customer=self.partition.customer[unlike],
                in_force={name: getattr(in_force, name)[unlike] for name in PER_CHAIN},
                under={name: getattr(outcomes, name)[unlike] for name in PER_CHAIN},
            )
        )

    def _more_in_force(self, in_force: Outcomes) -> More:
        locked = np.flatnonzero(in_force.lockouts > 0)
        otherwise = [self._in_force(locked, mode) for mode in self.plan.others]
        before = columns(self.ground, picked(in_force, locked), locked)
        more = np.array([columns(self.ground, each, locked) - before for each in otherwise])
        # Where refusals are on record there is nothing left of it: people did what they did.
        some = more.any(axis=(0, 1))
        return More(rows=locked[some], by_mode=more[:, :, some])

    def _more(self, rows: Rows, places: Rows, shown: Outcomes, otherwise: Sequence[Outcomes]) -> More:
        """Return by how much more it is for chains at these rows, and at these places of the outcomes."""
        before = columns(self.ground, picked(shown, places), rows)
        more = [columns(self.ground, picked(each, places), rows) - before for each in otherwise]
        return More(rows=rows, by_mode=np.array(more))

    def _add(self, number: int, more: More, unseen: More) -> None:
        partial = self.partial
        partial.beyond[number] += more.or_else(unseen).extremes()
        partial.apart[number] += more.less(self.in_force_more).or_else(unseen).extremes()
        if self.plan.shape.resamples:
            for mode, each in zip(self.plan.others, more.by_mode, strict=True):
                partial.resampled[number, mode] += (self.ground.weights[:, more.rows] @ each.T).T

    def _open(self, rows: Rows, found: Outcomes, unseen: Unseen) -> More:
        """Return by how much less and more than shown may have come of chains of which nobody saw it."""
        shown = columns(self.ground, picked(found, np.searchsorted(rows, unseen.rows)), unseen.rows)
        return More(rows=unseen.rows, by_mode=np.array([unseen.least - shown, unseen.most - shown]))

    def _customers(self, locked: NDArray[np.bool_], unseen: More) -> Numbers:
        """Return how many fewer and more customers may have been locked out, for a customer counts once, (2,)."""
        less, more = unseen.by_mode[:, CHAINS]
        without, besides = locked.copy(), locked.copy()
        without[unseen.rows[less < 0]] = False
        besides[unseen.rows[more > 0]] = True
        counts = [
            np.count_nonzero(np.logical_or.reduceat(each, self.ground.firsts)) for each in (without, locked, besides)
        ]
        return np.array([counts[0] - counts[1], counts[2] - counts[1]])


def _nothing(chains: int, months: int) -> Outcomes:
    counts = {name: np.zeros(chains, np.int32) for name in PER_CHAIN if name != "valid"}
    return Outcomes(**counts, valid=np.zeros(chains, bool), by_month=np.zeros((months, 2), np.int64))


def _copied(outcomes: Outcomes, *, by_month: Numbers) -> Outcomes:
    return Outcomes(**{name: getattr(outcomes, name).copy() for name in PER_CHAIN}, by_month=by_month.copy())


def _merged(others: Outcomes, rows: Rows, found: Outcomes) -> Outcomes:
    """Return what was found of some chains, and of the others what is known of them."""
    merged = _copied(others, by_month=others.by_month)
    _put(merged, rows, found)
    return merged


def _put(outcomes: Outcomes, rows: Rows, found: Outcomes) -> None:
    """Write what was found of some chains over what stands there; what is by month adds up."""
    for name in PER_CHAIN:
        getattr(outcomes, name)[rows] = getattr(found, name)
    outcomes.by_month[...] += found.by_month
