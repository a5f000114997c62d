"""The folder of a seal: what it publishes, and what it keeps for itself."""

import fcntl
import shutil
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

from sealbook.adapters.seal.notes import BadNote, Checkpoint, Note, VerifierKey, parse_checkpoint, parse_note
from sealbook.adapters.seal.tiles import SealBroken, TileFolder, replace_file, sync_folder
from sealbook.application.ports import Unavailable

CHECKPOINT, WITNESSED, POLICY, HEADS, LOCK = "checkpoint", "witnessed", "policy", "stream-heads", "lock"
MAPS, MAPS_KEPT = "maps", 3
"""What a witness signed last may be older than the latest map."""


class SealFolder:
    """One log's folder.

    `checkpoint` is the latest, `witnessed` the latest that a witness signed as well; `policy` tells a verifier
    whose keys these are; `tile/` holds the tree, `maps/` the maps of heads. `stream-heads` is the sealer's own.
    """

    def __init__(self, path: Path) -> None:
        # What stands beside it is named after it.
        self.path = path if path.name else path.absolute()
        self.tiles = TileFolder(path)

    @property
    def heads_path(self) -> Path:
        return self.path / HEADS

    def map_path(self, tree_size: int) -> Path:
        return self.path / MAPS / str(tree_size)

    def checkpoint(self) -> Note | None:
        """Return the latest checkpoint; None before the first. Raises SealBroken."""
        return self._note(CHECKPOINT)

    def witnessed(self) -> Note | None:
        """Return the latest checkpoint with cosignatures, with all of them; None if there is none."""
        return self._note(WITNESSED)

    def put_checkpoint(self, note: Note) -> None:
        replace_file(self.path / CHECKPOINT, str(note).encode())

    def put_witnessed(self, note: Note) -> None:
        replace_file(self.path / WITNESSED, str(note).encode())

    def set_aside(self, size: int) -> Path:
        """Move what this folder publishes to one beside it, which is kept; return that."""
        aside = self.path.with_name(f"{self.path.name}-ended-at-{size}")
        aside.mkdir(exist_ok=True)
        # The checkpoint last: until it has gone, there is a log to replace, and a second run goes on.
        for path in sorted(self.path.iterdir(), key=lambda path: path.name == CHECKPOINT):
            if path.name != LOCK:
                path.rename(aside / path.name)
        sync_folder(aside)
        sync_folder(self.path)
        return aside

    def policy(self) -> str:
        """Return what a verifier should trust, as far as this folder knows: a C2SP tlog-policy."""
        try:
            return (self.path / POLICY).read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def trust_log(self, keys: Iterable[VerifierKey]) -> None:
        """Name the log's keys in the policy; other lines stay."""
        lines = self.policy().splitlines() or ["quorum none"]
        new = [line for key in keys if (line := f"log {key}") not in lines]
        if new:
            replace_file(self.path / POLICY, "".join(f"{line}\n" for line in [*new, *lines]).encode())

    def forget_old_maps(self) -> None:
        """Remove all maps but the last few: their roots stay in the log, and a full verification makes them anew."""
        made = sorted(int(path.name) for path in (self.path / MAPS).iterdir() if path.name.isdigit())
        note = self.witnessed()
        witnessed = 0 if note is None else stands_at(note).size
        # Proofs under the witnessed checkpoint need the last map before it.
        needed = max((size for size in made if size < witnessed), default=0)
        for size in made[:-MAPS_KEPT]:
            if size != needed:
                shutil.rmtree(self.map_path(size))

    @contextmanager
    def locked(self) -> Generator[None]:
        """Be the only one who writes here. Raises Unavailable while another is."""
        self.path.mkdir(mode=0o755, parents=True, exist_ok=True)
        with (self.path / LOCK).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Unavailable(f"another sealer is at work in {self.path}: wait until it ends") from None
            yield

    def _note(self, name: str) -> Note | None:
        try:
            return parse_note((self.path / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (BadNote, UnicodeDecodeError) as bad:
            raise SealBroken(f"{self.path / name} cannot be read: {bad}") from bad


def stands_at(note: Note) -> Checkpoint:
    """Return the checkpoint of a note of our own. Raises SealBroken."""
    try:
        return parse_checkpoint(note.text)
    except BadNote as bad:
        raise SealBroken(f"the checkpoint cannot be read: {bad}") from bad
