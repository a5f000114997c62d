"""Erasing a person: what goes, what stays, and what a crash in between leaves to be done."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import pytest

from sealbook.adapters.eventstore.memory import MemoryEventStore
from sealbook.application.erasure import Erased, Reconciled, erase, reconcile
from sealbook.application.names import Name, NameKind
from sealbook.application.ports import Unavailable
from sealbook.application.requests import CloseCustomer, OnCredential, OnCustomer
from sealbook.domain import customer
from sealbook.domain.credential import Revoke
from sealbook.domain.errors import Refusal, Refused
from tests.application.branch import (
    ALICE,
    BOB,
    HELD,
    NEW_PHONE,
    NEXT,
    OTHER_PHONE,
    PHONE,
    THIRD,
    Branch,
    apply,
    key_of,
    opened,
)
from tests.application.lines import Desk, fact, use
from tests.commands import MARCH

RETAINED_UNTIL = MARCH.replace(year=2029)


@dataclass
class Keyring:
    """Keys that only say whether they are there."""

    held: set[UUID] = field(default_factory=lambda: {ALICE, BOB, PHONE, NEW_PHONE, OTHER_PHONE})
    position: int = 0
    fails: bool = False

    def destroy(self, subjects: Collection[UUID], *, position: int) -> int:
        if self.fails:
            raise Unavailable("the keystore is away")
        gone = self.held & set(subjects)
        self.held -= gone
        self.position = max(self.position, position)
        return len(gone)

    def reconciled_to(self) -> int:
        return self.position

    def begin_again(self) -> Collection[UUID]:
        self.position = 0
        return ()


@pytest.fixture
def branch(memory_store: MemoryEventStore) -> Branch:
    return opened(memory_store)


@pytest.fixture
def keys() -> Keyring:
    return Keyring()


def erased(branch: Branch, keys: Keyring, person: UUID = ALICE, *, at: datetime = RETAINED_UNTIL) -> Erased:
    return erase(
        branch.store,
        keys,
        customer=person,
        basis="act 21",
        approved_by="officer 7",
        at=at,
        command_id=branch.script.new_id(),
        kinds=branch.kinds,
    )


def hold_and_end(branch: Branch, held: UUID, *, person: UUID = ALICE, device: UUID = PHONE) -> None:
    branch.issue_by_steps(apply(held, person=person, device=device))
    end(branch, held, person=person)


def end(branch: Branch, held: UUID, *, person: UUID) -> None:
    branch.told(
        OnCredential(credential=held, command=Revoke(at=MARCH)),
        CloseCustomer(at=MARCH, customer=person),
    )


def test_a_person_goes_with_credentials_and_devices(branch: Branch, keys: Keyring) -> None:
    hold_and_end(branch, HELD)

    result = erased(branch, keys)

    position = branch.store.last_position()
    assert result == Erased(position=position, credentials=1, devices=1, keys_destroyed=2)
    assert (branch.customer().erased, branch.credential().erased) == (True, True)
    assert (keys.held, keys.position) == ({BOB, NEW_PHONE, OTHER_PHONE}, position)
    assert key_of(PHONE) not in branch.store.named(NameKind.DEVICE_KEY)


def test_a_device_that_somebody_else_held_stays(branch: Branch, keys: Keyring) -> None:
    hold_and_end(branch, HELD, person=BOB)
    hold_and_end(branch, NEXT)

    result = erased(branch, keys)

    assert (result.devices, result.keys_destroyed) == (0, 1)
    assert keys.held == {BOB, PHONE, NEW_PHONE, OTHER_PHONE}
    assert key_of(PHONE) in branch.store.named(NameKind.DEVICE_KEY)


def test_what_was_imported_belongs_to_its_customer(memory_store: MemoryEventStore) -> None:
    desk = Desk(memory_store)
    began, again, ended = "2012-01-10T09:00:00+09:00", "2016-01-10T09:00:00+09:00", RETAINED_UNTIL.replace(year=2019)
    desk.facts(fact("issued", began, "C-1", customer="P-1"))
    desk.uses(use("P-2", began), use("P-2", again), reissue=True)
    assert {each.value for each in memory_store.named(NameKind.CREDENTIAL)} == {"C-1", "P-2", "P-2#2"}
    branch = Branch(memory_store)

    for person in (Name(NameKind.CUSTOMER, "P-1"), Name(NameKind.CUSTOMER, "P-2")):
        branch.told(CloseCustomer(at=ended, customer=person))
        erase = customer.Erase(at=ended.replace(year=2026), basis="act 21", approved_by="officer 7")
        branch.told(OnCustomer(customer=person, command=erase))

    assert dict(memory_store.named(NameKind.CREDENTIAL)) == {}


def test_an_application_that_came_to_nothing_is_no_obstacle(branch: Branch, keys: Keyring) -> None:
    branch.told(apply(HELD), CloseCustomer(at=RETAINED_UNTIL.replace(year=2024), customer=ALICE))

    result = erased(branch, keys, at=RETAINED_UNTIL.replace(year=2031))

    assert result.position is not None
    assert branch.customer().erased


def test_who_is_erased_already_is_so_once(branch: Branch, keys: Keyring) -> None:
    hold_and_end(branch, HELD)
    erased(branch, keys)
    position = branch.store.last_position()

    again = erased(branch, keys)

    assert (again.position, again.keys_destroyed) == (None, 0)
    assert (branch.store.last_position(), keys.position) == (position, position)


@pytest.mark.parametrize("reason", [Refusal.LEGAL_HOLD, Refusal.RETENTION, Refusal.CUSTOMER_STATE])
def test_what_has_to_be_kept_is_kept_whole(branch: Branch, keys: Keyring, reason: Refusal) -> None:
    hold_and_end(branch, HELD)
    person, at = ALICE, RETAINED_UNTIL
    match reason:
        case Refusal.LEGAL_HOLD:
            branch.told(OnCustomer(customer=ALICE, command=customer.PlaceLegalHold(at=MARCH, case="case 1")))
        case Refusal.RETENTION:
            at = RETAINED_UNTIL.replace(day=9)
        case _:
            person = THIRD
    before, held = branch.store.last_position(), set(keys.held)

    with pytest.raises(Refused) as refused:
        erased(branch, keys, person, at=at)

    assert refused.value.code is reason
    assert (branch.store.last_position(), keys.held, keys.position) == (before, held, 0)
    assert key_of(PHONE) in branch.store.named(NameKind.DEVICE_KEY)


def test_whether_it_may_be_is_said_of_the_customer_first(branch: Branch, keys: Keyring) -> None:
    branch.issue_by_steps(apply(HELD))

    with pytest.raises(Refused, match="relationship"):
        erased(branch, keys)


def test_a_credential_that_has_to_be_kept_longer_keeps_its_holder(branch: Branch, keys: Keyring) -> None:
    branch.issue_by_steps(apply(HELD))
    branch.told(CloseCustomer(at=MARCH, customer=ALICE))
    # Nobody ended it: it ran out by itself, years after the relationship.
    before = branch.store.last_position()

    with pytest.raises(Refused) as refused:
        erased(branch, keys)

    assert refused.value.code is Refusal.RETENTION
    assert (branch.store.last_position(), branch.customer().erased) == (before, False)


def test_what_a_crash_left_undone_is_carried_out_later(branch: Branch, keys: Keyring) -> None:
    hold_and_end(branch, HELD)
    keys.fails = True
    with pytest.raises(Unavailable):
        erased(branch, keys)
    position = branch.store.last_position()
    assert (branch.customer().erased, ALICE in keys.held) == (True, True)

    keys.fails = False
    first, again = reconcile(branch.store, keys), reconcile(branch.store, keys)

    assert first == Reconciled(subjects=2, keys_destroyed=2, position=position)
    assert again == Reconciled(subjects=0, keys_destroyed=0, position=position)
    assert keys.held == {BOB, NEW_PHONE, OTHER_PHONE}


def test_an_erasure_that_another_left_undone_is_not_passed_over(branch: Branch, keys: Keyring) -> None:
    hold_and_end(branch, HELD)
    hold_and_end(branch, NEXT, person=BOB, device=NEW_PHONE)
    keys.fails = True
    with pytest.raises(Unavailable):
        erased(branch, keys)

    keys.fails = False
    erased(branch, keys, BOB)

    assert keys.held == {OTHER_PHONE}
    assert keys.position == branch.store.last_position()


def test_keys_that_are_put_back_from_a_copy_are_destroyed_again(branch: Branch, keys: Keyring) -> None:
    hold_and_end(branch, HELD)
    copy = Keyring(held=set(keys.held))
    erased(branch, keys)

    assert reconcile(branch.store, copy).keys_destroyed == 2
    assert copy.held == keys.held


def test_keys_ahead_of_the_ledger_say_so(branch: Branch, keys: Keyring) -> None:
    keys.position = branch.store.last_position() + 1

    with pytest.raises(Unavailable, match="restored from an older backup"):
        reconcile(branch.store, keys)


def test_an_erasure_below_where_the_keys_were_destroys_them_all_the_same(branch: Branch, keys: Keyring) -> None:
    hold_and_end(branch, HELD)
    keys.position = branch.store.last_position() + 100

    erased(branch, keys)

    assert keys.held == {BOB, NEW_PHONE, OTHER_PHONE}
