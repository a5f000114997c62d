"""Use: what renews, and what brings a lapsed credential back."""

from datetime import datetime

import pytest

from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.credential import (
    AutoRenewed,
    Event,
    Expired,
    Locked,
    RenewalObjectionLodged,
    ResetRequired,
    Revoked,
    Suspended,
    Use,
    Used,
)
from sealbook.domain.errors import Refusal
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.renewal import NO_USES
from sealbook.domain.values import RenewalCause
from tests.domain.examples import (
    APRIL_2026,
    AUTUMN_2025,
    BOOK,
    CLOCK_X,
    ELIGIBLE,
    END,
    GRACE_END,
    GRACE_G,
    LAST_INSTANT,
    LATER,
    NEVER_NV,
    OTHER_PHONE,
    PHONE,
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
    refused,
    used,
)
from tests.scenario import given

ISSUED, IN_GRACE = issued_under(USE_D), issued_under(GRACE_G)
SUSPENDED = Suspended(at=SUMMER, reason=None)


def lapsed(policy: RenewalPolicy, grace_until: datetime = END) -> Expired:
    return expired(policy, grace_until=grace_until)


INTO_GRACE = lapsed(GRACE_G, GRACE_END)


# --- What renews.


def renewed_by_use(at: datetime, policy: RenewalPolicy = USE_D, *, end: str, eligible: str) -> tuple[Used, AutoRenewed]:
    bounds = by_renewal(kst(end), kst(eligible), base=at)
    return used(at), AutoRenewed(at=at, policy=policy.ref, cause=RenewalCause.USE, bounds=bounds)


def test_the_first_use_after_a_year_renews_from_that_use() -> None:
    given(ISSUED, used(SUMMER), policies=BOOK).when(Use(at=AUTUMN_2025)).then(
        *renewed_by_use(AUTUMN_2025, end="2027-10-02", eligible="2026-10-02")
    )


def test_a_use_renews_from_the_instant_of_eligibility_on() -> None:
    given(ISSUED, policies=BOOK).when(Use(at=ELIGIBLE - MICROSECOND)).then(used(ELIGIBLE - MICROSECOND))
    given(ISSUED, policies=BOOK).when(Use(at=ELIGIBLE)).then(
        *renewed_by_use(ELIGIBLE, end="2027-03-17", eligible="2026-03-17")
    )


def test_a_renewal_by_use_may_count_from_the_old_end() -> None:
    policy = document("UE", extend_from="expiry")
    bounds = by_renewal(kst("2028-03-16"), kst("2026-10-02"), base=LAST_INSTANT, anchor=AUTUMN_2025)

    given(issued_under(policy), policies=book_with(policy)).when(Use(at=AUTUMN_2025)).then(
        used(AUTUMN_2025),
        AutoRenewed(at=AUTUMN_2025, policy=policy.ref, cause=RenewalCause.USE, bounds=bounds),
    )


def test_a_renewal_may_have_a_validity_of_its_own() -> None:
    policy = document("RV", renewal_validity="P1Y")

    given(issued_under(policy), policies=book_with(policy)).when(Use(at=AUTUMN_2025)).then(
        *renewed_by_use(AUTUMN_2025, policy, end="2026-10-02", eligible="2026-10-02")
    )


def test_a_renewal_clears_the_uses_and_the_objection_and_counts() -> None:
    history = (
        ISSUED,
        RenewalObjectionLodged(at=SUMMER),
        *renewed_by_use(ELIGIBLE, end="2027-03-17", eligible="2026-03-17"),
    )
    term = credential_after(*history).term

    assert (term.uses, term.objected, term.renewals) == (NO_USES, False, 1)


ONCE = document("M1", max_renewals=1)
TWICE_USED = document("U2", min_uses=2)


@pytest.mark.parametrize(
    ("policy", "history"),
    [
        pytest.param(CLOCK_X, (), id="the clock renews"),
        pytest.param(NEVER_NV, (), id="nothing renews"),
        pytest.param(REQUEST_R, (), id="a request renews"),
        pytest.param(USE_D, (RenewalObjectionLodged(at=SUMMER),), id="objected to"),
        pytest.param(document("M0", max_renewals=0), (), id="no renewals left"),
        pytest.param(TWICE_USED, (used(SUMMER),), id="too few uses since eligible"),
    ],
)
def test_a_use_renews_nothing(policy: RenewalPolicy, history: tuple[Event, ...]) -> None:
    given(issued_under(policy), *history, policies=book_with(policy)).when(Use(at=AUTUMN_2025)).then(used(AUTUMN_2025))


def test_a_use_that_does_not_count_renews_nothing() -> None:
    given(ISSUED, policies=BOOK).when(Use(at=AUTUMN_2025, channel="web")).then(
        used(AUTUMN_2025, qualifies=False, channel="web")
    )


def test_the_use_that_reaches_the_least_number_renews() -> None:
    given(issued_under(TWICE_USED), used(ELIGIBLE), policies=book_with(TWICE_USED)).when(Use(at=AUTUMN_2025)).then(
        *renewed_by_use(AUTUMN_2025, TWICE_USED, end="2027-10-02", eligible="2026-10-02")
    )


def test_the_last_renewal_allowed_is_the_last() -> None:
    renewal = renewed_by_use(AUTUMN_2025, ONCE, end="2027-10-02", eligible="2026-10-02")

    given(issued_under(ONCE), policies=book_with(ONCE)).when(Use(at=AUTUMN_2025)).then(*renewal)
    given(issued_under(ONCE), *renewal, policies=book_with(ONCE)).when(Use(at=kst("2026-12-01"))).then(
        used(kst("2026-12-01"))
    )


# --- What reaches back.


def test_a_use_before_the_present_period_is_recorded_and_counts_for_nothing() -> None:
    renewal = renewed_by_use(AUTUMN_2025, end="2027-10-02", eligible="2026-10-02")

    given(ISSUED, *renewal, policies=BOOK).when(Use(at=ELIGIBLE)).then(used(ELIGIBLE, qualifies=False))


def test_a_use_before_a_recorded_lapse_is_recorded_and_renews_nothing() -> None:
    given(ISSUED, lapsed(USE_D), policies=BOOK).when(Use(at=AUTUMN_2025)).then(used(AUTUMN_2025, qualifies=False))


def test_a_use_before_the_lapse_does_not_bring_back_in_the_grace() -> None:
    given(issued_under(GRACE_G), lapsed(GRACE_G, GRACE_END), policies=BOOK).when(Use(at=AUTUMN_2025)).then(
        used(AUTUMN_2025, qualifies=False)
    )


# --- The grace.


def brought_back(at: datetime, policy: RenewalPolicy, *, end: str, eligible: str) -> tuple[Used, AutoRenewed]:
    bounds = by_renewal(kst(end), kst(eligible), base=at)
    return used(at), AutoRenewed(at=at, policy=policy.ref, cause=RenewalCause.GRACE, bounds=bounds)


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param(GRACE_G, id="renewed by use"),
        pytest.param(document("XG", renew_on="expiry", grace="P30D"), id="renewed by the clock"),
        pytest.param(document("U3G", min_uses=3, grace="P30D"), id="whatever the least number of uses"),
    ],
)
def test_a_use_in_the_grace_brings_back(policy: RenewalPolicy) -> None:
    given(issued_under(policy), policies=book_with(policy)).when(Use(at=APRIL_2026)).then(
        lapsed(policy, GRACE_END), *brought_back(APRIL_2026, policy, end="2028-04-02", eligible="2027-04-02")
    )


def test_the_grace_begins_with_the_lapse() -> None:
    given(issued_under(GRACE_G), policies=BOOK).when(Use(at=END)).then(
        lapsed(GRACE_G, GRACE_END), *brought_back(END, GRACE_G, end="2028-03-17", eligible="2027-03-17")
    )


def test_the_end_of_the_grace_is_outside() -> None:
    last = GRACE_END - MICROSECOND

    given(issued_under(GRACE_G), lapsed(GRACE_G, GRACE_END), policies=BOOK).when(Use(at=last)).then(
        *brought_back(last, GRACE_G, end="2028-04-15", eligible="2027-04-15")
    )
    given(issued_under(GRACE_G), lapsed(GRACE_G, GRACE_END), policies=BOOK).when(Use(at=GRACE_END)).then(
        refused(GRACE_END, Refusal.EXPIRED)
    )


def test_a_credential_that_was_brought_back_is_active() -> None:
    history = (issued_under(GRACE_G), lapsed(GRACE_G, GRACE_END))
    back = credential_after(*history, *brought_back(APRIL_2026, GRACE_G, end="2028-04-02", eligible="2027-04-02"))

    assert (back.lapsed_at, back.grace_until, back.term.renewals) == (None, None, 1)


@pytest.mark.parametrize(
    ("policy", "before", "reason"),
    [
        pytest.param(GRACE_G, (Suspended(at=SUMMER, reason=None),), Refusal.EXPIRED, id="suspended"),
        pytest.param(GRACE_G, (RenewalObjectionLodged(at=SUMMER),), Refusal.EXPIRED, id="objected to"),
        pytest.param(document("M0G", max_renewals=0, grace="P30D"), (), Refusal.EXPIRED, id="no renewals left"),
        pytest.param(
            document("NVG", renew_on="never", grace="P30D"), (), Refusal.EXPIRED, id="a policy that never renews"
        ),
        pytest.param(
            document("RG", renew_on="request", request_window="P30D", grace="P30D"),
            (),
            Refusal.EXPIRED,
            id="a policy that renews on request",
        ),
    ],
)
def test_a_use_in_the_grace_does_not_bring_back(
    policy: RenewalPolicy, before: tuple[Event, ...], reason: Refusal
) -> None:
    history = (issued_under(policy), *before, lapsed(policy, GRACE_END))

    given(*history, policies=book_with(policy)).when(Use(at=APRIL_2026)).then(refused(APRIL_2026, reason))


def test_a_use_that_does_not_qualify_does_not_bring_back() -> None:
    given(IN_GRACE, INTO_GRACE, policies=BOOK).when(Use(at=APRIL_2026, channel="web")).then(
        refused(APRIL_2026, Refusal.EXPIRED, channel="web")
    )


# A use that could end the grace is judged as any other, so that a replay knows it for what it was.


def test_a_use_from_another_device_does_not_bring_back() -> None:
    history = (issued_under(GRACE_G, device=PHONE), INTO_GRACE)

    given(*history, policies=BOOK).when(Use(at=APRIL_2026, device=OTHER_PHONE)).then(
        refused(APRIL_2026, Refusal.WRONG_DEVICE)
    )


@pytest.mark.parametrize(
    ("since", "reason"),
    [
        pytest.param((ResetRequired(at=SUMMER),), Refusal.RESET_REQUIRED, id="a reset is required"),
        pytest.param((Locked(at=SUMMER, for_good=False),), Refusal.LOCKED, id="locked"),
        pytest.param((Locked(at=SUMMER, for_good=False), ResetRequired(at=SUMMER)), Refusal.RESET_REQUIRED, id="both"),
        pytest.param((Locked(at=SUMMER, for_good=False), SUSPENDED), Refusal.EXPIRED, id="suspended, too"),
    ],
)
def test_a_use_does_not_bring_back_what_cannot_be_used(since: tuple[Event, ...], reason: Refusal) -> None:
    given(IN_GRACE, *since, INTO_GRACE, policies=BOOK).when(Use(at=APRIL_2026)).then(refused(APRIL_2026, reason))


def test_a_wrong_proof_in_the_grace_counts_and_locks() -> None:
    wrong = Use(at=APRIL_2026, proven=False)
    four_wrong = (IN_GRACE, INTO_GRACE, refused(END, Refusal.BAD_PROOF, failures=4))

    given(IN_GRACE, INTO_GRACE, policies=BOOK).when(wrong).then(refused(APRIL_2026, Refusal.BAD_PROOF, failures=1))
    given(*four_wrong, policies=BOOK).when(wrong).then(
        refused(APRIL_2026, Refusal.BAD_PROOF, failures=5), Locked(at=APRIL_2026, for_good=False)
    )


def test_a_wrong_proof_after_the_grace_is_not_counted() -> None:
    given(IN_GRACE, INTO_GRACE, policies=BOOK).when(Use(at=GRACE_END, proven=False)).then(
        refused(GRACE_END, Refusal.EXPIRED)
    )


def test_a_revocation_in_the_grace_ends_it() -> None:
    history = (issued_under(GRACE_G), lapsed(GRACE_G, GRACE_END), Revoked(at=END, reason=None))

    given(*history, policies=BOOK).when(Use(at=APRIL_2026)).then(refused(APRIL_2026, Refusal.REVOKED))


def test_long_after_the_grace_a_use_is_refused() -> None:
    given(issued_under(GRACE_G), policies=BOOK).when(Use(at=LATER)).then(
        lapsed(GRACE_G, GRACE_END), refused(LATER, Refusal.EXPIRED)
    )
