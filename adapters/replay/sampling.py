"""Samples of customers, and how far their figures may be off: a bootstrap by customer.

Whom a sample takes and what weight a customer has in a resample depend on the customer and the seed alone, so that
neither the number of processes nor the order of the chains plays a part. Customers of a bank resemble themselves
more than each other: all chains of one are taken or left together.
"""

import math
import re
from fractions import Fraction
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 200
INTERVAL = Fraction(95, 100)
_GOLDEN = 0x9E3779B97F4A7C15
_HALF = np.uint64(32)
_SPLIT = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)%", re.ASCII)
_POISSON_TERMS = 16
_SERIES_TERMS = 30
"""A weight of 16 has a chance of less than one in 10**13, and e is known to more digits than are needed."""

Hashes = NDArray[np.uint64]


def share_of(text: str) -> Fraction:
    """Read a share like 1% or 0.5%. Raises ValueError for anything else."""
    found = _SHARE.fullmatch(text)
    share = Fraction(found[1]) / 100 if found else Fraction(0)
    if not 0 < share <= 1:
        raise ValueError(f"{text!r} is not a share: write more than 0% and up to 100%, like 1% or 0.5%")
    return share


def sampled(customer: NDArray[np.int64], *, share: Fraction, seed: int) -> NDArray[np.bool_]:
    """Tell of each chain whether its customer is in the sample."""
    return (_hashed(customer, seed=seed, number=0) >> _HALF) < np.uint64(int(share * 2**32))


def weights(customer: NDArray[np.int64], *, seed: int, resamples: int = RESAMPLES) -> NDArray[np.int64]:
    """Return how often each chain's customer is drawn in each resample, by Poisson's law of mean 1: (resamples, n)."""
    drawn = [_poisson(_hashed(customer, seed=seed, number=number)) for number in range(1, resamples + 1)]
    return np.array(drawn, np.int64).reshape(resamples, len(customer))


def interval(values: NDArray[np.int64]) -> tuple[int, int]:
    """Return between what the middle 95 % of the resamples lie."""
    ordered = np.sort(values)
    left_out = math.floor(len(ordered) * (1 - INTERVAL) / 2)
    return int(ordered[left_out]), int(ordered[len(ordered) - 1 - left_out])


def _hashed(customer: NDArray[np.int64], *, seed: int, number: int) -> Hashes:
    # Twice, for customers are often numbered one after the other.
    start, step = (np.uint64(each * _GOLDEN % 2**64) for each in (seed * 2 + 1, number))
    return _split(_split(customer.astype(np.uint64) + start) + step)


def _split(values: Hashes) -> Hashes:
    """Return splitmix64 of each."""
    for shift, factor in _SPLIT:
        values = (values ^ (values >> np.uint64(shift))) * np.uint64(factor)
    return values ^ (values >> np.uint64(31))


def _poisson(hashes: Hashes) -> NDArray[np.int64]:
    return np.searchsorted(_POISSON, hashes >> _HALF, side="right").astype(np.int64)


def _thresholds() -> Hashes:
    """Return the cumulated chances of the weights 0, 1, ... as shares of 2**32."""
    # By fractions and not by floats, so that every machine has the same ones.
    parts = [Fraction(1, math.factorial(number)) for number in range(_SERIES_TERMS)]
    cumulated = accumulate(parts[:_POISSON_TERMS])
    return np.array([int(each / sum(parts) * 2**32) for each in cumulated], np.uint64)


_POISSON = _thresholds()
