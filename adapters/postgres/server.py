"""The embedded server: the first process that needs it starts it, others join, the last one out stops it."""

import os
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from psycopg.conninfo import make_conninfo

from sealbook.adapters.postgres import cluster, locks, postmaster, sockets
from sealbook.adapters.postgres.errors import ServerUnavailable, one_clear_line
from sealbook.adapters.postgres.ledger_folder import LedgerFolder, prepare
from sealbook.adapters.postgres.settings import NO_OPTIONS, Settings, is_of_this_product, is_started_with
from sealbook.adapters.postgres.start import RECOVERY_SECONDS_MAX, Start

POLL_SECONDS = 0.002


class EmbeddedServer:
    """A use of the ledger's server. The server runs while at least one process holds a use."""

    __slots__ = ("_folder", "_socket_folder", "_use")

    def __init__(self, *, folder: LedgerFolder, socket_folder: Path, use: int) -> None:
        self._folder = folder
        self._socket_folder = socket_folder
        self._use: int | None = use

    @classmethod
    def join(cls, folder: Path, *, durable: bool = True, options: Mapping[str, str] = NO_OPTIONS) -> Self:
        """Return a use of the running server; start it, or make the ledger's data first, if need be.

        Whoever shares a server asks for the same settings. Raises ServerUnavailable.
        """
        place = prepare(folder)
        settings = Settings(durable=durable, options=options)
        use: int | None = None
        try:
            with one_clear_line(place.path), _starting_or_stopping(place, seconds_max=RECOVERY_SECONDS_MAX):
                _end_if_different(place, settings)
                use = locks.shared(place.users_lock)
                Start(place, settings).until_ready()
                return cls(folder=place, socket_folder=_socket_folder(place), use=use)
        except BaseException:
            if use is not None:
                _leave(place, use)
            raise

    def dsn(self, database: str = cluster.DATABASE, user: str = cluster.SUPERUSER) -> str:
        """Return a libpq connection string. The empty hostaddr keeps PGHOSTADDR from leading elsewhere."""
        return make_conninfo(host=str(self._socket_folder), hostaddr="", port=sockets.PORT, dbname=database, user=user)

    @property
    def folder(self) -> Path:
        return self._folder.path

    @property
    def log(self) -> Path:
        return self._folder.log

    def revive(self) -> bool:
        """Start the server anew if it has died; tell whether it had. Raises ServerUnavailable."""
        if postmaster.running(self._folder) is not None:
            return False
        # A second use of it for as long as that takes; the first one keeps it running.
        type(self).join(self.folder).leave()
        return True

    def leave(self) -> None:
        """Give up the use; for the last user the server has ended when this returns. Twice is as good as once."""
        use, self._use = self._use, None
        if use is not None:
            _leave(self._folder, use)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()


def _starting_or_stopping(folder: LedgerFolder, *, seconds_max: float) -> AbstractContextManager[None]:
    return locks.exclusive(folder.server_lock, seconds_max=seconds_max)


def _socket_folder(folder: LedgerFolder) -> Path:
    place = sockets.socket_folder(folder)
    if place is None:
        raise ServerUnavailable(f"{folder.run} was changed by somebody else: end the commands that use it, run again")
    return place


def _end_if_different(folder: LedgerFolder, settings: Settings) -> None:
    """See that no server of other settings runs. The caller holds the server's lock, and no use yet."""
    pid = postmaster.running(folder)
    if pid is None:
        return
    recorded, place = postmaster.settings_line(folder), sockets.socket_folder(folder)
    if place is not None and is_started_with(recorded, settings.arguments(folder, socket_folder=place)):
        return
    if not is_of_this_product(recorded):
        raise ServerUnavailable(f"{folder.data} is in use by another server (pid {pid}): stop it and run again")
    if not _end_if_unused(folder):
        raise ServerUnavailable(
            f"{folder.path} is in use by another command with other server settings (pid {pid}):"
            " wait until it ends, or give both the same settings"
        )


def _leave(folder: LedgerFolder, use: int) -> None:
    os.close(use)
    # Whatever hinders us here hinders only the wait: the supervisor stops a server that nobody uses.
    with suppress(ServerUnavailable, OSError):
        if folder.path.is_dir():
            with _starting_or_stopping(folder, seconds_max=postmaster.STOP_SECONDS_MAX):
                _end_if_unused(folder)


def _end_if_unused(folder: LedgerFolder) -> bool:
    """Stop the server and see its supervisor off, unless it is in use. The caller holds the server's lock."""
    alone = locks.try_sole_use(folder.users_lock)
    if alone is None:
        return False
    try:
        _end(folder)
    finally:
        os.close(alone)
    return True


def _end(folder: LedgerFolder) -> None:
    give_up = time.monotonic() + postmaster.STOP_SECONDS_MAX
    while time.monotonic() < give_up:
        pid = postmaster.running(folder)
        if pid is not None:
            postmaster.stop(pid, ended=lambda: postmaster.running(folder) is None, folder=folder)
        elif locks.is_free(folder.supervisor_lock):
            break
        time.sleep(POLL_SECONDS)
    sockets.remove(folder)
