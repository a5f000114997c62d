"""The two functions that carry every automatic renewal, and the counting that they read."""

from dataclasses import replace
from datetime import datetime

import pytest

from sealbook.domain import renewal
from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.renewal import NO_USES, QualifyingUses, Term, first_period
from tests.domain.examples import (
    APRIL_2026,
    AUTUMN_2025,
    CLOCK_X,
    ELIGIBLE,
    END,
    FOREVER_N,
    GRACE_END,
    GRACE_G,
    ISSUE,
    LAST_INSTANT,
    REQUEST_R,
    SUMMER,
    USE_D,
    WINTER_2026,
    document,
    kst,
)


def term(policy: RenewalPolicy, *uses: datetime) -> Term:
    current = Term(bounds=first_period(policy, ISSUE))
    for at in uses:
        current = current.with_use(at)
    return current


# --- By a use.


def test_a_use_that_is_counted_renews_once_eligible() -> None:
    bounds = renewal.on_use(USE_D, term(USE_D, AUTUMN_2025), AUTUMN_2025)

    assert bounds is not None
    assert (bounds.base, bounds.anchor, bounds.by_renewal) == (AUTUMN_2025, AUTUMN_2025, True)


@pytest.mark.parametrize(
    ("policy", "standing", "at"),
    [
        pytest.param(CLOCK_X, term(CLOCK_X, AUTUMN_2025), AUTUMN_2025, id="another way to renew"),
        pytest.param(USE_D, replace(term(USE_D, AUTUMN_2025), objected=True), AUTUMN_2025, id="objected to"),
        pytest.param(
            document(max_renewals=2), replace(term(USE_D, AUTUMN_2025), renewals=2), AUTUMN_2025, id="none left"
        ),
        pytest.param(USE_D, term(USE_D, SUMMER), SUMMER, id="not eligible yet"),
        pytest.param(USE_D, term(FOREVER_N, AUTUMN_2025), AUTUMN_2025, id="never eligible"),
        pytest.param(document(min_uses=2), term(USE_D, SUMMER, AUTUMN_2025), AUTUMN_2025, id="one use too few"),
    ],
)
def test_a_use_renews_nothing(policy: RenewalPolicy, standing: Term, at: datetime) -> None:
    assert renewal.on_use(policy, standing, at) is None


# --- By the clock.


def test_a_renewal_that_is_earned_begins_at_the_end() -> None:
    bounds = renewal.at_expiry(CLOCK_X, term(CLOCK_X, AUTUMN_2025), suspended=False)

    assert bounds is not None
    assert (bounds.base, bounds.anchor, bounds.by_renewal) == (LAST_INSTANT, LAST_INSTANT, True)


@pytest.mark.parametrize(
    ("standing", "suspended"),
    [
        pytest.param(term(CLOCK_X), False, id="not earned"),
        pytest.param(term(CLOCK_X, AUTUMN_2025), True, id="suspended"),
        pytest.param(replace(term(CLOCK_X, AUTUMN_2025), objected=True), False, id="objected to"),
        pytest.param(replace(term(CLOCK_X, AUTUMN_2025), renewals=1), False, id="none left"),
        pytest.param(term(FOREVER_N, AUTUMN_2025), False, id="without an end"),
    ],
)
def test_at_the_end_nothing_renews(standing: Term, suspended: bool) -> None:
    once = document("X", renew_on="expiry", max_renewals=1)

    assert renewal.at_expiry(once, standing, suspended=suspended) is None


@pytest.mark.parametrize(
    ("at", "earned"),
    [(ELIGIBLE - MICROSECOND, False), (ELIGIBLE, True), (END, True)],
    ids=["before eligible", "once eligible", "at the end"],
)
def test_uses_of_the_whole_period_earn_once_eligible(at: datetime, earned: bool) -> None:
    policy = document("XA", renew_on="expiry", usage_since="period")

    assert renewal.earned(policy, term(policy, SUMMER), at) is earned


def test_without_an_end_a_look_back_earns_nothing() -> None:
    # A switch that keeps the bounds can bring a look-back to a credential that has no end.
    look_back = document("L6", renew_on="expiry", usage_since="P6M")
    bounds = replace(first_period(look_back, ISSUE), expires_at=None)

    assert not renewal.earned(look_back, Term(bounds=bounds).with_use(WINTER_2026), END)


# --- In the grace, and on request.


def test_in_the_grace_the_least_number_of_uses_does_not_matter() -> None:
    policy = document("U3", min_uses=3, grace="P30D")

    assert renewal.on_use_in_grace(policy, term(policy), APRIL_2026, suspended=False) is not None
    assert renewal.on_use_in_grace(policy, term(policy), APRIL_2026, suspended=True) is None


@pytest.mark.parametrize(
    ("policy", "until"),
    [(USE_D, END), (GRACE_G, GRACE_END), (document(grace="P1M"), kst("2026-04-16"))],
    ids=["none", "thirty days", "a month"],
)
def test_a_grace_is_a_plain_shift_of_the_lapse(policy: RenewalPolicy, until: datetime) -> None:
    assert renewal.grace_until(policy, END) == until


def test_a_request_at_the_end_is_outside_the_window() -> None:
    assert renewal.on_request(REQUEST_R, term(REQUEST_R), LAST_INSTANT) is not None
    assert renewal.on_request(REQUEST_R, term(REQUEST_R), END) is None


def test_a_policy_that_does_not_renew_on_request_takes_none_within_a_window_either() -> None:
    assert renewal.on_request(document(request_window="P60D"), term(USE_D), LAST_INSTANT) is None


# --- Uses.


def test_uses_that_arrive_out_of_order_are_kept_in_order() -> None:
    uses = NO_USES
    for at in (AUTUMN_2025, SUMMER, WINTER_2026, ELIGIBLE):
        uses = uses.with_use(at, eligible_from=ELIGIBLE)

    assert uses == QualifyingUses(
        count=4, since_eligible=3, first=SUMMER, recent=(SUMMER, ELIGIBLE, AUTUMN_2025, WINTER_2026)
    )


def test_the_second_use_may_be_the_earlier() -> None:
    assert term(USE_D, AUTUMN_2025, SUMMER).uses.recent == (SUMMER, AUTUMN_2025)


def test_without_eligibility_no_use_is_since_eligible() -> None:
    assert NO_USES.with_use(SUMMER, eligible_from=None).since_eligible == 0


@pytest.mark.parametrize(
    ("moment", "count"), [(ELIGIBLE, 2), (ELIGIBLE + MICROSECOND, 1), (END, 0)], ids=["at a use", "after it", "none"]
)
def test_uses_are_counted_from_a_moment_on(moment: datetime, count: int) -> None:
    assert term(USE_D, ELIGIBLE, AUTUMN_2025).uses.since(moment) == count
