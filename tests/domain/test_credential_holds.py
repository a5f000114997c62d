"""Suspension can be lifted; revocation is final."""

import pytest

from sealbook.domain.credential import (
    AutoRenewed,
    Command,
    Event,
    Expired,
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
    Used,
)
from sealbook.domain.errors import Refusal
from sealbook.domain.values import RenewalCause, SwitchMode
from tests.domain.examples import (
    APRIL_2026,
    AUTUMN_2025,
    BOOK,
    CLOCK_X,
    END,
    GRACE_END,
    GRACE_G,
    ISSUE,
    LAST_INSTANT,
    LATER,
    SUMMER,
    USE_D,
    by_renewal,
    credential_after,
    issued_under,
    kst,
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
    given(ISSUED, SUSPENDED, policies=BOOK).when(Resume(at=AUTUMN_2025)).then(Resumed(at=AUTUMN_2025))


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
        pytest.param((SUSPENDED,), Resume(at=APRIL_2026), Resumed(at=APRIL_2026), id="resumed"),
        pytest.param((), Revoke(at=APRIL_2026), Revoked(at=APRIL_2026, reason=None), id="revoked"),
    ],
)
def test_in_its_grace_a_credential_may_still_be(before: tuple[Event, ...], command: Command, expected: Event) -> None:
    given(IN_GRACE, *before, LAPSED_INTO_GRACE, policies=BOOK).when(command).then(expected)


@pytest.mark.parametrize("command", [Suspend(at=GRACE_END), Resume(at=GRACE_END), Revoke(at=GRACE_END)])
def test_at_the_end_of_the_grace_it_is_too_late(command: Command) -> None:
    given(IN_GRACE, LAPSED_INTO_GRACE, policies=BOOK).when(command).then_refused(Refusal.ALREADY_FINAL)


# --- The clock runs before a command of the same instant.

COUNTED = Used(at=AUTUMN_2025, channel="app", purpose=None, qualifies=True)


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
