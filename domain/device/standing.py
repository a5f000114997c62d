"""The device's state: what every stage of its life reads and moves."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.values import LockScreen


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """The bank's app on a device (domain rules R22, R26)."""

    version: str
    store: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A phone. `handover_until` is set while it vouches for the phone that follows it."""

    app: App
    os_version: str
    customer: UUID | None = None
    lock_screen: LockScreen | None = None
    rooted: bool | None = None
    suspended: bool = False
    stolen: bool = False
    retired: bool = False
    handover_until: datetime | None = None


State = Device | None
"""None until the device is registered."""


def registered(state: State) -> Device:
    """Return the device. Raises Refused(device_state) if there is none."""
    if state is None:
        raise Refused(Refusal.DEVICE_STATE, "the device is not registered: register it first")
    return state


def in_service(state: State) -> Device:
    """Return the device. Raises Refused(device_state) unless it is registered, not lost and not retired."""
    known = registered(state)
    if known.retired:
        raise Refused(Refusal.DEVICE_STATE, "the device is retired: register another")
    if known.suspended:
        raise Refused(Refusal.DEVICE_STATE, "the device is reported lost: restore it first")
    return known
