"""Access: who of the staff looked at what of a customer's, and why. Who it was, the envelope says."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, assert_never

from sealbook.domain.customer.standing import Customer, State, enrolled
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.values import EventType

# --- Events


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordViewed:
    """`what` is a short word for what was looked at, `reason` a short code or text."""

    stored: ClassVar = EventType("customer.record_viewed", 1)

    at: datetime
    what: str
    reason: str


Event = RecordViewed


# --- Commands


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewRecord:
    at: datetime
    what: str
    reason: str


Command = ViewRecord


# --- Evolve


def evolve(state: Customer, event: Event) -> Customer:
    """Return the state as it was: a look changes nothing."""
    match event:
        case RecordViewed():
            return state
        case _:
            assert_never(event)


# --- Decide


def decide(state: State, command: Command) -> tuple[Event, ...]:
    """Answer in every state, the relationship's end included. Raises Refused(customer_state) once erased."""
    if enrolled(state).erased:
        raise Refused(Refusal.CUSTOMER_STATE, "the customer is erased: there is nothing left to look at")
    return (RecordViewed(at=command.at, what=command.what, reason=command.reason),)
