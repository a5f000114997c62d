"""The domain's replay against a second implementation, written from the rules by another hand."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealbook.domain import credential
from sealbook.domain.credential import Fact
from sealbook.domain.policy import PolicyBook
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import HolderKind, Kind, PolicyRef, SwitchMode
from sealbook.projections.renewal_eligibility import blocks
from sealbook.projections.what_if import Answer, History, answer, replay
from tests.oracle import Answer as Expected
from tests.oracle import replay as oracle_replay
from tests.test_oracle import CASES, Row, facts_of, moment, policy_of

PERSON = UUID(int=1)
Written = dict[str, Any]


def fact(written: Mapping[str, Any], switches: Mapping[str, PolicyRef]) -> Fact:
    at = written["at"].astimezone(UTC)
    match written["fact"]:
        case "used":
            channel = written.get("channel") or "app"
            return credential.Use(at=at, channel=channel, purpose=written.get("purpose"))
        case "refused":
            return credential.RecordRefusal(at=at)
        case "suspended":
            return credential.Suspend(at=at)
        case "resumed":
            return credential.Resume(at=at)
        case "revoked":
            return credential.Revoke(at=at)
        case "renewed":
            return credential.ObserveRenewal(at=at)
        case "expired":
            return credential.ObserveExpiry(at=at)
        case "renewal_requested":
            return credential.RequestRenewal(at=at)
        case "renewal_objected":
            return credential.ObjectToRenewal(at=at)
        case "policy_switched":
            mode = SwitchMode(written.get("mode") or "keep")
            return credential.SwitchPolicy(at=at, policy=switches[written["policy"]], mode=mode)
        case other:
            raise AssertionError(other)


def document(written: Written, policy_id: str) -> RenewalPolicy:
    return RenewalPolicy.model_validate_json(json.dumps(written | {"policy_id": policy_id}))


def replayed(
    facts: Sequence[Mapping[str, Any]], policy: Written, as_of: datetime, others: Mapping[str, Written]
) -> tuple[Answer, list[str], int]:
    main = document(policy, "main")
    named = {name: document(other, f"other-{n}") for n, (name, other) in enumerate(others.items())}
    book = PolicyBook.of(main, *named.values())
    switches = {name: other.ref for name, other in named.items()}
    history = History(
        name="C1",
        issue=credential.Issue(
            at=facts[0]["at"].astimezone(UTC),
            customer=PERSON,
            kind=Kind.KB_MOBILE_CERTIFICATE,
            holder=HolderKind.PERSONAL,
            policy=main.ref,
        ),
        facts=[fact(written, switches) for written in facts[1:]],
    )
    run = replay(history, policies=book, as_of=as_of)
    found = answer(run, policies=book, as_of=as_of)
    blocked = sorted(blocks(run.credential, found.auto_renewal)) if run.credential else []
    not_applied = sum(isinstance(event, credential.FactNotApplied) for event in run.events)
    return found, [str(block) for block in blocked], run.refused + not_applied


def check(actual: tuple[Answer, list[str], int], expected: Expected) -> None:
    found, blocked, refused = actual

    assert found.state == expected["state"]
    assert found.expires_at == expected["expires_at"]
    assert found.eligible_from == expected["eligible_from"]
    assert found.auto_renewal == expected["auto_renewal"]
    assert list(found.renewed_at) == expected["renewed_at"]
    assert blocked == sorted(expected["blocked_by"])
    assert refused == len(expected["refused"])


@pytest.mark.parametrize("row", CASES, ids=lambda row: row["case_id"])
def test_a_worked_case_comes_out_as_reasoned(row: Row) -> None:
    facts = facts_of(row["issued_at"], row["facts"])
    others = {each["policy"]: policy_of(each["policy"]) for each in facts if "policy" in each}

    found, _, refused = replayed(facts, policy_of(row["policy"]), datetime.fromisoformat(row["as_of"]), others)

    assert found.state == row["state"]
    assert found.expires_at == moment(row["expires_at"])
    assert found.eligible_from == moment(row["eligible_from"])
    assert found.auto_renewal == row["auto_renewal"]
    assert list(found.renewed_at) == [moment(each) for each in row["renewed_at"].split(";") if each]
    assert refused == int(row["refused"])


# --- Random histories under random policies; leap days, month ends and midnights come often.

HARD_DAYS = [
    date(2024, 2, 29),
    date(2023, 2, 28),
    date(2024, 2, 28),
    date(2025, 3, 1),
    date(2026, 2, 28),
    date(2024, 1, 31),
    date(2024, 12, 31),
    date(2025, 8, 31),
]
KST = timedelta(hours=9)
OFFSETS = [timedelta(), timedelta(microseconds=-1), timedelta(hours=10), timedelta(hours=23, minutes=59)]
hard_days = st.sampled_from(HARD_DAYS) | st.dates(date(2019, 1, 1), date(2027, 12, 31))


def moment_on(day: date, offset: timedelta) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) - KST + offset


moments = st.builds(moment_on, hard_days, st.sampled_from(OFFSETS))
periods = st.sampled_from(["P1M", "P3M", "P6M", "P1Y", "P18M", "P2Y", "P30D", "P1D", "P2W", "P3Y", "P1Y1M1D"])
zones = st.sampled_from(["Asia/Seoul"] * 6 + ["America/New_York", "UTC"])


@st.composite
def policies(draw: st.DrawFn) -> Written:
    renew_on = draw(st.sampled_from(["use", "use", "expiry", "expiry", "request", "never"]))
    automatic = renew_on in ("use", "expiry")
    written: Written = {
        "renew_on": renew_on,
        "validity": draw(periods if automatic else st.none() | periods),
        "eligible_after": draw(periods | st.just("P0D") if automatic else st.none() | periods),
        "request_window": draw(periods | st.just("P0D")) if renew_on == "request" else None,
        "usage_since": draw(st.sampled_from(["eligible", "period"]) | periods),
        "min_uses": draw(st.integers(1, 4)),
        "channels": draw(st.sampled_from([["app"], ["app", "web"], ["web"]])),
        "purposes": draw(st.sampled_from([None, None, ["login"]])),
        "extend_from": draw(st.sampled_from(["decision", "expiry"])),
        "renewal_validity": draw(st.none() | periods),
        "max_renewals": draw(st.none() | st.integers(0, 2)),
        "grace": draw(st.just("P0D") | periods),
        "calendar": draw(st.sampled_from(["end_of_day", "civil_kr", "instant"])),
        "zone": draw(zones),
    }
    return written


def near_bounds(policy: Written, issued_at: datetime) -> st.SearchStrategy[datetime]:
    """Moments at and around the bounds of the first period, where the rules bite."""
    expected = oracle_replay([{"at": issued_at, "fact": "issued"}], policy, issued_at, {})
    bounds = [bound for bound in (expected["expires_at"], expected["eligible_from"]) if bound is not None]
    if not bounds:
        return moments
    ticks = [timedelta(), timedelta(microseconds=-1), timedelta(microseconds=1), timedelta(days=20)]
    return st.builds(datetime.__add__, st.sampled_from(bounds), st.sampled_from(ticks))


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Written], Written, dict[str, Written], datetime]:
    policy, other = draw(policies()), draw(policies())
    issued_at = draw(moments)
    when = moments | near_bounds(policy, issued_at)
    facts: list[Written] = []
    for at in sorted(draw(st.lists(when, max_size=14))):
        if at < issued_at:
            continue
        name = draw(
            st.sampled_from(
                ["used"] * 9
                + ["suspended", "resumed", "resumed", "renewal_requested", "renewal_objected", "policy_switched"]
                + ["refused", "renewed", "expired", "revoked"]
            )
        )
        written: Written = {"at": at, "fact": name}
        if name == "used":
            written["channel"] = draw(st.sampled_from(["app", "app", "web", None]))
            written["purpose"] = draw(st.sampled_from([None, "login", "transfer"]))
        if name == "policy_switched":
            written["policy"] = "other"
            written["mode"] = draw(st.sampled_from(["keep", "restart", "recompute"]))
        facts.append(written)
    asked = [issued_at, *(each["at"] for each in facts)]
    as_of = draw(when | st.sampled_from(asked) | st.just(datetime(2031, 1, 1, tzinfo=UTC)))
    return [{"at": issued_at, "fact": "issued"}, *facts], policy, {"other": other}, as_of


@settings(max_examples=600, deadline=None)
@given(histories())
def test_any_history_under_any_policy_comes_out_alike(
    case: tuple[list[Written], Written, dict[str, Written], datetime],
) -> None:
    facts, policy, others, as_of = case

    check(replayed(facts, policy, as_of, others), oracle_replay(facts, policy, as_of, others))
