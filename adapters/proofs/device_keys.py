"""Device keys: the public key that a device is known by, and proves itself with."""

import base64
import binascii

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

DeviceKey = EllipticCurvePublicKey | Ed25519PublicKey
"""A key on P-256, or one of Ed25519."""
_NAME_CHARACTERS_MAX = 124
"""What a key on P-256 takes: 91 bytes. One of Ed25519 takes 44."""
_SMALL_ORDER = frozenset(
    bytes.fromhex(each)
    for each in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    )
)
"""Points of Ed25519's curve of order 1, 2, 4 and 8, without the bit of the sign: anybody signs for such a key."""


def public_key_of(name: str) -> DeviceKey | None:
    """Return the key that a device is named by, or None if the name is no key on P-256 and none of Ed25519.

    The name is the key's DER SubjectPublicKeyInfo in base64, as `device_key_name` writes it and in no other way:
    a key has one name.
    """
    if len(name) > _NAME_CHARACTERS_MAX:
        return None
    try:
        spki_der = base64.b64decode(name, validate=True)
    except (binascii.Error, ValueError):
        return None
    key = _loaded(spki_der)
    return key if key is not None and _named(key) == name else None


def device_key_name(spki_der: bytes) -> str:
    """Return the name of a device by its key, a DER SubjectPublicKeyInfo.

    Raises ValueError for what is no key on P-256 and none of Ed25519, or not in the one form that DER allows.
    """
    name = base64.b64encode(spki_der).decode()
    if public_key_of(name) is None:
        raise ValueError("a device's key is a public key on P-256 or of Ed25519, as DER SubjectPublicKeyInfo")
    return name


def _loaded(spki_der: bytes) -> DeviceKey | None:
    try:
        key = load_der_public_key(spki_der)
    except (ValueError, UnsupportedAlgorithm):
        return None
    if isinstance(key, EllipticCurvePublicKey):
        return key if isinstance(key.curve, SECP256R1) else None
    return key if isinstance(key, Ed25519PublicKey) and not _is_of_small_order(key) else None


def _is_of_small_order(key: Ed25519PublicKey) -> bool:
    point = key.public_bytes_raw()
    return point[:-1] + bytes([point[-1] & 0x7F]) in _SMALL_ORDER


def _named(key: DeviceKey) -> str:
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
