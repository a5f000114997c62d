"""Durable uses a second over the whole path of one synchronous writer, against pgbench's single-row commits."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

from benchmarks.figure import Figure
from benchmarks.ledger import POLICY, Bench, bench
from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.ids import new_id
from sealbook.application.adopting import AdoptIssued
from sealbook.application.commands import Command
from sealbook.application.ledger import execute
from sealbook.application.names import Name, NameKind
from sealbook.application.requests import OnCredential
from sealbook.domain.credential import Use
from sealbook.domain.values import Kind

CREDENTIALS = 5_000
SECONDS = 3
BATCHES = (1, 32, 256)
INSERT = "INSERT INTO pgbench_rows (body) VALUES ('twohundredbytes' || repeat('x', 185));"


def run(rounds: int) -> Iterator[Figure]:
    with bench() as place, place.store("uses") as store:
        names = _issued(store)
        _create_table(place)
        measured: dict[int, list[float]] = {batch: [] for batch in BATCHES}
        ceiling: list[float] = []
        for number in range(rounds):
            ceiling.append(place.pgbench(INSERT, clients=32, seconds=SECONDS))
            for batch in BATCHES:
                measured[batch].append(_uses_a_second(store, names, batch, Random(number)))
        for batch, values in measured.items():
            yield Figure(
                bench="uses",
                case=f"one writer, batch {batch}",
                unit="uses/s",
                rounds=tuple(values),
                against="pgbench single-row commits, 32 clients",
                against_rounds=tuple(ceiling),
            )


def _issued(store: PostgresEventStore) -> list[Name]:
    at = datetime.now(UTC) - timedelta(days=100)
    names = [Name(NameKind.CREDENTIAL, f"B{number}") for number in range(CREDENTIALS)]
    requests = [
        AdoptIssued(
            at=at,
            credential=new_id(),
            name=name,
            customer=Name(NameKind.CUSTOMER, name.value),
            customer_stream=new_id(),
            kind=Kind.KB_MOBILE_CERTIFICATE,
            policy=POLICY.ref,
            provenance="bench",
        )
        for name in names
    ]
    for start in range(0, CREDENTIALS, 1_000):
        batch = requests[start : start + 1_000]
        execute(store, [Command(request=each, command_id=None, actor="bench", channel="bench") for each in batch])
    return names


def _create_table(place: Bench) -> None:
    place.pgbench(
        "CREATE TABLE IF NOT EXISTS pgbench_rows (id bigserial PRIMARY KEY, body text);", clients=1, seconds=1
    )


def _uses_a_second(store: PostgresEventStore, names: list[Name], batch: int, random: Random) -> float:
    done, begun = 0, time.perf_counter()
    while time.perf_counter() < begun + SECONDS:
        commands = [
            Command(
                request=OnCredential(credential=name, command=Use(at=datetime.now(UTC))),
                command_id=new_id(),
                actor="holder",
                channel="app",
            )
            for name in random.sample(names, batch)
        ]
        outcomes = execute(store, commands)
        done += sum(outcome.accepted for outcome in outcomes)
    return done / (time.perf_counter() - begun)
