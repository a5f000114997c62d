"""Device keys: which public keys a device may be known by, and that each has one name."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sealbook.adapters.proofs.device_keys import device_key_name, public_key_of

P256 = ec.generate_private_key(ec.SECP256R1()).public_key()
ED25519 = ed25519.Ed25519PrivateKey.generate().public_key()
OF_ED25519 = bytes.fromhex("302a300506032b6570032100")
"""What DER says before the 32 bytes of a key."""


def spki(key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def other_kinds() -> list[bytes]:
    curves = (ec.SECP256K1(), ec.SECP384R1(), ec.SECP521R1())
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    return [
        *(ec.generate_private_key(curve).public_key().public_bytes(*form) for curve in curves),
        rsa.generate_private_key(65537, 2048).public_key().public_bytes(*form),
        ed448.Ed448PrivateKey.generate().public_key().public_bytes(*form),
        x25519.X25519PrivateKey.generate().public_key().public_bytes(*form),
    ]


@pytest.mark.parametrize("key", [P256, ED25519], ids=["p256", "ed25519"])
def test_a_key_and_its_name_lead_to_each_other(key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> None:
    name = device_key_name(spki(key))

    assert base64.b64decode(name) == spki(key)
    assert public_key_of(name) == key


def test_keys_of_other_curves_and_kinds_are_refused() -> None:
    for der in other_kinds():
        assert public_key_of(base64.b64encode(der).decode()) is None
        with pytest.raises(ValueError, match="P-256 or of Ed25519"):
            device_key_name(der)


def other_texts(name: str) -> list[str]:
    """Return what leads to the same bytes as a name, or nearly, and what does not at all."""
    der = base64.b64decode(name)
    return [
        name.rstrip("="),
        name + "\n",
        " " + name,
        base64.urlsafe_b64encode(der).decode().rstrip("="),
        base64.b64encode(der + b"\0").decode(),
        base64.b64encode(der[:-1]).decode(),
        *("", "key of a phone", "\ud800", "A" * 1_000_000),
    ]


@pytest.mark.parametrize("key", [P256, ED25519], ids=["p256", "ed25519"])
def test_a_key_has_one_name(key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> None:
    name = device_key_name(spki(key))

    assert [other for other in other_texts(name) if public_key_of(other) is not None] == []


def test_the_padding_of_a_name_holds_nothing() -> None:
    name = device_key_name(spki(P256))
    assert name.endswith("==")
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = name[:-3] + last[last.index(name[-3]) + 1] + "=="

    assert base64.b64decode(other) == base64.b64decode(name)
    assert public_key_of(other) is None


def test_a_compressed_point_is_another_name_of_the_same_key_and_refused() -> None:
    point = P256.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    der = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200") + point

    assert public_key_of(base64.b64encode(der).decode()) is None


def test_a_point_that_is_not_on_the_curve_is_refused() -> None:
    der = bytearray(spki(P256))
    der[-1] ^= 1

    assert public_key_of(base64.b64encode(der).decode()) is None


@pytest.mark.parametrize("point", ["00" * 32, "01" + "00" * 31, "01" + "00" * 30 + "80", "ec" + "ff" * 30 + "7f"])
def test_a_key_for_which_anybody_can_sign_is_refused(point: str) -> None:
    assert public_key_of(base64.b64encode(OF_ED25519 + bytes.fromhex(point)).decode()) is None
