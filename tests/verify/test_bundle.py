"""Histories and absences: what a good one proves, and which claim each kind of tampering breaks."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

from sealbook_verify.bundle import verify_bundle
from sealbook_verify.verdict import Proven
from tests.verify.producer import LEDGER, LOG, START_US, ZEROS, Book, Signer, leaf_hash, msgpack, path, root, stream
from tests.verify.verifying import BOTH, bundle_code, bundle_disproved, disproved

MINE, OTHER, NOBODY = stream(5), stream(9), stream(7)
Parts = list[Any]
Change = Callable[[Parts], None]


def book(*, later: int = 2) -> Book:
    """A ledger of three streams with a map; MINE has four events before it."""
    made = Book()
    for turn in range(4):
        for each in (MINE, OTHER, stream(2)):
            made.use(each)
            if turn > 1 and each == OTHER:
                made.use(each)
    made.map()
    for _ in range(later):
        made.use(MINE)
    return made


def proven(data: bytes) -> Proven:
    return verify_bundle(data, BOTH)


def tampered(parts: Parts, change: Change) -> bytes:
    change(parts)
    return msgpack(parts)


def test_a_history_has_so_many_events_and_is_whole_up_to_its_map() -> None:
    verdict = proven(book().history(MINE))

    assert "has 4 events and is whole up to position 14" in verdict.says
    assert {**verdict.facts, "timeline": None, "checkpoint": None} == {
        "stream": str(MINE),
        "events_mapped": 4,
        "events_later": 2,
        "shown": 6,
        "destroyed": 0,
        "withheld": 0,
        "whole_up_to": 14,
        "map_position": 15,
        "map_recorded_at": "2025-04-01T23:30:15Z",
        "timeline": None,
        "checkpoint": None,
    }
    assert [each["version"] for each in verdict.facts["timeline"]] == [1, 2, 3, 4, 5, 6]
    assert "2 later: proven, but that there are no more after the map is not" in verdict.lines
    assert "the latest event was recorded 3583 s before the first cosignature" in verdict.lines


def test_histories_of_every_stream_verify_the_ledgers_own_too() -> None:
    made = book()
    made.map()
    made.drop(OTHER, 2)

    assert {bundle_code(made.history(each)) for each in (MINE, OTHER, stream(2), LEDGER)} == {0}


def test_a_history_of_one_event_in_a_log_of_one_stream_verifies() -> None:
    made = Book()
    made.use(MINE)
    made.map()

    assert "has 1 event and is whole up to position 1 " in proven(made.history(MINE)).says


def test_the_timeline_says_in_words_what_happened_when_by_whom() -> None:
    (first, *_) = [line for line in proven(book().history(MINE)).lines if "used" in line]

    assert first == (
        "   1  2025-04-01T23:30:00Z  used purpose=login qualifies=true  "
        "[app by holder; position 1, recorded 2025-04-01T23:30:01Z]"
    )


def test_a_bundle_may_be_asked_to_be_of_one_stream() -> None:
    data = book().history(MINE)

    assert verify_bundle(data, BOTH, stream=MINE).facts["stream"] == str(MINE)
    assert disproved(lambda: verify_bundle(data, BOTH, stream=OTHER)) == ("stream", None)


def test_events_after_the_moment_asked_for_are_withheld_and_counted() -> None:
    verdict = proven(book().history(MINE, known_at=5))

    assert (verdict.facts["shown"], verdict.facts["withheld"]) == (2, 4)
    assert verdict.facts["timeline"][2]["state"] == "withheld"


def test_destroyed_events_are_proven_and_say_by_what_right() -> None:
    made = book()
    made.drop(MINE, 2)
    made.drop(MINE, 3)
    verdict = proven(made.history(MINE))

    assert (verdict.facts["shown"], verdict.facts["destroyed"]) == (3, 3)
    assert verdict.facts["timeline"][0]["note"] == (
        "destroyed by the ledger's event at position 18: after 5 years, approved by officer 7"
    )
    assert "position 19" in verdict.facts["timeline"][2]["note"]


def test_an_event_that_the_catalogue_does_not_know_is_shown_as_it_is() -> None:
    made = Book()
    made.add(MINE, "credential.of_the_future", "news", MINE.bytes, [b"\x00", None])
    made.map()

    (told,) = proven(made.history(MINE)).facts["timeline"]

    assert told["words"] == "credential.of_the_future"
    assert (told["fields"]["8"], told["fields"]["9"], told["fields"]["10"]) == ("news", str(MINE), ["00", None])


# --- What does not verify


def put(value: Any, *place: int) -> Change:
    """Return what puts a value in this place of the bundle's arrays."""

    def change(parts: Parts) -> None:
        _inner(parts, place[:-1])[place[-1]] = value

    return change


def cut(*place: int) -> Change:
    """Return what takes out what stands there."""

    def change(parts: Parts) -> None:
        del _inner(parts, place[:-1])[place[-1]]

    return change


def again(source: tuple[int, ...], *place: int) -> Change:
    """Return what puts behind the last element of an array what stands elsewhere."""

    def change(parts: Parts) -> None:
        _inner(parts, place).append(_inner(parts, source))

    return change


def swapped(*place: int) -> Change:
    """Return what exchanges two neighbours, of which this is the first."""

    def change(parts: Parts) -> None:
        array, at = _inner(parts, place[:-1]), place[-1]
        array[at], array[at + 1] = array[at + 1], array[at]

    return change


def _inner(parts: Parts, place: tuple[int, ...]) -> Any:
    found: Any = parts
    for each in place:
        found = found[each]
    return found


EVENTS, MAP, DROPS, LATER, NOTE = 3, 4, 5, 6, 7
BODY = book().of(MINE)[1].body


@pytest.mark.parametrize(
    ("change", "claim"),
    [
        (cut(EVENTS, -1), ("map", 15)),
        (cut(EVENTS, 0), ("map", 15)),
        (cut(EVENTS, 1), ("map", 15)),
        (again((EVENTS, -1), EVENTS), ("order", 11)),
        (again((LATER, 0, 0), EVENTS), ("map", 16)),
        (swapped(EVENTS, 1), ("order", 4)),
        (put(bytes(16), EVENTS, 1, 2), ("map", 15)),
        (put(BODY.replace(b"login", b"logic"), EVENTS, 1, 3), ("map", 15)),
        (put([11, START_US + 11_000_000, 1, ZEROS], EVENTS, 3), ("map", 15)),
        (put(OTHER.bytes, 2), ("map", 15)),
        (put(0, MAP, 0), ("map", 15)),
        (cut(MAP, 1, -1), ("map", 15)),
        (cut(LATER, 0), ("inclusion", 17)),
        (again((LATER, -1), LATER), ("order", 17)),
        (cut(LATER, 0, 1, -1), ("inclusion", 16)),
        (put([2, b"x" * 32, book().last_map()[0].told(), []], MAP, 2), ("inclusion", 15)),
        (cut(MAP, 2, 3, -1), ("inclusion", 15)),
    ],
)
def test_each_tampering_breaks_a_claim_at_a_position(change: Change, claim: tuple[str, int | None]) -> None:
    assert bundle_disproved(tampered(book().history_parts(MINE), change)) == claim


def test_a_history_without_its_last_events_and_a_map_made_for_it_does_not_verify() -> None:
    made, less = book(), book()
    del less.entries[-3:]
    gone = next(each for each in reversed(less.entries) if each.stream == MINE)
    less.entries.remove(gone)
    less.map()
    parts = less.history_parts(MINE)
    parts[-1] = made.checkpoint()

    assert bundle_disproved(msgpack(parts)) == ("inclusion", 14)


def test_a_map_that_covers_what_came_after_it_is_none() -> None:
    made = Book()
    made.use(MINE)
    made.map(size=1)
    assert bundle_code(made.history(MINE)) == 0
    ahead = Book()
    ahead.use(MINE)
    ahead.add(LEDGER, "ledger.heads_mapped", 2, 1, _map_root(ahead.map_entries(1)))

    parts = ahead.history_parts(MINE)
    parts[MAP][:2] = [0, []]

    assert bundle_disproved(msgpack(parts)) == ("map", 2)


def test_a_map_that_leaves_out_an_event_which_it_covers_is_false() -> None:
    made = Book()
    made.use(MINE)
    short = made.map_entries(1)
    made.use(MINE)
    made.add(LEDGER, "ledger.heads_mapped", 2, 1, _map_root(short))
    parts = made.history_parts(MINE)
    parts[LATER].append([parts[EVENTS].pop(), path(1, made.leaves)])
    parts[MAP][3] = path(0, made.leaves)

    assert bundle_disproved(msgpack(parts)) == ("map", 2)


def test_a_false_map_does_not_prove_what_the_log_never_had() -> None:
    made = Book()
    made.use(MINE)
    made.drop(MINE, 1, destroy=False)
    forged = Book(entries=made.entries[:1])
    forged.use(MINE)
    made.add(LEDGER, "ledger.heads_mapped", 2, 1, _map_root(forged.map_entries(2)))
    parts = made.history_parts(MINE)
    parts[EVENTS] = [each.told() for each in forged.entries]
    parts[MAP][:2] = [0, []]

    assert bundle_disproved(msgpack(parts)) == ("inclusion", 2)


def _map_root(entries: dict[Any, bytes]) -> str:
    return root([leaf_hash(each) for each in entries.values()]).hex()


@pytest.mark.parametrize("told", ["", "ab" * 31, "AB" * 32, "+a" * 32, "ab" * 33])
def test_the_root_of_a_map_is_written_in_one_way(told: str) -> None:
    made = Book()
    made.use(MINE)
    made.add(LEDGER, "ledger.heads_mapped", 1, 1, told)

    assert bundle_code(made.history(MINE)) == 2


def test_a_map_from_which_a_stream_is_missing_hides_it_from_all_but_a_full_verification() -> None:
    made = Book()
    for each in (stream(1), MINE, OTHER):
        made.use(each)
    hidden = {key: entry for key, entry in made.map_entries(3).items() if key != MINE}
    made.add(LEDGER, "ledger.heads_mapped", 3, 2, _map_root(hidden))

    assert bundle_code(made.absence(MINE, hidden)) == 0
    assert bundle_disproved(made.history(MINE)) == ("map", 4)


def test_recorded_at_never_goes_back() -> None:
    made = book(later=0)
    made.entries[-1].recorded_at = START_US
    made.use(MINE)

    assert bundle_disproved(made.history(MINE)) == ("recorded_at", 15)


def test_an_event_is_not_closed_in_the_middle_for_no_reason() -> None:
    parts = book().history_parts(MINE)
    entry = book().of(MINE)[1]
    parts[3][1] = entry.told("closed")

    assert bundle_disproved(msgpack(parts)) == ("withheld", 7)


def test_records_are_not_destroyed_by_an_event_that_came_before_them() -> None:
    made = Book()
    made.use(MINE)
    made.drop(MINE, 9, destroy=False)
    made.use(MINE)
    made.map()
    parts = made.history_parts(MINE, known_at=2)
    assert proven(msgpack(parts)).facts["withheld"] == 1

    parts[3][0], parts[3][1] = made.of(MINE)[0].told("closed"), made.of(MINE)[1].told()
    assert proven(msgpack(parts)).facts["destroyed"] == 1


@pytest.mark.parametrize(
    "change",
    [
        again((0,)),
        cut(-1),
        put("sealbook.story", 0),
        put(2, 1),
        put(True, 1),
        put(bytes(15), 2),
        put([], EVENTS),
        put(None, EVENTS),
        put(b"bytes", NOTE),
        again((1,), EVENTS, 0),
        put(0, EVENTS, 0, 0),
        put(True, EVENTS, 0, 0),
        put(-1, EVENTS, 0, 1),
        put(bytes(17), EVENTS, 1, 2),
        put(7, EVENTS, 0, 2),
        put(0, EVENTS, 0, 2),
        put(True, EVENTS, 0, 2),
        put(b"", EVENTS, 1, 3),
        put(b"\x90", EVENTS, 2, 3),
        put(b"\x91\x01", EVENTS, 2, 3),
        put(BODY + b"\x00", EVENTS, 2, 3),
        put(bytes(31), MAP, 1, 0),
        put([ZEROS] * 65, MAP, 1),
        put(b"x" * 32, MAP, 2, 1),
        put(0, MAP, 2, 0),
        put(2, MAP, 2, 0),
        put(None, MAP, 2),
        again((MAP, 2), DROPS),
        again((DROPS, 1), DROPS),
        swapped(DROPS, 0),
    ],
)
def test_what_is_not_formed_as_a_bundle_is_bad_input(change: Change) -> None:
    made = book()
    made.drop(MINE, 1)
    made.drop(MINE, 2)
    parts = made.history_parts(MINE)
    assert bundle_code(msgpack(parts)) == 0

    assert bundle_code(tampered(parts, change)) == 2


def test_a_drop_of_another_streams_records_does_not_belong_here() -> None:
    made = book()
    made.drop(OTHER, 1)
    parts = made.history_parts(MINE)
    parts[5] = made.history_parts(OTHER)[5]

    assert bundle_code(msgpack(parts)) == 2


def test_of_a_checkpoint_that_too_few_or_unknown_keys_signed_nobody_can_tell() -> None:
    made = book()
    for note in (made.checkpoint(Signer("stranger", 8, 4)), made.checkpoint(size=len(made.entries)).rsplit("—", 1)[0]):
        parts = made.history_parts(MINE)
        parts[-1] = note
        assert bundle_code(msgpack(parts)) == 3


# --- Absence


@pytest.mark.parametrize("absent", [stream(0), stream(3), NOBODY, stream(99), stream(2**60)])
def test_a_stream_that_is_not_there_is_proven_not_to_be(absent: Any) -> None:
    verdict = proven(book().absence(absent))

    assert verdict.says.startswith(f"no such stream: {absent} is none of the 3 streams up to position 14")
    assert verdict.facts["absent"] is True


def test_in_a_map_of_nothing_any_stream_is_absent() -> None:
    made = Book()
    made.map()
    assert bundle_code(made.absence(MINE)) == 0
    lying = Book()
    lying.add(LEDGER, "ledger.heads_mapped", 0, 0, ZEROS.hex())

    assert bundle_disproved(lying.absence(MINE)) == ("map", 1)


def test_a_stream_that_is_there_is_not_absent_however_its_neighbours_are_told() -> None:
    parts = book().absence_parts(NOBODY)
    parts[2] = MINE.bytes
    assert bundle_disproved(msgpack(parts)) == ("absence", 15)
    for outside in (stream(1), stream(2), NOBODY):
        assert bundle_disproved(tampered(book().absence_parts(stream(3)), put(outside.bytes, 2))) == ("absence", 15)

    low, high = book().absence_parts(stream(3)), book().absence_parts(NOBODY)
    for left, right in ((low[3], high[4]), (None, low[4]), (low[3], None), (None, None), (low[4], low[3])):
        skipping = [*high[:3], left, right, *high[5:]]
        skipping[2] = stream(4).bytes
        assert bundle_disproved(msgpack(skipping)) == ("absence", 15)


def test_a_neighbour_that_the_map_does_not_hold_is_disproved() -> None:
    for change in (put(stream(6).bytes, 3, 1), put(3, 3, 2), put(ZEROS, 3, 3), put([], 3, 4)):
        assert bundle_disproved(tampered(book().absence_parts(NOBODY), change)) == ("map", 15)


def test_a_checkpoint_before_the_map_does_not_prove_it() -> None:
    made = book()
    parts = made.absence_parts(NOBODY)
    parts[-1] = made.checkpoint(size=14)

    assert bundle_disproved(msgpack(parts)) == ("inclusion", 15)


def test_the_log_signs_its_own_name() -> None:
    parts = book().absence_parts(NOBODY)
    text = f"{LOG.name}x\n17\n{base64.b64encode(root(book().leaves)).decode()}\n"
    parts[-1] = f"{text}\n{LOG.line(text)}"

    assert bundle_code(msgpack(parts)) == 3
