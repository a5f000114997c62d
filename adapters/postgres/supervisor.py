"""The process that looks after one server: it stops the server when nobody uses it any more.

Users hold a lock that the kernel drops when they die, even by SIGKILL; this process waits for that lock. So a
server never outlives its users unseen. It holds its own lock, inherited from the process that started it, for
exactly as long as it lives. Run as `python -m sealbook.adapters.postgres.supervisor FOLDER LOCK COMMAND...`.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sealbook.adapters.postgres import locks, postmaster, server_log, sockets
from sealbook.adapters.postgres.errors import ServerUnavailable
from sealbook.adapters.postgres.ledger_folder import LedgerFolder
from sealbook.adapters.postgres.surroundings import server_environment, supervisor_environment

MODULE = "sealbook.adapters.postgres.supervisor"
ADOPT = "adopt"
POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Watched:
    pid: int
    has_ended: Callable[[], bool]
    wait: Callable[[], object]


def spawn(folder: LedgerFolder, *, lock: int, command: tuple[str, ...]) -> None:
    """Start a supervisor that starts the server, or one that adopts it. The supervisor shares the lock
    and keeps it when the caller closes its own descriptor.

    Returns when the supervisor is on its own: it is nobody's child, so it ends without anyone waiting for it.
    """
    log = server_log.opened(folder)
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", MODULE, str(folder.path), str(lock), *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=supervisor_environment(),
            cwd="/",
            start_new_session=True,
            pass_fds=(lock,),
            check=False,
        )
    except OSError as error:
        raise ServerUnavailable(
            f"{sys.executable}, which looks after the server, cannot be started ({error.strerror}):"
            " run the command with a Python that you may execute"
        ) from error
    finally:
        os.close(log)
    # A negative code is a kill: like a kill a moment later, it leaves no supervisor, and the caller sees that.
    if done.returncode > 0:
        raise ServerUnavailable(f"the server's supervisor does not run: {folder.log} says why")


def main(arguments: list[str]) -> None:
    path, lock, *command = arguments
    if os.fork():
        os._exit(0)
    os.set_inheritable(int(lock), False)
    folder = LedgerFolder(Path(path))
    # Opened now: should the folder be deleted, these are still the files whose locks the users hold.
    users, server = locks.opened(folder.users_lock), locks.opened(folder.server_lock)
    watched = _adopted(folder, int(command[1])) if command[0] == ADOPT else _started(command)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    stopping = threading.Event()

    def stop_when_unused() -> None:
        locks.wait_for_sole_use(users=users, server=server)
        stopping.set()
        postmaster.stop(watched.pid, ended=watched.has_ended, folder=folder)

    threading.Thread(target=stop_when_unused, daemon=True).start()
    watched.wait()
    # After a crash the socket's folder stays for the users that are left; whoever ends the server removes it.
    if stopping.is_set():
        sockets.remove(folder)


def _started(command: list[str]) -> Watched:
    try:
        # A session of its own keeps the terminal's signals away; the log is inherited as its output.
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=server_environment(), start_new_session=True)
    except OSError as error:
        sys.exit(f"error: {command[0]} cannot be started: {error.strerror}")
    return Watched(pid=server.pid, has_ended=lambda: server.poll() is not None, wait=server.wait)


def _adopted(folder: LedgerFolder, pid: int) -> Watched:
    def has_ended() -> bool:
        return postmaster.running(folder) != pid

    def wait() -> None:
        while not has_ended():
            time.sleep(POLL_SECONDS)

    return Watched(pid=pid, has_ended=has_ended, wait=wait)


if __name__ == "__main__":
    main(sys.argv[1:])
