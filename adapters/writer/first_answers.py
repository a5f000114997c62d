"""What a command left in the ledger when it was carried out, for those who ask again."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import takewhile
from uuid import UUID

from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.writer.port import Answered
from sealbook.application.outcomes import Outcome
from sealbook.application.ports import EventStore, OutcomeUnknown, Unavailable
from sealbook.domain.catalogue import RecordedEvent, event_name

EVENTS_A_READ = 16


class FirstAnswers:
    """Reads the events of commands over a connection of its own, which is made when it is first needed."""

    def __init__(self, connect: Callable[[], PostgresEventStore]) -> None:
        self._connect = connect
        self._store: PostgresEventStore | None = None
        self._reading = asyncio.Lock()

    async def left_by(self, command_id: UUID, position: int) -> list[RecordedEvent]:
        """Return the events of a command whose last one has this position, in order; none if they were set apart.

        Raises OutcomeUnknown if the database does not say: the command was carried out.
        """
        async with self._reading:
            try:
                return await asyncio.to_thread(self._read, command_id, position)
            except Unavailable as error:
                raise OutcomeUnknown("the first answer cannot be read now: send the command again") from error

    async def close(self) -> None:
        async with self._reading:
            self._let_go()

    def _read(self, command_id: UUID, position: int) -> list[RecordedEvent]:
        if self._store is None:
            self._store = self._connect()
        try:
            return left_by(self._store, command_id, position)
        except Unavailable:
            # The next one may find another connection better.
            self._let_go()
            raise

    def _let_go(self) -> None:
        if self._store is not None:
            store, self._store = self._store, None
            store.close()


def answered_again(outcome: Outcome, events: Sequence[RecordedEvent]) -> Answered:
    """Return the first answer to a command from its outcome and the events that it left."""
    versions = [each.version for each in events if each.stream == outcome.stream]
    return Answered(
        refusal=outcome.refusal,
        message=outcome.message,
        stream=outcome.stream,
        position=outcome.position,
        version=max(versions, default=None),
        events=tuple(event_name(each.event) for each in events),
        repeated=outcome.repeated,
    )


def left_by(store: EventStore, command_id: UUID, position: int) -> list[RecordedEvent]:
    """Return the events of a command whose last one has this position: they stand side by side."""
    found: list[RecordedEvent] = []
    while position > 0:
        begin = max(0, position - EVENTS_A_READ)
        events = [each for each in store.read(after=begin, limit=position - begin) if each.position <= position]
        own = list(takewhile(lambda each: each.command_id == command_id, reversed(events)))
        found += own
        if len(own) < position - begin:
            break
        position = begin
    return found[::-1]
