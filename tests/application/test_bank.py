"""The bank in a box: the same seed tells the same lives."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from random import Random
from uuid import UUID

from sealbook.adapters.eventstore.memory import MemoryEventStore
from sealbook.application import bank
from sealbook.application.commands import Command
from sealbook.application.ledger import execute
from sealbook.domain.errors import Refusal
from tests.commands import Script

BEGIN, END = datetime(2021, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
LIVES = [bank.Life(name=f"P{number}", begins_at=BEGIN, ends_at=END, policy_id="D") for number in range(40)]


def numbered() -> Callable[[], UUID]:
    numbers = count(1)
    return lambda: UUID(int=next(numbers))


def commands(seed: int) -> list[Command]:
    return bank.commands(LIVES, random=Random(seed), new_id=numbered())


def test_the_same_seed_tells_the_same_lives() -> None:
    assert commands(1) == commands(1)
    assert commands(1) != commands(2)


def test_commands_come_in_the_order_of_time_within_the_lives() -> None:
    moments = [command.request.at for command in commands(1)]

    assert moments == sorted(moments)
    assert (min(moments) >= BEGIN, max(moments) <= END) == (True, True)


def test_no_command_is_refused_but_uses_that_the_rules_refuse(memory_store: MemoryEventStore) -> None:
    asked = [Script(seed=9).adopt_policy(at=BEGIN), *commands(3)]

    outcomes = execute(memory_store, asked)

    refused = {outcome.refusal for outcome in outcomes if outcome.refusal is not None and outcome.position is None}
    assert refused <= {Refusal.ALREADY_FINAL}
    assert any(outcome.refusal is Refusal.EXPIRED for outcome in outcomes)
