"""The engine for policies that go by days: many times faster, and as fast for long histories as for short ones."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from sealbook.adapters.replay.calendar_tables import DAYS_BEFORE_2000
from sealbook.adapters.replay.contract import NEVER, Days, Moments, Outcomes, Partition, Question, UseClasses, Uses
from sealbook.adapters.replay.csr import check, columns_of, to_choose
from sealbook.adapters.replay.kernel_block import Columns, replay_chains, room
from sealbook.adapters.replay.kernel_days import BITS_PER_WORD, SECONDS_PER_DAY, Bits, replay_days, room_for, set_days
from sealbook.adapters.replay.kernel_world import Made, filled, world
from sealbook.adapters.replay.terms import beyond_numbers, counting
from sealbook.domain.calendar import Calendar
from sealbook.domain.policy_document import RenewalPolicy

NAME = "bitmap"


@dataclass(frozen=True, slots=True, kw_only=True)
class BitmapEngine:
    """`classes` says what the classes of uses mean. What `threads` share out comes out the same for any number."""

    classes: UseClasses = field(default_factory=UseClasses)
    threads: int = 1

    @property
    def name(self) -> str:
        return NAME

    def refuses(self, policy: RenewalPolicy) -> str | None:
        """Return what of a policy days cannot tell, as the policy document names it; None if they can tell it all."""
        counts = counting(policy, self.classes)
        if any(counts) and not all(counts):
            return "purposes" if policy.purposes is not None else "channels"
        if policy.calendar is not Calendar.END_OF_DAY:
            return "calendar"
        if policy.min_uses > 1:
            return "min_uses"
        # After a renewal by a use, in the grace, a day does not tell whether another use of it followed.
        if policy.renew_on == "expiry" and policy.usage_since != "eligible":
            return "usage_since"
        return beyond_numbers(policy)

    def replay(
        self,
        partition: Partition,
        policies: Sequence[RenewalPolicy],
        question: Question,
        only: NDArray[np.bool_] | None = None,
    ) -> list[Outcomes]:
        """Return what became of the chains under each policy; those with other facts are replayed to the second.

        Of days alone, `until` is the end of a day or of all that is known, and a day whose first attempt was refused
        counts as refused. Raises ValueError for a policy that it refuses, and for what needs the attempts if they are
        missing: chains with other facts, people who come back after a delay.
        """
        check(self.name, [self.refuses(policy) for policy in policies])
        asked, chosen, count = world(policies, question, self.classes), to_choose(only), len(policies)
        columns, bits, odd = _read(partition, question, self.classes, fitted=asked.fitted and not asked.leaves)

        def kernel(begin: int, end: int, number: int, made: Made) -> None:
            replay_days(columns, bits, odd, begin, end, number, count, chosen, room_for(bits), made, asked)
            to_the_second = begin + np.flatnonzero(odd[begin:end])
            if len(to_the_second):
                space = room(columns)
                replay_chains(columns, to_the_second, 0, len(to_the_second), number, count, chosen, space, made, asked)

        return filled(kernel, chains=partition.chains, policies=count, months=question.months, threads=self.threads)


def _read(
    partition: Partition, question: Question, classes: UseClasses, *, fitted: bool
) -> tuple[Columns, Bits, NDArray[np.bool_]]:
    """Return the chains, their days, and which of them days do not tell all of."""
    odd = np.zeros(partition.chains, np.bool_)
    if partition.accepted is None or partition.refused is None:
        if partition.days is None or fitted or len(partition.facts.at):
            raise ValueError("the partition was read without its attempts, and they are needed here")
        none = Uses(begin=np.zeros(partition.chains + 1, np.int64), at=np.empty(0, np.int32))
        columns = columns_of(replace(partition, accepted=none, refused=none), classes)
        return columns, _given(partition.days), odd
    columns = columns_of(partition, classes)
    if partition.days is None:
        bits, since = _none(partition.chains, np.concatenate([partition.accepted.at, partition.refused.at])), -NEVER
    else:
        bits = _given(partition.days)
        since = _cut(bits, question.until)
    set_days(columns, since, question.until, bits, odd)
    return columns, bits, odd


def _none(chains: int, attempts: Moments) -> Bits:
    """Return room for the days of so many chains with these attempts, no day set."""
    first, last = (int(attempts.min()), int(attempts.max())) if len(attempts) else (0, 0)
    first_day = first // SECONDS_PER_DAY
    words = (last // SECONDS_PER_DAY - first_day) // BITS_PER_WORD + 1
    shape = (chains, words)
    return Bits(first_day + DAYS_BEFORE_2000, np.zeros(shape, np.uint64), np.zeros(shape, np.uint64))


def _given(days: Days) -> Bits:
    # Copies: aligned, of one type for compiled code, and free to be changed.
    attempted = np.array(days.attempted, np.uint64, order="C")
    return Bits(days.first_day + DAYS_BEFORE_2000, attempted, attempted & ~days.refused)


def _cut(bits: Bits, until: int) -> int:
    """Take the day away that a moment cuts in two, and return when it begins; NEVER if no known day is cut.

    Its bits may be those of attempts after `until`. Days that lie wholly after it do no harm: nobody looks at them.
    """
    since = until // SECONDS_PER_DAY * SECONDS_PER_DAY
    word, bit = divmod(since // SECONDS_PER_DAY + DAYS_BEFORE_2000 - bits.first_day, BITS_PER_WORD)
    if until == since + SECONDS_PER_DAY - 1 or not 0 <= word < bits.attempted.shape[1]:
        return NEVER
    for words in (bits.attempted, bits.accepted):
        words[:, word] &= ~np.uint64(1 << bit)
    return since
