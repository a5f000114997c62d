"""The ledger's folder: what stands where in it, and whether it may be trusted."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from sealbook.adapters.postgres.errors import ServerUnavailable, one_clear_line

PRIVATE = 0o700
WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class LedgerFolder:
    """The three lock files are never removed: a lock on a file that was replaced would exclude nobody.

    users.lock       held shared by everyone who uses the server
    server.lock      held exclusively while the server is started, joined or stopped
    supervisor.lock  held exclusively by the supervisor from before the server starts until it has ended
    """

    path: Path

    @property
    def data(self) -> Path:
        return self.path / "pgdata"

    @property
    def log(self) -> Path:
        return self.path / "server.log"

    @property
    def run(self) -> Path:
        """The folder of the socket, or a link to it where the path is too long for a socket."""
        return self.path / "run"

    @property
    def users_lock(self) -> Path:
        return self.path / "users.lock"

    @property
    def server_lock(self) -> Path:
        return self.path / "server.lock"

    @property
    def supervisor_lock(self) -> Path:
        return self.path / "supervisor.lock"


def prepare(path: Path) -> LedgerFolder:
    """Make the folder if it is absent; refuse one in which others could swap the data or the socket."""
    with one_clear_line(path):
        path.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        folder = path.resolve(strict=True)
        status = folder.stat()
    if status.st_uid != os.geteuid():
        raise ServerUnavailable(
            f"{folder} belongs to uid {status.st_uid}, not to you (uid {os.geteuid()}):"
            " run the command as its owner or choose a ledger folder of your own"
        )
    if status.st_mode & WRITABLE_BY_OTHERS:
        raise ServerUnavailable(
            f"{folder} can be written by other users: run 'chmod go-w' on it or choose another ledger folder"
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ServerUnavailable(f"{folder} cannot be written: allow it or choose another ledger folder")
    return LedgerFolder(folder)


def data_major(folder: LedgerFolder) -> int | None:
    """Return the major version that made the data, or None where there is no data yet."""
    if not folder.data.is_dir() or not any(folder.data.iterdir()):
        return None
    try:
        return int((folder.data / "PG_VERSION").read_text("ascii"))
    except (FileNotFoundError, ValueError):
        raise ServerUnavailable(
            f"{folder.data} is not a whole PostgreSQL data folder: restore it from a backup, or move it away"
        ) from None
