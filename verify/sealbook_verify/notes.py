"""Signed notes and the keys that sign them (C2SP signed-note; cosignature/v1 of C2SP tlog-cosignature)."""

import base64
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sealbook_verify.verdict import BadInput, Disproved

ED25519, COSIGNATURE_V1 = 0x01, 0x04
_SIGNATURE_LINE = "\N{EM DASH} "
_KEY_ID_BYTES, _TIME_BYTES = 4, 8


@dataclass(frozen=True, slots=True)
class Key:
    """A public key. Name and id together say whose it is, and which algorithm it is for."""

    name: str
    key_id: bytes
    algorithm: int
    public: bytes


@dataclass(frozen=True, slots=True)
class Signature:
    name: str
    key_id: bytes
    signed: bytes


def from_base64(text: str, what: str) -> bytes:
    """Return the bytes of standard base64 (RFC 4648 4), in the one form that they have."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise BadInput(f"{what} is not base64") from error
    if base64.b64encode(raw).decode() != text:
        raise BadInput(f"{what} is base64, but not in its canonical form")
    return raw


def read_vkey(text: str) -> Key:
    """Read a verifier key: name, key id in hexadecimal and base64 of algorithm and key, joined by `+`."""
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise BadInput(f"not a verifier key (name+id+key): {text}")
    name, key_id, encoded = parts
    _check_name(name)
    raw = from_base64(encoded, f"the key of {name}")
    if raw[:1] not in (b"\x01", b"\x04") or len(raw) != 33:
        raise BadInput(f"the key of {name} is not one of Ed25519: a log's is of type 1, a witness's of type 4")
    if sha256(name.encode("utf-8", "surrogateescape") + b"\n" + raw).hexdigest()[:8] != key_id:
        raise BadInput(f"the id of the key of {name} does not belong to it: was the key copied whole?")
    return Key(name, bytes.fromhex(key_id), raw[0], raw[1:])


def read_note(note: str) -> tuple[str, list[Signature]]:
    """Return the text of a note and its signatures, which nobody has verified so far."""
    if any(each < " " and each != "\n" for each in note):
        raise BadInput("the signed note holds control characters")
    text, blank, lines = note.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise BadInput("no signed note: a text, an empty line, and lines of signatures should be there")
    signatures = [_read_signature(line) for line in lines[:-1].split("\n")]
    if len({(each.name, each.key_id) for each in signatures}) != len(signatures):
        raise BadInput("the signed note has two signatures by one key")
    return text + "\n", signatures


def check_signature(key: Key, text: str, signature: Signature) -> int | None:
    """Return when a cosignature was made, in seconds since 1970 UTC; None for a plain signature.

    Raises Disproved where the key did not sign that text.
    """
    signed, message, at = signature.signed, text.encode(), None
    if key.algorithm == COSIGNATURE_V1:
        at, signed = int.from_bytes(signed[:_TIME_BYTES]), signed[_TIME_BYTES:]
        message = f"cosignature/v1\ntime {at}\n".encode() + message
    # cosignature/v1 has no times from 2^63 on. A signature of another length does not verify.
    if at is not None and at >= 1 << 63:
        raise Disproved("signature", f"the cosignature of {key.name} has a time that none can have")
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signed, message)
    except (InvalidSignature, ValueError) as error:
        raise Disproved("signature", f"the key of {key.name} did not sign this checkpoint") from error
    return at


def _read_signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_SIGNATURE_LINE).partition(" ")
    if not line.startswith(_SIGNATURE_LINE) or not encoded:
        raise BadInput("the signed note has a line that is no signature")
    _check_name(name)
    raw = from_base64(encoded, f"the signature of {name}")
    if len(raw) <= _KEY_ID_BYTES:
        raise BadInput(f"the signature of {name} is too short")
    return Signature(name, raw[:_KEY_ID_BYTES], raw[_KEY_ID_BYTES:])


def _check_name(name: str) -> None:
    if not name or "+" in name or any(each.isspace() for each in name):
        raise BadInput("a key has no name, or one with a space or a plus in it")
