"""Keys that were opened a little while ago: so many at most, and for so long."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_Of = TypeVar("_Of", bound=Hashable)


class RecentKeys(Generic[_Of]):
    """The keys opened last, each for at most `seconds_max`; `clock` tells seconds that never go back."""

    def __init__(self, *, count_max: int, seconds_max: float, clock: Callable[[], float]) -> None:
        self._count_max = count_max
        self._seconds_max = seconds_max
        self._clock = clock
        self._keys: OrderedDict[_Of, tuple[float, bytes]] = OrderedDict()

    def get(self, of: _Of) -> bytes | None:
        self._drop_old()
        found = self._keys.get(of)
        return None if found is None else found[1]

    def put(self, of: _Of, key: bytes) -> None:
        self._keys.pop(of, None)
        self._keys[of] = (self._clock(), key)
        if len(self._keys) > self._count_max:
            self._keys.popitem(last=False)

    def forget(self, of: _Of) -> None:
        self._keys.pop(of, None)

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"RecentKeys({len(self._keys)} keys)"

    def _drop_old(self) -> None:
        # They stand in the order in which they were put: the oldest are first.
        oldest = self._clock() - self._seconds_max
        while self._keys:
            first = next(iter(self._keys))
            if self._keys[first][0] > oldest:
                return
            del self._keys[first]
