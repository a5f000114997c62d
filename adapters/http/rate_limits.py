"""Limits on how often: a bucket of tokens for each key, in bounded memory."""

from collections.abc import Callable
from typing import NamedTuple

_FLOORS = 4_096


class Rate(NamedTuple):
    """So many a second on average, and so many at once."""

    per_second: float
    burst: int


class RateLimits:
    """One bucket a key: a credential, a caller. `clock` tells seconds that never go back.

    A key is short text; whoever asks bounds it. Buckets are of one process: n processes allow n times as much.
    """

    # A bucket is one number: the moment at which it will be full again. One whose moment has passed says no more
    # than a key that is not known. So the table forgets the bucket that was taken from longest ago, which is
    # almost always full. If keys by the thousand are made up to push a bucket out before it is full, its moment
    # stays as a floor, which it shares with other keys of the same hash: whoever comes back starts there, and so
    # does, for as long as one bucket takes to fill, a stranger of that hash. A limit can be made harder in this
    # way, never reset. The hash of a text is seeded anew in each process: nobody outside can choose a floor.

    def __init__(self, rate: Rate, *, keys_max: int, clock: Callable[[], float]) -> None:
        if rate.per_second <= 0 or rate.burst < 1 or keys_max < 1:
            raise ValueError("a rate, a burst and a number of keys are above zero")
        self._seconds_each = 1 / rate.per_second
        self._burst = rate.burst
        self._keys_max = keys_max
        self._clock = clock
        self._full_at: dict[str, float] = {}
        self._floors = [0.0] * _FLOORS
        self._begun_at = clock()

    def take(self, key: str, cost: int = 1) -> float | None:
        """Take tokens. Return None, or after how many seconds to ask again; then nothing was taken.

        What costs more than the bucket holds is let through when it is full, and is paid off afterwards.
        """
        now = self._clock() - self._begun_at
        known = self._full_at.get(key)
        full_at = self._floors[hash(key) % _FLOORS] if known is None else known
        start = max(now, full_at)
        wait_seconds = start - now - (self._burst - min(cost, self._burst)) * self._seconds_each
        # A rounding error is no reason to send somebody away.
        if wait_seconds > 1e-9:
            return wait_seconds
        if known is not None:
            # Taken out and put back: so the table stays in the order in which buckets were last taken from.
            del self._full_at[key]
        self._full_at[key] = start + cost * self._seconds_each
        if len(self._full_at) > self._keys_max:
            self._forget_one()
        return None

    def __len__(self) -> int:
        return len(self._full_at)

    def _forget_one(self) -> None:
        oldest = next(iter(self._full_at))
        full_at = self._full_at.pop(oldest)
        place = hash(oldest) % _FLOORS
        self._floors[place] = max(self._floors[place], full_at)
