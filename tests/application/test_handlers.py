"""How one request spreads over customer, device and credential."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from sealbook.adapters.eventstore.memory import MemoryEventStore
from sealbook.application.commands import Command, IssueCredential, NameKind, Ref
from sealbook.application.ledger import Outcome, execute
from sealbook.domain import credential
from sealbook.domain.catalogue import event_name
from sealbook.domain.credential import Issued, Revoked
from sealbook.domain.customer import Customer
from sealbook.domain.device import Device
from sealbook.domain.errors import Refusal
from sealbook.domain.presets import DEFAULT_POLICY
from tests.commands import A_YEAR_LATER, FEBRUARY, KIND, MARCH, Script, name

ALICE, BOB, PHONE, OTHER_PHONE, HELD, NEXT = (UUID(int=number) for number in range(1, 7))
AFTER_THE_END = A_YEAR_LATER.replace(year=2027)


@pytest.fixture
def script() -> Script:
    return Script(seed=1)


@pytest.fixture
def bank(memory_store: MemoryEventStore, script: Script) -> MemoryEventStore:
    """Two customers and two devices; nothing is issued yet."""
    people = [script.enroll(ALICE, name("A")), script.enroll(BOB, name("B"))]
    execute(memory_store, [script.adopt_policy(), *people, script.register(PHONE), script.register(OTHER_PHONE)])
    return memory_store


def told(store: MemoryEventStore, *commands: Command) -> list[list[str]]:
    """The events of each command, none of which is refused."""
    outcomes = execute(store, commands)
    assert [outcome.message for outcome in outcomes if not outcome.accepted] == []
    return [[event_name(event) for event in outcome.events] for outcome in outcomes]


def refused(store: MemoryEventStore, command: Command) -> Outcome:
    before = store.last_position()
    (outcome,) = execute(store, [command])
    assert store.last_position() == before
    return outcome


def replacing(
    script: Script, replaced: Ref, *, customer: UUID = ALICE, device: UUID = PHONE, at: datetime = MARCH
) -> Command:
    return script.command(
        IssueCredential(
            at=at,
            credential=NEXT,
            name=None,
            customer=customer,
            kind=KIND,
            device=device,
            policy_id=DEFAULT_POLICY,
            replaces=replaced,
        )
    )


def customer(store: MemoryEventStore, stream: UUID) -> Customer:
    state = store.load(streams=[stream], names=[], commands=[]).heads[stream].state
    assert isinstance(state, Customer)
    return state


def device(store: MemoryEventStore, stream: UUID) -> Device:
    state = store.load(streams=[stream], names=[], commands=[]).heads[stream].state
    assert isinstance(state, Device)
    return state


def test_issuing_binds_the_device_and_takes_the_slot_in_one_append(bank: MemoryEventStore, script: Script) -> None:
    (events,) = told(bank, script.issue(HELD, customer=ALICE, device=PHONE))

    assert events == [
        "device.bound",
        "customer.device_slot_taken",
        "customer.credential_opened",
        "credential.issued",
    ]
    assert device(bank, PHONE).customer == ALICE
    assert customer(bank, ALICE).devices == (PHONE,)


def test_a_customer_and_a_device_may_be_called_by_their_names(bank: MemoryEventStore, script: Script) -> None:
    key = name(f"key of {PHONE}", NameKind.DEVICE_KEY)

    told(bank, script.command(script.issue(HELD, customer=name("A"), device=key).request))

    assert customer(bank, ALICE).holding(KIND) == (HELD,)


def test_the_slot_of_a_person_is_one_device(bank: MemoryEventStore, script: Script) -> None:
    told(bank, script.issue(HELD, customer=ALICE, device=PHONE))

    outcome = refused(bank, script.issue(NEXT, customer=ALICE, device=OTHER_PHONE, at=MARCH))

    assert outcome.refusal is Refusal.DEVICE_SLOT


def test_a_device_of_one_person_is_not_bound_to_another(bank: MemoryEventStore, script: Script) -> None:
    told(bank, script.issue(HELD, customer=ALICE, device=PHONE))

    outcome = refused(bank, script.issue(NEXT, customer=BOB, device=PHONE))

    assert outcome.refusal is Refusal.DEVICE_TAKEN


def test_a_person_holds_one_live_credential_of_a_kind(bank: MemoryEventStore, script: Script) -> None:
    told(bank, script.issue(HELD, customer=ALICE, device=PHONE))

    outcome = refused(bank, script.issue(NEXT, customer=ALICE, device=PHONE, at=MARCH))

    assert outcome.refusal is Refusal.ALREADY_HELD


def test_what_time_alone_has_ended_is_closed_by_the_next_issue(bank: MemoryEventStore, script: Script) -> None:
    told(bank, script.issue(HELD, customer=ALICE, device=PHONE))

    (events,) = told(bank, script.issue(NEXT, customer=ALICE, device=PHONE, at=AFTER_THE_END))

    assert events == [
        "credential.expired",
        "customer.credential_closed",
        "customer.credential_opened",
        "credential.issued",
    ]
    assert customer(bank, ALICE).holding(KIND) == (NEXT,)


def test_a_revocation_closes_the_credential_for_its_customer(bank: MemoryEventStore, script: Script) -> None:
    told(bank, script.issue(HELD, customer=ALICE, device=PHONE))

    (events,) = told(bank, script.on(HELD, credential.Revoke(at=MARCH, reason="lost")))

    assert events[:2] == ["credential.revoked", "customer.credential_closed"]
    assert customer(bank, ALICE).open_credentials == ()


def test_a_replacement_revokes_the_old_one_as_superseded(bank: MemoryEventStore, script: Script) -> None:
    told(bank, script.issue(HELD, customer=ALICE, device=PHONE))

    told(bank, replacing(script, HELD))

    revoked = bank.stream(HELD)[-1].event
    issued = bank.stream(NEXT)[0].event
    assert isinstance(revoked, Revoked)
    assert isinstance(issued, Issued)
    assert (revoked.reason, issued.replaces) == ("superseded", HELD)
    assert customer(bank, ALICE).holding(KIND) == (NEXT,)


def test_a_replacement_of_a_revoked_credential_leaves_it_as_it_was(bank: MemoryEventStore, script: Script) -> None:
    told(bank, script.issue(HELD, customer=ALICE, device=PHONE))
    told(bank, script.on(HELD, credential.Revoke(at=MARCH, reason="lost")))
    before = bank.stream(HELD)

    (events,) = told(bank, replacing(script, HELD))

    assert events[-2:] == ["customer.credential_opened", "credential.issued"]
    assert bank.stream(HELD) == before


def test_another_customers_credential_is_not_replaced(bank: MemoryEventStore, script: Script) -> None:
    told(bank, script.issue(HELD, customer=ALICE, device=PHONE))

    outcome = refused(bank, replacing(script, HELD, customer=BOB, device=OTHER_PHONE))

    assert outcome.refusal is Refusal.NOT_FOUND


def test_a_released_device_frees_its_slot_and_may_be_bound_again(bank: MemoryEventStore, script: Script) -> None:
    told(bank, script.issue(HELD, customer=ALICE, device=PHONE))
    told(bank, script.on(HELD, credential.Settle(at=AFTER_THE_END)))

    (events, _) = told(
        bank,
        script.release(PHONE, at=AFTER_THE_END),
        script.issue(NEXT, customer=BOB, device=PHONE, at=AFTER_THE_END),
    )

    assert events == ["device.released", "customer.device_slot_released"]
    assert customer(bank, ALICE).devices == ()
    assert device(bank, PHONE).customer == BOB


def test_a_device_with_a_live_credential_is_not_released(bank: MemoryEventStore, script: Script) -> None:
    told(bank, script.issue(HELD, customer=ALICE, device=PHONE))

    assert refused(bank, script.release(PHONE, at=MARCH)).refusal is Refusal.DEVICE_STATE


@pytest.mark.parametrize("noticed", [True, False], ids=["the lapse is recorded", "nobody has noticed the lapse"])
def test_what_has_lapsed_is_replaced_whoever_notices(bank: MemoryEventStore, script: Script, noticed: bool) -> None:
    told(bank, script.issue(HELD, customer=ALICE, device=PHONE))
    if noticed:
        told(bank, script.on(HELD, credential.Settle(at=AFTER_THE_END)))

    told(bank, replacing(script, HELD, at=AFTER_THE_END))


def test_releasing_an_unbound_device_is_nothing_new(bank: MemoryEventStore, script: Script) -> None:
    assert told(bank, script.release(PHONE)) == [[]]


STRANGER = UUID(int=99)


def wrong(script: Script) -> dict[str, tuple[Command, Refusal]]:
    return {
        "release of an unknown device": (script.release(STRANGER), Refusal.DEVICE_STATE),
        "issue to nobody": (script.issue(HELD, customer=STRANGER, device=PHONE), Refusal.CUSTOMER_STATE),
        "issue to no name": (script.issue(HELD, customer=name("nobody"), device=PHONE), Refusal.NOT_FOUND),
        "issue on no device": (script.issue(HELD, customer=ALICE, device=STRANGER), Refusal.DEVICE_STATE),
        "issue to a device": (script.issue(HELD, customer=PHONE, device=PHONE), Refusal.NOT_FOUND),
        "use of nothing": (script.use(STRANGER, device=PHONE), Refusal.NOT_ISSUED),
        "use of a customer": (script.use(ALICE, device=PHONE), Refusal.NOT_FOUND),
        "a name that is taken": (script.enroll(STRANGER, name("A")), Refusal.DUPLICATE),
    }


@pytest.mark.parametrize("what", wrong(Script()))
def test_what_is_not_there_is_refused_by_its_own_code(bank: MemoryEventStore, script: Script, what: str) -> None:
    command, refusal = wrong(script)[what]

    assert refused(bank, command).refusal is refusal


def test_without_a_policy_in_force_nothing_is_issued(memory_store: MemoryEventStore, script: Script) -> None:
    execute(memory_store, [script.enroll(ALICE), script.register(PHONE)])

    assert refused(memory_store, script.issue(HELD, customer=ALICE, device=PHONE)).refusal is Refusal.NO_POLICY


def test_a_credential_name_that_is_taken_refuses_the_issue(bank: MemoryEventStore, script: Script) -> None:
    number = name("C", NameKind.CREDENTIAL)
    told(bank, script.issue(HELD, customer=ALICE, device=PHONE, named=number))

    outcome = refused(bank, script.issue(NEXT, customer=BOB, device=OTHER_PHONE, named=number))

    assert outcome.refusal is Refusal.DUPLICATE


def test_a_lapse_that_a_use_finds_closes_the_credential(bank: MemoryEventStore, script: Script) -> None:
    told(bank, script.issue(HELD, customer=ALICE, device=PHONE, at=FEBRUARY))

    (outcome,) = execute(bank, [script.use(HELD, device=PHONE, at=AFTER_THE_END)])

    assert outcome.refusal is Refusal.EXPIRED
    assert [event_name(event) for event in outcome.events] == [
        "credential.expired",
        "credential.use_refused",
        "customer.credential_closed",
    ]
    assert customer(bank, ALICE).open_credentials == ()
    assert bank.stream(ALICE)[-1].event.at < AFTER_THE_END - timedelta(days=1)
