"""Attempts: when a call is sent again, and when it is not. No clock and no network of its own.

The same call goes out each time, with the same Idempotency-Key, so the ledger carries it out once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Generic, NamedTuple, TypeVar

import msgspec

from sealbook.adapters.client.calls import Answer, Call
from sealbook.adapters.client.failures import ClientError, NoAnswer, told

T = TypeVar("T")
AGAIN = frozenset({429, 502, 503, 504})
"""Statuses after which the same call may well succeed; 502 is a proxy's word for a connection that broke."""
_DOUBTFUL = frozenset({502, 504})
_SECONDS_MIN = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a call may take with all its attempts, how long one attempt, and how long is waited between them.

    Waits begin with `wait_seconds`, double up to `wait_seconds_max`, and are shortened by chance by up to half; what
    the service asks for by Retry-After is waited in any case, or the call ends.
    """

    deadline_seconds: float = 30.0
    attempt_seconds: float = 12.0
    wait_seconds: float = 0.1
    wait_seconds_max: float = 5.0


class Lost(NamedTuple):
    """No answer came. `sent` says that the call may have arrived."""

    sent: bool


class Wait(NamedTuple):
    """How long to wait before the next attempt."""

    seconds: float


class _Unread:
    """What came is not what was to come."""


class Attempts(Generic[T]):
    """The attempts of one call. `clock` tells seconds, `chance` a number from 0 to below 1, `now` the time of day."""

    def __init__(
        self,
        call: Call[T],
        patience: Patience,
        *,
        clock: Callable[[], float],
        chance: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self._call, self._patience = call, patience
        self._clock, self._chance, self._now = clock, chance, now
        self._until = clock() + patience.deadline_seconds
        self._wait_seconds = patience.wait_seconds
        self._in_doubt = False

    def seconds(self) -> float:
        """Return how long the next attempt may take."""
        return max(_SECONDS_MIN, min(self._patience.attempt_seconds, self._until - self._clock()))

    def judge(self, heard: Answer | Lost) -> T | Wait:
        """Return the result, or how long to wait until the next attempt. Raises ClientError if there is none."""
        if isinstance(heard, Answer) and heard.status < 300:
            return self._read(heard)
        failure = self._failure(heard)
        if isinstance(heard, Answer) and heard.status not in AGAIN:
            raise failure
        self._in_doubt = failure.in_doubt
        wait = self._wait(_asked_seconds(heard, self._now()))
        if wait is None or (failure.in_doubt and not self._call.repeatable):
            raise failure
        return wait

    def _read(self, answer: Answer) -> T | Wait:
        result: T | _Unread
        try:
            result = self._call.read(answer)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            result = _Unread()
        if isinstance(result, _Unread):
            # Outside of the except, or what was read would go along with what is raised.
            raise NoAnswer("the answer is not what this client reads: update it", key=self._call.key, in_doubt=False)
        unsettled = None if self._call.settled(result) else self._wait(0.0)
        return result if unsettled is None else unsettled

    def _failure(self, heard: Answer | Lost) -> ClientError:
        key = self._call.key
        if isinstance(heard, Lost):
            in_doubt = self._in_doubt or (heard.sent and key is not None)
            known = (
                "it may have been carried out: the same call with the same key tells"
                if in_doubt
                else "nothing was done"
            )
            return NoAnswer(f"no answer from the service in time; {known}", key=key, in_doubt=in_doubt)
        asked_seconds = _asked_seconds(heard, self._now())
        return told(*heard).problem(
            status=heard.status,
            key=key,
            in_doubt=(self._in_doubt and heard.status in AGAIN) or (heard.status in _DOUBTFUL and key is not None),
            retry_after_seconds=asked_seconds or None,
            request_id=heard.headers.get("request-id"),
        )

    def _wait(self, asked_seconds: float) -> Wait | None:
        """Return how long to wait, None if there is no time left for that."""
        wait_seconds = asked_seconds + self._wait_seconds * (1 - self._chance() / 2)
        self._wait_seconds = min(2 * self._wait_seconds, self._patience.wait_seconds_max)
        return Wait(wait_seconds) if self._clock() + wait_seconds < self._until else None


def _asked_seconds(heard: Answer | Lost, now: datetime) -> float:
    """Return how long the service asks to wait, 0 if it does not."""
    text = heard.headers.get("retry-after", "") if isinstance(heard, Answer) else ""
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds())
