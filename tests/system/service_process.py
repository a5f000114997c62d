"""A service in processes of its own, as a bank runs it: `sealbook serve`."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from sealbook import service_wiring
from sealbook.__main__ import main
from sealbook.adapters.serving.task import Bounds, WorkerTask
from tests.system.service_ledger import Ledger
from tests.system.writing import REPOSITORY

SOON_SECONDS = 60
"""What has not happened after this time does not happen: generous, for nothing is measured here."""
AGAIN_SECONDS = 0.02
PROCESSES = Path("/proc")
# The columns of /proc/net/tcp.
LOCAL, REMOTE, INODE = 1, 2, 9
UNLIMITED = 1e9
WRITER, WORKER = "sealbook.adapters.writer.process", "sealbook.adapters.serving.worker"


def until(happened: Callable[[], bool]) -> None:
    """Wait until something is so; fail if it never is."""
    give_up = monotonic() + SOON_SECONDS
    while not happened():
        assert monotonic() < give_up, "it did not happen"
        sleep(AGAIN_SECONDS)


class ServiceProcess:
    """A running service; `with` ends it. What it says is in `said()`, its temporary files are in `temporary`.

    `limited` leaves it the bounds that keep callers apart: without them, one may ask as often as it likes.
    """

    def __init__(
        self, ledger: Ledger, *, workers: int = 2, limited: bool = True, more: Mapping[str, str] | None = None
    ) -> None:
        # Not the test's own folder: the path of a socket must be short.
        self._place = tempfile.TemporaryDirectory(prefix="service-")
        self.temporary, self._log = Path(self._place.name, "tmp"), Path(self._place.name, "log")
        self.temporary.mkdir()
        self.killed = False
        module = "sealbook" if limited else "tests.system.service_process"
        options = ["serve", "--development", "--json", "--port", "0", "--workers", str(workers)]
        ours = {key: value for key, value in os.environ.items() if not key.startswith("SEALBOOK_")}
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, *options],
                cwd=REPOSITORY,
                env={**ours, **ledger.surroundings, **(more or {}), "TMPDIR": str(self.temporary)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        try:
            self.port = self._told_port()
        except BaseException:
            self.kill()
            self.forget()
            raise

    @property
    def pid(self) -> int:
        return self.process.pid

    def said(self) -> str:
        return self._log.read_text(errors="replace")

    def children_of(self, module: str) -> list[int]:
        """Return the processes of a module that this service has now."""
        return [pid for pid in children(self.pid) if module in arguments(pid)]

    def serving(self, port: int) -> int | None:
        """Return which process has the other end of a connection from a port of ours; None if nobody has taken it."""
        inode = _inode(local=self.port, remote=port)
        return next((pid for pid in self.children_of(WORKER) if f"socket:[{inode}]" in _sockets(pid)), None)

    def end(self) -> int:
        """Let it answer what it has begun, and end; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(SOON_SECONDS)
        return self.process.returncode

    def kill(self) -> None:
        """Kill the process that was begun, and wait until those that it began have ended by themselves."""
        begun, self.killed = list(children(self.pid)), True
        self.process.kill()
        self.process.wait()
        until(lambda: not any(map(arguments, begun)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and not self.killed:
                assert self.end() == 0
        finally:
            if self.process.returncode != 0 and not self.killed:
                sys.stderr.write(self.said())
                self.kill()
            self.forget()

    def forget(self) -> None:
        """Let go of what is left of a service that has ended; the end of the `with` does."""
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._place.cleanup()

    def _told_port(self) -> int:
        assert self.process.stdout is not None
        select.select([self.process.stdout], [], [], SOON_SECONDS)
        os.set_blocking(self.process.stdout.fileno(), False)
        line = self.process.stdout.readline()
        assert line, self.said()
        told: dict[str, str] = json.loads(line)
        return int(urlsplit(told["listening"]).port or 0)


def children(pid: int) -> Iterator[int]:
    """Yield the processes of ours that a process began and that still run."""
    with suppress(OSError):
        for each in (PROCESSES / str(pid) / "task").glob("*/children"):
            yield from (int(child) for child in each.read_text().split() if "sealbook" in arguments(int(child)))


def arguments(pid: int) -> str:
    """Return the command line of a process; nothing for one that has ended, even if nobody has reaped it yet."""
    try:
        return (PROCESSES / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def _inode(*, local: int, remote: int) -> str | None:
    lines = [line.split() for line in (PROCESSES / "net" / "tcp").read_text().splitlines()[1:]]
    ends = (f"{local:04X}", f"{remote:04X}")
    return next((line[INODE] for line in lines if (line[LOCAL][-4:], line[REMOTE][-4:]) == ends), None)


def _sockets(pid: int) -> set[str]:
    found = set[str]()
    with suppress(OSError):
        for file in (PROCESSES / str(pid) / "fd").iterdir():
            with suppress(OSError):
                found.add(str(file.readlink()))
    return found


if __name__ == "__main__":
    bounds = replace(Bounds(), credential_per_second=UNLIMITED, credential_burst=int(UNLIMITED))
    bounds = replace(bounds, caller_per_second=UNLIMITED)
    setattr(service_wiring, "WorkerTask", partial(WorkerTask, bounds=bounds))  # noqa: B010 (for this process only)
    main()
