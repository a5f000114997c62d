"""Challenges that a device signs: nothing is kept of them, for each says itself what it is for and until when.

A challenge is made for one credential and one command id, that of the use to come. The ledger carries a command id
out once, so a signature counts once.
"""

import base64
import binascii
import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from math import ceil
from struct import Struct
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from sealbook.adapters.keys.port import KEY_BYTES
from sealbook.adapters.proofs.device_keys import DeviceKey

LIFETIME_SECONDS = 120
RANDOM_BYTES = 16
MAC_BYTES = 16
COUNTER_MAX = 2**64 - 1
_VERSION = 1
_BODY = Struct(f"!BQ{RANDOM_BYTES}s")
"""Version, when it expires in Unix seconds, randomness."""
_CHALLENGE_BYTES = _BODY.size + MAC_BYTES
_MAC_OF = b"sealbook challenge\0"
_SIGNED = b"sealbook use\0"
_COUNTER = Struct("!Q")
_RAW_SIGNATURE_BYTES = 64
_ECDSA = ECDSA(SHA256())


class ChallengeFault(StrEnum):
    """Why a challenge does not count."""

    NOT_OURS = "not_ours"
    """It was made by nobody here, or for another credential or command id."""
    EXPIRED = "expired"


class Challenges:
    """Makes and checks challenges under a key of the service, of 32 bytes, which every process has."""

    def __init__(self, key: bytes, *, lifetime_seconds: int = LIFETIME_SECONDS) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"the key of challenges has {KEY_BYTES} bytes")
        self._key = key
        self._lifetime_seconds = lifetime_seconds

    def issue(self, credential: UUID, command_id: UUID, *, at: datetime, randomness: Callable[[int], bytes]) -> bytes:
        """Return a challenge for the use that a command id is kept for; `expires_at_of` tells until when it counts."""
        expires_at = ceil(at.timestamp()) + self._lifetime_seconds
        body = _BODY.pack(_VERSION, expires_at, randomness(RANDOM_BYTES))
        return body + self._mac(body, credential, command_id)

    def check(self, challenge: bytes, credential: UUID, command_id: UUID, *, at: datetime) -> ChallengeFault | None:
        """Return why a challenge does not count for a use, or None if it does."""
        if len(challenge) != _CHALLENGE_BYTES:
            return ChallengeFault.NOT_OURS
        body, mac = challenge[: _BODY.size], challenge[_BODY.size :]
        version, expires_at, _ = _BODY.unpack(body)
        if not hmac.compare_digest(mac, self._mac(body, credential, command_id)) or version != _VERSION:
            return ChallengeFault.NOT_OURS
        return None if at.timestamp() < expires_at else ChallengeFault.EXPIRED

    def _mac(self, body: bytes, credential: UUID, command_id: UUID) -> bytes:
        # Every part has a fixed length, so no two challenges have the same bytes here.
        content = _MAC_OF + body + credential.bytes + command_id.bytes
        return hmac.digest(self._key, content, "sha256")[:MAC_BYTES]


def expires_at_of(challenge: bytes) -> datetime:
    """Return the moment, a whole second, from which a challenge that was issued here counts no more."""
    return datetime.fromtimestamp(_BODY.unpack_from(challenge)[1], UTC)


def message_to_sign(credential: UUID, challenge: bytes, *, counter: int) -> bytes:
    """Return what the device signs. Raises ValueError if the counter does not fit into 64 bits."""
    if not 0 <= counter <= COUNTER_MAX:
        raise ValueError("a device counts from 0 to 2**64 - 1")
    return _SIGNED + credential.bytes + challenge + _COUNTER.pack(counter)


def signature_fits(key: DeviceKey, signature: bytes, *, credential: UUID, challenge: bytes, counter: int) -> bool:
    """Tell whether a device's key made a signature for a challenge and a counter.

    ECDSA with SHA-256 is taken in both forms that phones give: DER, and r and s of 32 bytes each (IEEE P1363).
    """
    if not 0 <= counter <= COUNTER_MAX:
        return False
    message = message_to_sign(credential, challenge, counter=counter)
    try:
        if isinstance(key, EllipticCurvePublicKey):
            key.verify(_der(signature), message, _ECDSA)
        else:
            key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def to_base64url(value: bytes) -> str:
    """Return base64url without padding, as challenges and signatures are sent."""
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def from_base64url(text: str) -> bytes | None:
    """Return what `to_base64url` made a text of; None for any other text."""
    try:
        value = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return value if to_base64url(value) == text else None


def _der(signature: bytes) -> bytes:
    # One of 64 bytes in DER would have numbers far shorter than any that chance makes.
    if len(signature) != _RAW_SIGNATURE_BYTES:
        return signature
    half = _RAW_SIGNATURE_BYTES // 2
    return encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))
