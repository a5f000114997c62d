"""A made-up bank: who would use a credential when, if no policy ever stood in the way. Nothing in it is a customer's.

Rates of use differ as in a gamma distribution, so that many use theirs a few times and a few use it daily. Some stop
for months and return, some stop for good. The same seed gives the same bank, partition by partition.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

PARTITION = 32_768
BLOCK = 4_096
"""Chains that are made at once: this many lives fit into little memory, whatever their uses."""
SECONDS_A_DAY = 86_400
FIRST_DAY, LAST_DAY = 6_940, 6_940 + 1_826
"""The bank opens on 2019-01-01, and is looked at five years later; days count from 2000-01-01."""
UNTIL = LAST_DAY * SECONDS_A_DAY - 1
COHORT_DAYS = 730
"""Credentials are issued in the first two years, more of them at the beginning."""
RATE_SHAPE = 0.7
DORMANT_SHARE, DORMANT_DAYS = 0.45, 400.0
DROPPED_SHARE = 0.15
"""Share of those who stop for a time, and for how long on average; share of those who stop for good."""
MEAN_LIFE_DAYS = 1_535.0
ACTIVE = 0.84
"""Of the uses that a rate would give over a life, those not lost by stopping."""
HOURS = np.array([1, 1, 1, 1, 1, 1, 3, 6, 9, 11, 11, 10, 12, 10, 9, 9, 9, 9, 10, 9, 9, 8, 6, 3], dtype=np.float64)
"""How many attempts fall into each hour of the day."""
SHARED_CUSTOMERS = 0.08
"""Share of chains that belong to the customer of the chain before."""
KINDS, HOLDERS, CHANNELS = ("kb_mobile_certificate", "otp_device"), ("individual", "corporate"), ("branch", "app")

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intended:
    """Lives of chains: their first issue and when their people would try to use them, in time order within a chain.

    Attempts of chain i stand at [begin[i], begin[i + 1]). `number` tells chains of the whole bank apart.
    """

    number: Numbers
    customer: Numbers
    kind: NDArray[np.uint8]
    holder: NDArray[np.uint8]
    channel: NDArray[np.uint8]
    issued_at: Numbers
    begin: Numbers
    at: Numbers

    @property
    def chains(self) -> int:
        return len(self.issued_at)

    @property
    def chain_of_attempt(self) -> Numbers:
        return np.repeat(np.arange(self.chains), np.diff(self.begin))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bank:
    """`uses_a_chain` on average over five years, those not used at all included."""

    chains: int
    uses_a_chain: float
    seed: int

    def partitions(self) -> Iterator[Intended]:
        """Yield the lives, at most 32,768 at a time; a customer's chains are side by side in one of them."""
        for first in range(0, self.chains, PARTITION):
            last = min(first + PARTITION, self.chains)
            blocks = range(first, last, BLOCK)
            yield _joined([self._block(start, min(start + BLOCK, last) - start) for start in blocks])

    def _block(self, first: int, count: int) -> Intended:
        random = np.random.default_rng([self.seed, first])
        shared = random.random(count) < SHARED_CUSTOMERS
        shared[0] = False
        number = np.arange(first, first + count)
        issued_day = FIRST_DAY + (COHORT_DAYS * random.random(count) ** 1.5).astype(np.int64)
        issued_at = issued_day * SECONDS_A_DAY + _seconds_of_day(random, count)
        begin, at = _attempts(random, issued_at, self.uses_a_chain)
        return Intended(
            number=number,
            customer=number[np.maximum.accumulate(np.where(shared, 0, np.arange(count)))],
            kind=_chosen(random, count, 0.2),
            holder=_chosen(random, count, 0.06),
            channel=_chosen(random, count, 0.7),
            issued_at=issued_at,
            begin=begin,
            at=at,
        )


def mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return numbers that look drawn by chance, the same for the same: the finalizer of splitmix64."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _attempts(random: Generator, issued_at: Numbers, uses_a_chain: float) -> tuple[Numbers, Numbers]:
    count = len(issued_at)
    issued_day = issued_at // SECONDS_A_DAY
    life_days = LAST_DAY - issued_day
    a_day = random.gamma(RATE_SHAPE, uses_a_chain / (RATE_SHAPE * MEAN_LIFE_DAYS * ACTIVE), count)
    chain = np.repeat(np.arange(count), random.poisson(a_day * life_days))
    stop, back = _pauses(random, issued_day)
    day = issued_day[chain] + (random.random(len(chain)) * life_days[chain]).astype(np.int64)
    at = day * SECONDS_A_DAY + _seconds_of_day(random, len(chain))
    happens = ((day < stop[chain]) | (day >= back[chain])) & (at > issued_at[chain]) & (at <= UNTIL)
    # One number to sort by: the chain above, the moment below.
    keys = np.sort(chain[happens] << 32 | at[happens])
    begin = np.searchsorted(keys, np.arange(count + 1) << 32)
    return begin, keys & 0xFFFFFFFF


def _pauses(random: Generator, issued_day: Numbers) -> tuple[Numbers, Numbers]:
    """Return the day on which each stops, and the one on which it is back; those who never stop do so in the end."""
    count = len(issued_day)
    luck = random.random(count)
    stop = issued_day + ((LAST_DAY - issued_day) * random.random(count)).astype(np.int64)
    back = stop + random.exponential(DORMANT_DAYS, count).astype(np.int64)
    back = np.where(luck < DROPPED_SHARE, LAST_DAY, back)
    return np.where(luck < DROPPED_SHARE + DORMANT_SHARE, stop, LAST_DAY), back


def _seconds_of_day(random: Generator, count: int) -> Numbers:
    until = np.cumsum(HOURS) / HOURS.sum()
    hour = np.searchsorted(until, random.random(count), side="right")
    return hour * 3_600 + random.integers(0, 3_600, count)


def _chosen(random: Generator, count: int, share: float) -> NDArray[np.uint8]:
    return (random.random(count) < share).astype(np.uint8)


def _joined(blocks: list[Intended]) -> Intended:
    sizes = np.cumsum([0, *(len(block.at) for block in blocks)])
    begins = [block.begin[:-1] + before for block, before in zip(blocks, sizes[:-1], strict=True)]
    return Intended(
        number=np.concatenate([block.number for block in blocks]),
        customer=np.concatenate([block.customer for block in blocks]),
        kind=np.concatenate([block.kind for block in blocks]),
        holder=np.concatenate([block.holder for block in blocks]),
        channel=np.concatenate([block.channel for block in blocks]),
        issued_at=np.concatenate([block.issued_at for block in blocks]),
        begin=np.concatenate([*begins, sizes[-1:]]),
        at=np.concatenate([block.at for block in blocks]),
    )
