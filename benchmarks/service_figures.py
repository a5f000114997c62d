"""The figures of the service, of what its rounds came to."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.callers import Sample
from benchmarks.figure import Figure
from benchmarks.http_load import Served
from benchmarks.meter import Spent
from benchmarks.privacyidea import NAME

FEW, MANY, CROWD, OVERLOAD = 8, 64, 256, 1_000
CONNECTIONS = (FEW, MANY, CROWD, OVERLOAD)
OWN_TOKENS = f"{MANY} connections, a new token each use"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a load came to, and what it cost the server's processes, PostgreSQL and the load generator."""

    served: Served
    server_seconds: float
    spent: Spent

    @property
    def server_microseconds(self) -> float:
        return self.server_seconds * 1_000_000 / self.served.answered

    @property
    def postgres_microseconds(self) -> float:
        return self.spent.postgres_seconds * 1_000_000 / self.served.answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """Uses of the ledger without the service, and what they cost."""

    sample: Sample
    spent: Spent

    @property
    def python_microseconds(self) -> float:
        return self.spent.python_seconds * 1_000_000 / self.sample.uses

    @property
    def postgres_microseconds(self) -> float:
        return self.spent.postgres_seconds * 1_000_000 / self.sample.uses


class Rounds:
    """What the rounds came to. `uses` and `alone` are by the number of connections, or of callers."""

    def __init__(self) -> None:
        self.uses = defaultdict[int, list[Cost]](list)
        self.alone = defaultdict[int, list[Alone]](list)
        self.uses_by_holders = list[Cost]()
        self.enrolments = list[Cost]()
        self.checks = list[Cost]()
        self.inits = list[Cost]()


class _Series(NamedTuple):
    """What was measured, by what name, round for round."""

    name: str
    rounds: tuple[float, ...]


def figures(rounds: Rounds) -> Iterator[Figure]:
    for connections in CONNECTIONS:
        ours, alone = rounds.uses[connections], rounds.alone[connections]
        case, against = _connections(connections), f"the ledger alone, {connections:,} callers"
        yield _figure(
            "uses/s", _rates(case, ours), _Series(against, tuple(each.sample.uses_a_second for each in alone))
        )
        for percent in (50, 99):
            rivals = tuple(each.sample.percentile_ms(percent) for each in alone)
            yield _figure("ms", _latencies(case, percent, ours), _Series(f"{against}, p{percent}", rivals))
    for connections in (CROWD, OVERLOAD):
        ours = rounds.uses[connections]
        yield _figure("sheds/s", _sheds(_connections(connections), ours), _rates("answered", ours))
    yield _figure("uses/s", _rates(OWN_TOKENS, rounds.uses_by_holders), _rates("a thousand tokens", rounds.uses[MANY]))
    yield from _of_processors(rounds.uses[MANY], rounds.alone[MANY])
    enrolling = _rates(f"enrolments, {FEW} connections", rounds.enrolments)
    yield _figure("enrolments/s", enrolling, _rates(f"uses, {FEW} connections", rounds.uses[FEW]))
    if rounds.checks:
        yield from _beside_the_rival(rounds, enrolling)


def _beside_the_rival(rounds: Rounds, enrolling: _Series) -> Iterator[Figure]:
    ours, checks, case = rounds.uses[FEW], rounds.checks, _connections(FEW)
    yield _figure("uses/s", _rates(case, ours), _rates(NAME, checks))
    for percent, of_rival in ((50, 50), (99, 50), (99, 99)):
        yield _figure("ms", _latencies(case, percent, ours), _latencies(NAME, of_rival, checks))
    yield _figure("enrolments/s", enrolling, _rates(f"{NAME}, token/init", rounds.inits))
    yield _figure(
        "ms",
        _latencies(f"enrolments, {FEW} connections", 99, rounds.enrolments),
        _latencies(f"{NAME}, token/init", 99, rounds.inits),
    )
    yield _figure("microseconds", _of_servers("service's processor time a use", ours), _of_servers(NAME, checks))
    yield _figure("microseconds", _of_postgres("PostgreSQL's processor time a use", ours), _of_postgres(NAME, checks))


def _of_processors(ours: Sequence[Cost], alone: Sequence[Alone]) -> Iterator[Figure]:
    """Yield what a use costs the computer, by who does it."""
    against, servers = "the ledger alone", _of_servers(f"service's processor time, {MANY} connections", ours)
    python = tuple(each.python_microseconds for each in alone)
    postgres = tuple(each.postgres_microseconds for each in alone)
    client = tuple(each.served.client_microseconds for each in ours)
    yield _figure("microseconds", servers, _Series(against, python))
    yield _figure(
        "microseconds",
        _of_postgres(f"PostgreSQL's processor time, {MANY} connections", ours),
        _Series(against, postgres),
    )
    yield _figure(
        "microseconds", _Series("load generator's processor time", client), _Series("the service's", servers.rounds)
    )


def _figure(unit: str, ours: _Series, rival: _Series) -> Figure:
    return Figure(
        bench="service", case=ours.name, unit=unit, rounds=ours.rounds, against=rival.name, against_rounds=rival.rounds
    )


def _rates(name: str, costs: Sequence[Cost]) -> _Series:
    return _Series(name, tuple(cost.served.answered_a_second for cost in costs))


def _sheds(name: str, costs: Sequence[Cost]) -> _Series:
    return _Series(f"{name}, told to come back", tuple(cost.served.shed / cost.served.seconds for cost in costs))


def _latencies(name: str, percent: int, costs: Sequence[Cost]) -> _Series:
    return _Series(f"{name}, p{percent}", tuple(cost.served.percentile_ms(percent) for cost in costs))


def _of_servers(name: str, costs: Sequence[Cost]) -> _Series:
    return _Series(name, tuple(cost.server_microseconds for cost in costs))


def _of_postgres(name: str, costs: Sequence[Cost]) -> _Series:
    return _Series(name, tuple(cost.postgres_microseconds for cost in costs))


def _connections(count: int) -> str:
    return f"{count:,} connections"
