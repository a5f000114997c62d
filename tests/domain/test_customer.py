"""A customer: what it holds, and which devices are its own."""

from uuid import UUID

import pytest

from sealbook.domain.customer import (
    CloseCredential,
    Command,
    CredentialClosed,
    CredentialOpened,
    DeviceSlotReleased,
    DeviceSlotTaken,
    Enroll,
    Enrolled,
    OpenCredential,
    ReleaseDeviceSlot,
    TakeDeviceSlot,
    fold,
)
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.values import HolderKind, Kind
from tests.domain.examples import ISSUE, OTHER_PHONE, PHONE, SUMMER
from tests.scenario import given

FIRST, SECOND = UUID(int=11), UUID(int=12)
CERTIFICATE, OTP = Kind.KB_MOBILE_CERTIFICATE, Kind.MOBILE_OTP
ENROLLED = Enrolled(at=ISSUE, kind=HolderKind.PERSONAL, provenance=None)
OPENED = CredentialOpened(at=ISSUE, credential=FIRST, kind=CERTIFICATE)
CLOSED = CredentialClosed(at=SUMMER, credential=FIRST)
TAKEN = DeviceSlotTaken(at=ISSUE, device=PHONE)
RELEASED = DeviceSlotReleased(at=SUMMER, device=PHONE)


def opening(*, kind: Kind = CERTIFICATE, exclusive: bool = True) -> OpenCredential:
    return OpenCredential(at=SUMMER, credential=SECOND, kind=kind, exclusive=exclusive)


def opened(kind: Kind = CERTIFICATE) -> CredentialOpened:
    return CredentialOpened(at=SUMMER, credential=SECOND, kind=kind)


def test_a_customer_is_enrolled_with_its_kind_and_provenance() -> None:
    given().when(Enroll(at=ISSUE, kind=HolderKind.CORPORATE, provenance="bank A")).then(
        Enrolled(at=ISSUE, kind=HolderKind.CORPORATE, provenance="bank A")
    )


def test_a_customer_is_enrolled_once() -> None:
    given(ENROLLED).when(Enroll(at=SUMMER, kind=HolderKind.PERSONAL)).then_refused(Refusal.DUPLICATE)


@pytest.mark.parametrize(
    "command",
    [
        opening(),
        opening(exclusive=False),
        CloseCredential(at=SUMMER, credential=FIRST),
        TakeDeviceSlot(at=SUMMER, device=PHONE, devices_max=1),
        ReleaseDeviceSlot(at=SUMMER, device=PHONE),
    ],
    ids=lambda command: type(command).__name__,
)
def test_nothing_is_done_for_one_who_is_not_enrolled(command: Command) -> None:
    given().when(command).then_refused(Refusal.CUSTOMER_STATE)


def test_a_credential_is_opened() -> None:
    given(ENROLLED).when(opening()).then(opened())


def test_a_second_credential_of_the_kind_is_refused() -> None:
    given(ENROLLED, OPENED).when(opening()).then_refused(Refusal.ALREADY_HELD)


def test_a_credential_of_another_kind_may_stand_beside() -> None:
    given(ENROLLED, OPENED).when(opening(kind=OTP)).then(opened(OTP))


def test_a_second_credential_of_an_imported_history_is_as_it_was() -> None:
    given(ENROLLED, OPENED).when(opening(exclusive=False)).then(opened())


def test_a_credential_may_follow_one_that_was_closed() -> None:
    given(ENROLLED, OPENED, CLOSED).when(opening()).then(opened())


def test_a_credential_is_closed() -> None:
    given(ENROLLED, OPENED).when(CloseCredential(at=SUMMER, credential=FIRST)).then(CLOSED)


@pytest.mark.parametrize(
    "history",
    [pytest.param((ENROLLED,), id="never opened"), pytest.param((ENROLLED, OPENED, CLOSED), id="closed")],
)
def test_closing_what_is_not_open_does_nothing(history: tuple[Enrolled | CredentialOpened | CredentialClosed]) -> None:
    given(*history).when(CloseCredential(at=SUMMER, credential=FIRST)).then()


def test_the_latest_credential_of_a_kind_is_known_after_it_was_closed() -> None:
    second = CredentialOpened(at=ISSUE, credential=UUID(int=77), kind=CERTIFICATE)
    closed = CredentialClosed(at=ISSUE, credential=UUID(int=77))
    known = fold([ENROLLED, OPENED, second, closed])

    assert known is not None
    assert (known.latest(CERTIFICATE), known.latest(OTP)) == (UUID(int=77), None)


def test_a_device_slot_is_taken() -> None:
    given(ENROLLED).when(TakeDeviceSlot(at=ISSUE, device=PHONE, devices_max=1)).then(TAKEN)


def test_a_device_that_has_a_slot_needs_no_other() -> None:
    given(ENROLLED, TAKEN).when(TakeDeviceSlot(at=SUMMER, device=PHONE, devices_max=1)).then()


def test_a_customer_has_no_more_devices_than_the_kind_allows() -> None:
    given(ENROLLED, TAKEN).when(TakeDeviceSlot(at=SUMMER, device=OTHER_PHONE, devices_max=1)).then_refused(
        Refusal.DEVICE_SLOT
    )


def test_a_customer_has_as_many_devices_as_the_kind_allows() -> None:
    given(ENROLLED, TAKEN).when(TakeDeviceSlot(at=SUMMER, device=OTHER_PHONE, devices_max=2)).then(
        DeviceSlotTaken(at=SUMMER, device=OTHER_PHONE)
    )


def test_a_released_slot_is_free_for_another_device() -> None:
    given(ENROLLED, TAKEN, RELEASED).when(TakeDeviceSlot(at=SUMMER, device=OTHER_PHONE, devices_max=1)).then(
        DeviceSlotTaken(at=SUMMER, device=OTHER_PHONE)
    )


def test_a_device_slot_is_released() -> None:
    given(ENROLLED, TAKEN).when(ReleaseDeviceSlot(at=SUMMER, device=PHONE)).then(RELEASED)


def test_releasing_a_slot_that_is_free_does_nothing() -> None:
    given(ENROLLED).when(ReleaseDeviceSlot(at=SUMMER, device=PHONE)).then()


def test_the_open_credentials_of_a_kind_are_told_the_latest_last() -> None:
    customer = fold([ENROLLED, OPENED, opened(OTP), CredentialOpened(at=SUMMER, credential=PHONE, kind=CERTIFICATE)])

    assert customer is not None
    assert customer.holding(CERTIFICATE) == (FIRST, PHONE)
    assert customer.credentials_opened == 3


def test_a_closed_credential_still_counts_among_those_ever_opened() -> None:
    customer = fold([ENROLLED, OPENED, CLOSED])

    assert customer is not None
    assert (customer.open_credentials, customer.credentials_opened) == ((), 1)


def test_a_history_begins_with_the_enrollment() -> None:
    with pytest.raises(Refused, match="not enrolled"):
        fold([OPENED])
