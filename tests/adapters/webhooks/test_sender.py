"""The sender at work: killed, stopped, cut off from its database; and receivers that do not wait for each other."""

import asyncio
import random
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import Event
from uuid import UUID

import pytest

from sealbook.adapters.eventstore.postgres import connected
from sealbook.adapters.webhooks import sender as sender_module
from sealbook.adapters.webhooks.sender import WebhookSender
from tests.adapters.webhooks.hooked import HOOK, Hooked, loopback
from tests.adapters.webhooks.receiving import Message, Receiver, Reply, receiving
from tests.system.writing import PEOPLE, REPOSITORY

OTHER = UUID(int=0xB00D)
KILLS_AT = (1, 12, 40, 75)
"""How many messages have come when the sender is killed, before the last of them is answered."""
SOON_SECONDS = 30


class KilledSender:
    """A sender's process, killed and begun anew whenever so many messages have come."""

    def __init__(self, dsn: str, receiver: Receiver) -> None:
        self._typed = [sys.executable, "-m", "tests.adapters.webhooks.sending_process", dsn, str(receiver.port)]
        self._receiver = receiver
        self._process: subprocess.Popen[bytes] | None = None
        self._chance = random.Random(7)
        self.kills = 0

    def begin(self) -> None:
        self._process = subprocess.Popen(self._typed, cwd=REPOSITORY)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def answer(self, _: Message) -> Reply:
        """Answer, or kill who asks; every fourth message is refused, so that rows are written and deleted all along."""
        if len(self._receiver.came) in KILLS_AT:
            self.kills += 1
            self.kill()
            self.begin()
        return Reply(500 if self._chance.random() < 0.25 else 204)


@contextmanager
def killed_over_and_over(dsn: str, receiver: Receiver) -> Generator[KilledSender]:
    sender = KilledSender(dsn, receiver)
    receiver.answering = sender.answer
    sender.begin()
    try:
        yield sender
    finally:
        receiver.answering = lambda _: Reply()
        sender.kill()


def until(happened: Callable[[], bool]) -> None:
    for _ in range(SOON_SECONDS * 100):
        if happened():
            return
        Event().wait(0.01)
    raise TimeoutError("it did not happen")


def test_a_sender_that_is_killed_loses_nothing_and_keeps_every_order(
    ledger: Hooked, receiver: Receiver, ledger_dsn: str
) -> None:
    ledger.register()
    done = [each for _ in range(3) for deed in (ledger.suspend, ledger.resume) for each in deed(*range(PEOPLE))]
    with killed_over_and_over(ledger_dsn, receiver) as sender:
        until(lambda: ledger.hook.position == done[-1] and ledger.hook.outstanding == 0)
        assert sender.kills == len(KILLS_AT)

    assert set(receiver.positions) == set(done)
    bodies = {message.id: {each.body for each in receiver.came if each.id == message.id} for message in receiver.came}
    assert all(len(each) == 1 for each in bodies.values())
    assert len(receiver.came) > len(done)
    for stream in {message.stream for message in receiver.came}:
        first_seen = list(dict.fromkeys(each.position for each in receiver.came if each.stream == stream))
        assert first_seen == sorted(first_seen)


def running(sender: WebhookSender, script: Callable[[], object]) -> None:
    """Let a sender run while something happens, then stop it."""

    async def run() -> None:
        stopping = asyncio.Event()
        work = asyncio.create_task(sender.run(stopping))
        try:
            await asyncio.to_thread(script)
        finally:
            stopping.set()
            await work

    asyncio.run(run())


def test_a_sender_that_is_stopped_settles_what_was_on_its_way(ledger: Hooked, receiver: Receiver) -> None:
    ledger.register()
    ledger.suspend(*range(PEOPLE))

    async def run() -> WebhookSender:
        loop, stopping, sender = asyncio.get_running_loop(), asyncio.Event(), ledger.sender()

        def stop(_: Message) -> Reply:
            loop.call_soon_threadsafe(stopping.set)
            return Reply()

        receiver.answering = stop
        await sender.run(stopping)
        return sender

    totals = asyncio.run(run()).totals
    assert 0 < totals.delivered == len(receiver.came) <= PEOPLE
    assert ledger.hook.outstanding == PEOPLE - totals.delivered
    ledger.send()
    assert len(receiver.came) == len(set(receiver.positions)) == PEOPLE


def test_a_receiver_that_is_slow_holds_up_no_other(ledger: Hooked, receiver: Receiver) -> None:
    quick_was_told = Event()

    def slow(_: Message) -> Reply:
        return Reply() if quick_was_told.wait(SOON_SECONDS) else Reply(500)

    def told(_: Message) -> Reply:
        quick_was_told.set()
        return Reply()

    with receiving() as quick:
        receiver.answering, quick.answering = slow, told
        ledger.reach = loopback(receiver, quick)
        ledger.register()
        ledger.hooks.register(OTHER, url=quick.url, events=["credential."], at=ledger.now, by="admin")
        sender = ledger.sender()
        ledger.suspend(0)
        running(sender, lambda: until(lambda: sender.totals.delivered == 2))
    assert sender.totals == (2, 0, 0)


def test_webhooks_come_and_go_while_the_sender_runs(ledger: Hooked, receiver: Receiver) -> None:
    sender, url = ledger.sender(), f"{receiver.url}/elsewhere"

    def come_and_go() -> None:
        ledger.register()
        ledger.suspend(0)
        until(lambda: sender.totals.delivered == 1)
        ledger.hooks.pause(HOOK)
        ledger.suspend(1)
        ledger.hooks.resume(HOOK, at=ledger.now)
        until(lambda: sender.totals.delivered == 2)
        ledger.hooks.remove(HOOK)
        ledger.hooks.register(HOOK, url=url, events=["credential."], at=ledger.now, by="admin")
        ledger.suspend(2)
        until(lambda: sender.totals.delivered == 3)

    running(sender, come_and_go)
    assert [message.path for message in receiver.came] == ["/hook", "/hook", "/hook/elsewhere"]


def test_a_sender_outlives_its_connection(
    ledger: Hooked, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, ledger_dsn: str
) -> None:
    monkeypatch.setattr(sender_module, "TROUBLE_SECONDS", 0.01)
    sender = ledger.sender()
    ledger.register()

    def cut() -> None:
        ledger.suspend(0)
        until(lambda: sender.totals.delivered == 1)
        with connected(ledger_dsn) as superuser:
            mine = (superuser.info.backend_pid, ledger.store.connection.info.backend_pid)
            superuser.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> ALL (%s)",
                [list(mine)],
            )
        until(lambda: bool(ledger.complaints))
        ledger.suspend(1)
        until(lambda: len(set(receiver.positions)) == 2)

    running(sender, cut)
    assert all("the database does not answer" in complaint for complaint in ledger.complaints)


def test_a_webhook_whose_secret_does_not_open_stops_no_other(ledger: Hooked, receiver: Receiver) -> None:
    ledger.register(hook=OTHER)
    ledger.store.connection.execute("UPDATE sealbook.webhooks SET id = gen_random_uuid()")
    ledger.register()
    ledger.suspend(0)
    sender = ledger.sender()
    running(sender, lambda: until(lambda: bool(sender.totals.delivered and ledger.complaints)))
    assert sender.totals.delivered == len(receiver.came) == 1
    assert "does not open" in ledger.complaints[0]
