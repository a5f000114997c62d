"""Applications: from the wish over every step to the issue, and what keeps them from it."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from sealbook.application.names import Name, NameKind
from sealbook.application.requests import OnApplication
from sealbook.domain.credential import (
    Abandon,
    CaptureId,
    ChargeFee,
    ConfirmId,
    Escalate,
    Reject,
    RetryStep,
    VerifyAccount,
    WaiveFee,
)
from sealbook.domain.errors import Refusal
from sealbook.domain.values import CaptureFault, HolderKind, IdDocument, Kind, Role, Step
from tests.application.branch import (
    ALICE,
    BOB,
    COMPANY,
    HELD,
    NEXT,
    NOBODY,
    OTHER_PHONE,
    PHONE,
    Branch,
    apply,
    complete,
    employ,
    identity_of,
    steps,
    verify_phone,
)
from tests.commands import ATTESTED, FEBRUARY, MARCH, name
from tests.domain.examples import MOBILE

OF_PROOF = [
    "credential.phone_verified",
    "credential.id_document_captured",
    "credential.id_authenticity_confirmed",
    "credential.account_verified",
    "credential.account_linked",
]
OF_A_COMPANY = [each for each in OF_PROOF if ".id_" not in each]
FEE = ["credential.fee_charged"]
OF_THE_ISSUE = [
    "credential.issued",
    "credential.key_attested",
    "device.bound",
    "customer.device_slot_taken",
]
NOT_ATTESTED = [each for each in OF_THE_ISSUE if each != "credential.key_attested"]
PATHS = [
    (Kind.MOBILE_OTP, ALICE, OF_PROOF, OF_THE_ISSUE),
    (Kind.MOBILE_OTP, COMPANY, OF_PROOF, OF_THE_ISSUE),
    (Kind.KB_MOBILE_CERTIFICATE, ALICE, OF_PROOF, OF_THE_ISSUE),
    (Kind.FINANCIAL_CERTIFICATE, ALICE, OF_PROOF, NOT_ATTESTED),
    (Kind.FINANCIAL_CERTIFICATE, COMPANY, OF_A_COMPANY, NOT_ATTESTED),
    (Kind.JOINT_UNIVERSAL, ALICE, [*OF_PROOF, *FEE], OF_THE_ISSUE),
    (Kind.JOINT_UNIVERSAL, COMPANY, [*OF_A_COMPANY, *FEE], OF_THE_ISSUE),
]


@pytest.mark.parametrize(("kind", "person", "taken", "at_last"), PATHS)
def test_an_application_ends_with_the_issue_after_its_last_step(
    branch: Branch, kind: Kind, person: UUID, taken: list[str], at_last: list[str]
) -> None:
    branch.told(apply(person=person, kind=kind))

    assert branch.pass_steps() == taken
    attestation = ATTESTED if "credential.key_attested" in at_last else None
    assert branch.told(complete(attestation=attestation)) == at_last
    assert branch.credential().kind is kind


def test_both_personal_and_corporate_customers_apply_in_the_app(branch: Branch) -> None:
    for person, phone, held in ((ALICE, PHONE, HELD), (COMPANY, OTHER_PHONE, NEXT)):
        branch.issue_by_steps(apply(held, person=person, device=phone, kind=Kind.MOBILE_OTP))

    assert branch.credential(HELD).holder is HolderKind.PERSONAL
    assert branch.credential(NEXT).holder is HolderKind.CORPORATE


def test_an_application_opens_the_credential_at_its_customer(branch: Branch) -> None:
    assert branch.told(apply()) == ["customer.credential_opened", "credential.applied", "credential.fee_waived"]
    assert branch.customer().holding(Kind.KB_MOBILE_CERTIFICATE) == (HELD,)


def test_issuing_moves_credential_customer_and_device_in_one_append(branch: Branch) -> None:
    branch.told(apply())
    branch.pass_steps()

    outcome = branch.ask(complete())

    last = outcome.position
    assert last is not None
    appended = branch.store.read(after=last - len(outcome.events), limit=10)
    assert [recorded.stream for recorded in appended] == [HELD, HELD, PHONE, ALICE]
    assert len({recorded.command_id for recorded in appended}) == 1
    assert (branch.device().customer, branch.customer().devices) == (ALICE, (PHONE,))


def test_the_policy_version_in_force_at_the_issue_decides(branch: Branch) -> None:
    branch.issue_by_steps(apply(kind=Kind.JOINT_UNIVERSAL))

    assert branch.credential().policy.policy_id == "J1"


def test_steps_are_taken_in_order(branch: Branch) -> None:
    branch.told(apply(kind=Kind.JOINT_UNIVERSAL))
    passing = list(steps(branch.application(), HELD, at=FEBRUARY))

    for number, request in enumerate(passing):
        others = [each for each in passing[number + 1 :] if not is_answer(each)]
        assert {branch.refused(each) for each in others} <= {Refusal.STEP_ORDER}
        assert branch.refused(complete()) in (Refusal.STEP_ORDER, Refusal.FEE_UNPAID)
        branch.told(request)


def is_answer(request: object) -> bool:
    return isinstance(request, OnApplication) and isinstance(request.command, ConfirmId)


# --- The phone


@pytest.mark.parametrize(
    "identity",
    [identity_of(BOB), identity_of(NOBODY), name("number of somebody", NameKind.IDENTITY)],
    ids=["another person's", "not enrolled", "unknown"],
)
def test_a_phone_in_another_name_fails_the_step(branch: Branch, identity: Name) -> None:
    branch.told(apply())

    assert branch.noted(verify_phone(identity=identity)) == (Refusal.NAME_MISMATCH, ["credential.step_failed"])
    assert branch.application().failures_of(Step.PHONE) == 1


def test_a_phone_in_the_own_name_is_verified(branch: Branch) -> None:
    branch.told(apply())

    assert branch.told(verify_phone(identity=identity_of(ALICE))) == ["credential.phone_verified"]


def test_for_a_company_the_phone_is_its_users_or_its_own(branch: Branch) -> None:
    branch.told(apply(person=COMPANY, kind=Kind.MOBILE_OTP))
    refusal, _ = branch.noted(verify_phone(identity=identity_of(ALICE)))
    branch.told(*employ(ALICE, Role.MAKER))

    assert refusal is Refusal.NAME_MISMATCH
    assert branch.told(verify_phone(identity=identity_of(ALICE))) == ["credential.phone_verified"]
    branch.told(apply(NEXT, person=COMPANY, kind=Kind.JOINT_UNIVERSAL))
    assert branch.told(verify_phone(NEXT, identity_of(COMPANY))) == ["credential.phone_verified"]


# --- Failures, support, ends


def account(**more: bool) -> OnApplication:
    given = {"code_matches": True, "own_name": True} | more
    command = VerifyAccount(
        at=FEBRUARY, account="account-1", evidence="transfer-1", code_sent_at=FEBRUARY - timedelta(minutes=1), **given
    )
    return OnApplication(credential=HELD, command=command)


@pytest.mark.parametrize(
    ("request_", "refusal"),
    [
        (account(own_name=False), Refusal.NOT_OWN_NAME),
        (account(code_matches=False), Refusal.MISMATCH),
    ],
)
def test_a_failed_check_is_recorded_and_the_application_stays_open(
    branch: Branch, request_: OnApplication, refusal: Refusal
) -> None:
    branch.told(apply())
    branch.told(*list(steps(branch.application(), HELD, at=FEBRUARY))[:3])

    assert branch.noted(request_) == (refusal, ["credential.step_failed"])
    assert branch.application().due[0] is Step.ACCOUNT


def test_a_blurred_photo_is_recorded_and_may_be_taken_again(branch: Branch) -> None:
    branch.told(apply(), verify_phone())
    photo = CaptureId(at=FEBRUARY, document=IdDocument.PASSPORT, evidence="photo-1", digest="d1", request="q1")
    blurred = OnApplication(credential=HELD, command=replace(photo, fault=CaptureFault.BLURRED))

    assert branch.told(blurred) == ["credential.id_capture_rejected"]
    assert branch.pass_steps() == OF_PROOF[1:]


def test_support_lets_the_holder_retry_what_failed_too_often(branch: Branch) -> None:
    branch.told(apply())
    for _ in range(MOBILE.steps.attempts_max):
        branch.noted(verify_phone(identity=identity_of(BOB)))
    escalate, retry = (OnApplication(credential=HELD, command=each(at=FEBRUARY)) for each in (Escalate, RetryStep))

    assert branch.refused(verify_phone()) is Refusal.TOO_MANY_ATTEMPTS
    assert branch.refused(retry) is Refusal.TOO_MANY_ATTEMPTS
    assert branch.told(escalate, escalate) == ["credential.escalated_to_support"]
    assert branch.told(retry, verify_phone()) == ["credential.step_retried", "credential.phone_verified"]


@pytest.mark.parametrize(
    ("command", "event"),
    [
        (Abandon(at=FEBRUARY), "credential.application_abandoned"),
        (Reject(at=FEBRUARY, reason="fraud"), "credential.application_rejected"),
    ],
)
def test_an_ended_application_is_closed_at_its_customer(branch: Branch, command: Abandon | Reject, event: str) -> None:
    branch.told(apply())

    assert branch.told(OnApplication(credential=HELD, command=command)) == [event, "customer.credential_closed"]
    assert branch.customer().open_credentials == ()
    assert branch.refused(complete()) is Refusal.APPLICATION_ENDED


def test_an_application_whose_time_is_over_is_in_nobodys_way(branch: Branch) -> None:
    branch.told(apply())

    assert branch.told(apply(NEXT, at=MARCH))[:2] == [
        "credential.application_abandoned",
        "customer.credential_closed",
    ]
    assert branch.customer().holding(Kind.KB_MOBILE_CERTIFICATE) == (NEXT,)


def test_what_was_paid_for_a_rejected_application_is_given_back(branch: Branch) -> None:
    branch.told(apply(kind=Kind.JOINT_UNIVERSAL))
    branch.pass_steps()

    assert branch.told(OnApplication(credential=HELD, command=Reject(at=FEBRUARY, reason="fraud"))) == [
        "credential.application_rejected",
        "credential.fee_refunded",
        "customer.credential_closed",
    ]


def test_a_fee_that_an_officer_waives_is_not_charged(branch: Branch) -> None:
    branch.told(apply(kind=Kind.JOINT_UNIVERSAL))
    *proofs, _ = steps(branch.application(), HELD, at=FEBRUARY)
    branch.told(*proofs)

    assert branch.refused(complete()) is Refusal.FEE_UNPAID
    failed = OnApplication(credential=HELD, command=ChargeFee(at=FEBRUARY, receipt=None))
    assert branch.told(failed) == ["credential.fee_failed"]
    assert branch.told(OnApplication(credential=HELD, command=WaiveFee(at=FEBRUARY))) == ["credential.fee_waived"]
    assert branch.told(complete()) == OF_THE_ISSUE
