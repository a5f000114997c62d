"""What reaches back in time finds the bank as it is since: the invariants hold for it too."""

from sealbook.adapters.eventstore.memory import MemoryEventStore
from sealbook.application.cascades import carry_out
from sealbook.application.commands import Command
from sealbook.domain import device
from sealbook.domain.credential import Credential
from sealbook.domain.device import Device
from tests.invariants.teller import HELD, JOINT, NEXT, PHONE, Teller


def test_a_use_that_reaches_back_into_a_grace_does_not_bring_back_what_was_closed(
    memory_store: MemoryEventStore,
) -> None:
    teller = Teller(memory_store)
    teller.issued(policy_id="GRACE").wait(100)
    teller.tell(teller.issue(new=NEXT)).wait(-30)

    teller.attempt(teller.use())

    old = memory_store.load(streams=[HELD], names=(), commands=()).heads[HELD].state
    assert isinstance(old, Credential)
    assert old.lapsed_at is not None


def test_a_device_that_is_retired_as_of_before_is_released_whatever_came_onto_it_since(
    memory_store: MemoryEventStore,
) -> None:
    teller = Teller(memory_store)
    teller.issued().wait(1).tell(teller.apply(JOINT, new=NEXT)).wait(-0.5)
    retire = teller.of_device(device.Retire(at=teller.at))

    carry_out(memory_store, [Command(request=retire, command_id=teller.new_id(), actor="teller", channel="branch")])

    phone = memory_store.load(streams=[PHONE], names=(), commands=()).heads[PHONE].state
    assert isinstance(phone, Device)
    assert phone.customer is None
