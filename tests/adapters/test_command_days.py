"""Command ids go by days: they are found on their day, and a day that is dropped is not forgotten to be one."""

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from uuid import UUID

import psycopg
import pytest

from sealbook.adapters.eventstore import command_days
from sealbook.adapters.eventstore.command_days import DaysKept
from sealbook.adapters.eventstore.postgres import PostgresEventStore, connected
from sealbook.adapters.keys.port import Keys
from sealbook.application.commands import Command, day_said_by
from sealbook.application.ledger import Outcome, execute
from sealbook.application.ports import Unavailable
from sealbook.domain.errors import Refusal
from tests.commands import Script

TODAY = datetime.now(UTC).date()
keep_command_days = partial(command_days.keep_command_days, kept_days=30)
UNTIMED = UUID("5f0c0000-0000-4000-8000-000000000001")


def id_of(day: date, number: int = 0) -> UUID:
    """Return a UUIDv7 of a day's noon."""
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    return UUID(int=int(noon.timestamp() * 1_000) << 80 | 0x7 << 76 | 0x2 << 62 | number)


@pytest.fixture
def maintenance(ledger_dsn: str) -> Iterator[psycopg.Connection]:
    with connected(ledger_dsn) as connection:
        yield connection


@pytest.fixture
def script() -> Script:
    return Script(3)


def enroll(script: Script, command_id: UUID) -> Command:
    return Command(
        request=script.enroll(script.new_id()).request, command_id=command_id, actor="teller", channel="branch"
    )


def one(store: PostgresEventStore, command: Command) -> Outcome:
    (outcome,) = execute(store, [command])
    return outcome


def partitions(connection: psycopg.Connection) -> dict[str, int]:
    """Return how many command ids lie in each partition."""
    names = connection.execute(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'sealbook.commands'::regclass"
    )
    counts = connection.execute("SELECT tableoid::regclass::text, count(*) FROM sealbook.commands GROUP BY 1")
    found = {name: 0 for (name,) in names.fetchall()} | dict(counts.fetchall())
    return {name.removeprefix("sealbook.commands_"): count for name, count in found.items()}


def named(day: date) -> str:
    return f"{day:%Y%m%d}"


def test_an_id_says_its_day_or_none() -> None:
    assert day_said_by(id_of(date(2026, 3, 1))) == (date(2026, 3, 1) - date(1970, 1, 1)).days
    assert day_said_by(UNTIMED) is None
    assert day_said_by(UUID(int=2**128 - 1)) is None


def test_the_coming_days_have_their_partitions_and_making_them_again_makes_none(
    maintenance: psycopg.Connection,
) -> None:
    assert keep_command_days(maintenance, today=TODAY, ahead_days=2) == DaysKept(made=3, dropped=0)
    assert keep_command_days(maintenance, today=TODAY, ahead_days=2) == DaysKept(made=0, dropped=0)

    days = {named(TODAY + timedelta(days=number)) for number in range(3)}
    assert partitions(maintenance).keys() == {"default", *days}


@pytest.mark.parametrize("ahead", [False, True], ids=["before its day's partition is made", "after it"])
def test_an_id_lies_on_the_day_that_it_says_else_on_the_day_of_its_recording(
    postgres_store: PostgresEventStore, maintenance: psycopg.Connection, script: Script, *, ahead: bool
) -> None:
    yesterday = TODAY - timedelta(days=1)
    if ahead:
        keep_command_days(maintenance, today=yesterday, ahead_days=1)
    commands = [enroll(script, each) for each in (id_of(yesterday), UNTIMED)]
    assert all(outcome.accepted for outcome in execute(postgres_store, commands))

    keep_command_days(maintenance, today=yesterday, ahead_days=1)

    assert partitions(maintenance) == {"default": 0, named(yesterday): 1, named(TODAY): 1}
    assert all(outcome.repeated for outcome in execute(postgres_store, commands))


def test_an_id_of_a_dropped_day_is_refused_for_nobody_knows_any_more(
    postgres_store: PostgresEventStore, maintenance: psycopg.Connection, script: Script
) -> None:
    long_ago = TODAY - timedelta(days=40)
    keep_command_days(maintenance, today=long_ago, ahead_days=0)
    assert one(postgres_store, enroll(script, id_of(long_ago))).accepted
    before = postgres_store.last_position()

    assert keep_command_days(maintenance, today=TODAY, ahead_days=0) == DaysKept(made=1, dropped=1)

    for each in (enroll(script, id_of(long_ago)), enroll(script, id_of(long_ago, 1))):
        assert one(postgres_store, each).refusal is Refusal.COMMAND_ID_FORGOTTEN
    assert postgres_store.last_position() == before
    assert one(postgres_store, enroll(script, id_of(TODAY))).accepted


def test_the_last_kept_day_is_kept(
    postgres_store: PostgresEventStore, maintenance: psycopg.Connection, script: Script
) -> None:
    command = enroll(script, id_of(TODAY - timedelta(days=30)))
    assert one(postgres_store, command).accepted

    keep_command_days(maintenance, today=TODAY, ahead_days=0)

    assert one(postgres_store, command).repeated


def test_what_the_default_partition_has_of_a_gone_day_goes_too(
    postgres_store: PostgresEventStore, maintenance: psycopg.Connection, script: Script
) -> None:
    assert one(postgres_store, enroll(script, id_of(TODAY - timedelta(days=31)))).accepted

    keep_command_days(maintenance, today=TODAY, ahead_days=0)

    assert sum(partitions(maintenance).values()) == 0


def test_a_forgotten_id_leaves_its_neighbours_alone(
    postgres_store: PostgresEventStore, maintenance: psycopg.Connection, script: Script
) -> None:
    keep_command_days(maintenance, today=TODAY, ahead_days=0)
    gone, kept = id_of(TODAY - timedelta(days=31)), id_of(TODAY)

    outcomes = execute(postgres_store, [enroll(script, gone), enroll(script, kept)])

    assert [outcome.refusal for outcome in outcomes] == [Refusal.COMMAND_ID_FORGOTTEN, None]


def test_days_are_kept_while_others_write(
    ledger_dsn: str, keys: Keys, maintenance: psycopg.Connection, script: Script
) -> None:
    store = PostgresEventStore.connect(ledger_dsn, keys=keys, randomness=os.urandom)
    for number in range(5):
        assert one(store, enroll(script, id_of(TODAY, number))).accepted
        keep_command_days(maintenance, today=TODAY + timedelta(days=number))
    store.close()
    assert partitions(maintenance)[named(TODAY)] == 5


def test_a_ledger_too_busy_to_let_go_says_so(
    ledger_dsn: str, maintenance: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sealbook.adapters.eventstore.command_days._LOCK_WAIT_SECONDS", "0.1")
    with psycopg.connect(ledger_dsn) as other:
        other.execute("SELECT FROM sealbook.books FOR UPDATE")
        with pytest.raises(Unavailable, match="busy"):
            keep_command_days(maintenance, today=TODAY)
