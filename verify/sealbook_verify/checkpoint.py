"""Checkpoints: the log's size and root, signed and cosigned (C2SP tlog-checkpoint)."""

import re
from dataclasses import dataclass
from typing import Any

from sealbook_verify.merkle import HASH_BYTES, included
from sealbook_verify.moments import between, seconds_utc
from sealbook_verify.notes import Key, check_signature, from_base64, read_note
from sealbook_verify.policy import Policy
from sealbook_verify.verdict import BadInput, CannotTell, Disproved

DECIMAL = re.compile("0|[1-9][0-9]{0,17}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint whose signatures are verified. `cosigned` has names and seconds since 1970 UTC, first to last."""

    origin: str
    size: int
    root: bytes
    cosigned: tuple[tuple[str, int], ...]

    def check_included(self, position: int, leaf: bytes, proof: list[bytes]) -> None:
        if not included(leaf, index=position - 1, size=self.size, proof=proof, root=self.root):
            raise Disproved("inclusion", "the event is not what the log holds there", position)

    def lines(self, recorded_at: int | None = None) -> list[str]:
        """Say who signed what when. `recorded_at` is of the latest event that is proven."""
        said = [f"checkpoint: {self.size} entries, root {self.root.hex()}", f"signed by {self.origin}"]
        said += [f"cosigned by {name} at {seconds_utc(at)}" for name, at in self.cosigned]
        if not self.cosigned:
            said.append("no witness: against who holds the log's key, only your own older checkpoint helps (growth)")
        elif recorded_at is not None:
            # A record that was dated back lies further before the first cosignature than sealing takes.
            said.append(f"the latest event was recorded {between(recorded_at, self.cosigned[0][1] * 10**6)}")
        return said

    def facts(self) -> dict[str, Any]:
        cosigned = [{"name": name, "at": seconds_utc(at)} for name, at in self.cosigned]
        return {"origin": self.origin, "size": self.size, "root": self.root.hex(), "cosigned": cosigned}


def open_checkpoint(note: str, policy: Policy, *, witnesses: int = 0) -> Checkpoint:
    """Return a checkpoint that the policy accepts, cosigned by at least so many witnesses.

    Raises BadInput for no checkpoint, Disproved for a false signature, and CannotTell where a
    signature is by an unknown key, or too few are there: every line counts.
    """
    text, signatures = read_note(note)
    origin, size, root = _read_text(text)
    known = {(key.name, key.key_id): key for key in policy.keys}
    signers: dict[Key, int | None] = {}
    for signature in signatures:
        key = known.get((signature.name, signature.key_id))
        if key:
            signers[key] = check_signature(key, text, signature)
    if len(signers) != len(signatures):
        raise CannotTell("the checkpoint has a signature by a key that the policy does not name")
    if not any(key.name == origin for key in policy.logs if key in signers):
        raise CannotTell(f"no log of the policy that is called {origin} signed the checkpoint")
    if any(key.name != origin for key in policy.logs if key in signers):
        raise Disproved("signature", f"another log than {origin} signed its checkpoint")
    cosigned = sorted((at, key.name) for key, at in signers.items() if at is not None)
    if not policy.satisfied_by(signers) or len(cosigned) < witnesses:
        raise CannotTell(f"too few witnesses: {len(cosigned)} of the policy's cosigned the checkpoint")
    return Checkpoint(origin, size, root, tuple((name, at) for at, name in cosigned))


def _read_text(text: str) -> tuple[str, int, bytes]:
    lines = text.split("\n")
    if len(lines) != 4 or not lines[0]:
        raise BadInput("no checkpoint: its text should be the lines origin, size and root")
    origin, size, root, _ = lines
    if not DECIMAL.fullmatch(size):
        raise BadInput("the checkpoint's size is not a decimal number")
    raw = from_base64(root, "the checkpoint's root")
    if len(raw) != HASH_BYTES:
        raise BadInput(f"the checkpoint's root does not have {HASH_BYTES} bytes")
    return origin, int(size), raw
