"""The timers' agenda in PostgreSQL: it outlasts processes, costs nothing while nothing is due, is one's at a time."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import psycopg
import pytest

from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.keys.port import Keys
from sealbook.adapters.read_models.agenda import PostgresAgenda
from sealbook.application import timers
from sealbook.application.agenda import FIRST, NOTHING, Agenda, AgendaStanding, Entry, MemoryAgenda
from sealbook.application.ledger import execute
from sealbook.application.ports import Unavailable
from sealbook.application.timers import TRACKED_AS, Timers, run_timers
from sealbook.domain.kind_document import KindBook
from sealbook.domain.presets import preset_kinds
from tests.application.timer_stories import expected, killed_in_between, kinds_told, lived, story
from tests.commands import Script

FEBRUARY_2026 = datetime.fromisoformat("2026-02-11T00:00:00+09:00")
"""The end of what is issued in February 2024 for two years."""
DAY = timedelta(days=1)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
KINDS = preset_kinds()


@pytest.fixture
def agenda(postgres_store: PostgresEventStore) -> PostgresAgenda:
    return PostgresAgenda(postgres_store.connection, postgres_store)


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


def issued(store: PostgresEventStore, script: Script, people: int) -> list[UUID]:
    held = list[UUID]()
    for _ in range(people):
        customer, device, credential = (script.new_id() for _ in range(3))
        commands = [script.enroll(customer), script.register(device)]
        commands += [script.issue(credential, customer=customer, device=device)]
        assert all(outcome.accepted for outcome in execute(store, commands))
        held.append(credential)
    return held


def run(store: PostgresEventStore, agenda: Agenda, until: datetime, kinds: KindBook = KINDS) -> int:
    return run_timers(store, kinds=kinds, until=until, agenda=agenda)


# --- What both agendas promise


@pytest.fixture(params=["memory", "postgres"])
def any_agenda(request: pytest.FixtureRequest) -> Agenda:
    if request.param == "memory":
        return MemoryAgenda()
    kept: PostgresAgenda = request.getfixturevalue("agenda")
    kept.standing()
    return kept


def test_what_is_due_comes_in_its_order_and_what_was_passed_over_when_it_may_be_meant(any_agenda: Agenda) -> None:
    late, early, later, passed, never = (UUID(int=number) for number in range(1, 6))
    any_agenda.put(
        {
            late: Entry(NOON),
            early: Entry(NOON - DAY),
            later: Entry(NOON + DAY),
            passed: Entry(NOON + 9 * DAY, NOON + DAY),
            never: Entry(None, NOON + 2 * DAY),
        }
    )

    assert set(any_agenda.due(until=NOON - 2 * DAY, limit=9)) == {passed, never}
    assert any_agenda.due(until=NOON + 2 * DAY, limit=9) == [early, late, later]
    assert any_agenda.due(until=NOON + 2 * DAY, limit=2) == [early, late]
    assert any_agenda.due(until=NOON + 9 * DAY, limit=9) == [early, late, later, passed]


def test_an_entry_takes_the_place_of_the_one_before(any_agenda: Agenda) -> None:
    held, gone = UUID(int=1), UUID(int=2)
    any_agenda.put({held: Entry(NOON, NOON - DAY), gone: Entry(NOON)})
    any_agenda.put({held: Entry(NOON + DAY), gone: NOTHING})

    assert any_agenda.due(until=NOON, limit=9) == []
    assert any_agenda.entries([held, gone]).get(held) == Entry(NOON + DAY)
    assert any_agenda.entries([held, gone]).get(gone, NOTHING) == NOTHING


def test_a_standing_that_was_noted_stands(any_agenda: Agenda) -> None:
    noted = AgendaStanding(position=7, rules="these", walked_to=UUID(int=8))
    any_agenda.note(noted)

    assert any_agenda.standing() == noted


# --- Whole histories


def test_the_agenda_finds_what_asking_everything_finds_killed_anywhere(
    postgres_store: PostgresEventStore, agenda: PostgresAgenda, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timers, "STREAMS_A_STEP", 7)
    chance, killed = Random(0), list[int]()

    assert lived(
        postgres_store, story(0), lambda each: killed.append(killed_in_between(postgres_store, agenda, each, chance))
    ) == expected(0)
    assert sum(killed) > len(killed) / 2


# --- What it costs


def statements(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list into which the rows of every statement come."""
    rows, execute_one = list[int](), psycopg.Connection.execute

    def counted(connection: Any, *arguments: Any, **named: Any) -> Any:
        cursor = execute_one(connection, *arguments, **named)
        rows.append(max(cursor.rowcount, 0))
        return cursor

    monkeypatch.setattr(psycopg.Connection, "execute", counted)
    return rows


def test_where_nothing_is_due_a_run_reads_next_to_nothing(
    postgres_store: PostgresEventStore, agenda: PostgresAgenda, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, costs = Script(), list[tuple[int, int]]()
    execute(postgres_store, [script.adopt_policy()])
    for people in (10, 70):
        issued(postgres_store, script, people)
        run(postgres_store, agenda, NOON - DAY)
        with monkeypatch.context() as counting:
            rows = statements(counting)
            assert run(postgres_store, agenda, NOON) == 0
            costs.append((len(rows), sum(rows)))

    assert costs[0] == costs[1]
    assert costs[0][0] <= 15
    assert costs[0][1] <= 15


def test_what_was_passed_over_is_not_looked_at_again_and_again(
    postgres_store: PostgresEventStore, agenda: PostgresAgenda
) -> None:
    script = Script()
    execute(postgres_store, [script.adopt_policy()])
    (held,) = issued(postgres_store, script, 1)
    # The notice of thirty days before is too late; that of seven days is sent.
    assert run(postgres_store, agenda, FEBRUARY_2026 - 5 * DAY) == 1
    assert run(postgres_store, agenda, FEBRUARY_2026 - 4 * DAY) == 0

    assert agenda.entries([held])[held].due_at == FEBRUARY_2026 - DAY


# --- Whoever comes next


def test_another_process_goes_on_where_the_last_one_was(
    postgres_store: PostgresEventStore, agenda: PostgresAgenda, opened: Callable[[], PostgresEventStore]
) -> None:
    script = Script()
    execute(postgres_store, [script.adopt_policy()])
    issued(postgres_store, script, 3)
    run(postgres_store, agenda, NOON)
    reached = postgres_store.tracked(TRACKED_AS)
    assert reached == postgres_store.last_position()
    issued(postgres_store, script, 2)
    store = opened()

    assert run(store, PostgresAgenda(store.connection, store), FEBRUARY_2026) == 5
    assert store.tracked(TRACKED_AS) > reached


def test_only_one_runs_them_at_a_time(
    agenda: PostgresAgenda, opened: Callable[[], PostgresEventStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sealbook.adapters.read_models.agenda.WAIT_SECONDS", 0.05)
    other = opened()
    with agenda.alone(), pytest.raises(Unavailable, match="run by another process"):
        run(other, PostgresAgenda(other.connection, other), NOON)

    assert run(other, PostgresAgenda(other.connection, other), NOON) == 0


def test_who_died_in_a_run_holds_it_no_longer(agenda: PostgresAgenda, opened: Callable[[], PostgresEventStore]) -> None:
    dying = opened()
    with PostgresAgenda(dying.connection, dying).alone():
        dying.close()

    with agenda.alone():
        pass


def test_an_agenda_that_is_lost_is_made_anew(
    postgres_store: PostgresEventStore, agenda: PostgresAgenda, ledger_dsn: str
) -> None:
    script = Script()
    execute(postgres_store, [script.adopt_policy()])
    issued(postgres_store, script, 3)
    run(postgres_store, agenda, NOON)
    with psycopg.connect(ledger_dsn) as connection:
        connection.execute("DROP TABLE sealbook_read.agenda, sealbook_read.agenda_standing")

    assert run(postgres_store, agenda, FEBRUARY_2026) == 3


def test_other_kinds_have_all_entries_made_anew_and_a_walk_goes_on_where_it_ended(
    postgres_store: PostgresEventStore, agenda: PostgresAgenda, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timers, "STREAMS_A_STEP", 4)
    script = Script()
    execute(postgres_store, [script.adopt_policy()])
    issued(postgres_store, script, 6)
    run(postgres_store, agenda, FEBRUARY_2026 - 200 * DAY)
    steps = list[AgendaStanding]()

    def end() -> None:
        steps.append(agenda.standing())
        if steps[-1].walked_to not in (None, FIRST):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Timers(postgres_store, kinds_told("P100D"), agenda, end).run(until=FEBRUARY_2026 - 99 * DAY)

    assert steps[-1].walked_to is not None
    assert run(postgres_store, agenda, FEBRUARY_2026 - 99 * DAY, kinds=kinds_told("P100D")) > 0
    assert run(postgres_store, agenda, FEBRUARY_2026 - 99 * DAY, kinds=kinds_told("P100D")) == 0
    sent = [each for each in postgres_store.read(after=0, limit=1_000) if "notice" in each.event.stored.name]
    assert len(sent) == 6


def test_what_would_be_looked_at_too_late_is_found(
    postgres_store: PostgresEventStore, agenda: PostgresAgenda, ledger_dsn: str
) -> None:
    script = Script()
    execute(postgres_store, [script.adopt_policy()])
    late, missing, _ = issued(postgres_store, script, 3)
    running = Timers(postgres_store, KINDS, agenda)
    running.run(until=NOON)
    assert list(running.overlooked()) == []

    with psycopg.connect(ledger_dsn) as connection:
        connection.execute("UPDATE sealbook_read.agenda SET due_at = '2026-02-01Z' WHERE stream = %s", [late])
        connection.execute("DELETE FROM sealbook_read.agenda WHERE stream = %s", [missing])

    assert sorted(running.overlooked()) == sorted(
        f"the timers would look at credential {each} too late" for each in (late, missing)
    )
