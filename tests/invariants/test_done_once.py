"""What a process manager has done, it does not do again, even where the same would be possible anew (invariant 12)."""

from collections.abc import Callable

import pytest

from sealbook.adapters.eventstore.memory import MemoryEventStore
from sealbook.application.cascades import TRACKED_AS, catch_up
from sealbook.application.requests import OnCredential
from sealbook.application.timers import run_timers
from sealbook.domain import credential, customer, device
from tests.commands import ATTESTED
from tests.invariants.teller import HELD, Teller


def set_up_again(teller: Teller) -> None:
    """An update lost the keys, and the holder has set the credential up since."""
    teller.issued()
    teller.tell(teller.of_device(device.UpdateApp(at=teller.at, version="7.0", keys_kept=False)))
    catch_up(teller.store, kinds=teller.kinds)
    done = credential.CompleteReset(at=teller.at, evidence="phone-2", key_rolled=True, attestation=ATTESTED)
    teller.tell(OnCredential(credential=HELD, command=done))


def renewed_since(teller: Teller) -> None:
    """A notice was sent, and the period that it spoke of has been renewed."""
    teller.issued().wait(720)
    assert run_timers(teller.store, kinds=teller.kinds, until=teller.at) > 0
    teller.tell(teller.use())


def restricted_again(teller: Teller) -> None:
    """A restriction was lifted, and the holder has the credential held since."""
    teller.issued().tell(teller.of_customer(customer.Restrict(at=teller.at, reason="fraud")))
    catch_up(teller.store, kinds=teller.kinds)
    teller.tell(teller.of_customer(customer.LiftRestriction(at=teller.at)))
    catch_up(teller.store, kinds=teller.kinds)
    teller.tell(teller.of(credential.Suspend(at=teller.at, reason="customer_restricted")))


@pytest.mark.parametrize("story", [set_up_again, renewed_since, restricted_again])
def test_what_was_reacted_to_is_not_reacted_to_again(
    memory_store: MemoryEventStore, story: Callable[[Teller], None]
) -> None:
    teller = Teller(memory_store)
    story(teller)
    catch_up(memory_store, kinds=teller.kinds)
    last = memory_store.last_position()

    memory_store.track(TRACKED_AS, 0)
    catch_up(memory_store, kinds=teller.kinds)

    assert memory_store.last_position() == last
