"""No byte of a proof is idle: changed, taken out, doubled or put in, nothing of it verifies any longer."""

from collections.abc import Callable, Iterator

import pytest

from sealbook_verify.bundle import verify_bundle
from tests.verify.producer import Book, stream
from tests.verify.verifying import BOTH, bundle_code, code_of, entry_code, growth_code

MINE = stream(5)


def small() -> Book:
    made = Book()
    for _ in range(3):
        made.use(stream(1))
        made.use(MINE)
    made.drop(MINE, 1)
    made.map()
    made.use(MINE)
    return made


def changed(data: bytes) -> Iterator[bytes]:
    """Yield the data with each bit turned, each byte taken out, doubled, and set to the ends of its range."""
    for at, byte in enumerate(data):
        before, after = data[:at], data[at + 1 :]
        others = {byte ^ (1 << bit) for bit in range(8)} | {byte ^ 0xFF, 0x00, 0xFF, 0x0A, 0xC0, 0xC3} - {byte}
        yield from (before + bytes([other]) + after for other in others)
        yield before + after
        yield before + bytes([byte, byte]) + after
    yield data + b"\x00"
    yield data + b"\n"


def assert_every_byte_counts(data: bytes, judge: Callable[[bytes], int]) -> None:
    assert judge(data) == 0
    codes = [(judge(each), each) for each in changed(data)]

    assert [each for code, each in codes if code == 0] == []
    assert {code for code, _ in codes} <= {1, 2, 3}


def test_of_a_history() -> None:
    assert_every_byte_counts(small().history(MINE, known_at=6), bundle_code)


def test_of_an_absence_of_the_stream_asked_for() -> None:
    # Of any other id between the same neighbours it is as true that there is none.
    absent = stream(3)
    data = small().absence(absent)
    assert_every_byte_counts(data, lambda each: code_of(lambda: verify_bundle(each, BOTH, stream=absent)))


@pytest.mark.parametrize("form", ["shown", "closed"])
def test_of_an_entry(form: str) -> None:
    made = small()
    proof = made.entry_proof(made.of(MINE)[2], "closed" if form == "closed" else "shown")
    assert_every_byte_counts(proof.encode(), entry_code)


def test_of_a_proof_of_growth_and_of_both_checkpoints() -> None:
    made = small()
    old, new, proof = (each.encode() for each in (made.checkpoint(size=5), made.checkpoint(), made.growth_proof(5)))

    assert_every_byte_counts(old, lambda each: growth_code(each, new, proof))
    assert_every_byte_counts(new, lambda each: growth_code(old, each, proof))
    assert_every_byte_counts(proof, lambda each: growth_code(old, new, each))


def test_of_any_beginning_of_a_history() -> None:
    data = small().history(MINE)

    assert {bundle_code(data[:end]) for end in range(len(data))} == {2}
    assert bundle_code(data + data) == 2
