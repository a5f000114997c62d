"""Who uses how many device slots, of how many? (domain rule R25)"""

from dataclasses import dataclass
from uuid import UUID

from sealbook.domain.customer import Customer
from sealbook.domain.kind_document import KindBook
from sealbook.domain.values import HolderSubkind, Kind
from sealbook.projections.states import States


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSlots:
    """A customer's bound devices. `allowed` is the most that a kind which it may hold allows.

    `full_for` are the kinds of which no credential goes to a further device.
    """

    customer: UUID
    subkind: HolderSubkind
    used: int
    allowed: int
    devices: tuple[UUID, ...]
    full_for: tuple[Kind, ...]


def device_slots(states: States, kinds: KindBook, *, customer: UUID | None = None) -> list[DeviceSlots]:
    """Answer for every customer with a bound device, or for one customer, be it without any."""
    return [
        _slots(stream, state, kinds)
        for stream, state in states.customers()
        if stream == customer or (customer is None and state.devices)
    ]


def _slots(stream: UUID, state: Customer, kinds: KindBook) -> DeviceSlots:
    allowed = {
        kind: document.devices_per_person_max
        for kind, document in kinds.kinds.items()
        if state.subkind in document.eligible
    }
    used = len(state.devices)
    return DeviceSlots(
        customer=stream,
        subkind=state.subkind,
        used=used,
        allowed=max(allowed.values(), default=0),
        devices=state.devices,
        full_for=tuple(kind for kind, most in allowed.items() if used >= most),
    )
