"""Suspension can be lifted; revocation is final."""

from dataclasses import replace
from datetime import datetime

import pytest

from sealbook.domain.calendar import MICROSECOND, Period
from sealbook.domain.credential import (
    Adopt,
    AutoRenewed,
    CloneSuspected,
    Command,
    Event,
    Expired,
    LossReported,
    ObjectToRenewal,
    RequestRenewal,
    Resume,
    Resumed,
    Revoke,
    Revoked,
    Settle,
    Suspend,
    Suspended,
    SwitchPolicy,
    fact_of,
)
from sealbook.domain.credential.holds import suspension_ends_at
from sealbook.domain.errors import Refusal
from sealbook.domain.values import RenewalCause, SuspensionReason, SwitchMode
from tests.domain.examples import (
    APRIL_2026,
    AUTUMN_2025,
    BOOK,
    CLOCK_X,
    END,
    GRACE_END,
    GRACE_G,
    ISSUE,
    KINDS,
    LAST_INSTANT,
    LATER,
    MOBILE,
    SOON,
    SUMMER,
    USE_D,
    WINTER_2026,
    by_renewal,
    credential_after,
    issued_under,
    kinds_with,
    kst,
    used,
)
from tests.scenario import given

ISSUED, IN_GRACE = issued_under(USE_D), issued_under(GRACE_G)
SUSPENDED = Suspended(at=SUMMER, reason="lost")
REVOKED = Revoked(at=SUMMER, reason="key compromise")
LAPSED = Expired(at=END, policy=USE_D.ref, grace_until=END)
LAPSED_INTO_GRACE = Expired(at=END, policy=GRACE_G.ref, grace_until=GRACE_END)


def test_a_credential_is_suspended_for_a_reason() -> None:
    given(ISSUED, policies=BOOK).when(Suspend(at=SUMMER, reason="lost")).then(SUSPENDED)


def test_suspending_again_does_nothing() -> None:
    given(ISSUED, SUSPENDED, policies=BOOK).when(Suspend(at=AUTUMN_2025)).then()


def test_a_suspension_is_lifted() -> None:
    given(ISSUED, SUSPENDED, policies=BOOK).when(Resume(at=SOON)).then(Resumed(at=SOON, evidence=None))


def test_who_resumes_may_say_how_the_holder_was_identified() -> None:
    given(ISSUED, SUSPENDED, policies=BOOK).when(Resume(at=SOON, evidence="branch 7")).then(
        Resumed(at=SOON, evidence="branch 7")
    )


def test_resuming_what_is_not_suspended_does_nothing() -> None:
    given(ISSUED, policies=BOOK).when(Resume(at=SUMMER)).then()


@pytest.mark.parametrize("before", [(), (SUSPENDED,)], ids=["active", "suspended"])
def test_a_credential_is_revoked_for_a_reason(before: tuple[Event, ...]) -> None:
    given(ISSUED, *before, policies=BOOK).when(Revoke(at=SUMMER, reason="key compromise")).then(REVOKED)


def test_a_revocation_leaves_the_end_as_it_was() -> None:
    assert credential_after(ISSUED, REVOKED).expires_at == END


CHANGES: list[Command] = [
    Suspend(at=LATER),
    Resume(at=LATER),
    Revoke(at=LATER),
    RequestRenewal(at=LATER),
    ObjectToRenewal(at=LATER),
    SwitchPolicy(at=LATER, policy=CLOCK_X.ref, mode=SwitchMode.RESTART),
]


@pytest.mark.parametrize("end", [REVOKED, LAPSED], ids=["revoked", "lapsed"])
@pytest.mark.parametrize("command", CHANGES, ids=lambda command: type(command).__name__)
def test_nothing_changes_a_credential_that_has_ended(end: Event, command: Command) -> None:
    given(ISSUED, end, policies=BOOK).when(command).then_refused(Refusal.ALREADY_FINAL)


def test_time_decides_nothing_about_a_revoked_credential() -> None:
    given(ISSUED, REVOKED, policies=BOOK).when(Settle(at=LATER)).then()


@pytest.mark.parametrize(
    ("before", "command", "expected"),
    [
        pytest.param((), Suspend(at=APRIL_2026), Suspended(at=APRIL_2026, reason=None), id="suspended"),
        pytest.param(
            (Suspended(at=WINTER_2026, reason=None),),
            Resume(at=APRIL_2026),
            Resumed(at=APRIL_2026, evidence=None),
            id="resumed",
        ),
        pytest.param((), Revoke(at=APRIL_2026), Revoked(at=APRIL_2026, reason=None), id="revoked"),
    ],
)
def test_in_its_grace_a_credential_may_still_be(before: tuple[Event, ...], command: Command, expected: Event) -> None:
    given(IN_GRACE, *before, LAPSED_INTO_GRACE, policies=BOOK).when(command).then(expected)


@pytest.mark.parametrize("command", [Suspend(at=GRACE_END), Resume(at=GRACE_END), Revoke(at=GRACE_END)])
def test_at_the_end_of_the_grace_it_is_too_late(command: Command) -> None:
    given(IN_GRACE, LAPSED_INTO_GRACE, policies=BOOK).when(command).then_refused(Refusal.ALREADY_FINAL)


# --- What lifts a suspension.

HELD_UNTIL = kst("2024-09-29T09:00")
"""Ninety days after the suspension in the summer."""
LOST = LossReported(at=SUMMER, lost_at=None, theft=False)
STOLEN = LossReported(at=SUMMER, lost_at=None, theft=True)
COPIED = CloneSuspected(at=SUMMER, evidence=None)


def held_for(reason: SuspensionReason) -> Suspended:
    return Suspended(at=SUMMER, reason=reason)


def test_a_suspension_is_lifted_until_it_has_lasted_as_long_as_the_kind_allows() -> None:
    last = HELD_UNTIL - MICROSECOND

    given(ISSUED, SUSPENDED, policies=BOOK).when(Resume(at=last)).then(Resumed(at=last, evidence=None))
    given(ISSUED, SUSPENDED, policies=BOOK).when(Resume(at=HELD_UNTIL, evidence="branch 7")).then_refused(
        Refusal.EXPIRED
    )


def test_each_kind_says_how_long_a_suspension_may_last() -> None:
    a_day = kinds_with(MOBILE, suspension_max=Period.parse("P1D"))

    given(ISSUED, SUSPENDED, policies=BOOK, kinds=a_day).when(Resume(at=SOON)).then_refused(Refusal.EXPIRED)
    assert suspension_ends_at(credential_after(ISSUED, SUSPENDED), KINDS) == HELD_UNTIL


def test_a_loss_told_later_does_not_lengthen_the_suspension() -> None:
    told_later = replace(LOST, at=SOON)

    given(ISSUED, SUSPENDED, told_later, policies=BOOK).when(Resume(at=HELD_UNTIL, evidence="7")).then_refused(
        Refusal.EXPIRED
    )


@pytest.mark.parametrize(
    "history",
    [
        pytest.param((LOST, held_for(SuspensionReason.LOSS_REPORTED)), id="a loss"),
        pytest.param((SUSPENDED, LOST), id="a loss told of what was suspended"),
        pytest.param((COPIED, held_for(SuspensionReason.CLONE_SUSPECTED)), id="a copy"),
        pytest.param((SUSPENDED, COPIED), id="a copy of what was suspended"),
        pytest.param((LOST, held_for(SuspensionReason.LOSS_REPORTED), COPIED), id="a copy of what was lost"),
    ],
)
def test_after_a_loss_or_a_copy_the_holder_is_identified_first(history: tuple[Event, ...]) -> None:
    given(ISSUED, *history, policies=BOOK).when(Resume(at=SOON)).then_refused(Refusal.EVIDENCE)
    given(ISSUED, *history, policies=BOOK).when(Resume(at=SOON, evidence="")).then_refused(Refusal.EVIDENCE)
    given(ISSUED, *history, policies=BOOK).when(Resume(at=SOON, evidence="branch 7")).then(
        Resumed(at=SOON, evidence="branch 7")
    )


@pytest.mark.parametrize("at", [SOON, HELD_UNTIL], ids=["in time", "too late"])
def test_after_a_theft_nothing_lifts_the_suspension(at: datetime) -> None:
    history = (ISSUED, STOLEN, held_for(SuspensionReason.THEFT_REPORTED))

    given(*history, policies=BOOK).when(Resume(at=at, evidence="branch 7")).then_refused(Refusal.PERMANENT)


def test_in_a_history_a_suspension_is_lifted_as_it_was() -> None:
    history = (ISSUED, STOLEN, held_for(SuspensionReason.THEFT_REPORTED))

    given(*history, policies=BOOK).when(Adopt(fact=Resume(at=AUTUMN_2025))).then(Resumed(at=AUTUMN_2025, evidence=None))


def test_a_suspension_says_since_when_and_why() -> None:
    held = credential_after(ISSUED, SUSPENDED)

    assert (held.suspended, held.suspended_at, held.suspended_for) == (True, SUMMER, "lost")


def test_of_a_suspension_that_is_lifted_only_its_time_is_kept() -> None:
    history = (ISSUED, LOST, held_for(SuspensionReason.LOSS_REPORTED), Resumed(at=SOON, evidence="7"))

    free = replace(credential_after(ISSUED), held_from=SUMMER, held_until=SOON)
    assert credential_after(*history) == free


def test_a_revocation_says_since_when() -> None:
    revoked = credential_after(ISSUED, REVOKED)

    assert (revoked.revoked, revoked.revoked_at) == (True, SUMMER)


# --- Replay.


@pytest.mark.parametrize(
    ("event", "fact"),
    [
        (SUSPENDED, Suspend(at=SUMMER, reason="lost")),
        (Resumed(at=SOON, evidence="7"), Resume(at=SOON, evidence="7")),
        (REVOKED, Revoke(at=SUMMER, reason="key compromise")),
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_was_done_is_a_fact(event: Event, fact: Command) -> None:
    assert fact_of(event) == fact


# --- The clock runs before a command of the same instant.

COUNTED = used(AUTUMN_2025)


def test_a_suspension_at_the_end_comes_after_the_renewal() -> None:
    bounds = by_renewal(kst("2028-03-16"), kst("2027-03-16"), base=LAST_INSTANT)
    renewed = AutoRenewed(at=END, policy=CLOCK_X.ref, cause=RenewalCause.EXPIRY, bounds=bounds)

    given(issued_under(CLOCK_X), COUNTED, policies=BOOK).when(Suspend(at=END)).then(
        renewed, Suspended(at=END, reason=None)
    )


def test_a_resumption_at_the_end_comes_too_late() -> None:
    given(issued_under(CLOCK_X), SUSPENDED, policies=BOOK).when(Resume(at=END)).then_refused(Refusal.ALREADY_FINAL)


def test_a_suspension_learned_late_is_dated_when_it_was() -> None:
    given(ISSUED, COUNTED, policies=BOOK).when(Suspend(at=ISSUE)).then(Suspended(at=ISSUE, reason=None))


def test_what_an_officer_holds_takes_the_place_of_a_restriction() -> None:
    restricted = held_for(SuspensionReason.CUSTOMER_RESTRICTED)
    fraud = Suspended(at=SOON, reason="fraud")

    given(ISSUED, restricted, policies=BOOK).when(Suspend(at=SOON, reason="fraud")).then(fraud)
    after = credential_after(ISSUED, restricted, fraud)
    assert (after.suspended_at, after.suspended_for) == (restricted.at, "fraud")


@pytest.mark.parametrize(
    ("standing", "told"), [("customer_restricted", "customer_restricted"), ("fraud", "customer_restricted")]
)
def test_a_restriction_takes_the_place_of_nothing(standing: str, told: str) -> None:
    held = Suspended(at=SUMMER, reason=standing)

    given(ISSUED, held, policies=BOOK).when(Suspend(at=SOON, reason=told)).then()
