"""Renewal and lapse by the clock, on request, and under another policy."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from sealbook.domain.calendar import MICROSECOND, Calendar
from sealbook.domain.credential import (
    AutoRenewed,
    Event,
    Expired,
    ObjectToRenewal,
    PolicySwitched,
    RenewalObjectionLodged,
    Renewed,
    RequestRenewal,
    Settle,
    Suspended,
    SwitchPolicy,
    Use,
    Used,
    UseRefused,
)
from sealbook.domain.errors import Refusal
from sealbook.domain.policy import Announced, Policy, PolicyBook, fold
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.renewal import NO_USES, Bounds, first_period
from sealbook.domain.values import PolicyRef, RenewalCause, SwitchMode
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
    WINTER_2026,
    book_with,
    by_renewal,
    credential_after,
    document,
    issued_under,
    kst,
)
from tests.scenario import given


def counted(at: datetime) -> Used:
    return Used(at=at, channel="app", purpose=None, qualifies=True)


def lapsed(policy: RenewalPolicy, at: datetime = END, grace_until: datetime | None = None) -> Expired:
    return Expired(at=at, policy=policy.ref, grace_until=grace_until or at)


def renewed_by_clock(policy: RenewalPolicy, bounds: Bounds, at: datetime = END) -> AutoRenewed:
    return AutoRenewed(at=at, policy=policy.ref, cause=RenewalCause.EXPIRY, bounds=bounds)


TWO_MORE_YEARS = by_renewal(kst("2028-03-16"), kst("2027-03-16"), base=LAST_INSTANT)
ISSUED_X = issued_under(CLOCK_X)


# --- The clock.


def test_a_use_after_a_year_renews_at_the_end() -> None:
    given(ISSUED_X, counted(AUTUMN_2025), policies=BOOK).when(Settle(at=END)).then(
        renewed_by_clock(CLOCK_X, TWO_MORE_YEARS)
    )


def test_before_the_end_time_decides_nothing() -> None:
    given(ISSUED_X, counted(AUTUMN_2025), policies=BOOK).when(Settle(at=LAST_INSTANT)).then()


@pytest.mark.parametrize(
    "history",
    [
        pytest.param((), id="never used"),
        pytest.param((counted(SUMMER),), id="used only in the first year"),
        pytest.param((counted(ELIGIBLE - MICROSECOND),), id="used a microsecond early"),
        pytest.param((counted(AUTUMN_2025), Suspended(at=AUTUMN_2025, reason=None)), id="suspended"),
        pytest.param((counted(AUTUMN_2025), RenewalObjectionLodged(at=AUTUMN_2025)), id="objected to"),
    ],
)
def test_it_lapses_at_the_end_unless_a_renewal_is_earned(history: tuple[Event, ...]) -> None:
    given(ISSUED_X, *history, policies=BOOK).when(Settle(at=LATER)).then(lapsed(CLOCK_X))


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
    given(issued_under(policy), counted(AUTUMN_2025), policies=book_with(policy)).when(Settle(at=END)).then(
        lapsed(policy)
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
    expected = renewed_by_clock(policy, TWO_MORE_YEARS) if renews else lapsed(policy)

    given(issued_under(policy), counted(used_at), policies=book_with(policy)).when(Settle(at=END)).then(expected)


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

    given(issued_under(policy), counted(AUTUMN_2025), policies=book_with(policy)).when(Settle(at=END)).then(
        renewed_by_clock(policy, bounds, at=end)
    )


def test_time_may_decide_more_than_once() -> None:
    given(ISSUED_X, counted(AUTUMN_2025), policies=BOOK).when(Settle(at=LATER)).then(
        renewed_by_clock(CLOCK_X, TWO_MORE_YEARS), lapsed(CLOCK_X, at=kst("2028-03-16"))
    )


def test_a_lapse_says_how_long_its_grace_is() -> None:
    given(issued_under(GRACE_G), policies=BOOK).when(Settle(at=LATER)).then(lapsed(GRACE_G, grace_until=GRACE_END))


def test_a_lapse_is_decided_once() -> None:
    given(ISSUED_X, lapsed(CLOCK_X), policies=BOOK).when(Settle(at=LATER)).then()


# --- A request.

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


# --- An objection.


def test_an_objection_is_lodged() -> None:
    given(ISSUED_X, policies=BOOK).when(ObjectToRenewal(at=SUMMER)).then(RenewalObjectionLodged(at=SUMMER))


def test_objecting_again_does_nothing() -> None:
    given(ISSUED_X, RenewalObjectionLodged(at=SUMMER), policies=BOOK).when(ObjectToRenewal(at=AUTUMN_2025)).then()


# --- A switch of policy.

HALF = document("H", validity="P1Y", eligible_after="P6M")
ISSUED = issued_under(USE_D)


def switched(policy: RenewalPolicy, mode: SwitchMode, bounds: Bounds, at: datetime = SUMMER) -> PolicySwitched:
    return PolicySwitched(at=at, policy=policy.ref, mode=mode, automatic=False, bounds=bounds)


def switch_to(policy: RenewalPolicy, mode: SwitchMode, at: datetime = SUMMER) -> SwitchPolicy:
    return SwitchPolicy(at=at, policy=policy.ref, mode=mode)


def first_bounds(end: str, eligible: str, *, base: datetime = ISSUE) -> Bounds:
    return replace(first_period(USE_D, base), expires_at=kst(end), eligible_from=kst(eligible))


@pytest.mark.parametrize(
    ("mode", "bounds"),
    [
        pytest.param(SwitchMode.KEEP, first_bounds("2026-03-16", "2025-03-16"), id="keep leaves the bounds"),
        pytest.param(
            SwitchMode.RESTART,
            first_bounds("2025-07-02", "2025-01-02", base=SUMMER),
            id="restart begins at the switch",
        ),
        pytest.param(
            SwitchMode.RECOMPUTE,
            first_bounds("2025-03-16", "2024-09-16"),
            id="recompute counts anew from the same base",
        ),
    ],
)
def test_another_policy_takes_over(mode: SwitchMode, bounds: Bounds) -> None:
    given(ISSUED, policies=book_with(HALF)).when(switch_to(HALF, mode)).then(switched(HALF, mode, bounds))


def test_a_policy_without_a_validity_takes_the_end_away() -> None:
    bounds = replace(ISSUED.bounds, expires_at=None, eligible_from=None)

    given(ISSUED, policies=BOOK).when(switch_to(FOREVER_N, SwitchMode.RECOMPUTE)).then(
        switched(FOREVER_N, SwitchMode.RECOMPUTE, bounds)
    )


PAST_END = switched(HALF, SwitchMode.RECOMPUTE, first_bounds("2025-10-01T12:00", "2024-09-16"), at=AUTUMN_2025)


def test_a_recomputed_end_is_never_before_the_switch() -> None:
    given(ISSUED, policies=book_with(HALF)).when(switch_to(HALF, SwitchMode.RECOMPUTE, AUTUMN_2025)).then(PAST_END)


def test_an_end_at_the_switch_lapses_there() -> None:
    given(ISSUED, PAST_END, policies=book_with(HALF)).when(Use(at=AUTUMN_2025)).then(
        lapsed(HALF, at=AUTUMN_2025),
        UseRefused(at=AUTUMN_2025, channel="app", purpose=None, reason=Refusal.EXPIRED),
    )


def test_a_period_that_a_renewal_began_keeps_the_validity_of_renewals() -> None:
    policy = document("H2", validity="P5Y", renewal_validity="P1Y")
    renewed = AutoRenewed(
        at=AUTUMN_2025,
        policy=USE_D.ref,
        cause=RenewalCause.USE,
        bounds=by_renewal(kst("2027-10-02"), kst("2026-10-02"), base=AUTUMN_2025),
    )
    bounds = by_renewal(kst("2026-10-02"), kst("2026-10-02"), base=AUTUMN_2025)

    given(ISSUED, renewed, policies=book_with(policy)).when(switch_to(policy, SwitchMode.RECOMPUTE, WINTER_2026)).then(
        switched(policy, SwitchMode.RECOMPUTE, bounds, at=WINTER_2026)
    )


def test_a_restart_begins_a_first_period_again() -> None:
    policy = document("H2", validity="P5Y", renewal_validity="P1Y")
    renewed = AutoRenewed(
        at=AUTUMN_2025,
        policy=USE_D.ref,
        cause=RenewalCause.USE,
        bounds=by_renewal(kst("2027-10-02"), kst("2026-10-02"), base=AUTUMN_2025),
    )
    bounds = first_bounds("2031-01-11", "2027-01-11", base=WINTER_2026)

    given(ISSUED, renewed, policies=book_with(policy)).when(switch_to(policy, SwitchMode.RESTART, WINTER_2026)).then(
        switched(policy, SwitchMode.RESTART, bounds, at=WINTER_2026)
    )


@pytest.mark.parametrize(("mode", "uses"), [(SwitchMode.KEEP, 1), (SwitchMode.RESTART, 0), (SwitchMode.RECOMPUTE, 0)])
def test_uses_begin_anew_unless_the_bounds_are_kept(mode: SwitchMode, uses: int) -> None:
    switch = switched(CLOCK_X, mode, ISSUED.bounds)

    assert credential_after(ISSUED, counted(SUMMER), switch).term.uses.count == uses


@pytest.mark.parametrize("mode", list(SwitchMode))
def test_an_objection_and_the_renewals_stay(mode: SwitchMode) -> None:
    history = (ISSUED_R, renewed_on_request(), RenewalObjectionLodged(at=WINDOW_OPENS))
    term = credential_after(*history, switched(CLOCK_X, mode, ISSUED.bounds, at=WINDOW_OPENS)).term

    assert (term.renewals, term.objected) == (1, True)


def test_the_other_policy_decides_from_the_switch_on() -> None:
    switch = switched(CLOCK_X, SwitchMode.KEEP, ISSUED.bounds)

    assert credential_after(ISSUED, switch).policy == CLOCK_X.ref
    given(ISSUED, switch, policies=BOOK).when(Use(at=AUTUMN_2025)).then(counted(AUTUMN_2025))


@pytest.mark.parametrize(
    "limit", [{"kinds": ["mobile_otp"]}, {"holders": ["corporate"]}], ids=["another kind", "another holder"]
)
def test_a_policy_that_does_not_concern_it_does_not_take_over(limit: dict[str, object]) -> None:
    policy = document("L", **limit)

    given(ISSUED, policies=book_with(policy)).when(switch_to(policy, SwitchMode.KEEP)).then_refused(
        Refusal.NOT_ELIGIBLE
    )


def test_a_policy_that_is_not_known_does_not_take_over() -> None:
    unknown = SwitchPolicy(at=SUMMER, policy=PolicyRef("unknown", 1), mode=SwitchMode.KEEP)

    given(ISSUED, policies=BOOK).when(unknown).then_refused(Refusal.NO_POLICY)


# --- A version that takes over by itself.

ANNOUNCED = kst("2025-01-01")
EFFECT = kst("2025-06-01")


def next_version(number: int = 2, /, **written: object) -> RenewalPolicy:
    dates = {"announced_at": ANNOUNCED, "effective_from": EFFECT}
    return document(**{**dates, "applies_to": "keep", **written, "version": number})


def book_of(*versions: RenewalPolicy) -> PolicyBook:
    policy = fold([Announced(at=ANNOUNCED, document=each) for each in versions], Policy(versions=(USE_D,)))
    return PolicyBook({**BOOK.policies, "D": policy})


def taken_over(policy: RenewalPolicy, bounds: Bounds = ISSUED.bounds, at: datetime = EFFECT) -> PolicySwitched:
    return PolicySwitched(at=at, policy=policy.ref, mode=SwitchMode(policy.applies_to), automatic=True, bounds=bounds)


@pytest.mark.parametrize(
    ("written", "bounds"),
    [
        pytest.param({"applies_to": "keep"}, ISSUED.bounds, id="keep"),
        pytest.param({"applies_to": "restart"}, first_bounds("2027-06-02", "2026-06-02", base=EFFECT), id="restart"),
        pytest.param(
            {"applies_to": "recompute", "validity": "P3Y"},
            first_bounds("2027-03-16", "2025-03-16"),
            id="recompute",
        ),
    ],
)
def test_a_version_takes_over_on_its_date(written: dict[str, object], bounds: Bounds) -> None:
    policy = next_version(**written)

    given(ISSUED, policies=book_of(policy)).when(Settle(at=EFFECT)).then(taken_over(policy, bounds))


def test_before_its_date_a_version_takes_nothing_over() -> None:
    given(ISSUED, policies=book_of(next_version())).when(Settle(at=EFFECT - MICROSECOND)).then()


def test_a_version_for_new_credentials_leaves_the_old_ones() -> None:
    given(ISSUED, policies=book_of(next_version(applies_to="new"))).when(Settle(at=EFFECT)).then()


@pytest.mark.parametrize("issued_at", [EFFECT, EFFECT + timedelta(days=1)], ids=["on the date", "after the date"])
def test_a_version_leaves_what_was_issued_since(issued_at: datetime) -> None:
    issued = issued_under(USE_D, at=issued_at)

    given(issued, policies=book_of(next_version())).when(Settle(at=issued_at + timedelta(days=30))).then()


def test_versions_take_over_one_after_the_other() -> None:
    second = next_version()
    third = next_version(3, effective_from=AUTUMN_2025)

    given(ISSUED, policies=book_of(second, third)).when(Settle(at=AUTUMN_2025)).then(
        taken_over(second), taken_over(third, at=AUTUMN_2025)
    )


def test_the_new_version_decides_about_a_use_on_its_date() -> None:
    policy = next_version(min_uses=5)

    given(ISSUED, policies=book_of(policy)).when(Use(at=EFFECT)).then(taken_over(policy), counted(EFFECT))


def test_a_lapse_on_the_date_of_a_version_comes_first() -> None:
    policy = next_version(effective_from=END)

    given(ISSUED, policies=book_of(policy)).when(Settle(at=END)).then(lapsed(USE_D))


def test_a_version_takes_over_before_a_later_end() -> None:
    policy = next_version(applies_to="recompute", validity="P1Y")
    bounds = replace(ISSUED.bounds, expires_at=EFFECT)

    given(ISSUED, policies=book_of(policy)).when(Settle(at=END)).then(
        taken_over(policy, bounds), lapsed(policy, at=EFFECT)
    )


def test_what_was_decided_before_a_late_announcement_stays_decided() -> None:
    given(ISSUED, lapsed(USE_D), policies=book_of(next_version())).when(Settle(at=LATER)).then()


def test_a_version_leaves_what_was_switched_since() -> None:
    back_to_the_first = switched(USE_D, SwitchMode.KEEP, ISSUED_X.bounds, at=AUTUMN_2025)

    given(ISSUED_X, back_to_the_first, policies=book_of(next_version())).when(Settle(at=WINTER_2026)).then()


def test_a_version_that_took_effect_in_the_grace_does_not_reach_back_before_the_renewal() -> None:
    policy = next_version(applies_to="restart", effective_from=kst("2026-04-01"), grace="P30D")
    back_at = kst("2026-04-10T12:00")
    graced = document(grace="P30D")
    book = PolicyBook({"D": fold([Announced(at=ANNOUNCED, document=policy)], Policy(versions=(graced,)))})
    renewed = AutoRenewed(
        at=back_at,
        policy=graced.ref,
        cause=RenewalCause.GRACE,
        bounds=by_renewal(kst("2028-04-11"), kst("2027-04-11"), base=back_at),
    )
    history = (issued_under(graced), lapsed(graced, grace_until=GRACE_END), counted(back_at), renewed)

    given(*history, policies=book).when(Settle(at=back_at)).then(
        taken_over(policy, first_bounds("2028-04-11", "2027-04-11", base=back_at), at=back_at)
    )


# --- The state.


def test_a_period_without_an_end_has_no_last_valid_instant() -> None:
    assert issued_under(FOREVER_N).bounds.last_valid_instant is None


def test_a_renewal_begins_without_uses() -> None:
    assert credential_after(ISSUED_X, counted(SUMMER), renewed_by_clock(CLOCK_X, TWO_MORE_YEARS)).term.uses == NO_USES
