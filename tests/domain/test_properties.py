"""What holds for every history: random commands, in order of time or not, under random policies."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from sealbook.domain import credential, renewal
from sealbook.domain.calendar import Calendar
from sealbook.domain.credential import (
    Adopt,
    AutoRenewed,
    CompleteReset,
    ConsentToRenewal,
    Credential,
    Event,
    Expired,
    LinkService,
    ObjectToRenewal,
    PolicySwitched,
    RecordLock,
    RemoveUnlockMethod,
    Renewed,
    ReportLoss,
    RequireReset,
    Resume,
    Revoke,
    Revoked,
    SendExpiryNotice,
    SendRenewalNotice,
    Settle,
    SetUnlockMethod,
    Suspend,
    UnlinkService,
    Unlock,
    Used,
    fold,
    issued,
)
from sealbook.domain.policy_document import LOOK_BACK_USES_MAX
from sealbook.domain.values import RenewalCause, SwitchMode
from tests.domain.examples import USE_D, credential_after, issued_under, used
from tests.domain.lives import THOROUGH, Life, decided, lives
from tests.domain.test_replay_against_oracle import moments

# --- What is final.


@THOROUGH
@given(lives())
def test_nothing_revives_a_revoked_credential(life: Life) -> None:
    revoked = replace(life, commands=[Revoke(at=life.issued.at), *life.commands])

    assert revoked.end() == credential_after(life.issued, Revoked(at=life.issued.at, reason=None))


@THOROUGH
@given(lives())
def test_nothing_changes_a_credential_that_has_ended(life: Life) -> None:
    for step in life.steps():
        if step.before.ended_at(step.command.at):
            before, after = step.before, issued(fold(step.events, since=step.before))
            # A use that reaches back before the lapse is recorded, but counts for nothing.
            assert after == before


@THOROUGH
@given(lives())
def test_a_refusal_is_an_answer_and_never_a_crash(life: Life) -> None:
    for step in life.steps():
        if step.refused and isinstance(step.command, Adopt):
            assert step.command.at < life.issued.at


# --- Doing it again.


IDEMPOTENT = (
    (Suspend | Resume | Settle | ObjectToRenewal | RecordLock | Unlock | ReportLoss | RequireReset | CompleteReset)
    | (SetUnlockMethod | RemoveUnlockMethod | LinkService | UnlinkService)
    | (SendExpiryNotice | SendRenewalNotice | ConsentToRenewal)
)


@THOROUGH
@given(lives())
def test_an_idempotent_command_given_twice_is_given_once(life: Life) -> None:
    for step in life.steps():
        if isinstance(step.command, IDEMPOTENT) and not step.refused:
            after = issued(fold(step.events, since=step.before))

            assert decided(after, step.command, life.policies) == ()


@THOROUGH
@given(lives(), moments)
def test_settling_twice_is_settling_once(life: Life, at: datetime) -> None:
    state = life.end()
    settled = issued(fold(credential.settle(state, life.policies, at), since=state))

    assert credential.settle(settled, life.policies, at) == ()


@THOROUGH
@given(lives(), moments, moments)
def test_settling_by_steps_is_settling_at_once(life: Life, first: datetime, second: datetime) -> None:
    state, (sooner, later) = life.end(), sorted((first, second))
    begun = credential.settle(state, life.policies, sooner)
    rest = credential.settle(issued(fold(begun, since=state)), life.policies, later)

    assert begun + rest == credential.settle(state, life.policies, later)


@THOROUGH
@given(lives(), st.data())
def test_a_history_may_be_folded_in_parts(life: Life, data: st.DataObject) -> None:
    history = life.events()
    cut = data.draw(st.integers(1, len(history)))

    assert fold(history[cut:], since=fold(history[:cut])) == fold(history)


# --- What a use needs, and a renewal.


def grace_uses(events: Iterable[Event]) -> set[datetime]:
    return {event.at for event in events if isinstance(event, AutoRenewed) and event.cause is RenewalCause.GRACE}


@THOROUGH
@given(lives(in_order=True))
def test_a_use_is_within_the_validity_save_one_that_ends_a_grace(life: Life) -> None:
    for step in life.steps():
        ends_a_grace = grace_uses(step.events)
        for state, event, _ in step.each():
            if isinstance(event, Used):
                assert state.issued_at <= event.at
                assert credential.refusal_of_use(replace(state, lapsed_at=None), event.at, device=None) is None
                within = state.expires_at is None or event.at < state.expires_at
                assert within or event.at in ends_a_grace


@THOROUGH
@given(lives(in_order=True))
def test_what_is_decided_about_a_history_in_order_is_in_order(life: Life) -> None:
    moments_of_events = [event.at for event in life.events()]

    assert moments_of_events == sorted(moments_of_events)


@THOROUGH
@given(lives())
def test_a_policy_that_renews_by_use_needs_the_use_that_it_follows(life: Life) -> None:
    for step in life.steps():
        for use, event in zip((None, *step.events), step.events, strict=False):
            if isinstance(event, AutoRenewed) and event.cause is not RenewalCause.EXPIRY:
                renews_on = life.policies.policy(event.policy).renew_on
                assert isinstance(use, Used)
                assert (use.at, use.qualifies) == (event.at, True)
                assert renews_on == "use" if event.cause is RenewalCause.USE else renews_on in ("use", "expiry")


@THOROUGH
@given(lives())
def test_a_renewal_by_the_clock_needs_uses_of_the_right_moment(life: Life) -> None:
    uses: list[datetime] = []
    for step in life.steps():
        for state, event, _ in step.each():
            if isinstance(event, Used) and event.qualifies:
                uses.append(event.at)
            if isinstance(event, AutoRenewed) and event.cause is RenewalCause.EXPIRY:
                policy, bounds = life.policies.policy(event.policy), state.term.bounds
                assert policy.renew_on == "expiry"
                assert event.at == bounds.expires_at
                assert bounds.eligible_from is not None
                assert bounds.eligible_from <= event.at
                since = bounds.eligible_from if policy.usage_since == "eligible" else life.issued.at
                assert sum(use >= since for use in uses) >= policy.min_uses
            if isinstance(event, AutoRenewed | Renewed) or (
                isinstance(event, PolicySwitched) and event.mode is not SwitchMode.KEEP
            ):
                uses.clear()


@THOROUGH
@given(lives())
def test_nothing_renews_beyond_the_most_that_the_policy_allows(life: Life) -> None:
    for step in life.steps():
        for state, event, after in step.each():
            if isinstance(event, AutoRenewed | Renewed):
                assert renewal.renewals_left(life.policies.policy(event.policy), state.term)
                assert after.term.renewals == state.term.renewals + 1
                assert not state.suspended
                assert not (state.term.objected and isinstance(event, AutoRenewed))


@THOROUGH
@given(lives(in_order=True))
def test_the_end_never_moves_back_but_by_a_switch_or_a_shorter_validity(life: Life) -> None:
    set_by, first_period = life.issued.policy, True
    for step in life.steps():
        for state, event, after in step.each():
            if isinstance(event, AutoRenewed | Renewed):
                policy = life.policies.policy(event.policy)
                shorter = first_period and policy.validity_of_renewal != policy.validity
                # To the instant, a day clamped to the month's end may be hours before: not so by days.
                comparable = policy.ref == set_by and not shorter and policy.calendar is not Calendar.INSTANT
                assert not comparable or _end(after) >= _end(state)
                set_by, first_period = event.policy, False
            elif isinstance(event, PolicySwitched):
                if event.mode is SwitchMode.RECOMPUTE:
                    assert _end(after) >= event.at
                if event.mode is not SwitchMode.KEEP:
                    set_by, first_period = event.policy, not event.bounds.by_renewal
            else:
                assert after.expires_at == state.expires_at


def _end(state: Credential) -> datetime:
    return state.expires_at or datetime.max.replace(tzinfo=UTC)


@THOROUGH
@given(lives())
def test_a_lapse_is_at_the_end_and_its_grace_after_it(life: Life) -> None:
    for step in life.steps():
        for state, event, after in step.each():
            if isinstance(event, Expired):
                assert event.at == state.expires_at
                assert event.grace_until >= event.at
                assert after.lapsed_at == event.at


# --- The size of the state.


@THOROUGH
@given(lives())
def test_a_state_stays_small(life: Life) -> None:
    assert len(life.end().term.uses.recent) <= LOOK_BACK_USES_MAX


@THOROUGH
@given(st.lists(st.datetimes(datetime(2024, 3, 16), datetime(2025, 3, 1), timezones=st.just(UTC)), max_size=60))  # noqa: DTZ001
def test_the_latest_uses_are_kept_and_all_are_counted(moments_of_use: list[datetime]) -> None:
    uses = credential_after(issued_under(USE_D), *map(used, moments_of_use)).term.uses

    assert uses.recent == tuple(sorted(moments_of_use)[-LOOK_BACK_USES_MAX:])
    assert uses.count == len(moments_of_use)
    assert uses.first == min(moments_of_use, default=None)
