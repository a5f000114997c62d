"""How long a question about one credential takes, against a bare round trip on the same connection."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import cycle
from uuid import UUID

from benchmarks.adopting import adopted
from benchmarks.callers import percentile, use_of
from benchmarks.figure import Figure
from benchmarks.ledger import bench
from benchmarks.plan import Plan
from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.application import questions
from sealbook.application.ledger import execute
from sealbook.application.names import NameKind

SHORT = 10
SHORT_ONES = 100
"""So many credentials with a short history, asked about in turns."""
BATCH = 1_000
ROUND_TRIP = "SELECT 1"
QUESTIONS_MIN = 3
"""A round asks at least so often, however long an answer takes."""

Question = Callable[[str], object]


def run(plan: Plan) -> Iterator[Figure]:
    taken = defaultdict[str, list[list[float]]](list)
    with bench() as place, place.store("queries") as store:
        known = {SHORT: adopted(store, SHORT_ONES), plan.size: adopted(store, 1)}
        midway = {events: _let_live(store, credentials, events) for events, credentials in known.items()}
        for _ in range(plan.rounds):
            taken[ROUND_TRIP].append(_asked(lambda _: _round_trip(store), known[SHORT], plan.seconds))
            for events, credentials in known.items():
                for what, question in _questions(store, past=midway[events]).items():
                    taken[f"{what}, {events:,} events"].append(_asked(question, credentials, plan.seconds))
    bare = taken.pop(ROUND_TRIP)
    for case, rounds in taken.items():
        for percent in (50, 99):
            yield Figure(
                bench="queries",
                case=f"{case}, p{percent}",
                unit="ms",
                rounds=tuple(percentile(each, percent) for each in rounds),
                against=f"{ROUND_TRIP}, p{percent}",
                against_rounds=tuple(percentile(each, percent) for each in bare),
            )


def _let_live(store: PostgresEventStore, credentials: Sequence[UUID], events: int) -> datetime:
    """Use credentials in turns until each has so many events; return a moment when each had half of them."""
    uses = [use_of(credential) for _ in range(events - 1) for credential in credentials]
    for start in range(0, len(uses), BATCH):
        execute(store, uses[start : start + BATCH])
    if any(len(store.stream(credential)) != events for credential in credentials):
        raise RuntimeError(f"a credential has not {events} events: nothing is measured on it")
    return store.stream(credentials[-1])[events // 2].event.at


def _questions(store: PostgresEventStore, *, past: datetime) -> dict[str, Question]:
    now = datetime.now(UTC)
    return {
        "show": lambda name: questions.show(store, name, as_of=now, known_at=None),
        "show as of the past": lambda name: questions.show(store, name, as_of=past, known_at=None),
        "history": lambda name: questions.history(store, name, kinds=[NameKind.CREDENTIAL], as_of=None, known_at=None),
    }


def _round_trip(store: PostgresEventStore) -> object:
    return store.connection.execute(ROUND_TRIP).fetchone()


def _asked(question: Question, credentials: Sequence[UUID], seconds: float) -> list[float]:
    """Ask about the credentials in turns for a time; return how long each answer took, in ms."""
    taken_ms, names = list[float](), cycle(map(str, credentials))
    until = time.perf_counter() + seconds
    while len(taken_ms) < QUESTIONS_MIN or time.perf_counter() < until:
        begun = time.perf_counter()
        question(next(names))
        taken_ms.append((time.perf_counter() - begun) * 1_000)
    return taken_ms
