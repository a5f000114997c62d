"""The language of a facts file: each field, and for each mistake what to do about it."""

from datetime import UTC, datetime, timedelta

import pytest

from sealbook.application.facts import (
    TEXT_MAX,
    BadLine,
    FactLine,
    FactName,
    FactOrder,
    fact_line,
    fact_of,
    use_line,
)
from sealbook.domain import credential
from sealbook.domain.credential import Fact
from sealbook.domain.values import Kind, PolicyRef, SwitchMode

MARCH_TEXT = "2024-03-15T10:00:00+09:00"
MARCH = datetime(2024, 3, 15, 1, tzinfo=UTC)
X = PolicyRef(policy_id="X", version=1)


def written(**fields: object) -> dict[str, object]:
    return {"at": MARCH_TEXT, "credential": "C1", "fact": "used", **fields}


def test_a_line_needs_a_moment_a_credential_and_a_fact_and_nothing_else() -> None:
    assert fact_line(written()) == FactLine(at=MARCH, credential="C1", name=FactName.USED)


def test_every_field_is_read() -> None:
    line = fact_line(
        {
            "at": MARCH_TEXT,
            "credential": "C1",
            "fact": "policy_switched",
            "customer": "P1",
            "kind": "mobile_otp",
            "channel": "web",
            "purpose": "login",
            "reason": "moved",
            "policy": "X",
            "mode": "restart",
            "expires_at": "2026-03-16T00:00:00Z",
        }
    )

    assert line == FactLine(
        at=MARCH,
        credential="C1",
        name=FactName.POLICY_SWITCHED,
        customer="P1",
        kind=Kind.MOBILE_OTP,
        channel="web",
        purpose="login",
        reason="moved",
        policy="X",
        mode=SwitchMode.RESTART,
        expires_at=datetime(2026, 3, 16, tzinfo=UTC),
    )


@pytest.mark.parametrize("nothing", [None, ""], ids=["null", "empty, as a CSV has it"])
def test_a_field_that_says_nothing_is_as_if_absent(nothing: object) -> None:
    fields = dict.fromkeys(
        ("customer", "kind", "channel", "purpose", "reason", "policy", "mode", "expires_at"), nothing
    )

    assert fact_line(written(**fields)) == fact_line(written())


@pytest.mark.parametrize(
    ("fields", "what_to_do"),
    [
        ({"at": None}, "the field 'at' is missing"),
        ({"credential": ""}, "the field 'credential' is missing"),
        ({"fact": None}, "the field 'fact' is missing"),
        ({"colour": "red"}, "unknown field 'colour': a fact has at, credential, fact, customer"),
        ({"at": "yesterday"}, "at is 'yesterday': write ISO 8601 with offset, like 2024-03-15T10:00:00"),
        ({"at": "2024-02-30T10:00:00Z"}, "write ISO 8601"),
        ({"at": "2024-03-15T10:00:00"}, "a time needs its offset, like"),
        ({"at": "2024-03-15"}, "a time needs its offset"),
        ({"at": 1710464400}, "at must be a text in quotes"),
        ({"at": "1899-12-31T00:00:00Z"}, "at lies outside the years"),
        ({"at": "9999-12-31T23:59:59-23:00"}, "at lies outside the years"),
        ({"at": "0001-01-01T00:00:00+09:00"}, "at lies outside the years"),
        ({"credential": 7}, "credential must be a text in quotes"),
        ({"credential": ["C1"]}, "credential must be a text in quotes"),
        ({"credential": "c" * (TEXT_MAX + 1)}, f"credential is longer than {TEXT_MAX} characters"),
        ({"customer": "a\0b"}, "holds a zero byte"),
        ({"fact": "utilised"}, "fact is 'utilised': it is one of issued, used, refused, suspended"),
        ({"kind": "otp"}, "kind is 'otp': it is one of mobile_otp, kb_mobile_certificate"),
        ({"mode": "restart!"}, "mode is 'restart!': it is one of keep, restart, recompute"),
        ({"expires_at": "soon"}, "expires_at is 'soon': write ISO 8601 with offset"),
        ({"fact": "policy_switched"}, "policy_switched needs the field 'policy'"),
    ],
)
def test_a_mistake_is_named_with_what_to_write_instead(fields: dict[str, object], what_to_do: str) -> None:
    with pytest.raises(BadLine) as bad:
        fact_line(written(**fields))

    assert what_to_do in str(bad.value)
    assert "\n" not in str(bad.value)


def test_a_text_that_no_encoding_can_write_is_a_bad_line() -> None:
    with pytest.raises(BadLine):
        fact_line(written(credential="\ud800"))


def test_an_attempt_is_a_customer_and_unix_seconds() -> None:
    assert use_line({"customer": "A", "used_at": "1710464400"}) == ("A", MARCH)


@pytest.mark.parametrize(
    ("fields", "what_to_do"),
    [
        ({"customer": "", "used_at": "1"}, "the field 'customer' is missing"),
        ({"customer": "A", "used_at": ""}, "the field 'used_at' is missing"),
        ({"customer": "A", "used_at": MARCH_TEXT}, "write Unix seconds, like 1710464400"),
        ({"customer": "A", "used_at": "1710464400.5"}, "write Unix seconds"),
        ({"customer": "A", "used_at": "9" * 30}, "write Unix seconds"),
        ({"customer": "A", "used_at": "-99999999999"}, "used_at"),
        ({"customer": "A", "used_at": 1710464400}, "used_at must be a text in quotes"),
    ],
)
def test_a_mistake_in_an_attempt_is_named_too(fields: dict[str, object], what_to_do: str) -> None:
    with pytest.raises(BadLine) as bad:
        use_line(fields)

    assert what_to_do in str(bad.value)


@pytest.mark.parametrize(
    ("fields", "fact"),
    [
        ({"fact": "used"}, credential.Use(at=MARCH, channel="app")),
        ({"fact": "used", "channel": "web", "purpose": "p"}, credential.Use(at=MARCH, channel="web", purpose="p")),
        ({"fact": "refused", "channel": "web"}, credential.RecordRefusal(at=MARCH, channel="web")),
        ({"fact": "suspended", "reason": "lost"}, credential.Suspend(at=MARCH, reason="lost")),
        ({"fact": "resumed"}, credential.Resume(at=MARCH)),
        ({"fact": "revoked", "reason": "left"}, credential.Revoke(at=MARCH, reason="left")),
        ({"fact": "renewal_requested"}, credential.RequestRenewal(at=MARCH)),
        ({"fact": "renewal_objected"}, credential.ObjectToRenewal(at=MARCH)),
        (
            {"fact": "policy_switched", "policy": "X"},
            credential.SwitchPolicy(at=MARCH, policy=X, mode=SwitchMode.KEEP),
        ),
        (
            {"fact": "policy_switched", "policy": "X", "mode": "recompute"},
            credential.SwitchPolicy(at=MARCH, policy=X, mode=SwitchMode.RECOMPUTE),
        ),
        ({"fact": "renewed"}, credential.ObserveRenewal(at=MARCH)),
        ({"fact": "renewed", "expires_at": MARCH_TEXT}, credential.ObserveRenewal(at=MARCH, expires_at=MARCH)),
        ({"fact": "expired"}, credential.ObserveExpiry(at=MARCH)),
    ],
)
def test_each_fact_but_the_issue_is_one_of_the_credentials_own(fields: dict[str, object], fact: Fact) -> None:
    assert fact_of(fact_line(written(**fields)), {"X": X}) == fact


def test_an_issue_is_no_fact_within_a_history() -> None:
    with pytest.raises(ValueError, match="begins a history"):
        fact_of(fact_line(written(fact="issued")), {})


# --- What the lines before say of a line


def line(name: str, *, days: int = 0, **fields: object) -> FactLine:
    return fact_line(written(fact=name, at=(MARCH + timedelta(days=days)).isoformat(), **fields))


def test_a_credential_is_issued_once() -> None:
    order = FactOrder()
    order.check_fact(line("issued"))

    with pytest.raises(BadLine, match="C1 is issued already"):
        order.check_fact(line("issued", days=1))


def test_nothing_happens_before_the_issue() -> None:
    with pytest.raises(BadLine, match=r"C1 has a fact \(used\) before it was issued"):
        FactOrder().check_fact(line("used"))


def test_a_credential_stays_with_its_customer() -> None:
    order = FactOrder()
    order.check_fact(line("issued", customer="P1"))
    order.check_fact(line("used", customer="P1"))
    order.check_fact(line("used"))

    with pytest.raises(BadLine, match="another customer than at its issue"):
        order.check_fact(line("used", customer="P2"))


def test_a_credential_without_a_customer_is_of_one_of_its_own_name() -> None:
    order = FactOrder()
    order.check_fact(line("issued"))

    order.check_fact(line("used", customer="C1"))


def test_time_does_not_go_back_within_a_credential() -> None:
    order = FactOrder()
    order.check_fact(line("issued"))
    order.check_fact(line("used", days=2))
    order.check_fact(line("used", days=2))

    with pytest.raises(BadLine, match="C1 goes back in time: what came before is of 2024-03-17"):
        order.check_fact(line("used", days=1))


def test_a_bad_line_is_as_if_it_had_not_been() -> None:
    order = FactOrder()
    order.check_fact(line("issued", days=5))
    with pytest.raises(BadLine):
        order.check_fact(line("used", days=1))

    order.check_fact(line("used", days=5))


def test_other_credentials_and_customers_have_a_time_of_their_own() -> None:
    order = FactOrder()
    order.check_use("A", MARCH)
    order.check_use("B", MARCH - timedelta(days=1))

    with pytest.raises(BadLine, match="A goes back in time"):
        order.check_use("A", MARCH - timedelta(seconds=1))
