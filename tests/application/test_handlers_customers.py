"""Customers: a company's users, four eyes, and what ends a relationship."""

from datetime import datetime
from uuid import UUID

import pytest

from sealbook.application.erasing import EraseCredential
from sealbook.application.requests import (
    AddCompanyUser,
    ChangeRole,
    CloseCustomer,
    OnApplication,
    OnCustomer,
    OnTransaction,
    OwnOfCustomer,
    RemoveCompanyUser,
)
from sealbook.domain import customer
from sealbook.domain.credential import ChargeFee, Resume, Revoke, Suspend, WaiveFee
from sealbook.domain.errors import Refusal
from sealbook.domain.values import HolderKind, HolderSubkind, Kind, Role, SuspensionReason
from tests.application.branch import (
    ALICE,
    BOB,
    COMPANY,
    HELD,
    NOBODY,
    PHONE,
    THIRD,
    Branch,
    apply,
    employ,
    enroll,
    issue,
    lapsed_by,
    on,
    steps,
)
from tests.commands import FEBRUARY, MARCH

MUCH_LATER = lapsed_by().replace(year=2035)


def close(*, at: datetime = MARCH) -> CloseCustomer:
    return CloseCustomer(at=at, customer=ALICE)


def on_alice(command: OwnOfCustomer) -> OnCustomer:
    return OnCustomer(customer=ALICE, command=command)


# --- Enrollment


@pytest.mark.parametrize("subkind", HolderSubkind)
def test_a_customer_is_personal_or_corporate_from_the_enrollment_on(branch: Branch, subkind: HolderSubkind) -> None:
    branch.told(enroll(NOBODY, subkind))

    expected = HolderKind.PERSONAL if subkind is HolderSubkind.INDIVIDUAL else HolderKind.CORPORATE
    assert branch.customer(NOBODY).kind is expected
    assert branch.refused(enroll(NOBODY, subkind)) is Refusal.DUPLICATE


# --- Users of a company


def test_a_user_of_a_company_is_an_enrolled_natural_person(branch: Branch) -> None:
    branch.told(enroll(THIRD, HolderSubkind.SOLE_PROPRIETOR))

    assert branch.refused(AddCompanyUser(at=FEBRUARY, customer=COMPANY, person=NOBODY)) is Refusal.CUSTOMER_STATE
    assert branch.refused(AddCompanyUser(at=FEBRUARY, customer=COMPANY, person=THIRD)) is Refusal.ROLE
    assert branch.refused(AddCompanyUser(at=FEBRUARY, customer=COMPANY, person=COMPANY)) is Refusal.ROLE
    assert branch.refused(AddCompanyUser(at=FEBRUARY, customer=COMPANY, person=PHONE)) is Refusal.NOT_FOUND
    assert branch.told(AddCompanyUser(at=FEBRUARY, customer=COMPANY, person=ALICE)) == ["customer.user_added"]


def test_only_a_company_has_users(branch: Branch) -> None:
    assert branch.refused(AddCompanyUser(at=FEBRUARY, customer=BOB, person=ALICE)) is Refusal.ROLE


def test_a_restricted_person_becomes_no_user(branch: Branch) -> None:
    branch.told(on_alice(customer.Restrict(at=FEBRUARY, reason="fraud")))

    assert branch.refused(AddCompanyUser(at=FEBRUARY, customer=COMPANY, person=ALICE)) is Refusal.CUSTOMER_STATE


def test_roles_are_granted_and_removed_and_the_user_with_them(branch: Branch) -> None:
    assert (
        branch.told(*employ(ALICE, Role.ADMINISTRATOR), *employ(BOB, Role.MAKER))
        == [
            "customer.user_added",
            "customer.role_granted",
        ]
        * 2
    )
    last_admin = RemoveCompanyUser(at=MARCH, customer=COMPANY, person=ALICE)
    assert branch.refused(last_admin) is Refusal.LAST_ADMIN
    maker = ChangeRole(at=MARCH, customer=COMPANY, person=BOB, role=Role.MAKER, granted=False)
    assert branch.told(maker, maker) == ["customer.role_removed"]
    assert branch.told(RemoveCompanyUser(at=MARCH, customer=COMPANY, person=BOB)) == ["customer.user_removed"]


def test_who_made_a_transaction_does_not_approve_it(branch: Branch) -> None:
    branch.told(*employ(ALICE, Role.MAKER, Role.APPROVER), *employ(BOB, Role.APPROVER))

    def transaction(by: UUID, *, approved: bool) -> OnTransaction:
        return OnTransaction(at=MARCH, customer=COMPANY, transaction="t-1", by=by, approved=approved)

    assert branch.refused(transaction(BOB, approved=False)) is Refusal.ROLE
    assert branch.told(transaction(ALICE, approved=False)) == ["customer.transaction_proposed"]
    assert branch.refused(transaction(ALICE, approved=True)) is Refusal.FOUR_EYES
    assert branch.told(transaction(BOB, approved=True)) == ["customer.transaction_approved"]


# --- Restriction


def test_what_a_restriction_holds_is_not_resumed_before_it_is_lifted(branch: Branch) -> None:
    hold = Suspend(at=MARCH, reason=SuspensionReason.CUSTOMER_RESTRICTED)
    branch.told(issue(), on_alice(customer.Restrict(at=MARCH, reason="fraud")), on(hold))

    assert branch.refused(on(Resume(at=MARCH))) is Refusal.CUSTOMER_STATE
    branch.told(on_alice(customer.LiftRestriction(at=MARCH)))
    assert branch.told(on(Resume(at=MARCH))) == ["credential.resumed"]


# --- Closure


def joint_certificate_with_a_failed_payment(branch: Branch) -> None:
    branch.told(apply(kind=Kind.JOINT_UNIVERSAL))
    *proofs, _ = steps(branch.application(), HELD, at=FEBRUARY)
    branch.told(*proofs, OnApplication(credential=HELD, command=ChargeFee(at=FEBRUARY, receipt=None)))


def test_a_customer_with_an_open_fee_is_not_closed(branch: Branch) -> None:
    joint_certificate_with_a_failed_payment(branch)

    assert branch.refused(close(at=FEBRUARY)) is Refusal.OPEN_FEE
    branch.told(OnApplication(credential=HELD, command=WaiveFee(at=FEBRUARY)))
    assert branch.told(close(at=FEBRUARY)) == ["customer.closed"]


def test_the_fee_of_an_application_whose_time_is_over_is_open_no_longer(branch: Branch) -> None:
    joint_certificate_with_a_failed_payment(branch)

    assert branch.told(close(at=MARCH)) == [
        "credential.application_abandoned",
        "customer.credential_closed",
        "customer.closed",
    ]


def test_a_closed_customer_opens_nothing_more(branch: Branch) -> None:
    branch.told(close())

    assert branch.told(close()) == []
    assert branch.refused(apply(at=MARCH)) is Refusal.CUSTOMER_STATE
    assert branch.refused(issue(at=MARCH)) is Refusal.CUSTOMER_STATE


# --- Erasure


def erase_credential(*, at: datetime = MUCH_LATER) -> EraseCredential:
    return EraseCredential(at=at, credential=HELD, basis="retention over")


def test_what_a_legal_hold_keeps_is_not_erased(branch: Branch) -> None:
    branch.told(issue(), on(Revoke(at=MARCH)), close())
    branch.told(on_alice(customer.PlaceLegalHold(at=MARCH, case="2024-17")))
    of_the_customer = on_alice(customer.Erase(at=MUCH_LATER, basis="retention over", approved_by="officer 7"))

    assert branch.refused(erase_credential()) is Refusal.LEGAL_HOLD
    assert branch.refused(of_the_customer) is Refusal.LEGAL_HOLD
    branch.told(on_alice(customer.LiftLegalHold(at=MUCH_LATER, case="2024-17")))
    assert branch.told(erase_credential(), erase_credential()) == ["credential.personal_data_erased"]
    assert branch.told(of_the_customer) == ["customer.personal_data_erased"]


def test_what_has_to_be_kept_is_not_erased(branch: Branch) -> None:
    branch.told(issue())

    assert branch.refused(erase_credential(at=MARCH)) is Refusal.RETENTION
    branch.told(on(Revoke(at=MARCH)))
    assert branch.refused(erase_credential(at=MARCH.replace(year=2029, day=9))) is Refusal.RETENTION
    assert branch.told(erase_credential(at=MARCH.replace(year=2029))) == ["credential.personal_data_erased"]
