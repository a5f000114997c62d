"""Leaves: how an event becomes an entry of the log."""

from hashlib import sha256
from struct import Struct
from typing import NamedTuple

FORMAT = 1
NO_LEAF = bytes(32)
"""What stands for the previous leaf of a stream's first event."""
EVENT = 1
_KINDS = {
    "ledger.heads_mapped": 2,
    "customer.personal_data_erased": 3,
    "credential.personal_data_erased": 3,
    "ledger.key_changed": 4,
    "ledger.records_dropped": 5,
    "ledger.log_replaced": 6,
}
ENTRY = Struct(">BBQ16sIQ32s32s")
COMMITTED = b"sb1"


def kind_of(body: bytes) -> int:
    """Return the kind of entry that an event's body makes."""
    found = _BY_BEGINNING.get(body[1:_BEGINNING_END])
    if found is None:
        return EVENT
    name, kind = found
    return kind if body.startswith(name, 1) else EVENT


def _beginning(name: str) -> bytes:
    return bytes([0xA0 | len(name)]) + name.encode()


# A body begins with the head of an array of up to 15 elements, then of a text of up to 31 bytes. Nearly all events are
# of no kind of their own, and one look-up at as much as these names have in common tells them.
_BEGINNING_END = 1 + min(len(_beginning(name)) for name in _KINDS)
_BY_BEGINNING = {_beginning(name)[: _BEGINNING_END - 1]: (_beginning(name), kind) for name, kind in _KINDS.items()}


class Leaf(NamedTuple):
    """An event as the log knows it. `recorded_us` is in microseconds since 1970 UTC."""

    kind: int
    position: int
    stream: bytes
    version: int
    recorded_us: int
    previous: bytes
    commitment: bytes

    @property
    def entry(self) -> bytes:
        return ENTRY.pack(FORMAT, *self)

    @property
    def hash(self) -> bytes:
        return sha256(b"\x00" + self.entry).digest()


def commitment(salt: bytes, body: bytes) -> bytes:
    return sha256(COMMITTED + salt + body).digest()
