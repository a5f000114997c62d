"""The log's signer: in a file and in an HSM, one key that signs what anybody can verify."""

import json
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sealbook.adapters.keys.log_signer import FileLogSigner, LogSigner, Pkcs11LogSigner
from sealbook.adapters.keys.pkcs11_token import HsmToken, TokenPlace
from sealbook.application.ports import Unavailable

P256 = bytes.fromhex("06082a8648ce3d030107")
NAME = "bank.example/sealbook/2026"


@pytest.fixture(params=["file", "hsm"])
def maker(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], LogSigner]:
    """What makes a signer, or finds the one that was made."""
    if request.param == "file":
        return lambda: FileLogSigner.create(tmp_path / "log-key.json", name=NAME)
    place: TokenPlace = request.getfixturevalue("softhsm")
    label = f"log-{uuid4().hex}"
    return lambda: Pkcs11LogSigner.create(HsmToken(place), name=NAME, label=label)


def test_what_was_signed_verifies_and_nothing_else(maker: Callable[[], LogSigner]) -> None:
    signer = maker()
    signature = signer.sign(b"checkpoint")

    assert (signer.name, len(signer.public_key), len(signature)) == (NAME, 32, 64)
    public_key = Ed25519PublicKey.from_public_bytes(signer.public_key)
    public_key.verify(signature, b"checkpoint")
    with pytest.raises(InvalidSignature):
        public_key.verify(signature, b"another")
    assert signature == signer.sign(b"checkpoint")


def test_a_key_is_made_once(maker: Callable[[], LogSigner]) -> None:
    assert maker().public_key == maker().public_key


def test_no_key_shows_in_a_repr(maker: Callable[[], LogSigner], tmp_path: Path) -> None:
    signer = maker()
    shown = repr(signer) + str(signer)

    assert NAME in shown
    assert "geheim" not in shown
    for path in tmp_path.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.read_text().split('"seed": "')[1][:64] not in shown


DAMAGED = ["{", "[]", "{}", '{"name": "x", "seed": "ABCDEF0123"}', '{"name": "x", "seed": 7}']
NAMELESS = json.dumps({"name": "", "seed": "ab" * 32})


@pytest.mark.parametrize("text", [*DAMAGED, NAMELESS])
def test_a_damaged_key_file_is_said_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "log-key.json").write_text(text)

    with pytest.raises(Unavailable, match="is damaged") as caught:
        FileLogSigner.open(tmp_path / "log-key.json")
    assert "ABCDEF0123" not in str(caught.value)


def test_a_key_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="is missing"):
        FileLogSigner.open(tmp_path / "log-key.json")


def test_an_hsm_without_the_key_or_with_another_kind_of_key_is_said(softhsm: TokenPlace) -> None:
    import pkcs11

    token = HsmToken(softhsm)
    with pytest.raises(Unavailable, match="the HSM has 0 public keys called nowhere"):
        Pkcs11LogSigner.open(token, name=NAME, label="nowhere")

    label = f"p256-{uuid4().hex}"
    with token.session() as session:
        curve = {pkcs11.Attribute.EC_PARAMS: P256}
        session.create_domain_parameters(pkcs11.KeyType.EC, curve, local=True).generate_keypair(label=label, store=True)
    with pytest.raises(Unavailable, match="is no Ed25519 key"):
        Pkcs11LogSigner.open(token, name=NAME, label=label)


def test_the_hsm_gives_the_log_key_not_away(softhsm: TokenPlace) -> None:
    import pkcs11

    token, label = HsmToken(softhsm), f"log-{uuid4().hex}"
    Pkcs11LogSigner.create(token, name=NAME, label=label)
    with token.session() as session:
        key = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=label)
        assert key[pkcs11.Attribute.EXTRACTABLE] is False
        with pytest.raises(pkcs11.AttributeSensitive):
            key[pkcs11.Attribute.VALUE]
