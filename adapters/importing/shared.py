"""One file imported by several processes, each a share of its customers."""

from collections.abc import Mapping, Sequence
from functools import partial

from sealbook.adapters.child_process import ended, ready
from sealbook.adapters.history_files import Content
from sealbook.adapters.importing.task import ImportTask
from sealbook.adapters.importing.worker import Skip, Worker
from sealbook.application.importing import Advanced, ImportResult, LineError
from sealbook.application.shares import Share

SHARES = 2
SHARED_FROM_LINES = 20_000
"""Below this an import is done before a second process would have helped. Both numbers are part of what a file is
imported as: an import that was begun goes on in the same shares, so they never change with the machine."""


def shared(content: Content) -> bool:
    """Tell whether a file is imported in shares: the same at every run."""
    return content.lines >= SHARED_FROM_LINES


def import_shared(
    task: ImportTask, reach: Mapping[str, object], *, content: Content, skip: Skip | None, advanced: Advanced
) -> ImportResult:
    """Import a file in shares, each in a process; `reach` is where they find the ledger.

    Nothing is written before every line is checked. Raises what Import raises: of several bad lines, the first.
    """
    begun = [
        partial(Worker, task, reach, content=content, share=Share(number, SHARES), skip=skip)
        for number in range(SHARES)
    ]
    with ended(begun) as workers:
        _wait_until_checked(workers, advanced)
        for worker in workers:
            worker.tell({})
        while not all(worker.ended for worker in workers):
            _take(workers)
            _raise_failures(workers)
            if all(worker.total is not None or worker.ended for worker in workers):
                done = [content.lines if worker.ended else worker.done for worker in workers]
                # The lines of each are spread over the whole file, so all together are as far as the mean of them.
                advanced(sum(done) // SHARES, content.lines)
        return _sum([worker.result for worker in workers if worker.result is not None])


def _wait_until_checked(workers: Sequence[Worker], advanced: Advanced) -> None:
    while not all(worker.checked for worker in workers):
        _take(workers)
        advanced(min(worker.done for worker in workers))
        bad = _first_bad_line(workers)
        # Another share may hold one further up.
        if bad is None or all(worker.checked or worker.done >= bad for worker in workers):
            _raise_failures(workers)


def _first_bad_line(workers: Sequence[Worker]) -> int | None:
    return min((worker.failure.number for worker in workers if isinstance(worker.failure, LineError)), default=None)


def _raise_failures(workers: Sequence[Worker]) -> None:
    failures = [worker.failure for worker in workers if worker.failure is not None]
    if failures:
        raise min(failures, key=lambda failure: failure.number if isinstance(failure, LineError) else 0)


def _take(workers: Sequence[Worker]) -> None:
    for worker in ready([worker for worker in workers if not worker.ended]):
        worker.take()


def _sum(results: Sequence[ImportResult]) -> ImportResult:
    # A share that had ended before says nothing of how far the others were.
    unfinished = [result.resumed_at for result in results if result.lines]
    whole = ImportResult(resumed_at=min(unfinished) if unfinished else max(each.resumed_at for each in results))
    for result in results:
        whole.lines += result.lines
        whole.skipped += result.skipped
        whole.events += result.events
        whole.uses_refused += result.uses_refused
        whole.facts_not_applied += result.facts_not_applied
    return whole
