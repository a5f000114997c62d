"""project: followers and rebuilds, and what is left of them when they are interrupted or killed."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.cli.terminal import Child, begun, ended, sealbook
from tests.cli.written import LIFE, write, write_json_lines

GIVE_UP_SECONDS = 60
PROCESSES = min(2, len(os.sched_getaffinity(0)))
Ask = Callable[[str], list[Any]]


@pytest.fixture
def ask(ledger: str) -> Iterator[Ask]:
    """A way to ask the database, as one who may do everything."""
    with psycopg.connect(ledger, autocommit=True) as connection:
        yield lambda question: connection.execute(question.encode()).fetchall()


def imported(folder: Path, *, lines: int, name: str = "uses.csv") -> None:
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    rows = (f"{name}{n % 300},{int((begin + timedelta(minutes=n)).timestamp())}\n" for n in range(lines))
    write(folder / name, "customer,used_at\n" + "".join(rows))
    assert sealbook("import", "--format", "uses", folder / name).code == 0


def wait_until(true: Callable[[], bool]) -> None:
    give_up = time.monotonic() + GIVE_UP_SECONDS
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.005)


def assert_right(events: int) -> None:
    """The models hold the whole log, each event once."""
    assert sealbook("project", "--json").answer["position"] == events
    found = sealbook("fsck", "--json").answer
    assert (found["clean"], found["events"]) == (True, events)


# --- How far


@pytest.mark.usefixtures("lived")
def test_how_far_behind_is_told_without_catching_up(folder: Path) -> None:
    assert sealbook("project", "--json").answer == {
        "position": 9,
        "lag_positions": 0,
        "lag_seconds": 0.0,
        "rebuilt": False,
    }
    write_json_lines(folder / "more.jsonl", {**LIFE[0], "credential": "C3"})
    sealbook("import", "more.jsonl")

    for _ in range(2):
        status = sealbook("project", "--status", "--json").answer
        assert (status["position"], status["lag_positions"], status["rebuilt"]) == (9, 2, False)
        assert status["lag_seconds"] > 0
    assert "position 9, 2 positions and " in sealbook("project", "--status").out
    assert sealbook("project").out == "The read models stand at position 11.\n"


@pytest.mark.usefixtures("lived")
def test_a_ledger_without_read_models_is_behind_by_all_of_it() -> None:
    assert sealbook("project", "--status", "--json").answer["lag_positions"] == 9


@pytest.mark.usefixtures("lived")
@pytest.mark.parametrize("typed", [["--rebuild", "--follow"], ["--status", "--follow"], ["--status", "--rebuild"]])
def test_what_excludes_each_other_is_refused(typed: list[str]) -> None:
    sealbook("project", *typed).failed(2, "exclude each other")


# --- Following


def heard(child: Child, position: int) -> dict[str, Any]:
    """Read the follower's lines until it stands at a position."""
    assert child.stdout is not None
    for line in child.stdout:
        said: dict[str, Any] = json.loads(line)
        if said["position"] == position:
            return said
    raise AssertionError("the follower ended")


@pytest.mark.usefixtures("lived")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_follower_keeps_up_until_it_is_told_to_end(folder: Path, number: signal.Signals, code: int) -> None:
    child = begun("project", "--follow", "--json")
    assert heard(child, 9) == {"position": 9, "lag_positions": 0, "lag_seconds": 0.0}

    write_json_lines(folder / "more.jsonl", {**LIFE[0], "credential": "C3"})
    assert sealbook("import", "more.jsonl").code == 0
    assert heard(child, 11)["lag_positions"] == 0

    child.send_signal(number)
    said = ended(child)
    assert (said.code, said.out) == (code, "")
    assert said.err == "" if code == 0 else said.err.startswith("sealbook: interrupted")
    assert_right(11)


@pytest.mark.usefixtures("lived")
def test_a_follower_that_is_stopped_says_where_it_stands() -> None:
    child = begun("project", "--follow")
    wait_until(lambda: sealbook("project", "--status", "--json").answer["lag_positions"] == 0)

    child.terminate()

    said = ended(child)
    assert (said.code, said.out, said.err) == (0, "The read models stand at position 9.\n", "")


def test_a_killed_follower_counted_each_event_once(ask: Ask, folder: Path) -> None:
    imported(folder, lines=12_000)
    ((events,),) = ask("SELECT position FROM sealbook.books")
    killed_at = [killed_follower(ask, after=0)]
    for _ in range(2):
        killed_at.append(killed_follower(ask, after=killed_at[-1]))

    assert killed_at[0] < events
    assert_right(events)


def killed_follower(ask: Ask, *, after: int) -> int:
    """Kill a follower once it has passed a position, amid what comes next; return where the models stand."""
    child = begun("project", "--follow")
    wait_until(lambda: standing(ask) > after or level(ask))
    child.kill()
    assert ended(child).code == -signal.SIGKILL
    return standing(ask)


def level(ask: Ask) -> bool:
    return standing(ask) == int(ask("SELECT position FROM sealbook.books")[0][0])


def standing(ask: Ask) -> int:
    """Return the position of the models, 0 where there are none."""
    try:
        return int(ask("SELECT position FROM sealbook_read.tracking")[0][0])
    except psycopg.errors.UndefinedTable:
        return 0


# --- Rebuilding


@pytest.fixture
def large(ask: Ask, folder: Path) -> int:
    """A ledger whose rebuild takes two processes, and models of it that are a little behind; its last position."""
    imported(folder, lines=24_000)
    sealbook("project")
    imported(folder, lines=10, name="more.csv")
    return int(ask("SELECT position FROM sealbook.books")[0][0])


def others(ask: Ask, condition: str = "true") -> int:
    """Count the other sessions on this ledger."""
    return int(
        ask(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            f" AND {condition}"
        )[0][0]
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_rebuild_that_ends_midway_leaves_the_old_models_and_no_process(
    ledger: str, ask: Ask, large: int, number: signal.Signals
) -> None:
    before = ask("SELECT * FROM sealbook_read.event_counts ORDER BY name")
    with psycopg.connect(ledger) as blocking:
        blocking.execute("LOCK TABLE sealbook.events IN ACCESS EXCLUSIVE MODE")
        child = begun("project", "--rebuild")
        wait_until(lambda: others(ask, "wait_event_type = 'Lock'") == PROCESSES)
        child.send_signal(number)
        if number is signal.SIGINT:
            ended(child).failed(130, "interrupted")
        else:
            assert ended(child).code == -number
    wait_until(lambda: others(ask) == 0)

    assert ask("SELECT * FROM sealbook_read.event_counts ORDER BY name") == before
    assert_right(large)
    assert sealbook("project", "--rebuild", "--json").answer["position"] == large
    assert_right(large)
    assert ask("SELECT tablename FROM pg_tables WHERE tablename LIKE '%\\_next'") == []
