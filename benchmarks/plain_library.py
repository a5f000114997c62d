"""The rival: the same use in the eventsourcing library as it comes, one save of an aggregate a use."""

import time
from array import array
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from random import Random
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from psycopg.conninfo import conninfo_to_dict

from benchmarks.callers import Sample
from sealbook.adapters.ids import new_id

BATCH = 1_000


class Card(Aggregate):
    """A credential in the library's own style; a use says what one of ours says."""

    def __init__(self, customer: UUID) -> None:
        self.customer = customer
        self.uses = 0

    @event("Used")
    def use(
        self,
        *,
        # The library makes the event's fields of the arguments.
        at: datetime,  # noqa: ARG002
        actor: str,  # noqa: ARG002
        channel: str,  # noqa: ARG002
        command_id: UUID,  # noqa: ARG002
        purpose: str | None,  # noqa: ARG002
        qualifies: bool,  # noqa: ARG002
    ) -> None:
        self.uses += 1


class Cards(Application[UUID]):
    """The library's application over its own PostgreSQL recorder, unmodified."""

    def __init__(self, dsn: str, *, threads: int) -> None:
        parts = conninfo_to_dict(dsn)
        super().__init__(
            {
                "PERSISTENCE_MODULE": "eventsourcing.postgres",
                "POSTGRES_HOST": str(parts["host"]),
                "POSTGRES_PORT": str(parts["port"]),
                "POSTGRES_DBNAME": str(parts["dbname"]),
                "POSTGRES_USER": str(parts["user"]),
                "POSTGRES_PASSWORD": "none",
                # A connection for each thread, or it would open and close some all the time.
                "POSTGRES_POOL_SIZE": str(threads),
            }
        )

    def issued(self, count: int) -> list[UUID]:
        ids = list[UUID]()
        for start in range(0, count, BATCH):
            cards = [Card(customer=new_id()) for _ in range(start, min(start + BATCH, count))]
            self.save(*cards)
            ids += [card.id for card in cards]
        return ids

    def use(self, card_id: UUID) -> None:
        card: Card = self.repository.get(card_id)
        card.use(at=datetime.now(UTC), actor="holder", channel="app", command_id=new_id(), purpose=None, qualifies=True)
        self.save(card)

    def call(self, cards: Sequence[UUID], *, threads: int, seconds: float) -> Sample:
        """Let threads use random cards for a time. Each has its own cards: a conflict would cost it a retry.

        Raises RuntimeError unless every use is recorded.
        """
        before = self.recorder.max_notification_id() or 0
        begun = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            shares = [cards[number::threads] for number in range(threads)]
            seen = list(pool.map(partial(self._caller, until=begun + seconds), shares))
        elapsed = time.perf_counter() - begun
        sample = Sample(seconds=elapsed, latencies_ms=array("d", (each for one in seen for each in one)))
        recorded = (self.recorder.max_notification_id() or 0) - before
        if recorded != sample.uses:
            raise RuntimeError(f"the library acknowledged {sample.uses} uses and recorded {recorded}")
        return sample

    def _caller(self, cards: Sequence[UUID], *, until: float) -> "array[float]":
        latencies_ms, random = array("d"), Random(0)
        ended = time.perf_counter()
        while (begun := ended) < until:
            self.use(random.choice(cards))
            ended = time.perf_counter()
            latencies_ms.append((ended - begun) * 1_000)
        return latencies_ms
