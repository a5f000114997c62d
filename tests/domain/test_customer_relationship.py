"""A customer: enrolled once and for all as a person or a company, with services, a contact and a name."""

from dataclasses import replace

import pytest

from sealbook.domain.customer import (
    ChangeContact,
    ChangeName,
    Command,
    ContactChanged,
    Customer,
    CustomerClosed,
    CustomerDeceased,
    CustomerRestricted,
    Enroll,
    Enrolled,
    Event,
    JoinService,
    LeaveService,
    NameChanged,
    ServiceJoined,
    ServiceLeft,
    active,
    enrolled,
    fold,
    present,
)
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.values import HolderKind, HolderSubkind, Service
from tests.domain.examples import ISSUE, SUMMER
from tests.scenario import given

ENROLLED = Enrolled(at=ISSUE, subkind=HolderSubkind.INDIVIDUAL, provenance=None)
JOINED = ServiceJoined(at=ISSUE, service=Service.INTERNET_BANKING)
LEFT = ServiceLeft(at=SUMMER, service=Service.INTERNET_BANKING)
JOIN = JoinService(at=ISSUE, service=Service.INTERNET_BANKING)
LEAVE = LeaveService(at=SUMMER, service=Service.INTERNET_BANKING)
CHANGE_CONTACT = ChangeContact(at=SUMMER, contact="contact-2")
CHANGE_NAME = ChangeName(at=SUMMER, evidence="register-1")
RESTRICTED = CustomerRestricted(at=ISSUE, reason="court")
CLOSED = CustomerClosed(at=ISSUE)
DECEASED = CustomerDeceased(at=ISSUE, evidence="register-2")


@pytest.mark.parametrize("subkind", list(HolderSubkind))
def test_persons_businesses_and_associations_are_enrolled_with_their_provenance(subkind: HolderSubkind) -> None:
    given().when(Enroll(at=ISSUE, subkind=subkind, provenance="bank A")).then(
        Enrolled(at=ISSUE, subkind=subkind, provenance="bank A")
    )


@pytest.mark.parametrize(
    ("subkind", "kind"),
    [
        (HolderSubkind.INDIVIDUAL, HolderKind.PERSONAL),
        (HolderSubkind.SOLE_PROPRIETOR, HolderKind.CORPORATE),
        (HolderSubkind.CORPORATION, HolderKind.CORPORATE),
        (HolderSubkind.ASSOCIATION, HolderKind.CORPORATE),
    ],
)
def test_only_an_individual_is_a_personal_customer(subkind: HolderSubkind, kind: HolderKind) -> None:
    customer = fold([replace(ENROLLED, subkind=subkind)])

    assert customer is not None
    assert customer.kind is kind


@pytest.mark.parametrize("subkind", list(HolderSubkind))
def test_a_customer_is_enrolled_once_so_that_its_kind_never_changes(subkind: HolderSubkind) -> None:
    given(ENROLLED).when(Enroll(at=SUMMER, subkind=subkind)).then_refused(Refusal.DUPLICATE)


def test_a_new_customer_holds_nothing() -> None:
    assert fold([ENROLLED]) == Customer(subkind=HolderSubkind.INDIVIDUAL)


# --- Services


@pytest.mark.parametrize("service", list(Service))
def test_a_service_is_joined(service: Service) -> None:
    given(ENROLLED).when(JoinService(at=ISSUE, service=service)).then(ServiceJoined(at=ISSUE, service=service))


def test_joining_again_does_nothing() -> None:
    given(ENROLLED, JOINED).when(JOIN).then()


def test_a_service_is_left() -> None:
    given(ENROLLED, JOINED).when(LEAVE).then(LEFT)


@pytest.mark.parametrize("history", [(ENROLLED,), (ENROLLED, JOINED, LEFT)], ids=["never joined", "left"])
def test_leaving_what_was_not_joined_does_nothing(history: tuple[Event, ...]) -> None:
    given(*history).when(LEAVE).then()


def test_a_service_that_was_left_may_be_joined_again() -> None:
    given(ENROLLED, JOINED, LEFT).when(replace(JOIN, at=SUMMER)).then(replace(JOINED, at=SUMMER))


def test_leaving_one_service_leaves_the_others_joined() -> None:
    other = ServiceJoined(at=ISSUE, service=Service.PERSONAL_BANKING)
    customer = fold([ENROLLED, JOINED, other, LEFT])

    assert customer is not None
    assert customer.services == (Service.PERSONAL_BANKING,)


# --- Contact and name


def test_a_contact_changes() -> None:
    given(ENROLLED).when(CHANGE_CONTACT).then(ContactChanged(at=SUMMER, contact="contact-2"))


def test_a_name_changes_by_evidence() -> None:
    given(ENROLLED).when(CHANGE_NAME).then(NameChanged(at=SUMMER, evidence="register-1"))


@pytest.mark.parametrize("evidence", [None, ""], ids=["none", "empty"])
def test_a_name_does_not_change_without_evidence(evidence: str | None) -> None:
    given(ENROLLED).when(replace(CHANGE_NAME, evidence=evidence)).then_refused(Refusal.EVIDENCE)


def test_the_name_and_the_contact_themselves_are_kept_elsewhere() -> None:
    changed: list[Event] = [
        NameChanged(at=SUMMER, evidence="register-1"),
        ContactChanged(at=SUMMER, contact="contact-2"),
    ]

    assert fold([ENROLLED, *changed]) == fold([ENROLLED])


# --- In which state

OWN = [JOIN, CHANGE_CONTACT, CHANGE_NAME]


def _name(value: object) -> str:
    return type(value).__name__


@pytest.mark.parametrize("command", [*OWN, LEAVE], ids=_name)
def test_nothing_is_done_for_one_who_is_not_enrolled(command: Command) -> None:
    given().when(command).then_refused(Refusal.CUSTOMER_STATE)


@pytest.mark.parametrize("command", [*OWN, LEAVE], ids=_name)
@pytest.mark.parametrize("end", [CLOSED, DECEASED], ids=_name)
def test_nothing_changes_once_the_relationship_has_ended(command: Command, end: Event) -> None:
    given(ENROLLED, JOINED, end).when(command).then_refused(Refusal.CUSTOMER_STATE)


@pytest.mark.parametrize("command", OWN, ids=_name)
def test_nothing_is_joined_or_changed_under_a_restriction(command: Command) -> None:
    given(ENROLLED, RESTRICTED).when(command).then_refused(Refusal.CUSTOMER_STATE)


def test_a_service_may_be_left_under_a_restriction() -> None:
    given(ENROLLED, JOINED, RESTRICTED).when(LEAVE).then(LEFT)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        pytest.param(None, "not enrolled", id="unknown"),
        pytest.param(fold([ENROLLED, CLOSED]), "is closed", id="closed"),
        pytest.param(fold([ENROLLED, DECEASED]), "is deceased", id="deceased"),
        pytest.param(fold([ENROLLED, RESTRICTED]), "is restricted", id="restricted"),
    ],
)
def test_a_refusal_names_the_customer_s_state(state: Customer | None, message: str) -> None:
    with pytest.raises(Refused, match=message):
        active(state)


def test_a_customer_in_good_standing_may_act() -> None:
    assert active(fold([ENROLLED])) == present(fold([ENROLLED])) == enrolled(fold([ENROLLED]))


def test_a_history_begins_with_the_enrollment() -> None:
    with pytest.raises(Refused, match="not enrolled"):
        fold([JOINED])
