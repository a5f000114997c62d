"""What the page of metrics asks the database."""

import os
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import Connection

from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.observing.ledger_numbers import KEPT_SECONDS, LedgerNumbers, Reading, reader
from sealbook.adapters.observing.metrics import Metrics
from sealbook.adapters.observing.metrics_page import MetricsPage
from sealbook.adapters.read_models.postgres import PostgresReadModels
from sealbook.application.ports import LedgerDamaged, Unavailable
from tests.adapters.seal.sealing import live


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def by_name(readings: list[Reading]) -> dict[tuple[str, ...], float]:
    return {(reading.metric.name, *reading.labels): reading.value for reading in readings}


@pytest.fixture
def numbers(ledger_dsn: str, postgres_store: PostgresEventStore) -> Iterator[LedgerNumbers]:
    live(postgres_store, credentials=2)
    found = LedgerNumbers(lambda: reader(ledger_dsn))
    yield found
    found.close()


def test_followers_are_behind_until_they_have_read(numbers: LedgerNumbers, postgres_store: PostgresEventStore) -> None:
    last = postgres_store.last_position()
    postgres_store.track("timers", last - 2)
    postgres_store.track("a b 123456", last)

    found = by_name(numbers.read())
    assert found["sealbook_database_up",] == 1
    assert found["sealbook_position",] == last
    assert found["sealbook_lag_positions", "read_models"] == last
    assert found["sealbook_lag_seconds", "read_models"] > 0
    assert found["sealbook_lag_positions", "timers"] == 2
    assert found["sealbook_lag_positions", "other"] == 0
    assert ("sealbook_seal_age_positions",) not in found


def test_who_has_read_all_is_not_behind(ledger_dsn: str, postgres_store: PostgresEventStore) -> None:
    live(postgres_store, credentials=2)
    PostgresReadModels(postgres_store.connection, postgres_store).catch_up()
    numbers = LedgerNumbers(lambda: reader(ledger_dsn))

    found = by_name(numbers.read())
    assert (found["sealbook_lag_positions", "read_models"], found["sealbook_lag_seconds", "read_models"]) == (0, 0)
    numbers.close()


def test_the_seal_and_the_outbox_have_an_age(ledger_dsn: str, postgres_store: PostgresEventStore) -> None:
    live(postgres_store, credentials=2)
    last = postgres_store.last_position()
    numbers = LedgerNumbers(
        lambda: reader(ledger_dsn),
        sealed_to=lambda: last - 3,
        outbox_age=lambda connection: float(str(connection.execute("SELECT 12.5").fetchall()[0][0])),
    )

    readings = numbers.read()
    found = by_name(readings)
    assert len(found) == len(readings)
    assert found["sealbook_seal_age_positions",] == 3
    assert found["sealbook_seal_age_seconds",] > 0
    assert found["sealbook_outbox_age_seconds",] == 12.5
    numbers.close()


def test_a_broken_seal_hides_no_other_number(ledger_dsn: str) -> None:
    def broken() -> int:
        raise LedgerDamaged("the checkpoint cannot be read")

    numbers = LedgerNumbers(lambda: reader(ledger_dsn), sealed_to=broken)
    found = by_name(numbers.read())
    assert (found["sealbook_database_up",], found["sealbook_position",]) == (1, 0)
    numbers.close()


def test_a_snapshot_that_is_held_is_seen(numbers: LedgerNumbers, ledger_dsn: str) -> None:
    with psycopg.connect(ledger_dsn) as holder, psycopg.connect(ledger_dsn, autocommit=True) as other:
        holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        holder.execute("SELECT count(*) FROM sealbook.events")
        for _ in range(5):
            other.execute("SELECT pg_current_xact_id()")

        assert by_name(numbers.read())["sealbook_oldest_snapshot_transactions",] >= 5


def test_several_who_ask_at_once_ask_the_database_once(ledger_dsn: str) -> None:
    clock, made = Clock(), list[Connection]()

    def connect() -> Connection:
        made.append(reader(ledger_dsn))
        return made[-1]

    numbers = LedgerNumbers(connect, clock=clock)
    first = numbers.read()
    made[0].close()
    assert numbers.read() is first

    clock.seconds += KEPT_SECONDS
    assert numbers.read() is not first
    assert len(made) == 2
    numbers.close()


def test_a_database_that_is_gone_is_told_and_comes_back(ledger_dsn: str) -> None:
    clock, down = Clock(), [False]

    def connect() -> Connection:
        if down[0]:
            raise Unavailable("the database cannot be reached")
        return reader(ledger_dsn)

    numbers = LedgerNumbers(connect, clock=clock)
    assert by_name(numbers.read())["sealbook_database_up",] == 1
    with psycopg.connect(ledger_dsn, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    down[0] = True
    for expected in ({("sealbook_database_up",): 0.0}, {("sealbook_database_up",): 0.0}):
        clock.seconds += KEPT_SECONDS
        assert by_name(numbers.read()) == expected

    down[0] = False
    clock.seconds += KEPT_SECONDS
    assert by_name(numbers.read())["sealbook_database_up",] == 1
    numbers.close()


def test_the_page_has_what_the_database_says(numbers: LedgerNumbers) -> None:
    page = MetricsPage(Metrics(), numbers).render().decode()

    assert "sealbook_database_up 1.0" in page
    assert 'sealbook_lag_positions{projection="read_models"}' in page


def test_the_reader_may_not_write(ledger_dsn: str) -> None:
    connection = reader(ledger_dsn)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("DELETE FROM sealbook.names")
    connection.close()


def test_the_reader_of_no_ledger_is_unavailable(tmp_path: os.PathLike[str]) -> None:
    with pytest.raises(Unavailable):
        reader(f"host={tmp_path} dbname=nothing")
