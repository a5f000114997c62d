"""The map of heads: every stream is found with its proof, and of what is missing, the two that it would lie between."""

from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from sealbook.adapters.seal import head_map
from sealbook.adapters.seal.head_map import HeadMap, MapEntry, make_map
from sealbook.adapters.seal.merkle import EMPTY_ROOT, root_of
from sealbook.adapters.seal.stream_heads import StreamHead
from sealbook.adapters.seal.tiles import SealBroken


def heads(count: int) -> dict[bytes, StreamHead]:
    random = Random(5)
    return {random.randbytes(16): StreamHead(n + 1, n % 9 + 1, random.randbytes(32)) for n in range(count)}


def entries(known: dict[bytes, StreamHead]) -> list[MapEntry]:
    return [MapEntry(stream, known[stream].version, known[stream].leaf) for stream in sorted(known)]


def root_by(entry: MapEntry, index: int, size: int, proof: list[bytes]) -> bytes:
    """The root that a proof leads to, by the definition of RFC 9162 2.1.3.2, written out once more."""
    import hashlib

    node, last, found = index, size - 1, entry.hash
    for each in proof:
        if node & 1 or node == last:
            found = hashlib.sha256(b"\x01" + each + found).digest()
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = hashlib.sha256(b"\x01" + found + each).digest()
        node, last = node >> 1, last >> 1
    assert last == 0
    return found


@pytest.mark.parametrize("count", [1, 2, 3, 255, 256, 257, 1000])
def test_every_stream_is_found_with_its_proof(tmp_path: Path, count: int) -> None:
    known = heads(count)

    streams, root = make_map(tmp_path / "map", iter(known.items()))

    found = HeadMap(tmp_path / "map", root=root)
    assert (streams, len(found)) == (count, count)
    assert root == root_of([each.hash for each in entries(known)])
    for index, entry in enumerate(entries(known)):
        place, same = found.find(entry.stream)
        assert place is not None
        assert (place, place.position, place.entry) == (same, index, entry)
        assert root_by(entry, index, count, place.proof) == root


def test_what_is_missing_lies_between_two_neighbours(tmp_path: Path) -> None:
    known = heads(300)
    _, root = make_map(tmp_path / "map", iter(known.items()))
    found = HeadMap(tmp_path / "map", root=root)

    ordered = entries(known)
    for index, (left, right) in enumerate(pairwise(ordered)):
        between = (int.from_bytes(left.stream, "big") + 1).to_bytes(16, "big")
        before, after = found.find(between)
        assert before is not None
        assert after is not None
        assert (before.position, before.entry, after.position, after.entry) == (index, left, index + 1, right)

    first, last = found.find(bytes(16)), found.find(b"\xff" * 16)
    assert (first[0], first[1] and first[1].position) == (None, 0)
    assert (last[0] and last[0].position, last[1]) == (299, None)


def test_a_map_of_nothing_has_the_root_of_nothing(tmp_path: Path) -> None:
    assert make_map(tmp_path / "map", iter(())) == (0, EMPTY_ROOT)
    assert HeadMap(tmp_path / "map", root=EMPTY_ROOT).find(bytes(16)) == (None, None)


def test_more_than_fits_into_memory_is_sorted_through_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = heads(1000)
    at_once = make_map(tmp_path / "at once", iter(known.items()))
    monkeypatch.setattr(head_map, "_SORTED_AT_ONCE", 64)

    assert make_map(tmp_path / "in parts", iter(known.items())) == at_once
    assert {path.name for path in (tmp_path / "in parts").iterdir()} == {"entries", "tile"}


def test_a_map_is_made_anew_over_one_that_was_not_finished(tmp_path: Path) -> None:
    (tmp_path / "map.new" / "tile").mkdir(parents=True)
    (tmp_path / "map.new" / "entries").write_bytes(b"half")

    known = heads(20)
    assert make_map(tmp_path / "map", iter(known.items())) == make_map(tmp_path / "other", iter(known.items()))


@pytest.mark.parametrize("damage", ["emptied", "cut short", "a stream renamed", "another map"])
def test_a_map_that_is_not_what_was_sealed_is_refused(tmp_path: Path, damage: str) -> None:
    known = heads(300)
    _, root = make_map(tmp_path / "map", iter(known.items()))
    file, ordered = tmp_path / "map" / "entries", entries(known)
    whole = file.read_bytes()
    match damage:
        case "emptied":
            file.write_bytes(b"")
        case "cut short":
            file.write_bytes(whole[:-53])
        case "a stream renamed":
            file.write_bytes(whole.replace(ordered[150].stream, ordered[150].stream[:15] + b"\xff"))
        case _:
            make_map(tmp_path / "map", iter(heads(299).items()))

    with pytest.raises(SealBroken):
        HeadMap(tmp_path / "map", root=root).find(ordered[150].stream)
