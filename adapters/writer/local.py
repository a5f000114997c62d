"""The writer in this process: the gatherer, and for a repeated command the answer of the first time."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol
from uuid import UUID

from sealbook.adapters.eventstore.gatherer import Gatherer
from sealbook.adapters.ids import new_id
from sealbook.adapters.writer.first_answers import FirstAnswers, answered_again
from sealbook.adapters.writer.port import Answered
from sealbook.application.commands import Command
from sealbook.application.outcomes import Outcome
from sealbook.domain.catalogue import event_name


class Asker(Protocol):
    """Whoever waits for an answer; a Future is one. It is told once, must be quick and must not raise."""

    def done(self) -> bool:
        """Return whether it waits no more, and is told nothing."""
        ...

    def set_result(self, answered: Answered, /) -> None: ...

    def set_exception(self, error: Exception, /) -> None: ...


class LocalWriter:
    """Writes through a gatherer of this process, which whoever made it opens and closes.

    The same command that is sent many times at once goes to the gatherer once. What was taken is carried out, even
    if nobody waits for it any more.
    """

    def __init__(self, gatherer: Gatherer, first_answers: FirstAnswers, *, new_id: Callable[[], UUID] = new_id) -> None:
        self._gatherer = gatherer
        self._first_answers = first_answers
        self._new_id = new_id
        self._asked: dict[UUID, _Asked] = {}
        self._recalling: set[asyncio.Task[None]] = set()

    async def submit(self, command: Command) -> Answered:
        """Carry out a command, as `Writer` says."""
        answer: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self.hand_in(command, answer)
        return await answer

    def hand_in(self, command: Command, asker: Asker) -> None:
        """Let a command be carried out and its asker be told, without a task that waits.

        Raises Busy or Unavailable if it is not taken; the asker is told everything else.
        """
        command_id = command.command_id
        if command_id is None:
            command_id = self._new_id()
            command = replace(command, command_id=command_id)
        earlier = self._asked.get(command_id)
        if earlier is None:
            asked = _Asked(self, command_id, command, asker)
            self._gatherer.hand_in(command, asked)
            self._asked[command_id] = asked
        elif earlier.command.digest() == command.digest():
            earlier.others.append(asker)
        else:
            # Its id is another's. Whether that counts is for the ledger to say, once the other is carried out.
            self._gatherer.hand_in(command, _Asked(self, command_id, command, asker))

    async def close(self) -> None:
        """Tell who still waits for a first answer, and let the connection go. The gatherer is closed before."""
        await asyncio.gather(*self._recalling)
        await self._first_answers.close()

    def answered(self, asked: "_Asked", outcome: Outcome) -> None:
        """Take the gatherer's outcome."""
        if outcome.repeated and outcome.position is not None:
            # The loop itself holds a task but weakly.
            task = asyncio.create_task(self._recall(asked, outcome, outcome.position))
            self._recalling.add(task)
            task.add_done_callback(self._recalling.discard)
            return
        names = tuple([event_name(event) for event in outcome.events])
        refusal, message, stream, position = outcome[:4]
        self.settle(asked)
        asked.tell(Answered(refusal, message, stream, position, outcome.version, names, outcome.repeated))

    def settle(self, asked: "_Asked") -> None:
        """Forget a command that is answered: the next with its id is asked of the ledger."""
        if self._asked.get(asked.command_id) is asked:
            del self._asked[asked.command_id]

    async def _recall(self, asked: "_Asked", outcome: Outcome, position: int) -> None:
        try:
            events = await self._first_answers.left_by(asked.command_id, position)
        except Exception as error:  # noqa: BLE001 (told to those who asked)
            self.settle(asked)
            asked.tell_error(error)
            return
        self.settle(asked)
        asked.tell(answered_again(outcome, events))


class _Asked:
    """A command that is with the gatherer, who asked first and who asked the same meanwhile."""

    __slots__ = ("_writer", "asker", "command", "command_id", "others")

    def __init__(self, writer: LocalWriter, command_id: UUID, command: Command, asker: Asker) -> None:
        self._writer = writer
        self.command_id = command_id
        self.command = command
        self.asker = asker
        self.others: list[Asker] = []

    def done(self) -> bool:
        # Somebody may still ask the same.
        return False

    def set_result(self, outcome: Outcome) -> None:
        self._writer.answered(self, outcome)

    def set_exception(self, error: Exception) -> None:
        self._writer.settle(self)
        self.tell_error(error)

    def tell(self, answered: Answered) -> None:
        if not self.asker.done():
            self.asker.set_result(answered)
        if self.others:
            again = answered._replace(repeated=True)
            for each in self.others:
                if not each.done():
                    each.set_result(again)

    def tell_error(self, error: Exception) -> None:
        for each in (self.asker, *self.others):
            if not each.done():
                each.set_exception(error)
