"""The map of heads: every stream with its last event, in one tree. What is not in it is not in the log.

A map is made for one size of the log and never changes. Its entries are a file in order of the streams, so that a
stream is found by halving; its tree is tiles, as the log's own.
"""

import heapq
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from operator import itemgetter
from pathlib import Path
from struct import Struct
from typing import BinaryIO, NamedTuple

from sealbook.adapters.seal.merkle import inclusion_proof, leaf_hash, tree_root
from sealbook.adapters.seal.stream_heads import StreamHead
from sealbook.adapters.seal.tiles import SealBroken, TileFolder, TileWriter, sync_folder

ENTRY = Struct(">c16sI32s")
_MARK = b"M"
_ENTRIES = "entries"
_SORTED_AT_ONCE = 1 << 20
_ADDED_AT_ONCE = 1 << 16


class MapEntry(NamedTuple):
    """A stream in the map: how many events it has, and the leaf hash of the last."""

    stream: bytes
    version: int
    leaf: bytes

    @property
    def hash(self) -> bytes:
        return leaf_hash(ENTRY.pack(_MARK, *self))


class Place(NamedTuple):
    """Where an entry stands in the map, from 0, and the proof of that."""

    position: int
    entry: MapEntry
    proof: list[bytes]


class HeadMap:
    """A map that was made, to be looked into. Raises SealBroken for one that is not what was sealed."""

    def __init__(self, folder: Path, *, root: bytes) -> None:
        self._tiles = TileFolder(folder)
        self._entries = folder / _ENTRIES
        if not self._entries.is_file() or tree_root(self._tiles.node(len(self)), len(self)) != root:
            raise SealBroken(f"the map in {folder} is not the one that was sealed: run sealbook seal --map")

    def __len__(self) -> int:
        return self._entries.stat().st_size // ENTRY.size

    def find(self, stream: bytes) -> tuple[Place | None, Place | None]:
        """Return the place of a stream, twice; of one that is not in the map, those of its neighbours."""
        with self._entries.open("rb") as file:
            low, high = 0, len(self)
            while low < high:
                middle = (low + high) // 2
                if _entry(file, middle).stream < stream:
                    low = middle + 1
                else:
                    high = middle
            found = self._place(file, low)
            if found is not None and found.entry.stream == stream:
                return found, found
            before = self._place(file, low - 1)
            if (before and before.entry.stream >= stream) or (found and found.entry.stream <= stream):
                raise SealBroken(f"{self._entries} is not in order: run sealbook seal --map")
            return before, found

    def _place(self, file: BinaryIO, index: int) -> Place | None:
        size = len(self)
        if not 0 <= index < size:
            return None
        entry, node = _entry(file, index), self._tiles.node(size)
        if entry.hash != node(0, index):
            raise SealBroken(f"{self._entries} is not what was sealed: run sealbook seal --map")
        return Place(index, entry, inclusion_proof(node, index, size))


def make_map(folder: Path, heads: Iterable[tuple[bytes, StreamHead]]) -> tuple[int, bytes]:
    """Make the map of these heads; return how many streams it has, and its root. One that is there is made anew."""
    draft = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    tree = TileWriter(draft)
    with (draft / _ENTRIES).open("wb") as file:
        entries = _in_order(((stream, head.version, head.leaf) for stream, head in heads), draft)
        while some := list(islice(entries, _ADDED_AT_ONCE)):
            file.write(b"".join(ENTRY.pack(_MARK, *each) for each in some))
            tree.add(MapEntry(*each).hash for each in some)
    tree.save()
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)
    sync_folder(folder.parent)
    return tree.size, tree.root()


def _in_order(entries: Iterator[tuple[bytes, int, bytes]], folder: Path) -> Iterator[tuple[bytes, int, bytes]]:
    """Yield entries by their streams, of which not all need fit into memory: sorted parts go through files."""
    by_stream = itemgetter(0)
    part = sorted(islice(entries, _SORTED_AT_ONCE), key=by_stream)
    with ExitStack() as stack:
        parts: list[Iterator[tuple[bytes, int, bytes]]] = []
        while rest := list(islice(entries, _SORTED_AT_ONCE)):
            parts.append(_through_file(stack, folder / f"part-{len(parts)}", part))
            part = sorted(rest, key=by_stream)
        yield from heapq.merge(*parts, part, key=by_stream)


def _through_file(
    stack: ExitStack, path: Path, part: Iterable[tuple[bytes, int, bytes]]
) -> Iterator[tuple[bytes, int, bytes]]:
    with path.open("wb") as file:
        file.writelines(ENTRY.pack(_MARK, *each) for each in part)
    reading = stack.enter_context(path.open("rb"))
    path.unlink()
    while packed := reading.read(ENTRY.size):
        yield ENTRY.unpack(packed)[1:]


def _entry(file: BinaryIO, index: int) -> MapEntry:
    file.seek(index * ENTRY.size)
    return MapEntry(*ENTRY.unpack(file.read(ENTRY.size))[1:])
