"""Proof of identity: phone, document and account, one after the other, each tried a few times."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from sealbook.domain import credential
from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.credential import (
    CaptureId,
    Command,
    ConfirmId,
    Event,
    IdCaptureRejected,
    IdRefused,
    Issued,
    StepFailed,
    VerifyAccount,
    VerifyPhone,
)
from sealbook.domain.errors import Refusal
from sealbook.domain.values import CaptureFault, HolderKind, IdDocument, Kind, Step
from tests.domain.applications import (
    ACCOUNT_LINKED,
    ACCOUNT_VERIFIED,
    APPLIED,
    APPLYING,
    CAPTURED,
    COMPLETE,
    CONFIRMED,
    ID_DONE,
    PHONE_DONE,
    PHONE_VERIFIED,
    PROVEN,
    application_after,
    failures,
    minute,
)
from tests.domain.examples import BOOK, KINDS, MOBILE, kinds_with
from tests.scenario import given

PHONE_CHECK = VerifyPhone(at=minute(1), provider="carrier", evidence="phone-1", own_name=True)
PHOTO = CaptureId(at=minute(2), document=IdDocument.PASSPORT, evidence="photo-1", digest="d1", request="request-1")
ANSWER = ConfirmId(at=minute(3), request="request-1", authentic=True)
CODE = VerifyAccount(
    at=minute(4), account="account-1", evidence="code-1", code_sent_at=minute(3), code_matches=True, own_name=True
)
AWAITING = (*PHONE_DONE, CAPTURED)


def step_failed(step: Step, reason: Refusal, *, at: datetime, attempt: int = 1) -> StepFailed:
    return StepFailed(at=at, step=step, reason=reason, attempt=attempt)


# --- One after the other


@pytest.mark.parametrize(
    ("history", "command", "events"),
    [
        pytest.param(APPLYING, PHONE_CHECK, (PHONE_VERIFIED,), id="phone"),
        pytest.param(PHONE_DONE, PHOTO, (CAPTURED,), id="photo"),
        pytest.param(AWAITING, ANSWER, (CONFIRMED,), id="issuer's answer"),
        pytest.param(ID_DONE, CODE, (ACCOUNT_VERIFIED, ACCOUNT_LINKED), id="account"),
    ],
)
def test_each_proof_leaves_a_reference_and_nothing_of_its_content(
    history: tuple[Event, ...], command: Command, events: tuple[Event, ...]
) -> None:
    given(*history, policies=BOOK).when(command).then(*events)


@pytest.mark.parametrize(
    ("history", "due"),
    [
        pytest.param(APPLYING, (Step.PHONE, Step.ID_DOCUMENT, Step.ACCOUNT, Step.KEY), id="phone"),
        pytest.param(PHONE_DONE, (Step.ID_DOCUMENT, Step.ACCOUNT, Step.KEY), id="document"),
        pytest.param(AWAITING, (Step.ID_DOCUMENT, Step.ACCOUNT, Step.KEY), id="issuer's answer"),
        pytest.param(ID_DONE, (Step.ACCOUNT, Step.KEY), id="account"),
        pytest.param(PROVEN, (Step.KEY,), id="key"),
    ],
)
def test_what_is_proven_is_due_no_more(history: tuple[Event, ...], due: tuple[Step, ...]) -> None:
    assert application_after(*history).due == due


@pytest.mark.parametrize(
    ("history", "command"),
    [
        pytest.param(APPLYING, PHOTO, id="photo before the phone"),
        pytest.param(APPLYING, CODE, id="account before the phone"),
        pytest.param(PHONE_DONE, CODE, id="account before the document"),
        pytest.param(AWAITING, CODE, id="account before the issuer's answer"),
        pytest.param(PHONE_DONE, PHONE_CHECK, id="phone again"),
        pytest.param(ID_DONE, PHOTO, id="photo again"),
        pytest.param(PROVEN, CODE, id="account again"),
    ],
)
def test_a_step_out_of_order_is_refused(history: tuple[Event, ...], command: Command) -> None:
    given(*history, policies=BOOK).when(command).then_refused(Refusal.STEP_ORDER)


FAULTS = [
    pytest.param(APPLYING, Step.PHONE, replace(PHONE_CHECK, own_name=False), Refusal.NAME_MISMATCH, id="phone"),
    pytest.param(ID_DONE, Step.ACCOUNT, replace(CODE, own_name=False), Refusal.NOT_OWN_NAME, id="account"),
    pytest.param(ID_DONE, Step.ACCOUNT, replace(CODE, at=minute(8)), Refusal.CODE_EXPIRED, id="late code"),
    pytest.param(ID_DONE, Step.ACCOUNT, replace(CODE, code_matches=False), Refusal.MISMATCH, id="wrong code"),
]


@pytest.mark.parametrize(("history", "step", "command", "reason"), FAULTS)
def test_a_check_that_fails_is_recorded_and_the_application_stays_open(
    history: tuple[Event, ...], step: Step, command: Command, reason: Refusal
) -> None:
    given(*history, policies=BOOK).when(command).then(step_failed(step, reason, at=command.at))
    given(*history, step_failed(step, reason, at=command.at), policies=BOOK).when(command).then(
        step_failed(step, reason, at=command.at, attempt=2)
    )


@pytest.mark.parametrize(("history", "step", "command", "reason"), FAULTS)
def test_the_last_attempt_may_fail_and_one_more_is_refused(
    history: tuple[Event, ...], step: Step, command: Command, reason: Refusal
) -> None:
    four, five = (failures(step, count=count, reason=reason) for count in (4, 5))

    given(*history, *four, policies=BOOK).when(command).then(step_failed(step, reason, at=command.at, attempt=5))
    given(*history, *five, policies=BOOK).when(command).then_refused(Refusal.TOO_MANY_ATTEMPTS)


def test_a_proof_that_is_right_comes_too_late_after_the_last_attempt() -> None:
    five = failures(Step.PHONE, count=5)

    given(*APPLYING, *five, policies=BOOK).when(PHONE_CHECK).then_refused(Refusal.TOO_MANY_ATTEMPTS)


def test_the_failures_of_one_step_do_not_count_for_another() -> None:
    four = failures(Step.ID_DOCUMENT, count=4)

    given(*ID_DONE, *four, policies=BOOK).when(replace(CODE, code_matches=False)).then(
        step_failed(Step.ACCOUNT, Refusal.MISMATCH, at=minute(4))
    )


# --- Document


@pytest.mark.parametrize("document", list(IdDocument))
def test_a_kind_takes_the_documents_that_it_names(document: IdDocument) -> None:
    photo, captured = replace(PHOTO, document=document), replace(CAPTURED, document=document)
    other = next(each for each in IdDocument if each is not document)
    kinds = kinds_with(MOBILE, steps={"documents": frozenset({document})})

    given(*PHONE_DONE, policies=BOOK).when(photo).then(captured)
    given(*PHONE_DONE, policies=BOOK, kinds=kinds).when(photo).then(captured)
    given(*PHONE_DONE, policies=BOOK, kinds=kinds).when(replace(PHOTO, document=other)).then_refused(Refusal.DOC_TYPE)


@pytest.mark.parametrize("fault", list(CaptureFault))
def test_a_photo_that_cannot_be_used_is_taken_again(fault: CaptureFault) -> None:
    unusable = IdCaptureRejected(at=minute(2), document=IdDocument.PASSPORT, fault=fault, attempt=1)

    given(*PHONE_DONE, policies=BOOK).when(replace(PHOTO, fault=fault)).then(unusable)
    given(*PHONE_DONE, unusable, policies=BOOK).when(replace(PHOTO, fault=fault)).then(replace(unusable, attempt=2))
    given(*PHONE_DONE, unusable, policies=BOOK).when(PHOTO).then(CAPTURED)


BLURRED = IdCaptureRejected(at=minute(2), document=IdDocument.PASSPORT, fault=CaptureFault.BLURRED, attempt=5)
ID_REFUSED = IdRefused(at=minute(3), request="request-1", attempt=1)


def test_photos_are_taken_as_often_as_any_step_is_tried() -> None:
    given(*PHONE_DONE, BLURRED, policies=BOOK).when(PHOTO).then_refused(Refusal.TOO_MANY_ATTEMPTS)
    given(*PHONE_DONE, replace(BLURRED, attempt=4), policies=BOOK).when(PHOTO).then(CAPTURED)


def test_the_document_s_issuer_may_refuse_it_and_it_is_shown_again() -> None:
    given(*AWAITING, policies=BOOK).when(replace(ANSWER, authentic=False)).then(ID_REFUSED)
    given(*AWAITING, ID_REFUSED, policies=BOOK).when(PHOTO).then(CAPTURED)
    assert application_after(*AWAITING, ID_REFUSED).awaiting is None


def test_a_refused_document_counts_as_an_attempt_like_a_bad_photo() -> None:
    third = replace(BLURRED, attempt=3)

    given(*PHONE_DONE, third, CAPTURED, policies=BOOK).when(replace(ANSWER, authentic=False)).then(
        replace(ID_REFUSED, attempt=4)
    )
    given(*AWAITING, replace(ID_REFUSED, attempt=5), policies=BOOK).when(PHOTO).then_refused(Refusal.TOO_MANY_ATTEMPTS)


def test_an_answer_that_was_asked_for_in_time_is_taken_after_the_last_attempt() -> None:
    given(*AWAITING, BLURRED, policies=BOOK).when(ANSWER).then(CONFIRMED)


@pytest.mark.parametrize(
    "history",
    [
        pytest.param(PHONE_DONE, id="nothing was asked"),
        pytest.param((*PHONE_DONE, replace(CAPTURED, request="request-2")), id="something else was asked"),
        pytest.param((*AWAITING, replace(CAPTURED, request="request-2")), id="another photo was taken since"),
        pytest.param((*AWAITING, ID_REFUSED), id="it was answered: refused"),
        pytest.param(ID_DONE, id="it was answered: confirmed"),
    ],
)
def test_an_answer_to_another_request_is_refused(history: tuple[Event, ...]) -> None:
    given(*history, policies=BOOK).when(ANSWER).then_refused(Refusal.UNKNOWN_REQUEST)


def test_the_holder_counts_as_identified_when_the_issuer_confirms() -> None:
    assert application_after(*AWAITING).identified_at is None
    assert application_after(*ID_DONE).identified_at == CONFIRMED.at
    assert application_after(*ID_DONE).awaiting is None


# --- Account


def test_a_code_of_before_it_was_sent_is_not_good() -> None:
    early = CODE.code_sent_at - MICROSECOND

    given(*ID_DONE, policies=BOOK).when(replace(CODE, at=CODE.code_sent_at)).then(
        replace(ACCOUNT_VERIFIED, at=CODE.code_sent_at), replace(ACCOUNT_LINKED, at=CODE.code_sent_at)
    )
    given(*ID_DONE, policies=BOOK).when(replace(CODE, at=early)).then(
        step_failed(Step.ACCOUNT, Refusal.CODE_EXPIRED, at=early)
    )


@pytest.mark.parametrize("minutes", [5, 3], ids=["of the kind", "of another kind"])
def test_a_code_is_good_until_its_minutes_are_over(minutes: int) -> None:
    kinds = kinds_with(MOBILE, steps={"account_code_minutes": minutes})
    end = minute(3) + timedelta(minutes=minutes)
    last = end - MICROSECOND

    given(*ID_DONE, policies=BOOK, kinds=kinds).when(replace(CODE, at=last)).then(
        replace(ACCOUNT_VERIFIED, at=last), replace(ACCOUNT_LINKED, at=last)
    )
    given(*ID_DONE, policies=BOOK, kinds=kinds).when(replace(CODE, at=end)).then(
        step_failed(Step.ACCOUNT, Refusal.CODE_EXPIRED, at=end)
    )


@pytest.mark.parametrize(
    ("own_name", "sent", "reason"),
    [
        pytest.param(False, minute(-9), Refusal.NOT_OWN_NAME, id="whose account it is, first"),
        pytest.param(True, minute(-9), Refusal.CODE_EXPIRED, id="the code's age, then"),
        pytest.param(True, minute(3), Refusal.MISMATCH, id="the code itself, last"),
    ],
)
def test_an_account_is_judged_by_its_owner_then_by_the_code(own_name: bool, sent: datetime, reason: Refusal) -> None:
    command = replace(CODE, own_name=own_name, code_sent_at=sent, code_matches=False)

    given(*ID_DONE, policies=BOOK).when(command).then(step_failed(Step.ACCOUNT, reason, at=minute(4)))


# --- Who applies


@pytest.mark.parametrize("holder", list(HolderKind))
def test_persons_and_companies_go_from_phone_to_document_to_account_to_issue(holder: HolderKind) -> None:
    applied = replace(APPLIED, kind=Kind.MOBILE_OTP, holder=holder)
    history: tuple[Event, ...] = (applied,)
    for command in (PHONE_CHECK, PHOTO, ANSWER, CODE):
        history = (*history, *credential.decide(credential.fold(history), command, BOOK, KINDS))

    issue = replace(COMPLETE, kind=Kind.MOBILE_OTP, holder=holder)
    assert application_after(*history).due == (Step.KEY,)
    assert isinstance(credential.decide(credential.fold(history), issue, BOOK, KINDS)[0], Issued)
