"""The whole log: every leaf, tile and map is built anew from the dump of events, and compared with what was signed."""

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from sealbook_verify import leaves
from sealbook_verify.checkpoint import open_checkpoint
from sealbook_verify.leaves import EVENT, KINDS, LEDGER_STREAM, NO_LEAF, HeadMap, read_body
from sealbook_verify.merkle import EMPTY_ROOT, leaf_hash, root_of
from sealbook_verify.moments import utc
from sealbook_verify.msgpack import Value
from sealbook_verify.policy import NONE, Policy
from sealbook_verify.tiles import Tiles
from sealbook_verify.verdict import BadInput, CannotTell, Disproved, Proven

_HEADER = b"sealbook.events 1\n"
_RECORD = struct.Struct(">16sIQI")
_DESTROYED = 1 << 31
_SALT_BYTES = 16
_LONG_ARRAY, _LONG_TEXT = 0xDC, b"\xd9"
_HEADS_MAPPED, _RECORDS_DROPPED = leaves.HEADS_MAPPED.encode(), leaves.RECORDS_DROPPED.encode()
_KIND_OF = {name.encode(): kind for name, kind in KINDS.items()}
Record = tuple[bytes, int, int, bool, bytes]
"""Stream, version, recorded_at, whether the body is destroyed, and salt and body (or kind and commitment)."""


def verify_full(folder: Path, dump: Path, policy: Policy, *, witnesses: int = 0) -> Proven:
    """Verify a log's folder of tiles against the dump of all events. The dump is read twice, as a stream."""
    # The latest checkpoint may not have been cosigned yet: who asks for witnesses is shown the last one that was.
    cosigned = folder / "witnessed"
    asked = cosigned if (witnesses or policy.quorum != NONE) and cosigned.exists() else folder / "checkpoint"
    checkpoint = open_checkpoint(asked.read_bytes().decode(), policy, witnesses=witnesses)
    audit = Audit(Tiles(folder))
    with dump.open("rb") as file:
        audit.sizes_mapped = _sizes_mapped(file)
        records = _records(file)
        audit.replay(records, checkpoint.size)
        if audit.tiles.finish() != checkpoint.root:
            raise Disproved("root", "the events and tiles agree with each other, but not with the signed root")
        unsealed = audit.read_unsealed(records)
    says = (
        f"the log of {checkpoint.size} entries is whole:"
        " every leaf, every tile, and the root of every map is what the events make it"
    )
    lines = [
        *checkpoint.lines(audit.recorded_at),
        f"{len(audit.heads)} streams, {audit.maps} maps of heads, {audit.destroyed} bodies destroyed by law",
        f"{unsealed} more events in the dump are not sealed yet: nothing is said of them",
        *audit.notices,
    ]
    facts = {
        "checkpoint": checkpoint.facts(),
        "streams": len(audit.heads),
        "maps": audit.maps,
        "destroyed": audit.destroyed,
        "not_sealed": unsealed,
        "notices": audit.notices,
    }
    return Proven(says, lines, facts)


@dataclass
class Audit:
    """What is known behind the events read so far.

    `heads` maps each stream to the version and leaf hash of its last event, as an entry of a map has
    them; `uncovered` each stream to its last destroyed event (version, position) for which no event
    says by what right. `sizes_mapped` are the sizes of which some event will tell a map.
    """

    tiles: Tiles
    sizes_mapped: set[int] = field(default_factory=set[int])
    heads: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    built: dict[int, tuple[int, bytes]] = field(default_factory=dict[int, tuple[int, bytes]])
    uncovered: dict[bytes, tuple[int, int]] = field(default_factory=dict[bytes, tuple[int, int]])
    notices: list[str] = field(default_factory=list[str])
    position: int = 0
    recorded_at: int = 0
    maps: int = 0
    destroyed: int = 0

    def replay(self, records: Iterator[Record], size: int) -> None:
        """Build the leaves of `size` events. Where a rule is broken, a tile that differs before it is named first."""
        try:
            self._replay(islice(records, size))
            self._check_all(size)
        except (Disproved, BadInput):
            self.tiles.check_so_far()
            raise

    def _replay(self, records: Iterator[Record]) -> None:
        # Everything is looked up once: this loop runs for every event of the ledger.
        heads, pack, digest, add = self.heads, leaves.ENTRY.pack, sha256, self.tiles.add
        sizes_mapped, kinds = self.sizes_mapped, _KIND_OF
        if 0 in sizes_mapped:
            self.built[0] = (0, EMPTY_ROOT)
        for position, (stream, version, recorded_at, destroyed, content) in enumerate(records, 1):
            head = heads.get(stream)
            known, previous = (int.from_bytes(head[:4]), head[4:]) if head else (0, NO_LEAF)
            if destroyed:
                kind, committed = self._note_destroyed(position, stream, version, content), content[1:]
            else:
                kind, committed = kinds.get(_name(content), EVENT), digest(b"sb1" + content).digest()
            entry = pack(leaves.FORMAT, kind, position, stream, version, recorded_at, previous, committed)
            leaf = digest(b"\x00" + entry).digest()
            add(leaf)
            if version != known + 1:
                raise Disproved("version", f"{UUID(bytes=stream)} goes from version {known} to {version}", position)
            if recorded_at < self.recorded_at:
                raise Disproved("recorded_at", "it goes back from what the event before has", position)
            heads[stream] = version.to_bytes(4) + leaf
            self.position, self.recorded_at = position, recorded_at
            if stream == LEDGER_STREAM and not destroyed:
                self._read_ledger_event(content[_SALT_BYTES:])
            if position in sizes_mapped:
                self.built[position] = (len(heads), _map_root(heads))

    def _check_all(self, size: int) -> None:
        if self.position < size:
            raise Disproved("events", f"the dump ends before the {size} entries that are signed", self.position)

    def _note_destroyed(self, position: int, stream: bytes, version: int, content: bytes) -> int:
        if len(content) != 1 + len(NO_LEAF) or not EVENT <= content[0] <= max(KINDS.values()):
            raise Disproved("kind", "a destroyed body leaves a kind and a commitment, and these are none", position)
        if stream == LEDGER_STREAM:
            # These are the maps, and the reasons for the others: without them, nobody could tell a false one.
            raise Disproved("records_dropped", "the ledger's own events are never destroyed", position)
        self.destroyed += 1
        self.uncovered[stream] = (version, position)
        return content[0]

    def _read_ledger_event(self, raw: bytes) -> None:
        name, fields = (body := read_body(raw))[0], body[leaves.OWN_FIELDS :]
        if name == leaves.HEADS_MAPPED:
            self._check_map(self.position, leaves.head_map(self.position, fields))
        elif name == leaves.RECORDS_DROPPED:
            self._cover(self.position, fields)
        else:
            said = " ".join(str(each) for each in fields if each is not None)
            self.notices.append(f"position {self.position}, {utc(self.recorded_at)}: {name!s} {said}")

    def _check_map(self, position: int, told: HeadMap) -> None:
        if told.tree_size >= position:
            raise Disproved("map", "the map covers more than what was there before it", position)
        if self.built.get(told.tree_size) != (told.streams, told.root):
            raise Disproved("map", f"the map is not that of the first {told.tree_size} entries", position)
        self.maps += 1

    def _cover(self, position: int, fields: list[Value]) -> None:
        told = leaves.drop(position, fields)
        version, _ = self.uncovered.get(told.stream, (0, 0))
        if 0 < version <= told.version:
            del self.uncovered[told.stream]

    def read_unsealed(self, records: Iterator[Record]) -> int:
        """Return how many events follow, and check that all destroyed bodies are covered."""
        uncovered, count = bool(self.uncovered), 0
        for count, (stream, _, _, destroyed, content) in enumerate(records, 1):
            if stream == LEDGER_STREAM and not destroyed and _name(content) == _RECORDS_DROPPED:
                self._cover(self.position + count, read_body(content[_SALT_BYTES:])[leaves.OWN_FIELDS :])
        if self.uncovered:
            position = min(position for _, position in self.uncovered.values())
            raise Disproved("records_dropped", "the body is destroyed, and no event says by what right", position)
        if uncovered:
            raise CannotTell("bodies were destroyed by events that are not sealed yet: seal, and verify again")
        return count


def _map_root(heads: dict[bytes, bytes]) -> bytes:
    return root_of(leaf_hash(b"M" + stream + heads[stream]) for stream in sorted(heads))


def _name(content: bytes) -> bytes:
    """Return the name with which a body begins, behind its salt: a text in the first place of an array."""
    at = _SALT_BYTES + (3 if content[_SALT_BYTES] == _LONG_ARRAY else 1)
    head = content[at : at + 2]
    if head[:1] == _LONG_TEXT:
        return content[at + 2 : at + 2 + head[-1]]
    return content[at + 1 : at + 1 + (head[0] & 0x1F)] if head else b""


def _sizes_mapped(file: BinaryIO) -> set[int]:
    """Return the sizes of which the dump has maps: they are built in passing when all events are read."""
    sizes = set[int]()
    # What is wrong with the dump is said when it is read again: then it is known where.
    with suppress(BadInput):
        for position, (stream, _, _, destroyed, content) in enumerate(_records(file), 1):
            if stream == LEDGER_STREAM and not destroyed and _name(content) == _HEADS_MAPPED:
                sizes.add(leaves.head_map(position, read_body(content[_SALT_BYTES:])[leaves.OWN_FIELDS :]).tree_size)
    return sizes


def _records(file: BinaryIO) -> Iterator[Record]:
    """Yield the records of a dump, from its beginning."""
    file.seek(0)
    if file.read(len(_HEADER)) != _HEADER:
        raise BadInput(f"no dump of events: it should begin with {_HEADER.decode().strip()}")
    read, unpack, size, count = file.read, _RECORD.unpack, _RECORD.size, 0
    while head := read(size):
        count += 1
        if len(head) != size:
            raise BadInput(f"the dump ends within the event at position {count}")
        stream, version, recorded_at, length = unpack(head)
        content = read(length & ~_DESTROYED)
        if len(content) != length & ~_DESTROYED or len(content) <= _SALT_BYTES:
            raise BadInput(f"the dump ends within the event at position {count}, or that event has no body")
        yield stream, version, recorded_at, length >= _DESTROYED, content
