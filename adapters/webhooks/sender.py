"""The sender: tells every webhook what the log holds for it. It runs in one process at a time."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple, assert_never
from uuid import UUID

from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.serving.leader import came_within
from sealbook.adapters.webhooks.addresses import Reach, Resolve, resolve
from sealbook.adapters.webhooks.messages import CONTENT_TYPE, message, message_id
from sealbook.adapters.webhooks.outbox import Letter, Outbox, Round
from sealbook.adapters.webhooks.outbox_thread import OutboxThread
from sealbook.adapters.webhooks.retrying import Patience
from sealbook.adapters.webhooks.sending import (
    ANSWER_SECONDS_MAX,
    CONNECTIONS_MAX,
    Courier,
    Delivered,
    Failed,
    Gone,
    certificates_of_system,
)
from sealbook.adapters.webhooks.signing import signed
from sealbook.application.ports import LedgerDamaged, OutcomeUnknown, Unavailable

IDLE_SECONDS = 0.5
"""How soon an event is noticed, and how soon a webhook that was registered or resumed."""
TROUBLE_SECONDS = 5.0
"""How long after trouble with the ledger it is asked again."""
_TROUBLES = (Unavailable, OutcomeUnknown, LedgerDamaged)


class Told(NamedTuple):
    """What came of rounds: messages delivered, attempts that failed, deliveries given up."""

    delivered: int = 0
    failed: int = 0
    dead: int = 0

    def plus(self, other: "Told") -> "Told":
        return Told(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


@dataclass(slots=True)
class _Tour:
    """A round under way: what was delivered, what is kept, and whether it is to end early."""

    round: Round
    stopping: asyncio.Event
    delivered: list[int] = field(default_factory=list[int])
    kept: list[Letter] = field(default_factory=list[Letter])
    failed: int = 0
    gone: bool = False

    @property
    def ended(self) -> bool:
        return self.gone or self.stopping.is_set()

    @property
    def told(self) -> Told:
        return Told(len(self.delivered), self.failed, sum(letter.dead for letter in self.kept))


class WebhookSender:
    """Delivers to the webhooks of a ledger, each by itself: one that is slow or down holds up no other.

    `connect` opens a store of the sender's own. `clock` returns the time in UTC, `chance` a number from 0 to 1.
    `complain` is told, in a line without secrets, what keeps it from working. `certificates` are those that count, by
    default the system's. `totals` adds up what came of all rounds.
    """

    def __init__(
        self,
        connect: Callable[[], PostgresEventStore],
        *,
        clock: Callable[[], datetime],
        chance: Callable[[], float],
        reach: Reach | None = None,
        patience: Patience | None = None,
        resolver: Resolve = resolve,
        certificates: ssl.SSLContext | None = None,
        answer_seconds_max: float = ANSWER_SECONDS_MAX,
        complain: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self._outbox = OutboxThread(connect)
        self._clock = clock
        self._chance = chance
        self._reach = reach or Reach()
        self._patience = patience or Patience()
        self._resolver = resolver
        self._certificates = certificates or certificates_of_system()
        self._answer_seconds_max = answer_seconds_max
        self._complain = complain
        self._complaint = ""
        self.totals = Told()

    async def run(self, stopping: asyncio.Event) -> None:
        """Deliver until stopped; what is on its way then is still waited for, as long as one answer may take.

        An outage of the database is waited for, too.
        """
        following: dict[UUID, asyncio.Task[None]] = {}
        try:
            async with asyncio.TaskGroup() as tasks:
                while not stopping.is_set():
                    for webhook, url in (await self._active()).items():
                        if webhook not in following or following[webhook].done():
                            following[webhook] = tasks.create_task(self._follow(webhook, url, stopping))
                    await came_within(stopping, IDLE_SECONDS)
        finally:
            await self.close()

    async def once(self) -> Told:
        """Take every webhook through one round. Raises Unavailable and LedgerDamaged."""
        before = self.totals
        for webhook, url in (await self._outbox.ask(Outbox.active)).items():
            async with self._courier(url) as courier:
                await self._round(webhook, courier, asyncio.Event())
        return Told(*(now - then for now, then in zip(self.totals, before, strict=True)))

    async def close(self) -> None:
        """Let go of the database. Who `run` the sender need not."""
        await self._outbox.close()

    async def _active(self) -> dict[UUID, str]:
        try:
            return await self._outbox.ask(Outbox.active)
        except _TROUBLES as error:
            self._say(error)
            return {}

    async def _follow(self, webhook: UUID, url: str, stopping: asyncio.Event) -> None:
        """Take a webhook through its rounds until it is paused or removed, or all is stopped."""
        async with self._courier(url) as courier:
            while not stopping.is_set():
                try:
                    found = await self._round(webhook, courier, stopping)
                except _TROUBLES as error:
                    self._say(error)
                    await came_within(stopping, TROUBLE_SECONDS)
                    continue
                if found is None:
                    return
                self._complaint = ""
                if found.idle:
                    await came_within(stopping, IDLE_SECONDS)

    async def _round(self, webhook: UUID, courier: Courier, stopping: asyncio.Event) -> Round | None:
        """Send what a webhook is to be told now, and settle it; None if it is paused or removed."""
        now = self._clock()
        found = await self._outbox.ask(lambda outbox: outbox.next_round(webhook, url=courier.url, now=now))
        if found is None or found.idle:
            return found
        tour, turn = _Tour(found, stopping), asyncio.Semaphore(CONNECTIONS_MAX)
        async with asyncio.TaskGroup() as streams:
            for letters in found.streams:
                streams.create_task(self._tell_stream(tour, letters, courier, turn))
        delivered, kept, gone = tour.delivered, tour.kept, tour.gone
        await self._outbox.ask(lambda outbox: outbox.settle(webhook, found, delivered=delivered, kept=kept, pause=gone))
        self.totals = self.totals.plus(tour.told)
        return found

    async def _tell_stream(
        self, tour: _Tour, letters: tuple[Letter, ...], courier: Courier, turn: asyncio.Semaphore
    ) -> None:
        """Send the letters of a stream in order, up to the first that fails: those behind it are held back."""
        async with turn:
            for place, letter in enumerate(letters):
                left = letter if tour.ended else await self._tell(tour, letter, courier)
                if left is None:
                    tour.delivered.append(letter.event.position)
                    continue
                tour.kept.append(left)
                if not left.dead:
                    tour.kept.extend(letters[place + 1 :])
                    return

    async def _tell(self, tour: _Tour, letter: Letter, courier: Courier) -> Letter | None:
        """Send a letter; return what is left of it, None if it was delivered."""
        at, named = self._clock(), message_id(letter.event)
        body = message(letter.event, ledger=tour.round.ledger)
        headers = signed(body, message_id=named, at=at, secrets=tour.round.secrets)
        answer = await courier.post(body.encode(), headers={**headers, "Content-Type": CONTENT_TYPE}, now=at)
        match answer:
            case Delivered():
                return None
            case Gone():
                tour.gone = True
                return letter
            case Failed():
                tour.failed += 1
                return self._failed(letter, answer, first_tried_at=letter.first_tried_at or at)
            case _:
                assert_never(answer)

    def _failed(self, letter: Letter, answer: Failed, *, first_tried_at: datetime) -> Letter:
        now, attempts = self._clock(), letter.attempts + 1
        next_at = self._patience.next_at(
            now, attempts=attempts, asked_seconds=answer.asked_seconds, chance=self._chance()
        )
        return replace(
            letter,
            attempts=attempts,
            first_tried_at=first_tried_at,
            next_at=next_at,
            dead=self._patience.over(now, attempts=attempts, first_tried_at=first_tried_at),
            why=answer.why,
        )

    @asynccontextmanager
    async def _courier(self, url: str) -> AsyncGenerator[Courier]:
        courier = Courier(
            url,
            reach=self._reach,
            resolver=self._resolver,
            certificates=self._certificates,
            answer_seconds_max=self._answer_seconds_max,
        )
        try:
            yield courier
        finally:
            await courier.close()

    def _say(self, error: Exception) -> None:
        """Complain, but once of each trouble while it lasts."""
        complaint = str(error)
        if complaint != self._complaint:
            self._complaint = complaint
            self._complain(complaint)
