"""What is read from the database when metrics are asked for: how far behind what follows the log is."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Lock
from time import monotonic
from typing import NamedTuple

import psycopg
from psycopg import Connection

from sealbook.adapters.eventstore.postgres import connected, translated
from sealbook.adapters.eventstore.schema import BOOK
from sealbook.adapters.observing.metrics import Described, Kind, label_value
from sealbook.application.ports import LedgerDamaged, Unavailable

KEPT_SECONDS = 5.0
"""How long an answer is given again: several who scrape ask the database once."""
ANSWER_MILLISECONDS_MAX = 2_000
READ_MODELS = "read_models"
_SEAL = "seal"

UP = Described(name="sealbook_database_up", kind=Kind.GAUGE, says="1 if the database answered; 0 if not.")
POSITION = Described(name="sealbook_position", kind=Kind.GAUGE, says="The ledger's last position.")
LAG_POSITIONS = Described(
    name="sealbook_lag_positions",
    kind=Kind.GAUGE,
    says="How many positions a follower of the log is behind, by its name.",
    labels=("projection",),
)
LAG_SECONDS = Described(
    name="sealbook_lag_seconds",
    kind=Kind.GAUGE,
    says="Age of the first event that a follower has not read; 0 where none is left.",
    labels=("projection",),
)
SEAL_POSITIONS = Described(
    name="sealbook_seal_age_positions",
    kind=Kind.GAUGE,
    says="Events that are not sealed; absent before the first seal.",
)
SEAL_SECONDS = Described(
    name="sealbook_seal_age_seconds", kind=Kind.GAUGE, says="Age of the first event that is not sealed."
)
OUTBOX = Described(
    name="sealbook_outbox_age_seconds",
    kind=Kind.GAUGE,
    says="Age of the oldest message that was not delivered; 0 where none is left.",
)
SNAPSHOT_TRANSACTIONS = Described(
    name="sealbook_oldest_snapshot_transactions",
    kind=Kind.GAUGE,
    says="Transactions begun since the oldest snapshot that is held in the database: it slows the book's row.",
)
SNAPSHOT_SECONDS = Described(
    name="sealbook_oldest_snapshot_seconds",
    kind=Kind.GAUGE,
    says="Age of the oldest transaction that holds a snapshot, of those that the role may see.",
)
READ = (
    *(UP, POSITION, LAG_POSITIONS, LAG_SECONDS, SEAL_POSITIONS, SEAL_SECONDS),
    *(OUTBOX, SNAPSHOT_TRANSACTIONS, SNAPSHOT_SECONDS),
)

_READ_MODELS_THERE = "SELECT to_regclass('sealbook_read.tracking') IS NOT NULL"
_READ_MODELS_AT = "SELECT position FROM sealbook_read.tracking"
_LAGS = """
    SELECT t.name, b.position, greatest(b.position - t.position, 0),
           coalesce(greatest(extract(epoch FROM clock_timestamp() - e.recorded_at), 0), 0)::double precision
    FROM sealbook.books b
    CROSS JOIN (
        SELECT name, position FROM sealbook.tracking UNION ALL SELECT * FROM unnest(%s::text[], %s::bigint[])
    ) t
    LEFT JOIN LATERAL (
        SELECT recorded_at FROM sealbook.events WHERE book = b.book AND position > t.position ORDER BY position LIMIT 1
    ) e ON true
    WHERE b.book = %s
"""
_SNAPSHOT = """
    SELECT coalesce(max(age(backend_xmin)), 0),
           coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::double precision
    FROM pg_stat_activity
    WHERE backend_xmin IS NOT NULL AND datname = current_database() AND pid <> pg_backend_pid()
"""


class Reading(NamedTuple):
    metric: Described
    labels: tuple[str, ...]
    value: float


def reader(dsn: str) -> Connection:
    """Return a connection of the application's role that waits for nothing long. Raises Unavailable."""
    connection = connected(dsn)
    try:
        with translated():
            connection.execute("SET ROLE sealbook_app")
            limit = [str(ANSWER_MILLISECONDS_MAX)]
            connection.execute("SELECT set_config('statement_timeout', %s, false)", limit)
            connection.execute("SELECT set_config('lock_timeout', %s, false)", limit)
    except BaseException:
        connection.close()
        raise
    return connection


class LedgerNumbers:
    """What the database says, kept for some seconds; safe for threads. `close` it at the end.

    `connect` gives a connection, such as `reader`; it is made when it is needed, and anew after it was lost.
    `sealed_to` returns the last position that is sealed, None before the first; `outbox_age`, asked over the same
    connection, the seconds for which the oldest message to a webhook has waited.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        *,
        sealed_to: Callable[[], int | None] = lambda: None,
        outbox_age: Callable[[Connection], float] | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._connect = connect
        self._sealed_to = sealed_to
        self._outbox_age = outbox_age
        self._clock = clock
        self._lock = Lock()
        self._connection: Connection | None = None
        self._kept: tuple[float, list[Reading]] | None = None

    def read(self) -> list[Reading]:
        """Return what the database says, at most KEPT_SECONDS old. Where it does not answer, only that."""
        with self._lock:
            now = self._clock()
            if self._kept is None or now - self._kept[0] >= KEPT_SECONDS:
                self._kept = now, self._asked()
            return self._kept[1]

    def close(self) -> None:
        with self._lock:
            self._leave()

    def _asked(self) -> list[Reading]:
        try:
            return _worst([Reading(UP, (), 1.0), *self._lags(), *self._outbox(), *self._snapshot()])
        except (psycopg.Error, Unavailable):
            self._leave()
            return [Reading(UP, (), 0.0)]

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
        return self._connection

    def _rows(self, query: str, arguments: list[object]) -> list[tuple[object, ...]]:
        return self._connected().execute(query.encode(), arguments).fetchall()

    def _lags(self) -> Iterator[Reading]:
        ((there,),) = self._rows(_READ_MODELS_THERE, [])
        models = self._rows(_READ_MODELS_AT, []) if there else []
        more = {READ_MODELS: int(str(models[0][0])) if models else 0}
        # A seal that cannot be read is told by readiness; the other numbers are told all the same.
        with suppress(LedgerDamaged, OSError):
            sealed_to = self._sealed_to()
            more |= {} if sealed_to is None else {_SEAL: sealed_to}
        for name, last, positions, seconds in self._rows(_LAGS, [list(more), list(more.values()), BOOK]):
            behind, age = float(str(positions)), float(str(seconds))
            if name == _SEAL:
                yield Reading(SEAL_POSITIONS, (), behind)
                yield Reading(SEAL_SECONDS, (), age)
                continue
            if name == READ_MODELS:
                yield Reading(POSITION, (), float(str(last)))
            projection = label_value(str(name))
            yield Reading(LAG_POSITIONS, (projection,), behind)
            yield Reading(LAG_SECONDS, (projection,), age)

    def _outbox(self) -> Iterator[Reading]:
        if self._outbox_age is not None:
            yield Reading(OUTBOX, (), self._outbox_age(self._connected()))

    def _snapshot(self) -> Iterator[Reading]:
        ((transactions, seconds),) = self._rows(_SNAPSHOT, [])
        yield Reading(SNAPSHOT_TRANSACTIONS, (), float(str(transactions)))
        yield Reading(SNAPSHOT_SECONDS, (), float(str(seconds)))

    def _leave(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _worst(readings: list[Reading]) -> list[Reading]:
    """Return one reading for each series, the largest: several may be told under one label."""
    largest: dict[tuple[str, ...], Reading] = {}
    for each in readings:
        series = (each.metric.name, *each.labels)
        if series not in largest or each.value > largest[series].value:
            largest[series] = each
    return list(largest.values())
