"""Unlock methods: a PIN always, others beside it, each blocked once it has failed too often."""

import pytest

from sealbook.domain.credential import (
    Command,
    Event,
    Locked,
    RemoveUnlockMethod,
    ReportUnlockFailure,
    ResetRequired,
    Revoked,
    SetUnlockMethod,
    Suspended,
    UnlockFailed,
    UnlockMethodRemoved,
    UnlockMethodSet,
    Use,
    UseEvidence,
    fact_of,
)
from sealbook.domain.errors import Refusal
from sealbook.domain.values import Kind, UnlockMethod
from tests.domain.examples import (
    APRIL_2026,
    BOOK,
    GRACE_END,
    GRACE_G,
    ISSUE,
    MOBILE,
    SOON,
    SUMMER,
    USE_D,
    credential_after,
    expired,
    issued_under,
    kinds_with,
    refused,
    used,
)
from tests.scenario import given

PIN, PATTERN, FINGERPRINT, FACE = (
    UnlockMethod.PIN,
    UnlockMethod.PATTERN,
    UnlockMethod.FINGERPRINT,
    UnlockMethod.FACE,
)
ISSUED = issued_under(USE_D)


def chosen(*methods: UnlockMethod) -> tuple[Event, ...]:
    """An issue, and the methods set since."""
    return (ISSUED, *(UnlockMethodSet(at=ISSUE, method=method) for method in methods))


def failed(method: UnlockMethod, failures: int) -> UnlockFailed:
    return UnlockFailed(at=SUMMER, method=method, failures=failures)


def opened_by(method: UnlockMethod) -> Use:
    return Use(at=SOON, evidence=UseEvidence(unlock_method=method))


# --- Setting.


def test_a_pin_is_set_first() -> None:
    given(*chosen(), policies=BOOK).when(SetUnlockMethod(at=SUMMER, method=PIN)).then(
        UnlockMethodSet(at=SUMMER, method=PIN)
    )


@pytest.mark.parametrize("method", [PATTERN, FINGERPRINT, FACE])
def test_other_methods_stand_beside_a_pin(method: UnlockMethod) -> None:
    given(*chosen(PIN), policies=BOOK).when(SetUnlockMethod(at=SUMMER, method=method)).then(
        UnlockMethodSet(at=SUMMER, method=method)
    )
    given(*chosen(), policies=BOOK).when(SetUnlockMethod(at=SUMMER, method=method)).then_refused(Refusal.UNLOCK_METHOD)


def test_a_kind_takes_the_methods_that_it_names() -> None:
    joint = issued_under(USE_D, kind=Kind.JOINT_UNIVERSAL)
    pin = UnlockMethodSet(at=ISSUE, method=PIN)

    given(joint, policies=BOOK).when(SetUnlockMethod(at=ISSUE, method=PIN)).then(pin)
    given(joint, pin, policies=BOOK).when(SetUnlockMethod(at=SUMMER, method=FACE)).then_refused(Refusal.UNLOCK_METHOD)


@pytest.mark.parametrize("method", [PIN, FACE])
def test_setting_a_method_again_does_nothing(method: UnlockMethod) -> None:
    given(*chosen(PIN, FACE), policies=BOOK).when(SetUnlockMethod(at=SUMMER, method=method)).then()


def test_a_method_that_failed_is_set_anew() -> None:
    anew = UnlockMethodSet(at=SOON, method=FACE)

    again = SetUnlockMethod(at=SOON, method=FACE, evidence="branch 7")
    given(*chosen(PIN, FACE), failed(FACE, 1), policies=BOOK).when(again).then(anew)
    assert credential_after(*chosen(PIN, FACE), failed(FACE, 1), anew) == credential_after(*chosen(PIN, FACE))


@pytest.mark.parametrize("method", [PIN, PATTERN, FACE])
def test_a_method_that_failed_too_often_is_set_only_after_an_identification(method: UnlockMethod) -> None:
    history = (*chosen(PIN, PATTERN, FACE), failed(method, 5))

    given(*history, policies=BOOK).when(SetUnlockMethod(at=SOON, method=method)).then_refused(Refusal.EVIDENCE)
    given(*history, policies=BOOK).when(SetUnlockMethod(at=SOON, method=method, evidence="branch 7")).then(
        UnlockMethodSet(at=SOON, method=method)
    )


def test_a_limit_is_not_slipped_by_setting_the_method_again_before_it() -> None:
    given(*chosen(PIN), failed(PIN, 1), policies=BOOK).when(SetUnlockMethod(at=SOON, method=PIN)).then_refused(
        Refusal.EVIDENCE
    )


def test_removing_a_blocked_method_does_not_spare_the_identification() -> None:
    removed = UnlockMethodRemoved(at=SUMMER, method=FACE)
    history = (*chosen(PIN, FACE), failed(FACE, 5), removed)

    given(*history, policies=BOOK).when(SetUnlockMethod(at=SOON, method=FACE)).then_refused(Refusal.EVIDENCE)


def test_the_methods_are_kept_in_the_order_in_which_they_were_set() -> None:
    assert credential_after(*chosen(PIN, FACE, PATTERN, PIN)).unlock_methods.chosen == (FACE, PATTERN, PIN)


# --- Removing.


def test_a_method_beside_the_pin_is_removed() -> None:
    removed = UnlockMethodRemoved(at=SUMMER, method=FACE)

    given(*chosen(PIN, FACE), policies=BOOK).when(RemoveUnlockMethod(at=SUMMER, method=FACE)).then(removed)
    assert credential_after(*chosen(PIN, FACE, PATTERN), removed) == credential_after(*chosen(PIN, PATTERN))


@pytest.mark.parametrize("others", [(), (FACE,)], ids=["alone", "beside another"])
def test_the_pin_stays(others: tuple[UnlockMethod, ...]) -> None:
    given(*chosen(PIN, *others), policies=BOOK).when(RemoveUnlockMethod(at=SUMMER, method=PIN)).then_refused(
        Refusal.LAST_METHOD
    )


@pytest.mark.parametrize("method", [PIN, FACE])
def test_removing_what_is_not_set_does_nothing(method: UnlockMethod) -> None:
    given(*chosen(), policies=BOOK).when(RemoveUnlockMethod(at=SUMMER, method=method)).then()


# --- Failing.


def test_failures_are_counted_method_by_method() -> None:
    history = (*chosen(PIN, FACE), failed(PIN, 2))

    given(*history, policies=BOOK).when(ReportUnlockFailure(at=SOON, method=PIN)).then(
        UnlockFailed(at=SOON, method=PIN, failures=3)
    )
    given(*history, policies=BOOK).when(ReportUnlockFailure(at=SOON, method=FACE)).then(
        UnlockFailed(at=SOON, method=FACE, failures=1)
    )


def test_the_failures_of_each_method_stand_beside_one_another() -> None:
    unlocks = credential_after(*chosen(PIN, FACE), failed(PIN, 1), failed(FACE, 1), failed(PIN, 2)).unlock_methods

    assert (unlocks.failures_of(PIN), unlocks.failures_of(FACE), unlocks.failures_of(PATTERN)) == (2, 1, 0)


def test_a_method_that_is_not_set_cannot_fail() -> None:
    given(*chosen(PIN), policies=BOOK).when(ReportUnlockFailure(at=SOON, method=FACE)).then_refused(
        Refusal.UNLOCK_METHOD
    )


@pytest.mark.parametrize("method", [PIN, FACE])
def test_a_use_that_a_method_opened_sets_its_failures_to_nought(method: UnlockMethod) -> None:
    history = (*chosen(PIN, FACE), failed(PIN, 2), failed(FACE, 2))
    use = used(SOON, evidence=UseEvidence(unlock_method=method), qualifies=False)
    after = credential_after(*history, use).unlock_methods

    assert {each: after.failures_of(each) for each in (PIN, FACE)} == {PIN: 2, FACE: 2} | {method: 0}


# --- Using.


@pytest.mark.parametrize(
    ("history", "method", "opens"),
    [
        pytest.param(chosen(PIN), PIN, True, id="set"),
        pytest.param(chosen(PIN), FACE, False, id="not set"),
        pytest.param((*chosen(PIN), failed(PIN, 4)), PIN, True, id="failed four times"),
        pytest.param((*chosen(PIN), failed(PIN, 5)), PIN, False, id="failed five times"),
        pytest.param((*chosen(PIN, FACE), failed(PIN, 5)), FACE, True, id="another one failed"),
    ],
)
def test_a_use_is_opened_by_a_method_that_is_set_and_not_blocked(
    history: tuple[Event, ...], method: UnlockMethod, opens: bool
) -> None:
    use = opened_by(method)
    expected = used(SOON, evidence=use.evidence) if opens else refused(SOON, Refusal.UNLOCK_METHOD)

    given(*history, policies=BOOK).when(use).then(expected)


@pytest.mark.parametrize(("method", "opens"), [(PIN, True), (PATTERN, True), (FINGERPRINT, False), (FACE, False)])
def test_biometrics_have_a_limit_of_their_own_and_a_pattern_is_none(method: UnlockMethod, opens: bool) -> None:
    limits = kinds_with(MOBILE, unlocking={"pin_failures_max": 3, "biometric_failures_max": 2})
    use = opened_by(method)
    expected = used(SOON, evidence=use.evidence) if opens else refused(SOON, Refusal.UNLOCK_METHOD)

    given(*chosen(PIN, PATTERN, FINGERPRINT, FACE), failed(method, 2), policies=BOOK, kinds=limits).when(use).then(
        expected
    )


# --- When.

COMMANDS: list[Command] = [
    SetUnlockMethod(at=APRIL_2026, method=FACE, evidence="7"),
    RemoveUnlockMethod(at=APRIL_2026, method=FACE),
    ReportUnlockFailure(at=APRIL_2026, method=PIN),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
@pytest.mark.parametrize(
    ("since", "reason"),
    [
        ((Locked(at=SUMMER, for_good=False),), Refusal.LOCKED),
        ((Locked(at=SUMMER, for_good=False), ResetRequired(at=SUMMER)), Refusal.RESET_REQUIRED),
        ((ResetRequired(at=SUMMER), Suspended(at=SUMMER, reason=None)), Refusal.SUSPENDED),
        ((Suspended(at=SUMMER, reason=None), expired(GRACE_G, grace_until=GRACE_END)), Refusal.EXPIRED),
        ((expired(GRACE_G, grace_until=APRIL_2026),), Refusal.ALREADY_FINAL),
        ((Suspended(at=SUMMER, reason=None), Revoked(at=SUMMER, reason=None)), Refusal.ALREADY_FINAL),
    ],
    ids=["locked", "reset required", "suspended", "in its grace", "lapsed", "revoked"],
)
def test_methods_are_changed_while_the_credential_is_active(
    since: tuple[Event, ...], reason: Refusal, command: Command
) -> None:
    endless = issued_under(GRACE_G, at=SUMMER)

    given(endless, *since, policies=BOOK).when(command).then_refused(reason)


@pytest.mark.parametrize(
    "event",
    [*chosen(PIN)[1:], UnlockMethodRemoved(at=SUMMER, method=FACE), failed(PIN, 1)],
    ids=lambda e: type(e).__name__,
)
def test_unlock_methods_have_no_part_in_a_renewal(event: Event) -> None:
    assert fact_of(event) is None
