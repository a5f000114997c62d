"""The sealer: events become leaves, leaves tiles, tiles a signed checkpoint.

* In this order, each durable before the next: tiles, checkpoint, heads of streams. Killed anywhere and run again, it
  writes the same bytes: what it makes of an event depends on the events before it and on nothing else.
* What was altered before it was sealed has no fitting MAC, or leaves a hole: the log ends before it, and says so.
  Positions are the log's indexes, so nothing can be passed over.
* What was altered afterwards does not concern the sealer, but for the last event: a ledger that came back older
  is noticed there, and nothing is sealed for it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from sealbook.adapters.eventstore.schema import BOOK
from sealbook.adapters.keys.log_signer import LogSigner
from sealbook.adapters.keys.port import Keys
from sealbook.adapters.seal.folder import SealFolder, stands_at
from sealbook.adapters.seal.leaves import COMMITTED, ENTRY, FORMAT, NO_LEAF, kind_of
from sealbook.adapters.seal.merkle import EMPTY_ROOT
from sealbook.adapters.seal.notes import Checkpoint, log_key, signed
from sealbook.adapters.seal.rows import LedgerRows, StoredRow, leaf_of
from sealbook.adapters.seal.stream_heads import StreamHead, StreamHeads
from sealbook.adapters.seal.tiles import SealBroken, TileWriter

EVENTS_A_BATCH = 65_536
FLUSHED_EVENTS = 1 << 19
"""After so many events the heads are written out: as many are read again after a power cut."""
_ALTERED = "the ledger was altered, or is another or an older one"


@dataclass(frozen=True, slots=True)
class Unsealable:
    """Why the log ends where it does although the ledger goes on."""

    position: int
    reason: str

    def __str__(self) -> str:
        return f"position {self.position} cannot be sealed: {self.reason}"


class Sealer:
    """Seals one book into one folder, which it must hold locked.

    `former` are keys of this log that signed before `signers` do.
    Raises SealBroken where folder, keys and ledger do not belong together.
    """

    def __init__(
        self,
        folder: SealFolder,
        *,
        origin: str,
        signers: Sequence[LogSigner],
        former: Sequence[LogSigner] = (),
        keys: Keys,
        rows: LedgerRows,
    ) -> None:
        self._folder = folder
        self._origin = origin
        self._signers = signers
        self._former = former
        self._keys = keys
        self._rows = rows
        self.checkpoint = self._opened()
        self._tiles = TileWriter(folder.path, size=self.checkpoint.size, edges=folder.tiles.edges(self.checkpoint.size))
        self._heads = StreamHeads(folder.heads_path)
        self._flushed = self._heads.applied
        self._recorded_us = 0
        self._dropped: dict[bytes, int] | None = None
        if self._tiles.root() != self.checkpoint.root:
            raise SealBroken("the tiles do not lead to the root of the checkpoint: restore the folder from a copy")
        self._catch_up()
        self._check_last()

    def close(self) -> None:
        self._heads.close()

    @property
    def heads(self) -> StreamHeads:
        return self._heads

    def seal(self, *, limit: int = EVENTS_A_BATCH) -> Unsealable | None:
        """Seal what the ledger has next, at most so many events; return what stands in the way of the rest.

        When this returns, the checkpoint is on disk and covers what was sealed.
        """
        rows = self._rows.after(self.checkpoint.size, limit)
        hashes: list[bytes] = []
        moved: dict[bytes, StreamHead] = {}
        unsealable = self._leaves(rows, hashes, moved)
        if hashes:
            self._recorded_us = rows[len(hashes) - 1].recorded_us
            self._publish(hashes, moved)
        return unsealable

    def _opened(self) -> Checkpoint:
        note = self._folder.checkpoint()
        if note is None:
            return Checkpoint(self._origin, 0, EMPTY_ROOT)
        checkpoint = stands_at(note)
        if checkpoint.origin != self._origin:
            raise SealBroken(f"this folder is of the log {checkpoint.origin}, not of {self._origin}")
        self._check_end(checkpoint.size)
        if not any(log_key(each).signed(note) for each in (*self._signers, *self._former)):
            raise SealBroken("the checkpoint is not signed by this log's key: restore the key, or the folder")
        return checkpoint

    def _leaves(
        self, rows: Iterable[StoredRow], hashes: list[bytes], moved: dict[bytes, StreamHead]
    ) -> Unsealable | None:
        """Add the leaf hashes of rows, and the heads that they leave, up to a row that cannot be sealed."""
        expected, recorded_before = self.checkpoint.size, self._recorded_us
        head_of, fits, pack = self._heads.get, self._keys.mac_fits, ENTRY.pack
        for position, stream, version, recorded_us, salt, mac, body in rows:
            expected += 1
            if position != expected:
                return Unsealable(expected, f"it is missing, the ledger goes on at {position}")
            head = moved.get(stream) or head_of(stream)
            if version != head.version + 1:
                return Unsealable(position, f"it is version {version} of its stream, {head.version + 1} was to follow")
            if recorded_us < recorded_before:
                return Unsealable(position, "it was recorded before the one that it follows")
            recorded_before = recorded_us
            if mac is None:
                if version > self._dropped_to(stream):
                    return Unsealable(position, "its body is gone, and no event of the ledger says by what right")
                kind, committed = salt[0], body
            elif fits(mac, book=BOOK, stream=stream, version=version, salt=salt, body=body):
                kind, committed = kind_of(body), sha256(COMMITTED + salt + body).digest()
            else:
                return Unsealable(position, "its MAC does not fit: who wrote it did not have the ledger's key")
            entry = pack(FORMAT, kind, position, stream, version, recorded_us, head.leaf, committed)
            leaf = sha256(b"\x00" + entry).digest()
            hashes.append(leaf)
            moved[stream] = StreamHead(position, version, leaf)
        return None

    def _dropped_to(self, stream: bytes) -> int:
        # Met only by a log that is begun anew: what the law had destroyed is proven by what is left of it.
        if self._dropped is None:
            self._dropped = self._rows.dropped()
        return self._dropped.get(stream, 0)

    def _publish(self, hashes: list[bytes], moved: dict[bytes, StreamHead]) -> None:
        self._tiles.add(hashes)
        self._tiles.save()
        self.checkpoint = Checkpoint(self._origin, self._tiles.size, self._tiles.root())
        self._folder.put_checkpoint(signed(self.checkpoint.text, self._signers))
        self._heads.apply(moved, applied=self.checkpoint.size)
        if self.checkpoint.size - self._flushed >= FLUSHED_EVENTS:
            self._heads.flush()
            self._flushed = self.checkpoint.size

    def _catch_up(self) -> None:
        """Put in the heads what a run that was killed had sealed and not noted there."""
        if self._heads.applied > self.checkpoint.size:
            raise SealBroken(
                "the heads are ahead of the checkpoint: restore the folder as a whole, or remove stream-heads"
            )
        while self._heads.applied < self.checkpoint.size:
            after = self._heads.applied
            rows = self._rows.after(after, min(EVENTS_A_BATCH, self.checkpoint.size - after))
            if not rows:
                return
            moved: dict[bytes, StreamHead] = {}
            for row in rows:
                before = moved.get(row.stream) or self._heads.get(row.stream)
                # A run that was killed may have put in what comes later: then the ledger says what came before.
                known = before.leaf if before.position < row.position else None
                moved[row.stream] = StreamHead(row.position, row.version, self._checked_leaf(row, previous=known))
            self._heads.apply(moved, applied=rows[-1].position)

    def _sealed_leaf(self, position: int) -> bytes:
        return self._folder.tiles.node(self.checkpoint.size)(0, position - 1)

    def _check_last(self) -> None:
        """Make sure that the ledger goes on from what was sealed. Raises SealBroken."""
        size = self.checkpoint.size
        if size:
            (row,) = self._rows.after(size - 1, 1) or (None,)
            if row is None or row.position != size:
                raise SealBroken(f"position {size} is missing: {_ALTERED}")
            self._checked_leaf(row)
            self._recorded_us = row.recorded_us

    def _check_end(self, size: int) -> None:
        end = self._rows.end()
        if end < size:
            raise SealBroken(
                f"the ledger ends at position {end}, the seal at {size}: the ledger was restored from an older backup"
            )

    def _checked_leaf(self, row: StoredRow, *, previous: bytes | None = None) -> bytes:
        """Return the leaf that was sealed for a row, which must still make it. Raises SealBroken."""
        if previous is None:
            place = None if row.version == 1 else self._rows.place(row.stream, row.version - 1)
            previous = self._sealed_leaf(place) if place is not None and place < row.position else NO_LEAF
        leaf = leaf_of(row, previous=previous).hash
        if leaf != self._sealed_leaf(row.position):
            raise SealBroken(f"position {row.position} is not what was sealed there: {_ALTERED}")
        return leaf
