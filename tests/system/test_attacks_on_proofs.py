"""Attacks on a proof: an event is hidden from what is handed over.

Each test is named by what the attacker does, and says what that yields. Whatever is left out, all the rest is
written in its canonical form again.
"""

import msgspec
import pytest

from tests.system.attacking import DISPROVED, PROVEN, retold
from tests.system.handing_over import EVENTS, HELD, LATER, MAP, Bundle, Handed, encode


def test_nothing_is_hidden(handed: Handed) -> None:
    """The scene by itself: all of it is proven."""
    said = handed.unchanged()

    assert (said.code, said.facts["events_mapped"], said.facts["events_later"]) == (PROVEN, 9, 2)
    assert handed.unchanged(older=True).code == handed.full().code == PROVEN


@pytest.mark.parametrize("index", [0, 4, -1], ids=["first", "middle", "last"])
def test_an_event_is_left_out_of_a_history(handed: Handed, index: int) -> None:
    """Yields nothing: the map says how many there are, and which is the last; each says what was before it."""

    def leave_out(bundle: Bundle) -> None:
        del bundle[EVENTS][index]

    said = handed.history(leave_out)

    assert said.found[:2] == (DISPROVED, "map")


def test_a_shown_event_is_told_otherwise(handed: Handed) -> None:
    """Yields nothing: the leaf holds what was said."""

    def tell(bundle: Bundle) -> None:
        bundle[EVENTS][4][3] = retold(bundle[EVENTS][4][3])

    assert handed.history(tell).found[:2] == (DISPROVED, "map")


@pytest.mark.parametrize(("of_the_entry", "claim"), [(True, "map"), (False, "inclusion")])
def test_events_are_hidden_by_an_older_map(handed: Handed, of_the_entry: bool, claim: str) -> None:
    """Yields nothing: an entry belongs to its map, and a map to its place in the log."""
    old: Bundle = msgspec.msgpack.decode(handed.older)

    def take_older(bundle: Bundle) -> None:
        bundle[EVENTS], bundle[LATER] = old[EVENTS], []
        bundle[MAP] = [*old[MAP][:2], *bundle[MAP][2:]] if of_the_entry else old[MAP]

    assert handed.history(take_older).found[:2] == (DISPROVED, claim)


def test_an_older_history_is_handed_over(handed: Handed) -> None:
    """Yields what it says: a history that is whole up to an older position. The verdict names that, and its time."""
    said, latest = handed.unchanged(older=True), handed.unchanged()

    assert said.code == PROVEN
    assert f"whole up to position {said.facts['whole_up_to']} " in said.says
    assert said.facts["whole_up_to"] < latest.facts["whole_up_to"]
    assert said.facts["events_mapped"] == latest.facts["events_mapped"] - 3


def test_an_event_after_the_map_is_left_out(handed: Handed) -> None:
    """Yields nothing in between. The last ones can be left out until the next map, and the verdict says so."""

    def leave_out_first(bundle: Bundle) -> None:
        del bundle[LATER][0]

    def leave_out_last(bundle: Bundle) -> None:
        del bundle[LATER][-1]

    first, last = handed.history(leave_out_first), handed.history(leave_out_last)

    assert first.found[:2] == (DISPROVED, "inclusion")
    assert (last.code, last.facts["events_later"]) == (PROVEN, 1)
    assert "that there are no more after the map is not" in handed.auditor.read("history", handed.newer)


def test_a_stream_that_exists_is_denied(handed: Handed) -> None:
    """Yields nothing: what stands before it in the map, and what behind it, do not stand side by side."""
    before, behind = handed.absences
    denial = [*before[:2], HELD.bytes, before[3], behind[4], *before[5:]]

    assert handed.auditor.history(encode(denial), HELD).found[:2] == (DISPROVED, "absence")
    denial[3:5] = before[3:5]
    assert handed.auditor.history(encode(denial), HELD).found[:2] == (DISPROVED, "absence")
