"""A witness: it cosigns a log's checkpoint only where it continues the one that it cosigned before (C2SP tlog-witness).

* What it knows of a log is on disk before a cosignature leaves, in one file that is replaced whole, under a lock that
  all processes of the folder share. So no two cosignatures ever contradict each other, whatever is killed when.
* A checkpoint that it refuses although the log signed it is kept, beside the one that it does not continue.
* Its folder must not come back from a backup: it would have forgotten what it said. Lose it, and begin a new witness.
"""

import fcntl
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from sealbook.adapters.keys.log_signer import FileLogSigner, LogSigner
from sealbook.adapters.seal.merkle import EMPTY_ROOT, proves_consistency
from sealbook.adapters.seal.notes import (
    COSIGNATURE,
    ED25519,
    BadNote,
    Checkpoint,
    Note,
    Signature,
    VerifierKey,
    cosigned_message,
    parse_checkpoint,
    parse_note,
)
from sealbook.adapters.seal.tiles import SealBroken, replace_file, sync_folder
from sealbook.adapters.seal.witness_request import WitnessRequest, parse_request

KEY_FILE, LOGS, COSIGNED, EVIDENCE, LOCK = "witness-key.json", "logs", "cosigned", "evidence", "lock"
TIME_BYTES = 8
CLOCK_BACK_SECONDS_MAX = 60
"""A clock that was put right by so little is waited for by repeating the last time; one further behind is wrong."""


class Outcome(StrEnum):
    """What a witness made of a request."""

    COSIGNED = "cosigned"
    UNREADABLE = "unreadable"
    UNKNOWN_LOG = "unknown_log"
    UNSIGNED = "unsigned"
    SHRINKS = "shrinks"
    OTHER_SIZE = "other_size"
    """The request does not begin where the witness stands. The log asks again, from there."""
    FORKED = "forked"
    """The log signed two roots for one size: proof of a fraud that it cannot deny."""
    INCONSISTENT = "inconsistent"
    """The log signed it and did not show that it continues what it signed before."""
    CLOCK_BEHIND = "clock_behind"


class Verdict(NamedTuple):
    """The witness's answer. `size` is where it stands; `evidence` is where it keeps what it refused."""

    outcome: Outcome
    reason: str
    origin: str = ""
    size: int = 0
    cosigned: Note | None = None
    evidence: Path | None = None

    @property
    def cosignature(self) -> Signature | None:
        """Return the witness's own line."""
        return self.cosigned.signatures[-1] if self.cosigned else None


class Witness:
    """One witness over its own folder; safe for threads and processes."""

    def __init__(self, folder: Path, signer: LogSigner) -> None:
        self._folder = folder
        self._signer = signer
        self.key = VerifierKey(signer.name, COSIGNATURE, signer.public_key)

    @classmethod
    def create(cls, folder: Path, *, name: str) -> "Witness":
        """Return a new witness; the one of the folder where there is one already. Raises Unavailable."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (folder / KEY_FILE).exists():
            # Before the key: a witness that has one and no record has lost it, and cosigns nothing.
            (folder / COSIGNED).mkdir(exist_ok=True)
        return cls(folder, FileLogSigner.create(folder / KEY_FILE, name=name))

    @classmethod
    def open(cls, folder: Path) -> "Witness":
        """Return the witness of a folder. Raises Unavailable."""
        return cls(folder, FileLogSigner.open(folder / KEY_FILE))

    def trust(self, key: VerifierKey) -> bool:
        """Cosign the log whose key this is from now on; False where it was known. Raises BadNote."""
        if key.algorithm != ED25519:
            raise BadNote(f"the key of {key.name} is a witness's: a log's is wanted")
        with locked(self._folder / LOCK):
            known = self.logs()
            if key in known:
                return False
            lines = "".join(f"log {each}\n" for each in [*known, key])
            replace_file(self._folder / LOGS, lines.encode())
            return True

    def logs(self) -> list[VerifierKey]:
        """Return the keys of the logs that it cosigns. Raises SealBroken."""
        path = self._folder / LOGS
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
            return [VerifierKey.parse(line.removeprefix("log ")) for line in lines]
        except FileNotFoundError:
            return []
        except (BadNote, UnicodeDecodeError) as bad:
            raise SealBroken(f"{path} cannot be read: {bad}") from bad

    def latest(self, origin: str) -> Note | None:
        """Return the latest checkpoint of a log that it cosigned, with its cosignature. Raises SealBroken."""
        path = self._record(origin)
        try:
            note = parse_note(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            if path.parent.is_dir():
                return None
            raise SealBroken(f"{path.parent} is missing: this witness has lost what it said, begin a new one") from None
        except (BadNote, UnicodeDecodeError) as bad:
            raise SealBroken(f"{path} cannot be read: {bad}") from bad
        if not self.key.signed(note):
            raise SealBroken(f"{path} is not what this witness cosigned")
        return note

    def add_checkpoint(self, body: bytes, *, time_seconds: int) -> Verdict:
        """Judge a request, and cosign its checkpoint if all is well. Raises SealBroken, Unavailable.

        What it cosigned is on disk when this returns. `time_seconds` is since 1970 UTC.
        """
        try:
            request = parse_request(body)
            asked = parse_checkpoint(request.note.text)
        except BadNote as bad:
            return Verdict(Outcome.UNREADABLE, str(bad))
        with locked(self._folder / LOCK):
            return self._judged(request, asked, time_seconds)

    def _judged(self, request: WitnessRequest, asked: Checkpoint, time_seconds: int) -> Verdict:
        keys = [key for key in self.logs() if key.name == asked.origin]
        if not keys:
            return Verdict(Outcome.UNKNOWN_LOG, "this witness does not know that log", asked.origin)
        note = _with_lines_of(keys, request.note)
        if not note.signatures:
            reason = "it is not signed by a key of that log, or a signature is wrong"
            return Verdict(Outcome.UNSIGNED, reason, asked.origin)
        latest = self.latest(asked.origin)
        known = parse_checkpoint(latest.text) if latest else Checkpoint(asked.origin, 0, EMPTY_ROOT)
        outcome = _outcome(request, asked, known)
        if outcome is Outcome.COSIGNED:
            return self._cosigned(note, latest, asked, time_seconds)
        is_evidence = outcome is Outcome.INCONSISTENT or _forks(asked, known)
        evidence = self._kept(request, asked, latest) if is_evidence else None
        return Verdict(outcome, _said(outcome, request, asked, known), asked.origin, known.size, evidence=evidence)

    def _cosigned(self, note: Note, latest: Note | None, asked: Checkpoint, time_seconds: int) -> Verdict:
        # The cosignature says that at its time nothing larger was seen: so times must not go back.
        time = max(time_seconds, _time_of(latest))
        if time > time_seconds + CLOCK_BACK_SECONDS_MAX:
            reason = "this witness's clock stands before its last cosignature: its owner must put it right"
            return Verdict(Outcome.CLOCK_BEHIND, reason, asked.origin, asked.size)
        blob = time.to_bytes(TIME_BYTES, "big") + self._signer.sign(cosigned_message(note.text, time))
        cosigned = Note(note.text, (*note.signatures, Signature(self.key.name, self.key.key_id, blob)))
        replace_file(self._record(asked.origin), str(cosigned).encode())
        return Verdict(Outcome.COSIGNED, f"cosigned {asked.size}", asked.origin, asked.size, cosigned)

    def _kept(self, request: WitnessRequest, asked: Checkpoint, latest: Note | None) -> Path:
        """Keep what the log signed and what it contradicts; return where. One signed text is kept once."""
        contradicted = str(latest) if latest else ""
        name = sha256((request.note.text + contradicted).encode()).hexdigest()[:16]
        folder = self._folder / EVIDENCE / f"{asked.size}-{name}"
        if not (folder / "refused").exists():
            folder.mkdir(parents=True, exist_ok=True)
            replace_file(folder / "cosigned", contradicted.encode())
            replace_file(folder / "refused", str(request).encode())
            sync_folder(folder.parent)
            sync_folder(self._folder)
        return folder

    def _record(self, origin: str) -> Path:
        return self._folder / COSIGNED / sha256(origin.encode()).hexdigest()


def _with_lines_of(keys: Sequence[VerifierKey], note: Note) -> Note:
    """Return a note with the lines of known keys alone; one false line of a key, and none of that key counts."""
    signers = [key for key in keys if key.signed(note)]
    return Note(note.text, tuple(each for each in note.signatures if any(key.made(each, note.text) for key in signers)))


def _outcome(request: WitnessRequest, asked: Checkpoint, known: Checkpoint) -> Outcome:
    if request.old > asked.size:
        return Outcome.SHRINKS
    if request.old != known.size:
        return Outcome.OTHER_SIZE
    if _forks(asked, known):
        return Outcome.FORKED
    if not proves_consistency(request.proof, old=known.size, old_root=known.root, new=asked.size, new_root=asked.root):
        return Outcome.INCONSISTENT
    return Outcome.COSIGNED


def _forks(asked: Checkpoint, known: Checkpoint) -> bool:
    return asked.size == known.size and asked.root != known.root


def _said(outcome: Outcome, request: WitnessRequest, asked: Checkpoint, known: Checkpoint) -> str:
    if outcome is Outcome.SHRINKS:
        return f"the request goes from {request.old} entries back to {asked.size}"
    if outcome is Outcome.OTHER_SIZE:
        return f"this witness stands at {known.size} entries, the request begins at {request.old}"
    if outcome is Outcome.FORKED:
        return f"the log had signed another root for {asked.size} entries"
    return f"what the log signed for {asked.size} entries does not continue the {known.size} that it signed before"


def _time_of(cosigned: Note | None) -> int:
    return int.from_bytes(cosigned.signatures[-1].blob[:TIME_BYTES], "big") if cosigned else 0


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Wait until no other thread or process holds the lock, and hold it. It goes with its holder."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
