"""A lane: one connection that carries out batch after batch, and does not guess what became of one.

Every command has an id. So a batch whose outcome is unknown, because the connection broke, is carried out
again: what was done answers as it did, and what was not is done now.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from time import monotonic

from sealbook.adapters.eventstore.awaited import AwaitedStore
from sealbook.application.batch import KnownPolicies, Load
from sealbook.application.commands import Command
from sealbook.application.outcomes import Outcome, repeated
from sealbook.application.ports import OutcomeUnknown, Unavailable
from sealbook.domain.kind_document import KindBook

PATIENCE_SECONDS = 10.0
"""How long a lane's batches wait for a server that does not answer, counted from when it was lost."""
RECONNECT_SECONDS = 0.1

Answer = Outcome | Exception


class Lane:
    """One writer's connection, for one batch at a time. `stopping` ends the waiting for a lost server."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[AwaitedStore]],
        *,
        kinds: KindBook,
        stopping: asyncio.Event,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._connect = connect
        self._kinds = kinds
        self._stopping = stopping
        self._patience_seconds = patience_seconds
        self._known = KnownPolicies()
        self._store: AwaitedStore | None = None
        self._lost_at: float | None = None

    async def open(self) -> None:
        """Connect. Raises Unavailable."""
        await self._opened()

    async def close(self) -> None:
        if self._store is not None:
            store, self._store = self._store, None
            await store.close()

    async def carry_out(self, commands: Sequence[Command]) -> list[Answer]:
        """Return, for each command, its outcome or why there is none: Unavailable, OutcomeUnknown, or a defect's error.

        Every command needs an id. One whose error is a defect of its own does not fail the others.
        """
        try:
            return await self._executed(commands)
        except (Unavailable, OutcomeUnknown) as error:
            return [error] * len(commands)
        except Exception as error:  # noqa: BLE001 (told to the one caller whose command it is)
            if len(commands) == 1:
                return [error]
            half = len(commands) // 2
            return [*await self.carry_out(commands[:half]), *await self.carry_out(commands[half:])]

    async def _executed(self, commands: Sequence[Command]) -> list[Answer]:
        unknown: OutcomeUnknown | None = None
        if self._lost_at is not None and monotonic() > self._lost_at + 2 * self._patience_seconds:
            # What was lost so long ago may have come back meanwhile, unasked.
            self._lost_at = None
        while True:
            try:
                answers = await self._once(commands, unknown)
            except (OutcomeUnknown, Unavailable) as error:
                unknown = error if isinstance(error, OutcomeUnknown) else unknown
                self._lost_at = self._lost_at or monotonic()
                if monotonic() >= self._lost_at + self._patience_seconds:
                    raise unknown or error from None
            else:
                self._lost_at = None
                return answers
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), timeout=RECONNECT_SECONDS)
                raise unknown or Unavailable("the ledger is being closed: nothing of this command was written")

    async def _once(self, commands: Sequence[Command], unknown: OutcomeUnknown | None) -> list[Answer]:
        """Carry out the commands over a connection that lasts. Raises Unavailable, OutcomeUnknown if it does not.

        `unknown` says that an earlier connection broke, and what was sent over it may still be committed.
        """
        store = self._store or await self._opened()
        try:
            try:
                return list(await store.execute(commands, kinds=self._kinds, known=self._known))
            except Unavailable as error:
                return await _as_far_as_it_got(store, commands, unknown or error)
        finally:
            if store.closed:
                await self.close()

    async def _opened(self) -> AwaitedStore:
        # A server that comes back may be another, which lacks what was last seen of the policies.
        self._known = KnownPolicies()
        self._store = await self._connect()
        return self._store


async def _as_far_as_it_got(store: AwaitedStore, commands: Sequence[Command], error: Exception) -> list[Answer]:
    """Tell what was appended before the server said no, for instance that it is busy, from what was not.

    Raises OutcomeUnknown if the server does not say: an append of the batch may have come before what failed.
    """
    ids = [command.command_id for command in commands if command.command_id is not None]
    try:
        found = (await store.load(Load((), (), ids))).outcomes
    except Unavailable as lost:
        raise OutcomeUnknown("the connection broke: send the command again with the same id") from lost
    answers = ((command, found.get(command.command_id)) for command in commands if command.command_id is not None)
    return [
        error if stored is None else repeated(command.digest(), stored, store.command_digest)
        for command, stored in answers
    ]
