"""Current states and counts as tables: filled from the log in batches, rebuilt beside the old, swapped.

A batch's rows and the tracking position that they reach are written in one transaction: a crash
between the two would count events twice. The fold is the domain's own.
"""

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Connection, sql

from sealbook.adapters.eventstore.codec import decode_head, encode_head
from sealbook.adapters.eventstore.postgres import translated
from sealbook.application.ports import EventStore, LedgerDamaged, Unavailable
from sealbook.domain import credential
from sealbook.domain.catalogue import RecordedEvent
from sealbook.domain.credential import Application, Credential
from sealbook.domain.errors import Refused
from sealbook.projections.counts import Tally

EVENTS_A_BATCH = 2_000
BEGINNING = datetime(1, 1, 1, tzinfo=UTC)

_TABLES: dict[str, LiteralString] = {
    "credentials": """
        stream uuid PRIMARY KEY, customer uuid NOT NULL, kind text NOT NULL, policy text NOT NULL,
        suspended boolean NOT NULL, revoked boolean NOT NULL, lapsed_at timestamptz, expires_at timestamptz,
        eligible_from timestamptz, state bytea NOT NULL
    """,
    "event_counts": "name text PRIMARY KEY, count bigint NOT NULL",
    "tracking": """
        one boolean PRIMARY KEY DEFAULT true CHECK (one), position bigint NOT NULL, latest_at timestamptz NOT NULL
    """,
}
_INDEXES = {"credentials": "expires_at"}
LIVE, NEXT = "", "_next"


class PostgresReadModels:
    """The read models of one ledger, over the event store's own connection."""

    def __init__(self, connection: Connection, store: EventStore) -> None:
        self._connection = connection
        self._store = store

    def catch_up(self, *, advanced: Callable[[int], None] = lambda _position: None) -> int:
        """Read the log from where the models stand to its end; return the position reached."""
        with translated():
            self._create(LIVE)
            return self._follow(LIVE, advanced)

    def rebuild(self, *, advanced: Callable[[int], None] = lambda _position: None) -> int:
        """Build the models anew beside the old, then put them in their place; return the position reached.

        Until then, and if this is interrupted, the old ones answer.
        """
        with translated(), self._rebuilding():
            self._create(LIVE)
            self._drop(NEXT)
            self._create(NEXT)
            self._follow(NEXT, advanced)
            with self._connection.transaction():
                # A follower locks its tracking first, too: in another order the two would deadlock.
                self._run("LOCK TABLE {}", _name("tracking", LIVE))
                self._drop(LIVE)
                for table in _TABLES:
                    self._run("ALTER TABLE {} RENAME TO {}", _name(table, NEXT), sql.Identifier(table))
                    self._run(
                        "ALTER INDEX {} RENAME TO {}", _name(f"{table}{NEXT}_pkey", ""), sql.Identifier(f"{table}_pkey")
                    )
            return self.catch_up(advanced=advanced)

    def tally(self, *, as_of: datetime) -> Tally | None:
        """Return the tally of the whole log, or None if something in it lies after the moment asked about."""
        with translated(), self._connection.transaction():
            # One snapshot: a follower may write between two of these.
            self._run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            row = self._run("SELECT latest_at FROM {}", _name("tracking", LIVE))
            if not row or row[0][0] > as_of:
                return None
            counts = self._run("SELECT name, count FROM {}", _name("event_counts", LIVE))
            states = self._run("SELECT stream, state FROM {}", _name("credentials", LIVE))
        return Tally(events=Counter(dict(counts)), credentials={stream: _state(state) for stream, state in states})

    def differences(self) -> list[str]:
        """Return where the models differ from a fold of the log up to their own position."""
        with translated(), self._connection.transaction():
            if not self._exists(LIVE):
                return []
            position = self._position(LIVE)
            rows = self._run("SELECT * FROM {}", _name("credentials", LIVE))
            counts = dict(self._run("SELECT name, count FROM {}", _name("event_counts", LIVE)))
            ((latest_at,),) = self._run("SELECT latest_at FROM {}", _name("tracking", LIVE))
        try:
            return list(self._unlike_fold(position, {row[0]: tuple(row) for row in rows}, counts, latest_at))
        except (LedgerDamaged, Refused, TypeError) as error:
            return [f"the read models cannot be compared, for the log does not fold: {error}"]

    def _unlike_fold(
        self, position: int, rows: Mapping[Any, object], counts: Mapping[Any, object], latest_at: datetime
    ) -> Iterator[str]:
        folded = Tally()
        after, latest = 0, BEGINNING
        while after < position:
            events = self._store.read(after=after, limit=min(EVENTS_A_BATCH, position - after))
            if not events:
                yield f"the read models stand at position {position}, the log ends at {after}"
                return
            for recorded in events:
                folded.apply(recorded)
                latest = max(latest, recorded.event.at)
            after = events[-1].position
        yield from _unlike(
            "row of credential", rows, {key: _row(key, each) for key, each in folded.credentials.items()}
        )
        yield from _unlike("count of", counts, folded.events)
        if latest_at != latest:
            yield "the read models' latest moment is not that of the log"

    @contextmanager
    def _rebuilding(self) -> Generator[None]:
        """Be the only one to rebuild. Raises Unavailable."""
        ((alone,),) = self._run("SELECT pg_try_advisory_lock(hashtext('sealbook_read rebuild'))")
        if not alone:
            raise Unavailable("another rebuild is under way: wait until it ends")
        try:
            yield
        finally:
            self._run("SELECT pg_advisory_unlock(hashtext('sealbook_read rebuild'))")

    def _follow(self, generation: str, advanced: Callable[[int], None]) -> int:
        while True:
            with self._connection.transaction():
                position = self._position(generation)
                events = self._store.read(after=position, limit=EVENTS_A_BATCH)
                if not events:
                    return position
                self._apply(events, generation)
            advanced(events[-1].position)

    def _position(self, generation: str) -> int:
        # Locked: a second follower waits, and then goes on from where this one got.
        ((position,),) = self._run("SELECT position FROM {} FOR UPDATE", _name("tracking", generation))
        return int(position)

    def _apply(self, events: Sequence[RecordedEvent], generation: str) -> None:
        touched = {recorded.stream for recorded in events if isinstance(recorded.event, credential.Event)}
        states = self._run(
            "SELECT stream, state FROM {} WHERE stream = ANY (%s)",
            _name("credentials", generation),
            arguments=[list(touched)],
        )
        batch = Tally(credentials={stream: _state(state) for stream, state in states})
        for recorded in events:
            batch.apply(recorded)
        self._write_states(batch.credentials, generation)
        self._write_counts(batch.events, generation)
        self._run(
            "UPDATE {} SET position = %s, latest_at = greatest(latest_at, %s)",
            _name("tracking", generation),
            arguments=[events[-1].position, max(recorded.event.at for recorded in events)],
        )

    def _write_states(self, states: dict[UUID, Application | Credential], generation: str) -> None:
        rows = [_row(stream, state) for stream, state in states.items()]
        if not rows:
            return
        self._run(
            "INSERT INTO {} SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::boolean[],"
            " %s::boolean[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[], %s::bytea[])"
            " ON CONFLICT (stream) DO UPDATE SET policy = excluded.policy, suspended = excluded.suspended,"
            " revoked = excluded.revoked, lapsed_at = excluded.lapsed_at, expires_at = excluded.expires_at,"
            " eligible_from = excluded.eligible_from, state = excluded.state",
            _name("credentials", generation),
            arguments=[list(column) for column in zip(*rows, strict=True)],
        )

    def _write_counts(self, counts: Counter[str], generation: str) -> None:
        self._run(
            "INSERT INTO {} AS old SELECT * FROM unnest(%s::text[], %s::bigint[])"
            " ON CONFLICT (name) DO UPDATE SET count = old.count + excluded.count",
            _name("event_counts", generation),
            arguments=[list(counts), list(counts.values())],
        )

    def _exists(self, generation: str) -> bool:
        ((there,),) = self._run("SELECT to_regclass(%s) IS NOT NULL", arguments=[f"sealbook_read.tracking{generation}"])
        return bool(there)

    def _create(self, generation: str) -> None:
        if self._exists(generation):
            return
        with self._connection.transaction():
            # Two that create at once: the second waits here and finds the tables made.
            self._run("SELECT pg_advisory_xact_lock(hashtext('sealbook_read'))")
            for table, columns in _TABLES.items():
                self._run("CREATE TABLE IF NOT EXISTS {} (" + columns + ")", _name(table, generation))
            self._run(
                "INSERT INTO {} (position, latest_at) VALUES (0, %s) ON CONFLICT DO NOTHING",
                _name("tracking", generation),
                arguments=[BEGINNING],
            )
            for table, column in _INDEXES.items():
                self._run("CREATE INDEX ON {} ({})", _name(table, generation), sql.Identifier(column))

    def _drop(self, generation: str) -> None:
        for table in _TABLES:
            self._run("DROP TABLE IF EXISTS {}", _name(table, generation))

    def _run(
        self, text: LiteralString, *names: sql.Composable, arguments: Sequence[object] = ()
    ) -> list[tuple[Any, ...]]:
        cursor = self._connection.execute(sql.SQL(text).format(*names), arguments)
        return cursor.fetchall() if cursor.description else []


def _name(table: str, generation: str) -> sql.Identifier:
    return sql.Identifier("sealbook_read", f"{table}{generation}")


def _row(stream: UUID, state: Application | Credential) -> tuple[object, ...]:
    common = (stream, state.customer, state.kind.value, str(state.policy))
    if isinstance(state, Application):
        return (*common, False, False, state.ended_at, None, None, encode_head(state))
    return (
        *common,
        state.suspended,
        state.revoked,
        state.lapsed_at,
        state.expires_at,
        state.term.bounds.eligible_from,
        encode_head(state),
    )


def _state(stored: bytes) -> Application | Credential:
    state = decode_head(stored)
    if isinstance(state, Application | Credential):
        return state
    raise LedgerDamaged("a read model's row is not of a credential: run sealbook project --rebuild")


def _unlike(what: str, kept: Mapping[Any, object], folded: Mapping[Any, object]) -> Iterator[str]:
    for key in sorted(kept.keys() | folded.keys(), key=str):
        if kept.get(key) != folded.get(key):
            yield f"the read models' {what} {key} is not the fold of the log"
