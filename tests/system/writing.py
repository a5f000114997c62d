"""Writer processes for the system tests, and what must be true of a ledger whatever became of them.

A writer, told to go, carries out the script of its seed and says what was acknowledged, a line a batch. Begun
anew it sends the whole script again, under the same command ids.
"""

import os
import random
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from functools import partial
from itertools import groupby
from pathlib import Path
from threading import Event
from typing import Self, TypeVar
from uuid import UUID

from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.application.commands import Command
from sealbook.application.ledger import Outcome, execute
from sealbook.application.ports import EventStore, OutcomeUnknown, Unavailable, read_all
from sealbook.domain.catalogue import RecordedEvent, evolve
from sealbook.domain.credential import Used
from tests.commands import Script
from tests.conftest import KEYS

T = TypeVar("T")

REPOSITORY = Path(__file__).resolve().parents[2]
PEOPLE = 12
BATCHES = 50
COMMANDS_A_BATCH = 6
RETRY_SECONDS = 0.02
RETRIES_MAX = 1_500
SETUP_SEED = 1_000

Process = subprocess.Popen[str]
Acknowledged = dict[UUID, int]
"""The position of each acknowledged command."""


def customer_of(number: int) -> UUID:
    return UUID(int=1_000 + number)


def device_of(number: int) -> UUID:
    return UUID(int=2_000 + number)


def credential_of(number: int) -> UUID:
    return UUID(int=3_000 + number)


def people(numbers: Iterable[int]) -> list[Command]:
    """Enroll customers, register a device for each."""
    script = Script(SETUP_SEED)
    return [
        command
        for number in numbers
        for command in (script.enroll(customer_of(number)), script.register(device_of(number)))
    ]


def holders() -> list[Command]:
    """Everybody holds a credential: the streams that the writers share."""
    script = Script(SETUP_SEED + 1)
    issues = [
        script.issue(credential_of(number), customer=customer_of(number), device=device_of(number))
        for number in range(PEOPLE)
    ]
    return [script.adopt_policy(), *people(range(PEOPLE)), *issues]


def uses(seed: int) -> list[list[Command]]:
    """The script of a seed: batches of uses of shared credentials."""
    script, choice = Script(seed), random.Random(seed)
    return [
        [
            script.use(credential_of(number), device=device_of(number))
            for number in choice.choices(range(PEOPLE), k=COMMANDS_A_BATCH)
        ]
        for _ in range(BATCHES)
    ]


def opened(dsn: str) -> PostgresEventStore:
    return PostgresEventStore.connect(dsn, keys=KEYS, randomness=os.urandom)


class Persistent:
    """Works on a store until an answer comes, through every outage; the command ids make that safe."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._store: PostgresEventStore | None = None

    def ask(self, question: Callable[[PostgresEventStore], T]) -> T:
        for _ in range(RETRIES_MAX):
            with suppress(Unavailable, OutcomeUnknown):
                self._store = self._store or opened(self._dsn)
                return question(self._store)
            self.close()
            Event().wait(RETRY_SECONDS)
        raise TimeoutError("the ledger did not come back")

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
        self._store = None


class Processes:
    """Starts processes of this module; whatever still runs at the end is killed."""

    def __init__(self) -> None:
        self._begun: list[Process] = []

    def begin(self, role: str, dsn: str, number: int) -> Process:
        command = [sys.executable, "-m", "tests.system.writing", role, dsn, str(number)]
        pipe = subprocess.PIPE
        self._begun.append(subprocess.Popen(command, cwd=REPOSITORY, stdin=pipe, stdout=pipe, text=True))
        return self._begun[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._begun:
            process.kill()
            with process:
                pass


def acknowledged(lines: Iterable[str]) -> Acknowledged:
    pairs = (each.split("@") for line in lines for each in line.split())
    return {UUID(command): int(position) for command, position in pairs}


def heard(writer: Process, batches: int) -> Acknowledged:
    """Wait until so many batches more are acknowledged."""
    return acknowledged(line(writer) for _ in range(batches))


def tell(process: Process, text: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{text}\n")
    process.stdin.flush()


def line(process: Process) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def killed(writer: Process) -> Acknowledged:
    """Kill a writer; return what it still had said."""
    writer.kill()
    return acknowledged(each for each in _rest(writer) if each.endswith("\n"))


def finished(writer: Process) -> Acknowledged:
    said = acknowledged(_rest(writer))
    assert writer.returncode == 0
    return said


def _rest(process: Process) -> list[str]:
    assert process.stdout is not None
    with process:
        return process.stdout.readlines()


def assert_whole(store: EventStore, *, commands: Collection[Command], acknowledged: Acknowledged) -> None:
    """Positions dense, versions gapless, heads the fold of their streams, every command there exactly once."""
    log = list(read_all(store))
    assert [event.position for event in log] == list(range(1, store.last_position() + 1))
    by_stream = sorted(log, key=lambda event: (event.stream, event.position))
    for stream, events in groupby(by_stream, key=lambda event: event.stream):
        assert_head(store, stream, list(events))
    uses_found = sorted(str(event.command_id) for event in log if isinstance(event.event, Used))
    assert uses_found == sorted(str(command.command_id) for command in commands)
    places = {event.command_id: event.position for event in log}
    assert acknowledged == {command: places.get(command) for command in acknowledged}


def assert_head(store: EventStore, stream: UUID, events: list[RecordedEvent]) -> None:
    assert [event.version for event in events] == list(range(1, len(events) + 1))
    state = None
    for event in events:
        state = evolve(state, event.event)
    head = store.load(streams=[stream], names=(), commands=()).heads[stream]
    assert (head.version, head.state) == (len(events), state)


def write(dsn: str, seed: int) -> None:
    """Carry out the script of a seed, once told to go."""
    store = Persistent(dsn)
    store.ask(EventStore.last_position)
    sys.stdin.readline()
    for batch in uses(seed):
        say(batch, store.ask(partial(carried_out, batch)))


def carried_out(batch: list[Command], store: EventStore) -> list[Outcome]:
    return execute(store, batch)


def say(batch: list[Command], outcomes: list[Outcome]) -> None:
    pairs = zip(batch, outcomes, strict=True)
    sys.stdout.write(" ".join(f"{command.command_id}@{outcome.position}" for command, outcome in pairs) + "\n")
    sys.stdout.flush()


def race(dsn: str, racer: int) -> None:
    """Issue a credential for each line `customer device`, and say how it was answered."""
    script, store = Script(racer), opened(dsn)
    for line in sys.stdin:
        customer, device = map(UUID, line.split())
        (outcome,) = execute(store, [script.issue(script.new_id(), customer=customer, device=device)])
        sys.stdout.write(f"{outcome.refusal or 'accepted'}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    role, dsn, number = sys.argv[1:]
    {"write": write, "race": race}[role](dsn, int(number))
