"""What was sealed, beside what the ledger holds now."""

from collections.abc import Iterator

from sealbook.adapters.seal.folder import SealFolder, stands_at
from sealbook.adapters.seal.leaves import NO_LEAF
from sealbook.adapters.seal.merkle import tree_root
from sealbook.adapters.seal.notes import BadNote, VerifierKey
from sealbook.adapters.seal.rows import StoredRow, leaf_of
from sealbook.application.ports import LedgerDamaged


class SealCheck:
    """Compares a ledger's rows, in order from the first, with the log in a folder."""

    def __init__(self, folder: SealFolder) -> None:
        self._folder = folder
        self._latest: dict[bytes, tuple[bytes, ...]] = {}
        note = folder.checkpoint()
        self._checkpoint = None if note is None else stands_at(note)
        self._size = 0 if self._checkpoint is None else self._checkpoint.size
        self._node = folder.tiles.node(self._size)

    @property
    def size(self) -> int:
        """How many events are sealed."""
        return self._size

    def of_the_log(self) -> Iterator[str]:
        """Yield where the folder contradicts itself: its checkpoint is signed, and its tiles lead to it."""
        note = self._folder.checkpoint()
        if note is None or self._checkpoint is None:
            return
        try:
            keys = [VerifierKey.parse(line.split()[1]) for line in self._folder.policy().splitlines() if _is_log(line)]
        except (BadNote, IndexError):
            keys = []
        if not any(key.signed(note) for key in keys):
            yield "the seal's checkpoint is not signed by a key that the folder's policy names"
        try:
            root = tree_root(self._node, self._size)
        except LedgerDamaged as error:
            yield str(error)
        else:
            if root != self._checkpoint.root:
                yield "the seal's tiles do not lead to the root of its checkpoint"

    def of_row(self, row: StoredRow) -> Iterator[str]:
        """Yield what is wrong with a row; each row is asked about once, in order."""
        if row.position > self._size:
            return
        try:
            sealed = self._node(0, row.position - 1)
        except LedgerDamaged as error:
            yield str(error)
            return
        made = [leaf_of(row, previous=each).hash for each in self._latest.get(row.stream, (NO_LEAF,))]
        if sealed not in made:
            yield f"position {row.position} is not what was sealed there"
        # Whichever of the two was altered: it is one finding, not one for each event of the stream that follows.
        self._latest[row.stream] = (sealed,) if sealed in made else (sealed, made[0])

    def of_the_end(self, last: int) -> Iterator[str]:
        """Yield that the ledger ends before the log does."""
        if last < self._size:
            yield f"the ledger ends at position {last}, the seal at {self._size}: it was restored from an older backup"


def _is_log(line: str) -> bool:
    return line.split()[:1] == ["log"]
