"""msgpack: one form for each value, and no other is read."""

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealbook_verify.msgpack import DEPTH_MAX, Value, decode, encode
from sealbook_verify.verdict import BadInput

EDGES = [0, 31, 32, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**63, 2**64 - 1]
NUMBERS = st.sampled_from([*EDGES, *(-each for each in EDGES if each <= 2**63), -129, -32769]) | st.integers(
    min_value=-(2**63), max_value=2**64 - 1
)
LEAVES = st.none() | st.booleans() | NUMBERS | st.text(max_size=40) | st.binary(max_size=40)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=20), max_leaves=20)


@given(VALUES)
def test_what_another_library_writes_is_read_and_written_the_same(value: Value) -> None:
    written = msgspec.msgpack.encode(value)

    assert decode(written) == value
    assert encode(value) == written


@given(st.binary(max_size=30))
def test_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(BadInput):
        assert encode(decode(data)) == data


@pytest.mark.parametrize("length", [0, 15, 16, 31, 32, 255, 256, 65535, 65536])
def test_lengths_take_their_shortest_form(length: int) -> None:
    for value in ("x" * length, b"x" * length, [None] * length):
        assert decode(msgspec.msgpack.encode(value)) == value


@pytest.mark.parametrize(
    "data",
    [
        "",
        "cc05",
        "cd0005",
        "d005",
        "d1ff80",
        "cf0000000000000005",
        "d900",
        "da0000",
        "c50000",
        "dc0000",
        "dd00000001c0",
        "c1",
        "ca00000000",
        "cb0000000000000000",
        "80",
        "d40100",
        "c0c0",
        "92c0",
        "a3c328ff",
        "a2c328",
        "c4ff00",
        "ddffffffff",
        "91" * (DEPTH_MAX + 2) + "c0",
        "91" * 5000,
    ],
)
def test_any_other_form_type_end_or_depth_is_refused(data: str) -> None:
    with pytest.raises(BadInput):
        decode(bytes.fromhex(data))
