"""Two writer processes on the same streams: nothing lost, nothing twice, and no rule broken between them."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest

from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.application.ledger import execute
from sealbook.domain.credential import Issued
from sealbook.application.ports import read_all
from tests.commands import Script
from tests.system.writing import (
    assert_whole,
    begin,
    customer_of,
    device_of,
    finished,
    heard,
    holders,
    killed,
    people,
    uses,
)

ROUNDS = 30


@contextmanager
def racers(dsn: str) -> Iterator[list[subprocess.Popen[str]]]:
    both = [begin("race", dsn, number) for number in (1, 2)]
    try:
        yield both
    finally:
        for each in both:
            each.communicate()


def run(both: list[subprocess.Popen[str]], tasks: list[tuple[UUID, UUID]]) -> list[str]:
    """Give each racer its customer and device at once; return how they were answered."""
    for racer, (customer, device) in zip(both, tasks, strict=True):
        assert racer.stdin is not None
        racer.stdin.write(f"{customer} {device}\n")
        racer.stdin.flush()
    return [racer.stdout.readline().strip() for racer in both if racer.stdout is not None]


def test_a_writer_killed_beside_another_loses_nothing_and_doubles_nothing(
    ledger_dsn: str, postgres_store: PostgresEventStore
) -> None:
    execute(postgres_store, holders())
    one, other = begin("write", ledger_dsn, 1), begin("write", ledger_dsn, 2)
    acked = heard(one, 10) | heard(other, 10)
    acked |= killed(one)
    acked |= finished(other)
    commands = [command for seed in (1, 2) for batch in uses(seed) for command in batch]
    # What the killed one had sent without hearing of it is told from what it had not sent.
    outcomes = [outcome for batch in uses(1) for outcome in execute(postgres_store, batch)]
    assert all(outcome.accepted for outcome in outcomes)
    assert sum(outcome.repeated for outcome in outcomes) >= len(
        acked.keys() & {each.command_id for each in commands[:300]}
    )
    assert_whole(postgres_store, commands=commands, acknowledged=acked)


@pytest.mark.parametrize("contested", ["person", "device"])
def test_of_two_issues_at_once_that_exclude_each_other_one_passes(
    ledger_dsn: str, postgres_store: PostgresEventStore, contested: str
) -> None:
    execute(postgres_store, [Script(9).adopt_policy(), *people(range(2 * ROUNDS))])
    with racers(ledger_dsn) as both:
        for number in range(0, 2 * ROUNDS, 2):
            pair = (number, number + 1)
            if contested == "person":
                tasks = [(customer_of(number), device_of(each)) for each in pair]
            else:
                tasks = [(customer_of(each), device_of(number)) for each in pair]
            assert sorted(run(both, tasks))[0] == "accepted"
    issued = [event.event for event in read_all(postgres_store) if isinstance(event.event, Issued)]
    assert len(issued) == ROUNDS
    assert len({event.customer for event in issued}) == len({event.device for event in issued}) == ROUNDS
