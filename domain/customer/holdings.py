"""Holdings: the credentials, device slots and linked IDs of a customer (domain rules R25, R44, R53).

What another command's guard reads stands here: opening and closing a credential, taking and
releasing a slot or an ID each move this stream, so that two concurrent ones cannot both pass.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, assert_never
from uuid import UUID

from sealbook.domain.customer.standing import Customer, State, active, enrolled
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.kind_document import KindDocument
from sealbook.domain.records import replace
from sealbook.domain.values import EventType, Kind

# --- Events


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialOpened:
    """It was applied for, or issued without an application."""

    stored: ClassVar = EventType("customer.credential_opened", 1)

    at: datetime
    credential: UUID
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialClosed:
    """It ended, or its application did."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class IdTaken:
    """One of the customer's IDs at the bank has a credential that stands for it."""

    stored: ClassVar = EventType("customer.id_taken", 1)

    at: datetime
    bank_id: str
    credential: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class IdReleased:
    stored: ClassVar = EventType("customer.id_released", 1)

    at: datetime
    bank_id: str


Event = CredentialOpened | CredentialClosed | DeviceSlotTaken | DeviceSlotReleased | IdTaken | IdReleased


# --- Commands


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCredential:
    """`replaces` may stay open beside the new one until that is issued."""

    at: datetime
    credential: UUID
    kind: KindDocument
    replaces: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptCredential:
    """Open a credential of an imported history, which is as it is."""

    at: datetime
    credential: UUID
    kind: Kind


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


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeId:
    at: datetime
    bank_id: str
    credential: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseId:
    at: datetime
    bank_id: str


Command = OpenCredential | AdoptCredential | CloseCredential | TakeDeviceSlot | ReleaseDeviceSlot | TakeId | ReleaseId


# --- Evolve


def evolve(state: Customer, event: Event) -> Customer:
    match event:
        case CredentialOpened(credential=credential, kind=kind):
            return _opened(state, credential, kind)
        case CredentialClosed(credential=closed):
            return replace(state, open_credentials=tuple(held for held in state.open_credentials if held[0] != closed))
        case DeviceSlotTaken(device=device):
            return replace(state, devices=(*state.devices, device))
        case DeviceSlotReleased(device=released):
            return replace(state, devices=tuple(device for device in state.devices if device != released))
        case IdTaken(bank_id=bank_id, credential=credential):
            return replace(state, linked_ids=(*state.linked_ids, (bank_id, credential)))
        case IdReleased(bank_id=released):
            return replace(state, linked_ids=tuple(each for each in state.linked_ids if each[0] != released))
        case _:
            assert_never(event)


def _opened(state: Customer, credential: UUID, kind: Kind) -> Customer:
    return replace(
        state,
        open_credentials=(*state.open_credentials, (credential, kind)),
        latest_credentials=(
            *(latest for latest in state.latest_credentials if latest[1] is not kind),
            (credential, kind),
        ),
        credentials_opened=state.credentials_opened + 1,
    )


# --- Decide


def decide(state: State, command: Command) -> tuple[Event, ...]:
    match command:
        case OpenCredential():
            return _open(active(state), command)
        case AdoptCredential(at=at, credential=credential, kind=kind):
            enrolled(state)
            return (CredentialOpened(at=at, credential=credential, kind=kind),)
        case CloseCredential(at=at, credential=credential):
            held = any(credential == open_one for open_one, _ in enrolled(state).open_credentials)
            return (CredentialClosed(at=at, credential=credential),) if held else ()
        case TakeDeviceSlot():
            return _take_slot(active(state), command)
        case ReleaseDeviceSlot(at=at, device=device):
            held = device in enrolled(state).devices
            return (DeviceSlotReleased(at=at, device=device),) if held else ()
        case TakeId():
            return _take_id(active(state), command)
        case ReleaseId(at=at, bank_id=bank_id):
            return () if enrolled(state).linked_to(bank_id) is None else (IdReleased(at=at, bank_id=bank_id),)
        case _:
            assert_never(command)


def check_eligible(state: Customer, kind: KindDocument) -> None:
    """Raise Refused(not_eligible) unless the customer may hold a kind (domain rules R05, R16)."""
    if state.subkind not in kind.eligible:
        raise Refused(Refusal.NOT_ELIGIBLE, f"a {kind.kind} is not for a customer that is a {state.subkind}")
    missing = sorted(kind.membership - set(state.services))
    if missing:
        raise Refused(Refusal.NOT_ELIGIBLE, f"a {kind.kind} is for members of {missing[0]}: join it first")


def _open(state: Customer, command: OpenCredential) -> tuple[Event, ...]:
    kind = command.kind
    check_eligible(state, kind)
    if set(state.holding(kind.kind)) - {command.replaces}:
        raise Refused(Refusal.ALREADY_HELD, f"the customer holds a live {kind.kind}: revoke or replace it first")
    return (CredentialOpened(at=command.at, credential=command.credential, kind=kind.kind),)


def _take_slot(state: Customer, command: TakeDeviceSlot) -> tuple[Event, ...]:
    if command.device in state.devices:
        return ()
    if len(state.devices) >= command.devices_max:
        raise Refused(
            Refusal.DEVICE_SLOT,
            f"the customer has {len(state.devices)} bound device(s), the most allowed: release one first",
        )
    return (DeviceSlotTaken(at=command.at, device=command.device),)


def _take_id(state: Customer, command: TakeId) -> tuple[Event, ...]:
    taken = state.linked_to(command.bank_id)
    if taken == command.credential:
        return ()
    if taken is not None:
        raise Refused(Refusal.LINKED_ELSEWHERE, "another credential stands for the ID: unlink it there first")
    return (IdTaken(at=command.at, bank_id=command.bank_id, credential=command.credential),)
