"""Chains as bits, a day each, in compiled code: a period's next use is found by one mask and a count of zeros.

For chains without other facts and policies that tell days apart, not moments. Days count from 1900-01-01.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sealbook.adapters.replay.calendar_tables import (
    DAYS_BEFORE_2000,
    TICKS_PER_DAY,
    TICKS_PER_SECOND,
    Tables,
    moved,
    tick_of,
)
from sealbook.adapters.replay.compiled import compiled, kept
from sealbook.adapters.replay.contract import NEVER
from sealbook.adapters.replay.kernel_block import Columns
from sealbook.adapters.replay.kernel_world import (
    EXPOSED_DAYS,
    LAPSES,
    LOCKOUTS,
    REISSUES,
    RENEWALS,
    VALID,
    VALID_DAYS,
    Made,
    World,
    column_of_month,
    drawn,
)
from sealbook.adapters.replay.terms import (
    COUNTING,
    ELIGIBLE,
    FROM_EXPIRY,
    GRACE,
    MAX_RENEWALS,
    NO_CLASS,
    ON_EXPIRY,
    ON_USE,
    RENEWAL_VALIDITY,
    RENEWS_ON,
    VALIDITY,
)

NEVER_DAY = 2**30
SECONDS_PER_DAY = 86_400
BITS_PER_WORD = 64
BLOCK_CHAINS = 128
_TICKS_BEFORE_2000 = tick_of(0)
_EVERY_BIT = np.uint64(2**64 - 1)
_DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
_PLACES = np.zeros(BITS_PER_WORD, np.int64)
_PLACES[[(0x03F79D71B4CB0A89 << bit) % 2**64 >> 58 for bit in range(BITS_PER_WORD)]] = range(BITS_PER_WORD)


class Bits(NamedTuple):
    """`attempted` and `accepted` have a bit for each day with an attempt, and for those of which the first passed."""

    first_day: int
    attempted: NDArray[np.uint64]
    accepted: NDArray[np.uint64]


class Gaps(NamedTuple):
    """Stretches without a use that expose, of some chains: from the day of a use to the day before the next."""

    begin: NDArray[np.int64]
    after: NDArray[np.int64]
    until: NDArray[np.int64]


def room_for(bits: Bits) -> Gaps:
    """Return memory to work in, for one thread."""
    size = BLOCK_CHAINS * (bits.attempted.shape[1] * BITS_PER_WORD + 1)
    return Gaps(np.zeros(BLOCK_CHAINS + 1, np.int64), np.empty(size, np.int64), np.empty(size, np.int64))


@kept
def set_days(columns: Columns, since: int, until: int, bits: Bits, odd: NDArray[np.bool_]) -> None:
    """Set the days on which chains were used from one moment to another; mark the chains that days do not tell all of.

    Those are chains with other facts, and with a day on which an attempt passed after the first was refused. With
    `since` after `until`, no day is set. Days outside `bits` must not have attempts between the two.
    """
    for chain in range(len(columns.issued_at)):
        odd[chain] = columns.fact_begin[chain + 1] > columns.fact_begin[chain]
        if since <= until:
            begin, end = columns.accepted_begin[chain], columns.accepted_begin[chain + 1]
            _set(columns.accepted_at, begin, end, since, until, chain, bits.first_day, bits.attempted)
            _set(columns.accepted_at, begin, end, since, until, chain, bits.first_day, bits.accepted)
            begin, end = columns.refused_begin[chain], columns.refused_begin[chain + 1]
            _set(columns.refused_at, begin, end, since, until, chain, bits.first_day, bits.attempted)
        for each in range(columns.refused_begin[chain], columns.refused_begin[chain + 1]):
            at = columns.refused_at[each]
            if at > until or odd[chain]:
                break
            day = at // SECONDS_PER_DAY
            first = _first_accepted(columns, chain, day + DAYS_BEFORE_2000)
            odd[chain] = at < first <= until and first // SECONDS_PER_DAY == day


@compiled
def _set(
    moments: NDArray[np.int32],
    begin: int,
    end: int,
    since: int,
    until: int,
    chain: int,
    first_day: int,
    words: NDArray[np.uint64],
) -> None:
    for each in range(_first(moments, begin, end, since), end):
        if moments[each] > until:
            break
        place = moments[each] // SECONDS_PER_DAY + DAYS_BEFORE_2000 - first_day
        words[chain, place >> 6] |= np.uint64(1) << np.uint64(place & 63)


@compiled
def _first(moments: NDArray[np.int32], low: int, high: int, moment: int) -> int:
    """Return where in [low, high) the moments from `moment` on begin."""
    while low < high:
        middle = (low + high) // 2
        if moments[middle] < moment:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def _first_accepted(columns: Columns, chain: int, day: int) -> int:
    """Return the first accepted attempt from a day on, NEVER if there is none."""
    moment, end = (day - DAYS_BEFORE_2000) * SECONDS_PER_DAY, columns.accepted_begin[chain + 1]
    found = _first(columns.accepted_at, columns.accepted_begin[chain], end, moment)
    return int(columns.accepted_at[found]) if found < end else NEVER


@kept
def replay_days(
    columns: Columns,
    bits: Bits,
    odd: NDArray[np.bool_],
    begin: int,
    end: int,
    number: int,
    asked: int,
    only: NDArray[np.bool_],
    gaps: Gaps,
    made: Made,
    world: World,
) -> None:
    """Replay chains [begin, end) but the odd ones under the first `asked` policies, a block of chains at a time.

    `only` tells by policy and chain which to replay; it is empty where all are.
    """
    while begin < end:
        size = min(BLOCK_CHAINS, end - begin)
        _find_gaps(bits, begin, size, gaps, world)
        for policy in range(asked):
            for each in range(size):
                if len(only) and not only[policy, begin + each]:
                    continue
                issued_at = columns.issued_at[begin + each] * TICKS_PER_SECOND + _TICKS_BEFORE_2000
                if not odd[begin + each] and issued_at <= world.until:
                    _live(columns, bits, begin + each, number, policy, gaps, each, made, world)
        begin += size


@compiled
def _find_gaps(bits: Bits, begin: int, size: int, gaps: Gaps, world: World) -> None:
    filled = 0
    # Two uses in one word are at most 63 days apart. Where that exposes nobody, its first and its last use tell all.
    inside = world.exposed_after_days < BITS_PER_WORD - 2
    for each in range(size):
        gaps.begin[each] = filled
        last = -NEVER_DAY
        for word in range(bits.attempted.shape[1]):
            left = bits.attempted[begin + each, word]
            start = bits.first_day + word * BITS_PER_WORD
            while left != 0:
                use = start + _lowest(left)
                if use - 1 > last + world.exposed_after_days:
                    gaps.after[filled] = last
                    gaps.until[filled] = use - 1
                    filled += 1
                last = use if inside else start + _highest(left)
                left = left & (left - np.uint64(1)) if inside else np.uint64(0)
        if last + world.exposed_after_days < NEVER_DAY - 1:
            gaps.after[filled] = last
            gaps.until[filled] = NEVER_DAY - 1
            filled += 1
    gaps.begin[size] = filled


@compiled
def _lowest(word: np.uint64) -> int:
    """Return the place of the lowest bit of a word that has one."""
    # By a de Bruijn sequence: there is no safe way to the processor's own instruction.
    return int(_PLACES[np.int64(((word & (~word + np.uint64(1))) * _DE_BRUIJN) >> np.uint64(58))])


@compiled
def _highest(word: np.uint64) -> int:
    """Return the place of the highest bit of a word that has one."""
    for shift in (1, 2, 4, 8, 16, 32):
        word |= word >> np.uint64(shift)
    return int(_PLACES[np.int64(((word ^ (word >> np.uint64(1))) * _DE_BRUIJN) >> np.uint64(58))])


@compiled
def _next(words: NDArray[np.uint64], chain: int, first_day: int, day: int, last_day: int) -> int:
    """Return the first day from `day` to `last_day` that has a bit, NEVER_DAY if none has."""
    place = max(0, day - first_day)
    word = place >> 6
    if word >= words.shape[1] or day > last_day:
        return NEVER_DAY
    left = words[chain, word] & (_EVERY_BIT << np.uint64(place & 63))
    while left == 0:
        word += 1
        if word == words.shape[1]:
            return NEVER_DAY
        left = words[chain, word]
    found = first_day + word * 64 + _lowest(left)
    return found if found <= last_day else NEVER_DAY


@compiled
def _end(day: int, months: int, days: int, tables: Tables) -> int:
    """Return the day with whose midnight a period ends that begins on a day; NEVER_DAY for no period."""
    there = moved(day, months, days, tables) if months >= 0 else -1
    return NEVER_DAY if there < 0 else there + 1


@compiled
def _live(
    columns: Columns, bits: Bits, chain: int, number: int, policy: int, gaps: Gaps, each: int, made: Made, world: World
) -> None:
    rows, tables, months = world.terms.rows, world.tables, made.by_month.shape[2]
    today = world.until // TICKS_PER_DAY
    limit, from_expiry = rows[policy, MAX_RENEWALS], rows[policy, FROM_EXPIRY]
    on_use = rows[policy, COUNTING] != NO_CLASS and rows[policy, RENEWS_ON] == ON_USE
    on_expiry = rows[policy, COUNTING] != NO_CLASS and rows[policy, RENEWS_ON] == ON_EXPIRY
    renewals = lapses = lockouts = reissues = valid_days = exposed_days = valid = draws = renewed = 0
    base = anchor = span = columns.issued_at[chain] // SECONDS_PER_DAY + DAYS_BEFORE_2000
    validity = VALIDITY
    while True:
        end = _end(base, rows[policy, validity], rows[policy, validity + 1], tables)
        opens = _end(anchor, rows[policy, ELIGIBLE], rows[policy, ELIGIBLE + 1], tables)
        use = NEVER_DAY
        if (on_use or on_expiry) and renewed < limit:
            use = _next(bits.attempted, chain, bits.first_day, opens, min(end - 1, today))
        decided = use if on_use else end
        if use < NEVER_DAY and decided <= today:
            anchor = use if on_use else end - 1
            base = use if on_use and not from_expiry else end - 1
        else:
            last = min(end - 1, today)
            valid_days += last - span + 1
            for gap in range(gaps.begin[each], gaps.begin[each + 1]):
                unused = min(gaps.until[gap], last) - max(gaps.after[gap], span)
                exposed_days += max(0, unused - world.exposed_after_days)
            if end > today:
                valid = 1
                break
            lapses += 1
            made.by_month[number, policy, column_of_month(end, world, months), LAPSES] += 1
            decided = _next(bits.attempted, chain, bits.first_day, end, today)
            if decided > today:
                break
            grace_end = moved(end, rows[policy, GRACE], rows[policy, GRACE + 1], tables)
            base = anchor = span = decided
            if not ((on_use or on_expiry) and renewed < limit and (decided < grace_end or grace_end < 0)):
                lockouts += 1
                base = _next(bits.accepted, chain, bits.first_day, decided, today)
                base = _back(columns, chain, base, draws, world) if base <= today else NEVER_DAY
                if base > today:
                    break
                draws += 1
                reissues += 1
                renewed = 0
                anchor = span = base
                validity = VALIDITY
                continue
        renewals += 1
        renewed += 1
        validity = RENEWAL_VALIDITY
        made.by_month[number, policy, column_of_month(decided, world, months), RENEWALS] += 1
    made.of_chains[policy, RENEWALS, chain] = renewals
    made.of_chains[policy, LAPSES, chain] = lapses
    made.of_chains[policy, LOCKOUTS, chain] = lockouts
    made.of_chains[policy, REISSUES, chain] = reissues
    made.of_chains[policy, VALID_DAYS, chain] = valid_days
    made.of_chains[policy, EXPOSED_DAYS, chain] = exposed_days
    made.of_chains[policy, VALID, chain] = valid


@compiled
def _back(columns: Columns, chain: int, day: int, draws: int, world: World) -> int:
    """Return the day of the new credential of somebody who is locked out on a day; NEVER_DAY for none in time."""
    if world.leaves:
        return NEVER_DAY
    if not world.fitted:
        return day
    delay = drawn(columns.key[chain], draws, world)
    at = _first_accepted(columns, chain, day) * TICKS_PER_SECOND + _TICKS_BEFORE_2000 + delay
    return NEVER_DAY if delay < 0 or at > world.until else at // TICKS_PER_DAY
