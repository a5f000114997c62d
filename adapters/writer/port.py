"""The port by which the service hands commands to the ledger."""

from typing import NamedTuple, Protocol
from uuid import UUID

from sealbook.application.commands import Command
from sealbook.domain.errors import Refusal


class Answered(NamedTuple):
    """How a command was answered; to a repeated command as the first time, `repeated` apart.

    `refusal` is None when it was accepted. `position` is that of its last event, None when it left none;
    `version` is that of `stream` after it. `events` are stored names, as "credential.used".
    """

    refusal: Refusal | None
    message: str
    stream: UUID | None
    position: int | None
    version: int | None
    events: tuple[str, ...] = ()
    repeated: bool = False

    @property
    def accepted(self) -> bool:
        return self.refusal is None


class Writer(Protocol):
    """Whatever carries out commands."""

    async def submit(self, command: Command) -> Answered:
        """Carry out a command; return its answer when that is durable.

        A command without an id gets one. Raises Busy when too many wait, Unavailable when nothing was written,
        and OutcomeUnknown when nobody can tell for now: the same command with the same id may be sent again.
        """
        ...
