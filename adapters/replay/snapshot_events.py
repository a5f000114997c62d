"""What a log or file says of credentials, as rows on disk: what a bank holds does not fit into memory.

Credentials are numbered as they are issued. Rows are put down in the order of the log, by shares of the customers,
and read a share at a time.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from sealbook.adapters.replay.contract import FactKind

EVENT = np.dtype([("credential", "<u4"), ("at", "<i4"), ("code", "u1"), ("use_class", "u1"), ("detail", "<u4")])
ISSUE = np.dtype(
    [
        *(("credential", "<u4"), ("at", "<i4"), ("kind", "u1"), ("holder", "u1"), ("channel", "u1")),
        *(("policy", "<u2"), ("imported", "?"), ("customer", "<i8"), ("key", "<u8"), ("replaces", "<i8")),
        *(("name_high", "<u8"), ("name_low", "<u8")),
    ]
)
"""`replaces` is the number of the credential that this one follows in its chain; NO_CREDENTIAL begins a chain."""
Rows = NDArray[np.void]

NO_CREDENTIAL = -1
FIRST_ISSUE = 9
ACCEPTED, REFUSED, RENEWED, RENEWED_ON_REQUEST, LAPSED = 10, 11, 12, 13, 14
"""What an event is, where it is none of the kinds of facts."""
FACT_CODES = (*FactKind, RENEWED_ON_REQUEST)

ROWS_HELD = 4_000_000
EVENTS_A_SHARE = 2_000_000
SHARES_BITS_MAX = 13
CUSTOMER_BITS = 63
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB), np.uint64(0x9E3779B97F4A7C15))


def mixed(high: NDArray[np.uint64], low: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return 64 bits of each id of 128, spread evenly: splitmix64 over both halves."""
    return _splitmix(_splitmix(high) ^ low)


def _splitmix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    value = value + _MIX[2]
    value = (value ^ (value >> np.uint64(30))) * _MIX[0]
    value = (value ^ (value >> np.uint64(27))) * _MIX[1]
    mixed: NDArray[np.uint64] = value ^ (value >> np.uint64(31))
    return mixed


def customer_number(mixed_ids: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return what a customer is in a snapshot: snapshots are in the order of these numbers."""
    return (mixed_ids >> np.uint64(1)).astype(np.int64)


@dataclass(slots=True)
class Shares:
    """By how many shares the customers are taken, as a power of two: about EVENTS_A_SHARE events in each."""

    bits: int

    @classmethod
    def of(cls, events: int) -> Self:
        return cls(min(SHARES_BITS_MAX, max(0, (events // EVENTS_A_SHARE).bit_length())))

    @property
    def count(self) -> int:
        return 1 << self.bits

    def of_customers(self, customers: NDArray[np.int64]) -> NDArray[np.int64]:
        return customers >> (CUSTOMER_BITS - self.bits)

    def end(self, share: int) -> int:
        """Return the first customer number that lies beyond a share."""
        return (share + 1) << (CUSTOMER_BITS - self.bits)


@dataclass(slots=True)
class Spill:
    """Rows by shares, in a file that has no name: it is gone when it is closed, however that comes about."""

    kind: np.dtype[Any]
    folder: Path
    _file: IO[bytes] = field(init=False)
    _held: list[tuple[NDArray[np.int64], Rows]] = field(default_factory=list[tuple[NDArray[np.int64], Rows]])
    _rows_held: int = 0
    _places: dict[int, list[tuple[int, int]]] = field(
        default_factory=lambda: defaultdict[int, list[tuple[int, int]]](list)
    )

    def __post_init__(self) -> None:
        self._file = TemporaryFile(dir=self.folder)  # noqa: SIM115 (this is the context)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._file.close()

    def add(self, shares: NDArray[np.int64], rows: Rows) -> None:
        """Add rows, those of a share after those that it has. Raises OSError."""
        self._held.append((shares, rows))
        self._rows_held += len(rows)
        if self._rows_held >= ROWS_HELD:
            self._put_down()

    def share(self, number: int) -> Rows:
        """Return the rows of a share, in the order in which they came. Raises OSError."""
        self._put_down()
        pieces = list[Rows]()
        for place, length in self._places[number]:
            self._file.seek(place)
            pieces.append(np.frombuffer(self._file.read(length), self.kind))
        return np.concatenate(pieces) if pieces else np.zeros(0, self.kind)

    def _put_down(self) -> None:
        if not self._held:
            return
        shares = np.concatenate([each for each, _ in self._held])
        rows = np.concatenate([each for _, each in self._held])
        self._held, self._rows_held = [], 0
        order = np.argsort(shares, kind="stable")
        place = self._file.seek(0, 2)
        self._file.write(rows[order].tobytes())
        counts = np.bincount(shares)
        for number in np.flatnonzero(counts):
            length = int(counts[number]) * self.kind.itemsize
            self._places[int(number)].append((place, length))
            place += length
