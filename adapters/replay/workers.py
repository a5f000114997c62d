"""Who does the work on the partitions of a snapshot: this thread, several, or other processes."""

import multiprocessing
import signal
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from itertools import islice
from queue import SimpleQueue
from typing import TypeVar

from sealbook.adapters.replay.plan import Histories
from sealbook.application.ports import Unavailable

TASKS_AHEAD = 2
"""How many tasks wait for each worker: so many results at most wait to be summed."""

Done = TypeVar("Done")


class Workers:
    """Work on partitions, one after the other in this thread."""

    def __init__(self, histories: Histories) -> None:
        self._histories = histories

    def done(self, work: Callable[[Histories, int], Done], numbers: Iterable[int]) -> Iterator[Done]:
        """Yield what the work comes to for each partition, in their order. Raises Unavailable if a worker ended."""
        return (work(self._histories, number) for number in numbers)


class _Threads(Workers):
    """Work by threads: they help where most of it is compiled code. Each has the histories opened for itself."""

    def __init__(self, histories: Histories, executor: ThreadPoolExecutor, count: int) -> None:
        super().__init__(histories)
        self._executor = executor
        self._count = count
        self._free = SimpleQueue[Histories]()
        for _ in range(count):
            self._free.put(copy(histories))

    def done(self, work: Callable[[Histories, int], Done], numbers: Iterable[int]) -> Iterator[Done]:
        return _in_order(lambda number: self._executor.submit(self._do, work, number), numbers, self._count)

    def _do(self, work: Callable[[Histories, int], Done], number: int) -> Done:
        histories = self._free.get()
        try:
            return work(histories, number)
        finally:
            self._free.put(histories)


class _Processes(Workers):
    """Work by other processes, each of which opens the histories once."""

    def __init__(self, histories: Histories, executor: ProcessPoolExecutor, count: int) -> None:
        super().__init__(histories)
        self._executor = executor
        self._count = count

    def done(self, work: Callable[[Histories, int], Done], numbers: Iterable[int]) -> Iterator[Done]:
        return _in_order(lambda number: self._executor.submit(_do, work, number), numbers, self._count)


def _in_order(begin: Callable[[int], Future[Done]], numbers: Iterable[int], workers: int) -> Iterator[Done]:
    left = iter(numbers)
    begun = [begin(number) for number in islice(left, workers * TASKS_AHEAD)]
    while begun:
        try:
            done = begun.pop(0).result()
        except BrokenExecutor:
            raise Unavailable("a process of the run has ended by itself: perhaps memory was short") from None
        begun += [begin(number) for number in islice(left, 1)]
        yield done


@contextmanager
def workers(histories: Histories, *, processes: int, threads: int) -> Generator[Workers]:
    """Give workers, no more than there are partitions; if processes, they are begun, and ended with the block."""
    processes, threads = (min(each, histories.partitions) for each in (processes, threads))
    if processes > 1:
        with _processes(histories, processes) as executor:
            yield _Processes(histories, executor, processes)
    elif threads > 1:
        with _threads(threads) as executor:
            yield _Threads(histories, executor, threads)
    else:
        yield Workers(histories)


@contextmanager
def _threads(count: int) -> Generator[ThreadPoolExecutor]:
    executor = ThreadPoolExecutor(count)
    try:
        yield executor
    except BaseException:
        # What has begun ends by itself, before the process does: nobody waits for it to say what happened.
        executor.shutdown(wait=False, cancel_futures=True)
        raise
    executor.shutdown()


@contextmanager
def _processes(histories: Histories, count: int) -> Generator[ProcessPoolExecutor]:
    others = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(
        count, mp_context=multiprocessing.get_context("spawn"), initializer=_begin, initargs=(histories,)
    )
    try:
        yield executor
    except BaseException:
        # Nobody wants their work any more: it is not waited for.
        executor.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()
        raise
    executor.shutdown()


_OPENED: list[Histories] = []
"""In a worker process: the snapshot, opened once."""


def _begin(histories: Histories) -> None:
    # Ctrl-C reaches the whole group; what becomes of a worker is for its beginner to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _OPENED.append(histories)


def _do(work: Callable[[Histories, int], Done], number: int) -> Done:
    return work(_OPENED[0], number)
