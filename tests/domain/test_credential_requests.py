"""Renewal on request: its window, its fee, and what stands in the way."""

from datetime import datetime

import pytest

from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.credential import (
    Adopt,
    FeeCharged,
    FeeFor,
    FeeWaived,
    Locked,
    ObjectToRenewal,
    RenewalObjectionLodged,
    Renewed,
    RequestRenewal,
    Suspended,
    SwitchPolicy,
    fact_of,
)
from sealbook.domain.errors import Refusal
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.renewal import Bounds
from sealbook.domain.values import HolderKind, Kind, SwitchMode
from tests.domain.examples import (
    AUTUMN_2025,
    BOOK,
    CLOCK_X,
    END,
    GRACE_G,
    JOINT,
    LAST_INSTANT,
    REQUEST_R,
    SUMMER,
    USE_D,
    book_with,
    by_renewal,
    document,
    issued_under,
    kinds_with,
    kst,
)
from tests.scenario import given

# --- The window.

WINDOW_OPENS = kst("2026-02-14")
FROM_THE_REQUEST = by_renewal(kst("2028-02-15"), None, base=WINDOW_OPENS)
ISSUED_R = issued_under(REQUEST_R)


def renewed_on_request(policy: RenewalPolicy = REQUEST_R, bounds: Bounds = FROM_THE_REQUEST) -> Renewed:
    return Renewed(at=bounds.anchor, policy=policy.ref, bounds=bounds)


def test_a_request_in_the_window_renews_from_the_request() -> None:
    given(ISSUED_R, policies=BOOK).when(RequestRenewal(at=WINDOW_OPENS)).then(renewed_on_request())


def test_the_window_is_open_until_the_end() -> None:
    given(ISSUED_R, policies=BOOK).when(RequestRenewal(at=LAST_INSTANT)).then(
        renewed_on_request(bounds=by_renewal(kst("2028-03-16"), None, base=LAST_INSTANT))
    )


def test_a_renewal_on_request_may_count_from_the_old_end() -> None:
    policy = document("J", renew_on="request", request_window="P30D", eligible_after=None, extend_from="expiry")
    bounds = by_renewal(kst("2028-03-16"), None, base=LAST_INSTANT, anchor=WINDOW_OPENS)

    given(issued_under(policy), policies=book_with(policy)).when(RequestRenewal(at=WINDOW_OPENS)).then(
        renewed_on_request(policy, bounds)
    )


ENDLESS = document("NR", validity=None, renew_on="request", request_window="P30D", eligible_after=None)


@pytest.mark.parametrize(
    ("policy", "at"),
    [
        pytest.param(REQUEST_R, WINDOW_OPENS - MICROSECOND, id="before the window opens"),
        pytest.param(USE_D, WINDOW_OPENS, id="under a policy that does not renew on request"),
        pytest.param(ENDLESS, WINDOW_OPENS, id="without an end"),
    ],
)
def test_a_request_outside_the_window_is_refused(policy: RenewalPolicy, at: datetime) -> None:
    given(issued_under(policy), policies=book_with(policy)).when(RequestRenewal(at=at)).then_refused(Refusal.WINDOW)


def test_a_suspended_credential_is_not_renewed() -> None:
    given(ISSUED_R, Suspended(at=SUMMER, reason=None), policies=BOOK).when(
        RequestRenewal(at=WINDOW_OPENS)
    ).then_refused(Refusal.SUSPENDED)


def test_an_objection_does_not_stand_in_the_way_of_a_request() -> None:
    given(ISSUED_R, RenewalObjectionLodged(at=SUMMER), policies=BOOK).when(RequestRenewal(at=WINDOW_OPENS)).then(
        renewed_on_request()
    )


def test_the_most_renewals_limit_requests_too() -> None:
    policy = document("R1", renew_on="request", request_window="P30D", max_renewals=1)
    renewed = renewed_on_request(policy)

    given(issued_under(policy), renewed, policies=book_with(policy)).when(
        RequestRenewal(at=kst("2028-02-10"))
    ).then_refused(Refusal.RENEWALS_EXHAUSTED)


@pytest.mark.parametrize(
    "command",
    [
        RequestRenewal(at=END),
        ObjectToRenewal(at=END),
        SwitchPolicy(at=END, policy=CLOCK_X.ref, mode=SwitchMode.RESTART),
    ],
    ids=lambda command: type(command).__name__,
)
def test_in_the_grace_only_a_use_brings_back(command: RequestRenewal | ObjectToRenewal | SwitchPolicy) -> None:
    given(issued_under(GRACE_G), policies=BOOK).when(command).then_refused(Refusal.EXPIRED)


# --- The fee of a request.

JOINT_R = issued_under(REQUEST_R, kind=Kind.JOINT_UNIVERSAL)
PAID = FeeCharged(at=WINDOW_OPENS, what=FeeFor.RENEWAL, amount_krw=4_400, fee_version=1, receipt="r-1")
ASKED = RequestRenewal(at=WINDOW_OPENS)


def test_a_renewal_with_a_fee_is_paid_for_first() -> None:
    given(JOINT_R, policies=BOOK).when(ASKED).then_refused(Refusal.FEE_UNPAID)
    given(JOINT_R, PAID, policies=BOOK).when(ASKED).then(renewed_on_request())


def test_a_fee_is_for_one_renewal() -> None:
    again = RequestRenewal(at=kst("2028-02-01"))

    given(JOINT_R, PAID, renewed_on_request(), policies=BOOK).when(again).then_refused(Refusal.FEE_UNPAID)


def test_a_fee_that_was_waived_is_not_asked_for() -> None:
    waived = FeeWaived(at=WINDOW_OPENS, fee_version=1)

    given(JOINT_R, waived, policies=BOOK).when(ASKED).then(renewed_on_request())


@pytest.mark.parametrize(("holder", "renews"), [(HolderKind.PERSONAL, True), (HolderKind.CORPORATE, False)])
def test_the_fee_is_the_one_of_the_holder(holder: HolderKind, renews: bool) -> None:
    issued = issued_under(REQUEST_R, kind=Kind.JOINT_UNIVERSAL, holder=holder)
    free = kinds_with(JOINT, fees={"renewal_personal_krw": 0})
    outcome = given(issued, policies=BOOK, kinds=free).when(ASKED)

    if renews:
        outcome.then(renewed_on_request())
    else:
        outcome.then_refused(Refusal.FEE_UNPAID)


def test_nobody_pays_for_a_renewal_that_the_policy_does_not_grant() -> None:
    too_soon = RequestRenewal(at=WINDOW_OPENS - MICROSECOND)

    given(JOINT_R, policies=BOOK).when(too_soon).then_refused(Refusal.WINDOW)


def test_a_history_tells_of_a_renewal_and_not_of_its_fee() -> None:
    given(JOINT_R, policies=BOOK).when(Adopt(fact=ASKED)).then(renewed_on_request())


def test_a_suspension_is_told_before_a_lock_and_a_lock_before_the_window() -> None:
    locked, suspended = Locked(at=SUMMER, for_good=False), Suspended(at=SUMMER, reason=None)
    too_soon = RequestRenewal(at=AUTUMN_2025)

    given(ISSUED_R, locked, suspended, policies=BOOK).when(too_soon).then_refused(Refusal.SUSPENDED)
    given(ISSUED_R, locked, policies=BOOK).when(too_soon).then_refused(Refusal.LOCKED)


def test_for_a_replay_a_request_is_a_fact() -> None:
    assert fact_of(renewed_on_request()) == ASKED
