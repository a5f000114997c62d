"""One event is in the log; the log only grew."""

import base64
from typing import Any

import pytest

from sealbook_verify.entry import verify_entry
from sealbook_verify.growth import verify_growth
from sealbook_verify.policy import read_policy
from tests.verify.producer import LEDGER, LOG, POLICY, ZEROS, Book, Entry, Signer, msgpack, signed, stream
from tests.verify.verifying import BOTH, disproved, entry_code, growth_code

MINE = stream(5)


def book(size: int = 9) -> Book:
    made = Book()
    for number in range(size):
        made.use(stream(number % 3 + 4))
    return made


@pytest.mark.parametrize("size", [1, 2, 3, 8, 9])
def test_every_event_of_a_log_is_in_it_shown_or_closed(size: int) -> None:
    made = book(size)

    assert {entry_code(made.entry_proof(each).encode()) for each in made.entries} == {0}
    assert {entry_code(made.entry_proof(each, "closed").encode()) for each in made.entries} == {0}


def test_an_entry_is_told_in_words() -> None:
    made = book()
    verdict = verify_entry(made.entry_proof(made.entries[4]), BOTH)

    assert verdict.says == f"the event at position 5 is in the log: version 2 of {MINE}"
    assert verdict.facts["event"]["fields"] == {"purpose": "login", "qualifies": True, "evidence": None}
    assert "the latest event was recorded 3595 s before the first cosignature" in verdict.lines


def test_a_record_that_is_younger_than_its_cosignature_is_remarked() -> None:
    made = Book(step_us=3_700_000_000)
    entry = made.use(MINE)

    lines = "\n".join(verify_entry(made.entry_proof(entry), BOTH).lines)

    assert "100 s after the first cosignature, which cannot be" in lines


def proof_of(made: Book, entry: Entry, extra: list[Any]) -> bytes:
    whole = made.entry_proof(entry)
    before, after = whole.split("extra ")[0], whole.split("\nindex ")[1]
    return f"{before}extra {base64.b64encode(msgpack(extra)).decode()}\nindex {after}".encode()


def test_an_event_is_in_the_log_only_as_what_it_is() -> None:
    made = book()
    entry = made.entries[4]
    extra = [entry.stream.bytes, entry.version, entry.previous, entry.told()]
    assert entry_code(proof_of(made, entry, extra)) == 0

    for wrong in (
        [stream(4).bytes, *extra[1:]],
        [extra[0], 3, *extra[2:]],
        [*extra[:2], b"x" * 32, extra[3]],
        [*extra[:3], made.entries[7].told()],
        [*extra[:3], [6, *entry.told()[1:]]],
        [*extra[:3], [entry.position, entry.recorded_at + 1, *entry.told()[2:]]],
        [*extra[:3], [entry.position, entry.recorded_at, 2, entry.commitment]],
    ):
        assert entry_code(proof_of(made, entry, wrong)) == 1
    for wrong in ([*extra, 0], extra[:3], [*extra[:2], ZEROS, extra[3]], [extra[0], 1, *extra[2:]]):
        assert entry_code(proof_of(made, entry, wrong)) == 2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("@v1", "@v2"),
        ("extra ", "extra  "),
        ("extra ", "more "),
        ("index 4", "index 04"),
        ("index 4", "index +4"),
        ("index 4", "index"),
        ("\n\n", "\n"),
    ],
)
def test_what_is_no_tlog_proof_is_bad_input(old: str, new: str) -> None:
    made = book()
    assert entry_code(made.entry_proof(made.entries[4]).replace(old, new, 1).encode()) == 2


# --- Growth


@pytest.mark.parametrize("sizes", [(old, new) for new in range(12) for old in range(new + 1)])
def test_a_log_grew_from_each_of_its_sizes_to_each_later_one(sizes: tuple[int, int]) -> None:
    made, (old, new) = book(12), sizes
    older, newer = made.checkpoint(size=old).encode(), made.checkpoint(size=new).encode()

    assert growth_code(older, newer, book(new).growth_proof(old).encode()) == 0


def test_growth_says_from_where_to_where() -> None:
    made = book()
    verdict = verify_growth(made.checkpoint(size=4), made.checkpoint(), made.growth_proof(4), BOTH)

    assert verdict.says == f"the log {LOG.name} only grew, from 4 to 9 entries"


def test_a_log_that_was_rewritten_and_signed_anew_did_not_grow() -> None:
    made, forged = book(), book()
    forged.entries[1].recorded_at += 1
    forged.entries[1].__dict__.pop("leaf", None)

    found = disproved(lambda: verify_growth(made.checkpoint(size=4), forged.checkpoint(), forged.growth_proof(4), BOTH))
    assert found == ("growth", None)
    assert growth_code(made.checkpoint().encode(), forged.checkpoint().encode(), b"") == 1


def test_a_log_that_shrank_did_not_grow() -> None:
    made = book()
    assert growth_code(made.checkpoint().encode(), made.checkpoint(size=4).encode(), b"") == 1


def test_two_logs_are_not_one() -> None:
    other = Signer("other.example", 6)
    policy = read_policy(f"{POLICY}log {other.vkey}\nquorum none\n".encode())
    text = book().checkpoint().split("\n\n")[0].replace(LOG.name, other.name) + "\n"

    with pytest.raises(Exception, match="of two logs"):
        verify_growth(book().checkpoint(), signed(text, other), "", policy)


@pytest.mark.parametrize("proof", [b"\n", b"AAAA\n", b"x\n", b"AAAA", b"\n\n", "\u00e9\n".encode(), b"\xff\n"])
def test_what_is_no_list_of_hashes_is_bad_input(proof: bytes) -> None:
    made = book()
    assert growth_code(made.checkpoint(size=4).encode(), made.checkpoint().encode(), proof) == 2


def test_the_ledgers_own_events_are_entries_as_all_others() -> None:
    made = book()
    made.map()
    assert entry_code(made.entry_proof(made.of(LEDGER)[0]).encode()) == 0
