"""What a use costs: bytes kept, bytes of write-ahead log, processor time, against the plain library and pgbench."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

from psycopg import Connection, sql

from benchmarks.adopting import adopted
from benchmarks.callers import Place, UsesRecorded, call
from benchmarks.figure import Figure
from benchmarks.ledger import SINGLE_ROW, Bench, bench
from benchmarks.meter import Spent, metered
from benchmarks.plain_library import Cards
from benchmarks.plan import Plan
from sealbook.adapters.eventstore.postgres import connected
from sealbook.adapters.postgres.databases import create_database

CALLERS = 256
THREADS = 8
CLIENTS = 32
LIBRARY = f"eventsourcing library, {THREADS} threads"
PGBENCH = f"pgbench single-row commits, {CLIENTS} clients"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a number of uses, or of another's commits, spent together."""

    uses: int
    spent: Spent

    @property
    def wal_bytes(self) -> float:
        return self.spent.wal_bytes / self.uses

    @property
    def python_microseconds(self) -> float:
        return self.spent.python_seconds / self.uses * 1e6

    @property
    def postgres_microseconds(self) -> float:
        return self.spent.postgres_seconds / self.uses * 1e6


@dataclass(frozen=True, slots=True)
class Costs:
    """By round, what uses cost here and in the library, and pgbench's commits."""

    ours: list[Cost] = field(default_factory=list[Cost])
    library: list[Cost] = field(default_factory=list[Cost])
    pgbench: list[Cost] = field(default_factory=list[Cost])


class Table:
    """A table and how much it has grown, its indexes included, since it was first looked at."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self._name = name
        self._bytes, self._rows = self._size()

    @property
    def bytes_a_row(self) -> float:
        size, rows = self._size()
        return (size - self._bytes) / (rows - self._rows)

    def _size(self) -> tuple[float, int]:
        # A table that has no partitions is not in its own tree.
        ((size,),) = self._connection.execute(
            "SELECT sum(pg_total_relation_size(part))::float8 FROM ("
            " SELECT %(name)s::regclass UNION SELECT relid FROM pg_partition_tree(%(name)s::regclass)) AS of (part)",
            {"name": self._name},
        ).fetchall()
        counted = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(*self._name.split(".")))
        ((rows,),) = self._connection.execute(counted).fetchall()
        return size, rows


def run(plan: Plan) -> Iterator[Figure]:
    with ExitStack() as stack:
        server = stack.enter_context(bench())
        store = stack.enter_context(server.store("cost"))
        watcher = stack.enter_context(connected(server.dsn("cost")))
        library_dsn = create_database(server.server, "library")
        cards = Cards(library_dsn, threads=THREADS)
        stack.callback(cards.close)
        in_library = stack.enter_context(connected(library_dsn))
        server.create_single_rows()
        credentials, of_library = adopted(store, plan.size), cards.issued(plan.size)
        place, recorded = Place(dsn=server.dsn("cost"), keys=store.keys), UsesRecorded(watcher)
        events, commands = Table(watcher, "sealbook.events"), Table(watcher, "sealbook.commands")
        of_cards, costs = Table(in_library, "cards_events"), Costs()
        for number in range(plan.rounds):
            work = partial(call, place, credentials, callers=CALLERS, seconds=plan.seconds, seed=number)
            sample, spent = metered(watcher, work)
            recorded.check(acknowledged=sample.uses)
            costs.ours.append(Cost(sample.uses, spent))
            sample, spent = metered(watcher, partial(cards.call, of_library, threads=THREADS, seconds=plan.seconds))
            costs.library.append(Cost(sample.uses, spent))
            done, spent = metered(watcher, partial(_commits, server, plan.seconds))
            costs.pgbench.append(Cost(done, spent))
        yield _bytes("event with its indexes", events.bytes_a_row, LIBRARY, of_cards.bytes_a_row)
        content = _command_content(watcher)
        yield _bytes("command id with its index", commands.bytes_a_row, "its columns alone", content)
    yield from _of_costs(costs)


def _commits(server: Bench, seconds: float) -> int:
    with connected(server.server.dsn()) as connection:
        counted = "SELECT count(*) FROM single_rows"
        ((before,),) = connection.execute(counted).fetchall()
        server.pgbench(SINGLE_ROW, clients=CLIENTS, seconds=seconds)
        ((after,),) = connection.execute(counted).fetchall()
    return int(after - before)


def _command_content(connection: Connection) -> float:
    ((content,),) = connection.execute(
        "SELECT avg(pg_column_size(command) + pg_column_size(day) + pg_column_size(digest)"
        " + pg_column_size(stream) + pg_column_size(position))::float8 FROM sealbook.commands"
    ).fetchall()
    return float(content)


def _bytes(case: str, size: float, against: str, against_size: float) -> Figure:
    # A size does not vary between rounds: it is that of what all of them wrote.
    return Figure(
        bench="cost", case=case, unit="bytes", rounds=(size,), against=against, against_rounds=(against_size,)
    )


def _of_costs(costs: Costs) -> Iterator[Figure]:
    for against, rivals in ((LIBRARY, costs.library), (PGBENCH, costs.pgbench)):
        yield Figure(
            bench="cost",
            case="write-ahead log a use",
            unit="bytes",
            rounds=tuple(cost.wal_bytes for cost in costs.ours),
            against=against,
            against_rounds=tuple(cost.wal_bytes for cost in rivals),
        )
        yield Figure(
            bench="cost",
            case="PostgreSQL's processor time a use",
            unit="microseconds",
            rounds=tuple(cost.postgres_microseconds for cost in costs.ours),
            against=against,
            against_rounds=tuple(cost.postgres_microseconds for cost in rivals),
        )
    yield Figure(
        bench="cost",
        case="Python's processor time a use",
        unit="microseconds",
        rounds=tuple(cost.python_microseconds for cost in costs.ours),
        against=LIBRARY,
        against_rounds=tuple(cost.python_microseconds for cost in costs.library),
    )
