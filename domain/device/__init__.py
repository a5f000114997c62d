"""Device: a phone, known by its key, bound to one person at a time, cut by stage of its life.

| Stage | Module | Rules |
|---|---|---|
| registration, binding, release, retirement | `binding` | R22, R24, R26, R44 |
| updates, lock screen, integrity | `upkeep` | R56, R60 |
| loss, recovery, handover | `custody` | R52, R55, R61 |

* A device is bound to at most one customer (domain rule R44).
* Binding moves this stream and the customer's together.
"""

from collections.abc import Iterable
from functools import reduce

from sealbook.domain.device import binding, custody, upkeep
from sealbook.domain.device.binding import (
    Bind,
    DeviceBound,
    DeviceRegistered,
    DeviceReleased,
    DeviceRetired,
    Register,
    Release,
    ReleaseReason,
    Retire,
    fit_for,
)
from sealbook.domain.device.custody import (
    ConfirmReplacement,
    DeviceRestored,
    DeviceSuspended,
    HandoverOffered,
    OfferHandover,
    Recover,
    ReportLost,
)
from sealbook.domain.device.standing import App, Device, State, in_service, registered
from sealbook.domain.device.upkeep import (
    AppUpdated,
    IntegrityObserved,
    LockScreenObserved,
    ObserveIntegrity,
    ObserveLockScreen,
    OsUpdated,
    UpdateApp,
    UpdateOs,
)

__all__ = [
    "App",
    "AppUpdated",
    "Bind",
    "Command",
    "ConfirmReplacement",
    "Device",
    "DeviceBound",
    "DeviceRegistered",
    "DeviceReleased",
    "DeviceRestored",
    "DeviceRetired",
    "DeviceSuspended",
    "Event",
    "HandoverOffered",
    "IntegrityObserved",
    "LockScreenObserved",
    "ObserveIntegrity",
    "ObserveLockScreen",
    "OfferHandover",
    "OsUpdated",
    "Recover",
    "Register",
    "Release",
    "ReleaseReason",
    "ReportLost",
    "Retire",
    "State",
    "UpdateApp",
    "UpdateOs",
    "decide",
    "evolve",
    "fit_for",
    "fold",
    "in_service",
    "registered",
]

Event = DeviceRegistered | binding.Event | upkeep.Event | custody.Event
Command = Register | binding.Command | upkeep.Command | custody.Command


def evolve(state: State, event: Event) -> State:
    """Apply one fact. Raises Refused(device_state) when a history does not begin with its registration."""
    if isinstance(event, DeviceRegistered):
        return binding.begin(event)
    known = registered(state)
    if isinstance(event, binding.Event):
        return binding.evolve(known, event)
    return upkeep.evolve(known, event) if isinstance(event, upkeep.Event) else custody.evolve(known, event)


def fold(history: Iterable[Event], since: State = None) -> State:
    return reduce(evolve, history, since)


def decide(state: State, command: Command) -> tuple[Event, ...]:
    """Answer a command with new facts, nothing (already so), or a refusal."""
    if isinstance(command, Register):
        return binding.register(state, command)
    if isinstance(command, binding.Command):
        return binding.decide(state, command)
    return upkeep.decide(state, command) if isinstance(command, upkeep.Command) else custody.decide(state, command)
