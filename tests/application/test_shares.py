"""A file in shares: each line in one of them, a customer's all in the same, and together what one import makes."""

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Any

import pytest

from sealbook.adapters.eventstore.memory import MemoryEventStore
from sealbook.application import questions
from sealbook.application.importing import LineError, Row
from sealbook.application.names import NameKind
from sealbook.application.shares import WHOLE, Share
from sealbook.domain.catalogue import event_name
from tests.application.lines import NOW, Desk, Written, fact, names_of_events, use

HALVES = (Share(0, 2), Share(1, 2))
ISSUED_AT, USED_AT, ENDED_AT = "2024-03-15T10:00:00Z", "2024-06-01T09:00:00Z", "2024-07-01T09:00:00Z"
CUSTOMERS = [f"P{n}" for n in range(40)]


def lives() -> list[Written]:
    """Two credentials a customer, of which one is named like the customer; all issued first, then used, then ended."""
    names = [(customer, name) for customer in CUSTOMERS for name in (customer, f"{customer}-2")]
    return [
        *(fact("issued", ISSUED_AT, name, customer=customer) for customer, name in names),
        *(fact("used", USED_AT, name) for _, name in names),
        *(fact("revoked", ENDED_AT, name) for _, name in names),
    ]


def imported(store: MemoryEventStore, *written: Written | str, shares: Sequence[Share], **more: Any) -> int:
    desk = Desk(store)
    return sum([desk.facts(*written, share=share, **more).lines for share in shares])


def stories(store: MemoryEventStore) -> dict[str, list[str]]:
    """What happened to each credential, by its name, and to its customer."""
    told: dict[str, list[str]] = {}
    for name, stream in store.named(NameKind.CREDENTIAL).items():
        told[name.value] = [event_name(each.event) for each in store.stream(stream)]
    for name, stream in store.named(NameKind.CUSTOMER).items():
        told[f"customer {name.value}"] = [event_name(each.event) for each in store.stream(stream)]
    return told


def test_shares_together_make_what_one_import_makes(memory_store: MemoryEventStore) -> None:
    alone = MemoryEventStore(clock=lambda: NOW)

    assert imported(alone, *lives(), shares=(WHOLE,)) == len(lives())
    assert imported(memory_store, *lives(), shares=HALVES) == len(lives())

    assert stories(memory_store) == stories(alone)
    assert Counter(names_of_events(memory_store)) == Counter(names_of_events(alone))


def test_each_share_has_some_of_the_customers_and_all_lines_of_those(memory_store: MemoryEventStore) -> None:
    imported(memory_store, *lives(), shares=HALVES[:1])

    some = memory_store.named(NameKind.CUSTOMER)
    assert 0 < len(some) < len(CUSTOMERS)
    whole_lives = Counter(chain.from_iterable(stories(memory_store).values()))
    assert whole_lives["credential.issued"] == whole_lives["credential.revoked"] == 2 * len(some)


def test_a_share_goes_on_for_itself_and_adds_nothing_a_second_time(memory_store: MemoryEventStore) -> None:
    first = imported(memory_store, *lives(), shares=HALVES[:1])

    assert imported(memory_store, *lives(), shares=HALVES) == len(lives()) - first
    assert imported(memory_store, *lives(), shares=HALVES) == 0


@pytest.mark.parametrize("customer", CUSTOMERS[:6])
def test_a_second_issue_is_found_though_it_names_another_customer(
    memory_store: MemoryEventStore, customer: str
) -> None:
    written = (fact("issued", ISSUED_AT, "C1", customer="P0"), fact("issued", ISSUED_AT, "C1", customer=customer))

    told: list[int] = []
    for share in HALVES:
        try:
            imported(memory_store, *written, shares=(share,))
        except LineError as bad:
            told.append(bad.number)

    assert told == [2]


@pytest.mark.parametrize("line", ["not JSON at all", {"fact": "used"}, {"credential": 7}, {"credential": "\ud800"}, {}])
def test_a_line_that_is_of_nobody_is_told_by_one_share(memory_store: MemoryEventStore, line: Written | str) -> None:
    told: list[int] = []

    def skip(row: Row, _reason: str) -> None:
        told.append(row.number)

    imported(memory_store, line, shares=HALVES, skip=skip)

    assert told == [1]


def test_uses_are_shared_by_customer(memory_store: MemoryEventStore) -> None:
    desk = Desk(memory_store)
    written = [use(customer, at) for at in (ISSUED_AT, USED_AT) for customer in CUSTOMERS]

    lines = [desk.uses(*written, share=share).lines for share in HALVES]

    assert sum(lines) == len(written)
    assert all(lines)
    for customer in CUSTOMERS:
        stream = questions.find(memory_store, customer, kinds=[NameKind.CREDENTIAL])
        assert [event_name(each.event) for each in memory_store.stream(stream)].count("credential.used") == 2


def test_which_share_a_customer_is_in_does_not_change_from_one_release_to_the_next() -> None:
    # CRC-32 of the name: an import that one release began, the next goes on with.
    assert [Share(1, 2).has(customer) for customer in CUSTOMERS[:8]] == [True] * 4 + [False] * 4
