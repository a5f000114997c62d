"""A device: bound to one person at a time."""

from uuid import UUID

import pytest

from sealbook.domain.device import Bind, Command, DeviceBound, DeviceRegistered, DeviceReleased, Register, Release, fold
from sealbook.domain.errors import Refusal, Refused
from tests.domain.examples import ISSUE, PERSON, SUMMER
from tests.scenario import given

ANOTHER_PERSON = UUID(int=99)
REGISTERED = DeviceRegistered(at=ISSUE, model="SM-S921N")
BOUND = DeviceBound(at=ISSUE, customer=PERSON)
RELEASED = DeviceReleased(at=SUMMER, customer=PERSON)


def test_a_device_is_registered() -> None:
    given().when(Register(at=ISSUE, model="SM-S921N")).then(REGISTERED)


def test_a_device_is_registered_once() -> None:
    given(REGISTERED).when(Register(at=SUMMER, model="SM-S921N")).then_refused(Refusal.DUPLICATE)


@pytest.mark.parametrize(
    "command",
    [Bind(at=SUMMER, customer=PERSON), Release(at=SUMMER)],
    ids=lambda command: type(command).__name__,
)
def test_nothing_is_done_with_a_device_that_is_not_registered(command: Command) -> None:
    given().when(command).then_refused(Refusal.DEVICE_STATE)


def test_a_device_is_bound() -> None:
    given(REGISTERED).when(Bind(at=ISSUE, customer=PERSON)).then(BOUND)


def test_binding_to_the_same_person_again_does_nothing() -> None:
    given(REGISTERED, BOUND).when(Bind(at=SUMMER, customer=PERSON)).then()


def test_a_device_of_one_person_is_not_bound_to_another() -> None:
    given(REGISTERED, BOUND).when(Bind(at=SUMMER, customer=ANOTHER_PERSON)).then_refused(Refusal.DEVICE_TAKEN)


def test_a_bound_device_is_released() -> None:
    given(REGISTERED, BOUND).when(Release(at=SUMMER)).then(RELEASED)


def test_releasing_a_free_device_does_nothing() -> None:
    given(REGISTERED).when(Release(at=SUMMER)).then()


def test_a_released_device_may_go_to_another_person() -> None:
    given(REGISTERED, BOUND, RELEASED).when(Bind(at=SUMMER, customer=ANOTHER_PERSON)).then(
        DeviceBound(at=SUMMER, customer=ANOTHER_PERSON)
    )


def test_a_history_begins_with_the_registration() -> None:
    with pytest.raises(Refused, match="not registered"):
        fold([BOUND])
