"""Two writer processes on the same streams: nothing lost, nothing twice, and no rule broken between them."""

from uuid import UUID

import pytest

from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.application.ledger import execute
from sealbook.application.ports import read_all
from sealbook.domain.credential import Issued
from tests.commands import Script
from tests.system.writing import (
    Process,
    Processes,
    assert_whole,
    customer_of,
    device_of,
    finished,
    heard,
    holders,
    killed,
    line,
    people,
    tell,
    uses,
)

ROUNDS = 30


def run(both: list[Process], tasks: list[tuple[UUID, UUID]]) -> list[str]:
    """Give each racer its customer and device at once; return how they were answered."""
    for racer, (customer, device) in zip(both, tasks, strict=True):
        tell(racer, f"{customer} {device}")
    return [line(racer).strip() for racer in both]


def test_a_writer_killed_beside_another_loses_nothing_and_doubles_nothing(
    ledger_dsn: str, postgres_store: PostgresEventStore
) -> None:
    execute(postgres_store, holders())
    with Processes() as processes:
        one, other = (processes.begin("write", ledger_dsn, seed) for seed in (1, 2))
        tell(one, "go")
        tell(other, "go")
        heard_of_one = heard(one, 10)
        heard_of_one |= killed(one)
        acked = heard_of_one | finished(other)
    commands = [command for seed in (1, 2) for batch in uses(seed) for command in batch]
    # What the killed one had sent without hearing of it is told from what it had not sent.
    outcomes = [outcome for batch in uses(1) for outcome in execute(postgres_store, batch)]
    assert all(outcome.accepted for outcome in outcomes)
    assert len(heard_of_one) <= sum(outcome.repeated for outcome in outcomes) < len(outcomes)
    assert_whole(postgres_store, commands=commands, acknowledged=acked)


@pytest.mark.parametrize("contested", ["person", "device"])
def test_of_two_issues_at_once_that_exclude_each_other_one_passes(
    ledger_dsn: str, postgres_store: PostgresEventStore, contested: str
) -> None:
    execute(postgres_store, [Script(9).adopt_policy(), *people(range(2 * ROUNDS))])
    with Processes() as processes:
        both = [processes.begin("race", ledger_dsn, number) for number in (1, 2)]
        for number in range(0, 2 * ROUNDS, 2):
            pair = (number, number + 1)
            if contested == "person":
                tasks = [(customer_of(number), device_of(each)) for each in pair]
            else:
                tasks = [(customer_of(each), device_of(number)) for each in pair]
            assert run(both, tasks).count("accepted") == 1
    issued = [event.event for event in read_all(postgres_store) if isinstance(event.event, Issued)]
    assert len(issued) == ROUNDS
    assert len({event.customer for event in issued}) == len({event.device for event in issued}) == ROUNDS
