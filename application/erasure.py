"""Erasure: a person's data goes, and what was decided about it stays.

First the event, with which the names and the vault's values go; then the keys, so that no backup of the ledger opens
either. What a crash leaves undone in between, `reconcile` does.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sealbook.application.commands import Command
from sealbook.application.erasing import EraseCustomer
from sealbook.application.ledger import execute
from sealbook.application.ports import EventStore, Unavailable
from sealbook.domain.catalogue import RecordedEvent
from sealbook.domain.customer import CredentialOpened, DeviceSlotTaken
from sealbook.domain.device import DeviceBound
from sealbook.domain.errors import Refused
from sealbook.domain.kind_document import KindBook

CHANNEL = "cli"


class SubjectKeys(Protocol):
    """What an erasure asks of the keys."""

    def destroy(self, subjects: Collection[UUID], *, position: int) -> int:
        """Destroy all keys of subjects for good, and note that erasures up to a position are carried out.

        Return how many keys there were.
        """
        ...

    def reconciled_to(self) -> int:
        """Return the position up to which the log's erasures are carried out on these keys."""
        ...

    def begin_again(self) -> Collection[UUID]:
        """Note that no erasure of the ledger is carried out; return every subject whose keys are destroyed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What was carried out on the keys: of how many subjects, how many keys, up to which position."""

    subjects: int
    keys_destroyed: int
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What an erasure came to. `position` is None if the customer was erased before."""

    position: int | None
    credentials: int
    devices: int
    keys_destroyed: int


def erase(
    store: EventStore,
    keys: SubjectKeys,
    *,
    customer: UUID,
    basis: str,
    approved_by: str,
    at: datetime,
    command_id: UUID,
    kinds: KindBook | None = None,
) -> Erased:
    """Erase a customer's personal data for good.

    `approved_by` is an actor's reference. Raises Refused(retention) and Refused(legal_hold), and then nothing is
    erased; and Unavailable, and then `reconcile` does what is left.
    """
    request = request_of(store, customer=customer, basis=basis, approved_by=approved_by, at=at)
    command = Command(request=request, command_id=command_id, actor=approved_by, channel=CHANNEL)
    (outcome,) = execute(store, [command], kinds=kinds)
    if outcome.refusal is not None:
        raise Refused(outcome.refusal, outcome.message)
    done = keys.reconciled_to()
    # A ledger that was restored may write its erasure where the keys have been already.
    after = done if outcome.position is None else min(done, outcome.position - 1)
    return Erased(
        position=outcome.position,
        credentials=len(request.credentials),
        devices=len(request.devices),
        keys_destroyed=_carry_out(store, keys, after=after).keys_destroyed,
    )


def request_of(store: EventStore, *, customer: UUID, basis: str, approved_by: str, at: datetime) -> EraseCustomer:
    """Return the request to erase a customer with its credentials and the devices that nobody else has held."""
    history = store.stream(customer)
    return EraseCustomer(
        at=at,
        customer=customer,
        basis=basis,
        approved_by=approved_by,
        credentials=_credentials(history),
        devices=tuple(each for each in _devices(history) if held_by_nobody_else(store.stream(each), customer)),
    )


def reconcile(store: EventStore, keys: SubjectKeys) -> Reconciled:
    """Carry out on the keys what the ledger has erased since they were last as far; doing it again changes nothing.

    Raises Unavailable for keys that are ahead of the ledger.
    """
    done, last = keys.reconciled_to(), store.last_position()
    if done > last:
        raise Unavailable(ahead(done, last))
    return _carry_out(store, keys, after=done)


def reconcile_restored(store: EventStore, keys: SubjectKeys) -> tuple[Reconciled, list[UUID]]:
    """Go on with a ledger that was restored from an older backup, and its losses accepted.

    Return what was carried out, and whom the ledger has lost the erasure of: their keys are gone, and they are to be
    erased again. Doing it twice changes nothing.
    """
    destroyed = set(keys.begin_again())
    done = _carry_out(store, keys, after=0)
    return done, sorted(destroyed - {each.subject for each in store.erasures(after=0)})


def ahead(done: int, last: int) -> str:
    """Return what is said of a keystore that knows of an erasure beyond the ledger's end."""
    return (
        f"the ledger ends at position {last} and its keystore carried out an erasure at {done}:"
        " the ledger was restored from an older backup; bring back a newer one, or accept the loss with"
        " sealbook keys reconcile --restored"
    )


def held_by_nobody_else(history: Sequence[RecordedEvent], customer: UUID) -> bool:
    """Tell whether a device's history binds it to this customer and to no other, now or ever."""
    return all(each.event.customer == customer for each in history if isinstance(each.event, DeviceBound))


def _carry_out(store: EventStore, keys: SubjectKeys, *, after: int) -> Reconciled:
    due = store.erasures(after=after)
    if not due:
        return Reconciled(subjects=0, keys_destroyed=0, position=after)
    # The keys last: they note how far this is done.
    store.forget_erased(after=after)
    subjects, position = {each.subject for each in due}, due[-1].position
    return Reconciled(
        subjects=len(subjects), keys_destroyed=keys.destroy(subjects, position=position), position=position
    )


def _credentials(history: Sequence[RecordedEvent]) -> tuple[UUID, ...]:
    return tuple(each.event.credential for each in history if isinstance(each.event, CredentialOpened))


def _devices(history: Sequence[RecordedEvent]) -> tuple[UUID, ...]:
    # Once each, in their order.
    return tuple(dict.fromkeys(each.event.device for each in history if isinstance(each.event, DeviceSlotTaken)))
