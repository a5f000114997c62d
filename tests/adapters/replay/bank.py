"""A small bank in memory, to be read like a snapshot: lives that the policy in force really decided."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from random import Random

import numpy as np

from sealbook.adapters.replay.contract import FactKind, Partition, Recorded, UseClasses, Uses
from sealbook.adapters.replay.moments import DAY_SECONDS, moment_of, seconds_of
from sealbook.domain.calendar import Period, add
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.presets import preset_policies
from tests.adapters.replay.histories import Attempt, Chain, Fact, partition_of

PRESETS = preset_policies()
D = PRESETS["D"]
AS_OF = datetime(2025, 12, 31, 15, tzinfo=UTC)
"""Midnight in Seoul."""
BEGIN = seconds_of(datetime(2019, 12, 31, 15, tzinfo=UTC))
END = seconds_of(AS_OF)


@dataclass(frozen=True, kw_only=True)
class Life:
    """A chain and what was recorded of it: renewals and lapses."""

    chain: Chain
    renewals: tuple[int, ...] = ()
    lapses: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MemoryBank:
    """Histories of lives; those of one customer stand together, and partitions end between customers."""

    lives: tuple[Life, ...]
    customers_a_partition: int = 5
    as_of: datetime = AS_OF
    policies: tuple[RenewalPolicy, ...] = (D,)
    position: int | None = 7
    kinds: tuple[str, ...] = ("mobile_otp", "kb_mobile_certificate")
    holders: tuple[str, ...] = ("personal", "corporate")
    channels: tuple[str, ...] = ("app", "web")
    use_classes: UseClasses = field(default_factory=UseClasses)
    digest: str = "d" * 64

    @property
    def chains(self) -> int:
        return len(self.lives)

    @property
    def customers(self) -> int:
        return len({life.chain.customer for life in self.lives})

    @property
    def attempts(self) -> int:
        return sum(len(life.chain.attempts) for life in self.lives)

    @property
    def truncated(self) -> int:
        return sum(life.chain.truncated for life in self.lives)

    @property
    def partitions(self) -> int:
        return len(self._parts)

    @cached_property
    def _parts(self) -> list[list[Life]]:
        ordered = sorted({life.chain.customer for life in self.lives})
        groups = [
            set(ordered[at : at + self.customers_a_partition])
            for at in range(0, len(ordered), self.customers_a_partition)
        ]
        lives = sorted(self.lives, key=lambda life: life.chain.customer)
        return [[life for life in lives if life.chain.customer in group] for group in groups]

    def read(self, number: int, *, attempts: bool, days: bool, in_fact: bool = False) -> Partition:
        del in_fact
        return partition_of([life.chain for life in self._parts[number]], attempts=attempts, days=days)

    def refused(self, number: int) -> Uses:
        return listed([[each.at for each in life.chain.attempts if not each.accepted] for life in self._parts[number]])

    def recorded(self, number: int) -> Recorded:
        part = self._parts[number]
        return Recorded(
            renewals=listed([life.renewals for life in part]), lapses=listed([life.lapses for life in part])
        )

    def names(self, number: int) -> list[str]:
        return [f"C{life.chain.key}" for life in self._parts[number]]


def listed(rows: Sequence[Sequence[int]]) -> Uses:
    begin = np.concatenate([np.zeros(1, np.int64), np.cumsum([len(row) for row in rows], dtype=np.int64)])
    return Uses(begin=begin, at=np.array([at for row in rows for at in row], np.int32))


def bank(*, customers: int, seed: int = 1) -> MemoryBank:
    """Return a bank under policy D: two years, renewed by the first use after one; seven of ten come back."""
    random = Random(seed)
    lives: list[Life] = []
    for customer in range(customers):
        for _ in range(random.choice([1, 1, 2])):
            lives.append(_life(random, customer, key=len(lives)))
    return MemoryBank(lives=tuple(lives))


def _life(random: Random, customer: int, *, key: int) -> Life:
    issued = BEGIN + random.randrange(3 * 365) * DAY_SECONDS + random.randrange(DAY_SECONDS)
    then: list[Attempt | Fact] = []
    renewals, lapses = list[int](), list[int]()
    at, (expires, opens) = issued, _bounds(issued)
    gap_days, dead = random.choice([20, 90, 200, 500]), False
    while (at := at + 1 + int(random.expovariate(1 / gap_days) * DAY_SECONDS)) <= END and not dead:
        if at < expires:
            then.append(Attempt(at=at))
            if at >= opens:
                renewals.append(at)
                expires, opens = _bounds(at)
            continue
        lapses.append(expires)
        then.append(Attempt(at=at, accepted=False))
        back = at + random.randrange(1, 10 * DAY_SECONDS)
        dead = random.random() >= 0.7 or back > END
        if not dead:
            then.append(Fact(at=back, kind=FactKind.REISSUED_AFTER_LAPSE))
            at, (expires, opens) = back, _bounds(back)
    if not dead and expires <= END:
        lapses.append(expires)
    chain = Chain(
        issued_at=issued,
        then=tuple(then),
        key=key,
        customer=customer,
        kind=random.randrange(2),
        holder=random.randrange(2),
        channel=random.randrange(2),
        truncated=random.random() < 0.1,
    )
    return Life(chain=chain, renewals=tuple(renewals), lapses=tuple(lapses))


def _bounds(at: int) -> tuple[int, int]:
    ends = [
        add(moment_of(at), Period(months=months, days=0), calendar=D.calendar, zone_name=D.zone) for months in (24, 12)
    ]
    return seconds_of(ends[0]), seconds_of(ends[1])


def spoilt(whole: MemoryBank) -> MemoryBank:
    """Return the bank with one recorded renewal too many, in its first life."""
    first, *rest = whole.lives
    wrong = replace(first, renewals=(*first.renewals, END))
    return replace(whole, lives=(wrong, *rest))
