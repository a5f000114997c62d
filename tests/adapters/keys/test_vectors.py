"""What others found to go wrong with these algorithms (Wycheproof) does not go wrong with the functions used here."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap_with_padding,
    aes_key_wrap_with_padding,
)

VECTORS = Path(__file__).resolve().parents[4] / "shared" / "vectors" / "wycheproof"
NONCES_BYTES = range(8, 129)
"""What the AEAD takes; ours have 12 bytes."""


def cases(name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any], bool]]:
    """Yield each case with its group, and whether it is to be accepted."""
    path = VECTORS / f"{name}_test.json"
    if not path.exists():
        pytest.skip(f"there are no test vectors in {VECTORS}")
    for group in json.loads(path.read_text())["testGroups"]:
        for case in group["tests"]:
            yield group, case, case["result"] != "invalid"


def hexed(case: dict[str, Any], *names: str) -> list[bytes]:
    return [bytes.fromhex(case[name]) for name in names]


def test_wrapping_keys() -> None:
    count = 0
    for _, case, good in cases("aes_kwp"):
        key, message, wrapped = hexed(case, "key", "msg", "ct")
        try:
            opened = aes_key_unwrap_with_padding(key, wrapped)
        except (InvalidUnwrap, ValueError):
            opened = None
        assert (opened == message) == good, case["tcId"]
        if good:
            assert aes_key_wrap_with_padding(key, message) == wrapped, case["tcId"]
        count += 1
    assert count > 200


def test_wrapping_subject_keys() -> None:
    count = 0
    for _, case, good in cases("aes_gcm"):
        key, nonce, bound_to, message, text, tag = hexed(case, "key", "iv", "aad", "msg", "ct", "tag")
        if len(nonce) not in NONCES_BYTES:
            continue
        try:
            opened = AESGCM(key).decrypt(nonce, text + tag, bound_to)
        except InvalidTag:
            opened = None
        assert (opened == message) == good, case["tcId"]
        if good:
            assert AESGCM(key).encrypt(nonce, message, bound_to) == text + tag, case["tcId"]
        count += 1
    assert count > 200


def test_macs() -> None:
    count = 0
    for group, case, good in cases("hmac_sha256"):
        key, message, tag = hexed(case, "key", "msg", "tag")
        begun = HMAC(key, SHA256())
        mac = begun.copy()
        mac.update(message)
        assert (mac.finalize()[: group["tagSize"] // 8] == tag) == good, case["tcId"]
        count += 1
    assert count > 100


def test_signatures() -> None:
    count = 0
    for group, case, good in cases("ed25519"):
        message, signature = hexed(case, "msg", "sig")
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(group["publicKey"]["pk"]))
        try:
            key.verify(signature, message)
        except InvalidSignature:
            assert not good, case["tcId"]
        else:
            assert good, case["tcId"]
        count += 1
    assert count > 100
