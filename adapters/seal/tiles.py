"""Tiles: a Merkle tree as files of 256 hashes, each written once (C2SP tlog-tiles, without entry bundles).

* A tile is on disk before anything speaks of it, and a name once taken never gets other bytes: so a run that was
  killed is repeated, and writes the very same files.
* The last tile of a level grows under a name of its own for each width, until it is full.
"""

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

from sealbook.adapters.seal.merkle import EMPTY_ROOT, HASH_BYTES, Node, root_of
from sealbook.application.ports import LedgerDamaged

WIDTH = 256
_LEVELS = 8
"""How many levels of the tree a tile holds."""
_SYNCS_AT_ONCE = 8


class SealBroken(LedgerDamaged):
    """The folder of the seal contradicts itself or the ledger. Nothing more is sealed until a person has looked."""


def tile_name(level: int, index: int, width: int = WIDTH) -> str:
    """Return where a tile stands below the folder of its log."""
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.insert(0, f"x{index % 1000:03}")
    partial = "" if width == WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(groups)}{partial}"


class TileFolder:
    """The tiles of one tree, to be read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read_tile = lru_cache(maxsize=1024)(self._tile)

    def node(self, size: int) -> Node:
        """Return what gives the hashes of a tree of that size. It raises SealBroken for a tile that is not there."""

        def node(level: int, index: int) -> bytes:
            tile_level, within = divmod(level, _LEVELS)
            first = index << within
            hashes = self.hashes(tile_level, first // WIDTH, size)
            start = first % WIDTH * HASH_BYTES
            if within == 0:
                return hashes[start : start + HASH_BYTES]
            return root_of(_split(hashes[start : start + (HASH_BYTES << within)]))

        return node

    def hashes(self, level: int, index: int, size: int) -> bytes:
        """Return the hashes of a tile in a tree of that size, joined."""
        width = min(WIDTH, (size >> _LEVELS * level) - index * WIDTH)
        return self._read_tile(level, index, width)

    def edges(self, size: int) -> list[list[bytes]]:
        """Return the hashes of each level's last tile that are in no full one, from the leaves' level on."""
        return [_split(self._edge(level, size)) for level in range(levels(size))]

    def _edge(self, level: int, size: int) -> bytes:
        index, width = divmod(size >> _LEVELS * level, WIDTH)
        return self.hashes(level, index, size) if width else b""

    def _tile(self, level: int, index: int, width: int) -> bytes:
        for name in (tile_name(level, index, width), tile_name(level, index)):
            try:
                hashes = (self._folder / name).read_bytes()
            except FileNotFoundError:
                continue
            if len(hashes) < width * HASH_BYTES:
                break
            return hashes[: width * HASH_BYTES]
        raise SealBroken(
            f"{tile_name(level, index, width)} is missing or cut short: restore the folder of the seal from a copy"
        )


class TileWriter:
    """A tree that grows. What it adds is on disk after `save`; before that, nothing of it is."""

    def __init__(self, folder: Path, *, size: int = 0, edges: Sequence[Sequence[bytes]] = ()) -> None:
        self._folder = folder
        self._edges = [list(each) for each in edges]
        self._full: list[tuple[str, bytes]] = []
        self.size = size

    def add(self, hashes: Iterable[bytes]) -> None:
        """Add leaves, by their hashes."""
        for each in hashes:
            self._push(0, each)
            self.size += 1

    def root(self) -> bytes:
        ragged: list[bytes] = []
        for edge in self._edges:
            # What the levels below leave over is one more, smaller subtree of this one.
            ragged = [root_of([*edge, *ragged])] if edge or ragged else []
        return ragged[0] if ragged else EMPTY_ROOT

    def save(self) -> None:
        """Write the tiles that are new. Raises SealBroken where other bytes stand under a tile's name."""
        growing = [
            (tile_name(level, self._count(level) // WIDTH, len(edge)), b"".join(edge))
            for level, edge in enumerate(self._edges)
            if edge
        ]
        write_once(self._folder, [*self._full, *growing])
        for name, _ in self._full:
            # What a full tile says, its narrower ones said in part.
            shutil.rmtree(self._folder / f"{name}.p", ignore_errors=True)
        self._full.clear()

    def _count(self, level: int) -> int:
        return self.size >> _LEVELS * level

    def _push(self, level: int, each: bytes) -> None:
        if level == len(self._edges):
            self._edges.append([])
        edge = self._edges[level]
        edge.append(each)
        if len(edge) == WIDTH:
            index = (self.size >> _LEVELS * level) // WIDTH
            self._full.append((tile_name(level, index), b"".join(edge)))
            self._edges[level] = []
            self._push(level + 1, root_of(edge))


def levels(size: int) -> int:
    """Return how many levels of tiles a tree of that size has."""
    count = 0
    while size >> _LEVELS * count:
        count += 1
    return count


def write_once(folder: Path, files: Sequence[tuple[str, bytes]]) -> None:
    """Write files that are not there, and make sure that they are on disk. Raises SealBroken where others are."""
    new = [(folder / name, data) for name, data in files if not _is_there(folder / name, data)]
    parents = {path.parent for path, _ in new}
    for parent in parents:
        parent.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(_SYNCS_AT_ONCE) as pool:
        # One by one, each would wait for the disk; together they wait once.
        list(pool.map(_write_draft, new))
    for path, _ in new:
        _draft(path).rename(path)
    for parent in _with_ancestors(parents, folder):
        sync_folder(parent)


def replace_file(path: Path, data: bytes) -> None:
    """Put a file in the place of another: at any moment, one of the two is there, whole."""
    _write_draft((path, data))
    _draft(path).rename(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make sure that the names in a folder are on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_there(path: Path, data: bytes) -> bool:
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        return False
    if found != data:
        raise SealBroken(f"{path.name} in {path.parent} holds other hashes than the ledger gives")
    return True


def _write_draft(file: tuple[Path, bytes]) -> None:
    path, data = file
    with _draft(path).open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")


def _with_ancestors(folders: Iterable[Path], top: Path) -> Iterator[Path]:
    found = {each for folder in folders for each in (folder, *folder.parents) if each.is_relative_to(top)}
    return iter(sorted(found, key=lambda each: len(each.parts), reverse=True))


def _split(hashes: bytes) -> list[bytes]:
    return [hashes[start : start + HASH_BYTES] for start in range(0, len(hashes), HASH_BYTES)]
