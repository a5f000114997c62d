"""Upkeep of a device: versions only grow, and what is seen again as it was is no news."""

from dataclasses import replace

import pytest

from sealbook.domain.device import (
    App,
    AppUpdated,
    Command,
    Device,
    DeviceRegistered,
    DeviceRetired,
    DeviceSuspended,
    Event,
    IntegrityObserved,
    LockScreenObserved,
    ObserveIntegrity,
    ObserveLockScreen,
    OsUpdated,
    UpdateApp,
    UpdateOs,
    fold,
    registered,
)
from sealbook.domain.errors import Refusal
from sealbook.domain.values import LockScreen
from tests.domain.examples import ISSUE, SUMMER
from tests.scenario import given

REGISTERED = DeviceRegistered(
    at=ISSUE, model="SM-S921N", os_version="14", app=App(version="6.2.0", store="google_play")
)
UPDATE_APP = UpdateApp(at=SUMMER, version="6.2.10", keys_kept=True)
UPDATED = AppUpdated(at=SUMMER, version="6.2.10", keys_kept=True)
UPDATE_OS = UpdateOs(at=SUMMER, version="15")
OS_UPDATED = OsUpdated(at=SUMMER, version="15")
SEE_LOCK = ObserveLockScreen(at=SUMMER, lock_screen=LockScreen.WEAK)
LOCK_SEEN = LockScreenObserved(at=SUMMER, lock_screen=LockScreen.WEAK)
SEE_ROOT = ObserveIntegrity(at=SUMMER, rooted=True)
ROOT_SEEN = IntegrityObserved(at=SUMMER, rooted=True)

# --- Updates


@pytest.mark.parametrize("keys_kept", [True, False], ids=["keys kept", "keys lost"])
def test_an_update_of_the_app_says_whether_it_kept_the_keys(keys_kept: bool) -> None:
    given(REGISTERED).when(replace(UPDATE_APP, keys_kept=keys_kept)).then(replace(UPDATED, keys_kept=keys_kept))


def test_an_update_of_the_system_is_recorded() -> None:
    given(REGISTERED).when(UPDATE_OS).then(OS_UPDATED)


def test_the_same_version_again_is_no_news() -> None:
    given(REGISTERED, UPDATED).when(UPDATE_APP).then()
    given(REGISTERED, OS_UPDATED).when(UPDATE_OS).then()


def test_an_app_that_was_installed_anew_and_lost_its_keys_is_news_at_the_same_version() -> None:
    given(REGISTERED, UPDATED).when(replace(UPDATE_APP, keys_kept=False)).then(replace(UPDATED, keys_kept=False))


@pytest.mark.parametrize("version", ["6.2.9", "6.1.99", "5.9.0", "1"])
def test_a_version_of_the_app_only_grows(version: str) -> None:
    for keys_kept in (True, False):
        again = replace(UPDATE_APP, version=version, keys_kept=keys_kept)
        given(REGISTERED, UPDATED).when(again).then_refused(Refusal.VERSION)


def test_a_version_of_the_system_only_grows_and_is_not_the_app_s() -> None:
    given(REGISTERED, OS_UPDATED).when(replace(UPDATE_OS, version="14.9")).then_refused(Refusal.VERSION)
    given(REGISTERED, OS_UPDATED).when(UPDATE_APP).then(UPDATED)


@pytest.mark.parametrize("version", ["", "latest", "6.2-beta", "6.2.10.1.1"])
def test_a_version_is_written_as_numbers(version: str) -> None:
    given(REGISTERED).when(replace(UPDATE_APP, version=version)).then_refused(Refusal.VERSION)
    given(REGISTERED).when(replace(UPDATE_OS, version=version)).then_refused(Refusal.VERSION)


def test_an_update_leaves_the_store_as_it_was() -> None:
    device = registered(fold([REGISTERED, UPDATED, OS_UPDATED]))

    assert device == Device(app=App(version="6.2.10", store="google_play"), os_version="15")


# --- What is seen


@pytest.mark.parametrize("lock_screen", list(LockScreen))
def test_a_lock_screen_is_seen(lock_screen: LockScreen) -> None:
    seen = LockScreenObserved(at=SUMMER, lock_screen=lock_screen)

    given(REGISTERED).when(replace(SEE_LOCK, lock_screen=lock_screen)).then(seen)
    given(REGISTERED, seen).when(replace(SEE_LOCK, lock_screen=lock_screen)).then()


def test_a_lock_screen_that_changed_is_news() -> None:
    given(REGISTERED, LOCK_SEEN).when(replace(SEE_LOCK, lock_screen=LockScreen.STRONG)).then(
        replace(LOCK_SEEN, lock_screen=LockScreen.STRONG)
    )


@pytest.mark.parametrize("rooted", [True, False], ids=["rooted", "sound"])
def test_a_device_s_integrity_is_seen(rooted: bool) -> None:
    seen = IntegrityObserved(at=SUMMER, rooted=rooted)

    given(REGISTERED).when(replace(SEE_ROOT, rooted=rooted)).then(seen)
    given(REGISTERED, seen).when(replace(SEE_ROOT, rooted=rooted)).then()
    given(REGISTERED, seen).when(replace(SEE_ROOT, rooted=not rooted)).then(replace(seen, rooted=not rooted))


# --- In which state

COMMANDS = [UPDATE_APP, UPDATE_OS, SEE_LOCK, SEE_ROOT]


def _name(value: object) -> str:
    return type(value).__name__


@pytest.mark.parametrize("command", COMMANDS, ids=_name)
def test_nothing_is_seen_of_a_device_that_is_not_registered(command: Command) -> None:
    given().when(command).then_refused(Refusal.DEVICE_STATE)


@pytest.mark.parametrize("command", COMMANDS, ids=_name)
@pytest.mark.parametrize("end", [DeviceRetired(at=ISSUE), DeviceSuspended(at=ISSUE, theft=False)], ids=_name)
def test_nothing_is_seen_of_a_device_that_is_out_of_service(command: Command, end: Event) -> None:
    given(REGISTERED, end).when(command).then_refused(Refusal.DEVICE_STATE)
