"""The running server as its pid file, the process table and its socket show it."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from sealbook.adapters.postgres.ledger_folder import LedgerFolder
from sealbook.adapters.postgres.sockets import PORT, socket_folder

POLL_SECONDS = 0.01
PING_SECONDS_MAX = 5
PROMPT_STOP_SECONDS_MAX = 2.0
FAST_STOP_SECONDS_MAX = 60.0
IMMEDIATE_STOP_SECONDS_MAX = 10.0
KILL_SECONDS_MAX = 10.0
STOP_SECONDS_MAX = FAST_STOP_SECONDS_MAX + IMMEDIATE_STOP_SECONDS_MAX + KILL_SECONDS_MAX
# Linux gives no process a number this high, and PostgreSQL takes it for a well-formed one.
NOBODYS_PID = 2_147_483_646
PROCESSES = Path("/proc")
LINES_OF_READY_PID_FILE = 8
RESTARTED_AFTER_CRASH = b"all server processes terminated; reinitializing"
READY = b"database system is ready to accept connections"


def running(folder: LedgerFolder) -> int | None:
    """Return the pid of the server that runs on the folder's data, whoever started it."""
    pid = _recorded_pid(folder)
    return pid if pid is not None and _is_server_of(pid, folder.data) else None


def is_ready(folder: LedgerFolder) -> bool:
    """Tell whether a client would be let in. The pid file is read first: a refused knock fills the log."""
    lines = _pid_file_lines(folder)
    place = socket_folder(folder)
    if place is None or len(lines) < LINES_OF_READY_PID_FILE or lines[-1].strip() != "ready":
        return False
    return _answers(place)


def settings_line(folder: LedgerFolder) -> str:
    """Return the command line that the running server recorded."""
    try:
        return (folder.data / "postmaster.opts").read_text(errors="surrogateescape").rstrip("\n")
    except FileNotFoundError:
        return ""


def stop(pid: int, *, ended: Callable[[], bool], folder: LedgerFolder) -> None:
    """End the server: fast, else at once (the next start recovers), else by SIGKILL.

    Returns in bounded time; what even SIGKILL does not end is stuck in the kernel.
    """
    for number, seconds_max in _signals(folder):
        if _ended_by(number, pid=pid, ended=ended, seconds_max=seconds_max):
            return


def disarm_stale_pid_file(folder: LedgerFolder) -> None:
    """Let PostgreSQL pass a pid file whose pid now belongs to another program. No server runs.

    The file is not removed: it names the shared memory by which PostgreSQL notices processes that a killed
    server left behind, and refuses to start beside them. Only the pid gives way.
    """
    pid = _recorded_pid(folder)
    if pid is None or not _exists(pid):
        return
    _, *rest = _pid_file_lines(folder)
    path = folder.data / "postmaster.pid"
    with path.open("r+", errors="surrogateescape") as file:
        file.write("\n".join((str(NOBODYS_PID), *rest)) + "\n")
        file.truncate()


def _signals(folder: LedgerFolder) -> Iterator[tuple[signal.Signals, float]]:
    yield signal.SIGINT, PROMPT_STOP_SECONDS_MAX
    # Asked to stop fast after a crash, before it recovers, PostgreSQL waits for ever for processes that it
    # forgot to end. It has nothing to write then. Any other server may need its time for a last checkpoint.
    if not _is_down_since_crash(folder):
        yield signal.SIGINT, FAST_STOP_SECONDS_MAX - PROMPT_STOP_SECONDS_MAX
    yield signal.SIGQUIT, IMMEDIATE_STOP_SECONDS_MAX
    yield signal.SIGKILL, KILL_SECONDS_MAX


def _is_down_since_crash(folder: LedgerFolder) -> bool:
    """Read it in the log, where both lines are written by one process, so they stand in order."""
    is_down = False
    with suppress(OSError), folder.log.open("rb") as log:
        for line in log:
            is_down = RESTARTED_AFTER_CRASH in line or (is_down and READY not in line)
    return is_down


def _ended_by(number: signal.Signals, *, pid: int, ended: Callable[[], bool], seconds_max: float) -> bool:
    give_up = time.monotonic() + seconds_max
    try:
        if not ended():
            os.kill(pid, number)
    except ProcessLookupError:
        return True
    while not ended():
        if time.monotonic() > give_up:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _answers(place: Path) -> bool:
    from psycopg import pq
    from psycopg.conninfo import make_conninfo

    address = make_conninfo(
        host=str(place),
        hostaddr="",
        port=PORT,
        dbname="postgres",
        user="postgres",
        connect_timeout=PING_SECONDS_MAX,
    )
    return pq.PGconn.ping(address.encode()) == pq.Ping.OK


def _recorded_pid(folder: LedgerFolder) -> int | None:
    lines = _pid_file_lines(folder)
    try:
        pid = int(lines[0]) if lines else 0
    except ValueError:
        return None
    return pid if pid > 0 else None


def _pid_file_lines(folder: LedgerFolder) -> list[str]:
    try:
        return (folder.data / "postmaster.pid").read_text(errors="surrogateescape").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return []


def _is_server_of(pid: int, data: Path) -> bool:
    # A pid alone proves nothing: after a crash or a reboot it may belong to any other program.
    arguments = _command_line(pid)
    if not arguments or Path(arguments[0]).name != "postgres":
        return False
    return str(data) in arguments or _works_in(pid, data)


def _command_line(pid: int) -> list[str]:
    """Return the arguments, or nothing for a process that has ended, even if nobody has reaped it yet."""
    if not (PROCESSES / "self").exists():
        return _command_line_by_ps(pid)
    try:
        line = (PROCESSES / str(pid) / "cmdline").read_bytes()
    except OSError:
        return []
    return [os.fsdecode(each) for each in line.split(b"\0") if each]


def _command_line_by_ps(pid: int) -> list[str]:
    listed = subprocess.run(
        ["ps", "-ww", "-o", "command=", "-p", str(pid)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    program, _, rest = os.fsdecode(listed.stdout).strip().partition(" -D ")
    return [program, rest.partition(" -c ")[0]] if program else []


def _works_in(pid: int, data: Path) -> bool:
    # A server keeps its data as working folder even where the ledger was moved while it ran.
    try:
        return (PROCESSES / str(pid) / "cwd").samefile(data)
    except OSError:
        return False


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
