"""The whole log: any tampering with events, tiles or maps is found, and the first position that differs is named."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sealbook_verify.full import verify_full
from sealbook_verify.tiles import Tiles, tile_path
from sealbook_verify.verdict import Disproved, Proven
from tests.verify.producer import LEDGER, LOG, ZEROS, Book, leaf_hash, root, stream
from tests.verify.verifying import BOTH, code_of, disproved, vectors

SIZE = 600


def book(size: int = SIZE) -> Book:
    """Streams of different lengths, and four maps, one of which covers less than what was there."""
    made = Book()
    made.map(size=0)
    while len(made.entries) < size:
        number = len(made.entries)
        if number in (100, 300):
            made.map()
        elif number == 400:
            made.map(size=350)
        else:
            made.use(stream(number % 7 * (number % 3)))
    return made


class Case:
    """A folder and a dump that may be changed before they are verified."""

    def __init__(self, folder: Path, made: Book | None = None, *, size: int | None = None) -> None:
        made = made or book()
        self.made, self.tiles, self.events = made, folder / "log", folder / "events"
        made.write(self.tiles, size=size)
        self.events.write_bytes(made.dump())

    def verify(self) -> Proven:
        return verify_full(self.tiles, self.events, BOTH)

    @property
    def code(self) -> int:
        return code_of(self.verify)

    @property
    def found(self) -> tuple[str, int | None]:
        return disproved(self.verify)

    def record_start(self, position: int) -> int:
        return len(b"sealbook.events 1\n") + sum(len(each.record) for each in self.made.entries[: position - 1])

    def flip(self, position: int, offset: int) -> None:
        data = bytearray(self.events.read_bytes())
        data[self.record_start(position) + offset] ^= 1
        self.events.write_bytes(bytes(data))


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_a_whole_log_verifies_with_its_maps(case: Case) -> None:
    verdict = case.verify()

    assert verdict.says.startswith("the log of 600 entries is whole")
    assert (verdict.facts["streams"], verdict.facts["maps"], verdict.facts["not_sealed"]) == (11, 4, 0)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 511, 512, 513])
def test_logs_of_sizes_around_those_of_tiles_verify(tmp_path: Path, size: int) -> None:
    assert Case(tmp_path, book(max(size, 1)), size=size).verify().facts["not_sealed"] == max(size, 1) - size


def test_a_log_with_tiles_above_tiles_above_tiles_has_the_root_of_the_definition(tmp_path: Path) -> None:
    leaves = [leaf_hash(number.to_bytes(3)) for number in range(256 * 256 + 300)]
    hashes = leaves
    for level in range(3):
        for first in range(0, len(hashes), 256):
            tile = hashes[first : first + 256]
            file = tmp_path / tile_path(level, first // 256, len(tile))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"".join(tile))
        hashes = [root(hashes[first : first + 256]) for first in range(0, len(hashes) - 255, 256)]
    tiles = Tiles(tmp_path)
    for each in leaves:
        tiles.add(each)

    assert tiles.finish() == root(leaves)
    wrong = tmp_path / tile_path(1, 0)
    wrong.write_bytes(b"".join([wrong.read_bytes()[:64], ZEROS, wrong.read_bytes()[96:]]))
    tiles = Tiles(tmp_path)
    for each in leaves[:65_535]:
        tiles.add(each)
    with pytest.raises(Disproved) as found:
        tiles.add(leaves[65_535])
    assert (found.value.claim, found.value.position) == ("tile", 513)


def test_paths_of_tiles_are_those_of_the_specification() -> None:
    assert tile_path(0, 1234067) == "tile/0/x001/x234/067"
    assert tile_path(2, 0) == "tile/2/000"
    assert tile_path(1, 1000, 5) == "tile/1/x001/000.p/5"


def test_the_tiles_of_another_implementation_are_read() -> None:
    log = vectors("tessera-log") / "testdata" / "log"
    tile = (log / tile_path(0, 0, 15)).read_bytes()
    leaves = [tile[at : at + 32] for at in range(0, len(tile), 32)]
    tiles = Tiles(log)
    for each in leaves:
        tiles.add(each)

    assert f"\n{base64.b64encode(tiles.finish()).decode()}\n" in (log / "checkpoint").read_text(encoding="utf-8")


def test_what_is_not_sealed_yet_is_counted_and_no_fault(tmp_path: Path) -> None:
    verdict = Case(tmp_path, size=450).verify()

    assert (verdict.facts["not_sealed"], verdict.facts["checkpoint"]["size"]) == (150, 450)


@pytest.mark.parametrize("position", [1, 2, 101, 256, 257, 401, 599, 600])
def test_any_byte_of_an_event_that_is_changed_is_found_at_its_position(case: Case, position: int) -> None:
    length = len(case.made.entries[position - 1].record)
    for offset in [*range(28), *range(32, length)]:
        case.flip(position, offset)
        assert case.found == ("tile", position), offset
        case.flip(position, offset)
    assert case.code == 0


@pytest.mark.parametrize("offset", [28, 29, 30, 31])
@pytest.mark.parametrize("position", [2, 257, 600])
def test_a_changed_length_is_never_proven(case: Case, position: int, offset: int) -> None:
    case.flip(position, offset)

    assert case.code in (1, 2)


@pytest.mark.parametrize("position", [1, 2, 256, 300, 599])
def test_an_event_taken_out_put_in_or_exchanged_is_found_where_it_stood(case: Case, position: int) -> None:
    entries = [each.record for each in case.made.entries]
    at = position - 1

    def dump(records: list[bytes]) -> None:
        case.events.write_bytes(b"sealbook.events 1\n" + b"".join(records))

    dump([*entries[:at], *entries[at + 1 :]])
    assert case.found == ("tile", position)
    dump([*entries[: at + 1], *entries[at:]])
    assert case.found == ("tile", position + 1)
    dump([*entries[:at], entries[at + 1], entries[at], *entries[at + 2 :]])
    assert case.found == ("tile", position)


def test_a_dump_that_ends_before_the_log_does_is_disproved(case: Case) -> None:
    case.events.write_bytes(b"sealbook.events 1\n" + b"".join(each.record for each in case.made.entries[:-1]))

    assert case.found == ("events", 599)


def test_tiles_that_were_changed_are_found_at_their_first_position(case: Case) -> None:
    for name, at, position in (("0/000", 5, 6), ("0/001", 255, 512), ("0/002.p/88", 87, 600), ("1/000.p/2", 1, 257)):
        file = case.tiles / "tile" / name
        good = file.read_bytes()
        file.write_bytes(good[: 32 * at] + ZEROS + good[32 * at + 32 :])
        assert case.found == ("tile", position)
        file.write_bytes(good[: 32 * at])
        assert case.found == ("tile", position)
        file.write_bytes(good + ZEROS)
        assert case.code == 1
        file.write_bytes(good)
    assert case.code == 0


def test_a_tile_that_is_missing_is_bad_input_unless_a_fuller_one_took_its_place(case: Case, tmp_path: Path) -> None:
    (case.tiles / "tile/0/002.p/88").unlink()
    assert case.code == 2
    grown = Case(tmp_path / "grown", book(800))
    (grown.tiles / "checkpoint").write_text(grown.made.checkpoint(size=600), encoding="utf-8")
    (grown.tiles / "tile/1/000.p/3").rename(grown.tiles / "tile/1/000.p/2")
    (grown.tiles / "tile/1/000.p/2").write_bytes((grown.tiles / "tile/1/000.p/2").read_bytes()[:64])

    assert grown.code == 0


def test_a_log_that_was_rewritten_whole_is_not_the_one_that_was_signed(case: Case) -> None:
    signed = (case.tiles / "checkpoint").read_bytes()
    case.made.entries[-1].recorded_at += 1
    case.made.entries[-1].__dict__.pop("leaf", None)
    case.made.write(case.tiles)
    case.events.write_bytes(case.made.dump())
    assert case.code == 0
    (case.tiles / "checkpoint").write_bytes(signed)

    assert case.found == ("root", None)


# --- What a sealer might have sealed, and should not have


def sealed(tmp_path: Path, change: Callable[[Book], Any], size: int = 40) -> tuple[str, int | None]:
    made = book(size)
    change(made)
    return Case(tmp_path, made).found


def test_a_version_that_is_left_out_is_found(tmp_path: Path) -> None:
    def skip(made: Book) -> None:
        made.use(stream(99)).version = 2

    assert sealed(tmp_path, skip) == ("version", 41)


def test_a_time_that_goes_back_is_found(tmp_path: Path) -> None:
    def back(made: Book) -> None:
        made.use(stream(99)).recorded_at -= 2_000_000

    assert sealed(tmp_path, back) == ("recorded_at", 41)


def test_a_map_with_a_missing_stream_a_wrong_count_or_of_the_future_is_found(tmp_path: Path) -> None:
    def missing(made: Book) -> None:
        less = list(made.map_entries(40).values())[1:]
        made.add(LEDGER, "ledger.heads_mapped", 40, len(less), root([leaf_hash(each) for each in less]).hex())

    def miscounted(made: Book) -> None:
        all_of_them = [leaf_hash(each) for each in made.map_entries(40).values()]
        made.add(LEDGER, "ledger.heads_mapped", 40, len(all_of_them) + 1, root(all_of_them).hex())

    def of_the_future(made: Book) -> None:
        made.add(LEDGER, "ledger.heads_mapped", 41, 1, ZEROS.hex())

    for number, change in enumerate((missing, miscounted, of_the_future)):
        assert sealed(tmp_path / str(number), change) == ("map", 41)


def test_ledger_events_in_another_stream_say_nothing(tmp_path: Path) -> None:
    made = book(40)
    made.add(stream(99), "ledger.heads_mapped", 3, 1, ZEROS.hex())

    assert Case(tmp_path, made).verify().facts["maps"] == 1


# --- Destroyed bodies


def test_destroyed_bodies_are_covered_by_the_ledgers_word(tmp_path: Path) -> None:
    made = book(40)
    made.drop(stream(2), 2)

    assert Case(tmp_path, made).verify().facts["destroyed"] == 2


def test_a_destroyed_body_that_no_event_covers_is_found(tmp_path: Path) -> None:
    def one_more(made: Book) -> None:
        made.drop(stream(2), 1)
        made.of(stream(2))[1].dropped = True

    uncovered = book(40).of(stream(2))[1].position
    assert sealed(tmp_path, one_more) == ("records_dropped", uncovered)


def test_a_drop_does_not_cover_what_came_after_it(tmp_path: Path) -> None:
    def too_early(made: Book) -> None:
        made.drop(stream(99), 5)
        made.use(stream(99)).dropped = True

    assert sealed(tmp_path, too_early) == ("records_dropped", 42)


def test_of_bodies_that_an_event_covers_which_is_not_sealed_nobody_can_tell(tmp_path: Path) -> None:
    made = book(40)
    made.drop(stream(2), 1)

    assert Case(tmp_path, made, size=40).code == 3


def test_a_destroyed_body_keeps_its_kind_and_commitment(tmp_path: Path) -> None:
    made = book(40)
    made.drop(stream(2), 1)
    case = Case(tmp_path, made)
    position = made.of(stream(2))[0].position

    for offset in range(32, 65):
        case.flip(position, offset)
        assert case.found in {("tile", position), ("kind", position)}
        case.flip(position, offset)


def test_changes_of_keys_and_logs_are_told(tmp_path: Path) -> None:
    made = book(40)
    made.add(LEDGER, "ledger.key_changed", "log", 2, LOG.vkey)
    made.add(LEDGER, "ledger.log_replaced", LOG.name, 7, ZEROS.hex(), "restored", "officer 7")

    notices = Case(tmp_path, made).verify().facts["notices"]

    assert [each.split(": ", 1)[1].split()[0] for each in notices] == ["ledger.key_changed", "ledger.log_replaced"]


@pytest.mark.parametrize("data", [b"", b"sealbook.events 2\n", b"sealbook.events 1", b"\x00" * 100])
def test_what_is_no_dump_is_bad_input(case: Case, data: bytes) -> None:
    case.events.write_bytes(data)

    assert case.code == 2


def test_a_dump_that_ends_within_an_event_is_bad_input(case: Case) -> None:
    case.events.write_bytes(case.events.read_bytes()[:-1])

    assert case.code == 2
