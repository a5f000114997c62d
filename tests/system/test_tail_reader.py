"""A reader of `position > mine` misses nothing, whatever is rolled back, and whoever is killed."""

import os
import signal
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Self
from uuid import UUID, uuid4

import pytest

from sealbook.adapters.eventstore.postgres import PostgresEventStore, connected
from sealbook.adapters.eventstore.schema import migrate
from sealbook.adapters.keys.port import Keys
from sealbook.adapters.postgres import postmaster
from sealbook.adapters.postgres.ledger_folder import LedgerFolder
from sealbook.adapters.postgres.server import EmbeddedServer
from sealbook.application.ledger import execute
from sealbook.application.ports import Group, Head, NewEvent, read_all
from sealbook.domain.catalogue import RecordedEvent
from sealbook.domain.customer import Customer, Enrolled
from sealbook.domain.values import HolderSubkind
from tests.commands import JANUARY
from tests.conftest import LEDGER_ID
from tests.system.writing import (
    Persistent,
    Process,
    Processes,
    acknowledged,
    assert_whole,
    finished,
    heard,
    holders,
    killed,
    opened,
    tell,
    uses,
)

PAUSE_SECONDS = 0.002


class TailReader:
    """Follows the log from a thread of its own; `seen` is what it was given, in order."""

    def __init__(self, dsn: str) -> None:
        self.seen: list[RecordedEvent] = []
        self._ledger = Persistent(dsn)
        self._until: int | None = None
        self._thread = Thread(target=self._follow)

    def read_to(self, last: int) -> list[RecordedEvent]:
        self._until = last
        self._thread.join()
        return self.seen

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.read_to(0 if self._until is None else self._until)
        self._ledger.close()

    def _follow(self) -> None:
        while self._until is None or self._mine < self._until:
            self.seen += self._ledger.ask(lambda store: store.read(after=self._mine, limit=40))
            Event().wait(PAUSE_SECONDS)

    @property
    def _mine(self) -> int:
        return self.seen[-1].position if self.seen else 0


class Abandoned(Exception):
    """The writer thought better of it before its commit."""


@contextmanager
def rollbacks(dsn: str) -> Generator[list[UUID], None, None]:
    """Meanwhile, append and roll back over and over; what was appended so is listed."""
    ended, abandoned = Event(), list[UUID]()

    def abandon(store: PostgresEventStore) -> None:
        abandoned.append(uuid4())
        with suppress(Abandoned), store.locked():
            store.append([enrolling(abandoned[-1])])
            raise Abandoned

    def work() -> None:
        ledger = Persistent(dsn)
        while not ended.wait(PAUSE_SECONDS):
            ledger.ask(abandon)
        ledger.close()

    thread = Thread(target=work)
    thread.start()
    try:
        yield abandoned
    finally:
        ended.set()
        thread.join()


def enrolling(stream: UUID) -> Group:
    event = Enrolled(at=JANUARY, subkind=HolderSubkind.INDIVIDUAL, provenance=None)
    new = NewEvent(stream=stream, version=1, actor="t", channel="t", command_id=None, caused_by=None, event=event)
    moved = {stream: Head(version=1, state=Customer(subkind=HolderSubkind.INDIVIDUAL))}
    return Group(commands=[0], read={stream: 0}, moved=moved, events=[new])


@pytest.fixture
def own_server(tmp_path: Path, keys: Keys) -> Iterator[EmbeddedServer]:
    """A durable server with a ledger, which the test may kill."""
    with EmbeddedServer.join(tmp_path / "l", durable=True) as server:
        with connected(server.dsn()) as connection:
            migrate(connection, keys=keys, new_id=lambda: LEDGER_ID)
        yield server


def kill_and_restart(server: EmbeddedServer) -> EmbeddedServer:
    pid = postmaster.running(LedgerFolder(server.folder))
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return EmbeddedServer.join(server.folder, durable=True)


def going(processes: Processes, dsn: str, seed: int) -> Process:
    writer = processes.begin("write", dsn, seed)
    tell(writer, "go")
    return writer


def test_a_tail_reader_misses_nothing_whatever_is_killed_or_rolled_back(own_server: EmbeddedServer) -> None:
    dsn = own_server.dsn()
    store = opened(dsn)
    execute(store, holders())
    store.close()
    with Processes() as processes, ExitStack() as restarted, TailReader(dsn) as tail:
        with rollbacks(dsn) as abandoned:
            victim, *others = (going(processes, dsn, seed) for seed in (1, 2, 3))
            acked = acknowledged([])
            for _ in range(3):
                acked |= heard(victim, 5)
                acked |= killed(victim)
                victim = going(processes, dsn, 1)
            acked |= heard(victim, 5)
            restarted.enter_context(kill_and_restart(own_server))
            for writer in (victim, *others):
                acked |= finished(writer)
        store = opened(dsn)
        seen = tail.read_to(store.last_position())
        commands = [command for seed in (1, 2, 3) for batch in uses(seed) for command in batch]
        assert seen == list(read_all(store))
        assert abandoned
        assert not {event.stream for event in seen} & set(abandoned)
        assert acked.keys() == {command.command_id for command in commands}
        assert_whole(store, commands=commands, acknowledged=acked)
        store.close()
