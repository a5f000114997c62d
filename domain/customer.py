"""Customer: a person or company that the bank knows, what it holds and which devices are its own.

* What another command's guard reads stands here: opening and closing a credential and taking and
  releasing a device slot each move this stream, so that two concurrent ones cannot both pass.
* A customer has at most as many bound devices as its kind of credential allows (domain rule R25).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from typing import ClassVar, assert_never
from uuid import UUID

from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.values import EventType, HolderKind, Kind

# --- Events: facts, in the past tense. Stored for years; see docs/events.md.


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """The customer became known after identity proofing, or came in with an imported history."""

    stored: ClassVar = EventType("customer.enrolled", 1)

    at: datetime
    kind: HolderKind
    provenance: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialOpened:
    stored: ClassVar = EventType("customer.credential_opened", 1)

    at: datetime
    credential: UUID
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialClosed:
    stored: ClassVar = EventType("customer.credential_closed", 1)

    at: datetime
    credential: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSlotTaken:
    stored: ClassVar = EventType("customer.device_slot_taken", 1)

    at: datetime
    device: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSlotReleased:
    stored: ClassVar = EventType("customer.device_slot_released", 1)

    at: datetime
    device: UUID


Event = Enrolled | CredentialOpened | CredentialClosed | DeviceSlotTaken | DeviceSlotReleased


# --- Commands: requests, in the imperative. Never stored.


@dataclass(frozen=True, slots=True, kw_only=True)
class Enroll:
    at: datetime
    kind: HolderKind
    provenance: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCredential:
    """`exclusive` refuses while another credential of the kind is open; an adopted history is as it is."""

    at: datetime
    credential: UUID
    kind: Kind
    exclusive: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseCredential:
    at: datetime
    credential: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeDeviceSlot:
    at: datetime
    device: UUID
    devices_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseDeviceSlot:
    at: datetime
    device: UUID


Command = Enroll | OpenCredential | CloseCredential | TakeDeviceSlot | ReleaseDeviceSlot


# --- State.


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    kind: HolderKind
    open_credentials: tuple[tuple[UUID, Kind], ...] = ()
    latest_credentials: tuple[tuple[UUID, Kind], ...] = ()
    credentials_opened: int = 0
    devices: tuple[UUID, ...] = ()

    def holding(self, kind: Kind) -> tuple[UUID, ...]:
        """Return the open credentials of a kind, the latest last."""
        return tuple(credential for credential, held in self.open_credentials if held is kind)

    def latest(self, kind: Kind) -> UUID | None:
        """Return the credential of a kind that was opened last, be it closed since."""
        return next((credential for credential, held in self.latest_credentials if held is kind), None)


State = Customer | None
"""None until the customer is enrolled."""


def evolve(state: State, event: Event) -> State:
    match event:
        case Enrolled(kind=kind):
            return Customer(kind=kind)
        case CredentialOpened(credential=credential, kind=kind):
            known = enrolled(state)
            return replace(
                known,
                open_credentials=(*known.open_credentials, (credential, kind)),
                latest_credentials=(
                    *(latest for latest in known.latest_credentials if latest[1] is not kind),
                    (credential, kind),
                ),
                credentials_opened=known.credentials_opened + 1,
            )
        case CredentialClosed(credential=closed):
            known = enrolled(state)
            return replace(known, open_credentials=tuple(held for held in known.open_credentials if held[0] != closed))
        case DeviceSlotTaken(device=device):
            known = enrolled(state)
            return replace(known, devices=(*known.devices, device))
        case DeviceSlotReleased(device=released):
            known = enrolled(state)
            return replace(known, devices=tuple(device for device in known.devices if device != released))
        case _:
            assert_never(event)


def fold(history: Iterable[Event], since: State = None) -> State:
    return reduce(evolve, history, since)


# --- Decide.


def enrolled(state: State) -> Customer:
    """Return the customer. Raises Refused(customer_state) if there is none."""
    if state is None:
        raise Refused(Refusal.CUSTOMER_STATE, "the customer is not enrolled: enroll it first")
    return state


def decide(state: State, command: Command) -> tuple[Event, ...]:
    """Answer a command with new facts, nothing (already so), or a refusal."""
    match command:
        case Enroll(at=at, kind=kind, provenance=provenance):
            if state is not None:
                raise Refused(Refusal.DUPLICATE, "the customer is enrolled already")
            return (Enrolled(at=at, kind=kind, provenance=provenance),)
        case OpenCredential(at=at, credential=credential, kind=kind, exclusive=exclusive):
            held_already = enrolled(state).holding(kind)
            if exclusive and held_already:
                raise Refused(Refusal.ALREADY_HELD, f"the customer holds a live {kind}: revoke or replace it first")
            return (CredentialOpened(at=at, credential=credential, kind=kind),)
        case CloseCredential(at=at, credential=credential):
            held = any(credential == open_one for open_one, _ in enrolled(state).open_credentials)
            return (CredentialClosed(at=at, credential=credential),) if held else ()
        case TakeDeviceSlot():
            return _take_slot(enrolled(state), command)
        case ReleaseDeviceSlot(at=at, device=device):
            held = device in enrolled(state).devices
            return (DeviceSlotReleased(at=at, device=device),) if held else ()
        case _:
            assert_never(command)


def _take_slot(state: Customer, command: TakeDeviceSlot) -> tuple[Event, ...]:
    if command.device in state.devices:
        return ()
    if len(state.devices) >= command.devices_max:
        raise Refused(
            Refusal.DEVICE_SLOT,
            f"the customer has {len(state.devices)} bound device(s), the most allowed: release one first",
        )
    return (DeviceSlotTaken(at=command.at, device=command.device),)
