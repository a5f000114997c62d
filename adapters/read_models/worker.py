"""A process that folds one share of a rebuild, seen from both ends."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import asdict
from functools import partial

from sealbook.adapters.child_process import WAIT_SECONDS, ChildProcess, ended, heard, ready, say
from sealbook.adapters.collecting import seldom_collected
from sealbook.adapters.eventstore.codec import from_microseconds, to_microseconds
from sealbook.adapters.eventstore.postgres import connected, translated
from sealbook.adapters.read_models.folding import Folded, LogShare, fold_share
from sealbook.adapters.read_models.tables import NEXT, Tables
from sealbook.application.ports import LedgerDamaged, Unavailable
from sealbook.domain.errors import Refused

MODULE = "sealbook.adapters.read_models.worker"
LOCK_WAIT_SECONDS = 5


class Worker(ChildProcess):
    """A running process. `position` is how far it has come; `folded` what its share came to, once it is done."""

    def __init__(self, conninfo: str, share: LogShare) -> None:
        self.position = 0
        self.folded: Folded | None = None
        super().__init__(MODULE, {"conninfo": conninfo, "share": asdict(share)})

    def take(self) -> None:
        """Take what the process says next. Raises Unavailable or LedgerDamaged if it has given up or ended."""
        for message in self.hear():
            match message:
                case {"position": position}:
                    self.position = position
                case {"counts": counts, "latest_at": latest_at}:
                    self.folded = Folded(counts=Counter(counts), latest_at=from_microseconds(latest_at))
                case _:
                    raise Unavailable("a worker of the rebuild says what this version does not know")


def workers(conninfo: str, shares: Sequence[LogShare]) -> AbstractContextManager[list[Worker]]:
    """Begin a process a share; whatever still runs at the end of the block is killed."""
    return ended([partial(Worker, conninfo, share) for share in shares])


def least_position(begun: Sequence[Worker], *, wait_seconds: float = 0) -> int:
    """Take what the processes that are not done have said; return how far the last of them is."""
    busy = [worker for worker in begun if worker.folded is None]
    for worker in ready(busy, wait_seconds=wait_seconds):
        worker.take()
    return min((worker.position for worker in begun), default=0)


def results(begun: Sequence[Worker], *, advanced: Callable[[int], None]) -> list[Folded]:
    """Wait until all are done; return what they came to."""
    while any(worker.folded is None for worker in begun):
        advanced(least_position(begun, wait_seconds=WAIT_SECONDS))
    return [worker.folded for worker in begun if worker.folded is not None]


# --- Within the process


def main() -> None:
    task = heard()
    if task is None:
        return
    try:
        folded = _fold(task["conninfo"], LogShare(**task["share"]))
    except Unavailable as error:
        say({"unavailable": str(error)})
    except (LedgerDamaged, Refused, TypeError) as error:
        say({"damaged": str(error)})
    else:
        say({"counts": folded.counts, "latest_at": to_microseconds(folded.latest_at)})


def _fold(conninfo: str, share: LogShare) -> Folded:
    with closing(connected(conninfo)) as connection, translated():
        connection.execute("SET ROLE sealbook_app")
        connection.execute("SELECT set_config('lock_timeout', %s, false)", [f"{LOCK_WAIT_SECONDS}s"])
        with seldom_collected():
            return fold_share(Tables(connection, NEXT), share, advanced=lambda position: say({"position": position}))


if __name__ == "__main__":
    main()
