"""From whatever is there to a server that is ready and looked after."""

import os
import time

from sealbook.adapters.postgres import cluster, locks, postmaster, privileges, server_log, sockets, supervisor
from sealbook.adapters.postgres.binaries import find
from sealbook.adapters.postgres.errors import DISK_FULL, ServerUnavailable, disk_is_full, has_no_space
from sealbook.adapters.postgres.ledger_folder import LedgerFolder, data_major
from sealbook.adapters.postgres.settings import Settings

START_SECONDS_MAX = 60.0
RECOVERY_SECONDS_MAX = 600.0
POLL_SECONDS = 0.01
RETRY_SECONDS = 0.1
STARTS_MAX = 5
# The processes of a killed server end on their own within moments; until then PostgreSQL refuses to start.
PASSING_FAILURE = "pre-existing shared memory block"


class Start:
    """One attempt to reach a ready server. The caller holds the server's lock and a use all the while.

    Nothing is remembered between processes: each round looks at what is there (a server, a supervisor, both
    or neither) and adds what is missing. So it makes no difference who was killed, or when.
    """

    def __init__(self, folder: LedgerFolder, settings: Settings) -> None:
        self._folder = folder
        self._settings = settings
        self._starts = 0
        self._log_offset_bytes = 0
        self._begun = time.monotonic()

    def until_ready(self) -> None:
        while True:
            lock = locks.try_exclusive(self._folder.supervisor_lock)
            if lock is not None:
                self._supervise(lock)
            if postmaster.is_ready(self._folder):
                return
            self._give_up_in_time()
            time.sleep(POLL_SECONDS)

    def _supervise(self, lock: int) -> None:
        """Give the server, found or new, a supervisor, to whom the lock passes."""
        try:
            pid = postmaster.running(self._folder)
            command = (supervisor.ADOPT, str(pid)) if pid is not None else self._command()
            supervisor.spawn(self._folder, lock=lock, command=command)
        finally:
            os.close(lock)

    def _command(self) -> tuple[str, ...]:
        """Return the command that starts the server, once everything it needs is there."""
        if self._starts:
            self._accept_passing_failure()
        self._starts += 1
        major = data_major(self._folder)
        binaries = find(data_major=major)
        if major is None:
            cluster.create(self._folder, binaries, durable=self._settings.durable)
        prefix = privileges.prefix_for(data=self._folder.data, program=binaries.postgres)
        postmaster.disarm_stale_pid_file(self._folder)
        place = sockets.provide(self._folder)
        self._log_offset_bytes = server_log.begin(self._folder)
        return (*prefix, binaries.postgres, *self._settings.arguments(self._folder, socket_folder=place))

    def _accept_passing_failure(self) -> None:
        """Try again after what passes: a killed server's last processes, or a kill amid the start itself."""
        said = self._said()
        was_killed = server_log.names_no_failure(said) and self._starts < STARTS_MAX
        if PASSING_FAILURE not in said and not was_killed:
            raise ServerUnavailable(self._failure("PostgreSQL did not start", said))
        time.sleep(RETRY_SECONDS)

    def _give_up_in_time(self) -> None:
        elapsed_seconds = time.monotonic() - self._begun
        if elapsed_seconds < START_SECONDS_MAX:
            return
        said = self._said()
        if elapsed_seconds > RECOVERY_SECONDS_MAX or not server_log.is_recovering(said):
            raise ServerUnavailable(self._failure(f"PostgreSQL was not ready after {elapsed_seconds:.0f} s", said))

    def _said(self) -> str:
        return server_log.since(self._folder, offset_bytes=self._log_offset_bytes)

    def _failure(self, what: str, said: str) -> str:
        if any(words in said for words in DISK_FULL) or has_no_space(self._folder.path):
            return disk_is_full(self._folder.path)
        return f"{what} ({server_log.meaningful_line(said)}): see {self._folder.log}, correct it and run again"
