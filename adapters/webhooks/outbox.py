"""What a webhook is to be told next, and how it is kept what became of it.

The log is the outbox: a webhook has a position in it, and rows only for what did not go through at once. A round
reads what is due, sends, and settles all of it in one transaction. Who is killed in between sends again; nothing is
lost, for a position moves on only together with the rows of what it leaves behind.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from sealbook.adapters.eventstore.load_call import recorded
from sealbook.adapters.eventstore.postgres import PostgresEventStore, translated
from sealbook.adapters.eventstore.schema import BOOK
from sealbook.adapters.webhooks.messages import wanted
from sealbook.adapters.webhooks.signing import unsealed
from sealbook.domain.catalogue import RecordedEvent, event_name

EVENTS_A_READ = 500
LETTERS_A_ROUND = 100
OUTSTANDING_MAX = 1_000
"""Of one webhook: beyond, nothing new is read from the log for it until something went through or was given up."""
GONE_BECAUSE = "the receiver answered 410: it wants nothing any more"

_ACTIVE: LiteralString = "SELECT id, url FROM sealbook.webhooks WHERE NOT paused ORDER BY id"
_TARGET: LiteralString = """
    SELECT events, position, secret, CASE WHEN old_secret_until > %s THEN old_secret END
    FROM sealbook.webhooks WHERE id = %s AND url = %s AND NOT paused
"""
# Of a stream whose first is not due yet, the others wait as well.
_DUE: LiteralString = """
    SELECT position, attempts, first_tried_at FROM sealbook.webhook_deliveries
    WHERE webhook = %(webhook)s AND NOT dead AND stream IN (
        SELECT first.stream FROM (
            SELECT DISTINCT ON (stream) stream, next_at FROM sealbook.webhook_deliveries
            WHERE webhook = %(webhook)s AND NOT dead ORDER BY stream, position
        ) AS first WHERE first.next_at <= %(now)s
    ) ORDER BY position LIMIT %(limit)s
"""
_WAITING: LiteralString = """
    SELECT stream, count(*) FROM sealbook.webhook_deliveries WHERE webhook = %s AND NOT dead GROUP BY stream
"""
_EVENTS: LiteralString = """
    SELECT book, position, stream, version, recorded_at, body FROM sealbook.events
    WHERE book = %s AND position = ANY (%s) ORDER BY position
"""
_LOCK: LiteralString = "SELECT position FROM sealbook.webhooks WHERE id = %s FOR UPDATE"
_DONE: LiteralString = "DELETE FROM sealbook.webhook_deliveries WHERE webhook = %s AND position = ANY (%s)"
_KEEP: LiteralString = """
    INSERT INTO sealbook.webhook_deliveries
        (webhook, position, stream, version, event, dead, attempts, first_tried_at, next_at, why)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (webhook, position) DO UPDATE SET dead = excluded.dead, attempts = excluded.attempts,
        first_tried_at = excluded.first_tried_at, next_at = excluded.next_at, why = excluded.why
"""
_ADVANCE: LiteralString = """
    UPDATE sealbook.webhooks SET position = %s, paused = paused OR %s,
        paused_because = CASE WHEN %s THEN %s ELSE paused_because END
    WHERE id = %s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """An event on its way to a webhook, with what became of it so far."""

    event: RecordedEvent
    next_at: datetime
    attempts: int = 0
    first_tried_at: datetime | None = None
    dead: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What a webhook is to be told now: the letters of each stream in order.

    `held` are those that wait behind others of their stream; `gone` are positions of which the log holds nothing any
    more. `begun_at` is where the webhook stood, `position` where it stands once all this is settled.
    """

    ledger: UUID
    secrets: tuple[str, ...] = field(repr=False)
    streams: tuple[tuple[Letter, ...], ...]
    held: tuple[Letter, ...]
    gone: tuple[int, ...]
    begun_at: int
    position: int

    @property
    def idle(self) -> bool:
        """Whether there was nothing to read and nothing to do."""
        return self.position == self.begun_at and not self.streams and not self.gone


class Outbox:
    """The outbox of a ledger, over the event store's own connection. Its methods may raise Unavailable."""

    def __init__(self, store: PostgresEventStore) -> None:
        self._store = store
        self._connection = store.connection

    def close(self) -> None:
        self._store.close()

    def active(self) -> dict[UUID, str]:
        """Return the webhooks that are not paused, with their URLs."""
        return dict(self._rows(_ACTIVE, []))

    def next_round(self, webhook: UUID, *, url: str, now: datetime) -> Round | None:
        """Return what a webhook is to be told now; None if it is paused or removed, or has another URL by now.

        Raises LedgerDamaged if its secret does not open.
        """
        rows = self._rows(_TARGET, [now, webhook, url])
        if not rows:
            return None
        wishes, begun_at, *sealed = rows[0]
        waiting = dict(self._rows(_WAITING, [webhook]))
        due, gone = self._due(webhook, now)
        room = OUTSTANDING_MAX - sum(waiting.values())
        events = self._store.read(after=begun_at, limit=min(EVENTS_A_READ, room)) if room > 0 else []
        fresh, position = _first_wanted(events, wishes, after=begun_at)
        letters = [Letter(event=event, next_at=now) for event in fresh]
        ((ledger,),) = self._rows("SELECT id FROM sealbook.ledger", [])
        return Round(
            ledger=ledger,
            secrets=tuple(unsealed(each, webhook=webhook, keys=self._store.keys) for each in sealed if each),
            streams=_by_stream([*due, *(each for each in letters if each.event.stream not in waiting)]),
            held=tuple(each for each in letters if each.event.stream in waiting),
            gone=gone,
            begun_at=begun_at,
            position=position,
        )

    def settle(
        self,
        webhook: UUID,
        settled: Round,
        *,
        delivered: Collection[int],
        kept: Sequence[Letter],
        pause: bool,
    ) -> None:
        """Keep what became of a round: what was delivered, by position, and the letters that are still outstanding.

        If the webhook was removed, or moved on by somebody else, nothing is kept: then somebody sends twice.
        """
        with translated(), self._connection.transaction():
            if self._rows(_LOCK, [webhook]) != [(settled.begun_at,)]:
                return
            self._run(_DONE, [webhook, [*delivered, *settled.gone]])
            rows = [_row(webhook, letter) for letter in (*settled.held, *kept)]
            if rows:
                self._connection.cursor().executemany(_KEEP, rows)
            self._run(_ADVANCE, [settled.position, pause, pause, GONE_BECAUSE, webhook])

    def _due(self, webhook: UUID, now: datetime) -> tuple[list[Letter], tuple[int, ...]]:
        """Return the letters that are due, and the positions among them that the log no longer holds."""
        rows = self._rows(_DUE, {"webhook": webhook, "now": now, "limit": LETTERS_A_ROUND})
        kept = {position: (attempts, first_tried_at) for position, attempts, first_tried_at in rows}
        events = [recorded(row) for row in self._rows(_EVENTS, [BOOK, list(kept)])] if kept else []
        letters = [
            Letter(event=event, next_at=now, attempts=kept[event.position][0], first_tried_at=kept[event.position][1])
            for event in events
        ]
        return letters, tuple(kept.keys() - {event.position for event in events})

    def _rows(self, query: LiteralString, arguments: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401 (as the driver has it)
        with translated():
            return self._connection.execute(query, arguments, binary=True).fetchall()

    def _run(self, query: LiteralString, arguments: Sequence[object]) -> None:
        self._connection.execute(query, arguments)


def _first_wanted(
    events: Sequence[RecordedEvent], wishes: Sequence[str], *, after: int
) -> tuple[list[RecordedEvent], int]:
    """Return what is wished for of the log's next events, as much as a round takes, and how far that is."""
    found: list[RecordedEvent] = []
    for event in events:
        if len(found) == LETTERS_A_ROUND:
            break
        after = event.position
        if wanted(event, wishes):
            found.append(event)
    return found, after


def _by_stream(letters: Iterable[Letter]) -> tuple[tuple[Letter, ...], ...]:
    streams: dict[UUID, list[Letter]] = {}
    for letter in letters:
        streams.setdefault(letter.event.stream, []).append(letter)
    return tuple(map(tuple, streams.values()))


def _row(webhook: UUID, letter: Letter) -> tuple[object, ...]:
    event = letter.event
    return (
        *(webhook, event.position, event.stream, event.version, event_name(event.event)),
        *(letter.dead, letter.attempts, letter.first_tried_at, letter.next_at, letter.why),
    )
