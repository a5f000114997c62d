"""Bundles: what an outsider needs to check one claim, in one file. docs/proofs.md has their form."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from struct import Struct
from typing import BinaryIO

import msgspec

from sealbook.adapters.eventstore.codec import decode_event, to_microseconds
from sealbook.adapters.seal.folder import SealFolder, stands_at
from sealbook.adapters.seal.head_map import HeadMap, Place
from sealbook.adapters.seal.leaves import NO_LEAF, Leaf
from sealbook.adapters.seal.merkle import consistency_proof, inclusion_proof
from sealbook.adapters.seal.notes import Note
from sealbook.adapters.seal.rows import LedgerRows, StoredRow, leaf_of
from sealbook.application.ports import LedgerDamaged, Unavailable
from sealbook.domain.ledger import LEDGER_STREAM, HeadsMapped, RecordsDropped

HISTORY, ABSENCE, FORMAT = "sealbook.history", "sealbook.absence", 1
DUMP_MAGIC = b"sealbook.events 1\n"
TLOG_PROOF = "c2sp.org/tlog-proof@v1"
_DUMPED = Struct(">16sIQI")
_DESTROYED = 1 << 31
_ROWS_A_READ = 8_192
_pack = msgspec.msgpack.Encoder().encode


class NotSealed(Unavailable):
    """The seal does not reach what is to be proven, not yet. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Linked:
    """A row with the leaf that it is in the log."""

    row: StoredRow
    leaf: Leaf


@dataclass(frozen=True, slots=True)
class Bundle:
    """The file's bytes, how many events it proves and shows, and up to which position nothing is missing."""

    content: bytes
    events: int
    shown: int
    complete_to: int


class Prover:
    """Makes bundles of one ledger under one checkpoint: the latest, or the latest that a witness signed.

    Raises NotSealed while the log has no checkpoint or no map, LedgerDamaged where the ledger is not what was
    sealed.
    """

    def __init__(self, folder: SealFolder, rows: LedgerRows, *, witnessed: bool = False) -> None:
        note = folder.witnessed() if witnessed else folder.checkpoint()
        if note is None and witnessed:
            raise NotSealed("no witness has signed a checkpoint yet: ask one with sealbook witness ask")
        if note is None:
            raise NotSealed("nothing is sealed yet: run sealbook seal --map")
        cosigned = folder.witnessed()
        self._folder = folder
        self._rows = rows
        self._note: Note = cosigned if cosigned is not None and cosigned.text == note.text else note
        self._size = stands_at(note).size
        self._node = folder.tiles.node(self._size)

    @property
    def size(self) -> int:
        """How many events the checkpoint covers."""
        return self._size

    def history(self, stream: bytes, *, known_at: datetime | None = None) -> Bundle:
        """Return the bundle of a stream's history; of a stream that does not exist, the bundle of that.

        With `known_at`, what was recorded later stays closed.
        """
        mapped = self._latest_map()
        place, neighbour = HeadMap(self._folder.map_path(mapped.size), root=mapped.root).find(stream)
        if place is None or neighbour is None or place.entry.stream != stream:
            if self._rows.of_stream(stream):
                raise NotSealed(
                    "it is newer than the map of heads: run sealbook seal --map, then ask the witness if any"
                )
            return self._absence(stream, place, neighbour, mapped)
        linked = self._linked(stream)
        whole, later = linked[: place.entry.version], linked[place.entry.version :]
        if len(whole) < place.entry.version or whole[-1].leaf.hash != place.entry.leaf:
            raise LedgerDamaged("the stream is not what the map says of it: run sealbook fsck")
        until = None if known_at is None else to_microseconds(known_at)
        content = _pack(
            [
                *(HISTORY, FORMAT, stream),
                [_event(each, until) for each in whole],
                [place.position, place.proof, self._ledger_event(mapped.row), self._proof(whole[-1].row.position)],
                self._dropped(linked),
                [[_event(each, until), self._proof(each.row.position)] for each in later],
                str(self._note),
            ]
        )
        shown = sum(not _is_closed(each, until) for each in linked)
        return Bundle(content, len(linked), shown, mapped.size)

    def entry(self, position: int) -> str:
        """Return the tlog-proof of one event. Raises NotSealed for a position that is not sealed."""
        if not 0 < position <= self._size:
            raise NotSealed(f"position {position} is not sealed: the checkpoint covers {self._size}")
        (row,) = self._rows.after(position - 1, 1)
        linked = self._link(row)
        extra = _pack([row.stream, row.version, linked.leaf.previous, _event(linked, None)])
        lines = [TLOG_PROOF, f"extra {_base64(extra)}", f"index {position - 1}"]
        return "\n".join([*lines, *map(_base64, self._proof(position)), "", str(self._note)])

    def growth(self, old_size: int) -> str:
        """Return the consistency proof from an older checkpoint. Raises NotSealed for one that is newer."""
        if old_size > self._size:
            raise NotSealed(f"that checkpoint covers {old_size} events, this log {self._size}: it is no older one")
        return "".join(f"{_base64(each)}\n" for each in consistency_proof(self._node, old_size, self._size))

    def dump(self, file: BinaryIO, advanced: Callable[[int], None]) -> int:
        """Write the events that the checkpoint covers; return how many."""
        file.write(DUMP_MAGIC)
        position = 0
        while position < self._size:
            rows = self._rows.after(position, min(_ROWS_A_READ, self._size - position))
            if not rows or rows[-1].position != position + len(rows):
                raise LedgerDamaged(f"an event after position {position} is missing: run sealbook fsck")
            file.writelines(map(_dumped, rows))
            position += len(rows)
            advanced(position)
        return position

    def _absence(self, stream: bytes, before: Place | None, after: Place | None, mapped: "_Mapped") -> Bundle:
        neighbours = [None if each is None else [each.position, *each.entry, each.proof] for each in (before, after)]
        content = _pack([ABSENCE, FORMAT, stream, *neighbours, self._ledger_event(mapped.row), str(self._note)])
        return Bundle(content, 0, 0, mapped.size)

    def _latest_map(self) -> "_Mapped":
        """Return the latest map that the checkpoint covers and that is still on this disk."""
        for row in reversed(self._rows.of_stream(LEDGER_STREAM.bytes)):
            event = decode_event(row.body).event
            if isinstance(event, HeadsMapped) and row.position <= self._size:
                if self._folder.map_path(event.tree_size).exists():
                    return _Mapped(row, event.tree_size, bytes.fromhex(event.root))
                raise NotSealed("the checkpoint is older than every map that is kept: ask the witness for a newer one")
        raise NotSealed("the checkpoint covers no map of heads: run sealbook seal --map, then ask the witness if any")

    def _dropped(self, linked: Sequence[Linked]) -> list[list[object]]:
        """Return the ledger's events by which bodies of these were destroyed, in their order."""
        destroyed = max((each.row.version for each in linked if each.row.destroyed), default=0)
        if not destroyed:
            return []
        events = ((row, decode_event(row.body).event) for row in self._rows.of_stream(LEDGER_STREAM.bytes))
        drops = [
            (row, event.versions)
            for row, event in events
            if isinstance(event, RecordsDropped)
            and event.stream.bytes == linked[0].row.stream
            and row.position <= self._size
        ]
        if max((versions for _, versions in drops), default=0) < destroyed:
            raise NotSealed(
                "records of it were destroyed, and by what right is not sealed, or not witnessed, yet:"
                " seal, ask the witness, and export again"
            )
        return [self._ledger_event(row) for row, _ in drops]

    def _linked(self, stream: bytes) -> list[Linked]:
        """Return a stream's sealed events, each linked to the one before. Raises LedgerDamaged."""
        linked: list[Linked] = []
        previous = NO_LEAF
        for row in self._rows.of_stream(stream):
            if row.position > self._size:
                break
            leaf = leaf_of(row, previous=previous)
            previous = self._sealed(leaf)
            linked.append(Linked(row, leaf))
        return linked

    def _link(self, row: StoredRow) -> Linked:
        before = None if row.version == 1 else self._rows.place(row.stream, row.version - 1)
        previous = NO_LEAF if before is None else self._node(0, before - 1)
        leaf = leaf_of(row, previous=previous)
        self._sealed(leaf)
        return Linked(row, leaf)

    def _sealed(self, leaf: Leaf) -> bytes:
        found = leaf.hash
        if found != self._node(0, leaf.position - 1):
            raise LedgerDamaged(f"position {leaf.position} is not what was sealed there: run sealbook fsck")
        return found

    def _ledger_event(self, row: StoredRow) -> list[object]:
        linked = self._link(row)
        return [row.version, linked.leaf.previous, _event(linked, None), self._proof(row.position)]

    def _proof(self, position: int) -> list[bytes]:
        return inclusion_proof(self._node, position - 1, self._size)


@dataclass(frozen=True, slots=True)
class _Mapped:
    """The row of a map's event, how much of the log the map covers, and its root."""

    row: StoredRow
    size: int
    root: bytes


def _is_closed(linked: Linked, until_us: int | None) -> bool:
    return linked.row.destroyed or (until_us is not None and linked.row.recorded_us > until_us)


def _event(linked: Linked, until_us: int | None) -> list[object]:
    row, leaf = linked.row, linked.leaf
    if _is_closed(linked, until_us):
        return [row.position, row.recorded_us, leaf.kind, leaf.commitment]
    return [row.position, row.recorded_us, row.salt, row.body]


def _dumped(row: StoredRow) -> bytes:
    content = row.salt + row.body
    length = len(content) | (_DESTROYED if row.destroyed else 0)
    return _DUMPED.pack(row.stream, row.version, row.recorded_us, length) + content


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
