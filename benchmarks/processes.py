"""Servers under measurement: whether the one that answers is ours, and the processor time of its processes."""

from collections.abc import Iterator
from contextlib import suppress

from benchmarks.meter import GONE, OWN_TICKS, PROCESSES, TICKS_A_SECOND, children, stat

LISTENS = "0A"
# The columns of /proc/net/tcp.
LOCAL, STATE, INODE = 1, 3, 9


def check_listener(port: int, pid: int) -> None:
    """Raise RuntimeError unless it is this process and those it began, and nobody else, that listen at a port.

    A child of a server that has ended may keep its port: its figures would be those of another program.
    """
    lines = [line.split() for line in (PROCESSES / "net" / "tcp").read_text().splitlines()[1:]]
    listening = {
        line[INODE] for line in lines if line[STATE] == LISTENS and int(line[LOCAL].rpartition(":")[2], 16) == port
    }
    own = {inode for process in (pid, *descendants(pid)) for inode in _sockets(process)}
    if not listening or not listening <= own:
        raise RuntimeError(f"another process than the one under measurement listens at port {port}: end it")


def descendants(pid: int) -> Iterator[int]:
    """Yield the processes that a process began, and those that they began."""
    for child in children(pid):
        yield int(child.name)
        yield from descendants(int(child.name))


def _sockets(pid: int) -> Iterator[str]:
    with suppress(*GONE):
        for file in (PROCESSES / str(pid) / "fd").iterdir():
            with suppress(*GONE):
                if (link := str(file.readlink())).startswith("socket:["):
                    yield link.removeprefix("socket:[").removesuffix("]")


def spent_seconds(pid: int) -> float:
    """Return the processor time so far of a process and of all that it began and that still run."""
    ticks = 0
    for process in (pid, *descendants(pid)):
        with suppress(*GONE):
            ticks += sum(map(int, stat(PROCESSES / str(process))[OWN_TICKS]))
    return ticks / TICKS_A_SECOND
