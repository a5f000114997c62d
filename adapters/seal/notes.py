"""Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint, tlog-cosignature)."""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sealbook.adapters.keys.log_signer import LogSigner
from sealbook.adapters.seal.merkle import HASH_BYTES

ED25519, COSIGNATURE = 0x01, 0x04
"""Types of keys: of a log, and of a witness that says the time as well."""
KEY_ID_BYTES = 4
SIZE_MAX = (1 << 63) - 1
"""What a checkpoint's size and a cosignature's time stay within, so that every language can read them."""
_SIGNATURE = "— "


class BadNote(Exception):
    """A text is no signed note, no checkpoint or no key of one."""


class Signature(NamedTuple):
    """One line under a note. `blob` is what follows the key's id."""

    name: str
    key_id: bytes
    blob: bytes

    @property
    def line(self) -> str:
        return f"{_SIGNATURE}{self.name} {base64.b64encode(self.key_id + self.blob).decode()}\n"


class Note(NamedTuple):
    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(each.line for each in self.signatures)}"

    def with_signatures(self, more: Iterable[Signature]) -> "Note":
        """Return the note with more lines under it, none twice."""
        return Note(self.text, tuple(dict.fromkeys((*self.signatures, *more))))


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with its name, as one line: `name+id+base64`."""

    name: str
    algorithm: int
    public_key: bytes

    @classmethod
    def parse(cls, line: str) -> "VerifierKey":
        """Return the key of a line. Raises BadNote."""
        name, _, rest = line.partition("+")
        key_id, _, encoded = rest.partition("+")
        material = _decoded(encoded)
        key = cls(name, material[0] if material else 0, material[1:])
        if key.algorithm not in (ED25519, COSIGNATURE) or len(key.public_key) != HASH_BYTES or not _is_name(name):
            raise BadNote("that is no verifier key: write name+id+key as its owner gave it")
        if key.key_id.hex() != key_id:
            raise BadNote(f"the id of the key of {name} does not fit it: write the line as its owner gave it")
        return key

    @property
    def key_id(self) -> bytes:
        named = f"{self.name}\n".encode() + bytes([self.algorithm]) + self.public_key
        return sha256(named).digest()[:KEY_ID_BYTES]

    def __str__(self) -> str:
        material = base64.b64encode(bytes([self.algorithm]) + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{material}"

    def signed(self, note: Note) -> bool:
        """Tell whether a note bears a signature of this key over its text, and no false one that names it."""
        own = [each for each in note.signatures if self._is_named_by(each)]
        return bool(own) and all(self.made(each, note.text) for each in own)

    def made(self, signature: Signature, text: str) -> bool:
        """Tell whether a signature is this key's over a text."""
        if not self._is_named_by(signature):
            return False
        match self.algorithm:
            case 0x01:
                message, blob = text.encode(), signature.blob
            case _:
                time = int.from_bytes(signature.blob[:8], "big")
                if time > SIZE_MAX:
                    return False
                message, blob = cosigned_message(text, time), signature.blob[8:]
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(blob, message)
        except InvalidSignature:
            return False
        return True

    def _is_named_by(self, signature: Signature) -> bool:
        return (signature.name, signature.key_id) == (self.name, self.key_id)


def cosigned_message(text: str, time: int) -> bytes:
    """Return what a witness signs: that at that time (seconds since 1970) it had seen nothing larger."""
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def log_key(signer: LogSigner) -> VerifierKey:
    return VerifierKey(signer.name, ED25519, signer.public_key)


def signed(text: str, signers: Iterable[LogSigner]) -> Note:
    """Return a text with the signatures of a log's keys under it."""
    lines = [Signature(each.name, log_key(each).key_id, each.sign(text.encode())) for each in signers]
    return Note(text, tuple(lines))


def parse_note(said: str) -> Note:
    """Return the note that a text is. Raises BadNote."""
    text, separator, lines = said.rpartition("\n\n")
    if not separator or not lines.endswith("\n"):
        raise BadNote("that is no signed note: it has no signature")
    if any(each < " " and each != "\n" for each in said):
        raise BadNote("that is no signed note: it has control characters")
    # Not splitlines: that would end a line at other characters too.
    return Note(text + "\n", tuple(parse_signature(line) for line in lines[:-1].split("\n")))


def parse_signature(line: str) -> Signature:
    """Return the signature of a line. Raises BadNote."""
    name, _, encoded = line.removeprefix(_SIGNATURE).partition(" ")
    blob = _decoded(encoded)
    if not line.startswith(_SIGNATURE) or not _is_name(name) or len(blob) <= KEY_ID_BYTES:
        raise BadNote("that is no signed note: a line under it is no signature")
    return Signature(name, blob[:KEY_ID_BYTES], blob[KEY_ID_BYTES:])


class Checkpoint(NamedTuple):
    """How far a log has come, and the root of its tree."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """Return the checkpoint that a note's text is. Raises BadNote."""
    lines = text.split("\n")
    try:
        checkpoint = Checkpoint(lines[0], int(lines[1]), _decoded(lines[2]))
    except (IndexError, ValueError):
        raise BadNote("that is no checkpoint: it has no size or no root") from None
    is_plain = bool(checkpoint.origin) and 0 <= checkpoint.size <= SIZE_MAX
    if not is_plain or checkpoint.text != text or len(checkpoint.root) != HASH_BYTES:
        raise BadNote("that is no checkpoint of a ledger: its lines are not origin, size and root alone")
    return checkpoint


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(each.isspace() for each in name)


def _decoded(encoded: str) -> bytes:
    try:
        found = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise BadNote("that is no signed note: what should be base64 is not") from None
    if base64.b64encode(found).decode() != encoded:
        raise BadNote("that is no signed note: its base64 is not in the one form that there is")
    return found
