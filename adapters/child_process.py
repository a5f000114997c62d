"""A process of our own that does part of a command's work, seen from both ends.

It runs a module of this package. It is told on standard input, in a line of JSON, what its task is: no argument
that others can see holds a password or a key. It says on standard output, a line of JSON each, how far it is, and
at last what it came to, or why it gave up. When whoever began it has gone, be it by SIGKILL, its next line cannot
be written, and it ends.
"""

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any, TypeVar

from sealbook.adapters.postgres.surroundings import supervisor_environment
from sealbook.application.ports import LedgerDamaged, Unavailable

Message = Mapping[str, Any]

WAIT_SECONDS = 0.2
BYTES_A_READ = 65_536


class ChildProcess:
    """A running process, which its beginner is to end."""

    def __init__(self, module: str, task: Message) -> None:
        """Begin the module with its task. Raises Unavailable."""
        self._said = b""
        try:
            # A group of its own keeps Ctrl-C away: what becomes of it is for its beginner to say.
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=os.environ | supervisor_environment(),
                process_group=0,
            )
        except OSError as error:
            raise Unavailable(f"{sys.executable} cannot be started: {(error.strerror or 'unknown').lower()}") from error
        self._stdin, self._stdout = _pipe(self.process.stdin), _pipe(self.process.stdout)
        try:
            self.tell(task)
        except BaseException:
            self.end()
            raise

    def fileno(self) -> int:
        return self._stdout.fileno()

    def tell(self, message: Message) -> None:
        """Tell the process something. One that has ended already says how when it is heard."""
        try:
            self._stdin.write(json.dumps(message).encode() + b"\n")
            self._stdin.flush()
        except BrokenPipeError:
            return

    def fallen_silent(self) -> bool:
        """Tell whether the process has ended."""
        return self.process.poll() is not None

    def hear(self) -> list[Message]:
        """Wait for what the process says next.

        Raises Unavailable or LedgerDamaged if that is why it gave up, and Unavailable if it ended without a word.
        """
        chunk = os.read(self.fileno(), BYTES_A_READ)
        if not chunk:
            code = self.process.wait()
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            raise Unavailable(f"a worker process ended too early ({how}): nothing is half done; run the command again")
        *lines, self._said = (self._said + chunk).split(b"\n")
        return [_unless_given_up(json.loads(line)) for line in lines]

    def end(self) -> None:
        """Let nothing of the process remain."""
        self.process.kill()
        self.process.wait()
        self._stdout.close()
        try:
            self._stdin.close()
        except BrokenPipeError:
            # What it was still to be told died with it.
            return


Child = TypeVar("Child", bound=ChildProcess)


@contextmanager
def ended(begun: Sequence[Callable[[], Child]]) -> Generator[list[Child]]:
    """Begin processes; whatever still runs at the end of the block is killed."""
    running: list[Child] = []
    try:
        for begin in begun:
            running.append(begin())  # noqa: PERF401 (should one fail, those before it are to be ended)
        yield running
    finally:
        for each in running:
            each.end()


def ready(running: Sequence[Child], *, wait_seconds: float = WAIT_SECONDS) -> list[Child]:
    """Return the processes that have something to say."""
    return select.select(running, [], [], wait_seconds)[0]


def _unless_given_up(message: Message) -> Message:
    match message:
        case {"damaged": why}:
            raise LedgerDamaged(why)
        case {"unavailable": why}:
            raise Unavailable(why)
        case _:
            return message


def _pipe(end: IO[bytes] | None) -> IO[bytes]:
    if end is None:
        raise TypeError("the process was begun without its pipes")
    return end


# --- Within the process


def heard() -> Message | None:
    """Return what is told next; None when nothing will be."""
    told = sys.stdin.readline()
    message: Message | None = json.loads(told) if told else None
    return message


def say(message: Message) -> None:
    try:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Nobody waits for the rest, and what was done without being asked for any more is rolled back.
        os._exit(1)
