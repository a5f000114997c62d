"""Who calls: good tokens, what is remembered of them, and keys that change."""

import asyncio
from typing import Any

import pytest
from joserfc import jws

from sealbook.adapters.http import bearer
from sealbook.adapters.http.access import Caller, Role
from sealbook.adapters.http.bearer import RESERVED_SUBJECTS, Bearers, Reason, Unauthenticated
from sealbook.adapters.http.jwks import parse_key_set
from sealbook.adapters.seal import desk
from sealbook.application import cascades, importing, timers
from tests.adapters.http.issuer import (
    AUDIENCE,
    BY_ALGORITHM,
    EC,
    ISSUER,
    NOW,
    OTHER_EC,
    Clock,
    Keys,
    bearers,
    claims,
    document,
    public,
    signed,
    token,
)

THUMBPRINT, ANOTHER = "A" * 43, "B" * 43


def reason(asked: Bearers, text: str, **more: Any) -> Reason | None:
    try:
        asked.caller(f"Bearer {text}", **more)
    except Unauthenticated as refused:
        return refused.reason
    return None


# --- Good tokens


@pytest.mark.parametrize("algorithm", sorted(BY_ALGORITHM))
def test_a_token_of_every_algorithm_names_its_caller(algorithm: str) -> None:
    assert bearers().caller(f"Bearer {token(algorithm=algorithm)}") == Caller(
        subject="teller-7", roles=frozenset({Role.TELLER})
    )


@pytest.mark.parametrize(
    ("changed", "header"),
    [
        ({"aud": ["another", AUDIENCE]}, {}),
        ({"nbf": NOW}, {}),
        ({"exp": NOW - 29.5}, {}),
        ({"iat": NOW + 29.5}, {}),
        ({"nbf": NOW + 30}, {}),
        ({}, {"typ": ...}),
        ({}, {"typ": "JWT"}),
        ({}, {"typ": "application/at+jwt"}),
        ({}, {"x5t": "abc", "of our own": 7}),
        ({}, {"jku": "https://attacker.example/keys", "x5u": "https://attacker.example/cert"}),
        ({}, {"jwk": public("ec", OTHER_EC)}),
        ({"azp": "an app", "jti": "1"}, {}),
    ],
)
def test_what_a_token_may_say_and_still_be_good(changed: dict[str, Any], header: dict[str, Any]) -> None:
    assert reason(bearers(), token(claims(**changed), **header)) is None


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
def test_the_scheme_is_written_in_any_way(scheme: str) -> None:
    assert bearers().caller(f"{scheme} {token()}").subject == "teller-7"


def test_scopes_that_are_not_known_are_ignored() -> None:
    said = bearers().caller(f"Bearer {token(claims(scope='openid teller  auditor tellers TELLER'))}")
    assert said.roles == {Role.TELLER, Role.AUDITOR}
    assert bearers().caller(f"Bearer {token(claims(scope='tellers my_auditor'))}").roles == frozenset()


def test_an_app_acts_for_the_customer_that_its_token_names() -> None:
    said = bearers().caller(f"Bearer {token(claims(scope='app', customer='고객 1'))}")
    assert said == Caller(subject="teller-7", roles=frozenset({Role.APP}), customer="고객 1")
    assert "고객" not in repr(said)


def test_the_staff_acts_for_no_customer_of_the_token() -> None:
    assert bearers().caller(f"Bearer {token(claims(customer='C1'))}").customer is None


def test_a_token_that_is_an_apps_and_the_staffs_is_refused() -> None:
    assert reason(bearers(), token(claims(scope="app teller", customer="C1"))) is Reason.CLAIMS


@pytest.mark.parametrize("authorization", [None, "", "Basic dGVsbGVyOjc=", "teller", "Bearer"])
def test_without_a_token_nobody_calls(authorization: str | None) -> None:
    with pytest.raises(Unauthenticated) as refused:
        bearers().caller(authorization)
    assert refused.value.reason in {Reason.NO_TOKEN, Reason.MALFORMED}


def test_the_challenge_says_what_is_wrong_without_a_word_of_the_token() -> None:
    assert Unauthenticated(Reason.NO_TOKEN).challenge == "Bearer"
    for each in set(Reason) - {Reason.NO_TOKEN}:
        said = Unauthenticated(each).challenge
        assert said.startswith('Bearer error="invalid_token", error_description="')
        assert said.isascii()
        assert said.count('"') == 4


def test_nobody_comes_as_the_ledger_itself() -> None:
    assert {timers.ACTOR, cascades.ACTOR, importing.ACTOR, desk.ACTOR} <= RESERVED_SUBJECTS
    for each in RESERVED_SUBJECTS:
        assert reason(bearers(), token(claims(sub=each))) is Reason.CLAIMS


@pytest.mark.parametrize("algorithms", [["none"], ["HS256"], ["ES256", "RS512"], []])
def test_an_algorithm_that_is_never_taken_cannot_be_configured(algorithms: list[str]) -> None:
    with pytest.raises(ValueError, match="ES256"):
        Bearers(Keys(), issuer=ISSUER, audience=AUDIENCE, algorithms=algorithms, clock=Clock())


def test_an_algorithm_that_is_not_configured_is_refused() -> None:
    asked = Bearers(Keys(), issuer=ISSUER, audience=AUDIENCE, algorithms=["ES256"], clock=Clock())
    assert reason(asked, token(algorithm="RS256")) is Reason.ALGORITHM
    assert reason(asked, token()) is None


# --- Certificates


def test_a_bound_token_counts_only_with_its_certificate() -> None:
    asked, text = bearers(), token(claims(cnf={"x5t#S256": THUMBPRINT}))
    for _ in range(2):  # the second time from what is remembered
        assert reason(asked, text) is Reason.CERTIFICATE
        assert reason(asked, text, certificate=ANOTHER) is Reason.CERTIFICATE
        assert asked.caller(f"Bearer {text}", certificate=THUMBPRINT).certificate == THUMBPRINT


def test_a_token_that_is_not_bound_counts_with_any_certificate() -> None:
    assert reason(bearers(), token(), certificate=ANOTHER) is None


# --- What is remembered


@pytest.fixture
def verifications(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Return a list that grows by one with each look at a signature."""
    seen, verify = list[None](), jws.validate_compact

    def counted(*args: Any, **more: Any) -> Any:
        seen.append(None)
        return verify(*args, **more)

    monkeypatch.setattr(jws, "validate_compact", counted)
    return seen


def test_a_token_is_verified_once(verifications: list[None]) -> None:
    asked, text = bearers(), token()
    first = asked.caller(f"Bearer {text}")
    assert asked.caller(f"bearer {text}") is first
    assert len(verifications) == 1


def test_a_remembered_token_expires_when_it_says() -> None:
    clock = Clock()
    asked, text = bearers(clock=clock), token(claims(exp=NOW + 60))
    assert reason(asked, text) is None
    clock.now = NOW + 89.9
    assert reason(asked, text) is None
    clock.now = NOW + 90
    assert reason(asked, text) is Reason.EXPIRED


def test_a_token_is_looked_at_anew_after_a_while(verifications: list[None]) -> None:
    clock = Clock()
    asked, text = bearers(clock=clock), token()
    for seconds, looks in [(0, 1), (299, 1), (300, 2), (301, 2)]:
        clock.now = NOW + seconds
        assert reason(asked, text) is None
        assert len(verifications) == looks


def test_a_key_that_is_taken_back_lets_nobody_in_any_more() -> None:
    keys = Keys()
    asked, text = bearers(keys), token()
    assert reason(asked, text) is None
    keys.now = parse_key_set(document(public("new", OTHER_EC)))
    assert reason(asked, text) is Reason.UNKNOWN_KEY


def test_another_key_of_the_same_id_lets_nobody_in_any_more() -> None:
    keys = Keys()
    asked, text = bearers(keys), token()
    assert reason(asked, text) is None
    keys.now = parse_key_set(document(public("ec", OTHER_EC)))
    assert reason(asked, text) is Reason.SIGNATURE


def test_garbage_is_not_remembered_and_pushes_nobody_out(
    monkeypatch: pytest.MonkeyPatch, verifications: list[None]
) -> None:
    monkeypatch.setattr(bearer, "VERIFIED_MAX", 2)
    asked, text = bearers(), token()
    assert reason(asked, text) is None
    bad = token(claims(iss="another"))
    for number in range(20):
        assert reason(asked, f"{number}{text}") is not None
        assert reason(asked, bad) is Reason.ISSUER
    before = len(verifications)
    assert reason(asked, text) is None
    assert len(verifications) == before
    assert repr(asked) == "Bearers(1 verified)"


def test_so_many_tokens_are_remembered_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bearer, "VERIFIED_MAX", 3)
    asked = bearers()
    for number in range(10):
        assert reason(asked, token(claims(sub=f"teller-{number}"))) is None
    assert repr(asked) == "Bearers(3 verified)"


# --- Keys that change


def test_a_new_key_is_looked_for_at_the_issuer() -> None:
    keys = Keys()
    asked = bearers(keys)
    text = signed({"alg": "ES256", "kid": "new"}, claims(), OTHER_EC)
    keys.next = parse_key_set(document(public("new", OTHER_EC)))
    assert asyncio.run(asked.authenticated(f"Bearer {text}")).subject == "teller-7"
    assert keys.asked == 1


def test_a_key_that_the_issuer_does_not_know_either_is_refused() -> None:
    keys = Keys()
    text = signed({"alg": "ES256", "kid": "new"}, claims(), OTHER_EC)
    with pytest.raises(Unauthenticated) as refused:
        asyncio.run(bearers(keys).authenticated(f"Bearer {text}"))
    assert (refused.value.reason, keys.asked) == (Reason.UNKNOWN_KEY, 1)


def test_the_issuer_is_not_asked_for_any_other_reason() -> None:
    keys = Keys()
    with pytest.raises(Unauthenticated):
        asyncio.run(bearers(keys).authenticated(f"Bearer {token(claims(exp=NOW - 60))}"))
    assert keys.asked == 0


def test_without_an_id_the_only_key_for_the_algorithm_counts() -> None:
    keys = Keys()
    asked, text = bearers(keys), signed({"alg": "ES256"}, claims(), EC)
    assert reason(asked, text) is None
    keys.now = parse_key_set(document(public("ec", EC), public("new", OTHER_EC)))
    assert reason(asked, text) is Reason.UNKNOWN_KEY
