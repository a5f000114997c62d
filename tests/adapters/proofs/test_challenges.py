"""Challenges count for one credential, one command id and two minutes; signatures by the device's key alone."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from hypothesis import given
from hypothesis import strategies as st

from sealbook.adapters.proofs import challenges
from sealbook.adapters.proofs.challenges import (
    ChallengeFault,
    Challenges,
    expires_at_of,
    from_base64url,
    message_to_sign,
    signature_fits,
    to_base64url,
)
from sealbook.adapters.proofs.device_keys import DeviceKey

KEY = b"k" * 32
OURS = Challenges(KEY)
CREDENTIAL, COMMAND, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)
NOON = datetime(2026, 11, 23, 12, 0, 0, 250_000, tzinfo=UTC)
P256 = ec.generate_private_key(ec.SECP256R1())
ED25519 = ed25519.Ed25519PrivateKey.generate()
WYCHEPROOF = Path(__file__).resolve().parents[4] / "shared" / "vectors" / "wycheproof"


def zeros(size: int) -> bytes:
    return bytes(size)


def issued(by: Challenges = OURS, *, at: datetime = NOON) -> bytes:
    return by.issue(CREDENTIAL, COMMAND, at=at, randomness=zeros)


def checked(challenge: bytes, *, credential: UUID = CREDENTIAL, command: UUID = COMMAND, at: datetime = NOON) -> object:
    return OURS.check(challenge, credential, command, at=at)


# --- Challenges


def test_a_challenge_counts_until_it_expires() -> None:
    challenge = issued()
    expires_at = expires_at_of(challenge)

    assert expires_at == datetime(2026, 11, 23, 12, 2, 1, tzinfo=UTC)
    assert checked(challenge) is None
    assert checked(challenge, at=expires_at - timedelta(microseconds=1)) is None
    assert checked(challenge, at=expires_at) is ChallengeFault.EXPIRED


def test_a_challenge_is_for_one_credential_and_one_command() -> None:
    assert checked(issued(), credential=OTHER) is ChallengeFault.NOT_OURS
    assert checked(issued(), command=OTHER) is ChallengeFault.NOT_OURS
    assert checked(issued(), credential=COMMAND, command=CREDENTIAL) is ChallengeFault.NOT_OURS


def test_a_challenge_of_another_service_does_not_count() -> None:
    assert checked(issued(Challenges(b"o" * 32))) is ChallengeFault.NOT_OURS


def test_another_process_of_the_service_takes_the_challenge() -> None:
    assert Challenges(bytes(KEY)).check(issued(), CREDENTIAL, COMMAND, at=NOON) is None


def test_no_bit_of_a_challenge_can_be_changed() -> None:
    challenge = issued()
    for bit in range(8 * len(challenge)):
        changed = bytearray(challenge)
        changed[bit // 8] ^= 1 << bit % 8
        assert checked(bytes(changed)) is ChallengeFault.NOT_OURS


@given(st.binary(max_size=64))
def test_what_is_no_challenge_does_not_count(other: bytes) -> None:
    assert checked(other) is ChallengeFault.NOT_OURS


def test_a_challenge_of_another_version_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(challenges, "_VERSION", 2)
    newer = issued()
    monkeypatch.undo()

    assert checked(newer) is ChallengeFault.NOT_OURS


def test_two_challenges_differ_by_their_randomness() -> None:
    other = OURS.issue(CREDENTIAL, COMMAND, at=NOON, randomness=lambda size: b"r" * size)

    assert other != issued()
    assert checked(other) is None


def test_the_key_has_its_length_and_is_not_shown() -> None:
    with pytest.raises(ValueError, match="32 bytes") as told:
        Challenges(b"secret")

    assert "secret" not in str(told.value)
    assert KEY.decode() not in repr(OURS)


# --- Signatures


def signed(message: bytes, key: object) -> Iterator[tuple[DeviceKey, bytes]]:
    """Yield the key and each form of its signature."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        signature = key.sign(message, ec.ECDSA(SHA256()))
        yield key.public_key(), signature
        yield key.public_key(), b"".join(each.to_bytes(32, "big") for each in decode_dss_signature(signature))
    elif isinstance(key, ed25519.Ed25519PrivateKey):
        yield key.public_key(), key.sign(message)


def fits(key: DeviceKey, signature: bytes, **other: Any) -> bool:
    said: dict[str, Any] = {"credential": CREDENTIAL, "challenge": issued(), "counter": 7, **other}
    return signature_fits(key, signature, **said)


def test_the_message_is_what_devices_were_told() -> None:
    challenge = issued()

    message = message_to_sign(CREDENTIAL, challenge, counter=7)

    assert message == b"sealbook use\0" + CREDENTIAL.bytes + challenge + b"\0\0\0\0\0\0\0\x07"
    assert len(challenge) == 1 + 8 + 16 + 16


@pytest.mark.parametrize("device", [P256, ED25519], ids=["p256", "ed25519"])
def test_a_signature_fits_its_use_and_no_other(device: object) -> None:
    message = message_to_sign(CREDENTIAL, issued(), counter=7)
    for key, signature in signed(message, device):
        assert fits(key, signature)
        assert not fits(key, signature, counter=8)
        assert not fits(key, signature, credential=OTHER)
        assert not fits(key, signature, challenge=issued(at=NOON + timedelta(seconds=1)))
        for end in (0, 1, 32, len(signature) - 1):
            assert not fits(key, signature[:end])
        assert not fits(key, signature + b"\0")


def test_a_signature_of_another_key_or_hash_does_not_fit() -> None:
    message = message_to_sign(CREDENTIAL, issued(), counter=7)

    for other in (ec.generate_private_key(ec.SECP256R1()), ED25519):
        for _, signature in signed(message, other):
            assert not fits(P256.public_key(), signature)
    for _, signature in signed(message, P256):
        assert not fits(ED25519.public_key(), signature)
    assert not fits(P256.public_key(), P256.sign(message, ec.ECDSA(SHA384())))


def test_a_signature_of_nothing_does_not_fit() -> None:
    for nothing in (bytes(64), b"\xff" * 64, bytes.fromhex("3006020100020100"), b""):
        assert not fits(P256.public_key(), nothing)
        assert not fits(ED25519.public_key(), nothing)


@pytest.mark.parametrize("counter", [-1, 2**64])
def test_a_counter_that_does_not_fit_is_no_error_of_ours(counter: int) -> None:
    assert not fits(P256.public_key(), b"", counter=counter)
    with pytest.raises(ValueError, match="from 0"):
        message_to_sign(CREDENTIAL, issued(), counter=counter)


@pytest.mark.parametrize("form", ["sha256", "sha256_p1363"])
def test_signatures_that_others_found_hard_are_told_right(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = WYCHEPROOF / f"ecdsa_secp256r1_{form}_test.json"
    if not path.exists():
        pytest.skip(f"there are no test vectors in {WYCHEPROOF}")
    count = 0
    for group in json.loads(path.read_text())["testGroups"]:
        point = bytes.fromhex(group["publicKey"]["uncompressed"])
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        for case in group["tests"]:
            message = bytes.fromhex(case["msg"])
            monkeypatch.setattr(challenges, "message_to_sign", Mock(return_value=message))
            assert fits(key, bytes.fromhex(case["sig"])) == (case["result"] == "valid"), case["tcId"]
            count += 1
    assert count > 200


# --- base64url


@given(st.binary(max_size=80))
def test_base64url_leads_back(value: bytes) -> None:
    text = to_base64url(value)

    assert from_base64url(text) == value
    assert not set(text) & set("+/=")


@pytest.mark.parametrize("other", ["AA==", "A", "A+A/", "AB", "A A", "AAA\n", "é", "\ud800", "AA.A"])
def test_another_text_is_not_base64url(other: str) -> None:
    assert from_base64url(other) is None
