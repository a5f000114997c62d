"""A run: every partition of a snapshot under every policy, by threads or by processes, summed to a report.

What they hand back are whole numbers that add up, so a report is the same, bit by bit, for any number of them.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from sealbook.adapters.replay.figures import Numbers, Partial, Shape, months_of
from sealbook.adapters.replay.fitting import Fitted, fitted, refusals
from sealbook.adapters.replay.moments import month_of, seconds_of
from sealbook.adapters.replay.plan import Asked, Histories, Plan, engines_for
from sealbook.adapters.replay.replaying import Changed, replayed
from sealbook.adapters.replay.report import Report, told
from sealbook.adapters.replay.sampling import RESAMPLES
from sealbook.adapters.replay.self_check import SelfCheck, self_check
from sealbook.adapters.replay.workers import Workers, workers

THREADS_MAX = 8
"""Each has a partition in memory, and what became of it under some policies: some 300 MB."""
POLICIES_AT_ONCE = 250
"""A larger sweep reads the snapshot more than once, so that memory does not grow with it."""

Advanced = Callable[[int, int], None]
Named = Callable[[Sequence[Changed], Sequence[str]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What a first look at a partition finds: lock-outs and returns, and the month of the first issue."""

    refusals: Numbers
    first_month: int | None


class Run:
    """A run over a snapshot. Prepare it once, check it, then compute."""

    def __init__(self, histories: Histories, asked: Asked, *, version: str, processes: int = 1) -> None:
        """Find the engines. Raises CannotReplay where there is none for a policy, ValueError for a bad date."""
        self._histories = histories
        self._asked = asked
        self._version = version
        self._processes = processes
        policies, classes = tuple(asked.policies.values()), histories.use_classes
        # What is one partition is shared out among threads by its chains.
        threads = threads_at_most() if histories.partitions == 1 else 1
        self._engines = engines_for(policies, engine=asked.engine, classes=classes, threads=threads)
        in_force = "reference" if asked.engine == "reference" else "auto"
        self._engines_in_force = engines_for(histories.policies, engine=in_force, classes=classes, threads=threads)
        self._until = seconds_of(histories.as_of)

    def report(self, *, advanced: Advanced = lambda _done, _total: None, named: Named | None = None) -> Report:
        """Compute everything; `named` is told who changes, partition by partition in order."""
        with self._workers() as work:
            return self._computed(work, advanced, named)

    def plan(self) -> Plan:
        """Return what is computed for each partition, after a look at all of them."""
        with self._workers() as work:
            return self._plan(*self._look(work))

    def checked(self) -> SelfCheck:
        """Compute the self-check alone."""
        with self._workers() as work:
            plan = replace(self._plan(*self._look(work)), policies=(), engines=(), naming=False)
            return self_check(self._summed(work, plan, lambda _: None, None))

    def _workers(self) -> AbstractContextManager[Workers]:
        # Threads take turns with what is not compiled.
        compiled = all(each.name != "reference" for each in (*self._engines, *self._engines_in_force))
        threads = threads_at_most() if compiled else 1
        return workers(self._histories, processes=self._processes, threads=threads)

    def _computed(self, work: Workers, advanced: Advanced, named: Named | None) -> Report:
        fit, first_month = self._look(work)
        plan = replace(self._plan(fit, first_month), naming=named is not None)
        batches = [slice(at, at + POLICIES_AT_ONCE) for at in range(0, len(plan.policies), POLICIES_AT_ONCE)]
        total, parts = self._histories.partitions * len(batches), list[Partial]()
        for number, batch in enumerate(batches):
            part = replace(plan, policies=plan.policies[batch], engines=plan.engines[batch])
            found = partial(_shifted, named, batch.start) if named else None
            begin = number * self._histories.partitions
            parts.append(self._summed(work, part, partial(_further, advanced, begin, total), found))
        return told(self._histories, self._asked, plan, parts, version=self._version)

    def _look(self, work: Workers) -> tuple[Fitted | None, int]:
        numbers = range(self._histories.partitions)
        seen = list(work.done(partial(_look, until=self._until), numbers))
        found = np.concatenate([np.zeros((0, 2), np.int64), *(each.refusals for each in seen)])
        last = month_of(self._histories.as_of)
        first = min((each.first_month for each in seen if each.first_month is not None), default=last)
        return fitted(found, until=self._until), min(first, last)

    def _plan(self, fit: Fitted | None, first_month: int) -> Plan:
        histories, asked = self._histories, self._asked
        shape = Shape(
            kinds=len(histories.kinds),
            holders=len(histories.holders),
            channels=len(histories.channels),
            first_month=first_month,
            months=month_of(histories.as_of) - first_month + 1,
            fees=tuple((asked.fees or {}).get(kind, 0) for kind in histories.kinds),
            resamples=0 if asked.sample is None else RESAMPLES,
        )
        return Plan(
            policies=tuple(asked.policies.values()),
            in_force=histories.policies,
            engines=self._engines,
            engines_in_force=self._engines_in_force,
            kinds=histories.kinds,
            holders=histories.holders,
            channels=histories.channels,
            until=self._until,
            exposed_after_days=asked.exposed_after_days,
            shape=shape,
            fitted=fit,
            share=asked.sample,
            seed=asked.seed,
            naming=False,
        )

    def _summed(self, work: Workers, plan: Plan, advanced: Callable[[int], None], named: Named | None) -> Partial:
        sums = Partial.empty(plan.shape, policies=len(plan.policies))
        numbers = range(self._histories.partitions)
        for number, each in enumerate(work.done(partial(_replay, plan=plan), numbers)):
            sums = sums + each.partial
            if named is not None and each.changed:
                named(each.changed, self._histories.names(number))
            advanced(number + 1)
        return sums


def threads_at_most() -> int:
    """Return how many threads a process has for its work: as many as it may use processors, within reason."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, THREADS_MAX)


def _further(advanced: Advanced, begin: int, total: int, done: int) -> None:
    advanced(begin + done, total)


def _shifted(named: Named, start: int, changed: Sequence[Changed], names: Sequence[str]) -> None:
    named([replace(each, policy=each.policy + start) for each in changed], names)


def _look(histories: Histories, number: int, *, until: int) -> _Seen:
    partition = histories.read(number, attempts=False, days=False)
    months = months_of(partition.issued_at)
    return _Seen(
        refusals=refusals(histories.refused(number), partition.facts, histories.recorded(number), until=until),
        first_month=int(months.min()) if partition.chains else None,
    )


def _replay(histories: Histories, number: int, *, plan: Plan) -> Any:  # noqa: ANN401 (named where it is used)
    return replayed(histories, number, plan)
