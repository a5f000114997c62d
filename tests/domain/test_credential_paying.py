"""Fees: charged, failed or waived, of an issue and of a renewal on request."""

from dataclasses import replace

import pytest

from sealbook.domain import credential
from sealbook.domain.credential import (
    ApplicationAbandoned,
    ChargeFee,
    Command,
    EscalatedToSupport,
    Event,
    FeeCharged,
    FeeFailed,
    FeeFor,
    FeeRefunded,
    FeeWaived,
    Issued,
    Renewed,
    RequestRenewal,
    Revoked,
    WaiveFee,
)
from sealbook.domain.errors import Refusal
from sealbook.domain.values import HolderKind, Kind, Step
from tests.domain.applications import (
    APPLIED_WITH_FEE,
    CHARGED,
    COMPLETE_WITH_FEE,
    FEE_DUE,
    FEE_PAID,
    PROVEN,
    application_after,
    minute,
)
from tests.domain.examples import (
    BOOK,
    GRACE_END,
    GRACE_G,
    JOINT,
    KINDS,
    REQUEST_R,
    by_renewal,
    expired,
    issued_under,
    kinds_with,
    kst,
)
from tests.scenario import given

CHARGE = ChargeFee(at=minute(5), receipt="receipt-1")
UNPAID = FeeFailed(at=minute(5), what=FeeFor.ISSUE, amount_krw=4_400, fee_version=1)
OFFICER_WAIVED = FeeWaived(at=minute(5), fee_version=1)

# --- Of an issue


def test_a_fee_is_charged_after_the_proofs() -> None:
    given(*FEE_DUE, policies=BOOK).when(CHARGE).then(CHARGED)


def test_a_payment_that_failed_is_recorded() -> None:
    given(*FEE_DUE, policies=BOOK).when(replace(CHARGE, receipt=None)).then(UNPAID)


def test_a_fee_that_failed_may_be_charged_again() -> None:
    given(*FEE_DUE, UNPAID, policies=BOOK).when(CHARGE).then(CHARGED)


def test_an_officer_may_waive_a_fee() -> None:
    given(*FEE_DUE, policies=BOOK).when(WaiveFee(at=minute(5))).then(OFFICER_WAIVED)


def test_a_fee_is_what_was_asked_for_at_the_application() -> None:
    dear = (replace(APPLIED_WITH_FEE, fee_krw=5_000, fee_version=2), *FEE_DUE[1:])

    given(*dear, policies=BOOK).when(CHARGE).then(replace(CHARGED, amount_krw=5_000, fee_version=2))
    given(*dear, policies=BOOK).when(replace(CHARGE, receipt=None)).then(
        replace(UNPAID, amount_krw=5_000, fee_version=2)
    )
    given(*dear, policies=BOOK).when(WaiveFee(at=minute(5))).then(replace(OFFICER_WAIVED, fee_version=2))


@pytest.mark.parametrize("command", [CHARGE, WaiveFee(at=minute(5))], ids=["charge", "waive"])
@pytest.mark.parametrize(
    "history",
    [
        pytest.param(FEE_DUE[:-2], id="before the proofs"),
        pytest.param(FEE_PAID, id="once paid"),
        pytest.param((*FEE_DUE, OFFICER_WAIVED), id="once waived"),
        pytest.param(PROVEN, id="where there is none"),
    ],
)
def test_a_fee_has_its_turn(history: tuple[Event, ...], command: Command) -> None:
    given(*history, policies=BOOK).when(command).then_refused(Refusal.STEP_ORDER)


@pytest.mark.parametrize("history", [FEE_DUE, (*FEE_DUE, UNPAID)], ids=["not charged", "failed"])
def test_nothing_is_issued_before_its_fee_is_paid(history: tuple[Event, ...]) -> None:
    given(*history, policies=BOOK).when(COMPLETE_WITH_FEE).then_refused(Refusal.FEE_UNPAID)


@pytest.mark.parametrize("history", [FEE_PAID, (*FEE_DUE, OFFICER_WAIVED)], ids=["paid", "waived"])
def test_what_was_paid_or_waived_is_issued(history: tuple[Event, ...]) -> None:
    issued, _ = credential.decide(credential.fold(history), COMPLETE_WITH_FEE, BOOK, KINDS)

    assert isinstance(issued, Issued)


@pytest.mark.parametrize(
    ("history", "is_open"),
    [
        pytest.param((*FEE_DUE, UNPAID), True, id="failed"),
        pytest.param(FEE_DUE, False, id="not asked for yet"),
        pytest.param(FEE_PAID, False, id="paid"),
        pytest.param((*FEE_DUE, UNPAID, CHARGED), False, id="paid at last"),
        pytest.param((*FEE_DUE, UNPAID, OFFICER_WAIVED), False, id="waived at last"),
        pytest.param((*FEE_DUE, UNPAID, ApplicationAbandoned(at=minute(6), timed_out=False)), False, id="given up"),
    ],
)
def test_a_fee_is_open_once_asked_for_until_paid_waived_or_given_up(history: tuple[Event, ...], is_open: bool) -> None:
    assert application_after(*history).fee_open is is_open


def test_a_refunded_fee_is_paid_no_more() -> None:
    refunded = FeeRefunded(at=minute(6), amount_krw=4_400, fee_version=1)

    assert application_after(*FEE_PAID).fee_paid
    assert application_after(*FEE_PAID, refunded).fee_paid is False


@pytest.mark.parametrize("end", [CHARGED, OFFICER_WAIVED], ids=["paid", "waived"])
def test_support_ends_with_a_fee_that_was_paid_or_waived(end: Event) -> None:
    escalated = EscalatedToSupport(at=minute(5), step=Step.FEE, help_url="https://bank.example/help")

    assert application_after(*FEE_DUE, escalated, end).escalated is False


def test_what_a_fee_is_for_is_stored_by_these_names() -> None:
    assert [str(each) for each in FeeFor] == ["issue", "renewal"]


# --- Of a renewal

UNIVERSAL = issued_under(REQUEST_R, kind=Kind.JOINT_UNIVERSAL)
SPRING = kst("2026-03-01T12:00")
CHARGE_RENEWAL = ChargeFee(at=SPRING, receipt="receipt-2")
PAID = FeeCharged(at=SPRING, what=FeeFor.RENEWAL, amount_krw=4_400, fee_version=1, receipt="receipt-2")
FAILED = FeeFailed(at=SPRING, what=FeeFor.RENEWAL, amount_krw=4_400, fee_version=1)
WAIVED_RENEWAL = FeeWaived(at=SPRING, fee_version=1)
RENEWED = Renewed(at=SPRING, policy=REQUEST_R.ref, bounds=by_renewal(kst("2028-03-02"), None, base=SPRING))
DEAR = kinds_with(JOINT, fees={"version": 2, "renewal_personal_krw": 5_000})


def test_a_renewal_has_the_fee_of_the_schedule() -> None:
    given(UNIVERSAL, policies=BOOK).when(CHARGE_RENEWAL).then(PAID)
    given(UNIVERSAL, policies=BOOK, kinds=DEAR).when(CHARGE_RENEWAL).then(
        replace(PAID, amount_krw=5_000, fee_version=2)
    )
    given(replace(UNIVERSAL, holder=HolderKind.CORPORATE), policies=BOOK).when(CHARGE_RENEWAL).then(
        replace(PAID, amount_krw=110_000)
    )


def test_the_fee_of_a_renewal_may_fail_or_be_waived() -> None:
    given(UNIVERSAL, policies=BOOK).when(replace(CHARGE_RENEWAL, receipt=None)).then(FAILED)
    given(UNIVERSAL, policies=BOOK, kinds=DEAR).when(WaiveFee(at=SPRING)).then(replace(WAIVED_RENEWAL, fee_version=2))


@pytest.mark.parametrize("done", [PAID, WAIVED_RENEWAL], ids=["paid", "waived"])
@pytest.mark.parametrize("command", [CHARGE_RENEWAL, WaiveFee(at=SPRING)], ids=["charge", "waive"])
def test_a_renewal_is_paid_once(done: Event, command: Command) -> None:
    given(UNIVERSAL, done, policies=BOOK).when(command).then()


def test_a_fee_that_failed_or_was_given_back_is_charged_again() -> None:
    given(UNIVERSAL, FAILED, policies=BOOK).when(CHARGE_RENEWAL).then(PAID)
    refunded = FeeRefunded(at=SPRING, amount_krw=4_400, fee_version=1)
    given(UNIVERSAL, refunded, policies=BOOK).when(CHARGE_RENEWAL).then(PAID)


@pytest.mark.parametrize("command", [CHARGE_RENEWAL, WaiveFee(at=SPRING)], ids=["charge", "waive"])
def test_where_a_renewal_is_free_nothing_is_charged(command: Command) -> None:
    given(issued_under(REQUEST_R), policies=BOOK).when(command).then()


def test_the_next_renewal_has_a_fee_again() -> None:
    given(UNIVERSAL, PAID, RENEWED, policies=BOOK).when(CHARGE_RENEWAL).then(PAID)


def test_a_renewal_on_request_is_refused_until_its_fee_is_paid() -> None:
    given(UNIVERSAL, policies=BOOK).when(RequestRenewal(at=SPRING)).then_refused(Refusal.FEE_UNPAID)
    given(UNIVERSAL, FAILED, policies=BOOK).when(RequestRenewal(at=SPRING)).then_refused(Refusal.FEE_UNPAID)


@pytest.mark.parametrize(
    "history",
    [
        pytest.param((UNIVERSAL, PAID), id="paid"),
        pytest.param((UNIVERSAL, WAIVED_RENEWAL), id="waived"),
        pytest.param((issued_under(REQUEST_R),), id="free"),
    ],
)
def test_a_renewal_on_request_comes_once_paid_waived_or_free(history: tuple[Event, ...]) -> None:
    given(*history, policies=BOOK).when(RequestRenewal(at=SPRING)).then(RENEWED)


@pytest.mark.parametrize("command", [CHARGE_RENEWAL, WaiveFee(at=SPRING)], ids=["charge", "waive"])
def test_nothing_is_charged_for_a_credential_that_has_ended(command: Command) -> None:
    revoked = Revoked(at=SPRING, reason=None)
    in_grace = expired(GRACE_G, at=SPRING, grace_until=GRACE_END)

    given(UNIVERSAL, revoked, policies=BOOK).when(command).then_refused(Refusal.ALREADY_FINAL)
    given(UNIVERSAL, expired(REQUEST_R, at=SPRING), policies=BOOK).when(command).then_refused(Refusal.ALREADY_FINAL)
    given(UNIVERSAL, in_grace, policies=BOOK).when(command).then_refused(Refusal.EXPIRED)


@pytest.mark.parametrize("command", [CHARGE_RENEWAL, WaiveFee(at=SPRING)], ids=["charge", "waive"])
def test_nothing_is_charged_before_an_application(command: Command) -> None:
    given(policies=BOOK).when(command).then_refused(Refusal.NOT_ISSUED)
