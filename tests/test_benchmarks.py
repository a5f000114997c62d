"""Benchmarks run, print figures of one shape, and measure nothing that went wrong. How fast is not asked here."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path
from time import sleep

import pytest
from psycopg.conninfo import conninfo_to_dict

from benchmarks import privacyidea
from benchmarks.__main__ import BENCHMARKS
from benchmarks.adopting import adopted
from benchmarks.callers import Place, UsesRecorded, percentile, use_of
from benchmarks.figure import Figure
from benchmarks.filling import BLOCK, EVENTS_A_CREDENTIAL, EVENTS_A_HOLDING, filled
from benchmarks.holders import FIELD, holders
from benchmarks.http_load import Load, posted, serve
from benchmarks.ledger import adopt_policy
from benchmarks.meter import metered
from benchmarks.one_time_codes import Turns, code
from benchmarks.processes import check_listener, spent_seconds
from benchmarks.service import LEFT_OUT
from benchmarks.writers import routed
from sealbook.adapters.eventstore.fsck import Fsck
from sealbook.adapters.eventstore.postgres import PostgresEventStore, connected
from sealbook.adapters.keys.file_root import FileRoot
from sealbook.adapters.keys.keyring import Keyring
from sealbook.adapters.keys.keystore import Keystore
from sealbook.adapters.proofs.totp import decode_seed
from sealbook.adapters.vault.postgres import PostgresVault
from sealbook.application.ledger import execute
from tests.conftest import KeptKeys

ROOT = Path(__file__).resolve().parents[1]
SMALLEST = ("--rounds", "1", "--seconds", "0.1", "--size", "60")
SAID_OF = {"service": f"{LEFT_OUT}\n"}
FIELDS = ["bench", "case", "value", "unit", "rounds", "against", "against_value", "ratio"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "benchmarks", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT), privacyidea.ENVIRONMENT: ""}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def founded(postgres_store: PostgresEventStore) -> PostgresEventStore:
    """A ledger with the policy that the credentials of a benchmark are under."""
    execute(postgres_store, [adopt_policy(datetime.now(UTC))])
    return postgres_store


@pytest.mark.parametrize("name", [name for name, benchmark in BENCHMARKS.items() if benchmark.plan.size])
def test_a_benchmark_prints_figures_of_one_shape(name: str) -> None:
    done = run(name, "--json", *SMALLEST)

    assert (done.returncode, done.stderr) == (0, SAID_OF.get(name, ""))
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


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
BUSY = b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"
REFUSED = b"HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\nbad"


@contextmanager
def answering(
    answer: Callable[[int], bytes], *, piece_bytes: int = 1_000
) -> Generator[tuple[tuple[str, int], list[bytes]]]:
    """Give the address of a server, and what it was asked.

    `answer` is told how often it was asked before; with nothing to say it hangs up.
    """
    heard = list[bytes]()

    def answer_all(connection: socket.socket) -> None:
        # Who takes an answer for the end of all hangs up.
        with connection, suppress(ConnectionError):
            while request := connection.recv(100_000):
                heard.append(request)
                told = answer(len(heard) - 1)
                if not told:
                    return
                for start in range(0, len(told), piece_bytes):
                    connection.sendall(told[start : start + piece_bytes])
                    # Two pieces that are sent at once come as one.
                    sleep(0.001 if len(told) > piece_bytes else 0)

    def accept(listening: socket.socket) -> None:
        try:
            while True:
                threading.Thread(target=answer_all, args=[listening.accept()[0]], daemon=True).start()
        except OSError:
            return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        accepting = threading.Thread(target=accept, args=[listening])
        accepting.start()
        yield listening.getsockname(), heard
        # Closing alone does not wake who waits for a connection.
        listening.shutdown(socket.SHUT_RDWR)
        accepting.join()


def load(*, connections: int = 2, back_off_seconds: float | None = None) -> Load:
    return Load(
        connections=connections,
        seconds=5,
        accepts=lambda status, body: (status, body) == (b"200", b"good"),
        back_off_seconds=back_off_seconds,
    )


@pytest.mark.parametrize("piece_bytes", [1_000, 1])
def test_a_load_counts_each_answer_once(piece_bytes: int) -> None:
    requests = [posted("/uses", {"accept": "*/*"}, str(number).encode()) for number in range(10)]

    with answering(lambda _: OK, piece_bytes=piece_bytes) as (address, heard):
        served = serve(address, iter(requests), load())

    assert sorted(heard) == sorted(requests)
    assert (served.answered, served.shed) == (10, 0)
    assert 0 < served.percentile_ms(50) <= served.percentile_ms(99) <= served.seconds * 1_000


@pytest.mark.parametrize("back_off_seconds", [None, 0.01])
def test_a_load_that_is_shed_comes_back_with_the_same_request(back_off_seconds: float | None) -> None:
    requests = [posted("/uses", {}, str(number).encode()) for number in range(4)]

    with answering(lambda before: BUSY if before % 3 == 0 else OK) as (address, heard):
        served = serve(address, iter(requests), load(back_off_seconds=back_off_seconds))

    assert set(heard) == set(requests)
    assert (served.answered, served.shed) == (4, len(heard) - 4)
    assert served.shed > 0


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (REFUSED, "status 403 was answered, only what succeeds is measured: bad"),
        (OK.replace(b"good", b"evil"), "status 200 was answered, only what succeeds is measured: evil"),
        (OK.replace(b"Content-Length", b"Length"), "an answer has no content-length"),
        (b"", "the server closed a connection"),
    ],
)
def test_a_load_of_anything_but_success_has_no_figure(answer: bytes, said: str) -> None:
    with answering(lambda _: answer) as (address, _), pytest.raises(RuntimeError, match=said):
        serve(address, repeat(posted("/uses", {}, b"")), load())


def test_codes_are_those_of_the_standard() -> None:
    # RFC 6238, appendix B, of whose eight digits these are the last six.
    codes = {59: "287082", 1_111_111_109: "081804", 20_000_000_000: "353130"}

    assert {at: code(b"12345678901234567890", at // 30) for at in codes} == codes


def test_no_code_is_given_out_twice() -> None:
    turns = Turns(step_seconds=1)
    turns.add(3)

    given = [
        request
        for _ in range(3)
        for request in turns.requests(2, lambda index, timecode: f"{index} {timecode}".encode())
    ]

    assert len(set(given)) == len(given)
    assert {request.split()[0] for request in given} == {b"0", b"1", b"2"}


def test_a_server_that_is_not_the_one_under_measurement_is_noticed() -> None:
    with (
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as another,
        socket.create_server(("127.0.0.1", 0)) as listening,
    ):
        port = listening.getsockname()[1]
        check_listener(port, os.getpid())
        check_listener(port, os.getppid())
        with pytest.raises(RuntimeError, match=f"another process .* listens at port {port}"):
            check_listener(port, another.pid)
        another.communicate(b"\n")


def test_the_processor_time_of_a_child_counts_for_its_parent() -> None:
    work = "print(sum(range(3_000_000)), flush=True); input()"
    before = spent_seconds(os.getpid())
    with subprocess.Popen([sys.executable, "-c", work], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        own = spent_seconds(child.pid)
        both = spent_seconds(os.getpid())
        child.communicate(b"\n")

    assert own > 0
    assert both - before >= own


def test_holders_have_the_seeds_that_their_codes_are_made_of(founded: PostgresEventStore, ledger_dsn: str) -> None:
    with closing(connected(ledger_dsn)) as superuser:
        held = holders(founded, superuser, 3)

    vault = PostgresVault(founded.connection, keys=founded.keys, randomness=os.urandom)
    for holder in held:
        stored = vault.get(subject=holder.credential, field=FIELD)
        assert stored is not None
        assert decode_seed(stored).secret == holder.secret


def test_the_rival_is_left_out_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(privacyidea.ENVIRONMENT, raising=False)
    assert privacyidea.environment() is None

    monkeypatch.setenv(privacyidea.ENVIRONMENT, str(tmp_path))
    with pytest.raises(RuntimeError, match="SEALBOOK_PRIVACYIDEA names a folder without bin/pi-manage"):
        privacyidea.environment()
