"""What a customer holds: credentials, devices and linked IDs, each once."""

from dataclasses import replace
from uuid import UUID

import pytest

from sealbook.domain.customer import (
    AdoptCredential,
    CloseCredential,
    Command,
    CredentialClosed,
    CredentialOpened,
    Customer,
    CustomerClosed,
    CustomerDeceased,
    CustomerRestricted,
    DeviceSlotReleased,
    DeviceSlotTaken,
    Enrolled,
    Event,
    IdReleased,
    IdTaken,
    OpenCredential,
    ReleaseDeviceSlot,
    ReleaseId,
    ServiceJoined,
    ServiceLeft,
    TakeDeviceSlot,
    TakeId,
    enrolled,
    fold,
)
from sealbook.domain.errors import Refusal
from sealbook.domain.values import HolderSubkind, Kind, Service
from tests.domain.examples import ISSUE, KINDS, MOBILE, OTHER_PHONE, OTP, PHONE, SUMMER
from tests.scenario import given

FIRST, SECOND, THIRD = UUID(int=11), UUID(int=12), UUID(int=13)
CERTIFICATE = Kind.KB_MOBILE_CERTIFICATE
ENROLLED = Enrolled(at=ISSUE, subkind=HolderSubkind.INDIVIDUAL, provenance=None)
OPENED = CredentialOpened(at=ISSUE, credential=FIRST, kind=CERTIFICATE)
OPENED_SECOND = CredentialOpened(at=SUMMER, credential=SECOND, kind=CERTIFICATE)
CLOSED = CredentialClosed(at=SUMMER, credential=FIRST)
OPEN = OpenCredential(at=SUMMER, credential=SECOND, kind=MOBILE)
CLOSE = CloseCredential(at=SUMMER, credential=FIRST)
ADOPT = AdoptCredential(at=SUMMER, credential=SECOND, kind=CERTIFICATE)
TAKEN = DeviceSlotTaken(at=ISSUE, device=PHONE)
RELEASED = DeviceSlotReleased(at=SUMMER, device=PHONE)
TAKE = TakeDeviceSlot(at=SUMMER, device=OTHER_PHONE, devices_max=1)
RELEASE = ReleaseDeviceSlot(at=SUMMER, device=PHONE)
ID, OTHER_ID = "id-1", "id-2"
ID_TAKEN = IdTaken(at=ISSUE, bank_id=ID, credential=FIRST)
ID_RELEASED = IdReleased(at=SUMMER, bank_id=ID)
TAKE_ID = TakeId(at=SUMMER, bank_id=ID, credential=SECOND)
RELEASE_ID = ReleaseId(at=SUMMER, bank_id=ID)


def customer_after(*history: Event) -> Customer:
    return enrolled(fold(history))


# --- Credentials


def test_a_credential_is_opened() -> None:
    given(ENROLLED).when(OPEN).then(OPENED_SECOND)


def test_a_second_credential_of_the_kind_is_refused() -> None:
    given(ENROLLED, OPENED).when(OPEN).then_refused(Refusal.ALREADY_HELD)


def test_the_same_credential_is_not_opened_again() -> None:
    given(ENROLLED, OPENED_SECOND).when(OPEN).then_refused(Refusal.ALREADY_HELD)


def test_a_credential_of_another_kind_may_stand_beside() -> None:
    given(ENROLLED, OPENED).when(replace(OPEN, kind=OTP)).then(replace(OPENED_SECOND, kind=Kind.MOBILE_OTP))


def test_a_credential_may_stand_beside_the_one_that_it_replaces() -> None:
    given(ENROLLED, OPENED).when(replace(OPEN, replaces=FIRST)).then(OPENED_SECOND)


@pytest.mark.parametrize("replaces", [FIRST, SECOND])
def test_of_two_only_the_last_is_replaced_and_only_by_one(replaces: UUID) -> None:
    third = OpenCredential(at=SUMMER, credential=THIRD, kind=MOBILE, replaces=replaces)

    given(ENROLLED, OPENED, OPENED_SECOND).when(third).then_refused(Refusal.ALREADY_HELD)


def test_what_replaces_something_else_is_refused_beside_a_live_one() -> None:
    given(ENROLLED, OPENED).when(replace(OPEN, replaces=THIRD)).then_refused(Refusal.ALREADY_HELD)


def test_a_credential_may_follow_one_that_was_closed() -> None:
    given(ENROLLED, OPENED, CLOSED).when(OPEN).then(OPENED_SECOND)


@pytest.mark.parametrize("subkind", list(HolderSubkind))
@pytest.mark.parametrize("kind", list(Kind))
def test_a_kind_is_for_the_customers_that_it_names(kind: Kind, subkind: HolderSubkind) -> None:
    document = KINDS.kind(kind)
    joined = ServiceJoined(at=ISSUE, service=Service.INTERNET_BANKING)
    outcome = given(replace(ENROLLED, subkind=subkind), joined).when(replace(OPEN, kind=document))

    if subkind in document.eligible:
        outcome.then(replace(OPENED_SECOND, kind=kind))
    else:
        outcome.then_refused(Refusal.NOT_ELIGIBLE)


@pytest.mark.parametrize(
    "subkind", [HolderSubkind.SOLE_PROPRIETOR, HolderSubkind.CORPORATION, HolderSubkind.ASSOCIATION]
)
def test_the_bank_s_own_certificate_is_for_individuals_only(subkind: HolderSubkind) -> None:
    given(replace(ENROLLED, subkind=subkind)).when(OPEN).then_refused(Refusal.NOT_ELIGIBLE)


FINANCIAL = KINDS.kind(Kind.FINANCIAL_CERTIFICATE)


@pytest.mark.parametrize(
    "history",
    [
        pytest.param((ENROLLED,), id="never"),
        pytest.param((ENROLLED, ServiceJoined(at=ISSUE, service=Service.PERSONAL_BANKING)), id="another"),
        pytest.param(
            (
                ENROLLED,
                ServiceJoined(at=ISSUE, service=Service.INTERNET_BANKING),
                ServiceLeft(at=SUMMER, service=Service.INTERNET_BANKING),
            ),
            id="left",
        ),
    ],
)
def test_the_financial_certificate_is_for_members_of_internet_banking(history: tuple[Event, ...]) -> None:
    given(*history).when(replace(OPEN, kind=FINANCIAL)).then_refused(Refusal.NOT_ELIGIBLE)


def test_a_credential_of_an_imported_history_is_as_it_was() -> None:
    given(ENROLLED, OPENED).when(ADOPT).then(OPENED_SECOND)
    closed = CustomerClosed(at=ISSUE)
    given(ENROLLED, closed).when(ADOPT).then(OPENED_SECOND)


def test_a_credential_is_closed() -> None:
    given(ENROLLED, OPENED_SECOND, OPENED).when(CLOSE).then(CLOSED)


@pytest.mark.parametrize(
    "history",
    [
        pytest.param((ENROLLED,), id="never opened"),
        pytest.param((ENROLLED, OPENED_SECOND), id="another"),
        pytest.param((ENROLLED, OPENED, CLOSED), id="closed"),
    ],
)
def test_closing_what_is_not_open_does_nothing(history: tuple[Event, ...]) -> None:
    given(*history).when(CLOSE).then()


def test_the_open_credentials_of_a_kind_are_told_the_latest_last() -> None:
    known = customer_after(ENROLLED, OPENED, replace(OPENED, credential=THIRD, kind=Kind.MOBILE_OTP), OPENED_SECOND)

    assert known.holding(CERTIFICATE) == (FIRST, SECOND)
    assert known.holding(Kind.MOBILE_OTP) == (THIRD,)
    assert known.credentials_opened == 3


def test_the_latest_credential_of_a_kind_is_known_after_it_was_closed() -> None:
    other = replace(OPENED, credential=THIRD, kind=Kind.MOBILE_OTP)
    known = customer_after(ENROLLED, OPENED, other, OPENED_SECOND, replace(CLOSED, credential=SECOND))

    assert known.latest(CERTIFICATE) == SECOND
    assert known.latest(Kind.MOBILE_OTP) == THIRD
    assert known.latest(Kind.JOINT_UNIVERSAL) is None
    assert len(known.latest_credentials) == 2


def test_a_closed_credential_still_counts_among_those_ever_opened() -> None:
    known = customer_after(ENROLLED, OPENED, OPENED_SECOND, CLOSED)

    assert known.open_credentials == ((SECOND, CERTIFICATE),)
    assert known.credentials_opened == 2


# --- Devices


def test_a_device_slot_is_taken() -> None:
    given(ENROLLED).when(replace(TAKE, device=PHONE)).then(replace(TAKEN, at=SUMMER))


def test_a_device_that_has_a_slot_needs_no_other() -> None:
    given(ENROLLED, TAKEN).when(replace(TAKE, device=PHONE)).then()


@pytest.mark.parametrize("devices_max", [1, 2, 3])
def test_a_person_has_as_many_devices_as_the_kind_allows_and_no_more(devices_max: int) -> None:
    most = [DeviceSlotTaken(at=ISSUE, device=UUID(int=100 + each)) for each in range(devices_max)]
    take = replace(TAKE, devices_max=devices_max)

    given(ENROLLED, *most[1:]).when(take).then(DeviceSlotTaken(at=SUMMER, device=OTHER_PHONE))
    given(ENROLLED, *most).when(take).then_refused(Refusal.DEVICE_SLOT)


def test_a_released_slot_is_free_for_another_device() -> None:
    given(ENROLLED, TAKEN, RELEASED).when(TAKE).then(DeviceSlotTaken(at=SUMMER, device=OTHER_PHONE))


def test_a_device_slot_is_released_and_no_other() -> None:
    other = DeviceSlotTaken(at=ISSUE, device=OTHER_PHONE)

    given(ENROLLED, TAKEN, other).when(RELEASE).then(RELEASED)
    assert customer_after(ENROLLED, TAKEN, other, RELEASED).devices == (OTHER_PHONE,)


def test_releasing_a_slot_that_is_free_does_nothing() -> None:
    given(ENROLLED, DeviceSlotTaken(at=ISSUE, device=OTHER_PHONE)).when(RELEASE).then()


# --- Linked IDs


def test_an_id_is_taken_by_one_credential() -> None:
    given(ENROLLED).when(TAKE_ID).then(replace(ID_TAKEN, at=SUMMER, credential=SECOND))


def test_an_id_is_not_taken_from_another_credential() -> None:
    given(ENROLLED, ID_TAKEN).when(TAKE_ID).then_refused(Refusal.LINKED_ELSEWHERE)


def test_taking_an_id_again_does_nothing() -> None:
    given(ENROLLED, ID_TAKEN).when(replace(TAKE_ID, credential=FIRST)).then()


def test_a_released_id_is_free_for_another_credential() -> None:
    given(ENROLLED, ID_TAKEN, ID_RELEASED).when(TAKE_ID).then(replace(ID_TAKEN, at=SUMMER, credential=SECOND))


def test_an_id_is_released_and_no_other() -> None:
    other = replace(ID_TAKEN, bank_id=OTHER_ID)

    given(ENROLLED, ID_TAKEN, other).when(RELEASE_ID).then(ID_RELEASED)
    assert customer_after(ENROLLED, ID_TAKEN, other, ID_RELEASED).linked_ids == ((OTHER_ID, FIRST),)


def test_releasing_an_id_that_is_free_does_nothing() -> None:
    given(ENROLLED, replace(ID_TAKEN, bank_id=OTHER_ID)).when(RELEASE_ID).then()


# --- In which state

TAKING: list[Command] = [OPEN, TAKE, TAKE_ID]
RELEASING: list[Command] = [CLOSE, RELEASE, RELEASE_ID]


def _name(value: object) -> str:
    return type(value).__name__


@pytest.mark.parametrize("command", [*TAKING, *RELEASING, ADOPT], ids=_name)
def test_nothing_is_held_by_one_who_is_not_enrolled(command: Command) -> None:
    given().when(command).then_refused(Refusal.CUSTOMER_STATE)


ENDS = [
    CustomerRestricted(at=ISSUE, reason="court"),
    CustomerClosed(at=ISSUE),
    CustomerDeceased(at=ISSUE, evidence="register-2"),
]


@pytest.mark.parametrize("command", TAKING, ids=_name)
@pytest.mark.parametrize("end", ENDS, ids=_name)
def test_nothing_is_opened_or_taken_unless_the_customer_is_active(command: Command, end: Event) -> None:
    given(ENROLLED, end).when(command).then_refused(Refusal.CUSTOMER_STATE)


@pytest.mark.parametrize("end", ENDS, ids=_name)
def test_what_is_held_is_let_go_of_whatever_the_customer_s_state(end: Event) -> None:
    held = given(ENROLLED, OPENED, TAKEN, ID_TAKEN, end)

    held.when(CLOSE).then(CLOSED)
    held.when(RELEASE).then(RELEASED)
    held.when(RELEASE_ID).then(ID_RELEASED)
