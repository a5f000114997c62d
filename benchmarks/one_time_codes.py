"""One-time codes for callers: of each seed at most one in every step of time, as a holder's phone shows them."""

import hmac
import time
from collections.abc import Callable, Iterator

DIGITS = 6


def code(secret: bytes, timecode: int) -> str:
    """Return the code of RFC 6238, of six digits by SHA-1."""
    mac = hmac.digest(secret, timecode.to_bytes(8, "big"), "sha1")
    start = mac[-1] & 0x0F
    number = int.from_bytes(mac[start : start + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


class Turns:
    """Gives out indices in turn, each at most once in a step of time: a code that was seen is a replay."""

    def __init__(self, step_seconds: int) -> None:
        self._step_seconds = step_seconds
        self._used = list[int]()
        """By index, the last step in which it was used."""
        self._next = 0

    def add(self, count: int) -> None:
        self._used += [0] * count

    def requests(self, count: int, of: Callable[[int, int], bytes]) -> Iterator[bytes]:
        """Prepare up to so many requests, of an index and the step that it is now; wait for the next step if none is
        left of this one. Only what is taken from the iterator counts as used.
        """
        size = len(self._used)
        timecode = self._timecode()
        if self._used[self._next] == timecode:
            time.sleep((timecode + 1) * self._step_seconds - time.time())
            timecode = self._timecode()
        indices = [(self._next + offset) % size for offset in range(min(count, size))]
        prepared = [(index, of(index, timecode)) for index in indices if self._used[index] < timecode]
        return self._taken(prepared, timecode)

    def _taken(self, prepared: list[tuple[int, bytes]], timecode: int) -> Iterator[bytes]:
        for index, request in prepared:
            self._used[index] = timecode
            self._next = (index + 1) % len(self._used)
            yield request

    def _timecode(self) -> int:
        return int(time.time()) // self._step_seconds
