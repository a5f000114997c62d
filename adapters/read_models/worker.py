"""A process that folds one share of a rebuild, seen from both ends.

Run as `python -m sealbook.adapters.read_models.worker`. It is told on standard input, in one line of JSON,
where to connect and what its share is: no argument that others can see holds a password. It says on standard
output, a line of JSON each, how far it is, and at last what it came to, or why it gave up. When whoever began
it has gone, be it by SIGKILL, its next line cannot be written, and it ends.
"""

import json
import os
import select
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import IO, Any

from sealbook.adapters.collecting import seldom_collected
from sealbook.adapters.eventstore.codec import from_microseconds, to_microseconds
from sealbook.adapters.eventstore.postgres import connected, translated
from sealbook.adapters.postgres.surroundings import supervisor_environment
from sealbook.adapters.read_models.folding import Folded, Share, fold_share
from sealbook.adapters.read_models.tables import NEXT, Tables
from sealbook.application.ports import LedgerDamaged, Unavailable
from sealbook.domain.errors import Refused

MODULE = "sealbook.adapters.read_models.worker"
WAIT_SECONDS = 0.2
LOCK_WAIT_SECONDS = 5
BYTES_A_READ = 65_536


class Worker:
    """A running process. `position` is how far it has come; `folded` what its share came to, once it is done."""

    def __init__(self, conninfo: str, share: Share) -> None:
        self.position = 0
        self.folded: Folded | None = None
        self._said = b""
        try:
            # A group of its own keeps Ctrl-C away: what becomes of it is for its beginner to say.
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", MODULE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=os.environ | supervisor_environment(),
                process_group=0,
            )
        except OSError as error:
            raise Unavailable(f"{sys.executable} cannot be started: {(error.strerror or 'unknown').lower()}") from error
        self._stdout = _pipe(self.process.stdout)
        try:
            self._tell({"conninfo": conninfo, "share": asdict(share)})
        except BaseException:
            self.end()
            raise

    def fileno(self) -> int:
        return self._stdout.fileno()

    def hear(self) -> None:
        """Take what the process says next. Raises Unavailable or LedgerDamaged if it has given up or ended."""
        chunk = os.read(self.fileno(), BYTES_A_READ)
        if not chunk:
            code = self.process.wait()
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            raise Unavailable(f"a worker of the rebuild ended too early ({how}); the old read models stay: try again")
        *lines, self._said = (self._said + chunk).split(b"\n")
        for line in lines:
            self._take(json.loads(line))

    def end(self) -> None:
        """Let nothing of the process remain."""
        self.process.kill()
        self.process.wait()
        self._stdout.close()

    def _take(self, message: dict[str, Any]) -> None:
        match message:
            case {"position": position}:
                self.position = position
            case {"counts": counts, "latest_at": latest_at}:
                self.folded = Folded(counts=Counter(counts), latest_at=from_microseconds(latest_at))
            case {"damaged": why}:
                raise LedgerDamaged(why)
            case {"unavailable": why}:
                raise Unavailable(why)
            case _:
                raise Unavailable("a worker of the rebuild says what this version does not know")

    def _tell(self, message: dict[str, Any]) -> None:
        stdin = _pipe(self.process.stdin)
        try:
            stdin.write(json.dumps(message).encode())
            stdin.close()
        except BrokenPipeError:
            # It has ended already; `hear` will say how.
            return


def _pipe(end: IO[bytes] | None) -> IO[bytes]:
    if end is None:
        raise TypeError("the process was begun without its pipes")
    return end


@contextmanager
def workers(conninfo: str, shares: Sequence[Share]) -> Generator[list[Worker]]:
    """Begin a process a share; whatever still runs at the end of the block is killed."""
    begun: list[Worker] = []
    try:
        for share in shares:
            begun.append(Worker(conninfo, share))  # noqa: PERF401 (should one fail, those before it are to be ended)
        yield begun
    finally:
        for worker in begun:
            worker.end()


def heard(begun: Sequence[Worker], *, wait_seconds: float = 0) -> int:
    """Take what the processes that are not done have said; return how far the last of them is."""
    busy = [worker for worker in begun if worker.folded is None]
    ready, _, _ = select.select(busy, [], [], wait_seconds)
    for worker in ready:
        worker.hear()
    return min((worker.position for worker in begun), default=0)


def results(begun: Sequence[Worker], *, advanced: Callable[[int], None]) -> list[Folded]:
    """Wait until all are done; return what they came to."""
    while any(worker.folded is None for worker in begun):
        advanced(heard(begun, wait_seconds=WAIT_SECONDS))
    return [worker.folded for worker in begun if worker.folded is not None]


# --- Within the process


def main() -> None:
    told = sys.stdin.readline()
    if not told:
        return
    task = json.loads(told)
    try:
        folded = _fold(task["conninfo"], Share(**task["share"]))
    except Unavailable as error:
        _say({"unavailable": str(error)})
    except (LedgerDamaged, Refused, TypeError) as error:
        _say({"damaged": str(error)})
    else:
        _say({"counts": folded.counts, "latest_at": to_microseconds(folded.latest_at)})


def _fold(conninfo: str, share: Share) -> Folded:
    with closing(connected(conninfo)) as connection, translated():
        connection.execute("SET ROLE sealbook_app")
        connection.execute("SELECT set_config('lock_timeout', %s, false)", [f"{LOCK_WAIT_SECONDS}s"])
        with seldom_collected():
            return fold_share(Tables(connection, NEXT), share, advanced=lambda position: _say({"position": position}))


def _say(message: dict[str, Any]) -> None:
    try:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Nobody waits for the rest, and what was done without being asked for any more is rolled back.
        os._exit(1)


if __name__ == "__main__":
    main()
