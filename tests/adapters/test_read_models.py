"""Read models: whoever fills them, in however many processes, they are the fold of the log, once."""

import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from threading import Thread
from typing import Any
from uuid import UUID

import psycopg
import pytest

from sealbook.adapters.eventstore.postgres import PostgresEventStore, connected
from sealbook.adapters.keys.port import Keys
from sealbook.adapters.read_models import folding, postgres
from sealbook.adapters.read_models.folding import LogShare, fold_share
from sealbook.adapters.read_models.postgres import PostgresReadModels
from sealbook.adapters.read_models.tables import LIVE, NEXT, Tables
from sealbook.adapters.read_models.worker import Worker, results, workers
from sealbook.application.ledger import execute
from sealbook.application.ports import LedgerDamaged, Unavailable, read_all
from sealbook.projections.counts import Tally, tally
from tests.commands import A_YEAR_LATER, Script

PEOPLE = 30
PROCESSORS = len(os.sched_getaffinity(0))


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def lived(postgres_store: PostgresEventStore, script: Script) -> PostgresEventStore:
    """A ledger of some people, each with a credential that was used thrice, and here and there suspended."""
    execute(postgres_store, [script.adopt_policy()])
    for _ in range(PEOPLE):
        live(postgres_store, script)
    return postgres_store


def live(store: PostgresEventStore, script: Script) -> UUID:
    customer, device, credential = (script.new_id() for _ in range(3))
    commands = [
        script.enroll(customer),
        script.register(device),
        script.issue(credential, customer=customer, device=device),
        *(script.use(credential, device=device) for _ in range(3)),
        *([script.suspend(credential)] if credential.int % 2 else []),
    ]
    assert all(outcome.accepted for outcome in execute(store, commands))
    return credential


@pytest.fixture
def opened(ledger_dsn: str, keys: Keys) -> Iterator[Callable[[], PostgresEventStore]]:
    """A way to open the ledger once more."""
    stores: list[PostgresEventStore] = []

    def another() -> PostgresEventStore:
        stores.append(PostgresEventStore.connect(ledger_dsn, keys=keys, randomness=os.urandom))
        return stores[-1]

    yield another
    for store in stores:
        store.close()


def models(store: PostgresEventStore, *, workers: int | None = None) -> PostgresReadModels:
    return PostgresReadModels(store.connection, store, workers=workers)


def assert_right(store: PostgresEventStore) -> None:
    """The models hold the whole log, and a report of them is that of a fold."""
    kept = models(store)
    assert kept.lag().positions == 0
    assert kept.differences() == []
    assert kept.tally(as_of=A_YEAR_LATER) == tally(read_all(store), as_of=A_YEAR_LATER)


def left_over(dsn: str) -> list[Any]:
    with psycopg.connect(dsn) as connection:
        return connection.execute("SELECT tablename FROM pg_tables WHERE tablename LIKE '%\\_next'").fetchall()


# --- Followers


@pytest.mark.parametrize("events_a_batch", [1, 7, 2_000])
def test_batches_of_any_size_come_to_the_same(
    lived: PostgresEventStore, monkeypatch: pytest.MonkeyPatch, events_a_batch: int
) -> None:
    monkeypatch.setattr(postgres, "EVENTS_A_BATCH", events_a_batch)

    assert models(lived).catch_up() == lived.last_position()

    assert_right(lived)


def test_two_followers_at_once_count_each_event_once(
    lived: PostgresEventStore,
    opened: Callable[[], PostgresEventStore],
    script: Script,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(postgres, "EVENTS_A_BATCH", 3)
    followers = [Thread(target=models(opened()).catch_up) for _ in range(3)]
    for follower in followers:
        follower.start()
    live(lived, script)
    for follower in followers:
        follower.join()

    models(lived).catch_up()

    assert_right(lived)


def test_a_follower_goes_on_over_a_rebuild(
    lived: PostgresEventStore, opened: Callable[[], PostgresEventStore], script: Script
) -> None:
    following = models(lived)
    # Often enough that the statements are prepared: they name tables that the rebuild replaces.
    for _ in range(8):
        live(lived, script)
        following.catch_up()

    models(opened()).rebuild()
    live(lived, script)
    following.catch_up()

    assert_right(lived)


def test_a_follower_stops_at_a_gap(lived: PostgresEventStore, ledger_dsn: str) -> None:
    with psycopg.connect(ledger_dsn) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("DELETE FROM sealbook.events WHERE position = 20")

    with pytest.raises(LedgerDamaged, match="missing: run sealbook fsck"):
        models(lived).catch_up()
    with pytest.raises(LedgerDamaged, match="events 1 are missing: run sealbook fsck"):
        models(lived, workers=2).rebuild()


# --- Lag


def test_the_lag_is_told_in_positions_and_in_seconds(lived: PostgresEventStore, script: Script) -> None:
    kept, before = models(lived), lived.last_position()
    nothing = kept.lag()
    kept.catch_up()
    level = kept.lag()
    live(lived, script)
    ((age,),) = lived.connection.execute(
        "SELECT extract(epoch FROM clock_timestamp() - recorded_at)::float8 FROM sealbook.events WHERE position = %s",
        [before + 1],
    ).fetchall()

    behind = kept.lag()

    assert (nothing.position, nothing.positions) == (0, before)
    assert nothing.seconds > 0
    assert (level.position, level.positions, level.seconds) == (before, 0, 0.0)
    assert (behind.position, behind.positions) == (before, lived.last_position() - before)
    assert behind.seconds >= age


def test_an_empty_ledger_has_no_lag(postgres_store: PostgresEventStore) -> None:
    kept = models(postgres_store)

    assert (kept.lag().positions, kept.lag().seconds) == (0, 0.0)
    assert kept.rebuild() == 0
    assert_right(postgres_store)


# --- Rebuilding


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_a_rebuild_in_any_number_of_processes_comes_to_the_same(lived: PostgresEventStore, processes: int) -> None:
    heard: list[int] = []

    assert models(lived, workers=processes).rebuild(advanced=heard.append) == lived.last_position()

    assert_right(lived)
    assert heard == sorted(heard)
    assert heard[-1] == lived.last_position()


def test_a_long_log_is_first_read_by_a_rebuild(lived: PostgresEventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "EVENTS_A_WORKER", 50)
    monkeypatch.setattr(postgres, "WORKERS_MAX", 2)
    begun = noting_workers(monkeypatch)

    models(lived).catch_up()

    assert_right(lived)
    assert [worker.folded is not None for worker in begun] == [True] * (PROCESSORS > 1)


def noting_workers(monkeypatch: pytest.MonkeyPatch) -> list[Worker]:
    """Return a list into which every worker comes as it is begun."""
    begun: list[Worker] = []

    @contextmanager
    def noted(conninfo: str, shares: Sequence[LogShare]) -> Generator[list[Worker]]:
        with workers(conninfo, shares) as each:
            begun.extend(each)
            yield each

    monkeypatch.setattr(postgres, "workers", noted)
    return begun


@pytest.mark.parametrize("states_in_memory", [1, 4, 2 * PEOPLE])
def test_states_that_do_not_fit_into_memory_come_back_from_their_table(
    lived: PostgresEventStore, script: Script, monkeypatch: pytest.MonkeyPatch, states_in_memory: int
) -> None:
    held = [live(lived, script) for _ in range(PEOPLE)]
    execute(lived, [script.suspend(credential) for credential in reversed(held)])
    execute(lived, [script.resume(credential) for credential in held])
    monkeypatch.setattr(folding, "POSITIONS_A_RANGE", 9)
    monkeypatch.setattr(folding, "STATES_A_COPY", 2)
    monkeypatch.setattr(folding.fold_share, "__kwdefaults__", {"states_in_memory": states_in_memory})

    models(lived, workers=1).rebuild()

    assert_right(lived)


def test_what_is_written_during_a_rebuild_is_in_it(
    lived: PostgresEventStore, opened: Callable[[], PostgresEventStore], script: Script
) -> None:
    writer, unwritten = opened(), [1, 2, 3]

    def write(_position: int) -> None:
        if unwritten:
            unwritten.pop()
            live(writer, script)

    models(lived, workers=2).rebuild(advanced=write)

    assert unwritten == []
    assert_right(lived)


def test_only_one_rebuilds_at_a_time(lived: PostgresEventStore, opened: Callable[[], PostgresEventStore]) -> None:
    other = models(opened())

    def rebuild_as_well(_position: int) -> None:
        with pytest.raises(Unavailable, match="another rebuild is under way"):
            other.rebuild()

    models(lived).rebuild(advanced=rebuild_as_well)

    other.rebuild()
    assert_right(lived)


def test_who_asks_while_a_rebuild_ends_is_answered_from_the_whole(
    lived: PostgresEventStore, opened: Callable[[], PostgresEventStore]
) -> None:
    models(lived).catch_up()
    other, answers = opened(), list[Tally | None]()
    asking = Thread(target=lambda: answers.append(models(lived).tally(as_of=A_YEAR_LATER)))

    # In a transaction around it, so that its tables take their place when we say.
    with other.connection.transaction():
        models(other, workers=1).rebuild()
        asking.start()
        while other.connection.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall() == []:
            assert asking.is_alive()
            time.sleep(0.01)
    asking.join()

    assert answers == [tally(read_all(lived), as_of=A_YEAR_LATER)]


@pytest.mark.parametrize("processes", [1, 2])
def test_an_interrupted_rebuild_leaves_the_old_models_and_nothing_else(
    lived: PostgresEventStore, ledger_dsn: str, script: Script, processes: int
) -> None:
    kept = models(lived, workers=processes)
    position = kept.catch_up()
    live(lived, script)

    def interrupted(_position: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept.rebuild(advanced=interrupted)

    assert (kept.lag().position, kept.differences(), left_over(ledger_dsn)) == (position, [], [])
    kept.rebuild()
    assert_right(lived)


def test_a_rebuild_without_a_worker_says_so_and_leaves_the_old_models(
    lived: PostgresEventStore, ledger_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = models(lived, workers=2)
    kept.catch_up()
    monkeypatch.setattr("sealbook.adapters.read_models.worker.MODULE", "sealbook.no_such_module")

    with pytest.raises(Unavailable, match="a worker process ended too early"):
        kept.rebuild()

    assert left_over(ledger_dsn) == []
    assert_right(lived)


def test_a_rebuild_whose_worker_is_killed_says_so_and_leaves_the_old_models(
    lived: PostgresEventStore, ledger_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = models(lived, workers=3)
    kept.catch_up()
    begun = noting_workers(monkeypatch)

    with pytest.raises(Unavailable, match=r"ended too early \(signal 9\)"):
        kept.rebuild(advanced=lambda _position: begun[0].process.kill())

    assert [each.process.poll() for each in begun] == [-9, -9]
    assert left_over(ledger_dsn) == []
    assert_right(lived)


def test_a_worker_that_outlives_its_rebuild_writes_nothing(lived: PostgresEventStore, ledger_dsn: str) -> None:
    kept = models(lived)
    kept.catch_up()
    with closing(connected(ledger_dsn)) as connection:
        connection.execute("SET ROLE sealbook_app")
        tables = Tables(connection, NEXT)
        tables.create()
        number = tables.number()
        assert number is not None
        tables.drop()
        tables.create()

        with pytest.raises(Unavailable, match="another rebuild"):
            fold_share(
                tables,
                LogShare(number=0, shares=1, until=lived.last_position(), tables=number),
                advanced=lambda _position: None,
            )

        assert tables.run("SELECT count(*) FROM {}", tables.name("credentials")) == [(0,)]


def test_a_worker_says_why_it_cannot_work(lived: PostgresEventStore) -> None:
    share = LogShare(number=0, shares=1, until=lived.last_position(), tables=0)
    with (
        workers("host=/nowhere user=u password=secret", [share]) as begun,
        pytest.raises(Unavailable, match="cannot be reached") as raised,
    ):
        results(begun, advanced=lambda _position: None)

    assert "secret" not in str(raised.value)


# --- Models of another version


@pytest.mark.parametrize(
    "change",
    ["UPDATE sealbook_read.tracking SET schema = '{1,1}'", "ALTER TABLE sealbook_read.tracking DROP COLUMN schema"],
    ids=["an older one", "none at all"],
)
def test_models_of_an_older_version_answer_nothing_and_are_built_anew(
    lived: PostgresEventStore, ledger_dsn: str, change: str
) -> None:
    kept = models(lived)
    kept.catch_up()
    with psycopg.connect(ledger_dsn) as connection:
        connection.execute(change.encode())
        connection.execute("UPDATE sealbook_read.credentials SET state = '\\x00'")

    assert (kept.tally(as_of=A_YEAR_LATER), kept.differences()) == (None, [])

    kept.catch_up()
    assert_right(lived)


def test_models_of_a_newer_version_are_left_to_it(lived: PostgresEventStore, ledger_dsn: str) -> None:
    kept = models(lived)
    kept.catch_up()
    with psycopg.connect(ledger_dsn) as connection:
        connection.execute("UPDATE sealbook_read.tracking SET schema = '{99,1}'")

    assert (kept.tally(as_of=A_YEAR_LATER), kept.differences()) == (None, [])
    with pytest.raises(Unavailable, match="the read models are of another version"):
        kept.catch_up()

    kept.rebuild()
    assert_right(lived)


def test_nothing_is_said_of_models_that_are_not_there(lived: PostgresEventStore) -> None:
    kept = models(lived)

    assert (kept.tally(as_of=A_YEAR_LATER), kept.differences()) == (None, [])
    assert not Tables(lived.connection, LIVE).exist()
