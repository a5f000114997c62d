"""A company: its users, their roles, and transactions that take four eyes."""

from dataclasses import replace
from uuid import UUID

import pytest

from sealbook.domain.customer import (
    AddUser,
    ApproveTransaction,
    Command,
    CompanyUser,
    Customer,
    CustomerClosed,
    CustomerRestricted,
    Enrolled,
    Event,
    GrantRole,
    Proposal,
    ProposeTransaction,
    RemoveRole,
    RemoveUser,
    RoleGranted,
    RoleRemoved,
    TransactionApproved,
    TransactionProposed,
    UserAdded,
    UserRemoved,
    enrolled,
    fold,
)
from sealbook.domain.errors import Refusal
from sealbook.domain.values import HolderSubkind, Role
from tests.domain.examples import ISSUE, SUMMER
from tests.scenario import given

ANN, BOB, EVE = UUID(int=21), UUID(int=22), UUID(int=23)
ENROLLED = Enrolled(at=ISSUE, subkind=HolderSubkind.CORPORATION, provenance=None)


def user(person: UUID, *roles: Role) -> tuple[Event, ...]:
    """The events that make a person a user in these roles."""
    granted = (RoleGranted(at=ISSUE, person=person, role=role) for role in roles)
    return (UserAdded(at=ISSUE, person=person), *granted)


COMPANY = (ENROLLED, *user(ANN, Role.ADMINISTRATOR))
OFFICE = (*COMPANY, *user(BOB, Role.MAKER), *user(EVE, Role.APPROVER))
ADD = AddUser(at=SUMMER, person=BOB)
REMOVE = RemoveUser(at=SUMMER, person=BOB)
GRANT = GrantRole(at=SUMMER, person=BOB, role=Role.VIEWER)
TAKE_AWAY = RemoveRole(at=SUMMER, person=BOB, role=Role.MAKER)
PROPOSE = ProposeTransaction(at=SUMMER, transaction="payroll-7", maker=BOB)
APPROVE = ApproveTransaction(at=SUMMER, transaction="payroll-7", approver=EVE)
PROPOSED = TransactionProposed(at=SUMMER, transaction="payroll-7", maker=BOB)
APPROVED = TransactionApproved(at=SUMMER, transaction="payroll-7", approver=EVE)


def company_after(*history: Event) -> Customer:
    return enrolled(fold(history))


# --- Users


def test_a_person_becomes_a_user_without_any_role() -> None:
    given(*COMPANY).when(ADD).then(UserAdded(at=SUMMER, person=BOB))
    assert company_after(*COMPANY, *user(BOB)).user(BOB) == CompanyUser(person=BOB, roles=())


def test_adding_a_user_again_does_nothing() -> None:
    given(*OFFICE).when(ADD).then()


def test_a_user_is_removed_and_no_other() -> None:
    removed = UserRemoved(at=SUMMER, person=BOB)

    given(*OFFICE).when(REMOVE).then(removed)
    assert company_after(*OFFICE, removed).user(BOB) is None
    assert {each.person for each in company_after(*OFFICE, removed).users} == {ANN, EVE}


def test_removing_one_who_is_no_user_does_nothing() -> None:
    given(*COMPANY).when(REMOVE).then()


# --- Roles


@pytest.mark.parametrize("role", list(Role))
def test_a_user_is_granted_a_role_beside_those_it_has(role: Role) -> None:
    given(*COMPANY, *user(BOB)).when(replace(GRANT, role=role)).then(RoleGranted(at=SUMMER, person=BOB, role=role))
    both = company_after(*COMPANY, *user(BOB, Role.VIEWER, Role.MAKER)).user(BOB)
    assert both == CompanyUser(person=BOB, roles=(Role.VIEWER, Role.MAKER))


def test_granting_a_role_again_does_nothing() -> None:
    given(*OFFICE).when(replace(GRANT, role=Role.MAKER)).then()


def test_a_role_is_taken_away_and_no_other() -> None:
    removed = RoleRemoved(at=SUMMER, person=BOB, role=Role.MAKER)
    history = (*OFFICE, RoleGranted(at=ISSUE, person=BOB, role=Role.VIEWER))

    given(*history).when(TAKE_AWAY).then(removed)
    known = company_after(*history, removed)
    assert known.user(BOB) == CompanyUser(person=BOB, roles=(Role.VIEWER,))
    assert known.user(EVE) == CompanyUser(person=EVE, roles=(Role.APPROVER,))


def test_taking_away_a_role_that_a_user_lacks_does_nothing() -> None:
    given(*OFFICE).when(replace(TAKE_AWAY, role=Role.VIEWER)).then()
    given(*OFFICE).when(replace(TAKE_AWAY, role=Role.ADMINISTRATOR)).then()


@pytest.mark.parametrize("command", [GRANT, TAKE_AWAY, PROPOSE], ids=["grant", "take away", "propose"])
def test_who_is_no_user_has_no_role(command: Command) -> None:
    given(*COMPANY).when(command).then_refused(Refusal.ROLE)


# --- The last administrator

ANN_LEAVES = RemoveUser(at=SUMMER, person=ANN)
ANN_STEPS_DOWN = RemoveRole(at=SUMMER, person=ANN, role=Role.ADMINISTRATOR)


@pytest.mark.parametrize("command", [ANN_LEAVES, ANN_STEPS_DOWN], ids=["leaves", "steps down"])
def test_the_last_administrator_stays(command: Command) -> None:
    given(*OFFICE).when(command).then_refused(Refusal.LAST_ADMIN)


def test_an_administrator_may_go_when_another_stays() -> None:
    history = (*OFFICE, RoleGranted(at=ISSUE, person=EVE, role=Role.ADMINISTRATOR))

    given(*history).when(ANN_LEAVES).then(UserRemoved(at=SUMMER, person=ANN))
    given(*history).when(ANN_STEPS_DOWN).then(RoleRemoved(at=SUMMER, person=ANN, role=Role.ADMINISTRATOR))


def test_the_last_administrator_may_lay_down_another_role() -> None:
    history = (*OFFICE, RoleGranted(at=ISSUE, person=ANN, role=Role.VIEWER))

    given(*history).when(RemoveRole(at=SUMMER, person=ANN, role=Role.VIEWER)).then(
        RoleRemoved(at=SUMMER, person=ANN, role=Role.VIEWER)
    )


def test_who_is_no_administrator_may_go_before_there_is_one() -> None:
    given(ENROLLED, *user(BOB, Role.MAKER)).when(REMOVE).then(UserRemoved(at=SUMMER, person=BOB))


def test_a_role_in_a_history_makes_a_user_of_whoever_was_granted_it() -> None:
    granted = RoleGranted(at=ISSUE, person=BOB, role=Role.VIEWER)

    assert company_after(ENROLLED, granted).user(BOB) == CompanyUser(person=BOB, roles=(Role.VIEWER,))


# --- Four eyes


def test_a_maker_proposes_a_transaction() -> None:
    given(*OFFICE).when(PROPOSE).then(PROPOSED)


@pytest.mark.parametrize("person", [ANN, EVE], ids=["administrator", "approver"])
def test_only_a_maker_proposes(person: UUID) -> None:
    given(*OFFICE).when(replace(PROPOSE, maker=person)).then_refused(Refusal.ROLE)


def test_a_transaction_is_proposed_once_while_it_awaits_its_approval() -> None:
    given(*OFFICE, PROPOSED).when(PROPOSE).then_refused(Refusal.DUPLICATE)
    given(*OFFICE, PROPOSED).when(replace(PROPOSE, transaction="payroll-8")).then(
        replace(PROPOSED, transaction="payroll-8")
    )


def test_an_approver_approves_what_another_made() -> None:
    given(*OFFICE, PROPOSED).when(APPROVE).then(APPROVED)


@pytest.mark.parametrize("person", [ANN, BOB], ids=["administrator", "maker"])
def test_only_an_approver_approves(person: UUID) -> None:
    given(*OFFICE, PROPOSED).when(replace(APPROVE, approver=person)).then_refused(Refusal.ROLE)


def test_who_made_a_transaction_may_not_approve_it_in_whatever_role() -> None:
    both = RoleGranted(at=ISSUE, person=BOB, role=Role.APPROVER)

    given(*OFFICE, both, PROPOSED).when(replace(APPROVE, approver=BOB)).then_refused(Refusal.FOUR_EYES)


@pytest.mark.parametrize(
    "history",
    [
        pytest.param(OFFICE, id="never proposed"),
        pytest.param((*OFFICE, replace(PROPOSED, transaction="payroll-8")), id="another proposed"),
        pytest.param((*OFFICE, PROPOSED, APPROVED), id="approved already"),
    ],
)
def test_what_awaits_no_approval_is_not_approved(history: tuple[Event, ...]) -> None:
    given(*history).when(APPROVE).then_refused(Refusal.NOT_FOUND)


def test_of_several_transactions_the_approved_one_awaits_nothing_more() -> None:
    other = replace(PROPOSED, transaction="payroll-8")

    assert company_after(*OFFICE, PROPOSED, other, APPROVED).proposals == (
        Proposal(transaction="payroll-8", maker=BOB),
    )
    given(*OFFICE, other, PROPOSED).when(APPROVE).then(APPROVED)
    given(*OFFICE, PROPOSED, other).when(APPROVE).then(APPROVED)


# --- Of whom, and in which state

COMMANDS = [ADD, REMOVE, GRANT, TAKE_AWAY, PROPOSE, APPROVE]
CLOSED = CustomerClosed(at=ISSUE)
RESTRICTED = CustomerRestricted(at=ISSUE, reason="court")


def _name(value: object) -> str:
    return type(value).__name__


@pytest.mark.parametrize("command", COMMANDS, ids=_name)
def test_a_natural_person_has_no_users(command: Command) -> None:
    given(replace(ENROLLED, subkind=HolderSubkind.INDIVIDUAL)).when(command).then_refused(Refusal.ROLE)


@pytest.mark.parametrize(
    "subkind", [HolderSubkind.SOLE_PROPRIETOR, HolderSubkind.CORPORATION, HolderSubkind.ASSOCIATION]
)
def test_businesses_and_associations_have_users(subkind: HolderSubkind) -> None:
    given(replace(ENROLLED, subkind=subkind)).when(ADD).then(UserAdded(at=SUMMER, person=BOB))


@pytest.mark.parametrize("command", COMMANDS, ids=_name)
def test_nothing_is_done_for_a_company_that_is_not_enrolled(command: Command) -> None:
    given().when(command).then_refused(Refusal.CUSTOMER_STATE)


@pytest.mark.parametrize("command", COMMANDS, ids=_name)
def test_nothing_is_done_for_a_company_that_was_closed(command: Command) -> None:
    given(*OFFICE, PROPOSED, CLOSED).when(command).then_refused(Refusal.CUSTOMER_STATE)


@pytest.mark.parametrize("command", [ADD, GRANT, PROPOSE, APPROVE], ids=_name)
def test_nobody_is_given_anything_to_do_under_a_restriction(command: Command) -> None:
    given(*OFFICE, PROPOSED, RESTRICTED).when(command).then_refused(Refusal.CUSTOMER_STATE)


def test_users_and_roles_may_be_removed_under_a_restriction() -> None:
    given(*OFFICE, RESTRICTED).when(REMOVE).then(UserRemoved(at=SUMMER, person=BOB))
    given(*OFFICE, RESTRICTED).when(TAKE_AWAY).then(RoleRemoved(at=SUMMER, person=BOB, role=Role.MAKER))


@pytest.mark.parametrize(
    ("roles", "acts"),
    [
        ((), False),
        ((Role.VIEWER,), False),
        ((Role.MAKER,), True),
        ((Role.VIEWER, Role.APPROVER), True),
    ],
    ids=["none", "viewer", "maker", "viewer and approver"],
)
def test_who_only_looks_on_does_not_act_for_the_company(roles: tuple[Role, ...], acts: bool) -> None:
    person, stranger = UUID(int=91), UUID(int=92)
    company = Customer(subkind=HolderSubkind.CORPORATION, users=(CompanyUser(person=person, roles=roles),))

    assert company.acts_for(person) is acts
    assert not company.acts_for(stranger)
