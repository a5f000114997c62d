"""The ledger's keys, for now from a development key file; a key never shows in a repr or an error."""

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from sealbook.application.names import Name, NameKind
from sealbook.application.ports import LedgerDamaged, Unavailable

KEY_BYTES = 32
MAC_BYTES = 16
NONCE_BYTES = 12
WARNING = "Development keys, readable by whoever reads this file. Not for a bank's own data."


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """One generation of keys: for the MAC of events, the digests of names and their sealing."""

    key_id: int
    mac_key: bytes = field(repr=False)
    name_key: bytes = field(repr=False)
    seal_key: bytes = field(repr=False)

    def mac(self, *, book: int, stream: UUID, version: int, salt: bytes, body: bytes) -> bytes:
        """Return the MAC of an event: HMAC-SHA256, cut to 16 bytes, over where it stands and what it says."""
        place = book.to_bytes(2, "big") + stream.bytes + version.to_bytes(4, "big", signed=True)
        mac = _begun_mac(self.mac_key).copy()
        mac.update(place + salt + body)
        return mac.finalize()[:MAC_BYTES]

    def name_digest(self, name: Name) -> bytes:
        """Return what a name is found by: the key's id and a keyed digest, useless without the key."""
        digest = hmac.digest(self.name_key, f"{name.kind}\0{name.value}".encode(), hashlib.sha256)
        return bytes([self.key_id]) + digest

    def seal_name(self, name: Name, stream: UUID, *, nonce: bytes) -> bytes:
        """Return the readable name, encrypted for the stream that it names."""
        sealed = AESGCM(self.seal_key).encrypt(nonce, name.value.encode(), _bound_to(name.kind, stream))
        return bytes([self.key_id]) + nonce + sealed

    def unseal_name(self, kind: NameKind, stream: UUID, sealed: bytes) -> Name:
        """Return the readable name. Raises LedgerDamaged if it was not sealed for this stream."""
        nonce, ciphertext = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            value = AESGCM(self.seal_key).decrypt(nonce, ciphertext, _bound_to(kind, stream))
        except InvalidTag as error:
            raise LedgerDamaged(f"the sealed name of stream {stream} does not open") from error
        return Name(kind, value.decode())

    def check_value(self, ledger: UUID) -> bytes:
        """Return what the ledger keeps to tell its own keys from others."""
        joined = self.mac_key + self.name_key + self.seal_key
        return hmac.digest(joined, b"sealbook key check" + ledger.bytes, hashlib.sha256)


def new_keys() -> Keys:
    return Keys(
        key_id=1,
        mac_key=secrets.token_bytes(KEY_BYTES),
        name_key=secrets.token_bytes(KEY_BYTES),
        seal_key=secrets.token_bytes(KEY_BYTES),
    )


def document_of(keys: Keys) -> dict[str, object]:
    """Return the keys as JSON knows them: for a key file, or a pipe to a process of our own."""
    return {
        "key_id": keys.key_id,
        "mac_key": keys.mac_key.hex(),
        "name_key": keys.name_key.hex(),
        "seal_key": keys.seal_key.hex(),
    }


def keys_of(document: Mapping[str, Any]) -> Keys:
    """Return the keys of a document. Raises ValueError, KeyError or TypeError if it is none."""
    return Keys(
        key_id=int(document["key_id"]),
        mac_key=bytes.fromhex(document["mac_key"]),
        name_key=bytes.fromhex(document["name_key"]),
        seal_key=bytes.fromhex(document["seal_key"]),
    )


def read_key_file(path: Path) -> Keys:
    """Return the keys of a development key file. Raises Unavailable if it is missing or not one."""
    try:
        return keys_of(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise Unavailable(f"the key file {path} is missing: bring back the one of this ledger") from error
    except OSError as error:
        raise Unavailable(f"the key file {path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError):
        # From None: what could not be parsed may be half a key.
        raise Unavailable(f"the key file {path} is damaged: bring back the one of this ledger") from None


def write_key_file(path: Path, keys: Keys) -> None:
    """Write a development key file, readable by its owner alone; an existing one stays."""
    text = json.dumps({"warning": WARNING, **document_of(keys)}, indent=1)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Linked into place whole: of two that write at once one wins, and no half file is ever seen.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
        _sync_folder(path.parent)
    finally:
        draft.unlink()


def _sync_folder(folder: Path) -> None:
    # A ledger must not outlive its only keys: the name of their file is on disk before the first event.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@lru_cache(maxsize=8)
def _begun_mac(key: bytes) -> HMAC:
    # A copy of what a key begins with costs a third of beginning it anew for each event.
    return HMAC(key, SHA256())


def _bound_to(kind: NameKind, stream: UUID) -> bytes:
    return f"{kind}\0".encode() + stream.bytes
