"""The process that writes, seen from both ends."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from time import monotonic
from typing import Any

from sealbook.adapters.child_process import ChildProcess, heard, ready, say
from sealbook.adapters.collecting import seldom_collected
from sealbook.adapters.event_loop import event_loop
from sealbook.adapters.eventstore.gatherer import Gatherer
from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.keys.port import Keys
from sealbook.adapters.keys.reach import keyring_of
from sealbook.adapters.kind_files import BadKinds, read_kinds
from sealbook.adapters.observing.metrics import Metrics
from sealbook.adapters.observing.publishing import published, told_of_batches
from sealbook.adapters.writer.first_answers import FirstAnswers
from sealbook.adapters.writer.local import LocalWriter
from sealbook.adapters.writer.server import serve_writer
from sealbook.application.ports import LedgerDamaged, Unavailable
from sealbook.domain.kind_document import KindBook

MODULE = "sealbook.adapters.writer.process"
PLACE = "writer"
STOP_SECONDS = 30.0
READY_SECONDS_MAX = 60.0


class WriterProcess(ChildProcess):
    """A running writer process. It ends when whoever began it is gone, and on SIGTERM; both answer what was taken.

    `reach` is that of `adapters.eventstore.reach.reach_of`, `kinds` the bank's folder of kinds, if it has its own,
    `metrics` the folder that the service's processes have in common.
    """

    def __init__(
        self, path: Path, *, reach: Mapping[str, object], kinds: Path | None = None, metrics: Path | None = None
    ) -> None:
        """Begin the process, which is to listen on a socket in a private folder. Raises Unavailable."""
        task = {"socket": str(path), "reach": reach, "kinds": _said(kinds), "metrics": _said(metrics)}
        super().__init__(MODULE, task)

    def wait_until_ready(self, *, seconds: float = READY_SECONDS_MAX) -> None:
        """Wait until it listens. Raises Unavailable or LedgerDamaged if it gave up instead, or hangs."""
        await_ready(self, seconds=seconds)

    def stop(self, *, seconds: float = STOP_SECONDS) -> None:
        """Let it answer what it has taken, and end; one that is not ready in time is killed."""
        self.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        self.end()


def await_ready(process: ChildProcess, *, seconds: float) -> None:
    """Wait until a process says that it is ready. Raises Unavailable or LedgerDamaged if it gave up instead.

    One that hangs is ended. Raises Unavailable then, too.
    """
    until = monotonic() + seconds
    while ready([process], wait_seconds=max(0.0, until - monotonic())):
        if any("ready" in message for message in process.hear()):
            return
    process.end()
    raise Unavailable(f"a process of the service was not ready within {seconds:g} seconds, and was ended")


def local_writer(gatherer: Gatherer, *, dsn: str, keys: Keys) -> LocalWriter:
    """Return the writer over a gatherer of the ledger at `dsn`."""
    return LocalWriter(
        gatherer, FirstAnswers(lambda: PostgresEventStore.connect(dsn, keys=keys, randomness=os.urandom))
    )


def _said(path: Path | None) -> str | None:
    return None if path is None else str(path)


# --- Within the process


def main() -> None:
    told = heard()
    if told is None:
        return
    try:
        with (
            closing(keyring_of(told["reach"]["keys"])) as keys,
            seldom_collected(),
            asyncio.Runner(loop_factory=event_loop) as runner,
        ):
            runner.run(_serve(told, keys))
    except (Unavailable, BadKinds) as error:
        say({"unavailable": str(error)})
    except LedgerDamaged as error:
        say({"damaged": str(error)})


async def _serve(told: Mapping[str, Any], keys: Keys) -> None:
    dsn = told["reach"]["conninfo"]
    metrics = Metrics(folder=None if told["metrics"] is None else Path(told["metrics"]), process=PLACE)
    kinds = _kinds(told["kinds"])
    gatherer = Gatherer.open(
        dsn,
        keys=keys,
        randomness=os.urandom,
        kinds=kinds,
        told=told_of_batches(metrics),
        append_took=metrics.append,
    )
    stopping = asyncio.Event()
    _heed_the_end(stopping)
    async with published(metrics):
        await serve_writer(
            Path(told["socket"]),
            gatherer=gatherer,
            writer=local_writer(gatherer, dsn=dsn, keys=keys),
            stopping=stopping,
            ready=lambda: say({"ready": True}),
        )


def _kinds(folder: str | None) -> KindBook | None:
    return None if folder is None else read_kinds(Path(folder))


def _heed_the_end(stopping: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)

    def gone() -> None:
        loop.remove_reader(sys.stdin.fileno())
        stopping.set()

    # Nothing more is told; what comes is the end of whoever began this process.
    loop.add_reader(sys.stdin.fileno(), gone)


if __name__ == "__main__":
    main()
