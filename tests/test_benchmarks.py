"""Benchmarks run, print figures of one shape, and measure nothing that went wrong. How fast is not asked here."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from benchmarks.__main__ import BENCHMARKS
from benchmarks.adopting import adopted
from benchmarks.callers import Place, UsesRecorded, percentile, use_of
from benchmarks.figure import Figure
from benchmarks.filling import BLOCK, EVENTS_A_CREDENTIAL, EVENTS_A_HOLDING, filled
from benchmarks.ledger import adopt_policy
from benchmarks.meter import metered
from benchmarks.writers import routed
from sealbook.adapters.eventstore.fsck import Fsck
from sealbook.adapters.eventstore.postgres import PostgresEventStore, connected
from sealbook.adapters.keys.file_root import FileRoot
from sealbook.adapters.keys.keyring import Keyring
from sealbook.adapters.keys.keystore import Keystore
from sealbook.application.ledger import execute
from tests.conftest import KeptKeys

ROOT = Path(__file__).resolve().parents[1]
SMALLEST = ("--rounds", "1", "--seconds", "0.1", "--size", "60")
FIELDS = ["bench", "case", "value", "unit", "rounds", "against", "against_value", "ratio"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "benchmarks", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def founded(postgres_store: PostgresEventStore) -> PostgresEventStore:
    """A ledger with the policy that the credentials of a benchmark are under."""
    execute(postgres_store, [adopt_policy(datetime.now(UTC))])
    return postgres_store


@pytest.mark.parametrize("name", [name for name, benchmark in BENCHMARKS.items() if benchmark.plan.size])
def test_a_benchmark_prints_figures_of_one_shape(name: str) -> None:
    done = run(name, "--json", *SMALLEST)

    assert (done.returncode, done.stderr) == (0, "")
    figures = [json.loads(line) for line in done.stdout.splitlines()]
    assert figures
    assert len({(figure["case"], figure["against"]) for figure in figures}) == len(figures)
    for figure in figures:
        assert list(figure) == FIELDS
        assert figure["bench"] == name
        assert figure["rounds"] == [figure["value"]]
        assert figure["against_value"] > 0
        assert figure["ratio"] == pytest.approx(figure["value"] / figure["against_value"], rel=0.01)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "no benchmark 'nothing': there are uses, "),
        (["--rounds", "0"], "argument --rounds: write a whole number from 1 on"),
        (["--size", "many"], "argument --size: write a whole number from 1 on"),
        (["--seconds", "nan"], "argument --seconds: write a number of seconds above 0"),
    ],
)
def test_what_cannot_be_run_is_said(arguments: list[str], said: str) -> None:
    done = run(*arguments)

    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_figure_is_the_median_of_its_rounds_and_small_ones_keep_their_digits() -> None:
    figure = Figure(
        bench="uses",
        case="one",
        unit="ms",
        rounds=(0.012344, 7.0, 0.0003),
        against="another",
        against_rounds=(1234.56, 1234.56),
    )

    told = figure.as_json()

    assert told == {
        "bench": "uses",
        "case": "one",
        "value": 0.01234,
        "unit": "ms",
        "rounds": [0.01234, 7.0, 0.0003],
        "against": "another",
        "against_value": 1234.6,
        "ratio": 9.999e-06,
    }


@pytest.mark.parametrize(("percent", "value"), [(50, 51), (99, 100)])
def test_a_percentile_is_a_value_that_was_measured(percent: int, value: int) -> None:
    assert percentile(range(100, 0, -1), percent) == value


def test_uses_that_were_acknowledged_are_compared_with_those_recorded(founded: PostgresEventStore) -> None:
    (credential,) = adopted(founded, 1)
    recorded = UsesRecorded(founded.connection)

    execute(founded, [use_of(credential), use_of(credential)])

    with pytest.raises(RuntimeError, match="3 uses were acknowledged, 2 are recorded among 2 events"):
        recorded.check(acknowledged=3)
    recorded.check(acknowledged=2)
    recorded.check(acknowledged=0)
    adopted(founded, 1)
    with pytest.raises(RuntimeError, match="0 uses were acknowledged, 0 are recorded among 3 events"):
        recorded.check(acknowledged=0)


def test_a_filled_ledger_is_as_the_ledger_itself_would_have_written_it(
    founded: PostgresEventStore, ledger_dsn: str, kept_keys: KeptKeys
) -> None:
    count = BLOCK + 1
    with kept_keys.of_ledger(str(conninfo_to_dict(ledger_dsn)["dbname"])) as place:
        keys = Keyring(Keystore(place), FileRoot(kept_keys.key_file))
        credentials = filled(Place(dsn=ledger_dsn, keys=keys), count)
        keys.close()

    assert list(Fsck(founded.connection, keys=founded.keys).findings()) == []
    assert founded.last_position() == 1 + count * EVENTS_A_HOLDING
    assert len(set(credentials)) == count
    history = founded.stream(credentials[-1])
    assert [recorded.version for recorded in history] == list(range(1, EVENTS_A_CREDENTIAL + 1))
    last = history[-1]
    command_ids = [recorded.command_id for recorded in history if recorded.command_id is not None]
    loaded = founded.load(streams=[last.stream], names=(), commands=command_ids)
    assert [(stored.stream, stored.position) for stored in loaded.outcomes.values()] == [(last.stream, last.position)]
    assert loaded.heads[last.stream].latest_at == last.event.at
    (outcome,) = execute(founded, [use_of(last.stream)])
    assert (outcome.accepted, outcome.position) == (True, founded.last_position())


def test_routed_writers_share_the_credentials_out(founded: PostgresEventStore) -> None:
    credentials = adopted(founded, 50)

    shares = routed(credentials, writers=4)

    assert all(shares)
    assert sorted(each for share in shares for each in share) == sorted(credentials)


def test_what_work_writes_to_the_log_is_measured(ledger_dsn: str) -> None:
    with connected(ledger_dsn) as connection:
        connection.execute("CREATE TABLE written (body bytea)")

        def write() -> int:
            return connection.execute("INSERT INTO written SELECT decode(repeat('ab', 1000), 'hex')").rowcount

        rows, spent = metered(connection, write)

    assert rows == 1
    assert spent.wal_bytes > 1_000
    assert spent.python_seconds > 0
    assert spent.postgres_seconds > 0
