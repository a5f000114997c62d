"""Durable uses on a ledger of millions of events, in turns with a ledger that was just founded."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from benchmarks.adopting import adopted
from benchmarks.callers import Place, Sample, UsesRecorded, call
from benchmarks.cost import Cost
from benchmarks.figure import Figure
from benchmarks.filling import filled
from benchmarks.ledger import Bench, bench
from benchmarks.meter import metered
from benchmarks.plan import Plan
from sealbook.adapters.eventstore.postgres import PostgresEventStore, connected

CALLERS = 256
IN_USE_MAX = 100_000
"""How many credentials the founded ledger has, and the grown one's part that is measured by itself."""
AGAINST = "a founded ledger"


Taken = tuple[Sample, Cost]
MEASURES: tuple[tuple[str, str, Callable[[Taken], float]], ...] = (
    ("", "uses/s", lambda taken: taken[0].uses_a_second),
    (", p50", "ms", lambda taken: taken[0].percentile_ms(50)),
    (", p99", "ms", lambda taken: taken[0].percentile_ms(99)),
    (", Python's time a use", "microseconds", lambda taken: taken[1].python_microseconds),
    (", PostgreSQL's time a use", "microseconds", lambda taken: taken[1].postgres_microseconds),
    (", write-ahead log a use", "bytes", lambda taken: taken[1].wal_bytes),
)


@dataclass(slots=True)
class Turn:
    """One ledger, the credentials that are used on it, and what came of each round."""

    place: Place
    credentials: Sequence[UUID]
    taken: list[Taken] = field(default_factory=list[Taken])

    def take(self, *, seconds: float, seed: int) -> None:
        with connected(self.place.dsn) as connection:
            recorded = UsesRecorded(connection)
            work = partial(call, self.place, self.credentials, callers=CALLERS, seconds=seconds, seed=seed)
            sample, spent = metered(connection, work)
            recorded.check(acknowledged=sample.uses)
        self.taken.append((sample, Cost(sample.uses, spent)))


def run(plan: Plan) -> Iterator[Figure]:
    with ExitStack() as stack:
        server = stack.enter_context(bench())
        grown = stack.enter_context(server.store("grown"))
        founded = stack.enter_context(server.store("founded"))
        in_use = min(plan.size, IN_USE_MAX)
        grown_place = _place(server, "grown", grown)
        credentials = filled(grown_place, plan.size)
        events = grown.last_position()
        turns = {
            f"{events:,} events": Turn(grown_place, credentials),
            f"{events:,} events, {in_use:,} credentials": Turn(grown_place, credentials[:in_use]),
        }
        rival = Turn(_place(server, "founded", founded), adopted(founded, in_use))
        with connected(grown_place.dsn) as connection:
            # The first change of a page after a checkpoint costs more: both ledgers begin after one.
            connection.execute("CHECKPOINT")
        for number in range(plan.rounds):
            for turn in (rival, *turns.values()):
                turn.take(seconds=plan.seconds, seed=number)
    for case, turn in turns.items():
        yield from _figures(case, turn, rival)


def _place(server: Bench, name: str, store: PostgresEventStore) -> Place:
    return Place(dsn=server.dsn(name), keys=store.keys)


def _figures(case: str, turn: Turn, rival: Turn) -> Iterator[Figure]:
    for what, unit, measure in MEASURES:
        yield Figure(
            bench="grown",
            case=f"{case}{what}",
            unit=unit,
            rounds=tuple(map(measure, turn.taken)),
            against=f"{AGAINST}{what}",
            against_rounds=tuple(map(measure, rival.taken)),
        )
