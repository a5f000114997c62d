"""Publishing: a process's numbers where the page of metrics finds them, and what its gatherer tells of batches."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

from sealbook.adapters.eventstore.gatherer import Batch, Told
from sealbook.adapters.observing.metrics import Metrics

PUBLISH_SECONDS = 1.0


def told_of_batches(metrics: Metrics) -> Told:
    """Return what a gatherer tells of its batches."""

    def told(batch: Batch) -> None:
        metrics.batch(batch.size, batch.seconds)
        metrics.queued(batch.waiting)
        if batch.decided_again:
            metrics.decided_again(batch.decided_again)

    return told


@asynccontextmanager
async def published(metrics: Metrics, *, before: Callable[[], None] = lambda: None) -> AsyncGenerator[None]:
    """Publish every second until the block ends, and once more then; `before` is called each time first.

    What cannot be written now is told by the next time.
    """
    publishing = asyncio.create_task(_publish(metrics, before))
    try:
        yield
    finally:
        publishing.cancel()
        with suppress(asyncio.CancelledError):
            await publishing
        with suppress(OSError):
            metrics.publish()


async def _publish(metrics: Metrics, before: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(PUBLISH_SECONDS)
        before()
        with suppress(OSError):
            metrics.publish()
