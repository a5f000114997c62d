"""Which stream of a ledger is which credential, for many millions of them: 40 bytes each, and 16 for its customer."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sealbook.adapters.replay.snapshot_scan import EMPTY, Ids, find, insert

_SLOTS_AT_FIRST = 2**16


@dataclass(slots=True)
class Streams:
    """Credentials numbered in the order in which they were added, and the customer numbers that they are of."""

    count: int = 0
    _high: Ids = field(default_factory=lambda: np.zeros(_SLOTS_AT_FIRST, np.uint64))
    _low: Ids = field(default_factory=lambda: np.zeros(_SLOTS_AT_FIRST, np.uint64))
    _number: NDArray[np.int32] = field(default_factory=lambda: np.full(_SLOTS_AT_FIRST, EMPTY, np.int32))
    _customer: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_SLOTS_AT_FIRST, np.int64))

    def add(self, high: Ids, low: Ids, customer: NDArray[np.int64]) -> None:
        """Give numbers to streams that have none yet."""
        while (self.count + len(high)) * 2 > len(self._number):
            self._double()
        insert(self._high, self._low, self._number, high, low, self.count)
        self._customer[self.count : self.count + len(high)] = customer
        self.count += len(high)

    def find(self, high: Ids, low: Ids) -> NDArray[np.int32]:
        """Return the credentials' numbers, EMPTY for a stream that is none."""
        found = np.empty(len(high), np.int32)
        find(self._high, self._low, self._number, high, low, found)
        return found

    def customer_of(self, numbers: NDArray[np.int32]) -> NDArray[np.int64]:
        customers: NDArray[np.int64] = self._customer[numbers]
        return customers

    def _double(self) -> None:
        held = np.flatnonzero(self._number != EMPTY)
        in_order = held[np.argsort(self._number[held])]
        high, low, customer = self._high[in_order], self._low[in_order], self._customer
        slots = len(self._number) * 2
        self._high, self._low = np.zeros(slots, np.uint64), np.zeros(slots, np.uint64)
        self._number = np.full(slots, EMPTY, np.int32)
        self._customer = np.zeros(slots, np.int64)
        self._customer[: self.count] = customer[: self.count]
        insert(self._high, self._low, self._number, high, low, 0)
