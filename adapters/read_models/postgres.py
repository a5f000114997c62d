"""Current states and counts as tables: filled from the log in batches, rebuilt beside the old, swapped.

A batch's rows and the tracking position that they reach are written in one transaction: a crash
between the two would count events twice. The fold is the domain's own.
"""

import os
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection

from sealbook.adapters.collecting import seldom_collected
from sealbook.adapters.eventstore.postgres import translated
from sealbook.adapters.eventstore.reach import conninfo
from sealbook.adapters.eventstore.schema import BOOK
from sealbook.adapters.read_models.folding import Folded, LogShare, apart_between, events_between, fold_share
from sealbook.adapters.read_models.tables import (
    BEGINNING,
    LIVE,
    NEXT,
    SCHEMA,
    Standing,
    Tables,
    row_of,
    state_of,
)
from sealbook.adapters.read_models.worker import least_position, results, workers
from sealbook.application.ports import EventStore, Lag, LedgerDamaged, ReadModelsElsewhere
from sealbook.domain.catalogue import Event
from sealbook.domain.errors import Refused
from sealbook.projections.counts import Tally, add, streams_of_credentials

EVENTS_A_BATCH = 2_000
"""Of a follower, each batch being a transaction: docs/decisions/0016 has the figures of other sizes."""
EVENTS_A_WORKER = 20_000
"""Below this, a rebuild is done before a second process would have begun."""
WORKERS_MAX = 4

Advanced = Callable[[int], None]

_LAG = """
    SELECT b.position, extract(epoch FROM clock_timestamp() - e.recorded_at)::double precision
    FROM sealbook.books b
    LEFT JOIN sealbook.events e ON e.book = b.book AND e.position = %s + 1
    WHERE b.book = %s
"""


def _unheard(_position: int) -> None:
    """Nobody asks how far it is."""


class PostgresReadModels:
    """The read models of one ledger, over the event store's own connection.

    `workers` is how many processes fold a rebuild, this one included; by default as many as there are processors
    to use, and one for a small ledger. The others connect by themselves, to where the connection leads.
    """

    def __init__(self, connection: Connection, store: EventStore, *, workers: int | None = None) -> None:
        self._connection = connection
        self._store = store
        self._workers = workers
        self._live = Tables(connection, LIVE)

    def catch_up(self, *, advanced: Advanced = _unheard) -> int:
        """Read the log from where the models stand to its end; return the position reached.

        Models that an older version made are built anew, and those of a log from which streams were set apart. Raises
        ReadModelsElsewhere for those of a newer one, and for those that somebody else is building.
        """
        with translated():
            self._live.create()
            standing = self._live.standing()
            # A long log is folded faster from its beginning by a rebuild, so the first time is one, too.
            from_nothing = standing.position == 0 and self._store.last_position() > EVENTS_A_WORKER
            if standing.schema < SCHEMA or from_nothing:
                return self.rebuild(advanced=advanced)
            try:
                return self._follow(self._live, advanced)
            except ReadModelsElsewhere:
                # They may have become older between two batches.
                if self._live.standing().schema >= SCHEMA:
                    raise
                return self.rebuild(advanced=advanced)

    def rebuild(self, *, advanced: Advanced = _unheard) -> int:
        """Build the models anew beside the old, then put them in their place; return the position reached.

        Until then, and if this is interrupted, the old ones answer.
        """
        built = Tables(self._connection, NEXT)
        with translated(), self._rebuilding():
            self._live.create()
            built.drop()
            built.create()
            self._fold_log(built, advanced)
            self._follow(built, advanced)
            with self._connection.transaction():
                built.replace(self._live)
            return self._follow(self._live, advanced)

    def lag(self) -> Lag:
        """Return how far the models are behind the book, in positions and in seconds of the database's clock."""
        with translated(), self._snapshot() as standing:
            position = 0 if standing is None else standing.position
            ((last, seconds),) = self._live.run(_LAG, arguments=[position, BOOK])
        return Lag(position=position, positions=max(last - position, 0), seconds=max(seconds or 0.0, 0.0))

    def tally(self, *, as_of: datetime) -> Tally | None:
        """Return the tally of all that the models hold.

        None if something in it lies after the moment asked about, or if another version made the models.
        """
        with translated(), self._snapshot() as standing:
            if standing is None or standing.schema != SCHEMA or standing.latest_at > as_of:
                return None
            counts = self._live.run("SELECT name, count FROM {}", self._live.name("event_counts"))
            states = self._live.run("SELECT stream, state FROM {}", self._live.name("credentials"))
        return Tally(events=Counter(dict(counts)), credentials={stream: state_of(state) for stream, state in states})

    def differences(self) -> list[str]:
        """Return where the models differ from a fold of the log up to their own position.

        Models that another version made answer nothing, and are not compared.
        """
        with translated(), self._snapshot() as standing:
            if standing is None or standing.schema != SCHEMA:
                return []
            rows = self._live.run("SELECT * FROM {}", self._live.name("credentials"))
            counts = dict(self._live.run("SELECT name, count FROM {}", self._live.name("event_counts")))
        try:
            return list(self._unlike_fold(standing, {row[0]: tuple(row) for row in rows}, counts))
        except (LedgerDamaged, Refused, TypeError) as error:
            return [f"the read models cannot be compared, for the log does not fold: {error}"]

    def _unlike_fold(
        self, standing: Standing, rows: Mapping[Any, object], counts: Mapping[Any, object]
    ) -> Iterator[str]:
        folded = Tally()
        after, latest = 0, BEGINNING
        while after < standing.position:
            read = self._store.read(after=after, limit=EVENTS_A_BATCH)
            events = [each for each in read if each.position <= standing.position]
            if not events:
                break
            folded.add([(recorded.stream, recorded.event) for recorded in events])
            latest = max(latest, *(recorded.event.at for recorded in events))
            after = events[-1].position
        if self._store.last_position() < standing.position:
            yield f"the read models stand at position {standing.position}, the log ends at {after}"
            return
        yield from _unlike(
            "row of credential", rows, {key: row_of(key.bytes, each) for key, each in folded.credentials.items()}
        )
        yield from _unlike("count of", counts, folded.events)
        if standing.latest_at != latest:
            yield "the read models' latest moment is not that of the log"

    @contextmanager
    def _snapshot(self) -> Generator[Standing | None]:
        """See everything as of one instant; give how far the models are, None where there are none."""
        there = self._live.exist()
        with self._connection.transaction():
            self._live.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            if there:
                # Before the first question fixes the instant: had a rebuild ended between the two, we would see
                # its tables as they were while it filled them.
                self._live.run("LOCK TABLE {} IN ACCESS SHARE MODE", self._live.name("tracking"))
            yield self._live.standing() if there else None

    @contextmanager
    def _rebuilding(self) -> Generator[None]:
        """Be the only one to rebuild, and leave no table that was not put in its place. Raises ReadModelsElsewhere."""
        ((alone,),) = self._live.run("SELECT pg_try_advisory_lock(hashtext('sealbook_read rebuild'))")
        if not alone:
            raise ReadModelsElsewhere("another rebuild is under way: wait until it ends")
        try:
            yield
        finally:
            if not self._connection.broken:
                Tables(self._connection, NEXT).drop()
                self._live.run("SELECT pg_advisory_unlock(hashtext('sealbook_read rebuild'))")

    def _fold_log(self, tables: Tables, advanced: Advanced) -> None:
        """Fold the log up to where it stands now, each process a share of its streams."""
        until, number = self._store.last_position(), tables.number()
        if not until or number is None:
            return
        processes = self._processes(until)
        own, *others = [
            LogShare(number=each, shares=processes, until=until, tables=number) for each in range(processes)
        ]
        with workers(conninfo(self._connection), others) as begun, seldom_collected():

            def advanced_all(position: int) -> None:
                others_position = least_position(begun)
                advanced(min(position, others_position) if begun else position)

            folded = [fold_share(tables, own, advanced=advanced_all), *results(begun, advanced=advanced)]
        self._note(tables, until, folded)

    def _note(self, tables: Tables, until: int, shares: list[Folded]) -> None:
        counts = sum((share.counts for share in shares), Counter[str]())
        missing = until - counts.total() - apart_between(self._connection, 0, until)
        if missing:
            raise LedgerDamaged(f"of the first {until:,} events {missing:,} are missing: run sealbook fsck")
        with self._connection.transaction():
            tables.add_counts(counts)
            tables.advance(until, max(share.latest_at for share in shares))

    def _processes(self, events: int) -> int:
        if self._workers is not None:
            return self._workers
        return min(_processors(), WORKERS_MAX, 1 + events // EVENTS_A_WORKER)

    def _follow(self, tables: Tables, advanced: Advanced) -> int:
        while True:
            with self._connection.transaction():
                # Locked: a second follower waits, and then goes on from where this one got.
                standing = tables.standing(locked=True)
                if standing.schema != SCHEMA:
                    raise ReadModelsElsewhere(
                        "the read models are of another version: use that one, or run sealbook project --rebuild"
                    )
                after = standing.position
                until = min(after + EVENTS_A_BATCH, self._store.last_position())
                if until <= after:
                    return after
                events = events_between(self._connection, after, until)
                after = until
                self._apply(tables, events, after)
            advanced(after)

    def _apply(self, tables: Tables, events: list[tuple[bytes, Event]], position: int) -> None:
        counts = Counter[str]()
        touched = streams_of_credentials(events)
        states = dict(tables.states([UUID(bytes=stream) for stream in touched]))
        add(events, counts=counts, credentials=states)
        tables.write_states(states)
        tables.add_counts(counts)
        tables.advance(position, max((event.at for _, event in events), default=BEGINNING))


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _unlike(what: str, kept: Mapping[Any, object], folded: Mapping[Any, object]) -> Iterator[str]:
    for key in sorted(kept.keys() | folded.keys(), key=str):
        if kept.get(key) != folded.get(key):
            yield f"the read models' {what} {key} is not the fold of the log"
