"""Renewal and lapse by the clock; what stands in the way."""

from dataclasses import replace
from datetime import datetime

import pytest

from sealbook.domain.calendar import MICROSECOND, Calendar
from sealbook.domain.credential import (
    AutoRenewed,
    Command,
    Event,
    ObjectToRenewal,
    RenewalObjectionLodged,
    Settle,
    Suspended,
    fact_of,
)
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.renewal import NO_USES, Bounds
from sealbook.domain.values import RenewalCause
from tests.domain.examples import (
    AUTUMN_2025,
    BOOK,
    CLOCK_X,
    ELIGIBLE,
    END,
    FOREVER_N,
    GRACE_END,
    GRACE_G,
    ISSUE,
    LAST_INSTANT,
    LATER,
    REQUEST_R,
    SUMMER,
    USE_D,
    book_with,
    by_renewal,
    credential_after,
    document,
    expired,
    issued_under,
    kst,
    used,
)
from tests.scenario import given


def renewed_by_clock(policy: RenewalPolicy, bounds: Bounds, at: datetime = END) -> AutoRenewed:
    return AutoRenewed(at=at, policy=policy.ref, cause=RenewalCause.EXPIRY, bounds=bounds)


TWO_MORE_YEARS = by_renewal(kst("2028-03-16"), kst("2027-03-16"), base=LAST_INSTANT)
ISSUED_X = issued_under(CLOCK_X)


# --- The clock.


def test_a_use_after_a_year_renews_at_the_end() -> None:
    given(ISSUED_X, used(AUTUMN_2025), policies=BOOK).when(Settle(at=END)).then(
        renewed_by_clock(CLOCK_X, TWO_MORE_YEARS)
    )


def test_before_the_end_time_decides_nothing() -> None:
    given(ISSUED_X, used(AUTUMN_2025), policies=BOOK).when(Settle(at=LAST_INSTANT)).then()


@pytest.mark.parametrize(
    "history",
    [
        pytest.param((), id="never used"),
        pytest.param((used(SUMMER),), id="used only in the first year"),
        pytest.param((used(ELIGIBLE - MICROSECOND),), id="used a microsecond early"),
        pytest.param((used(AUTUMN_2025), Suspended(at=AUTUMN_2025, reason=None)), id="suspended"),
        pytest.param((used(AUTUMN_2025), RenewalObjectionLodged(at=AUTUMN_2025)), id="objected to"),
    ],
)
def test_it_lapses_at_the_end_unless_a_renewal_is_earned(history: tuple[Event, ...]) -> None:
    given(ISSUED_X, *history, policies=BOOK).when(Settle(at=LATER)).then(expired(CLOCK_X))


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param(document("X2", renew_on="expiry", min_uses=2), id="too few uses"),
        pytest.param(document("X0", renew_on="expiry", max_renewals=0), id="no renewals left"),
        pytest.param(document("XL", renew_on="expiry", eligible_after="P3Y"), id="eligible after the end"),
        pytest.param(USE_D, id="renewed by use"),
        pytest.param(REQUEST_R, id="renewed on request"),
    ],
)
def test_it_lapses_under_a_policy_that_does_not_renew_it(policy: RenewalPolicy) -> None:
    given(issued_under(policy), used(AUTUMN_2025), policies=book_with(policy)).when(Settle(at=END)).then(
        expired(policy)
    )


def test_without_an_end_time_decides_nothing() -> None:
    given(issued_under(FOREVER_N), policies=BOOK).when(Settle(at=LATER)).then()


@pytest.mark.parametrize(
    ("usage_since", "used_at", "renews"),
    [
        pytest.param("eligible", ELIGIBLE, True, id="since eligible, at the bound"),
        pytest.param("period", ISSUE, True, id="since the period began"),
        pytest.param("P6M", kst("2025-09-16"), True, id="in the last six months, at the bound"),
        pytest.param("P6M", kst("2025-09-16") - MICROSECOND, False, id="a microsecond before"),
        pytest.param("P2Y", ISSUE, False, id="two years of wall time before the end is after the issue"),
    ],
)
def test_a_use_earns_the_renewal_from_the_moment_that_the_policy_names(
    usage_since: str, used_at: datetime, renews: bool
) -> None:
    policy = document("L6", renew_on="expiry", usage_since=usage_since)
    expected = renewed_by_clock(policy, TWO_MORE_YEARS) if renews else expired(policy)

    given(issued_under(policy), used(used_at), policies=book_with(policy)).when(Settle(at=END)).then(expected)


@pytest.mark.parametrize(
    ("calendar", "base", "end", "next_end", "next_eligible"),
    [
        (Calendar.END_OF_DAY, LAST_INSTANT, END, "2028-03-16", "2027-03-16"),
        (Calendar.CIVIL_KR, END, END, "2028-03-16", "2027-03-16"),
        (
            Calendar.INSTANT,
            kst("2026-03-15T10:00"),
            kst("2026-03-15T10:00"),
            "2028-03-15T10:00",
            "2027-03-15T10:00",
        ),
    ],
)
def test_a_renewal_by_the_clock_gains_no_day(
    calendar: Calendar, base: datetime, end: datetime, next_end: str, next_eligible: str
) -> None:
    policy = document("XC", renew_on="expiry", calendar=calendar)
    bounds = by_renewal(kst(next_end), kst(next_eligible), base=base, calendar=calendar)

    given(issued_under(policy), used(AUTUMN_2025), policies=book_with(policy)).when(Settle(at=END)).then(
        renewed_by_clock(policy, bounds, at=end)
    )


def test_time_may_decide_more_than_once() -> None:
    given(ISSUED_X, used(AUTUMN_2025), policies=BOOK).when(Settle(at=LATER)).then(
        renewed_by_clock(CLOCK_X, TWO_MORE_YEARS), expired(CLOCK_X, at=kst("2028-03-16"))
    )


def test_a_lapse_says_how_long_its_grace_is() -> None:
    given(issued_under(GRACE_G), policies=BOOK).when(Settle(at=LATER)).then(expired(GRACE_G, grace_until=GRACE_END))


def test_a_lapse_is_decided_once() -> None:
    given(ISSUED_X, expired(CLOCK_X), policies=BOOK).when(Settle(at=LATER)).then()


# --- An objection.


def test_an_objection_is_lodged() -> None:
    given(ISSUED_X, policies=BOOK).when(ObjectToRenewal(at=SUMMER)).then(RenewalObjectionLodged(at=SUMMER))


def test_objecting_again_does_nothing() -> None:
    given(ISSUED_X, RenewalObjectionLodged(at=SUMMER), policies=BOOK).when(ObjectToRenewal(at=AUTUMN_2025)).then()


# --- Replay.


@pytest.mark.parametrize(
    ("event", "fact"),
    [
        pytest.param(renewed_by_clock(CLOCK_X, TWO_MORE_YEARS), Settle(at=END), id="by the clock"),
        pytest.param(expired(CLOCK_X), Settle(at=END), id="lapsed"),
        pytest.param(RenewalObjectionLodged(at=SUMMER), ObjectToRenewal(at=SUMMER), id="objected to"),
        *(
            pytest.param(replace(renewed_by_clock(CLOCK_X, TWO_MORE_YEARS), cause=cause), None, id=f"by a {cause}")
            for cause in (RenewalCause.USE, RenewalCause.GRACE)
        ),
    ],
)
def test_for_a_replay_there_are_facts_and_the_clock(event: Event, fact: Command | None) -> None:
    assert fact_of(event) == fact


# --- The state.


def test_a_period_without_an_end_has_no_last_valid_instant() -> None:
    assert issued_under(FOREVER_N).bounds.last_valid_instant is None


def test_a_renewal_begins_without_uses() -> None:
    assert credential_after(ISSUED_X, used(SUMMER), renewed_by_clock(CLOCK_X, TWO_MORE_YEARS)).term.uses == NO_USES
