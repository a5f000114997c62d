"""Events as leaves of the log. What an entry holds is derived from what a bundle shows, never taken from it."""

from dataclasses import dataclass
from hashlib import sha256
from struct import Struct

from sealbook_verify import msgpack
from sealbook_verify.checkpoint import Checkpoint
from sealbook_verify.merkle import leaf_hash
from sealbook_verify.msgpack import Value
from sealbook_verify.shapes import HASH_BYTES, items, number, octets, proof, text
from sealbook_verify.verdict import BadInput

FORMAT = 1
ENTRY = Struct(">BBQ16sIQ32s32s")
NO_LEAF = bytes(HASH_BYTES)
LEDGER_STREAM = bytes.fromhex("5ea1b00c000080008000000000000000")
HEADS_MAPPED, RECORDS_DROPPED = "ledger.heads_mapped", "ledger.records_dropped"
EVENT = 1
KINDS = {
    HEADS_MAPPED: 2,
    "customer.personal_data_erased": 3,
    "credential.personal_data_erased": 3,
    "ledger.key_changed": 4,
    RECORDS_DROPPED: 5,
    "ledger.log_replaced": 6,
}
OWN_FIELDS = 8
"""How many elements of a body are its envelope; the event's own fields follow."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event; `body` is None where the event is closed. `recorded_at` is in microseconds since 1970 UTC."""

    position: int
    recorded_at: int
    kind: int
    commitment: bytes
    body: list[Value] | None

    def leaf(self, stream: bytes, version: int, previous: bytes) -> bytes:
        return leaf_hash(
            ENTRY.pack(FORMAT, self.kind, self.position, stream, version, self.recorded_at, previous, self.commitment)
        )


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    """An event of the ledger's own stream that the log holds; `fields` are its own."""

    position: int
    recorded_at: int
    leaf: bytes
    fields: list[Value]


@dataclass(frozen=True, slots=True)
class HeadMap:
    """What `ledger.heads_mapped` says: `streams` heads of the first `tree_size` entries have this Merkle root."""

    tree_size: int
    streams: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Drop:
    """What `ledger.records_dropped` says: bodies of this stream, up to this version, were to be destroyed."""

    position: int
    stream: bytes
    version: int
    why: str


def commitment(salt_and_body: bytes) -> bytes:
    return sha256(b"sb1" + salt_and_body).digest()


def read_body(body: bytes) -> list[Value]:
    """Return a body's elements; the first is the event's name."""
    elements = items(msgpack.decode(body), "an event's body")
    text(elements[0] if elements else None, "the name of an event")
    return elements


def read_event(value: Value) -> Event:
    """Read an event of a bundle, shown or closed: a closed one has its kind in the third place."""
    position, recorded_at, third, fourth = items(value, "an event", 4)
    place = number(position, "a position", least=1)
    moment = number(recorded_at, f"recorded_at, position {place},")
    if isinstance(third, int):
        kind = number(third, f"the kind, position {place},", least=EVENT)
        if kind > max(KINDS.values()):
            raise BadInput(f"the kind of the event at position {place} is none that there is")
        return Event(place, moment, kind, octets(fourth, "a commitment", HASH_BYTES), None)
    salt, body = octets(third, "a salt", 16), octets(fourth, "a body")
    elements = read_body(body)
    return Event(place, moment, KINDS.get(str(elements[0]), EVENT), commitment(salt + body), elements)


def read_ledger_event(value: Value, name: str, checkpoint: Checkpoint) -> LedgerEvent:
    """Read an event of the ledger's own stream, which must have this name, and check that the log holds it."""
    version, previous, event, path = items(value, "an event of the ledger", 4)
    read = read_event(event)
    if read.body is None or read.body[0] != name:
        raise BadInput(f"the event at position {read.position} should be a {name} that is shown")
    leaf = read.leaf(LEDGER_STREAM, *read_link(version, previous))
    checkpoint.check_included(read.position, leaf, proof(path, f"the proof of position {read.position}"))
    return LedgerEvent(read.position, read.recorded_at, leaf, read.body[OWN_FIELDS:])


def read_link(version: Value, previous: Value) -> tuple[int, bytes]:
    """Read an event's version and the leaf hash of its stream's previous event: zeros for the first, only there."""
    number_in_stream = number(version, "a version", least=1, bits=32)
    link = octets(previous, "a previous leaf", HASH_BYTES)
    if (number_in_stream == 1) != (link == NO_LEAF):
        raise BadInput("the previous leaf is zeros for version 1, and for no other")
    return number_in_stream, link


def head_map(position: int, fields: list[Value]) -> HeadMap:
    tree_size, streams, root = items(fields, f"what {HEADS_MAPPED} says", 3)
    digits = text(root, "a map's root")
    if len(digits) != 2 * HASH_BYTES or set(digits) - set("0123456789abcdef"):
        raise BadInput(f"the root of the map at position {position} is not {HASH_BYTES} bytes in hexadecimal")
    return HeadMap(number(tree_size, "a tree's size"), number(streams, "a number of streams"), bytes.fromhex(digits))


def drop(position: int, fields: list[Value]) -> Drop:
    stream, version, rule, approved_by = items(fields, f"what {RECORDS_DROPPED} says", 4)
    why = f"{text(rule, 'a rule')}, approved by {text(approved_by, 'an approver')}"
    return Drop(position, octets(stream, "a stream", 16), number(version, "a version", bits=32), why)
