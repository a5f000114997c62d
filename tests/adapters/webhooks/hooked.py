"""A ledger with webhooks, a sender whose time stands still, and lives to tell of."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from uuid import UUID

from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.webhooks.addresses import Reach
from sealbook.adapters.webhooks.endpoints import Endpoint, Webhooks
from sealbook.adapters.webhooks.retrying import Patience
from sealbook.adapters.webhooks.sender import Told, WebhookSender
from sealbook.application.commands import Command
from sealbook.application.ledger import execute
from tests.adapters.webhooks.receiving import Receiver
from tests.commands import MARCH, Script
from tests.conftest import KEYS
from tests.system.writing import credential_of, holders

HOOK = UUID(int=0xB00C)
PATIENCE = Patience(first_wait_seconds=10, longest_wait_seconds=80, attempts_max=4, hours_max=1)
ALL = ("credential.", "customer.", "device.", "policy.", "ledger.")


def loopback(*receivers: Receiver) -> Reach:
    """Only the receivers' ports, on this computer, over plain HTTP."""
    ports = frozenset(each.port for each in receivers)
    return Reach(networks=(ip_network("127.0.0.0/8"),), ports=ports, plain_http=True)


@dataclass
class Hooked:
    """A ledger with holders of credentials, whose lives a test goes on with.

    The time of the sender is `now`, and moves when it is told to.
    """

    store: PostgresEventStore
    connect: Callable[[], PostgresEventStore]
    receiver: Receiver
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    patience: Patience = PATIENCE
    script: Script = field(default_factory=lambda: Script(77))
    reach: Reach = field(init=False)
    complaints: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.reach = loopback(self.receiver)

    @property
    def hooks(self) -> Webhooks:
        return Webhooks(self.store.connection, keys=KEYS, randomness=os.urandom, reach=self.reach)

    @property
    def hook(self) -> Endpoint:
        return self.hooks.get(HOOK)

    def register(self, *events: str, hook: UUID = HOOK, after: int | None = None) -> str:
        return self.hooks.register(
            hook, url=self.receiver.url, events=events or ("credential.",), at=self.now, by="admin", after=after
        )

    def do(self, *commands: Command) -> list[int]:
        """Carry commands out; return the positions of their events."""
        before = self.store.last_position()
        execute(self.store, list(commands))
        return [event.position for event in self.store.read(after=before, limit=1_000)]

    def suspend(self, *people: int) -> list[int]:
        """Suspend credentials and return the positions of the events: one each, for credentials' own streams."""
        return self.do(*(self.script.suspend(credential_of(each), at=MARCH) for each in people))

    def resume(self, *people: int) -> list[int]:
        return self.do(*(self.script.resume(credential_of(each), at=MARCH) for each in people))

    def sender(self) -> WebhookSender:
        return WebhookSender(
            self.connect,
            clock=lambda: self.now,
            chance=lambda: 1.0,
            reach=self.reach,
            patience=self.patience,
            complain=self.complaints.append,
        )

    def send(self, rounds: int = 1) -> Told:
        """Take the webhooks through rounds, by a sender that was just started and is stopped again."""

        async def sending() -> Told:
            sender = self.sender()
            try:
                for _ in range(rounds):
                    await sender.once()
                return sender.totals
            finally:
                await sender.close()

        return asyncio.run(sending())

    def wait(self, **time: float) -> None:
        self.now += timedelta(**time)


def hooked(store: PostgresEventStore, connect: Callable[[], PostgresEventStore], receiver: Receiver) -> Hooked:
    execute(store, holders())
    return Hooked(store, connect, receiver)
