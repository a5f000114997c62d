"""Sealed values: AES-GCM under a subject's own key, bound to whose they are and where they stand."""

from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sealbook.adapters.keys.port import KeyClass
from sealbook.application.ports import LedgerDamaged

NONCE_BYTES = 12
NAMES_CLASS = KeyClass.RECORD
"""The class of the keys that readable names are under: they are kept as long as the records."""


class Place(NamedTuple):
    """Where a sealed value stands: a field of a subject, under a key of its owner's."""

    owner: UUID
    subject: UUID
    field: str
    key_class: KeyClass

    @property
    def bound(self) -> bytes:
        # No field and no class holds a zero byte, so no two places are bound to the same bytes.
        return self.owner.bytes + self.subject.bytes + f"{self.field}\0{self.key_class}".encode()


def seal(value: bytes, place: Place, *, key: bytes, randomness: Callable[[int], bytes]) -> bytes:
    """Return a value that only its owner's key opens, and only in its place."""
    nonce = randomness(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, value, place.bound)


def unseal(sealed: bytes, place: Place, *, key: bytes) -> bytes:
    """Return the value. Raises LedgerDamaged if it was not sealed for its place, or not under this key."""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place.bound)
    except (InvalidTag, ValueError):
        # From None: a ValueError may show the bytes.
        raise LedgerDamaged(f"field {place.field} of {place.subject} does not open under its owner's key") from None
