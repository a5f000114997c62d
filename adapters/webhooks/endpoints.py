"""Webhooks as an administrator sees them: registered, listed, rotated, paused, removed; and what was given up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

import psycopg
from psycopg import Connection

from sealbook.adapters.eventstore.postgres import translated
from sealbook.adapters.eventstore.schema import BOOK
from sealbook.adapters.keys.port import Keys
from sealbook.adapters.webhooks.addresses import Reach
from sealbook.adapters.webhooks.messages import unknown
from sealbook.adapters.webhooks.signing import new_secret, sealed

WEBHOOKS_MAX = 50
WISHES_MAX = 100
OVERLAP = timedelta(hours=24)
"""How long an old secret signs beside the new one, where nothing is said."""
PAUSED_BY_HAND = "an administrator paused it"

_LIST: LiteralString = """
    SELECT w.id, w.url, w.events, w.created_at, w.created_by, w.paused, w.paused_because, w.position,
        w.old_secret_until, count(d) FILTER (WHERE NOT d.dead), count(d) FILTER (WHERE d.dead)
    FROM sealbook.webhooks w LEFT JOIN sealbook.webhook_deliveries d ON d.webhook = w.id
    WHERE %(webhook)s::uuid IS NULL OR w.id = %(webhook)s
    GROUP BY w.id ORDER BY w.created_at, w.id
"""
_REGISTER: LiteralString = """
    INSERT INTO sealbook.webhooks (id, url, events, created_at, created_by, position, secret)
    SELECT %s, %s, %s, %s, %s, least(coalesce(%s, b.position), b.position), %s FROM sealbook.books b
    WHERE b.book = %s AND (SELECT count(*) FROM sealbook.webhooks) < %s
"""
# Within an overlap the old secret stays: a request that came twice must not end the one that is deployed.
_ROTATE: LiteralString = """
    UPDATE sealbook.webhooks SET secret = %(secret)s,
        old_secret = CASE WHEN old_secret_until > %(at)s THEN old_secret ELSE secret END,
        old_secret_until = least(CASE WHEN old_secret_until > %(at)s THEN old_secret_until END, %(until)s)
    WHERE id = %(webhook)s
"""
_PAUSE: LiteralString = "UPDATE sealbook.webhooks SET paused = true, paused_because = %s WHERE id = %s AND NOT paused"
_RESUME: LiteralString = "UPDATE sealbook.webhooks SET paused = false, paused_because = NULL WHERE id = %s"
# Who was away begins anew: nothing is given up for the time in which nobody tried.
_BEGIN_ANEW: LiteralString = """
    UPDATE sealbook.webhook_deliveries SET attempts = 0, first_tried_at = NULL, next_at = %s
    WHERE webhook = %s AND NOT dead
"""
_DEAD: LiteralString = """
    SELECT position, stream, version, event, attempts, first_tried_at, why FROM sealbook.webhook_deliveries
    WHERE webhook = %s AND dead AND position > %s ORDER BY position LIMIT %s
"""
_REPLAY: LiteralString = """
    UPDATE sealbook.webhook_deliveries SET dead = false, attempts = 0, first_tried_at = NULL, next_at = %s
    WHERE webhook = %s AND dead AND (%s::bigint IS NULL OR position = %s)
"""
_DISCARD: LiteralString = """
    DELETE FROM sealbook.webhook_deliveries WHERE webhook = %s AND dead AND (%s::bigint IS NULL OR position = %s)
"""
_AGE: LiteralString = """
    SELECT max(extract(epoch FROM clock_timestamp() - e.recorded_at))::double precision FROM sealbook.webhooks w
    JOIN sealbook.events e ON e.book = %s AND e.position = least(w.position + 1, (
        SELECT min(d.position) FROM sealbook.webhook_deliveries d WHERE d.webhook = w.id AND NOT d.dead))
    WHERE NOT w.paused
"""


class UnknownWebhook(LookupError):
    """There is no webhook of this id."""


class WebhookThere(ValueError):
    """There is a webhook of this id already: its secret was shown when it was registered."""


class BadWebhook(ValueError):
    """What was asked for can be no webhook. The message says why, and holds nothing of what was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A webhook as it stands.

    What lies up to `position` was delivered, is among the `outstanding`, was given up (`dead_letters`), or is not
    among the events wished for.
    """

    id: UUID
    url: str
    events: tuple[str, ...]
    created_at: datetime
    created_by: str
    paused: bool
    paused_because: str | None
    position: int
    old_secret_until: datetime | None
    outstanding: int
    dead_letters: int


class DeadLetter(NamedTuple):
    """A delivery that was given up, and why its last attempt failed. The log has what it says."""

    position: int
    stream: UUID
    version: int
    event: str
    attempts: int
    first_tried_at: datetime
    why: str


class Webhooks:
    """The webhooks of a ledger, over a connection of the application's role.

    `randomness` returns that many random bytes. Every method may raise Unavailable.
    """

    def __init__(
        self, connection: Connection, *, keys: Keys, randomness: Callable[[int], bytes], reach: Reach | None = None
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._randomness = randomness
        self._reach = reach or Reach()

    def register(
        self, webhook: UUID, *, url: str, events: Sequence[str], at: datetime, by: str, after: int | None = None
    ) -> str:
        """Register a webhook and return its secret, which is never shown again.

        It is told of the events that follow a position, by default the log's last. Raises BadWebhook, WebhookThere,
        and NotReachable for a URL that no webhook may have.
        """
        self._reach.check_url(url)
        _check_wishes(events)
        secret = new_secret(self._randomness)
        arguments = [webhook, url, sorted(set(events)), at, by, after, self._sealed(secret, webhook)]
        try:
            added = self._changed(_REGISTER, [*arguments, BOOK, WEBHOOKS_MAX])
        except psycopg.errors.UniqueViolation:
            raise WebhookThere("there is a webhook of this id already") from None
        if not added:
            raise BadWebhook(f"there are {WEBHOOKS_MAX} webhooks: remove one first")
        return secret

    def registered(self) -> list[Endpoint]:
        """Return all webhooks, the oldest first."""
        return self._endpoints(None)

    def get(self, webhook: UUID) -> Endpoint:
        """Return one webhook. Raises UnknownWebhook."""
        found = self._endpoints(webhook)
        if not found:
            raise _unknown()
        return found[0]

    def rotate_secret(self, webhook: UUID, *, at: datetime, overlap: timedelta = OVERLAP) -> str:
        """Give a webhook a new secret and return it; the old one signs as well until the overlap is over.

        Where an overlap is not over yet, the old secret of that one stays for what is left of it, and the new one of
        that one ends at once. Raises UnknownWebhook.
        """
        secret = new_secret(self._randomness)
        arguments = {"secret": self._sealed(secret, webhook), "at": at, "until": at + overlap, "webhook": webhook}
        self._change_one(_ROTATE, arguments)
        return secret

    def pause(self, webhook: UUID) -> None:
        """Send nothing from the next delivery on. Nothing is lost: it waits. Raises UnknownWebhook."""
        if not self._changed(_PAUSE, [PAUSED_BY_HAND, webhook]):
            self.get(webhook)

    def resume(self, webhook: UUID, *, at: datetime) -> None:
        """Go on where the webhook was paused; what is outstanding is tried at once. Raises UnknownWebhook."""
        with translated(), self._connection.transaction():
            self._change_one(_RESUME, [webhook])
            self._changed(_BEGIN_ANEW, [at, webhook])

    def remove(self, webhook: UUID) -> None:
        """Remove a webhook with all that is outstanding of it. Raises UnknownWebhook."""
        self._change_one("DELETE FROM sealbook.webhooks WHERE id = %s", [webhook])

    def dead_letters(self, webhook: UUID, *, after: int = 0, limit: int = 100) -> Sequence[DeadLetter]:
        """Return deliveries that were given up, of positions that follow one, in order. Raises UnknownWebhook."""
        self.get(webhook)
        return [DeadLetter(*row) for row in self._rows(_DEAD, [webhook, after, limit])]

    def replay(self, webhook: UUID, *, at: datetime, position: int | None = None) -> int:
        """Try a dead letter anew, or all of them; return how many there were. Raises UnknownWebhook."""
        self.get(webhook)
        return self._changed(_REPLAY, [at, webhook, position, position])

    def discard(self, webhook: UUID, *, position: int | None = None) -> int:
        """Give a dead letter up for good, or all of them; return how many there were. Raises UnknownWebhook."""
        self.get(webhook)
        return self._changed(_DISCARD, [webhook, position, position])

    def age_seconds(self) -> float:
        """Return how long ago the oldest event was recorded that some webhook still waits for; 0 if none does.

        Webhooks that are paused wait for nothing.
        """
        ((age_seconds,),) = self._rows(_AGE, [BOOK])
        return max(age_seconds or 0.0, 0.0)

    def _endpoints(self, webhook: UUID | None) -> list[Endpoint]:
        return [_endpoint(row) for row in self._rows(_LIST, {"webhook": webhook})]

    def _sealed(self, secret: str, webhook: UUID) -> bytes:
        return sealed(secret, webhook=webhook, keys=self._keys, randomness=self._randomness)

    def _change_one(self, query: LiteralString, arguments: Sequence[object] | dict[str, Any]) -> None:
        if not self._changed(query, arguments):
            raise _unknown()

    def _changed(self, query: LiteralString, arguments: Sequence[object] | dict[str, Any]) -> int:
        with translated():
            return self._connection.execute(query, arguments).rowcount

    def _rows(self, query: LiteralString, arguments: Sequence[object] | dict[str, Any]) -> list[tuple[Any, ...]]:
        with translated():
            return self._connection.execute(query, arguments, binary=True).fetchall()


def _check_wishes(events: Sequence[str]) -> None:
    if not 0 < len(events) <= WISHES_MAX:
        raise BadWebhook(f"name from 1 to {WISHES_MAX} events")
    for number, wish in enumerate(events, 1):
        if unknown(wish):
            raise BadWebhook(
                f"wish {number} names no event: write a stored name, or a beginning of one that ends with a dot"
            )


def _endpoint(row: tuple[Any, ...]) -> Endpoint:
    webhook, url, events, created_at, created_by, paused, because, position, old_until, outstanding, dead = row
    return Endpoint(
        id=webhook,
        url=url,
        events=tuple(events),
        created_at=created_at,
        created_by=created_by,
        paused=paused,
        paused_because=because,
        position=position,
        old_secret_until=old_until,
        outstanding=outstanding,
        dead_letters=dead,
    )


def _unknown() -> UnknownWebhook:
    return UnknownWebhook("there is no webhook of this id")
