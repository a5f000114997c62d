"""The catalogue of stored events: a permanent name and a schema version for every class.

These names are the storage format. A name is never changed and never given to another class; a
change of an event's fields is a new version, beside the old one. docs/events.md explains each.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar, get_args
from uuid import UUID

from sealbook.domain import credential, customer, device, policy
from sealbook.domain.credential import Credential, adoption, holds, issuing, renewing, use

State = TypeVar("State", Credential, customer.Customer, device.Device, policy.Policy)
Event = customer.Event | device.Event | credential.Event | policy.Event


@dataclass(frozen=True, slots=True)
class EventType:
    name: str
    version: int


EVENT_TYPES: dict[type[Event], EventType] = {
    customer.Enrolled: EventType("customer.enrolled", 1),
    customer.CredentialOpened: EventType("customer.credential_opened", 1),
    customer.CredentialClosed: EventType("customer.credential_closed", 1),
    customer.DeviceSlotTaken: EventType("customer.device_slot_taken", 1),
    customer.DeviceSlotReleased: EventType("customer.device_slot_released", 1),
    device.DeviceRegistered: EventType("device.registered", 1),
    device.DeviceBound: EventType("device.bound", 1),
    device.DeviceReleased: EventType("device.released", 1),
    issuing.Issued: EventType("credential.issued", 1),
    use.Used: EventType("credential.used", 1),
    use.UseRefused: EventType("credential.use_refused", 1),
    renewing.AutoRenewed: EventType("credential.auto_renewed", 1),
    renewing.Renewed: EventType("credential.renewed", 1),
    holds.Suspended: EventType("credential.suspended", 1),
    holds.Resumed: EventType("credential.resumed", 1),
    holds.Revoked: EventType("credential.revoked", 1),
    renewing.Expired: EventType("credential.expired", 1),
    renewing.RenewalObjectionLodged: EventType("credential.renewal_objection_lodged", 1),
    renewing.PolicySwitched: EventType("credential.policy_switched", 1),
    adoption.RenewalObserved: EventType("credential.renewal_observed", 1),
    adoption.ExpiryObserved: EventType("credential.expiry_observed", 1),
    adoption.FactNotApplied: EventType("credential.fact_not_applied", 1),
    policy.Announced: EventType("policy.announced", 1),
    policy.Adopted: EventType("policy.adopted", 1),
    policy.Withdrawn: EventType("policy.withdrawn", 1),
}


def event_name(event: Event) -> str:
    return EVENT_TYPES[type(event)].name


def event_classes() -> frozenset[type[Event]]:
    """Return every class of the union, as the type checker sees it."""
    return frozenset(get_args(Event))


Aggregate = customer.State | device.State | credential.State | policy.Policy
"""The state of any aggregate; None before its first event."""


def evolve(state: Aggregate, event: Event) -> Aggregate:
    """Apply one fact to the aggregate that it speaks of: a stream holds the events of one."""
    if isinstance(event, credential.Event):
        return credential.evolve(_of(Credential, state), event)
    if isinstance(event, customer.Event):
        return customer.evolve(_of(customer.Customer, state), event)
    if isinstance(event, device.Event):
        return device.evolve(_of(device.Device, state), event)
    return policy.evolve(_of(policy.Policy, state) or policy.UNKNOWN, event)


def _of(kind: type[State], state: Aggregate) -> State | None:
    if state is None or isinstance(state, kind):
        return state
    raise TypeError(f"an event of {kind.__name__} in a stream of {type(state).__name__}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEvent:
    """An event as the ledger holds it. Its id is its stream and version.

    `event.at` is when it was so; `recorded_at` when the ledger learned it, which never goes back
    as positions go on. `caused_by` is the version, in the same stream, of the event that caused it.
    """

    book: int
    position: int
    stream: UUID
    version: int
    recorded_at: datetime
    actor: str
    channel: str
    command_id: UUID | None
    caused_by: int | None
    event: Event
