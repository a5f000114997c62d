"""What would have become of a chain of credentials under another policy? Each rule by an example, then by chance."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.credential import (
    AutoRenewed,
    Event,
    Expired,
    Issue,
    ObjectToRenewal,
    RequestRenewal,
    Resume,
    Revoke,
    Revoked,
    Suspend,
    SwitchPolicy,
    Use,
    Used,
    UseRefused,
)
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.policy import PolicyBook
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import HolderKind, Kind, RenewalCause, SwitchMode
from sealbook.projections import what_if
from sealbook.projections.chains import (
    Attempt,
    Behavior,
    Chain,
    Leave,
    Life,
    Reissued,
    Return,
    ReturnAsFitted,
    Step,
    mixed,
    replay,
)
from sealbook.projections.what_if import History
from tests.domain.examples import (
    APRIL_2026,
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
    NEVER_NV,
    PERSON,
    REQUEST_R,
    SUMMER,
    USE_D,
    WINTER_2026,
    book_with,
    document,
    kst,
)
from tests.domain.test_replay_against_oracle import Written, histories
from tests.domain.test_replay_against_oracle import document as read
from tests.domain.test_replay_against_oracle import fact as fact_written
from tests.test_oracle import CASES, Row, facts_of, moment, policy_of

NEVER_EXPOSED = 100_000
A_DAY_SECONDS = 86_400
EVERYBODY = 2**32
SECOND = timedelta(seconds=1)
YEARLY = document("Y", validity="P1Y", renew_on="never", eligible_after=None)
SPRING_2025 = kst("2025-04-15T12:00")


def accepted(at: datetime, channel: str = "app") -> Attempt:
    return Attempt(use=Use(at=at, channel=channel), accepted=True)


def refused(at: datetime, channel: str = "app", purpose: str | None = None) -> Attempt:
    return Attempt(use=Use(at=at, channel=channel, purpose=purpose), accepted=False)


def reissued(at: datetime, *, after_lapse: bool = False) -> Reissued:
    return Reissued(at=at, after_lapse=after_lapse)


def everybody_after(*delays: timedelta) -> ReturnAsFitted:
    seconds = tuple(int(delay.total_seconds()) for delay in delays)
    return ReturnAsFitted(returning=EVERYBODY, delays_seconds=seconds, seed=0)


def life_of(
    *then: Step,
    policy: RenewalPolicy = USE_D,
    until: datetime = LATER,
    behavior: Behavior | None = None,
    exposed_after_days: int = NEVER_EXPOSED,
    issue_at: datetime = ISSUE,
) -> Life:
    """A chain issued at ISSUE unless told otherwise; who is locked out leaves, unless told otherwise."""
    issue = Issue(
        at=issue_at,
        customer=PERSON,
        kind=Kind.KB_MOBILE_CERTIFICATE,
        holder=HolderKind.PERSONAL,
        policy=policy.ref,
    )
    return replay(
        Chain(key=1, issue=issue, then=then),
        policies=book_with(policy, YEARLY),
        until=until,
        exposed_after_days=exposed_after_days,
        behavior=behavior or Leave(),
    )


def days(first: str, last: str) -> int:
    """How many days there are from one to another, both included."""
    return (date.fromisoformat(last) - date.fromisoformat(first)).days + 1


TO_THE_END = days("2024-03-15", "2026-03-15")
"""The days of a credential issued at ISSUE that nothing renewed."""


# --- 1. The first issue


def test_a_chain_begins_with_its_issue() -> None:
    assert life_of(until=ELIGIBLE) == Life(valid_days=days("2024-03-15", "2025-03-16"), valid=True)


def test_a_chain_issued_at_the_last_moment_is_valid_on_that_day() -> None:
    assert life_of(until=ISSUE) == Life(valid_days=1, valid=True)


def test_nothing_becomes_of_a_chain_that_is_issued_later() -> None:
    assert life_of(accepted(ISSUE), until=ISSUE - SECOND) == Life()


def test_a_policy_that_does_not_concern_the_holder_issues_nothing() -> None:
    with pytest.raises(Refused):
        life_of(policy=document("Q", holders=["corporate"]))


def test_what_comes_at_the_last_moment_counts_and_nothing_after_it() -> None:
    assert life_of(accepted(AUTUMN_2025), until=AUTUMN_2025).renewed_at == [AUTUMN_2025]
    assert life_of(accepted(AUTUMN_2025), until=AUTUMN_2025 - SECOND).renewed_at == []
    assert life_of(Revoke(at=SUMMER), until=SUMMER - SECOND).valid


# --- 2. Attempts while it is valid


@pytest.mark.parametrize("attempt", [accepted, refused])
def test_an_attempt_on_a_valid_credential_is_a_use_however_it_went_in_fact(
    attempt: Callable[[datetime], Attempt],
) -> None:
    life = life_of(attempt(AUTUMN_2025), until=APRIL_2026)

    assert life.renewed_at == [AUTUMN_2025]
    assert (life.valid, life.lockouts) == (True, 0)


def test_a_use_that_does_not_qualify_renews_nothing_and_is_no_lock_out() -> None:
    life = life_of(accepted(AUTUMN_2025, "web"), until=WINTER_2026, exposed_after_days=0)

    assert (life.renewed_at, life.lockouts, life.valid) == ([], 0, True)
    # But a use it is: that day is not exposed, nor is that of the issue.
    assert life.exposed_days == life.valid_days - 2


def test_an_attempt_while_suspended_is_as_if_it_had_not_been() -> None:
    life = life_of(Suspend(at=SUMMER), accepted(AUTUMN_2025), until=WINTER_2026, exposed_after_days=0)

    assert (life.renewed_at, life.lockouts, life.valid) == ([], 0, True)
    assert life.exposed_days == life.valid_days - 1


# --- 3. Attempts after a lapse


def test_a_use_in_the_grace_renews() -> None:
    life = life_of(accepted(APRIL_2026), policy=GRACE_G, until=APRIL_2026)

    assert (life.renewed_at, life.lapsed_at, life.lockouts, life.valid) == ([APRIL_2026], [END], 0, True)


@pytest.mark.parametrize("attempt", [accepted, refused])
def test_the_first_attempt_that_is_refused_after_a_lapse_is_a_lock_out(
    attempt: Callable[[datetime], Attempt],
) -> None:
    life = life_of(attempt(END), attempt(APRIL_2026))

    assert (life.lapsed_at, life.lockouts, life.reissues) == ([END], 1, 0)
    assert (life.valid_days, life.valid) == (TO_THE_END, False)


def test_the_last_second_is_not_locked_out() -> None:
    assert life_of(accepted(END - SECOND), policy=NEVER_NV, until=END - SECOND).lockouts == 0


def test_a_lock_out_is_one_suspended_or_not() -> None:
    assert life_of(Suspend(at=SUMMER), accepted(APRIL_2026)).lockouts == 1


def test_a_use_in_the_grace_that_does_not_qualify_is_locked_out() -> None:
    assert life_of(refused(APRIL_2026, "web"), policy=GRACE_G).lockouts == 1


def test_each_lapse_may_lock_out_once() -> None:
    again = kst("2028-06-01")
    life = life_of(refused(APRIL_2026, "web"), accepted(APRIL_2026), refused(again), refused(again), policy=GRACE_G)

    assert (life.renewed_at, life.lockouts) == ([APRIL_2026], 2)


def test_after_an_attempt_refused_in_fact_the_record_is_followed() -> None:
    for behavior in (Leave(), Return(), everybody_after(SECOND)):
        life = life_of(refused(APRIL_2026), reissued(GRACE_END, after_lapse=True), until=GRACE_END, behavior=behavior)

        assert (life.lockouts, life.reissues, life.valid) == (1, 1, True)


def test_who_leaves_is_over_whatever_follows() -> None:
    life = life_of(accepted(APRIL_2026), reissued(GRACE_END), accepted(GRACE_END), behavior=Leave())

    assert (life.lockouts, life.reissues, life.valid_days, life.valid) == (1, 0, TO_THE_END, False)


def test_who_returns_at_once_has_the_next_credential_issued_at_the_attempt() -> None:
    life = life_of(accepted(APRIL_2026), until=kst("2026-04-30"), behavior=Return(), exposed_after_days=0)

    assert (life.lockouts, life.reissues, life.renewed_at, life.valid) == (1, 1, [], True)
    assert life.valid_days == TO_THE_END + days("2026-04-01", "2026-04-30")
    assert life.exposed_days == life.valid_days - 2


def test_an_attempt_refused_in_fact_before_one_that_was_accepted_does_not_count_twice() -> None:
    life = life_of(refused(APRIL_2026), accepted(APRIL_2026), until=GRACE_END, behavior=Return())

    assert (life.lockouts, life.reissues, life.valid) == (1, 1, True)


def test_the_blocked_attempt_is_a_use_of_the_new_credential() -> None:
    at_once = document("I", calendar="instant", eligible_after="P0D")
    lapse = kst("2026-03-15T10:00")

    life = life_of(accepted(APRIL_2026), policy=at_once, until=APRIL_2026, behavior=Return())

    assert (life.lapsed_at, life.renewed_at, life.reissues) == ([lapse], [APRIL_2026], 1)


def test_the_new_credential_has_all_its_renewals_left() -> None:
    once = document("M1", max_renewals=1)
    uses = [kst(day) for day in ("2025-06-01", "2026-06-01", "2028-06-01", "2029-06-02")]

    life = life_of(*map(accepted, uses), policy=once, until=kst("2029-07-01"), behavior=Return())

    assert (life.renewed_at, life.reissues) == ([uses[0], uses[3]], 1)


# --- 3. As fitted


def test_who_returns_after_a_delay_is_locked_out_until_then() -> None:
    back = kst("2026-05-01T12:00")
    meanwhile = [accepted(APRIL_2026 + SECOND), accepted(back - SECOND)]
    behavior = everybody_after(back - APRIL_2026)

    life = life_of(accepted(APRIL_2026), *meanwhile, until=back, behavior=behavior, exposed_after_days=0)

    assert (life.lockouts, life.reissues, life.valid) == (1, 1, True)
    assert life.valid_days == TO_THE_END + 1


def test_who_would_return_later_has_not_yet() -> None:
    behavior = everybody_after(GRACE_END - APRIL_2026)

    life = life_of(accepted(APRIL_2026), until=GRACE_END - SECOND, behavior=behavior)

    assert (life.lockouts, life.reissues, life.valid) == (1, 0, False)


def test_what_happened_meanwhile_does_not_matter() -> None:
    switch = SwitchPolicy(at=APRIL_2026, policy=CLOCK_X.ref, mode=SwitchMode.RESTART)
    meanwhile: list[Step] = [Suspend(at=APRIL_2026), switch, Revoke(at=GRACE_END)]

    life = life_of(accepted(APRIL_2026), *meanwhile, behavior=everybody_after(GRACE_END - APRIL_2026), until=LATER)

    assert (life.reissues, life.lapsed_at) == (1, [END, kst("2028-04-16")])


@pytest.mark.parametrize("after_lapse", [False, True])
def test_a_new_credential_in_fact_comes_before_the_return_of_that_second(after_lapse: bool) -> None:
    behavior = everybody_after(GRACE_END - APRIL_2026)
    fact = reissued(GRACE_END, after_lapse=after_lapse)

    life = life_of(accepted(APRIL_2026), fact, until=LATER, behavior=behavior)

    assert life.reissues == after_lapse
    assert life.lapsed_at == [END, kst("2028-04-16")]


def test_an_attempt_at_the_second_of_the_return_comes_after_it() -> None:
    behavior = everybody_after(GRACE_END - APRIL_2026)
    at_once = document("I", calendar="instant", eligible_after="P0D")

    life = life_of(accepted(APRIL_2026), accepted(GRACE_END), policy=at_once, until=GRACE_END, behavior=behavior)

    assert (life.reissues, life.renewed_at) == (1, [GRACE_END])


def test_without_a_delay_the_blocked_attempt_is_no_use() -> None:
    at_once = document("I", calendar="instant", eligible_after="P0D")

    life = life_of(accepted(APRIL_2026), policy=at_once, until=APRIL_2026, behavior=everybody_after(timedelta()))

    assert (life.reissues, life.renewed_at, life.valid) == (1, [], True)


@pytest.mark.parametrize(
    "behavior",
    [
        ReturnAsFitted(returning=0, delays_seconds=(1,), seed=0),
        ReturnAsFitted(returning=EVERYBODY, delays_seconds=(), seed=0),
    ],
    ids=["nobody returns", "no delay is known"],
)
def test_who_does_not_return_leaves(behavior: Behavior) -> None:
    facts = (accepted(APRIL_2026), reissued(GRACE_END), accepted(GRACE_END))

    assert life_of(*facts, behavior=behavior) == life_of(*facts, behavior=Leave())


def test_a_state_is_mixed_as_splitmix64_does() -> None:
    # The first outputs of SplitMix64 with seed 1234567, as its authors publish them.
    states = [1234567 + 0x9E3779B97F4A7C15 * (n + 1) for n in range(3)]

    assert [mixed(state) for state in states] == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_a_draw_decides_by_its_upper_half_and_mixes_it_again_for_the_delay() -> None:
    first, second = 6457827717110365317, 3203168211198807973
    delays = tuple(range(1000))

    def drawn(returning: int, draws: int) -> timedelta | None:
        return ReturnAsFitted(returning=returning, delays_seconds=delays, seed=34567).delay(1200000, draws)

    for draws, output in enumerate([first, second]):
        assert drawn(output >> 32, draws) is None
        assert drawn((output >> 32) + 1, draws) == timedelta(seconds=mixed(output) % 1000)


def test_each_draw_of_a_chain_is_another_and_depends_on_key_and_seed() -> None:
    def drawn(*, key: int = 7, seed: int = 3) -> list[timedelta | None]:
        fitted = ReturnAsFitted(returning=2**31, delays_seconds=tuple(range(1000)), seed=seed)
        return [fitted.delay(key, draws) for draws in range(200)]

    assert drawn() == drawn(key=7 + 2**64)
    assert len({str(each) for each in drawn()}) > 50
    assert drawn() != drawn(key=8)
    assert drawn() != drawn(seed=4)
    assert 60 < drawn().count(None) < 140


def test_a_second_lock_out_is_drawn_anew() -> None:
    seed = next(seed for seed in range(100) if _returns_once(seed))
    behavior = ReturnAsFitted(returning=2**31, delays_seconds=(A_DAY_SECONDS,), seed=seed)
    again = kst("2028-05-01")

    life = life_of(accepted(APRIL_2026), accepted(again), behavior=behavior)

    assert (life.lockouts, life.reissues, life.valid) == (2, 1, False)


def _returns_once(seed: int) -> bool:
    fitted = ReturnAsFitted(returning=2**31, delays_seconds=(0,), seed=seed)
    return fitted.delay(1, 0) is not None and fitted.delay(1, 1) is None


# --- 4. Revocation


def test_a_revocation_ends_the_chain_without_a_lock_out() -> None:
    life = life_of(Revoke(at=SUMMER), accepted(AUTUMN_2025), accepted(APRIL_2026), behavior=Return())

    assert life == Life(valid_days=days("2024-03-15", "2024-07-01"))


def test_a_revocation_in_the_grace_ends_the_chain_too() -> None:
    life = life_of(Revoke(at=APRIL_2026), accepted(APRIL_2026), policy=GRACE_G, behavior=Return())

    assert (life.lapsed_at, life.lockouts, life.reissues) == ([END], 0, 0)


def test_a_revocation_after_the_grace_is_nothing() -> None:
    life = life_of(Revoke(at=GRACE_END), accepted(GRACE_END), policy=GRACE_G, until=GRACE_END, behavior=Return())

    assert (life.lockouts, life.reissues, life.valid) == (1, 1, True)


# --- 5. New credentials, in fact


def test_a_new_credential_begins_a_new_span() -> None:
    life = life_of(reissued(SUMMER), until=WINTER_2026)

    assert (life.reissues, life.valid) == (0, True)
    # The day of the new issue belongs to both spans.
    assert life.valid_days == days("2024-03-15", "2024-07-01") + days("2024-07-01", "2026-01-10")


def test_a_new_credential_is_fresh_in_everything() -> None:
    once = document("M1", max_renewals=1)
    before = (accepted(AUTUMN_2025), ObjectToRenewal(at=WINTER_2026), Suspend(at=WINTER_2026))
    use = kst("2027-06-01")

    life = life_of(*before, reissued(APRIL_2026), accepted(use), policy=once, until=use)

    assert life.renewed_at == [AUTUMN_2025, use]


def test_a_new_credential_follows_upon_a_revocation() -> None:
    life = life_of(Revoke(at=SUMMER), reissued(AUTUMN_2025), until=WINTER_2026)

    assert (life.reissues, life.valid) == (0, True)
    assert life.valid_days == days("2024-03-15", "2024-07-01") + days("2025-10-01", "2026-01-10")


def test_a_new_credential_after_a_lapse_that_did_not_happen_is_dropped() -> None:
    life = life_of(
        accepted(AUTUMN_2025), reissued(APRIL_2026, after_lapse=True), accepted(kst("2026-10-02")), until=LATER
    )

    assert (life.reissues, life.renewed_at) == (0, [AUTUMN_2025, kst("2026-10-02")])
    assert life_of(Suspend(at=SUMMER), reissued(WINTER_2026, after_lapse=True)).lapsed_at == [END]


@pytest.mark.parametrize("policy", [USE_D, GRACE_G])
def test_a_new_credential_after_a_lapse_that_did_happen_counts(policy: RenewalPolicy) -> None:
    life = life_of(reissued(APRIL_2026, after_lapse=True), policy=policy, until=APRIL_2026)

    assert (life.lapsed_at, life.lockouts, life.reissues, life.valid) == ([END], 0, 1, True)


def test_the_clock_decides_before_a_new_credential() -> None:
    life = life_of(reissued(END, after_lapse=True), until=END)

    assert (life.lapsed_at, life.reissues, life.valid_days) == ([END], 1, TO_THE_END + 1)
    assert life_of(reissued(END), until=END).lapsed_at == [END]


def test_a_new_credential_after_a_lapse_follows_upon_a_revocation_uncounted() -> None:
    life = life_of(Revoke(at=SUMMER), reissued(APRIL_2026, after_lapse=True), until=APRIL_2026)

    assert (life.lapsed_at, life.reissues, life.valid) == ([], 0, True)


# --- 6. Other facts


def test_a_suspension_that_is_lifted_in_time_leaves_the_use_before_it() -> None:
    facts = (accepted(AUTUMN_2025), Suspend(at=AUTUMN_2025), Resume(at=WINTER_2026))

    assert life_of(*facts, policy=CLOCK_X, until=END).renewed_at == [END]
    assert life_of(*facts[:2], policy=CLOCK_X, until=END).renewed_at == []


def test_an_objection_stops_the_renewal() -> None:
    assert life_of(ObjectToRenewal(at=SUMMER), accepted(AUTUMN_2025)).renewed_at == []


def test_a_request_renews_in_its_window_alone() -> None:
    early, in_time = RequestRenewal(at=WINTER_2026), RequestRenewal(at=LAST_INSTANT)

    assert life_of(early, policy=REQUEST_R).renewed_at == []
    assert life_of(in_time, policy=REQUEST_R, until=END).renewed_at == [LAST_INSTANT]


def test_what_does_not_apply_is_passed_over() -> None:
    late = (Resume(at=SUMMER), Suspend(at=APRIL_2026), ObjectToRenewal(at=APRIL_2026), RequestRenewal(at=APRIL_2026))

    assert life_of(*late) == life_of()


def to_yearly(at: datetime, mode: SwitchMode) -> SwitchPolicy:
    return SwitchPolicy(at=at, policy=YEARLY.ref, mode=mode)


@pytest.mark.parametrize(
    ("mode", "lapsed_at"),
    [
        pytest.param(SwitchMode.KEEP, END, id="keep"),
        pytest.param(SwitchMode.RESTART, kst("2026-04-16"), id="restart"),
        pytest.param(SwitchMode.RECOMPUTE, SPRING_2025, id="recompute, but no end before the switch"),
    ],
)
def test_a_switch_hands_the_credential_over(mode: SwitchMode, lapsed_at: datetime) -> None:
    assert life_of(to_yearly(SPRING_2025, mode), accepted(AUTUMN_2025)).lapsed_at == [lapsed_at]


def test_a_switch_holds_until_the_next_credential() -> None:
    facts = (to_yearly(SPRING_2025, SwitchMode.KEEP), reissued(AUTUMN_2025), accepted(kst("2026-10-02")))

    assert life_of(*facts).renewed_at == [kst("2026-10-02")]


def test_a_switch_of_what_has_lapsed_is_passed_over() -> None:
    facts = (to_yearly(END, SwitchMode.RESTART), accepted(APRIL_2026))

    assert life_of(*facts, policy=GRACE_G, until=APRIL_2026).renewed_at == [APRIL_2026]


# --- 7. Renewals and lapses


def test_a_lapse_at_the_last_moment_counts() -> None:
    assert life_of(until=END) == Life(lapsed_at=[END], valid_days=TO_THE_END)
    assert life_of(until=END - SECOND) == Life(valid_days=TO_THE_END, valid=True)


def test_a_renewal_by_the_clock_is_one_at_the_end_of_the_period() -> None:
    life = life_of(accepted(AUTUMN_2025), policy=CLOCK_X, until=LATER)

    assert (life.renewed_at, life.lapsed_at) == ([END], [kst("2028-03-16")])
    assert life.valid_days == days("2024-03-15", "2028-03-15")


# --- 8. Days of validity and of exposure


def test_an_end_at_midnight_leaves_out_the_day_that_begins() -> None:
    assert life_of(Revoke(at=kst("2024-07-01"))).valid_days == days("2024-03-15", "2024-06-30")
    assert life_of(Revoke(at=kst("2024-07-01T00:00:01"))).valid_days == days("2024-03-15", "2024-07-01")


def test_a_span_that_is_over_at_once_has_no_days() -> None:
    life = life_of(Revoke(at=ISSUE), until=LATER, exposed_after_days=0)

    assert (life.valid_days, life.exposed_days) == (0, 0)


def test_a_midnight_at_which_the_chain_stays_valid_is_of_the_day_that_begins() -> None:
    assert life_of(until=kst("2024-07-01")).valid_days == days("2024-03-15", "2024-07-01")


def test_a_suspension_ends_no_span() -> None:
    assert life_of(Suspend(at=SUMMER)).valid_days == TO_THE_END


def test_the_grace_before_a_renewal_is_not_valid() -> None:
    life = life_of(accepted(APRIL_2026), policy=GRACE_G, until=GRACE_END)

    assert life.valid_days == TO_THE_END + days("2026-04-01", "2026-04-15")


def test_days_long_after_the_last_use_are_exposed() -> None:
    used, until = kst("2024-04-30T23:59:59"), kst("2024-06-10T12:00")

    life = life_of(accepted(used), accepted(until), until=until, exposed_after_days=30)

    # From 15 March on, the days after 14 April until the day before the use; from then on those after 30 May.
    assert life.exposed_days == days("2024-04-15", "2024-04-29") + days("2024-05-31", "2024-06-09")


def test_days_between_uses_that_are_near_are_not_exposed() -> None:
    life = life_of(
        accepted(SUMMER), accepted(SUMMER + SECOND), until=SUMMER + timedelta(days=30), exposed_after_days=120
    )

    assert life.exposed_days == 0


def test_the_last_exposed_day_is_the_last_valid_one() -> None:
    assert life_of(exposed_after_days=30).exposed_days == TO_THE_END - 31
    assert life_of(until=kst("2024-04-16"), exposed_after_days=30).exposed_days == 2


def test_exposure_begins_anew_with_a_span() -> None:
    life = life_of(reissued(SUMMER), until=SUMMER + timedelta(days=31), exposed_after_days=30)

    assert life.exposed_days == days("2024-04-15", "2024-07-01") + 1


def test_an_end_just_before_midnight_is_of_the_day_before() -> None:
    # A period counted from the last microsecond of a day, in a calendar that counts by the instant.
    instant = document("I", calendar="instant", renew_on="expiry", validity="P1Y", eligible_after="P0D")
    issue = Issue(
        at=ISSUE,
        customer=PERSON,
        kind=Kind.KB_MOBILE_CERTIFICATE,
        holder=HolderKind.PERSONAL,
        policy=CLOCK_X.ref,
    )
    then: list[Step] = [accepted(AUTUMN_2025), SwitchPolicy(at=WINTER_2026, policy=instant.ref, mode=SwitchMode.KEEP)]

    life = replay(
        Chain(key=0, issue=issue, then=then),
        policies=book_with(instant),
        until=LATER,
        exposed_after_days=NEVER_EXPOSED,
        behavior=Leave(),
    )

    assert (life.renewed_at, life.lapsed_at) == ([END], [kst("2027-03-16") - MICROSECOND])
    assert life.valid_days == days("2024-03-15", "2027-03-15")


# --- 9. Valid in the end


@pytest.mark.parametrize(
    ("then", "valid"),
    [
        pytest.param([], True, id="valid"),
        pytest.param([Suspend(at=SUMMER)], True, id="suspended"),
        pytest.param([Revoke(at=SUMMER)], False, id="revoked"),
        pytest.param([to_yearly(SUMMER, SwitchMode.RECOMPUTE)], False, id="lapsed"),
    ],
)
def test_what_is_suspended_is_valid(then: Sequence[Step], valid: bool) -> None:
    assert life_of(*then, until=AUTUMN_2025).valid == valid


def test_what_never_expires_stays_valid() -> None:
    assert life_of(policy=FOREVER_N, until=LATER).valid


# --- Against the replay of a single credential


def alike(history: History, *, policies: PolicyBook, until: datetime, exposed_after_days: int) -> None:
    """A chain whose attempts were all refused in fact is one credential, and nobody does what he did not."""
    then = [refused(fact.at, fact.channel, fact.purpose) if isinstance(fact, Use) else fact for fact in history.facts]
    life = replay(
        Chain(key=0, issue=history.issue, then=[step for step in then if isinstance(step, Step)]),
        policies=policies,
        until=until,
        exposed_after_days=exposed_after_days,
        behavior=Leave(),
    )
    expected = what_if.replay(history, policies=policies, as_of=until)

    assert life.renewed_at == list(expected.renewed_at)
    assert life.lapsed_at == [event.at for event in expected.events if isinstance(event, Expired)]
    assert life.lockouts == lockouts(expected.events)
    assert life.reissues == 0
    assert (life.valid_days, life.exposed_days, life.valid) == by_day(
        history, expected.events, until, exposed_after_days
    )


def lockouts(events: Iterable[Event]) -> int:
    """How many lapses were followed by a refusal before anything renewed the credential."""
    found = 0
    locked = True
    for event in events:
        if isinstance(event, Expired):
            locked = False
        elif isinstance(event, UseRefused) and event.reason is Refusal.EXPIRED and not locked:
            locked = True
            found += 1
    return found


def by_day(history: History, events: Iterable[Event], until: datetime, after_days: int) -> tuple[int, int, bool]:
    """Valid days, exposed days, and validity in the end, counted day by day."""
    spans: list[tuple[date, date, list[date]]] = []
    since, uses = history.issue.at, list[date]()
    valid = since <= until
    for event in events:
        if isinstance(event, Used) and valid:
            uses.append(seoul(event.at))
        elif isinstance(event, Expired | Revoked) and valid:
            spans += [(seoul(since), seoul(event.at - MICROSECOND), uses)] if event.at > since else []
            valid = False
        elif isinstance(event, AutoRenewed) and event.cause is RenewalCause.GRACE:
            since, uses, valid = event.at, [], True
    spans += [(seoul(since), seoul(until), uses)] if valid else []
    exposed = sum(
        (day - max(use for use in (first, *used) if use <= day)).days > after_days
        for first, last, used in spans
        for day in each_day(first, last)
    )
    return sum((last - first).days + 1 for first, last, _ in spans), exposed, valid


def each_day(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def seoul(moment_asked: datetime) -> date:
    return moment_asked.astimezone(ZoneInfo("Asia/Seoul")).date()


def history_of(facts: Sequence[Written], policy: RenewalPolicy, named: dict[str, RenewalPolicy]) -> History:
    switches = {name: other.ref for name, other in named.items()}
    return History(
        name="C1",
        issue=Issue(
            at=facts[0]["at"].astimezone(UTC),
            customer=PERSON,
            kind=Kind.KB_MOBILE_CERTIFICATE,
            holder=HolderKind.PERSONAL,
            policy=policy.ref,
        ),
        facts=[fact_written(each, switches) for each in facts[1:] if each["fact"] not in OBSERVED],
    )


OBSERVED = ("refused", "renewed", "expired")
"""What another system saw or decided is not told of a chain."""


@settings(max_examples=200, deadline=None)
@given(histories(), st.sampled_from([0, 30, 400]))
def test_any_single_credential_comes_out_as_its_replay_does(
    case: tuple[list[Written], Written, dict[str, Written], datetime], exposed_after_days: int
) -> None:
    facts, policy, others, until = case
    main, named = read(policy, "main"), {name: read(other, name) for name, other in others.items()}

    history = history_of(facts, main, named)
    alike(
        history,
        policies=PolicyBook.of(main, *named.values()),
        until=until,
        exposed_after_days=exposed_after_days,
    )


@pytest.mark.parametrize("row", CASES, ids=lambda row: row["case_id"])
def test_a_worked_case_of_any_policy_comes_out_as_reasoned(row: Row) -> None:
    facts = facts_of(row["issued_at"], row["facts"])
    others = {each["policy"]: policy_of(each["policy"]) for each in facts if "policy" in each}
    main = read(policy_of(row["policy"]), "main")
    named = {name: read(other, f"other-{n}") for n, (name, other) in enumerate(others.items())}
    until = datetime.fromisoformat(row["as_of"]).astimezone(UTC)
    history = history_of(facts, main, named)
    then = [refused(fact.at, fact.channel, fact.purpose) if isinstance(fact, Use) else fact for fact in history.facts]

    life = replay(
        Chain(key=0, issue=history.issue, then=[step for step in then if isinstance(step, Step)]),
        policies=PolicyBook.of(main, *named.values()),
        until=until,
        exposed_after_days=NEVER_EXPOSED,
        behavior=Leave(),
    )

    assert life.renewed_at == [moment(each) for each in row["renewed_at"].split(";") if each]
    assert life.valid == (row["state"] in ("active", "suspended"))


def test_the_worked_cases_know_every_policy() -> None:
    asked = {row["policy"].partition("+")[0] for row in CASES}

    assert asked >= {"D", "C", "I", "X", "XA", "L6", "UE", "M1", "G30", "U3", "NV", "N", "J1", "F3"}


# --- Against itself

MUCH_LATER = kst("2040-01-01")
SEOUL_DAYS = st.integers(0, 2500).map(lambda n: ISSUE + timedelta(days=n))
STEPS = st.one_of(
    st.builds(accepted, SEOUL_DAYS),
    st.builds(accepted, SEOUL_DAYS),
    st.builds(refused, SEOUL_DAYS),
    st.builds(Reissued, at=SEOUL_DAYS, after_lapse=st.booleans()),
    st.builds(Revoke, at=SEOUL_DAYS),
)
STORIES = st.lists(STEPS, max_size=10).map(lambda steps: sorted(steps, key=lambda step: step.at))
PLAIN_POLICIES = st.sampled_from([*(BOOK.policies[name].versions[0] for name in BOOK.policies), YEARLY])
BEHAVIORS = st.sampled_from([Return(), everybody_after(timedelta(days=5)), everybody_after(timedelta())])


@settings(max_examples=100, deadline=None)
@given(STORIES, PLAIN_POLICIES, BEHAVIORS)
def test_nobody_has_less_by_coming_back(steps: list[Step], policy: RenewalPolicy, behavior: Behavior) -> None:
    gone, back = life_of(*steps, policy=policy), life_of(*steps, policy=policy, behavior=behavior)

    assert gone.valid_days <= back.valid_days
    assert gone.reissues <= back.reissues
    assert gone.renewed_at == back.renewed_at[: len(gone.renewed_at)]
    assert gone.lapsed_at == back.lapsed_at[: len(gone.lapsed_at)]


@settings(max_examples=100, deadline=None)
@given(STORIES, PLAIN_POLICIES, BEHAVIORS, SEOUL_DAYS)
def test_what_was_decided_stays_decided(
    steps: list[Step], policy: RenewalPolicy, behavior: Behavior, until: datetime
) -> None:
    then, later = (life_of(*steps, policy=policy, behavior=behavior, until=end) for end in (until, MUCH_LATER))

    assert then.renewed_at == [at for at in later.renewed_at if at <= until]
    assert then.lapsed_at == [at for at in later.lapsed_at if at <= until]
    assert then.lockouts <= later.lockouts
    assert then.valid_days <= later.valid_days


@settings(max_examples=50, deadline=None)
@given(STORIES, BEHAVIORS)
def test_what_never_expires_locks_nobody_out(steps: list[Step], behavior: Behavior) -> None:
    life = life_of(*steps, policy=FOREVER_N, behavior=behavior)

    assert (life.lapsed_at, life.lockouts, life.reissues) == ([], 0, 0)
