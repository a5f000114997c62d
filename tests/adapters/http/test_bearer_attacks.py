"""Tokens that must not let anybody in, by every known trick and by chance: each ends in Unauthenticated, and in nothing
else.
"""

import base64
import hmac
import itertools
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealbook.adapters.http.bearer import TOKEN_BYTES_MAX, Reason, Unauthenticated
from tests.adapters.http.issuer import (
    BY_ALGORITHM,
    EC,
    ED,
    NOW,
    OTHER_EC,
    RSA,
    bearers,
    claims,
    document,
    part,
    parts,
    public,
    sign,
    signed,
    token,
)

ASKED = bearers()
HEADER = {"alg": "ES256", "kid": "ec", "typ": "at+jwt"}


def refused(text: str) -> Reason:
    """Return why a token is refused, and see that the refusal repeats nothing of it."""
    with pytest.raises(Unauthenticated) as caught:
        ASKED.caller(f"Bearer {text}")
    said = f"{caught.value}{caught.value!r}{caught.value.challenge}"
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    assert all(len(each) < 12 or each not in said for each in text.split("."))
    return caught.value.reason


# --- Signatures that are none


def cased(word: str) -> list[str]:
    return sorted({"".join(each) for each in itertools.product(*((c.lower(), c.upper()) for c in word))})


@pytest.mark.parametrize("name", cased("none"))
@pytest.mark.parametrize("signature", ["", "AAAA", token().split(".")[2]])
def test_what_is_not_signed_is_refused(name: str, signature: str) -> None:
    header = part(json.dumps({**HEADER, "alg": name}).encode()).decode()
    assert refused(f"{header}.{token().split('.')[1]}.{signature}") is Reason.ALGORITHM


SECRETS = {
    "PEM of the RSA key": RSA.as_pem(),
    "DER of the RSA key": RSA.as_der(),
    "JWK of the RSA key": json.dumps(public("rsa", RSA)).encode(),
    "PEM of the EC key": EC.as_pem(),
    "key set": document(public("rsa", RSA)),
    "modulus": base64.urlsafe_b64decode(str(RSA.as_dict()["n"]) + "=="),
}


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("kid", ["rsa", "ec", "ed", None])
def test_a_public_key_is_nobodys_secret(secret: str, kid: str | None) -> None:
    for name in ("HS256", "HS384", "HS512", "hs256", *BY_ALGORITHM):
        header = {"alg": name} if kid is None else {"alg": name, "kid": kid}
        content = part(json.dumps(header).encode()) + b"." + part(json.dumps(claims()).encode())
        by = "sha" + name[2:] if name in {"HS384", "HS512"} else "sha256"
        mac = hmac.digest(SECRETS[secret], content, by)
        reason = refused(f"{content.decode()}.{part(mac).decode()}")
        assert name in BY_ALGORITHM or reason is Reason.ALGORITHM


@pytest.mark.parametrize(
    "algorithm", ["RS1", "RS384", "RS512", "PS384", "ES384", "ES512", "ES256K", "Ed448", "dir", "RSA-OAEP", "es256", ""]
)
def test_other_algorithms_are_refused(algorithm: str) -> None:
    assert refused(token(alg=algorithm)) is Reason.ALGORITHM


@pytest.mark.parametrize("claimed", sorted(BY_ALGORITHM))
@pytest.mark.parametrize("kid", ["ec", "ed", "rsa"])
def test_a_key_is_not_tried_with_an_algorithm_of_another_type(claimed: str, kid: str) -> None:
    own, key = BY_ALGORITHM[claimed]
    if kid != own:
        assert refused(signed({"alg": claimed, "kid": kid}, claims(), key)) is Reason.UNKNOWN_KEY


def test_a_signature_of_one_padding_does_not_pass_as_the_other() -> None:
    header, payload, signature = token(algorithm="RS256").split(".")
    other = token(algorithm="PS256").split(".")
    assert refused(f"{other[0]}.{payload}.{signature}") is Reason.SIGNATURE
    assert refused(f"{header}.{payload}.{other[2]}") is Reason.SIGNATURE


@pytest.mark.parametrize(
    "brought",
    [
        {"jwk": public("mine", OTHER_EC)},
        {"jku": "https://attacker.example/keys"},
        {"x5u": "https://attacker.example/certificate"},
        {"x5c": ["MIIB"]},
        {"jwk": public("mine", OTHER_EC), "kid": ...},
        {"jku": 7},
        {"jwk": "text"},
    ],
)
def test_a_key_that_a_token_brings_along_is_not_used(brought: dict[str, Any]) -> None:
    refused(signed({**HEADER, **brought}, claims(), OTHER_EC))


def test_a_key_of_another_issuer_under_a_known_id_is_refused() -> None:
    assert refused(signed(HEADER, claims(), OTHER_EC)) is Reason.SIGNATURE


@pytest.mark.parametrize("algorithm", sorted(BY_ALGORITHM))
def test_a_flipped_bit_anywhere_is_found(algorithm: str) -> None:
    good = parts(token(algorithm=algorithm))
    for number, content in enumerate(good):
        for place in range(len(content)):
            for bit in (0x01, 0x80) if len(content) < 120 else (0x10,):
                flipped = content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :]
                changed = [*good[:number], flipped, *good[number + 1 :]]
                refused(".".join(part(each).decode() for each in changed))


def test_another_character_anywhere_is_found() -> None:
    good = token()
    for place in range(len(good)):
        for other in "A_=+/ .\u00e9":
            if good[place] != other:
                refused(good[:place] + other + good[place + 1 :])


def test_a_token_that_is_cut_anywhere_is_refused() -> None:
    good = token()
    for length in range(len(good)):
        refused(good[:length])


def test_the_unused_bits_of_the_last_character_are_not_free() -> None:
    good = token()
    twins = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".replace(good[-1], "")
    assert {refused(good[:-1] + twin) for twin in twins} <= {Reason.MALFORMED, Reason.SIGNATURE}


# --- Headers


BAD_HEADERS: list[dict[str, Any]] = [
    {"crit": ["exp"], "exp": 1},
    {"crit": []},
    {"crit": [[]]},
    {"crit": "b64"},
    {"b64": False, "crit": ["b64"]},
    {"b64": True},
    {"cty": "JWT"},
    {"typ": "dpop+jwt"},
    {"typ": "JWE"},
    {"typ": 7},
    {"typ": None},
    {"kid": 7},
    {"kid": None, "alg": None},
    {"kid": ["ec"]},
    {"kid": {"ec": 1}},
    {"kid": "e" * 300},
    {"kid": "../../etc/passwd"},
    {"kid": "ec' OR 1=1"},
    {"kid": "\ud800"},
    {"alg": ...},
    {"alg": ["ES256"]},
    {"alg": {"ES256": 1}},
    {"alg": True},
    {"filler": "x" * 5_000},
]


@pytest.mark.parametrize("header", BAD_HEADERS)
def test_headers_that_are_refused(header: dict[str, Any]) -> None:
    refused(token(**header))


@pytest.mark.parametrize(
    "header",
    [
        b'{"alg":"none","alg":"ES256","kid":"ec"}',
        b'{"alg":"ES256","kid":"ec","kid":"ec"}',
        b'{"alg":"ES256","kid":"ec","crit":["x"],"crit":[]}',
        b'{"alg":"ES256","kid":"ec","x":NaN}',
        b'["ES256"]',
        b'"ES256"',
        b"null",
        b"",
        b"{",
        b"\xff\xfe{}",
        b"[" * 3_000,
        b'\xef\xbb\xbf{"alg":"ES256","kid":"ec"}',
    ],
)
def test_headers_that_are_no_plain_object_are_refused(header: bytes) -> None:
    assert refused(sign(header, json.dumps(claims()).encode(), EC)) is Reason.MALFORMED


# --- Claims


WRONG: list[tuple[dict[str, Any], Reason]] = [
    ({"iss": ...}, Reason.ISSUER),
    ({"iss": "https://issuer.example/"}, Reason.ISSUER),
    ({"iss": ["https://issuer.example"]}, Reason.ISSUER),
    ({"aud": ...}, Reason.AUDIENCE),
    ({"aud": "another"}, Reason.AUDIENCE),
    ({"aud": "sealbook2"}, Reason.AUDIENCE),
    ({"aud": []}, Reason.AUDIENCE),
    ({"aud": ["another", ["sealbook"]]}, Reason.AUDIENCE),
    ({"aud": {"sealbook": 1}}, Reason.AUDIENCE),
    ({"exp": ...}, Reason.CLAIMS),
    ({"exp": None}, Reason.CLAIMS),
    ({"exp": str(NOW + 600)}, Reason.CLAIMS),
    ({"exp": True}, Reason.CLAIMS),
    ({"exp": [NOW + 600]}, Reason.CLAIMS),
    ({"exp": 1 << 53}, Reason.CLAIMS),
    ({"exp": 10**400}, Reason.CLAIMS),
    ({"exp": -1}, Reason.CLAIMS),
    ({"exp": NOW - 30}, Reason.EXPIRED),
    ({"exp": 0}, Reason.EXPIRED),
    ({"iat": ...}, Reason.CLAIMS),
    ({"iat": "now"}, Reason.CLAIMS),
    ({"iat": NOW + 31}, Reason.NOT_YET_VALID),
    ({"iat": NOW + 31, "nbf": NOW}, Reason.NOT_YET_VALID),
    ({"nbf": None}, Reason.CLAIMS),
    ({"nbf": NOW + 31}, Reason.NOT_YET_VALID),
    ({"sub": ...}, Reason.CLAIMS),
    ({"sub": ""}, Reason.CLAIMS),
    ({"sub": 7}, Reason.CLAIMS),
    ({"sub": "a" * 129}, Reason.CLAIMS),
    ({"sub": "two words"}, Reason.CLAIMS),
    ({"sub": "line\n"}, Reason.CLAIMS),
    ({"sub": "teller-7\n"}, Reason.CLAIMS),
    ({"sub": "김하나"}, Reason.CLAIMS),
    ({"sub": "\u202eteller"}, Reason.CLAIMS),
    ({"sub": "<script>"}, Reason.CLAIMS),
    ({"sub": "\ud800"}, Reason.CLAIMS),
    ({"sub": "-rf"}, Reason.CLAIMS),
    ({"sub": "SealBook"}, Reason.CLAIMS),
    ({"scope": ...}, Reason.CLAIMS),
    ({"scope": ["teller"]}, Reason.CLAIMS),
    ({"scope": None}, Reason.CLAIMS),
    ({"scope": "app", "customer": ""}, Reason.CLAIMS),
    ({"scope": "app", "customer": 7}, Reason.CLAIMS),
    ({"scope": "app", "customer": ["C1", "C2"]}, Reason.CLAIMS),
    ({"scope": "app", "customer": "C1\0"}, Reason.CLAIMS),
    ({"scope": "app", "customer": "C" * 129}, Reason.CLAIMS),
    ({"scope": "app", "customer": "\ud800"}, Reason.CLAIMS),
    ({"cnf": None}, Reason.CLAIMS),
    ({"cnf": {}}, Reason.CLAIMS),
    ({"cnf": {"jkt": "A" * 43}}, Reason.CLAIMS),
    ({"cnf": {"x5t#S256": "A" * 43, "jkt": "A" * 43}}, Reason.CLAIMS),
    ({"cnf": {"x5t#S256": "A" * 42}}, Reason.CLAIMS),
    ({"cnf": {"x5t#S256": 7}}, Reason.CLAIMS),
    ({"cnf": {"x5t#S256": "A" * 43}}, Reason.CERTIFICATE),
]


@pytest.mark.parametrize(("changed", "reason"), WRONG, ids=lambda value: str(value)[:40])
def test_claims_that_are_refused(changed: dict[str, Any], reason: Reason) -> None:
    assert refused(token(claims(**changed))) is reason


@pytest.mark.parametrize(
    "payload",
    [
        json.dumps(claims()).replace('{"iss"', '{"scope":"administrator","iss"'),
        json.dumps(claims(cnf={"x5t#S256": "A" * 43})).replace('"x5t#S256": ', '"x5t#S256":"B","x5t#S256":'),
        json.dumps(claims()).replace(str(NOW + 600), "Infinity"),
        json.dumps(claims()).replace(str(NOW + 600), "NaN"),
        json.dumps(claims()).replace(str(NOW + 600), "9" * 5_000),
        json.dumps([claims()]),
        json.dumps(json.dumps(claims())),
        token(),
        "",
        "[" * 4_000,
        b"\x00\xff",
        json.dumps(claims()).encode("utf-16"),
    ],
)
def test_payloads_that_are_no_plain_object_are_refused(payload: str | bytes) -> None:
    assert refused(token(payload)) is Reason.MALFORMED


def test_an_infinity_that_is_written_as_a_number_is_refused() -> None:
    assert refused(token(json.dumps(claims()).replace(str(NOW + 600), "1e999"))) is Reason.CLAIMS


# --- Whole tokens


def test_a_token_that_is_too_long_is_refused_before_it_is_read() -> None:
    assert refused(token(claims(filler="x" * TOKEN_BYTES_MAX))) is Reason.TOO_LARGE
    assert refused("x" * (TOKEN_BYTES_MAX + 1)) is Reason.TOO_LARGE


@pytest.mark.parametrize(
    "text",
    [
        ".",
        "..",
        "...",
        "....",
        "a.b",
        "a.b.c",
        f"{token()}.",
        f"{token()}.{token()}",
        f".{token()}",
        f"{token()} {token()}",
        f"{token()},{token()}",
        f"{token()}\n",
        f"{token()}\u00a0",
        token().replace(".", "\uff0e"),
        token().split(".")[0] + ".." + token().split(".")[2],
        json.dumps({"payload": token().split(".")[1], "signatures": []}),
        "\ud800",
        "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.a.b.c.d",
    ],
)
def test_what_is_not_three_parts_is_refused(text: str) -> None:
    refused(text)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=30)
    | st.sampled_from(["teller", "app", "sealbook", NOW + 600, NOW, "A" * 43]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["iss", "aud", "sub", "scope", "iat", "exp", "nbf", "customer", "cnf", "jti"])
HEADERS = st.sampled_from(["alg", "kid", "typ", "cty", "crit", "b64", "jku", "jwk", "x5u", "x5c", "x5t", "zip", "enc"])


def quietly(text: str) -> None:
    """Ask; an answer or Unauthenticated is right, anything else is not."""
    try:
        said = ASKED.caller(f"Bearer {text}")
    except Unauthenticated:
        return
    assert said.subject
    assert said.subject.isascii()


@given(text=st.text(max_size=300))
def test_any_text_is_refused(text: str) -> None:
    refused(text)


@given(content=st.tuples(st.binary(max_size=200), st.binary(max_size=200), st.binary(max_size=200)))
def test_any_bytes_in_three_parts_are_refused(content: tuple[bytes, bytes, bytes]) -> None:
    refused(".".join(part(each).decode() for each in content))


@given(changed=st.dictionaries(NAMES, VALUES, min_size=1, max_size=3))
def test_any_values_of_claims_end_in_an_answer(changed: Mapping[str, Any]) -> None:
    quietly(token({**claims(), **changed}))


@given(changed=st.dictionaries(HEADERS, VALUES, min_size=1, max_size=3))
def test_any_values_of_the_header_end_in_an_answer(changed: Mapping[str, Any]) -> None:
    quietly(signed({**HEADER, **changed}, claims(), EC))


@given(changed=st.dictionaries(HEADERS, VALUES, max_size=3), signature=st.binary(max_size=80))
def test_no_header_makes_up_for_a_wrong_signature(changed: Mapping[str, Any], signature: bytes) -> None:
    header = part(json.dumps({**HEADER, **changed}).encode()).decode()
    refused(f"{header}.{token().split('.')[1]}.{part(signature).decode()}")


@given(signature=st.binary(max_size=600), algorithm=st.sampled_from(sorted(BY_ALGORITHM)))
def test_no_made_up_signature_passes(signature: bytes, algorithm: str) -> None:
    header, payload, _ = token(algorithm=algorithm).split(".")
    assert refused(f"{header}.{payload}.{part(signature).decode()}") in {Reason.SIGNATURE, Reason.MALFORMED}


def test_what_the_attacks_start_from_is_good() -> None:
    for algorithm in BY_ALGORITHM:
        assert ASKED.caller(f"Bearer {token(algorithm=algorithm)}").subject == "teller-7"
    assert ED.is_private
