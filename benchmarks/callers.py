"""Concurrent callers of one writer: each sends a use, waits until it is durable, and sends the next."""

import asyncio
import atexit
import os
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import UUID

import msgspec
from psycopg import Connection

from sealbook.adapters.collecting import seldom_collected
from sealbook.adapters.eventstore.gatherer import Gatherer
from sealbook.adapters.ids import new_id
from sealbook.adapters.keys.port import Keys
from sealbook.adapters.keys.reach import keyring_of, reach_of_keys
from sealbook.application.commands import Command
from sealbook.application.requests import OnCredential
from sealbook.domain.credential import Use, Used


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What callers saw: how many uses were answered, in how many seconds, each after how long."""

    seconds: float
    latencies_ms: "array[float]" = field(repr=False)

    @property
    def uses(self) -> int:
        return len(self.latencies_ms)

    @property
    def uses_a_second(self) -> float:
        return self.uses / self.seconds

    def percentile_ms(self, percent: int) -> float:
        return percentile(self.latencies_ms, percent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A ledger as another process opens it."""

    dsn: str
    keys: Keys

    def __reduce__(self) -> tuple[object, ...]:
        # To another process go the ways to the keys, not the keys.
        return _place, (self.dsn, reach_of_keys(self.keys))


def _place(dsn: str, reach: Mapping[str, Any]) -> Place:
    keys = keyring_of(reach)
    atexit.register(keys.close)
    return Place(dsn=dsn, keys=keys)


def percentile(values: Sequence[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def use_of(credential: UUID) -> Command:
    """Return the command of the holder who uses a credential now."""
    request = OnCredential(credential=credential, command=Use(at=datetime.now(UTC)))
    return Command(request=request, command_id=new_id(), actor="holder", channel="app")


def call(
    place: Place,
    credentials: Sequence[UUID],
    *,
    callers: int,
    seconds: float,
    seed: int,
    together: Callable[[], object] = lambda: None,
) -> Sample:
    """Let callers use random credentials for a time, over a writer of their own.

    `together` is called when the writer is open: it may wait for other processes. Raises
    RuntimeError for any use that is not accepted: a figure of refusals would be no figure.
    """
    with seldom_collected():
        return asyncio.run(_call(place, credentials, callers, seconds, Random(seed), together))


async def _call(
    place: Place,
    credentials: Sequence[UUID],
    callers: int,
    seconds: float,
    random: Random,
    together: Callable[[], object],
) -> Sample:
    latencies_ms = array("d")
    async with Gatherer.open(place.dsn, keys=place.keys, randomness=os.urandom, kinds=None) as gatherer:
        together()
        begun = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(callers):
                group.create_task(_caller(gatherer, credentials, random, begun + seconds, latencies_ms))
        return Sample(seconds=time.perf_counter() - begun, latencies_ms=latencies_ms)


async def _caller(
    gatherer: Gatherer,
    credentials: Sequence[UUID],
    random: Random,
    until: float,
    latencies_ms: "array[float]",
) -> None:
    begun = time.perf_counter()
    while begun < until:
        outcome = await gatherer.submit(use_of(random.choice(credentials)))
        if not outcome.accepted:
            raise RuntimeError(f"a use was refused ({outcome.refusal}): only accepted ones are measured")
        ended = time.perf_counter()
        latencies_ms.append((ended - begun) * 1_000)
        begun = ended


class UsesRecorded:
    """Tells whether the ledger holds as many uses as its callers were answered since it was asked last."""

    _BEGINNING = msgspec.msgpack.encode(Used.stored.name)
    """How the body of such an event begins, after the byte that says how many fields follow."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._before = self._position()

    def check(self, *, acknowledged: int) -> None:
        """Raise RuntimeError unless there are exactly so many, and nothing else."""
        position = self._position()
        ((recorded,),) = self._connection.execute(
            "SELECT count(*) FROM sealbook.events WHERE position > %s AND position(%b::bytea IN body) = 2",
            [self._before, self._BEGINNING],
        ).fetchall()
        if not acknowledged == recorded == position - self._before:
            raise RuntimeError(
                f"{acknowledged} uses were acknowledged, {recorded} are recorded"
                f" among {position - self._before} events: the figures are worth nothing"
            )
        self._before = position

    def _position(self) -> int:
        ((position,),) = self._connection.execute("SELECT position FROM sealbook.books").fetchall()
        return int(position)
