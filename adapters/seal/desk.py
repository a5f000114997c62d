"""The sealer's desk: one ledger and the folder of its seal, and what is done with the two."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID, uuid5

from sealbook.adapters.keys.log_signer import FileLogSigner, LogSigner
from sealbook.adapters.keys.port import Keys
from sealbook.adapters.seal.bundles import Prover
from sealbook.adapters.seal.folder import SealFolder, stands_at
from sealbook.adapters.seal.head_map import make_map
from sealbook.adapters.seal.notes import Checkpoint, VerifierKey, log_key
from sealbook.adapters.seal.rows import LedgerRows
from sealbook.adapters.seal.sealer import Sealer, Unsealable
from sealbook.adapters.seal.tiles import SealBroken
from sealbook.application import noting
from sealbook.application.ports import NO_HEAD, EventStore, Unavailable
from sealbook.domain.ledger import LEDGER_STREAM, ChangeKey, KeyPurpose, Ledger, MapHeads, ReplaceLog
from sealbook.domain.ledger import Command as OwnOfLedger

ACTOR, CHANNEL = "sealer", "batch"
Signers = Callable[[str, int, bool], LogSigner]
"""What gives a log's key by the log's name and the key's number; and makes it, if it is told to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What a run came to. `unsealable` says why the log ends before the ledger does."""

    checkpoint: Checkpoint
    events: int
    unsealable: Unsealable | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SealDesk:
    """`signer` gives the log's key by the log's name and the key's number, and makes it if it is told to."""

    folder: SealFolder
    store: EventStore
    rows: LedgerRows
    keys: Keys
    signer: Signers

    @contextmanager
    def sealer(self, origin: str | None = None) -> Generator[Sealer]:
        """Open the log until the block ends. Raises Unavailable while another does, SealBroken."""
        with self.folder.locked():
            name = self._origin(origin)
            signer, *former = [self.signer(name, number, self._is_new()) for number in self._log_key_ids()]
            sealer = Sealer(self.folder, origin=name, signers=[signer], former=former, keys=self.keys, rows=self.rows)
            self.folder.trust_log([log_key(signer)])
            try:
                yield sealer
            finally:
                sealer.close()

    def seal(self, sealer: Sealer, *, advanced: Callable[[int], None] = lambda _position: None) -> Sealed:
        """Seal all that the ledger holds now."""
        begun, end = sealer.checkpoint.size, self.rows.end()
        unsealable = None
        while sealer.checkpoint.size < end and unsealable is None:
            unsealable = sealer.seal()
            advanced(sealer.checkpoint.size)
        return Sealed(checkpoint=sealer.checkpoint, events=sealer.checkpoint.size - begun, unsealable=unsealable)

    def map_heads(self, sealer: Sealer, *, at: datetime) -> int:
        """Make the map of all that is sealed, note its root in the ledger and seal that; return its streams.

        Raises Refused where the ledger knows of a larger one.
        """
        size = sealer.checkpoint.size
        streams, root = make_map(self.folder.map_path(size), iter(sealer.heads))
        noted = MapHeads(at=at, tree_size=size, streams=streams, root=root.hex())
        self._note(noted)
        self.seal(sealer)
        self.folder.forget_old_maps()
        return streams

    def rotate_log_key(self, *, at: datetime) -> tuple[int, VerifierKey]:
        """Put another key of the log in force; return its number, and what verifiers are to trust from now on.

        The last checkpoint under the old key covers the event that names the new one.
        """
        with self.sealer() as sealer:
            number = self._log_key_id() + 1
            key = log_key(self.signer(sealer.checkpoint.origin, number, True))
            changed = ChangeKey(at=at, purpose=KeyPurpose.LOG, key_id=number, public_key=key.public_key.hex())
            self._note(changed)
            self.seal(sealer)
            self.folder.trust_log([key])
        return number, key

    def replace_log(self, origin: str, *, at: datetime, reason: str, approved_by: str) -> Path:
        """End the log of a ledger that came back older; return where its folder is kept. Another may begin then.

        Raises Refused without an approver, Unavailable where there is no log or the name is not another one.
        """
        with self.folder.locked():
            note = self.folder.checkpoint()
            if note is None:
                raise Unavailable("nothing is sealed yet, so there is no log to replace")
            ended = stands_at(note)
            if origin == ended.origin:
                raise Unavailable(f"{origin} is the log that ends: give the new one another name")
            noted = ReplaceLog(
                at=at,
                origin=ended.origin,
                tree_size=ended.size,
                root=ended.root.hex(),
                reason=reason,
                approved_by=approved_by,
            )
            # Killed before the folder is set aside, it is run again, and the ledger notes it once.
            self._note(noted, command_id=uuid5(LEDGER_STREAM, f"{ended.text} replaced"))
            return self.folder.set_aside(ended.size)

    def sealed_to(self) -> int:
        """Return the last position that is sealed; 0 where nothing is."""
        note = self.folder.checkpoint()
        return 0 if note is None else stands_at(note).size

    def prover(self, *, witnessed: bool = False) -> Prover:
        return Prover(self.folder, self.rows, witnessed=witnessed)

    def _note(self, command: OwnOfLedger, *, command_id: UUID | None = None) -> None:
        noting.note(self.store, command, actor=ACTOR, channel=CHANNEL, command_id=command_id)

    def _log_key_id(self) -> int:
        state = self.store.load(streams=[LEDGER_STREAM], names=(), commands=()).heads.get(LEDGER_STREAM, NO_HEAD).state
        return max(1, state.key_id(KeyPurpose.LOG)) if isinstance(state, Ledger) else 1

    def _log_key_ids(self) -> range:
        """Return the numbers of the log's keys, the one in force first."""
        return range(self._log_key_id(), 0, -1)

    def _is_new(self) -> bool:
        return self.folder.checkpoint() is None

    def _origin(self, wanted: str | None) -> str:
        note = self.folder.checkpoint()
        if note is None:
            return wanted or f"sealbook/{self.rows.ledger_id()}/0"
        origin = stands_at(note).origin
        if wanted is not None and wanted != origin:
            raise SealBroken(f"this folder is of the log {origin}, not of {wanted}")
        return origin


def file_signer(folder: Path) -> Signers:
    """Return what gives the log's key from a file beside the folder of the seal, which may be published whole."""
    keys = folder.with_name(f"{folder.name}-keys")

    def signer(name: str, number: int, make: bool) -> LogSigner:
        path = keys / f"{name.replace('/', '_')}{'' if number == 1 else f'-{number}'}.json"
        return FileLogSigner.create(path, name=name) if make else FileLogSigner.open(path)

    return signer
