"""The catalogue of stored events: every class that the ledger may hold. docs/events.md explains each."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar, get_args
from uuid import UUID

from sealbook.domain import credential, customer, device, ledger, policy
from sealbook.domain.credential import Application, Credential
from sealbook.domain.dispatch import by_class
from sealbook.domain.errors import Refusal
from sealbook.domain.values import EventType

State = TypeVar("State", customer.Customer, device.Device, policy.Policy, ledger.Ledger)
Event = customer.Event | device.Event | credential.Event | policy.Event | ledger.Event


EVENT_TYPES: dict[type[Event], EventType] = {cls: cls.stored for cls in get_args(Event)}
"""Every class of stored events, as the unions have it, with the name that it bears itself."""


def event_name(event: Event) -> str:
    return event.stored.name


def refusal_of(event: Event) -> Refusal | None:
    """Return why the request behind an event was refused, although the event was recorded as evidence."""
    if isinstance(event, credential.UseRefused | credential.StepFailed):
        return None if event.reason is Refusal.REPORTED else event.reason
    return None


Aggregate = customer.State | device.State | credential.State | policy.Policy | ledger.Ledger
"""The state of any aggregate; None before its first event."""


def evolve(state: Aggregate, event: Event) -> Aggregate:
    """Apply one fact to the aggregate that it speaks of: a stream holds the events of one."""
    return _EVOLVE[type(event)](state, event)


def _credential(state: Aggregate, event: credential.Event) -> Aggregate:
    match state:
        case Credential() | Application() | None:
            return credential.evolve(state, event)
        case _:
            raise TypeError(f"an event of a credential in a stream of {type(state).__name__}")


def _customer(state: Aggregate, event: customer.Event) -> Aggregate:
    return customer.evolve(_of(customer.Customer, state), event)


def _device(state: Aggregate, event: device.Event) -> Aggregate:
    return device.evolve(_of(device.Device, state), event)


def _policy(state: Aggregate, event: policy.Event) -> Aggregate:
    return policy.evolve(_of(policy.Policy, state) or policy.UNKNOWN, event)


def _ledger(state: Aggregate, event: ledger.Event) -> Aggregate:
    return ledger.evolve(_of(ledger.Ledger, state) or ledger.NEW, event)


def _of(kind: type[State], state: Aggregate) -> State | None:
    if state is None or isinstance(state, kind):
        return state
    raise TypeError(f"an event of {kind.__name__} in a stream of {type(state).__name__}")


_EVOLVE = by_class(Event, "event", _credential, _customer, _device, _policy, _ledger)


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
