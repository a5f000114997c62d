"""Application: how it begins, and what is tried again."""

from dataclasses import replace
from datetime import datetime

import pytest

from sealbook.domain import credential
from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.credential import (
    Application,
    Applied,
    Escalate,
    EscalatedToSupport,
    Event,
    FeeWaived,
    RetryStep,
    StepFailed,
    StepRetried,
    VerifyPhone,
)
from sealbook.domain.errors import Refusal
from sealbook.domain.kind_document import KindBook
from sealbook.domain.values import HolderKind, Kind, Step
from tests.domain.applications import (
    ACCOUNT_LINKED,
    ACCOUNT_VERIFIED,
    APPLIED,
    APPLIED_AT,
    APPLIED_WITH_FEE,
    APPLY,
    APPLYING,
    CAPTURED,
    CHARGED,
    CONFIRMED,
    FEE_DUE,
    ID_DONE,
    OPEN_UNTIL,
    PHONE_DONE,
    PHONE_VERIFIED,
    PROVEN,
    WAIVED,
    application_after,
    failures,
    minute,
)
from tests.domain.examples import (
    BOOK,
    KINDS,
    MOBILE,
    OTHER_PHONE,
    USE_D,
    book_with,
    document,
    issued_under,
    kinds_with,
    kst,
)
from tests.scenario import given

HELP = "https://bank.example/help"
PERSONAL, CORPORATE = HolderKind.PERSONAL, HolderKind.CORPORATE
IN_FULL = (Step.PHONE, Step.ID_DOCUMENT, Step.ACCOUNT)

# --- Apply


@pytest.mark.parametrize(
    ("kind", "holder", "steps", "fee_krw"),
    [
        pytest.param(Kind.MOBILE_OTP, PERSONAL, IN_FULL, 0, id="mobile OTP, personal"),
        pytest.param(Kind.MOBILE_OTP, CORPORATE, IN_FULL, 0, id="mobile OTP, corporate"),
        pytest.param(Kind.KB_MOBILE_CERTIFICATE, PERSONAL, IN_FULL, 0, id="KB mobile certificate"),
        pytest.param(Kind.FINANCIAL_CERTIFICATE, CORPORATE, (Step.PHONE, Step.ACCOUNT), 0, id="financial, corporate"),
        pytest.param(Kind.JOINT_UNIVERSAL, PERSONAL, (*IN_FULL, Step.FEE), 4_400, id="universal, personal"),
        pytest.param(
            Kind.JOINT_UNIVERSAL, CORPORATE, (Step.PHONE, Step.ACCOUNT, Step.FEE), 110_000, id="universal, corporate"
        ),
    ],
)
def test_an_application_takes_the_steps_and_the_fee_of_its_kind_and_holder(
    kind: Kind, holder: HolderKind, steps: tuple[Step, ...], fee_krw: int
) -> None:
    applied = replace(APPLIED, kind=kind, holder=holder, steps=(*steps, Step.KEY), fee_krw=fee_krw)

    given(policies=BOOK).when(replace(APPLY, kind=kind, holder=holder)).then(applied, *(() if fee_krw else (WAIVED,)))


def test_an_application_names_the_versions_of_the_kind_and_of_its_fees() -> None:
    later = MOBILE.model_copy(update={"version": 3, "fees": MOBILE.fees.model_copy(update={"version": 7})})
    kinds = replace(KINDS, kinds={later.kind: later})

    given(policies=BOOK, kinds=kinds).when(APPLY).then(
        replace(APPLIED, kind_version=3, fee_version=7), FeeWaived(at=APPLIED_AT, fee_version=7)
    )


def test_the_steps_are_a_list_of_the_kind_and_none_is_asked_that_it_does_not_name() -> None:
    kinds = kinds_with(MOBILE, steps={"personal": (Step.PHONE,)})

    given(policies=BOOK, kinds=kinds).when(APPLY).then(replace(APPLIED, steps=(Step.PHONE, Step.KEY)), WAIVED)


def test_the_purpose_and_what_is_replaced_are_kept() -> None:
    given(policies=BOOK).when(replace(APPLY, purpose="tax_filing", replaces=OTHER_PHONE)).then(
        replace(APPLIED, purpose="tax_filing", replaces=OTHER_PHONE), WAIVED
    )


@pytest.mark.parametrize("purpose", ["shopping", "gardening"], ids=["of another area", "unknown"])
def test_a_kind_is_not_applied_for_to_serve_a_purpose_out_of_its_scope(purpose: str) -> None:
    given(policies=BOOK).when(replace(APPLY, purpose=purpose)).then_refused(Refusal.SCOPE)


def test_a_kind_that_the_bank_does_not_issue_is_not_applied_for() -> None:
    given(policies=BOOK, kinds=KindBook(kinds={}, bank=KINDS.bank)).when(APPLY).then_refused(Refusal.NOT_ELIGIBLE)


@pytest.mark.parametrize(
    "limit", [{"kinds": ["mobile_otp"]}, {"holders": ["corporate"]}], ids=["another kind", "another holder"]
)
def test_a_policy_that_does_not_concern_the_applicant_is_not_applied_under(limit: dict[str, object]) -> None:
    policy = document("L", **limit)

    given(policies=book_with(policy)).when(replace(APPLY, policy=policy.ref)).then_refused(Refusal.NOT_ELIGIBLE)


def test_a_policy_for_this_kind_and_holder_is_applied_under() -> None:
    policy = document("L", kinds=["kb_mobile_certificate"], holders=["personal"])

    given(policies=book_with(policy)).when(replace(APPLY, policy=policy.ref)).then(
        replace(APPLIED, policy=policy.ref), WAIVED
    )


def test_a_policy_that_is_not_known_is_not_applied_under() -> None:
    given(policies=BOOK).when(replace(APPLY, policy=document("unknown").ref)).then_refused(Refusal.NO_POLICY)


@pytest.mark.parametrize("history", [(APPLIED,), (issued_under(USE_D),)], ids=["application", "credential"])
def test_an_id_is_given_to_one_application_only(history: tuple[Event, ...]) -> None:
    given(*history, policies=BOOK).when(APPLY).then_refused(Refusal.DUPLICATE)


def test_an_application_knows_what_was_applied_for() -> None:
    applied = replace(APPLIED_WITH_FEE, replaces=OTHER_PHONE, identified_at=minute(-9), fee_version=2)

    assert application_after(applied) == Application(
        customer=applied.customer,
        kind=Kind.JOINT_UNIVERSAL,
        holder=PERSONAL,
        device=applied.device,
        policy=USE_D.ref,
        replaces=OTHER_PHONE,
        applied_at=APPLIED_AT,
        open_until=OPEN_UNTIL,
        due=(*IN_FULL, Step.FEE, Step.KEY),
        fee_krw=4_400,
        fee_version=2,
        identified_at=minute(-9),
    )


# --- The short path of a reissue


A_YEAR_BEFORE = kst("2023-03-11T10:00")
SHORT = (Step.PHONE, Step.ACCOUNT, Step.KEY)


@pytest.mark.parametrize(
    ("identified_at", "steps", "kept"),
    [
        pytest.param(A_YEAR_BEFORE + MICROSECOND, SHORT, A_YEAR_BEFORE + MICROSECOND, id="within a year"),
        pytest.param(A_YEAR_BEFORE, APPLIED.steps, None, id="exactly a year ago"),
        pytest.param(None, APPLIED.steps, None, id="never"),
    ],
)
def test_the_path_is_short_while_the_last_identification_is_fresh(
    identified_at: datetime | None, steps: tuple[Step, ...], kept: datetime | None
) -> None:
    given(policies=BOOK).when(replace(APPLY, identified_at=identified_at)).then(
        replace(APPLIED, steps=steps, identified_at=kept), WAIVED
    )


NEW_YORK = replace(KINDS, bank=KINDS.bank.model_copy(update={"zone": "America/New_York"}))
"""Its clocks went forward on March 12, 2023 and on March 10, 2024."""


def in_new_york(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_an_application_stays_open_until_the_same_time_on_the_bank_s_wall() -> None:
    at = in_new_york("2024-03-06T10:00-05:00")

    given(policies=BOOK, kinds=NEW_YORK).when(replace(APPLY, at=at)).then(
        replace(APPLIED, at=at, open_until=in_new_york("2024-03-13T10:00-04:00")), replace(WAIVED, at=at)
    )


@pytest.mark.parametrize(
    ("at", "steps"),
    [
        pytest.param(in_new_york("2024-03-11T10:00-04:00") - MICROSECOND, SHORT, id="before"),
        pytest.param(in_new_york("2024-03-11T10:00-04:00"), APPLIED.steps, id="exactly then"),
    ],
)
def test_an_identification_is_fresh_until_the_same_time_on_the_bank_s_wall(
    at: datetime, steps: tuple[Step, ...]
) -> None:
    again = replace(APPLY, at=at, identified_at=in_new_york("2023-03-11T10:00-05:00"))
    applied, _ = credential.decide(None, again, BOOK, NEW_YORK)

    assert isinstance(applied, Applied)
    assert applied.steps == steps


# --- Retry and support


FIVE_FAILURES = (*APPLYING, *failures(Step.PHONE, count=5))
ESCALATED = EscalatedToSupport(at=minute(2), step=Step.PHONE, help_url=HELP)
RETRIED = StepRetried(at=minute(3), step=Step.PHONE)
BAD_PHONE = VerifyPhone(at=minute(4), provider="carrier", evidence="phone-1", own_name=False)


@pytest.mark.parametrize("count", [0, 4], ids=["never failed", "one attempt is left"])
def test_a_step_that_is_open_needs_no_retry(count: int) -> None:
    given(*APPLYING, *failures(Step.PHONE, count=count), policies=BOOK).when(RetryStep(at=minute(3))).then()


def test_a_retry_does_not_give_the_attempts_back() -> None:
    four = (*APPLYING, *failures(Step.PHONE, count=4))
    given(*four, policies=BOOK).when(RetryStep(at=minute(3))).then()

    given(*four, policies=BOOK).when(BAD_PHONE).then(
        StepFailed(at=minute(4), step=Step.PHONE, reason=Refusal.NAME_MISMATCH, attempt=5)
    )


def test_a_step_that_failed_too_often_is_retried_with_support_only() -> None:
    given(*FIVE_FAILURES, policies=BOOK).when(RetryStep(at=minute(3))).then_refused(Refusal.TOO_MANY_ATTEMPTS)
    given(*FIVE_FAILURES, ESCALATED, policies=BOOK).when(RetryStep(at=minute(3))).then(RETRIED)


def test_support_opens_a_step_by_its_retry_and_not_before() -> None:
    given(*FIVE_FAILURES, ESCALATED, policies=BOOK).when(BAD_PHONE).then_refused(Refusal.TOO_MANY_ATTEMPTS)


def test_attempts_begin_anew_after_the_retry() -> None:
    retried = (*FIVE_FAILURES, ESCALATED, RETRIED)

    given(*retried, policies=BOOK).when(BAD_PHONE).then(
        StepFailed(at=minute(4), step=Step.PHONE, reason=Refusal.NAME_MISMATCH, attempt=1)
    )
    given(*retried, policies=BOOK).when(RetryStep(at=minute(4))).then()


def test_support_is_asked_anew_for_each_retry() -> None:
    again = (*FIVE_FAILURES, ESCALATED, RETRIED, *failures(Step.PHONE, count=5))

    given(*again, policies=BOOK).when(RetryStep(at=minute(4))).then_refused(Refusal.TOO_MANY_ATTEMPTS)
    given(*again, policies=BOOK).when(Escalate(at=minute(4))).then(replace(ESCALATED, at=minute(4)))


def test_support_that_was_used_leaves_nothing_behind() -> None:
    assert application_after(*FIVE_FAILURES, ESCALATED, RETRIED) == application_after(*APPLYING)
    assert application_after(*APPLYING, ESCALATED, PHONE_VERIFIED).escalated is False


def test_support_for_one_step_does_not_open_the_next() -> None:
    history = (*APPLYING, ESCALATED, PHONE_VERIFIED, *failures(Step.ID_DOCUMENT, count=5))

    given(*history, policies=BOOK).when(RetryStep(at=minute(3))).then_refused(Refusal.TOO_MANY_ATTEMPTS)


def test_how_often_a_step_is_tried_is_a_number_of_the_kind() -> None:
    kinds, one = kinds_with(MOBILE, steps={"attempts_max": 2}), failures(Step.PHONE, count=1)

    given(*APPLYING, *one, policies=BOOK, kinds=kinds).when(BAD_PHONE).then(
        StepFailed(at=minute(4), step=Step.PHONE, reason=Refusal.NAME_MISMATCH, attempt=2)
    )
    two = failures(Step.PHONE, count=2)
    given(*APPLYING, *two, policies=BOOK, kinds=kinds).when(BAD_PHONE).then_refused(Refusal.TOO_MANY_ATTEMPTS)


def test_a_step_that_succeeded_leaves_no_failures_behind() -> None:
    history = (*APPLYING, *failures(Step.PHONE, count=3), PHONE_VERIFIED)

    assert application_after(*history).failures == ()


def test_support_is_told_the_step_and_the_holder_a_page_of_help() -> None:
    given(*APPLYING, policies=BOOK).when(Escalate(at=minute(2))).then(ESCALATED)
    given(*PROVEN, policies=BOOK).when(Escalate(at=minute(2))).then(replace(ESCALATED, step=Step.KEY))


def test_support_is_told_of_a_step_once() -> None:
    given(*APPLYING, ESCALATED, policies=BOOK).when(Escalate(at=minute(3))).then()


@pytest.mark.parametrize(
    "done",
    [
        pytest.param((*APPLYING, ESCALATED, PHONE_VERIFIED), id="phone"),
        pytest.param((*PHONE_DONE, ESCALATED, CAPTURED, CONFIRMED), id="document"),
        pytest.param((*ID_DONE, ESCALATED, ACCOUNT_VERIFIED, ACCOUNT_LINKED), id="account"),
        pytest.param((*FEE_DUE, ESCALATED, CHARGED), id="fee"),
        pytest.param((*FEE_DUE, ESCALATED, FeeWaived(at=minute(5), fee_version=1)), id="fee, waived"),
    ],
)
def test_support_is_told_of_each_step(done: tuple[Event, ...]) -> None:
    step = application_after(*done).due[0]

    given(*done, policies=BOOK).when(Escalate(at=minute(5))).then(replace(ESCALATED, at=minute(5), step=step))
