"""How commands are answered."""

from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

from sealbook.application.grouping import Decision
from sealbook.application.ports import StoredOutcome
from sealbook.domain.catalogue import Event
from sealbook.domain.errors import Refusal


class RefusedInWhole(Exception):
    """A command of a batch that is to be appended whole was refused: nothing of the batch was written.

    `index` is the command's place in the batch.
    """

    def __init__(self, index: int, code: Refusal, message: str) -> None:
        super().__init__(message)
        self.index, self.code, self.message = index, code, message


class Outcome(NamedTuple):
    """How a command was answered.

    `refusal` is None when it was accepted. `position` is that of its last event, None when it left
    none. `version` is that of `stream` after it, None where it is not known. `repeated`: it was carried
    out before, and this is the first answer again. `attempts` is how often it was decided, because others
    moved what it read.
    """

    refusal: Refusal | None
    message: str
    stream: UUID | None
    position: int | None
    events: tuple[Event, ...] = ()
    repeated: bool = False
    attempts: int = 1
    version: int | None = None

    @property
    def accepted(self) -> bool:
        return self.refusal is None


FORGOTTEN = Outcome(
    refusal=Refusal.COMMAND_ID_FORGOTTEN,
    message="the command id says a day whose ids are kept no more: look whether it was carried out, then use a new one",
    stream=None,
    position=None,
)


def outcome_of(decision: Decision, position: int | None, attempts: int) -> Outcome:
    head = None if decision.stream is None else decision.decided.heads.get(decision.stream)
    return Outcome(
        refusal=decision.refusal,
        message=decision.message,
        stream=decision.stream,
        position=position,
        events=tuple(event for _, event in decision.decided.events),
        attempts=attempts,
        version=None if head is None else head.version,
    )


def repeated(digest: bytes, stored: StoredOutcome, kept_of: Callable[[bytes], bytes]) -> Outcome:
    """Return the first answer to a command again, or a refusal if its id was another command's.

    `digest` is the command's, `kept_of` the store's `command_digest`.
    """
    if stored.digest != kept_of(digest):
        message = "this command id was used before with other content: give each command an id of its own"
        return Outcome(refusal=Refusal.COMMAND_ID_REUSED, message=message, stream=None, position=None)
    # What is kept of a refusal was recorded: it is told as it was told then.
    message = "" if stored.refusal is None else recorded_message(stored.refusal)
    return Outcome(
        refusal=stored.refusal, message=message, stream=stored.stream, position=stored.position, repeated=True
    )


def recorded_message(refusal: Refusal) -> str:
    """Return what is said of a refusal that stands in the log."""
    return f"refused and recorded, for the reason {refusal}"
