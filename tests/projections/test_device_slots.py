"""Who uses how many device slots, of how many?"""

from dataclasses import replace
from uuid import UUID

from sealbook.domain.catalogue import Event
from sealbook.domain.customer import DeviceSlotReleased, DeviceSlotTaken, Enrolled
from sealbook.domain.kind_document import KindBook
from sealbook.domain.values import HolderSubkind, Kind
from sealbook.projections.device_slots import DeviceSlots, device_slots
from sealbook.projections.states import states_at
from tests.domain.examples import ISSUE, KINDS, OTHER_PHONE, OTP, PERSON, PHONE, SUMMER, kinds_with
from tests.projections.records import ledger

ENROLLED = Enrolled(at=ISSUE, subkind=HolderSubkind.INDIVIDUAL, provenance=None)
COMPANY = Enrolled(at=ISSUE, subkind=HolderSubkind.CORPORATION, provenance=None)
TAKEN = DeviceSlotTaken(at=ISSUE, device=PHONE)
OTHER_PERSON = UUID(int=9)


def slots(
    *history: Event, kinds: KindBook = KINDS, customer: UUID | None = None, other: tuple[Event, ...] = ()
) -> list[DeviceSlots]:
    states = states_at(ledger({PERSON: history, OTHER_PERSON: other}), as_of=SUMMER)
    return device_slots(states, kinds, customer=customer)


def test_the_one_device_of_a_person_fills_the_slots_of_every_kind() -> None:
    assert slots(ENROLLED, TAKEN) == [
        DeviceSlots(
            customer=PERSON,
            subkind=HolderSubkind.INDIVIDUAL,
            used=1,
            allowed=1,
            devices=(PHONE,),
            full_for=tuple(Kind),
        )
    ]


def test_a_kind_may_allow_more() -> None:
    kinds = kinds_with(OTP, devices_per_person_max=2)
    (one,), (two,) = (
        slots(ENROLLED, TAKEN, *more, kinds=kinds) for more in ((), (DeviceSlotTaken(at=ISSUE, device=OTHER_PHONE),))
    )

    assert (one.used, one.allowed, Kind.MOBILE_OTP in one.full_for) == (1, 2, False)
    assert (two.used, two.allowed, Kind.MOBILE_OTP in two.full_for) == (2, 2, True)


def test_kinds_that_the_customer_may_not_hold_do_not_count() -> None:
    (found,) = slots(COMPANY, TAKEN)

    assert Kind.KB_MOBILE_CERTIFICATE not in found.full_for


def test_a_bank_that_issues_nothing_to_a_customer_allows_it_no_device() -> None:
    (found,) = slots(ENROLLED, TAKEN, kinds=replace(KINDS, kinds={}))

    assert (found.used, found.allowed, found.full_for) == (1, 0, ())


def test_who_has_no_device_is_told_of_only_when_asked_about() -> None:
    released = DeviceSlotReleased(at=SUMMER, device=PHONE)

    assert slots(ENROLLED, TAKEN, released) == []
    (found,) = slots(ENROLLED, TAKEN, released, customer=PERSON)
    assert (found.used, found.allowed, found.full_for) == (0, 1, ())


def test_one_customer_can_be_asked_about() -> None:
    other = (ENROLLED, DeviceSlotTaken(at=ISSUE, device=OTHER_PHONE))

    assert [each.customer for each in slots(ENROLLED, TAKEN, other=other)] == [PERSON, OTHER_PERSON]
    assert [each.customer for each in slots(ENROLLED, TAKEN, other=other, customer=OTHER_PERSON)] == [OTHER_PERSON]
