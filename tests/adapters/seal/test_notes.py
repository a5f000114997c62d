"""Signed notes and checkpoints, against notes and signatures that others made."""

import base64
import json
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sealbook.adapters.keys.log_signer import FileLogSigner
from sealbook.adapters.seal.notes import (
    COSIGNATURE,
    ED25519,
    BadNote,
    Checkpoint,
    Note,
    Signature,
    VerifierKey,
    cosigned_message,
    log_key,
    parse_checkpoint,
    parse_note,
    signed,
)
from tests.adapters.seal.made_log import NOW, ORIGIN, VECTORS, needs_vectors, signer

TEXT = Checkpoint(ORIGIN, 7, bytes(range(32))).text
NOTE = signed(TEXT, [signer()])


def vectors(path: str) -> Any:
    return json.loads((VECTORS / path).read_text(encoding="utf-8"))


def cosigned(text: str, *, time: int = NOW, name: str = "audit.example") -> tuple[VerifierKey, Signature]:
    by = signer(name, seed=9)
    key = VerifierKey(name, COSIGNATURE, by.public_key)
    blob = (time % (1 << 64)).to_bytes(8, "big") + by.sign(cosigned_message(text, time))
    return key, Signature(name, key.key_id, blob)


# --- Notes


@needs_vectors
def test_a_note_of_another_is_read_checked_and_signed_again_byte_for_byte() -> None:
    case = vectors("note/golang_note_vectors.json")
    note = parse_note(f"{case['text']}\n{case['peter_sig']}{case['enoch_sig']}")
    for name in ("peter", "enoch"):
        key = VerifierKey.parse(case["vkeys"][name])
        assert str(key) == case["vkeys"][name]
        assert key.signed(note)
        assert not key.signed(note._replace(text=note.text + "more\n"))
    *_, name, _, material = case["skey"].split("+", 4)
    seed = base64.b64decode(material)[1:]
    peter = FileLogSigner(name=name, key=Ed25519PrivateKey.from_private_bytes(seed))
    assert str(signed(case["text"], [peter])) == f"{case['text']}\n{case['peter_sig']}"


@needs_vectors
def test_bad_keys_of_another_are_refused() -> None:
    for line in vectors("note/golang_note_vectors.json")["bad_vkeys"]:
        with pytest.raises(BadNote):
            VerifierKey.parse(line)


def test_what_is_signed_is_read_as_it_was_written() -> None:
    assert parse_note(str(NOTE)) == NOTE
    assert log_key(signer()).signed(NOTE)
    assert VerifierKey.parse(str(log_key(signer()))) == log_key(signer())


@pytest.mark.parametrize(
    "said",
    [
        "",
        "\n\n",
        TEXT,
        TEXT + "\n",
        str(NOTE)[:-1],
        str(NOTE) + "\n",
        str(NOTE) + " ",
        str(NOTE).replace("\n", "\r\n"),
        str(NOTE).replace("— ", "- "),
        str(NOTE).replace("— ", "—  "),
        str(NOTE).replace(f"— {ORIGIN}", "— "),
        str(NOTE).replace(f"— {ORIGIN}", "— a+b"),
        str(NOTE).replace(f"— {ORIGIN}", "— a\u00a0b"),
        str(NOTE).replace("=\n", "\n"),
        str(NOTE)[:-1] + "=\n",
        str(NOTE)[:-1] + " more\n",
        str(NOTE).replace("\n7\n", "\n7\x00\n"),
        str(NOTE).replace("\n7\n", "\n7\t\n"),
        # Other line ends than the one that there is would hide a line from some readers.
        str(NOTE)[:-1] + "\u2028" + NOTE.signatures[0].line,
        str(NOTE)[:-1] + "\x85" + NOTE.signatures[0].line,
        str(NOTE)[:-1] + "\x0b" + NOTE.signatures[0].line,
        f"{TEXT}\n— {ORIGIN} {base64.b64encode(bytes(4)).decode()}\n",
    ],
)
def test_what_is_no_note_is_refused(said: str) -> None:
    with pytest.raises(BadNote):
        parse_note(said)


def test_a_key_signs_for_its_own_name_and_text_only() -> None:
    other = log_key(signer("other.example"))
    assert not other.signed(NOTE)
    assert not other.signed(signed(TEXT, [signer()]))
    renamed = Note(TEXT, (NOTE.signatures[0]._replace(name="other.example"),))
    assert not other.signed(renamed)
    assert not log_key(signer(seed=2)).signed(NOTE)


def test_a_false_line_of_a_key_spoils_its_good_one() -> None:
    (good,) = NOTE.signatures
    for blob in (bytes(64), good.blob[:-1], good.blob + b"\x00", b"\x00"):
        bad = good._replace(blob=blob)
        assert not log_key(signer()).signed(Note(TEXT, (bad,)))
        assert not log_key(signer()).signed(Note(TEXT, (good, bad)))
        assert not log_key(signer()).signed(Note(TEXT, (bad, good)))


def test_lines_of_others_do_not_disturb() -> None:
    key, line = cosigned(TEXT)
    both = NOTE.with_signatures([line, line])
    assert both.signatures == (*NOTE.signatures, line)
    assert key.signed(both)
    assert log_key(signer()).signed(both)
    assert parse_note(str(both)) == both


def test_a_cosignature_says_its_time() -> None:
    key, line = cosigned(TEXT)
    assert key.signed(Note(TEXT, (line,)))
    later = line._replace(blob=(NOW + 1).to_bytes(8, "big") + line.blob[8:])
    assert not key.signed(Note(TEXT, (later,)))
    # A plain signature of the same key is none, and the other way round.
    plain = VerifierKey(key.name, ED25519, key.public_key)
    assert plain.key_id != key.key_id
    assert not plain.signed(Note(TEXT, (line._replace(key_id=plain.key_id),)))
    for blob in (b"\x00" * 5, line.blob[:8], line.blob[8:]):
        assert not key.signed(Note(TEXT, (line._replace(blob=blob),)))


def test_a_time_beyond_what_all_can_read_is_refused() -> None:
    key, line = cosigned(TEXT, time=1 << 63)
    assert not key.signed(Note(TEXT, (line,)))
    key, line = cosigned(TEXT, time=(1 << 63) - 1)
    assert key.signed(Note(TEXT, (line,)))


@pytest.mark.parametrize(
    "line",
    ["", "name", "name+00000000+", f"{log_key(signer())}=", f" {log_key(signer())}", f"{log_key(signer())}\n", "a+b+c"],
)
def test_what_is_no_key_is_refused(line: str) -> None:
    with pytest.raises(BadNote):
        VerifierKey.parse(line)


def test_a_key_of_another_kind_or_length_is_refused() -> None:
    for key in (VerifierKey("a", 6, bytes(32)), VerifierKey("a", 1, bytes(31)), VerifierKey("a b", 1, bytes(32))):
        with pytest.raises(BadNote):
            VerifierKey.parse(str(key))


# --- Checkpoints


def test_a_checkpoint_is_read_as_it_was_written() -> None:
    assert parse_checkpoint(TEXT) == Checkpoint(ORIGIN, 7, bytes(range(32)))
    assert parse_checkpoint(Checkpoint("a", 0, bytes(32)).text).size == 0
    assert parse_checkpoint(Checkpoint("a", (1 << 63) - 1, bytes(32)).text).root == bytes(32)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ORIGIN,
        f"{ORIGIN}\n7\n",
        TEXT + "more\n",
        TEXT + "\n",
        TEXT[:-1],
        TEXT.replace("\n7\n", "\n07\n"),
        TEXT.replace("\n7\n", "\n+7\n"),
        TEXT.replace("\n7\n", "\n-7\n"),
        TEXT.replace("\n7\n", "\n7_0\n"),
        TEXT.replace("\n7\n", "\n 7\n"),
        TEXT.replace("\n7\n", "\n７\n"),
        TEXT.replace("\n7\n", "\nseven\n"),
        TEXT.replace("\n7\n", f"\n{1 << 63}\n"),
        TEXT.replace("\n7\n", f"\n{'9' * 5000}\n"),
        TEXT.replace(ORIGIN, ""),
        Checkpoint(ORIGIN, 7, bytes(31)).text,
        Checkpoint(ORIGIN, 7, b"").text,
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(BadNote):
        parse_checkpoint(text)


# --- Signatures


@needs_vectors
def test_what_the_edge_cases_of_ed25519_come_to_stays_as_it_is() -> None:
    """Not all libraries agree on them; a change of ours would be a change of what a history proves."""
    accepted = [
        case
        for case in vectors("cctv-ed25519/ed25519vectors.json")
        if verifies(case["key"], case["sig"], case["msg"].encode())
    ]
    assert (len(accepted), len(vectors("cctv-ed25519/ed25519vectors.json"))) == (208, 914)


@needs_vectors
def test_wycheproof_agrees_on_every_signature() -> None:
    tests = [
        (group["publicKey"]["pk"], case)
        for group in vectors("wycheproof/ed25519_test.json")["testGroups"]
        for case in group["tests"]
    ]
    assert len(tests) == 151
    for key, case in tests:
        assert verifies(key, case["sig"], bytes.fromhex(case["msg"])) == (case["result"] == "valid"), case["tcId"]


def verifies(key: str, signature: str, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True
