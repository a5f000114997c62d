"""Durable uses a second over the whole path, against the plain library and pgbench's single-row commits."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from uuid import UUID

from benchmarks.adopting import adopted
from benchmarks.callers import Place, Sample, UsesRecorded, call
from benchmarks.figure import Figure
from benchmarks.ledger import SINGLE_ROW, bench
from benchmarks.plain_library import Cards
from benchmarks.plan import Plan
from benchmarks.writers import routed, writer_processes
from sealbook.adapters.postgres.databases import create_database

CALLERS = (1, 8, 32, 256, 1_000)
THREADS = (1, 8)
CLIENTS = (1, 32)
WRITERS = (2, 4)
ONE_WRITER = "one writer"
CALLERS_OF_WRITERS = 256


def run(plan: Plan) -> Iterator[Figure]:
    ours, library = defaultdict[str, list[Sample]](list), defaultdict[int, list[Sample]](list)
    commits = defaultdict[int, list[float]](list)
    with ExitStack() as stack:
        server = stack.enter_context(bench())
        store = stack.enter_context(server.store("uses"))
        writers = stack.enter_context(writer_processes(max(WRITERS)))
        cards = Cards(create_database(server.server, "library"), threads=max(THREADS))
        stack.callback(cards.close)
        server.create_single_rows()
        credentials, of_library = adopted(store, plan.size), cards.issued(plan.size)
        place, recorded = Place(dsn=server.dsn("uses"), keys=store.keys), UsesRecorded(store.connection)
        shares = _shares(credentials)
        for number in range(plan.rounds):
            for clients in CLIENTS:
                commits[clients].append(server.pgbench(SINGLE_ROW, clients=clients, seconds=plan.seconds))
            for threads in THREADS:
                library[threads].append(cards.call(of_library, threads=threads, seconds=plan.seconds))
            for callers in CALLERS:
                sample = call(place, credentials, callers=callers, seconds=plan.seconds, seed=number)
                recorded.check(acknowledged=sample.uses)
                ours[_callers(callers)].append(sample)
            for case, share in shares.items():
                sample = writers.call(place, share, callers=CALLERS_OF_WRITERS, seconds=plan.seconds)
                recorded.check(acknowledged=sample.uses)
                ours[case].append(sample)
    yield from _of_callers(ours, library, commits)
    yield from _of_writers(ours)
    yield from _of_library(library, commits)


def _shares(credentials: Sequence[UUID]) -> dict[str, Sequence[Sequence[UUID]]]:
    """Return, by case, the credentials that each writer's callers use."""
    shares: dict[str, Sequence[Sequence[UUID]]] = {ONE_WRITER: [credentials]}
    for writers in WRITERS:
        shares[f"{writers} writers, same streams"] = [credentials] * writers
        shares[f"{writers} writers, routed streams"] = routed(credentials, writers=writers)
    return shares


def _of_callers(
    ours: dict[str, list[Sample]], library: dict[int, list[Sample]], commits: dict[int, list[float]]
) -> Iterator[Figure]:
    for callers in CALLERS:
        clients = min(CLIENTS) if callers == 1 else max(CLIENTS)
        yield _rate(_callers(callers), ours[_callers(callers)], _pgbench(clients), commits[clients])
    for callers in CALLERS:
        # One caller beside one thread; many beside what the library makes of many.
        case, threads = _callers(callers), min(THREADS) if callers == 1 else max(THREADS)
        yield _rate(case, ours[case], _library(threads), _rates(library[threads]))
        for percent in (50, 99):
            yield _latency(case, percent, ours[case], _library(threads), library[threads])


def _of_writers(ours: dict[str, list[Sample]]) -> Iterator[Figure]:
    one = ours[ONE_WRITER]
    for case in (each for each in ours if " writers, " in each):
        named = f"{case}, {CALLERS_OF_WRITERS} callers"
        yield _rate(named, ours[case], ONE_WRITER, _rates(one))
        for percent in (50, 99):
            yield _latency(named, percent, ours[case], ONE_WRITER, one)


def _of_library(library: dict[int, list[Sample]], commits: dict[int, list[float]]) -> Iterator[Figure]:
    for threads, clients in zip(THREADS, CLIENTS, strict=True):
        yield _rate(_library(threads), library[threads], _pgbench(clients), commits[clients])


def _rate(case: str, samples: list[Sample], against: str, against_rounds: list[float]) -> Figure:
    return Figure(
        bench="uses",
        case=case,
        unit="uses/s",
        rounds=tuple(_rates(samples)),
        against=against,
        against_rounds=tuple(against_rounds),
    )


def _latency(case: str, percent: int, samples: list[Sample], against: str, rivals: list[Sample]) -> Figure:
    return Figure(
        bench="uses",
        case=f"{case}, p{percent}",
        unit="ms",
        rounds=tuple(sample.percentile_ms(percent) for sample in samples),
        against=f"{against}, p{percent}",
        against_rounds=tuple(rival.percentile_ms(percent) for rival in rivals),
    )


def _rates(samples: list[Sample]) -> list[float]:
    return [sample.uses_a_second for sample in samples]


def _callers(callers: int) -> str:
    return f"{callers:,} caller{'s' * (callers > 1)}"


def _library(threads: int) -> str:
    return f"eventsourcing library, {threads} thread{'s' * (threads > 1)}"


def _pgbench(clients: int) -> str:
    return f"pgbench single-row commits, {clients} client{'s' * (clients > 1)}"
