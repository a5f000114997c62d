"""The tables of the read models: what a row holds, and how one generation of them takes another's place.

What is said of a moment or of a stream here is the caller's: these tables know neither log nor fold.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Connection, sql

from sealbook.adapters.eventstore.codec import HEAD_SCHEMA, decode_head, encode_head
from sealbook.application.ports import LedgerDamaged
from sealbook.domain.credential import Application, Credential

SCHEMA = [1, HEAD_SCHEMA]
"""Of what make the models are: the version of these tables, then that of the states in them. The order of
lists is their age; tables from before there was this number have none."""
OUTDATED = [0]
"""Older than any make: what is built anew."""
BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
LIVE, NEXT = "", "_next"
REPLACE_WAIT_SECONDS = 30
"""How long what was built waits for those who read the old: longer than any of them reads."""

_TABLES: dict[str, LiteralString] = {
    "credentials": """
        stream uuid PRIMARY KEY, customer uuid NOT NULL, kind text NOT NULL, policy text NOT NULL,
        suspended boolean NOT NULL, revoked boolean NOT NULL, lapsed_at timestamptz, expires_at timestamptz,
        eligible_from timestamptz, state bytea NOT NULL
    """,
    "event_counts": "name text PRIMARY KEY, count bigint NOT NULL",
    "tracking": """
        one boolean PRIMARY KEY DEFAULT true CHECK (one), position bigint NOT NULL, latest_at timestamptz NOT NULL,
        schema integer[] NOT NULL
    """,
}
_INDEXES = {"credentials": "expires_at"}
_TYPES = ("uuid", "uuid", "text", "text", "bool", "bool", "timestamptz", "timestamptz", "timestamptz", "bytea")

State = Application | Credential
Row = tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far the models have come, the latest moment in them, and of what make they are."""

    position: int
    latest_at: datetime
    schema: list[int]


@dataclass(frozen=True, slots=True)
class Tables:
    """One generation of the tables, over one connection: the live one, or the next beside it."""

    connection: Connection
    generation: str

    def exist(self) -> bool:
        return self.number() is not None

    def number(self) -> int | None:
        """Return what tells these tables from others of their name, before or after them."""
        # Not by to_regclass, whose answer may come from before a lock was waited for.
        rows = self.run(
            "SELECT c.oid::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = 'sealbook_read' AND c.relname = %s",
            arguments=[f"credentials{self.generation}"],
        )
        return int(rows[0][0]) if rows else None

    def create(self) -> None:
        """Make the tables where there are none."""
        if self.exist():
            return
        with self.connection.transaction():
            # Two that create at once: the second waits here and finds the tables made.
            self.run("SELECT pg_advisory_xact_lock(hashtext('sealbook_read'))")
            if self.exist():
                return
            for table, columns in _TABLES.items():
                self.run("CREATE TABLE {} (" + columns + ")", self.name(table))
            self.run(
                "INSERT INTO {} (position, latest_at, schema) VALUES (0, %s, %s)",
                self.name("tracking"),
                arguments=[BEGINNING, SCHEMA],
            )
            for table, column in _INDEXES.items():
                self.run("CREATE INDEX ON {} ({})", self.name(table), sql.Identifier(column))

    def drop(self) -> None:
        for table in _TABLES:
            self.run("DROP TABLE IF EXISTS {}", self.name(table))

    def outdate(self) -> None:
        """Have these tables built anew by the next `catch_up`: the caller's transaction takes streams from the log."""
        # Neither while a rebuild goes on from what it has read, nor while somebody makes the tables unseen. In a
        # rebuild's own order of locks: in another the two would deadlock.
        self.run("SELECT pg_advisory_xact_lock(hashtext('sealbook_read rebuild'))")
        self.run("SELECT pg_advisory_xact_lock(hashtext('sealbook_read'))")
        # Tables of before there was a column for it are older already.
        if self.exist() and self.standing().schema:
            self.run("UPDATE {} SET schema = %s", self.name("tracking"), arguments=[OUTDATED])

    def replace(self, old: "Tables") -> None:
        """Take the place of another generation, within the caller's transaction."""
        self.run("SELECT set_config('lock_timeout', %s, true)", arguments=[f"{REPLACE_WAIT_SECONDS}s"])
        # A follower locks its tracking first, too: in another order the two would deadlock.
        self.run("LOCK TABLE {}", old.name("tracking"))
        old.drop()
        for table in _TABLES:
            self.run("ALTER TABLE {} RENAME TO {}", self.name(table), sql.Identifier(f"{table}{old.generation}"))
            self.run(
                "ALTER INDEX {} RENAME TO {}",
                sql.Identifier("sealbook_read", f"{table}{self.generation}_pkey"),
                sql.Identifier(f"{table}{old.generation}_pkey"),
            )

    def standing(self, *, locked: bool = False) -> Standing:
        """Return how far the models have come. Locked, a second follower waits, and goes on from where we got."""
        # Through JSON, for the tables of an older version lack the column.
        query: LiteralString = "SELECT position, latest_at, to_jsonb(t) -> 'schema' FROM {} t"
        ((position, latest_at, schema),) = self.run(query + (" FOR UPDATE" if locked else ""), self.name("tracking"))
        return Standing(position=int(position), latest_at=latest_at, schema=schema or [])

    def states(self, streams: Collection[UUID]) -> list[tuple[bytes, State]]:
        rows = self.run(
            "SELECT uuid_send(stream), state FROM {} WHERE stream = ANY (%b)",
            self.name("credentials"),
            arguments=[list(streams)],
        )
        return [(stream, state_of(state)) for stream, state in rows]

    def take_states(self, streams: Collection[UUID]) -> list[tuple[bytes, State]]:
        """Return the states that are there, and remove them: their new ones come by `copy_states`."""
        rows = self.run(
            "DELETE FROM {} WHERE stream = ANY (%b) RETURNING uuid_send(stream), state",
            self.name("credentials"),
            arguments=[list(streams)],
        )
        return [(stream, state_of(state)) for stream, state in rows]

    def copy_states(self, states: Iterable[tuple[bytes, State]]) -> None:
        """Write states of streams that have no row."""
        text = sql.SQL("COPY {} FROM STDIN (FORMAT BINARY)").format(self.name("credentials"))
        with self.connection.cursor().copy(text) as copy:
            copy.set_types(_TYPES)
            for stream, state in states:
                copy.write_row(row_of(stream, state))

    def write_states(self, states: Mapping[bytes, State]) -> None:
        """Write states, be there a row of theirs or not."""
        if not states:
            return
        self.run(
            "INSERT INTO {} SELECT * FROM unnest(%b::uuid[], %b::uuid[], %b::text[], %b::text[], %b::boolean[],"
            " %b::boolean[], %b::timestamptz[], %b::timestamptz[], %b::timestamptz[], %b::bytea[])"
            " ON CONFLICT (stream) DO UPDATE SET policy = excluded.policy, suspended = excluded.suspended,"
            " revoked = excluded.revoked, lapsed_at = excluded.lapsed_at, expires_at = excluded.expires_at,"
            " eligible_from = excluded.eligible_from, state = excluded.state",
            self.name("credentials"),
            arguments=[
                list(column) for column in zip(*(row_of(key, each) for key, each in states.items()), strict=True)
            ],
        )

    def add_counts(self, counts: Counter[str]) -> None:
        self.run(
            "INSERT INTO {} AS old SELECT * FROM unnest(%s::text[], %s::bigint[])"
            " ON CONFLICT (name) DO UPDATE SET count = old.count + excluded.count",
            self.name("event_counts"),
            arguments=[list(counts), list(counts.values())],
        )

    def advance(self, position: int, latest_at: datetime) -> None:
        self.run(
            "UPDATE {} SET position = %s, latest_at = greatest(latest_at, %s)",
            self.name("tracking"),
            arguments=[position, latest_at],
        )

    def name(self, table: str) -> sql.Identifier:
        return sql.Identifier("sealbook_read", f"{table}{self.generation}")

    def run(
        self, text: LiteralString, *names: sql.Composable, arguments: Sequence[object] = ()
    ) -> list[tuple[Any, ...]]:
        cursor = self.connection.execute(sql.SQL(text).format(*names), arguments, binary=True)
        return cursor.fetchall() if cursor.description else []


def row_of(stream: bytes, state: State) -> Row:
    common = (UUID(bytes=stream), state.customer, state.kind.value, str(state.policy))
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


def state_of(stored: bytes) -> State:
    state = decode_head(stored)
    if isinstance(state, Application | Credential):
        return state
    raise LedgerDamaged("a read model's row is not of a credential: run sealbook project --rebuild")
