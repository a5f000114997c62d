"""Binding: a device shows its key, belongs to one person, and goes out of service (domain rules R22, R24, R44)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, assert_never
from uuid import UUID

from sealbook.domain.app_version import version_of
from sealbook.domain.device.standing import App, Device, State, in_service, registered
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.kind_document import KindDocument
from sealbook.domain.records import replace
from sealbook.domain.values import EventType, LockScreen


class ReleaseReason(StrEnum):
    RETURNED = "returned"
    REPLACED = "replaced"
    CREDENTIALS_ENDED = "credentials_ended"
    RETIRED = "retired"


# --- Events


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRegistered:
    """A device showed its key; the key itself is kept as a keyed digest among the names."""

    stored: ClassVar = EventType("device.registered", 1)

    at: datetime
    model: str
    os_version: str
    app: App


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceBound:
    stored: ClassVar = EventType("device.bound", 1)

    at: datetime
    customer: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceReleased:
    stored: ClassVar = EventType("device.released", 1)

    at: datetime
    customer: UUID
    reason: ReleaseReason


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRetired:
    """It is out of service for good."""

    stored: ClassVar = EventType("device.retired", 1)

    at: datetime


Event = DeviceBound | DeviceReleased | DeviceRetired


# --- Commands


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    at: datetime
    model: str
    os_version: str
    app: App


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """The kind says what it asks of the device."""

    at: datetime
    customer: UUID
    kind: KindDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    at: datetime
    reason: ReleaseReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Retire:
    at: datetime


Command = Bind | Release | Retire


# --- Evolve


def begin(event: DeviceRegistered) -> Device:
    return Device(app=event.app, os_version=event.os_version)


def evolve(state: Device, event: Event) -> Device:
    match event:
        case DeviceBound(customer=customer):
            return replace(state, customer=customer)
        case DeviceReleased():
            return replace(state, customer=None, handover_until=None)
        case DeviceRetired():
            return replace(state, retired=True, handover_until=None)
        case _:
            assert_never(event)


# --- Decide


def register(state: State, command: Register) -> tuple[DeviceRegistered, ...]:
    if state is not None:
        raise Refused(Refusal.DUPLICATE, "the device is registered already")
    for version in (command.os_version, command.app.version):
        version_of(version)
    return (DeviceRegistered(at=command.at, model=command.model, os_version=command.os_version, app=command.app),)


def decide(state: State, command: Command) -> tuple[Event, ...]:
    match command:
        case Bind(at=at, customer=customer, kind=kind):
            known = fit_for(state, kind)
            if known.customer == customer:
                return ()
            if known.customer is not None:
                raise Refused(Refusal.DEVICE_TAKEN, "the device is bound to another person: release it there first")
            return (DeviceBound(at=at, customer=customer),)
        case Release(at=at, reason=reason):
            holder = registered(state).customer
            return () if holder is None else (DeviceReleased(at=at, customer=holder, reason=reason),)
        case Retire(at=at):
            return () if registered(state).retired else (DeviceRetired(at=at),)
        case _:
            assert_never(command)


def fit_for(state: State, kind: KindDocument) -> Device:
    """Return the device. Raises Refused unless it is as a kind asks it to be (domain rules R22, R60)."""
    known, asked = in_service(state), kind.on_device
    if version_of(known.app.version) < version_of(asked.app_version_min):
        raise Refused(Refusal.APP_OUTDATED, f"the app is older than {asked.app_version_min}: update it first")
    if known.app.store not in asked.stores:
        raise Refused(Refusal.APP_OUTDATED, f"install the app from one of {', '.join(sorted(asked.stores))}")
    if asked.rooted == "refuse" and known.rooted:
        raise Refused(Refusal.INTEGRITY, "the device is rooted: use another, or restore it")
    if asked.lock_screen == "require" and known.lock_screen is not LockScreen.STRONG:
        raise Refused(Refusal.LOCK_SCREEN, "set a strong lock screen on the device first")
    return known
