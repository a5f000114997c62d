"""Application: how it ends without an issue, and what is not for it to take."""

from dataclasses import replace
from datetime import datetime

import pytest

from sealbook.domain import credential
from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.credential import (
    Abandon,
    ApplicationAbandoned,
    ApplicationRejected,
    CaptureId,
    ChargeFee,
    Command,
    ConfirmId,
    Escalate,
    Event,
    FeeRefunded,
    FeeWaived,
    Reject,
    RetryStep,
    Settle,
    VerifyAccount,
    VerifyPhone,
    WaiveFee,
)
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.values import IdDocument
from tests.domain.applications import (
    APPLIED_AT,
    APPLIED_WITH_FEE,
    APPLYING,
    CHARGED,
    COMPLETE,
    FEE_DUE,
    FEE_PAID,
    OPEN_UNTIL,
    PHONE_DONE,
    PHONE_VERIFIED,
    PROVEN,
    application_after,
    minute,
    on_a_credential,
)
from tests.domain.examples import BOOK, USE_D, issued_under
from tests.scenario import given

ABANDONED = ApplicationAbandoned(at=minute(6), timed_out=False)
REJECTED = ApplicationRejected(at=minute(6), reason="officer: forged document")
REFUNDED = FeeRefunded(at=minute(6), amount_krw=4_400, fee_version=1)
TIMED_OUT = ApplicationAbandoned(at=OPEN_UNTIL, timed_out=True)
REJECT = Reject(at=minute(6), reason="officer: forged document")


def test_an_application_is_given_up() -> None:
    given(*PHONE_DONE, policies=BOOK).when(Abandon(at=minute(6))).then(ABANDONED)


def test_an_application_is_rejected_for_a_reason() -> None:
    given(*PHONE_DONE, policies=BOOK).when(REJECT).then(REJECTED)


def test_an_application_knows_when_it_ended_and_whether_it_was_rejected() -> None:
    ends = [application_after(*PHONE_DONE, end) for end in (ABANDONED, TIMED_OUT, REJECTED)]

    assert [each.ended_at for each in ends] == [ABANDONED.at, OPEN_UNTIL, REJECTED.at]
    assert [each.rejected for each in ends] == [False, False, True]


def test_a_fee_that_was_paid_is_refunded_at_the_end() -> None:
    given(*FEE_PAID, policies=BOOK).when(Abandon(at=minute(6))).then(ABANDONED, REFUNDED)
    given(*FEE_PAID, policies=BOOK).when(REJECT).then(REJECTED, REFUNDED)
    given(*FEE_PAID, policies=BOOK).when(Settle(at=OPEN_UNTIL)).then(TIMED_OUT, replace(REFUNDED, at=OPEN_UNTIL))


def test_the_refund_is_what_was_charged_under_the_schedule_of_then() -> None:
    dear = (replace(APPLIED_WITH_FEE, fee_krw=5_000, fee_version=2), *FEE_DUE[1:], replace(CHARGED, amount_krw=5_000))

    given(*dear, policies=BOOK).when(REJECT).then(REJECTED, replace(REFUNDED, amount_krw=5_000, fee_version=2))


def test_a_fee_that_was_waived_or_not_paid_is_not_refunded() -> None:
    given(*FEE_DUE, FeeWaived(at=minute(5), fee_version=1), policies=BOOK).when(REJECT).then(REJECTED)
    given(*FEE_DUE, policies=BOOK).when(REJECT).then(REJECTED)


@pytest.mark.parametrize("at", [OPEN_UNTIL, OPEN_UNTIL + MICROSECOND], ids=["exactly then", "later"])
def test_the_clock_gives_an_application_up_when_its_time_is_over(at: datetime) -> None:
    given(*PHONE_DONE, policies=BOOK).when(Settle(at=at)).then(TIMED_OUT)


def test_the_clock_gives_nothing_up_before_its_time() -> None:
    given(*PHONE_DONE, policies=BOOK).when(Settle(at=OPEN_UNTIL - MICROSECOND)).then()


@pytest.mark.parametrize("end", [TIMED_OUT, ABANDONED, REJECTED], ids=["timed out", "given up", "rejected"])
def test_the_clock_gives_nothing_up_twice(end: Event) -> None:
    given(*PHONE_DONE, end, policies=BOOK).when(Settle(at=OPEN_UNTIL)).then()


def steps_at(at: datetime) -> list[Command]:
    """Every command that an application takes."""
    return [
        VerifyPhone(at=at, provider="carrier", evidence="phone-1", own_name=True),
        CaptureId(at=at, document=IdDocument.PASSPORT, evidence="photo-1", digest="d1", request="request-1"),
        ConfirmId(at=at, request="request-1", authentic=True),
        VerifyAccount(at=at, account="account-1", evidence="code-1", code_sent_at=at, code_matches=True, own_name=True),
        ChargeFee(at=at, receipt="receipt-1"),
        WaiveFee(at=at),
        RetryStep(at=at),
        Escalate(at=at),
        Abandon(at=at),
        Reject(at=at, reason="officer"),
        replace(COMPLETE, at=at),
    ]


def _name(value: object) -> str:
    return type(value).__name__


@pytest.mark.parametrize("end", [TIMED_OUT, ABANDONED, REJECTED], ids=["timed out", "given up", "rejected"])
@pytest.mark.parametrize("command", [*steps_at(minute(7)), *on_a_credential(minute(7))], ids=_name)
def test_nothing_is_done_once_the_application_has_ended(command: Command, end: Event) -> None:
    given(*PHONE_DONE, end, policies=BOOK).when(command).then_refused(Refusal.APPLICATION_ENDED)


@pytest.mark.parametrize("command", [*steps_at(OPEN_UNTIL), *on_a_credential(OPEN_UNTIL)], ids=_name)
def test_nothing_is_done_once_its_time_is_over_even_before_the_clock_said_so(command: Command) -> None:
    given(*PHONE_DONE, policies=BOOK).when(command).then_refused(Refusal.APPLICATION_ENDED)


def test_a_step_may_come_in_the_last_instant() -> None:
    at = OPEN_UNTIL - MICROSECOND

    given(*APPLYING, policies=BOOK).when(steps_at(at)[0]).then(replace(PHONE_VERIFIED, at=at))


# --- Beside the application


@pytest.mark.parametrize("command", on_a_credential(minute(7)), ids=_name)
def test_what_an_issued_credential_takes_is_refused_while_applying(command: Command) -> None:
    given(*PROVEN, policies=BOOK).when(command).then_refused(Refusal.APPLYING)


NOT_OF_A_FEE = [each for each in steps_at(minute(7)) if not isinstance(each, ChargeFee | WaiveFee)]


@pytest.mark.parametrize("command", NOT_OF_A_FEE, ids=_name)
def test_no_step_is_left_once_the_credential_is_issued(command: Command) -> None:
    given(issued_under(USE_D, at=minute(6)), policies=BOOK).when(command).then_refused(Refusal.ALREADY_ISSUED)


EARLY = APPLIED_AT - MICROSECOND


@pytest.mark.parametrize("command", [*steps_at(EARLY), *on_a_credential(EARLY), Settle(at=EARLY)], ids=_name)
def test_nothing_speaks_of_a_moment_before_the_application(command: Command) -> None:
    given(*APPLYING, policies=BOOK).when(command).then_refused(Refusal.BACK_IN_TIME)


def test_the_instant_of_the_application_is_within_its_time() -> None:
    given(*APPLYING, policies=BOOK).when(steps_at(APPLIED_AT)[0]).then(replace(PHONE_VERIFIED, at=APPLIED_AT))


def test_a_history_does_not_begin_with_a_step() -> None:
    for event in (PHONE_VERIFIED, ABANDONED):
        with pytest.raises(Refused, match="no such application"):
            credential.fold([event])


def test_what_was_recorded_of_an_application_stays_readable_after_its_end() -> None:
    assert application_after(*APPLYING, ABANDONED, PHONE_VERIFIED).ended_at == ABANDONED.at
