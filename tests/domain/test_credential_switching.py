"""Another policy takes over: by a switch, or by a version that does so on its date."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.credential import (
    AutoRenewed,
    PolicySwitched,
    RenewalObjectionLodged,
    Renewed,
    Settle,
    SwitchPolicy,
    Use,
    fact_of,
)
from sealbook.domain.errors import Refusal
from sealbook.domain.policy import Announced, Policy, PolicyBook, fold
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.renewal import Bounds, first_period
from sealbook.domain.values import PolicyRef, RenewalCause, SwitchMode
from tests.domain.examples import (
    AUTUMN_2025,
    BOOK,
    CLOCK_X,
    END,
    FOREVER_N,
    GRACE_END,
    ISSUE,
    LATER,
    REQUEST_R,
    SUMMER,
    USE_D,
    WINTER_2026,
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


def renewed_by_clock(policy: RenewalPolicy, bounds: Bounds, at: datetime = END) -> AutoRenewed:
    return AutoRenewed(at=at, policy=policy.ref, cause=RenewalCause.EXPIRY, bounds=bounds)


ISSUED_X, ISSUED_R = issued_under(CLOCK_X), issued_under(REQUEST_R)


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
        expired(HALF, at=AUTUMN_2025),
        refused(AUTUMN_2025, Refusal.EXPIRED),
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

    assert credential_after(ISSUED, used(SUMMER), switch).term.uses.count == uses


@pytest.mark.parametrize("mode", list(SwitchMode))
def test_an_objection_and_the_renewals_stay(mode: SwitchMode) -> None:
    bounds = by_renewal(kst("2028-02-15"), None, base=kst("2026-02-14"))
    renewed = Renewed(at=kst("2026-02-14"), policy=REQUEST_R.ref, bounds=bounds)
    history = (ISSUED_R, renewed, RenewalObjectionLodged(at=kst("2026-02-14")))
    term = credential_after(*history, switched(CLOCK_X, mode, ISSUED.bounds, at=kst("2026-02-14"))).term

    assert (term.renewals, term.objected) == (1, True)


@pytest.mark.parametrize("mode", list(SwitchMode))
def test_a_credential_knows_since_when_it_has_its_policy(mode: SwitchMode) -> None:
    credential = credential_after(ISSUED, switched(CLOCK_X, mode, ISSUED.bounds))

    assert (credential.policy, credential.policy_since) == (CLOCK_X.ref, SUMMER)


def test_the_other_policy_decides_from_the_switch_on() -> None:
    switch = switched(CLOCK_X, SwitchMode.KEEP, ISSUED.bounds)

    assert credential_after(ISSUED, switch).policy == CLOCK_X.ref
    given(ISSUED, switch, policies=BOOK).when(Use(at=AUTUMN_2025)).then(used(AUTUMN_2025))


@pytest.mark.parametrize(
    "limit", [{"kinds": ["mobile_otp"]}, {"holders": ["corporate"]}], ids=["another kind", "another holder"]
)
def test_a_policy_that_does_not_concern_it_does_not_take_over(limit: dict[str, object]) -> None:
    policy = document("L", **limit)

    given(ISSUED, policies=book_with(policy)).when(switch_to(policy, SwitchMode.KEEP)).then_refused(
        Refusal.NOT_ELIGIBLE
    )


def test_a_policy_for_this_kind_and_holder_takes_over() -> None:
    policy = document("L", kinds=["kb_mobile_certificate"], holders=["personal"])

    given(ISSUED, policies=book_with(policy)).when(switch_to(policy, SwitchMode.KEEP)).then(
        switched(policy, SwitchMode.KEEP, ISSUED.bounds)
    )


def test_a_policy_that_is_not_known_does_not_take_over() -> None:
    unknown = SwitchPolicy(at=SUMMER, policy=PolicyRef("unknown", 1), mode=SwitchMode.KEEP)

    given(ISSUED, policies=BOOK).when(unknown).then_refused(Refusal.NO_POLICY)


@pytest.mark.parametrize("mode", list(SwitchMode))
def test_for_a_replay_a_switch_is_a_fact_unless_it_came_by_itself(mode: SwitchMode) -> None:
    switch = switched(CLOCK_X, mode, ISSUED.bounds)

    assert fact_of(switch) == switch_to(CLOCK_X, mode)
    assert fact_of(replace(switch, automatic=True)) == Settle(at=SUMMER)


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
        pytest.param({"kinds": [ISSUED.kind], "holders": [ISSUED.holder]}, ISSUED.bounds, id="named"),
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

    given(ISSUED, policies=book_of(policy)).when(Use(at=EFFECT)).then(taken_over(policy), used(EFFECT))


def test_a_lapse_on_the_date_of_a_version_comes_first() -> None:
    policy = next_version(effective_from=END)

    given(ISSUED, policies=book_of(policy)).when(Settle(at=END)).then(expired(USE_D))


def test_a_version_takes_over_before_a_later_end() -> None:
    policy = next_version(applies_to="recompute", validity="P1Y")
    bounds = replace(ISSUED.bounds, expires_at=EFFECT)

    given(ISSUED, policies=book_of(policy)).when(Settle(at=END)).then(
        taken_over(policy, bounds), expired(policy, at=EFFECT)
    )


def test_what_was_decided_before_a_late_announcement_stays_decided() -> None:
    given(ISSUED, expired(USE_D), policies=book_of(next_version())).when(Settle(at=LATER)).then()


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
    history = (issued_under(graced), expired(graced, grace_until=GRACE_END), used(back_at), renewed)

    given(*history, policies=book).when(Settle(at=back_at)).then(
        taken_over(policy, first_bounds("2028-04-11", "2027-04-11", base=back_at), at=back_at)
    )
