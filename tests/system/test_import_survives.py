"""An import that is killed at any moment, or that fills the disk, and is run again, is as one that was left alone."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from gzip import open as open_gzip
from itertools import islice
from pathlib import Path
from random import Random
from uuid import uuid4

import psycopg
import pytest

from tests.cli.terminal import REPOSITORY, SHARED, Said, begun, sealbook
from tests.conftest import KeptKeys, Server

LINES, LINES_OF_TWO_PROCESSES = 12_000, 24_000
GIVE_UP_SECONDS = 60
AS_OF = "2030-01-01T00:00:00Z"
REAL_USES, REAL_LINES = SHARED / "uses-a.csv.gz", 15_000
KILLED_AFTER_LINES = (-1, 0, 1_000, 5_000, 9_000)
KILLED_AFTER_SHARED_LINES = (-1, 0, 5_000, 12_000, 20_000)
"""How far the import is when it is killed; -1 is before it has begun to write."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, kept_keys: KeptKeys, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(kept_keys.key_file, tmp_path / "keys.json")
    monkeypatch.setenv("SEALBOOK_KEYS", str(tmp_path / "keys.json"))
    for name in ("SEALBOOK_DSN", "SEALBOOK_LEDGER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def new_ledger(postgres_server: Server, ledger_template: str, kept_keys: KeptKeys) -> Iterator[Callable[[], str]]:
    """A way to get an empty ledger of one's own, more than once."""
    made: list[str] = []

    def administer(statement: str) -> None:
        with psycopg.connect(postgres_server.dsn("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    with ExitStack() as stack:

        def new() -> str:
            made.append(f"ledger_{uuid4().hex}")
            administer(f"CREATE DATABASE {made[-1]} TEMPLATE {ledger_template}")
            stack.enter_context(kept_keys.of_ledger(made[-1]))
            return postgres_server.dsn(made[-1])

        yield new
    for name in made:
        administer(f"DROP DATABASE {name} WITH (FORCE)")


# --- Files


def invented(path: Path, *, lines: int = LINES) -> Path:
    """Some hundred people: most come often, some not for years."""
    random = Random(7)
    rows: list[tuple[int, str]] = []
    for number in range(lines // 20):
        at = datetime(2015, 1, 1, tzinfo=UTC) + random.random() * timedelta(days=900)
        for _ in range(20):
            rows.append((int(at.timestamp()), f"A{number:04}"))
            at += random.choice((1, 20, 150, 900)) * random.random() * timedelta(days=1)
    path.write_text("customer,used_at\n" + "".join(f"{customer},{at}\n" for at, customer in sorted(rows)))
    return path


def large(path: Path) -> Path:
    return invented(path, lines=LINES_OF_TWO_PROCESSES)


def real(path: Path) -> Path:
    with open_gzip(REAL_USES, "rt") as file:
        path.write_text("".join(islice(file, REAL_LINES + 1)))
    return path


# --- Imports


def typed(dsn: str, path: Path, *, reissue: bool) -> list[str]:
    more = ["--reissue-when-expired"] if reissue else []
    return ["import", str(path), "--format", "uses", "--json", "--dsn", dsn, *more]


def lines_done(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT coalesce(max(lines_done), -1) FROM sealbook.imports").fetchone()
    return -1 if row is None else int(row[0])


def kill_after(dsn: str, lines: int, words: list[str]) -> None:
    """Run an import and kill it when so many lines are in; when this returns, its session has ended too."""
    child = begun(*words)
    give_up = time.monotonic() + GIVE_UP_SECONDS
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with psycopg.connect(dsn, autocommit=True) as connection:

        def sessions() -> int:
            row = connection.execute(others).fetchone()
            return 0 if row is None else int(row[0])

        def far_enough() -> bool:
            return sessions() > 0 if lines < 0 else lines_done(connection) >= lines

        while not far_enough() and child.poll() is None and time.monotonic() < give_up:
            time.sleep(0.002)
        child.kill()
        child.communicate()
        while sessions() and time.monotonic() < give_up:
            time.sleep(0.002)


def assert_clean(dsn: str) -> None:
    assert sealbook("fsck", "--json", "--dsn", dsn).answer["findings"] == []


def result(dsn: str) -> tuple[object, object]:
    answer = sealbook("report", "--json", "--as-of", AS_OF, "--dsn", dsn).answer
    return answer["credentials"], {name: n for name, n in answer["events"].items() if not name.startswith("policy.")}


@pytest.mark.parametrize("reissue", [False, True], ids=["without reissue", "with reissue"])
@pytest.mark.parametrize(
    "file",
    [
        invented,
        pytest.param(
            real, marks=pytest.mark.skipif(not REAL_USES.exists(), reason="the shared data folder is not there")
        ),
    ],
)
def test_an_import_that_is_killed_and_run_again_is_as_one_that_was_left_alone(
    new_ledger: Callable[[], str], folder: Path, file: Callable[[Path], Path], *, reissue: bool
) -> None:
    path = file(folder / "uses.csv")
    undisturbed, killed = new_ledger(), new_ledger()
    whole = sealbook(*typed(undisturbed, path, reissue=reissue)).answer

    for lines in KILLED_AFTER_LINES:
        kill_after(killed, lines, typed(killed, path, reissue=reissue))
        assert_clean(killed)
    last = sealbook(*typed(killed, path, reissue=reissue)).answer

    assert last["resumed_at"] >= KILLED_AFTER_LINES[-1]
    assert last["resumed_at"] - 1 + last["lines"] == whole["lines"] or last["lines"] == 0
    assert result(killed) == result(undisturbed)
    assert_clean(killed)


def test_an_import_by_two_processes_that_is_killed_and_run_again_is_as_one_that_was_left_alone(
    new_ledger: Callable[[], str], folder: Path
) -> None:
    path = large(folder / "uses.csv")
    undisturbed, killed = new_ledger(), new_ledger()
    sealbook(*typed(undisturbed, path, reissue=True))

    for lines in KILLED_AFTER_SHARED_LINES:
        kill_after(killed, lines, typed(killed, path, reissue=True))
        assert_clean(killed)
    last = sealbook(*typed(killed, path, reissue=True)).answer

    assert last["resumed_at"] > 1
    assert last["lines"] < LINES_OF_TWO_PROCESSES
    assert result(killed) == result(undisturbed)
    assert_clean(killed)


@pytest.mark.parametrize("reissue", [False, True], ids=["without reissue", "with reissue"])
def test_a_second_import_adds_nothing(new_ledger: Callable[[], str], folder: Path, *, reissue: bool) -> None:
    path, dsn = invented(folder / "uses.csv"), new_ledger()
    first = sealbook(*typed(dsn, path, reissue=reissue)).answer
    before = result(dsn)

    again = sealbook(*typed(dsn, path, reissue=reissue)).answer

    assert (first["lines"], again["lines"], again["events"]) == (LINES, 0, 0)
    assert result(dsn) == before
    sealbook(*typed(dsn, path, reissue=not reissue)).failed(2, "with other options")


# --- A full disk

DISK = "640m"
LEFT_FREE_BYTES = 26 << 20
"""Room for one more WAL segment of 16 MiB, so that some batches get in, and far less than the import needs."""
LINES_TOO_MANY = 160_000
FULL_DISK = """
import json, os, sys
from pathlib import Path
from tests.cli.terminal import apart
disk, small, large, free = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
place = ("--ledger", disk / "ledger")
said = []
def run(*words):
    answer = apart(*words, *place, env={"SEALBOOK_KEYS": ""})
    said.append([answer.code, answer.out, answer.err])
run("import", "--format", "uses", "--json", small)
ballast = os.open(disk / "ballast", os.O_CREAT | os.O_WRONLY)
space = os.statvfs(disk)
os.posix_fallocate(ballast, 0, space.f_bavail * space.f_frsize - free)
run("import", "--format", "uses", "--json", large)
os.close(ballast)
(disk / "ballast").unlink()
run("fsck", "--json")
run("report", "--json", "--as-of", "2030-01-01T00:00:00Z")
run("import", "--format", "uses", "--json", large)
run("report", "--json", "--as-of", "2030-01-01T00:00:00Z")
run("fsck", "--json")
print(json.dumps(said))
"""


def cannot_mount() -> str | None:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return "only root can mount a small disk of its own"
    trial = ["unshare", "-m", "mount", "-t", "tmpfs", "-o", "size=1m", "none", "/mnt"]
    tried = subprocess.run(trial, capture_output=True, check=False)
    return None if tried.returncode == 0 else "this system lets no process mount a small disk of its own"


@pytest.mark.skipif(cannot_mount() is not None, reason=str(cannot_mount()))
def test_a_full_disk_is_said_in_one_line_and_the_import_is_resumed_when_there_is_room(folder: Path) -> None:
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    rows = [f"B{n % 500},{int((begin + timedelta(minutes=n)).timestamp())}\n" for n in range(LINES_TOO_MANY)]
    (folder / "large.csv").write_text("customer,used_at\n" + "".join(rows))
    (folder / "small.csv").write_text("customer,used_at\nA,1577836800\n")
    disk = folder / "disk"
    disk.mkdir()
    mounted = f'mount -t tmpfs -o size={DISK},mode=700 none "$1" && shift && exec "$@"'
    driver = [sys.executable, "-c", FULL_DISK, str(disk), "small.csv", "large.csv", str(LEFT_FREE_BYTES)]
    ran = subprocess.run(
        ["unshare", "-m", "--propagation", "private", "sh", "-c", mounted, "sh", str(disk), *driver],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr

    first, full, checked, kept, resumed, counted, at_the_end = (Said(*each) for each in json.loads(ran.stdout))
    assert first.answer["lines"] == 1
    full.failed(3)
    assert checked.answer["clean"] is True
    in_before = kept.answer["events"]["credential.used"] - 1
    assert 0 < in_before < len(rows)
    assert resumed.answer["lines"] == len(rows) - in_before
    assert counted.answer["events"]["credential.used"] == 1 + len(rows)
    assert at_the_end.answer["clean"] is True
