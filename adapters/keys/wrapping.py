"""How the key of a subject is wrapped: by the key of its bucket, bound to the subject and the class."""

from hashlib import sha256
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sealbook.application.ports import LedgerDamaged

BUCKETS = 4096
NONCE_BYTES = 12


def bucket_of(subject: UUID) -> int:
    """Return the bucket of a subject. The keystore holds it for good: it never changes."""
    return int.from_bytes(sha256(subject.bytes).digest()[:2], "big") % BUCKETS


def wrapped_subject_key(key: bytes, *, bucket_key: bytes, subject: UUID, key_class: str, nonce: bytes) -> bytes:
    """Return nonce and AES-256-GCM of a key."""
    return nonce + AESGCM(bucket_key).encrypt(nonce, key, _bound_to(subject, key_class))


def opened_subject_key(wrapped: bytes, *, bucket_key: bytes, subject: UUID, key_class: str) -> bytes:
    """Return a key that was wrapped. Raises LedgerDamaged if it was not wrapped by this, for this."""
    try:
        return AESGCM(bucket_key).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], _bound_to(subject, key_class))
    except InvalidTag:
        raise LedgerDamaged(f"the {key_class} key of {subject} in the keystore does not open") from None


def _bound_to(subject: UUID, key_class: str) -> bytes:
    return subject.bytes + key_class.encode()
