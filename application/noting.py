"""Noting: what whoever keeps a ledger lets it say of itself."""

from uuid import UUID

from sealbook.application.commands import Command
from sealbook.application.ledger import execute
from sealbook.application.ports import EventStore
from sealbook.application.record_keeping import OnLedger
from sealbook.domain import ledger
from sealbook.domain.errors import Refused


def note(
    store: EventStore, said: ledger.Command, *, actor: str, channel: str, command_id: UUID | None = None
) -> int | None:
    """Have it noted; return the event's position, None if it is so already. Raises Refused."""
    command = Command(request=OnLedger(command=said), command_id=command_id, actor=actor, channel=channel)
    (outcome,) = execute(store, [command])
    if outcome.refusal is not None:
        raise Refused(outcome.refusal, outcome.message)
    return outcome.position
