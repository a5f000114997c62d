"""The keys that every event and every name needs: held in the process, and never shown."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from sealbook.adapters.keys.port import KEY_BYTES, MAC_BYTES
from sealbook.application.names import Name

FIRST_KEY = 1
COMMAND_DIGEST_BYTES = 16
_CUT_BYTES = MAC_BYTES - 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WorkingKeys:
    """The MAC keys by their ids, of which one writes, and the keys of names and of commands."""

    mac_keys: Mapping[int, bytes] = field(repr=False)
    mac_key_id: int
    name_keys: Mapping[int, bytes] = field(repr=False)
    name_key_id: int
    command_key: bytes = field(repr=False)
    _begun: Mapping[int, HMAC] = field(init=False, repr=False)
    _writes: bytes = field(init=False, repr=False)
    _begun_command: "hashlib.blake2b" = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # A copy of what a key begins with costs a quarter of beginning it anew for each event.
        object.__setattr__(self, "_begun", {number: HMAC(key, SHA256()) for number, key in self.mac_keys.items()})
        object.__setattr__(self, "_writes", bytes([self.mac_key_id]))
        begun = hashlib.blake2b(key=self.command_key, digest_size=COMMAND_DIGEST_BYTES)
        object.__setattr__(self, "_begun_command", begun)

    def mac(self, *, book: int, stream: bytes, version: int, salt: bytes, body: bytes) -> bytes:
        """Return the MAC of an event under the key that writes."""
        mac = self._begun[self.mac_key_id].copy()
        mac.update(_place(book, stream, version) + salt + body)
        return self._writes + mac.finalize()[:_CUT_BYTES]

    def mac_fits(self, mac: bytes, *, book: int, stream: bytes, version: int, salt: bytes, body: bytes) -> bool:
        """Tell whether a MAC is that of an event under one of these keys."""
        begun = self._begun.get(mac[0]) if len(mac) == MAC_BYTES else None
        if begun is None:
            return False
        anew = begun.copy()
        anew.update(_place(book, stream, version) + salt + body)
        return hmac.compare_digest(mac[1:], anew.finalize()[:_CUT_BYTES])

    def name_digest(self, name: Name) -> bytes:
        key = self.name_keys[self.name_key_id]
        digest = hmac.digest(key, f"{name.kind}\0{name.value}".encode(), hashlib.sha256)
        return bytes([self.name_key_id]) + digest

    def command_digest(self, content: bytes) -> bytes:
        digest = self._begun_command.copy()
        digest.update(content)
        return digest.digest()

    def service_key(self, purpose: str) -> bytes:
        return hmac.digest(self.command_key, b"sealbook service\0" + purpose.encode(), hashlib.sha256)

    def check_value(self, ledger: UUID) -> bytes:
        """Return what tells these keys from others. It stays when a key is added."""
        joined = self.mac_keys[min(self.mac_keys)] + self.name_keys[min(self.name_keys)]
        return hmac.digest(joined, b"sealbook key check" + ledger.bytes, hashlib.sha256)


def new_working_keys() -> WorkingKeys:
    """Return the first keys of a ledger."""
    return WorkingKeys(
        mac_keys={FIRST_KEY: secrets.token_bytes(KEY_BYTES)},
        mac_key_id=FIRST_KEY,
        name_keys={FIRST_KEY: secrets.token_bytes(KEY_BYTES)},
        name_key_id=FIRST_KEY,
        command_key=secrets.token_bytes(KEY_BYTES),
    )


def _place(book: int, stream: bytes, version: int) -> bytes:
    return book.to_bytes(2, "big") + stream + version.to_bytes(4, "big", signed=True)
