"""What the compiled kernels are given besides the chains, what they fill, and how many threads share it out."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sealbook.adapters.replay.calendar_tables import FIRST_YEAR, Tables, tables, tick_of
from sealbook.adapters.replay.compiled import compiled
from sealbook.adapters.replay.contract import Mode, Outcomes, Question, UseClasses
from sealbook.adapters.replay.terms import LOOK_BACK, SINCE, Terms, beyond_numbers, terms_of
from sealbook.domain.policy_document import RenewalPolicy

MONTHS_BEFORE_2000 = (2000 - FIRST_YEAR) * 12
RENEWALS, LAPSES, LOCKOUTS, REISSUES, VALID_DAYS, EXPOSED_DAYS, VALID = range(7)
"""The rows of what is made of a chain, and of `by_month` the first two."""


class World(NamedTuple):
    """A question and its policies in numbers: those asked about, then those that switches name.

    `until` is a tick, `first_month` counts from January 1900. Nobody comes back who `leaves`.
    """

    tables: Tables
    terms: Terms
    look_back: bool
    until: int
    exposed_after_days: int
    first_month: int
    leaves: bool
    fitted: bool
    returning: np.uint64
    delays_ticks: NDArray[np.int64]
    seed: np.uint64


class Made(NamedTuple):
    """What became of the chains, (policy, VALID + 1, chain), and by slice of chains, (slice, policy, month, 2)."""

    of_chains: NDArray[np.int32]
    by_month: NDArray[np.int64]


def world(policies: Sequence[RenewalPolicy], question: Question, classes: UseClasses) -> World:
    """Return a question in numbers. Raises ValueError if a switch names a policy of a zone that is not Seoul's."""
    for policy in question.policies:
        # A policy that is switched to issues nothing: what it says of a re-issue is not looked at.
        if beyond_numbers(policy) == "zone":
            raise ValueError(f"policy {policy.ref}, which a switch names: this engine cannot do its zone")
    behavior, terms = question.behavior, terms_of((*policies, *question.policies), classes)
    fitted = behavior.mode is Mode.AS_FITTED
    return World(
        tables=tables(),
        terms=terms,
        look_back=bool((terms.rows[:, SINCE] == LOOK_BACK).any()),
        until=tick_of(question.until),
        exposed_after_days=question.exposed_after_days,
        first_month=question.first_month + MONTHS_BEFORE_2000,
        leaves=behavior.mode is Mode.LEAVE or (fitted and not (behavior.returning and behavior.delays_seconds)),
        fitted=fitted,
        returning=np.uint64(behavior.returning),
        delays_ticks=np.array(behavior.delays_seconds, np.int64) * 2,
        seed=np.uint64(behavior.seed % 2**64),
    )


def filled(
    kernel: Callable[[int, int, int, Made], None], *, chains: int, policies: int, months: int, threads: int
) -> list[Outcomes]:
    """Return what a kernel makes of chains [begin, end), given those and a slice's number, by policy.

    The sums are over whole numbers, so they are the same for any number of threads.
    """
    cuts = [chains * each // threads for each in range(threads + 1)]
    made = Made(
        np.zeros((policies, VALID + 1, chains), np.int32),
        np.zeros((threads, policies, months, 2), np.int64),
    )

    def share(number: int) -> None:
        kernel(cuts[number], cuts[number + 1], number, made)

    if threads == 1:
        share(0)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(share, range(threads)))
    by_month = made.by_month.sum(axis=0)
    return [_outcomes(of_chains, months) for of_chains, months in zip(made.of_chains, by_month, strict=True)]


def _outcomes(of_chains: NDArray[np.int32], by_month: NDArray[np.int64]) -> Outcomes:
    return Outcomes(
        renewals=of_chains[RENEWALS],
        lapses=of_chains[LAPSES],
        lockouts=of_chains[LOCKOUTS],
        reissues=of_chains[REISSUES],
        valid_days=of_chains[VALID_DAYS],
        exposed_days=of_chains[EXPOSED_DAYS],
        valid=of_chains[VALID].astype(np.bool_),
        by_month=by_month,
    )


@compiled
def column_of_month(day: int, world: World, months: int) -> int:
    """Return where a day is counted; what lies outside the months asked about, in the first or the last."""
    return max(0, min(months - 1, int(world.tables.month[day]) - world.first_month))


@compiled
def drawn(key: np.uint64, draws: int, world: World) -> int:
    """Return after how many ticks somebody comes back who was locked out `draws` times before; -1 for never."""
    mixed = _splitmix64(key + np.uint64(0x9E3779B97F4A7C15) * np.uint64(draws + 1) + world.seed)
    if (mixed >> np.uint64(32)) >= world.returning:
        return -1
    return int(world.delays_ticks[np.int64(_splitmix64(mixed) % np.uint64(len(world.delays_ticks)))])


@compiled
def _splitmix64(mixed: np.uint64) -> np.uint64:
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
