"""The supervisor: it begins the writer and the workers, begins anew what dies, and ends them in order.

What only one process may do (timers, webhooks out, jobs) it does itself, while it leads.
"""

import asyncio
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from sealbook.adapters.child_process import ChildProcess
from sealbook.adapters.observing import logs
from sealbook.adapters.observing.metrics import Metrics
from sealbook.adapters.observing.publishing import published
from sealbook.adapters.serving import worker
from sealbook.adapters.serving.leader import Leader, Task, begun_anew, came_within
from sealbook.adapters.serving.task import WorkerTask
from sealbook.adapters.writer.process import READY_SECONDS_MAX, STOP_SECONDS, WriterProcess, await_ready
from sealbook.application.ports import LedgerDamaged, Unavailable

WATCH_SECONDS = 0.1
AGAIN_SECONDS_MIN = 0.2
AGAIN_SECONDS_MAX = 5.0
SOCKET = "writer"
LEADER = "leader"


class Child(Protocol):
    """A process of the service."""

    def wait_until_ready(self) -> None: ...

    def fallen_silent(self) -> bool: ...

    def stop(self, *, seconds: float = ...) -> None: ...


class WorkerProcess(ChildProcess):
    """A running worker. It ends when whoever began it is gone, and on SIGTERM; both let it answer what it began."""

    def __init__(self, task: WorkerTask) -> None:
        super().__init__(worker.MODULE, task.as_json())

    def wait_until_ready(self, *, seconds: float = READY_SECONDS_MAX) -> None:
        """Wait until it listens. Raises Unavailable or LedgerDamaged if it gave up instead, or hangs."""
        await_ready(self, seconds=seconds)

    def stop(self, *, seconds: float = STOP_SECONDS) -> None:
        """Let it answer what it has begun, and end; one that is not ready in time is killed."""
        self.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        self.end()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A service: so many workers, each begun with the task but its own name."""

    workers: int
    task: WorkerTask
    kinds: Path | None


async def supervise(
    plan: Plan, *, leading: Sequence[Task], listening: Callable[[int], None], always: Sequence[Task] = ()
) -> None:
    """Run a service until SIGTERM or SIGINT. `listening` is told the number of the port when all are ready.

    `leading` is done while this process leads, `always` whether it does or not.
    Raises Unavailable or LedgerDamaged if the service cannot begin. What dies later is begun anew.
    """
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    with _reserved(plan.task.host, plan.task.port) as port, tempfile.TemporaryDirectory(prefix="sealbook-") as folder:
        task = replace(plan.task, port=port, metrics=folder)
        metrics = Metrics(folder=Path(folder), process=LEADER)
        async with AsyncExitStack() as stack:
            kept = list[_Kept]()
            for row in _rows(plan, task, Path(folder)):
                # The writer before those who need it; at the end, in the other order.
                stack.push_async_callback(_together, [each.stop for each in row])
                await _together([each.begin for each in row])
                kept += row
            listening(port)
            async with published(metrics), asyncio.TaskGroup() as group:
                for each in kept:
                    group.create_task(each.keep(stopping))
                for work in always:
                    group.create_task(_done(work, stopping))
                group.create_task(_lead(Leader(task.reach["conninfo"]), stopping, leading, metrics))


async def _done(work: Task, stopping: asyncio.Event) -> None:
    await work(stopping)


async def _lead(leader: Leader, stopping: asyncio.Event, leading: Sequence[Task], metrics: Metrics) -> None:
    """Do what a leader does, whenever this process leads. Uses are answered even while that fails, whatever it is."""
    log = logs.logger("supervisor")

    def failed(error: Exception) -> None:
        log.error("what the leader does has failed, and is begun anew", error=error)

    async def tell(ending: asyncio.Event) -> None:
        metrics.leading(True)
        try:
            await ending.wait()
        finally:
            metrics.leading(False)

    async def lead(stopping: asyncio.Event) -> None:
        await leader.run(stopping, tell, *(begun_anew(each, failed=failed) for each in leading))

    metrics.leading(False)
    await begun_anew(lead, failed=failed)(stopping)


async def _together(all_of: Sequence[Callable[[], Coroutine[Any, Any, None]]]) -> None:
    """Do all at the same time. Raises the first error, when all have come to an end."""
    errors = [each for each in await asyncio.gather(*(one() for one in all_of), return_exceptions=True) if each]
    if errors:
        raise errors[0]


def _rows(plan: Plan, task: WorkerTask, folder: Path) -> "Sequence[Sequence[_Kept]]":
    """Return the processes of a service, each row to be begun when the one before it is ready."""
    if plan.workers == 1:
        return [[_Kept("http_1", lambda: WorkerProcess(replace(task, name="http_1")))]]
    path = folder / SOCKET
    shared = replace(task, writer=str(path))

    def begin(name: str) -> Callable[[], WorkerProcess]:
        return lambda: WorkerProcess(replace(shared, name=name))

    names = [f"http_{number + 1}" for number in range(plan.workers)]
    writer = _Kept("writer", lambda: WriterProcess(path, reach=task.reach, kinds=plan.kinds, metrics=folder))
    return [[writer], [_Kept(name, begin(name)) for name in names]]


class _Kept:
    """A child that is begun anew whenever it has ended."""

    def __init__(self, name: str, begin: Callable[[], Child]) -> None:
        self._name, self._begin = name, begin
        self._child: Child | None = None
        self._log = logs.logger("supervisor")

    async def begin(self) -> None:
        child = await asyncio.to_thread(self._begin)
        self._child = child
        await asyncio.to_thread(child.wait_until_ready)

    async def keep(self, stopping: asyncio.Event) -> None:
        again_seconds = AGAIN_SECONDS_MIN
        while not await came_within(stopping, WATCH_SECONDS):
            if self._child is not None and not self._child.fallen_silent():
                again_seconds = AGAIN_SECONDS_MIN
                continue
            self._log.error("a process has ended and is begun anew", worker=self._name)
            await self.stop()
            try:
                await self.begin()
            except (Unavailable, LedgerDamaged) as error:
                self._log.error("a process cannot begin", worker=self._name, error=error)
                await came_within(stopping, again_seconds)
                again_seconds = min(AGAIN_SECONDS_MAX, 2 * again_seconds)

    async def stop(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            await asyncio.to_thread(child.stop)


@contextmanager
def _reserved(host: str, port: int) -> Generator[int]:
    """Give the number of a port that stays the service's own between the death of a worker and the next one's birth."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if port:
        _check_free(family, host, port)
    with socket.socket(family, socket.SOCK_STREAM) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        _bind(holder, host, port)
        yield holder.getsockname()[1]


def _check_free(family: int, host: str, port: int) -> None:
    """Raise Unavailable if anybody has the port, be it another service of ours, which would share it."""
    with socket.socket(family, socket.SOCK_STREAM) as alone:
        alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _bind(alone, host, port)


def _bind(listener: socket.socket, host: str, port: int) -> None:
    try:
        listener.bind((host, port))
    except OSError as error:
        why = (error.strerror or "unknown").lower()
        raise Unavailable(f"port {port} of {host} cannot be had: {why}") from error
