"""When a delivery is tried again, and when it is given up."""

from dataclasses import dataclass
from datetime import datetime, timedelta

DOUBLINGS_MAX = 30
"""Far beyond any longest wait; more of them would overflow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Waits double from the first to the longest; a delivery is given up after so many attempts, or so many hours.

    By default: seconds at first, then about hourly, for three days: a receiver may be down over a weekend.
    """

    first_wait_seconds: float = 5
    longest_wait_seconds: float = 3_600
    asked_wait_max_seconds: float = 6 * 3_600
    attempts_max: int = 100
    hours_max: float = 72

    def next_at(self, now: datetime, *, attempts: int, asked_seconds: float, chance: float) -> datetime:
        """Return when to try again after so many attempts.

        `chance`, from 0 to 1, spreads the wait over its second half, so that what failed together does not come back
        together. `asked_seconds` is what the receiver asked for: no less is waited, within a bound.
        """
        doubled = self.first_wait_seconds * 2 ** min(attempts - 1, DOUBLINGS_MAX)
        spread = min(doubled, self.longest_wait_seconds) * (1 + chance) / 2
        return now + timedelta(seconds=max(spread, min(asked_seconds, self.asked_wait_max_seconds)))

    def over(self, now: datetime, *, attempts: int, first_tried_at: datetime) -> bool:
        return attempts >= self.attempts_max or now - first_tried_at >= timedelta(hours=self.hours_max)
