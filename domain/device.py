"""Device: a phone, known by its key, bound to one person at a time.

* A device is bound to at most one customer (domain rule R44).
* Binding moves this stream and the customer's together.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from typing import ClassVar, assert_never
from uuid import UUID

from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.values import EventType

# --- Events: facts, in the past tense. Stored for years; see docs/events.md.


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRegistered:
    """A device showed its key; the key itself is kept as a keyed digest among the names."""

    stored: ClassVar = EventType("device.registered", 1)

    at: datetime
    model: str


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


Event = DeviceRegistered | DeviceBound | DeviceReleased


# --- Commands: requests, in the imperative. Never stored.


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    at: datetime
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    at: datetime
    customer: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    at: datetime


Command = Register | Bind | Release


# --- State.


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    customer: UUID | None = None


State = Device | None
"""None until the device is registered."""


def evolve(state: State, event: Event) -> State:
    match event:
        case DeviceRegistered():
            return Device()
        case DeviceBound(customer=customer):
            return replace(registered(state), customer=customer)
        case DeviceReleased():
            return replace(registered(state), customer=None)
        case _:
            assert_never(event)


def fold(history: Iterable[Event], since: State = None) -> State:
    return reduce(evolve, history, since)


# --- Decide.


def registered(state: State) -> Device:
    """Return the device. Raises Refused(device_state) if there is none."""
    if state is None:
        raise Refused(Refusal.DEVICE_STATE, "the device is not registered: register it first")
    return state


def decide(state: State, command: Command) -> tuple[Event, ...]:
    """Answer a command with new facts, nothing (already so), or a refusal."""
    match command:
        case Register(at=at, model=model):
            if state is not None:
                raise Refused(Refusal.DUPLICATE, "the device is registered already")
            return (DeviceRegistered(at=at, model=model),)
        case Bind(at=at, customer=customer):
            holder = registered(state).customer
            if holder == customer:
                return ()
            if holder is not None:
                raise Refused(Refusal.DEVICE_TAKEN, "the device is bound to another person: release it there first")
            return (DeviceBound(at=at, customer=customer),)
        case Release(at=at):
            holder = registered(state).customer
            return () if holder is None else (DeviceReleased(at=at, customer=holder),)
        case _:
            assert_never(command)
