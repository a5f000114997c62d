"""A device: registered with its key, fit for a kind, and bound to one person at a time."""

from dataclasses import replace
from uuid import UUID

import pytest

from sealbook.domain.device import (
    App,
    Bind,
    Command,
    ConfirmReplacement,
    Device,
    DeviceBound,
    DeviceRegistered,
    DeviceReleased,
    DeviceRetired,
    DeviceSuspended,
    Event,
    HandoverOffered,
    IntegrityObserved,
    LockScreenObserved,
    Register,
    Release,
    ReleaseReason,
    Retire,
    fit_for,
    fold,
    in_service,
    registered,
)
from sealbook.domain.device.custody import HANDOVER
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.values import LockScreen
from tests.domain.examples import ISSUE, MOBILE, PERSON, SUMMER, kinds_with
from tests.scenario import given

ANOTHER_PERSON = UUID(int=99)
APP = App(version="6.2.0", store="google_play")
REGISTERED = DeviceRegistered(at=ISSUE, model="SM-S921N", os_version="14", app=APP)
BOUND = DeviceBound(at=SUMMER, customer=PERSON)
RELEASED = DeviceReleased(at=SUMMER, customer=PERSON, reason=ReleaseReason.RETURNED)
RETIRED = DeviceRetired(at=SUMMER)
LOST = DeviceSuspended(at=SUMMER, theft=False)
REGISTER = Register(at=ISSUE, model="SM-S921N", os_version="14", app=APP)
BIND = Bind(at=SUMMER, customer=PERSON, kind=MOBILE)
RELEASE = Release(at=SUMMER, reason=ReleaseReason.RETURNED)


# --- Registration


def test_a_device_is_registered_with_its_app_and_the_store_it_came_from() -> None:
    given().when(REGISTER).then(REGISTERED)


def test_a_new_device_is_nobody_s() -> None:
    device = registered(fold([REGISTERED]))

    assert device == Device(app=APP, os_version="14")
    assert (device.customer, device.lock_screen, device.rooted, device.handover_until) == (None, None, None, None)


def test_a_device_is_registered_once() -> None:
    given(REGISTERED).when(REGISTER).then_refused(Refusal.DUPLICATE)


@pytest.mark.parametrize("version", ["", "fourteen", "6.2.x", "6..2", "v6"])
def test_versions_are_numbers(version: str) -> None:
    given().when(replace(REGISTER, os_version=version)).then_refused(Refusal.VERSION)
    given().when(replace(REGISTER, app=replace(APP, version=version))).then_refused(Refusal.VERSION)


@pytest.mark.parametrize("command", [BIND, RELEASE, Retire(at=SUMMER)], ids=lambda command: type(command).__name__)
def test_nothing_is_done_with_a_device_that_is_not_registered(command: Command) -> None:
    given().when(command).then_refused(Refusal.DEVICE_STATE)


# --- One person at a time


def test_a_device_is_bound() -> None:
    given(REGISTERED).when(BIND).then(BOUND)


def test_binding_to_the_same_person_again_does_nothing() -> None:
    given(REGISTERED, BOUND).when(BIND).then()


def test_a_device_of_one_person_is_not_bound_to_another() -> None:
    given(REGISTERED, BOUND).when(replace(BIND, customer=ANOTHER_PERSON)).then_refused(Refusal.DEVICE_TAKEN)


@pytest.mark.parametrize("reason", list(ReleaseReason))
def test_a_bound_device_is_released_for_a_reason(reason: ReleaseReason) -> None:
    given(REGISTERED, BOUND).when(replace(RELEASE, reason=reason)).then(replace(RELEASED, reason=reason))


def test_the_reasons_of_a_release_are_stored_by_these_names() -> None:
    assert [str(each) for each in ReleaseReason] == ["returned", "replaced", "credentials_ended", "retired"]


@pytest.mark.parametrize("history", [(REGISTERED,), (REGISTERED, BOUND, RELEASED)], ids=["never bound", "released"])
def test_releasing_a_free_device_does_nothing(history: tuple[Event, ...]) -> None:
    given(*history).when(RELEASE).then()


def test_a_released_device_may_go_to_another_person() -> None:
    given(REGISTERED, BOUND, RELEASED).when(replace(BIND, customer=ANOTHER_PERSON)).then(
        DeviceBound(at=SUMMER, customer=ANOTHER_PERSON)
    )


def test_a_device_that_is_lost_or_retired_is_let_go_of_all_the_same() -> None:
    given(REGISTERED, BOUND, LOST).when(RELEASE).then(RELEASED)
    given(REGISTERED, BOUND, RETIRED).when(RELEASE).then(RELEASED)


def test_a_code_of_the_old_device_is_worth_nothing_once_it_was_released() -> None:
    offered = HandoverOffered(at=SUMMER, until=SUMMER + HANDOVER)
    confirm = ConfirmReplacement(at=SUMMER, evidence=None)

    given(REGISTERED, BOUND, offered).when(confirm).then()
    given(REGISTERED, BOUND, offered, RELEASED).when(confirm).then_refused(Refusal.EVIDENCE)


# --- Out of service


@pytest.mark.parametrize(
    "history", [(REGISTERED,), (REGISTERED, BOUND), (REGISTERED, LOST)], ids=["free", "bound", "lost"]
)
def test_a_device_is_retired_in_whatever_state(history: tuple[Event, ...]) -> None:
    given(*history).when(Retire(at=SUMMER)).then(RETIRED)


def test_retiring_again_does_nothing() -> None:
    given(REGISTERED, RETIRED).when(Retire(at=SUMMER)).then()


@pytest.mark.parametrize("end", [LOST, RETIRED], ids=["lost", "retired"])
@pytest.mark.parametrize("history", [(REGISTERED,), (REGISTERED, BOUND)], ids=["free", "bound"])
def test_a_device_that_is_lost_or_retired_is_not_bound(history: tuple[Event, ...], end: Event) -> None:
    given(*history, end).when(BIND).then_refused(Refusal.DEVICE_STATE)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        pytest.param(None, "not registered", id="unknown"),
        pytest.param(fold([REGISTERED, RETIRED]), "is retired", id="retired"),
        pytest.param(fold([REGISTERED, LOST]), "reported lost", id="lost"),
    ],
)
def test_a_refusal_names_the_device_s_state(state: Device | None, message: str) -> None:
    with pytest.raises(Refused, match=message):
        in_service(state)


# --- What a kind asks of it


def asking(**asked: object) -> Bind:
    """To bind for a kind that asks this of the device."""
    return replace(BIND, kind=kinds_with(MOBILE, on_device=asked).kind(MOBILE.kind))


@pytest.mark.parametrize(
    ("version", "bound"),
    [
        pytest.param("6.0.0", True, id="the least that is asked"),
        pytest.param("6.0.10", True, id="compared as numbers: ten is above nine"),
        pytest.param("10.0.0", True, id="compared as numbers: ten is above six"),
        pytest.param("5.99.99", False, id="just below"),
    ],
)
def test_the_app_is_as_new_as_the_kind_asks(version: str, bound: bool) -> None:
    outcome = given(replace(REGISTERED, app=replace(APP, version=version))).when(BIND)

    if bound:
        outcome.then(BOUND)
    else:
        outcome.then_refused(Refusal.APP_OUTDATED)


def test_the_least_version_is_a_number_of_the_kind() -> None:
    given(REGISTERED).when(asking(app_version_min="6.2.0")).then(BOUND)
    given(REGISTERED).when(asking(app_version_min="6.2.1")).then_refused(Refusal.APP_OUTDATED)


def test_the_app_comes_from_a_store_that_the_kind_names() -> None:
    by_hand = replace(REGISTERED, app=replace(APP, store="sideloaded"))

    given(by_hand).when(BIND).then_refused(Refusal.APP_OUTDATED)
    given(by_hand).when(asking(stores=frozenset({"sideloaded"}))).then(BOUND)


ROOTED, SOUND = (IntegrityObserved(at=ISSUE, rooted=rooted) for rooted in (True, False))


@pytest.mark.parametrize(
    ("asked", "seen", "bound"),
    [
        ("refuse", (ROOTED,), False),
        ("refuse", (ROOTED, SOUND), True),
        ("refuse", (), True),
        ("advise", (ROOTED,), True),
    ],
    ids=["refused", "restored", "never looked at", "advised against only"],
)
def test_a_rooted_device_is_refused_where_the_kind_says_so(asked: str, seen: tuple[Event, ...], bound: bool) -> None:
    outcome = given(REGISTERED, *seen).when(asking(rooted=asked))

    if bound:
        outcome.then(BOUND)
    else:
        outcome.then_refused(Refusal.INTEGRITY)


@pytest.mark.parametrize(
    ("asked", "seen", "bound"),
    [
        ("require", LockScreen.STRONG, True),
        ("require", LockScreen.WEAK, False),
        ("require", LockScreen.NONE, False),
        ("require", None, False),
        ("advise", LockScreen.NONE, True),
        ("advise", None, True),
    ],
)
def test_a_strong_lock_screen_is_required_where_the_kind_says_so(
    asked: str, seen: LockScreen | None, bound: bool
) -> None:
    observed = () if seen is None else (LockScreenObserved(at=ISSUE, lock_screen=seen),)
    outcome = given(REGISTERED, *observed).when(asking(lock_screen=asked))

    if bound:
        outcome.then(BOUND)
    else:
        outcome.then_refused(Refusal.LOCK_SCREEN)


def test_a_device_that_is_fit_is_told_as_it_is() -> None:
    assert fit_for(fold([REGISTERED, BOUND]), MOBILE) == registered(fold([REGISTERED, BOUND]))


def test_a_history_begins_with_the_registration() -> None:
    with pytest.raises(Refused, match="not registered"):
        fold([BOUND])
