"""One-time codes: the RFC's own, the window, resynchronisation, and that no secret and no code is ever shown."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealbook.adapters.proofs.totp import (
    ALGORITHMS,
    Algorithm,
    Matched,
    Seed,
    check,
    decode_seed,
    encode_seed,
    new_seed,
    provisioning_uri,
    resynchronize,
)
from sealbook.application.ports import LedgerDamaged
from sealbook.domain.kind_document import OneTimeCode

DIGITS = "1234567890" * 7
SECRETS: dict[Algorithm, bytes] = {
    "SHA1": DIGITS[:20].encode(),
    "SHA256": DIGITS[:32].encode(),
    "SHA512": DIGITS[:64].encode(),
}
RFC_6238: list[tuple[int, dict[Algorithm, str]]] = [
    (59, {"SHA1": "94287082", "SHA256": "46119246", "SHA512": "90693936"}),
    (1111111109, {"SHA1": "07081804", "SHA256": "68084774", "SHA512": "25091201"}),
    (1111111111, {"SHA1": "14050471", "SHA256": "67062674", "SHA512": "99943326"}),
    (1234567890, {"SHA1": "89005924", "SHA256": "91819424", "SHA512": "93441116"}),
    (2000000000, {"SHA1": "69279037", "SHA256": "90698825", "SHA512": "38618901"}),
    (20000000000, {"SHA1": "65353130", "SHA256": "77737706", "SHA512": "47863826"}),
]
"""Appendix B."""
VECTORS = Path(__file__).resolve().parents[4] / "shared" / "vectors" / "otp" / "rfc4226_rfc6238.json"
SEED = Seed(SECRETS["SHA1"])
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
NOW = int(NOON.timestamp()) // 30


def moment(seconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


def code(step: int, seed: Seed = SEED) -> str:
    return seed.codes.generate_otp(step)


# --- Codes


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(("seconds", "codes"), RFC_6238)
def test_the_codes_of_the_rfc_fit_their_moments(
    seconds: int, codes: dict[Algorithm, str], algorithm: Algorithm
) -> None:
    seed = Seed(SECRETS[algorithm], digits=8, algorithm=algorithm)

    assert check(seed, codes[algorithm], at=moment(seconds), window_steps=0) == Matched(seconds // 30, 0)


def test_the_shared_vectors_fit() -> None:
    if not VECTORS.exists():
        pytest.skip(f"there are no test vectors in {VECTORS}")
    cases: list[dict[str, Any]] = json.loads(VECTORS.read_text())["totp"]
    for case in cases:
        seed = Seed(
            bytes.fromhex(case["key_hex"]),
            digits=case["digits"],
            step_seconds=case["step"],
            algorithm=case["alg"].upper(),
        )
        assert check(seed, case["otp"], at=moment(case["time"]), window_steps=0) is not None
    assert len(cases) == 18


@pytest.mark.parametrize("window_steps", [0, 1, 2])
def test_a_code_fits_within_the_window_and_not_beyond_it(window_steps: int) -> None:
    found = {drift: check(SEED, code(NOW + drift), at=NOON, window_steps=window_steps) for drift in range(-4, 5)}

    within = range(-window_steps, window_steps + 1)
    assert found == {drift: Matched(NOW + drift, drift) if drift in within else None for drift in range(-4, 5)}


def test_a_step_lasts_to_its_last_second() -> None:
    begins = datetime.fromtimestamp(NOW * 30, UTC)

    for after_seconds, drift in ((-0.001, 1), (0, 0), (29.999, 0), (30, -1)):
        matched = check(SEED, code(NOW), at=begins + timedelta(seconds=after_seconds), window_steps=1)
        assert matched == Matched(NOW, drift)


def test_the_window_lies_around_the_drift_that_was_seen_last() -> None:
    def drifts(around_steps: int) -> list[int]:
        found = (
            check(SEED, code(NOW + drift), at=NOON, window_steps=1, around_steps=around_steps)
            for drift in range(-9, 10)
        )
        return [matched.drift_steps for matched in found if matched is not None]

    assert drifts(6) == [5, 6, 7]
    assert drifts(-6) == [-7, -6, -5]


@pytest.mark.parametrize(
    "wrong", ["", "1", "12345", "1234567", " 23456", "12345x", "１２３４５６", "-12345", "1e1000", "\0" * 6, "9" * 5000]
)
def test_what_is_no_code_fits_nothing(wrong: str) -> None:
    assert check(SEED, wrong, at=NOON, window_steps=2) is None
    assert resynchronize(SEED, wrong, code(NOW), at=NOON, reach_steps=9) is None
    assert resynchronize(SEED, code(NOW), wrong, at=NOON, reach_steps=9) is None


def test_the_digits_of_a_code_in_another_script_are_not_its_digits() -> None:
    full_width = code(NOW).translate({ord("0") + digit: 0xFF10 + digit for digit in range(10)})

    assert check(SEED, full_width, at=NOON, window_steps=0) is None


def test_there_are_no_codes_before_1970() -> None:
    assert check(SEED, code(0), at=moment(0), window_steps=0) == Matched(0, 0)
    assert check(SEED, code(0), at=moment(0), window_steps=1) is None
    assert check(SEED, code(0), at=NOON, window_steps=0, around_steps=-2 * NOW) is None
    assert resynchronize(SEED, code(0), code(1), at=moment(0), reach_steps=5) == Matched(1, 1)


# --- Resynchronisation


@pytest.mark.parametrize("drift", [-40, -1, 0, 1, 40])
def test_two_consecutive_codes_tell_how_far_a_clock_is_off(drift: int) -> None:
    first, second = code(NOW + drift - 1), code(NOW + drift)

    assert resynchronize(SEED, first, second, at=NOON, reach_steps=40) == Matched(NOW + drift, drift)


def test_two_codes_out_of_reach_or_not_consecutive_tell_nothing() -> None:
    for first, second in ((40, 41), (-42, -41), (3, 2), (3, 3), (3, 5)):
        assert resynchronize(SEED, code(NOW + first), code(NOW + second), at=NOON, reach_steps=40) is None


def test_what_are_two_codes_only_together_tell_nothing() -> None:
    first, second = code(NOW - 1), code(NOW)

    assert resynchronize(SEED, first + second[:1], second[1:], at=NOON, reach_steps=2) is None


# --- Seeds


@given(
    st.binary(min_size=14, max_size=64),
    st.integers(6, 8),
    st.integers(1, 120),
    st.sampled_from(ALGORITHMS),
)
def test_a_seed_comes_back_as_it_was_stored(secret: bytes, digits: int, step: int, algorithm: Algorithm) -> None:
    seed = Seed(secret, digits=digits, step_seconds=step, algorithm=algorithm)

    assert decode_seed(encode_seed(seed)) == seed
    assert check(seed, code(9, seed), at=moment(9 * step), window_steps=0) == Matched(9, 0)


@pytest.mark.parametrize("bits", [112, 113, 160, 512])
def test_a_new_seed_has_the_form_that_the_kind_asks_for(bits: int) -> None:
    form = OneTimeCode(digits=8, step_seconds=60, window_steps=1, secret_bits_min=bits)
    asked = list[int]()

    def randomness(size: int) -> bytes:
        asked.append(size)
        return bytes(range(size))

    seed = new_seed(form, randomness)

    assert (seed.digits, seed.step_seconds) == (8, 60)
    assert seed.secret == bytes(range(asked[0]))
    assert bits <= 8 * len(seed.secret) < bits + 8


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": b"s" * 13},
        {"secret": b"s" * 65},
        {"digits": 5},
        {"digits": 9},
        {"step_seconds": 0},
        {"step_seconds": 121},
        {"algorithm": "MD5"},
    ],
)
def test_a_seed_of_another_form_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="one-time code"):
        replace(SEED, **wrong)


@pytest.mark.parametrize(
    "stored", [b"", b"\x90", encode_seed(SEED)[:-1], encode_seed(SEED) + b"x", b"\x94\xc4\x01s\x06\x1e\xa4SHA1"]
)
def test_a_damaged_seed_shows_nothing_of_itself(stored: bytes) -> None:
    with pytest.raises(LedgerDamaged) as told:
        decode_seed(stored)

    assert str(told.value) == "a seed of one-time codes in the vault cannot be read"
    assert told.value.__cause__ is None
    assert told.value.__suppress_context__


def test_the_provisioning_uri_gives_the_seed_to_an_app() -> None:
    seed = Seed(bytes(range(16)), digits=8, step_seconds=60, algorithm="SHA256")

    uri = urlsplit(provisioning_uri(seed, name="C-1 김", issuer="은행: One"))
    said = {name: values[0] for name, values in parse_qs(uri.query).items()}

    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert "=" not in said["secret"]
    assert base64.b32decode(said.pop("secret") + "=" * 6) == seed.secret
    assert said == {"issuer": "은행: One", "algorithm": "SHA256", "digits": "8", "period": "60"}


def test_nothing_shows_a_secret() -> None:
    shown = f"{SEED!r} {SEED} {SEED.codes!r} {[SEED]}"

    for secret in (SEED.secret.decode(), SEED.secret.hex(), base64.b32encode(SEED.secret).decode().rstrip("=")):
        assert secret not in shown
    assert "Seed(digits=6, step_seconds=30, algorithm='SHA1')" in shown
