"""Upkeep: updates of the app and the system, and what is seen of the device (domain rules R56, R60)."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, assert_never

from sealbook.domain.app_version import version_of
from sealbook.domain.device.standing import Device, State, in_service
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.records import replace
from sealbook.domain.values import EventType, LockScreen

# --- Events


@dataclass(frozen=True, slots=True, kw_only=True)
class AppUpdated:
    """`keys_kept`: the keys in its secure area are still there."""

    stored: ClassVar = EventType("device.app_updated", 1)

    at: datetime
    version: str
    keys_kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OsUpdated:
    stored: ClassVar = EventType("device.os_updated", 1)

    at: datetime
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LockScreenObserved:
    stored: ClassVar = EventType("device.lock_screen_observed", 1)

    at: datetime
    lock_screen: LockScreen


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrityObserved:
    stored: ClassVar = EventType("device.integrity_observed", 1)

    at: datetime
    rooted: bool


Event = AppUpdated | OsUpdated | LockScreenObserved | IntegrityObserved


# --- Commands


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateApp:
    at: datetime
    version: str
    keys_kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateOs:
    at: datetime
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserveLockScreen:
    at: datetime
    lock_screen: LockScreen


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserveIntegrity:
    at: datetime
    rooted: bool


Command = UpdateApp | UpdateOs | ObserveLockScreen | ObserveIntegrity


# --- Evolve


def evolve(state: Device, event: Event) -> Device:
    match event:
        case AppUpdated(version=version):
            return replace(state, app=replace(state.app, version=version))
        case OsUpdated(version=version):
            return replace(state, os_version=version)
        case LockScreenObserved(lock_screen=lock_screen):
            return replace(state, lock_screen=lock_screen)
        case IntegrityObserved(rooted=rooted):
            return replace(state, rooted=rooted)
        case _:
            assert_never(event)


# --- Decide


def decide(state: State, command: Command) -> tuple[Event, ...]:
    """Answer; what is seen again as it was is no news."""
    known = in_service(state)
    match command:
        case UpdateApp(at=at, version=version, keys_kept=keys_kept):
            if version == known.app.version and keys_kept:
                return ()
            # Installed anew, an app keeps its version and may lose its keys.
            _check_newer(version, than=known.app.version)
            return (AppUpdated(at=at, version=version, keys_kept=keys_kept),)
        case UpdateOs(at=at, version=version):
            if version == known.os_version:
                return ()
            _check_newer(version, than=known.os_version)
            return (OsUpdated(at=at, version=version),)
        case ObserveLockScreen(at=at, lock_screen=lock_screen):
            same = lock_screen is known.lock_screen
            return () if same else (LockScreenObserved(at=at, lock_screen=lock_screen),)
        case ObserveIntegrity(at=at, rooted=rooted):
            return () if rooted is known.rooted else (IntegrityObserved(at=at, rooted=rooted),)
        case _:
            assert_never(command)


def _check_newer(version: str, *, than: str) -> None:
    if version_of(version) < version_of(than):
        raise Refused(Refusal.VERSION, f"the device has {than}, which is newer: a version only grows")
