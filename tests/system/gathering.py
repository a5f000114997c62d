"""A writer process with many callers, for the system tests.

Each caller sends the uses of its own script, one after the other, and says each as soon as it is answered:
`caller command@position attempts`, a line a use.
"""

import asyncio
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from time import monotonic
from uuid import UUID

from sealbook.adapters.eventstore.gatherer import Gatherer
from sealbook.application.commands import Command
from tests.commands import Script
from tests.conftest import KEYS
from tests.system.writing import PEOPLE, credential_of, device_of

CALLERS = 200


@dataclass(slots=True)
class Told:
    """What the callers of a writer said: of each the positions by command, and how often one was tried at most."""

    positions: dict[int, dict[UUID, int]] = field(default_factory=dict[int, dict[UUID, int]])
    attempts_max: int = 0

    def take(self, line: str) -> None:
        caller, answer, attempts = line.split()
        command, position = answer.split("@")
        self.positions.setdefault(int(caller), {})[UUID(command)] = int(position)
        self.attempts_max = max(self.attempts_max, int(attempts))

    def acknowledged(self) -> dict[UUID, int]:
        return {command: position for each in self.positions.values() for command, position in each.items()}


def script_of(writer: int, caller: int) -> Iterator[Command]:
    """Yield the uses of one caller of one writer, without end and always the same."""
    script = Script(writer * 10_000 + caller)
    for number in count(caller):
        yield script.use(credential_of(number % PEOPLE), device=device_of(number % PEOPLE))


async def call(gatherer: Gatherer, writer: int, caller: int, end_at: float) -> None:
    commands = script_of(writer, caller)
    while monotonic() < end_at:
        command = next(commands)
        outcome = await gatherer.submit(command)
        # Past the buffer: what was said must be heard even if this process is killed.
        os.write(1, f"{caller} {command.command_id}@{outcome.position} {outcome.attempts}\n".encode())


async def gather(dsn: str, writer: int, seconds: float) -> None:
    async with Gatherer.open(dsn, keys=KEYS, randomness=os.urandom) as gatherer:
        os.write(1, b"ready\n")
        await asyncio.to_thread(sys.stdin.readline)
        end_at = monotonic() + seconds
        await asyncio.gather(*(call(gatherer, writer, caller, end_at) for caller in range(CALLERS)))


if __name__ == "__main__":
    asyncio.run(gather(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
