"""The last leaf of every stream: what the next leaf of a stream links to. A file, so that millions cost no memory.

It follows from the ledger and the tiles, so it may be lost: `applied` says up to which position it holds all, and
the sealer puts in again what comes after. A table of fixed slots, found by the id's random end; a slot never
crosses a disk's sector.

The system writes the pages of the file when it likes. So `applied` goes into the file only when all that it speaks of
is on disk: after a power cut some slots are ahead of it, and none is behind.
"""

import mmap
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from sealbook.adapters.seal.leaves import NO_LEAF

_MAGIC = b"sealbook heads 1"
_HEADER = Struct(">16sQQQ?23x")
"""Magic, how many slots, how many of them are taken, applied, and whether the file was closed."""
_SLOT = Struct(">16sQI32s4x")
"""Stream, position, version, leaf hash. A slot at position 0 is free."""
_SLOTS_AT_FIRST = 1 << 12
_FULL = 0.7


class StreamHead(NamedTuple):
    """A stream's last event in the log: where it is, which version, and its leaf's hash."""

    position: int
    version: int
    leaf: bytes


NO_STREAM = StreamHead(0, 0, NO_LEAF)


class StreamHeads:
    """The table. One process has it open at a time: the folder of the seal is locked."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._slots, self._taken, self._applied = 0, 0, 0
        if not path.exists() or path.stat().st_size < _HEADER.size:
            _create(path, _SLOTS_AT_FIRST)
        self._open()

    def close(self) -> None:
        self._write_out(closed=True)
        self._table.close()

    @property
    def applied(self) -> int:
        """The position up to which the table holds all."""
        return self._applied

    def __len__(self) -> int:
        return self._taken

    def get(self, stream: bytes) -> StreamHead:
        """Return the head of a stream; NO_STREAM for one that has none."""
        _, position, version, leaf = _SLOT.unpack_from(self._table, self._place(stream))
        return StreamHead(position, version, leaf) if position else NO_STREAM

    def apply(self, heads: Mapping[bytes, StreamHead], *, applied: int) -> None:
        """Put in the heads of streams that moved; then the table holds all up to that position."""
        while self._taken + len(heads) > self._slots * _FULL:
            self._grow()
        for stream, head in heads.items():
            place = self._place(stream)
            self._taken += not self._is_taken(place)
            _SLOT.pack_into(self._table, place, stream, *head)
        self._applied = applied

    def flush(self) -> None:
        """Make sure that the table is on disk, up to where it is applied."""
        self._write_out(closed=False)

    def __iter__(self) -> Iterator[tuple[bytes, StreamHead]]:
        """Yield every stream with its head, in no order."""
        for stream, position, version, leaf in _SLOT.iter_unpack(memoryview(self._table)[_HEADER.size :]):
            if position:
                yield stream, StreamHead(position, version, leaf)

    def _place(self, stream: bytes) -> int:
        # The end of an id is random, its beginning is a time.
        slot = int.from_bytes(stream[8:], "big") & self._mask
        while True:
            place = _HEADER.size + slot * _SLOT.size
            if self._table[place : place + 16] == stream or not self._is_taken(place):
                return place
            slot = (slot + 1) & self._mask

    def _is_taken(self, place: int) -> bool:
        return self._table[place + 16 : place + 24] != bytes(8)

    def _write_out(self, *, closed: bool) -> None:
        # The slots first: the header must never speak of what is not there.
        self._table.flush()
        _HEADER.pack_into(self._table, 0, _MAGIC, self._slots, self._taken, self._applied, closed)
        self._table.flush(0, mmap.PAGESIZE)

    def _open(self) -> None:
        with self._path.open("r+b") as file:
            self._table = mmap.mmap(file.fileno(), 0)
        said: tuple[bytes, int, int, int, bool] = _HEADER.unpack_from(self._table)
        magic, self._slots, self._taken, self._applied, closed = said
        if magic != _MAGIC or not self._slots or len(self._table) != _HEADER.size + self._slots * _SLOT.size:
            # It follows from the ledger and the tiles: begun anew, it is filled again.
            self._table.close()
            _create(self._path, _SLOTS_AT_FIRST)
            self._open()
            return
        self._mask = self._slots - 1
        if not closed:
            self._taken = sum(1 for _ in self)
        self._write_out(closed=False)

    def _grow(self) -> None:
        larger = self._path.with_name(f"{self._path.name}.larger")
        _create(larger, self._slots * 2)
        grown = StreamHeads(larger)
        grown.apply(dict(self), applied=self._applied)
        grown.close()
        self._table.close()
        larger.rename(self._path)
        self._open()


def _create(path: Path, slots: int) -> None:
    draft = path.with_name(f"{path.name}.new")
    with draft.open("wb") as file:
        file.write(_HEADER.pack(_MAGIC, slots, 0, 0, True))
        file.truncate(_HEADER.size + slots * _SLOT.size)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
