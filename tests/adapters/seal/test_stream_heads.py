"""The table of the streams' last leaves: it holds what a dictionary would, through growth, closing and loss."""

from pathlib import Path
from random import Random

import pytest

from sealbook.adapters.seal.stream_heads import NO_STREAM, StreamHead, StreamHeads

STREAMS = 60_000


def head(position: int) -> StreamHead:
    return StreamHead(position, position % 7 + 1, position.to_bytes(32, "big"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stream-heads"


def test_it_holds_what_a_dictionary_would(path: Path) -> None:
    random, known = Random(3), dict[bytes, StreamHead]()
    heads = StreamHeads(path)
    for batch in range(1, 40):
        # Few different ends, so that many streams want the same slot.
        moved = {
            random.randbytes(8) + random.randrange(STREAMS).to_bytes(8, "big"): head(batch * 1000 + n)
            for n in range(300)
        }
        heads.apply(moved, applied=batch * 1000)
        known |= moved
        assert all(heads.get(stream) == found for stream, found in moved.items())

    heads.close()
    again = StreamHeads(path)
    assert dict(again) == known
    assert (len(again), again.applied) == (len(known), 39_000)
    assert again.get(b"\xff" * 16) == NO_STREAM
    again.close()


def test_a_stream_moves_on(path: Path) -> None:
    heads = StreamHeads(path)
    heads.apply({b"a" * 16: head(1)}, applied=1)
    heads.apply({b"a" * 16: head(2)}, applied=2)

    assert (heads.get(b"a" * 16), len(heads)) == (head(2), 1)
    heads.close()


@pytest.mark.parametrize("found", [b"x" * 200, b"sealbook heads 1" + bytes(48)], ids=["other bytes", "cut short"])
def test_a_file_that_is_no_table_is_begun_anew(path: Path, found: bytes) -> None:
    path.write_bytes(found)

    heads = StreamHeads(path)

    assert (heads.applied, len(heads), list(heads)) == (0, 0, [])
    heads.close()


@pytest.mark.parametrize("length", [0, 10, 63])
def test_a_file_too_short_for_its_header_is_begun_anew(path: Path, length: int) -> None:
    path.write_bytes(bytes(length))

    heads = StreamHeads(path)

    assert (heads.applied, len(heads)) == (0, 0)
    heads.close()


def test_what_a_power_cut_leaves_never_speaks_of_what_is_not_there(path: Path) -> None:
    """The system may have written any page of what came since the last flush, the first one too."""
    heads = StreamHeads(path)
    random = Random(9)
    flushed = {random.randbytes(16): head(n + 1) for n in range(500)}
    heads.apply(flushed, applied=500)
    heads.flush()
    before = path.read_bytes()
    later = {random.randbytes(16): head(n + 501) for n in range(500)}
    heads.apply(later, applied=1000)
    after = path.read_bytes()
    heads.close()

    page = 4096
    for written in range(0, len(before), page):
        path.write_bytes(before[:written] + after[written : written + page] + before[written + page :])
        found = StreamHeads(path)
        assert found.applied == 500
        assert all(found.get(stream) == each for stream, each in flushed.items())
        assert len(found) == len(dict(found))
        found.close()
