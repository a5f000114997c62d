"""The bank in a box: the same seed tells the same lives, and together they tell of everything."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import count
from random import Random
from typing import cast
from uuid import UUID

import pytest

from sealbook.adapters.eventstore.memory import MemoryEventStore
from sealbook.application import bank
from sealbook.application.commands import Command, Request
from sealbook.application.ledger import Outcome
from sealbook.application.names import Name, NameKind
from sealbook.application.ports import read_all
from sealbook.application.requests import EnrollCustomer, OnApplication, OnCredential, OnCustomer
from sealbook.domain.catalogue import EVENT_TYPES
from sealbook.domain.errors import Refusal
from sealbook.domain.presets import preset_kinds
from sealbook.domain.values import Kind

BEGIN, END = datetime(2021, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
INTENDED = {
    (Refusal.TOO_MANY_ATTEMPTS, "VerifyPhone"),
    (Refusal.PERMANENT, "Unlock"),
    (Refusal.PERMANENT, "Resume"),
    (Refusal.OPEN_FEE, "CloseCustomer"),
    (Refusal.FOUR_EYES, "OnTransaction"),
    (Refusal.LAST_ADMIN, "RemoveCompanyUser"),
    (Refusal.RETENTION, "Erase"),
    (Refusal.LEGAL_HOLD, "Erase"),
}
"""Each is a turn in a story of the cast."""
NOW_AND_THEN = {(Refusal.TOO_LATE, "ObjectToRenewal")}
"""Some look at the notice of a renewal too late."""

Told = tuple[MemoryEventStore, list[tuple[Command, Outcome]]]


def numbered(first: int = 1) -> Callable[[], UUID]:
    numbers = count(first)
    return lambda: UUID(int=next(numbers))


def names(customers: int) -> list[str]:
    return [f"P{number:03}" for number in range(1, customers + 1)]


def commands(
    seed: int, *, customers: int = 40, first_id: int = 1, known: frozenset[str] = frozenset(), end: datetime = END
) -> list[Command]:
    return bank.commands(
        names(customers),
        begins_at=BEGIN,
        ends_at=end,
        random=Random(seed),
        new_id=numbered(first_id),
        known=known,
    )


def lived(asked: list[Command], *, until: datetime = END) -> Told:
    store = MemoryEventStore(clock=lambda: datetime.now(UTC))
    outcomes = [each for batch in bank.live(store, asked, kinds=preset_kinds(), until=until) for each in batch]
    return store, list(zip(asked, outcomes, strict=True))


@cache
def lives(seed: int, customers: int = 40) -> Told:
    """Live once for all tests that only read."""
    return lived(commands(seed, customers=customers))


def events_of(told: Told) -> set[str]:
    store, _ = told
    return {recorded.event.stored.name for recorded in read_all(store)}


def asked_for(request: Request) -> str:
    if isinstance(request, OnApplication | OnCredential | OnCustomer):
        return type(request.command).__name__
    return type(request).__name__


def refused(told: Told) -> Iterator[tuple[Refusal, str]]:
    """Yield what was refused without an event, and why."""
    for command, outcome in told[1]:
        if outcome.refusal is not None and not outcome.events:
            yield outcome.refusal, asked_for(command.request)


def without_ids(store: MemoryEventStore, *, first_id: int) -> dict[str, list[object]]:
    """Return every named stream's events, each id by its distance from the first."""

    def plain(value: object) -> object:
        if isinstance(value, UUID):
            return value.int - first_id
        if isinstance(value, tuple | list):
            return [plain(each) for each in cast("Sequence[object]", value)]
        if dataclasses.is_dataclass(value):
            return {each.name: plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
        return value

    return {
        f"{kind} {name.value}": [(each.event.stored, plain(each.event)) for each in store.stream(stream)]
        for kind in NameKind
        for name, stream in store.named(kind).items()
    }


# --- Commands


def test_the_same_seed_tells_the_same_lives() -> None:
    assert commands(1) == commands(1)


def test_another_seed_tells_other_lives() -> None:
    assert [each.request.at for each in commands(1)] != [each.request.at for each in commands(2)]


def test_commands_come_in_the_order_of_time_and_end_with_the_lives() -> None:
    moments = [command.request.at for command in commands(1)]

    assert moments == sorted(moments)
    assert max(moments) <= END


def test_who_is_known_already_is_not_told_of_again() -> None:
    rest = commands(1, known=frozenset(names(39)))

    enrolled = [each.request.name for each in rest if isinstance(each.request, EnrollCustomer)]
    assert enrolled == [Name(NameKind.CUSTOMER, "P040")]


def test_most_customers_are_persons_with_a_mobile_certificate() -> None:
    applied = [getattr(command.request, "kind", None) for command in commands(1, customers=400)]

    certificates = applied.count(Kind.KB_MOBILE_CERTIFICATE)
    others = [applied.count(kind) for kind in Kind if kind is not Kind.KB_MOBILE_CERTIFICATE]
    assert min(others) > 0
    assert certificates > 4 * max(others)


# --- Lives

OF_A_BANK = {stored.name for stored in EVENT_TYPES.values() if not stored.name.startswith("ledger.")}
"""What the ledger says of itself comes from who keeps it, not from a bank's customers."""


def test_every_event_of_a_live_system_occurs() -> None:
    assert OF_A_BANK - events_of(lives(1)) == set()


@pytest.mark.parametrize("seed", [2, 3])
def test_the_cast_alone_tells_of_every_event(seed: int) -> None:
    told = lives(seed, bank.CUSTOMERS_FOR_ALL)

    assert OF_A_BANK - events_of(told) == set()


def test_what_is_refused_is_a_turn_of_a_story() -> None:
    assert set(refused(lives(1))) - NOW_AND_THEN == INTENDED


@pytest.mark.parametrize("seed", [4, 5])
def test_ordinary_lives_bring_no_other_refusals(seed: int) -> None:
    assert set(refused(lives(seed, 120))) <= INTENDED | NOW_AND_THEN


def test_two_ledgers_of_one_seed_hold_equal_histories() -> None:
    far = 1 << 64
    one, _ = lives(1)
    other, _ = lived(commands(1, first_id=far))

    assert without_ids(one, first_id=1) == without_ids(other, first_id=far)


@pytest.mark.parametrize("customers", [1, 3, 7])
def test_few_customers_who_live_shortly_are_told_of_as_well(customers: int) -> None:
    end = datetime(2021, 2, 10, tzinfo=UTC)
    asked = commands(1, customers=customers, end=end)

    store, _ = lived(asked, until=end)

    assert len(store.named(NameKind.CUSTOMER)) == customers
    assert max(recorded.event.at for recorded in read_all(store)) <= end


def test_what_follows_of_a_command_is_there_before_the_next() -> None:
    store, told = lives(1)
    at = next(command.request.at for command, _ in told if asked_for(command.request) == "RecordDeath")
    after = [recorded.event.stored.name for recorded in read_all(store) if recorded.event.at >= at]

    assert after[:2] == ["customer.deceased", "credential.revoked"]


def test_a_ledger_takes_more_customers_later() -> None:
    store, _ = lived(commands(1, customers=4))
    more = commands(1, customers=6, first_id=1 << 64, known=frozenset(names(4)))

    outcomes = [each for batch in bank.live(store, more, kinds=preset_kinds(), until=END) for each in batch]

    assert len(store.named(NameKind.CUSTOMER)) == 6
    assert {outcome.refusal for outcome in outcomes if not outcome.events} <= {None, Refusal.POLICY_VERSION}
