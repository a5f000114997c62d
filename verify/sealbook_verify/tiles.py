"""Tiles (C2SP tlog-tiles): 256 hashes of a level each; at level 0 leaves, above it the roots of full tiles below."""

from pathlib import Path

from sealbook_verify.merkle import EMPTY_ROOT, HASH_BYTES, root_of
from sealbook_verify.verdict import BadInput, Disproved

WIDTH = 256


def tile_path(level: int, index: int, width: int = WIDTH) -> str:
    """Return a tile's path: 1234067 is x001/x234/067, and a tile that is not full has its width behind it."""
    digits = f"{index:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    name = "/".join([*(f"x{each}" for each in groups[:-1]), groups[-1]])
    return f"tile/{level}/{name}" + ("" if width == WIDTH else f".p/{width}")


class Tiles:
    """A folder of tiles, compared with leaves that come one after another."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._levels: list[list[bytes]] = [[]]
        self._full: list[int] = [0]

    def add(self, leaf: bytes) -> None:
        """Take the next leaf. Raises Disproved at the first position where a tile, now full, differs."""
        leaves = self._levels[0]
        leaves.append(leaf)
        if len(leaves) == WIDTH:
            self._close(0)

    def check_so_far(self) -> None:
        """Compare the leaves of the tile that is not full yet with the beginning of the one in the folder, if any."""
        leaves, path = self._levels[0], self._folder / tile_path(0, self._full[0])
        partial = sorted(path.parent.glob(f"{path.name}.p/*"), key=lambda each: each.stat().st_size)
        for tile in [path, *partial[-1:]]:
            if leaves and tile.is_file():
                known = tile.read_bytes()[: len(leaves) * HASH_BYTES]
                self._compare(0, known, leaves[: len(known) // HASH_BYTES])

    def finish(self) -> bytes:
        """Compare what is left with the last tile of each level, and return the root of all leaves."""
        root: bytes | None = None
        for level, hashes in enumerate(self._levels):
            if hashes:
                self._compare(level, self._partial(level, len(hashes)), hashes)
            # What is right of a level's last full tile is one more, smaller, subtree beside it.
            right = [] if root is None else [root]
            root = root_of(hashes + right) if hashes or right else None
        return EMPTY_ROOT if root is None else root

    def _close(self, level: int) -> None:
        hashes = self._levels[level]
        self._compare(level, self._read(tile_path(level, self._full[level])), hashes)
        self._full[level] += 1
        if level + 1 == len(self._levels):
            self._levels.append([])
            self._full.append(0)
        self._levels[level + 1].append(root_of(hashes))
        hashes.clear()
        if len(self._levels[level + 1]) == WIDTH:
            self._close(level + 1)

    def _partial(self, level: int, width: int) -> bytes:
        """Return the last tile of a level. A log that has grown may have filled it, and deleted the smaller one."""
        path = tile_path(level, self._full[level], width)
        if (self._folder / path).exists():
            return self._read(path)
        return self._read(tile_path(level, self._full[level]))[: width * HASH_BYTES]

    def _compare(self, level: int, tile: bytes, hashes: list[bytes]) -> None:
        if b"".join(hashes) == tile:
            return
        pieces = [tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES)]
        differing = next((n for n, each in enumerate(hashes) if pieces[n : n + 1] != [each]), len(hashes))
        position = ((self._full[level] * WIDTH + differing) * WIDTH**level) + 1
        what = "the event is not what the log's tile holds" if level == 0 else f"a tile of level {level} differs"
        raise Disproved("tile", what, position)

    def _read(self, path: str) -> bytes:
        try:
            return (self._folder / path).read_bytes()
        except FileNotFoundError as error:
            raise BadInput(f"the folder of the log has no {path}") from error
