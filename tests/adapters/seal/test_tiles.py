"""Tiles: byte for byte what another writes, each written once, and the same after a kill at any point."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealbook.adapters.seal.merkle import leaf_hash, root_of, tree_root
from sealbook.adapters.seal.notes import VerifierKey, parse_checkpoint, parse_note
from sealbook.adapters.seal.tiles import SealBroken, TileFolder, TileWriter, tile_name
from tests.adapters.seal.made_log import VECTORS, MadeLog, entry, needs_vectors

TESSERA = VECTORS / "tessera-log" / "testdata"
BEFORE, AFTER = 200, 900
"""From one partial tile to three full ones, a partial one and a level above."""


class Killed(BaseException):
    """The process ends here."""


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def grown(folder: Path, *, old: int, new: int) -> TileWriter:
    """Take up a log where it stands, and let it grow."""
    writer = TileWriter(folder, size=old, edges=TileFolder(folder).edges(old))
    writer.add(leaf_hash(entry(index)) for index in range(old, new))
    writer.save()
    return writer


@pytest.mark.parametrize(
    ("level", "index", "width", "name"),
    [
        (0, 0, 256, "tile/0/000"),
        (0, 0, 1, "tile/0/000.p/1"),
        (1, 999, 255, "tile/1/999.p/255"),
        (2, 1000, 256, "tile/2/x001/000"),
        (0, 1234067, 256, "tile/0/x001/x234/067"),
        (0, 1234067, 8, "tile/0/x001/x234/067.p/8"),
        (5, 1_000_000, 256, "tile/5/x001/x000/000"),
    ],
)
def test_names_are_those_of_the_format(level: int, index: int, width: int, name: str) -> None:
    assert tile_name(level, index, width) == name


@needs_vectors
def test_tiles_and_roots_are_those_of_a_log_that_another_wrote(tmp_path: Path) -> None:
    key = VerifierKey.parse((TESSERA / "verifier-key.txt").read_text(encoding="utf-8").strip())
    writer = TileWriter(tmp_path)
    for size in range(16):
        note = parse_note((TESSERA / "log" / f"checkpoint.{size}").read_text(encoding="utf-8"))
        assert key.signed(note)
        assert (parse_checkpoint(note.text).size, parse_checkpoint(note.text).root) == (size, writer.root())
        if size:
            name = tile_name(0, 0, size)
            assert (tmp_path / name).read_bytes() == (TESSERA / "log" / name).read_bytes()
            assert tree_root(TileFolder(TESSERA / "log").node(size), size) == writer.root()
        for each in entries(size + 1):
            writer.add([leaf_hash(each)])
            writer.save()


def entries(size: int) -> Iterator[bytes]:
    """The last entry of the log at a size."""
    path = TESSERA / "log" / "tile" / "entries" / "000.p" / str(size)
    bundle = path.read_bytes() if path.exists() else b""
    found: list[bytes] = []
    while bundle:
        end = 2 + int.from_bytes(bundle[:2], "big")
        found.append(bundle[2:end])
        bundle = bundle[end:]
    yield from found[-1:]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 400), max_size=6))
def test_a_log_is_the_same_however_it_grew(tmp_path_factory: pytest.TempPathFactory, steps: list[int]) -> None:
    folder = tmp_path_factory.mktemp("log")
    size = 0
    for step in steps:
        grown(folder, old=size, new=size + step)
        size += step
    writer = TileWriter(folder, size=size, edges=TileFolder(folder).edges(size))
    assert writer.root() == tree_root(TileFolder(folder).node(size), size)
    if size:
        assert writer.root() == root_of([leaf_hash(entry(index)) for index in range(size)])
    shutil.rmtree(folder)


def test_the_tiles_of_a_log_are_what_the_format_says(tmp_path: Path) -> None:
    grown(tmp_path, old=0, new=70_000)
    hashes = [leaf_hash(entry(index)) for index in range(70_000)]
    # 273 full tiles and 112 hashes; the level above has 273 hashes, the one above that 1.
    assert (tmp_path / "tile/0/272").read_bytes() == b"".join(hashes[272 * 256 : 273 * 256])
    assert (tmp_path / "tile/0/273.p/112").read_bytes() == b"".join(hashes[273 * 256 :])
    above = [root_of(hashes[start : start + 256]) for start in range(0, 273 * 256, 256)]
    assert (tmp_path / "tile/1/000").read_bytes() == b"".join(above[:256])
    assert (tmp_path / "tile/1/001.p/17").read_bytes() == b"".join(above[256:])
    assert (tmp_path / "tile/2/000.p/1").read_bytes() == root_of(above[:256])
    assert len(contents(tmp_path)) == 273 + 1 + 1 + 1 + 1


def test_an_older_size_is_read_after_its_partial_tiles_have_gone(tmp_path: Path) -> None:
    log = MadeLog(tmp_path)
    older = parse_checkpoint(log.grown(BEFORE).text)
    log.grown(AFTER)
    assert not (tmp_path / tile_name(0, 0, BEFORE)).exists()
    assert tree_root(TileFolder(tmp_path).node(BEFORE), BEFORE) == older.root


def test_a_missing_tile_is_said(tmp_path: Path) -> None:
    grown(tmp_path, old=0, new=AFTER)
    (tmp_path / "tile/0/001").unlink()
    with pytest.raises(SealBroken, match=r"tile/0/001 is missing"):
        TileFolder(tmp_path).node(AFTER)(0, 300)


@pytest.mark.parametrize("name", ["tile/0/000", "tile/0/003.p/132", "tile/1/000.p/3"])
def test_a_name_with_other_bytes_under_it_stops_everything(tmp_path: Path, name: str) -> None:
    whole = tmp_path / "whole"
    grown(whole, old=0, new=AFTER)
    folder = tmp_path / "log"
    grown(folder, old=0, new=BEFORE)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    other = bytearray((whole / name).read_bytes())
    other[-1] ^= 1
    (folder / name).write_bytes(other)
    before = contents(folder)
    with pytest.raises(SealBroken, match=Path(name).name):
        grown(folder, old=BEFORE, new=AFTER)
    assert contents(folder) == before


@pytest.mark.parametrize("step", ["fsync", "rename", "rmtree"])
def test_killed_anywhere_and_run_again_it_writes_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    whole = tmp_path / "whole"
    grown(whole, old=0, new=BEFORE)
    grown(whole, old=BEFORE, new=AFTER)
    kills = 0
    for count in range(100):
        folder = tmp_path / str(count)
        grown(folder, old=0, new=BEFORE)
        with monkeypatch.context() as patched:
            reached = killing_at(patched, step, count)
            with suppress(Killed):
                grown(folder, old=BEFORE, new=AFTER)
        killed = reached()
        kills += killed
        # What was there before still leads to the same root, whatever was written by then.
        assert tree_root(TileFolder(folder).node(BEFORE), BEFORE) == tree_root(TileFolder(whole).node(BEFORE), BEFORE)
        grown(folder, old=BEFORE, new=AFTER)
        assert contents(folder) == contents(whole)
        if not killed:
            break
    assert kills >= 3


def killing_at(patched: pytest.MonkeyPatch, step: str, count: int) -> Callable[[], bool]:
    """Let the process die before that step is done for that many-th time; return whether it did."""
    owner = {"fsync": os, "rename": Path, "rmtree": shutil}[step]
    really, done = getattr(owner, step), list[None]()

    def dying(*args: object, **more: object) -> object:
        done.append(None)
        if len(done) > count:
            raise Killed
        return really(*args, **more)

    patched.setattr(owner, step, dying)
    return lambda: len(done) > count
