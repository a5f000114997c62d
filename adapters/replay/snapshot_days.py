"""Days of attempts as bits, a row of words a chain."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sealbook.adapters.replay.contract import Moments, Places
from sealbook.adapters.replay.moments import DAY_SECONDS

BITS = 64
Words = NDArray[np.uint64]


class Span(NamedTuple):
    """The days that rows of words are of."""

    first_day: int
    words: int

    @classmethod
    def of(cls, first_attempt: int, last_attempt: int) -> "Span":
        """Return the words that hold the days of all attempts: at least one."""
        first = first_attempt // DAY_SECONDS
        return cls(first, (last_attempt // DAY_SECONDS - first) // BITS + 1)


def day_words(accepted: tuple[Places, Moments], refused: tuple[Places, Moments], span: Span) -> tuple[Words, Words]:
    """Return the days with an attempt, and the days whose first attempt was refused; of two at once, the accepted."""
    chains = len(accepted[0]) - 1
    days_a, first_a = _first_of_each_day(*accepted, span)
    days_r, first_r = _first_of_each_day(*refused, span)
    place = np.searchsorted(days_a, days_r)
    near = np.minimum(place, max(len(days_a) - 1, 0))
    # A day without an accepted attempt, or with none before.
    alone = (
        (place == len(days_a)) | (days_a[near] != days_r) | (first_a[near] > first_r)
        if len(days_a)
        else np.ones(len(days_r), np.bool_)
    )
    attempted = _set(days_a, chains, span) | _set(days_r, chains, span)
    return attempted, _set(days_r[alone], chains, span)


def _first_of_each_day(begin: Places, at: Moments, span: Span) -> tuple[Places, Moments]:
    """Return each day of each chain with an attempt, as a number over all chains, and its first moment."""
    rows = np.repeat(np.arange(len(begin) - 1), np.diff(begin))
    days = rows * (span.words * BITS) + (at.astype(np.int64) // DAY_SECONDS - span.first_day)
    new = np.ones(len(days), np.bool_)
    new[1:] = days[1:] != days[:-1]
    return days[new], at[new]


def _set(days: Places, chains: int, span: Span) -> Words:
    flat = np.zeros(chains * span.words, np.uint64)
    if len(days):
        places, bits = days // BITS, np.uint64(1) << (days % BITS).astype(np.uint64)
        starts = np.flatnonzero(np.r_[True, places[1:] != places[:-1]])
        flat[places[starts]] = np.bitwise_or.reduceat(bits, starts)
    return flat.reshape(chains, span.words)
