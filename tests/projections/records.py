"""Recorded events as a ledger would hold them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sealbook.domain.catalogue import Event, RecordedEvent

CREDENTIAL = UUID(int=101)
OTHER_CREDENTIAL = UUID(int=102)


def learned(event: Event, recorded_at: datetime) -> tuple[Event, datetime]:
    """An event that the ledger learned of at another moment than its own."""
    return event, recorded_at


def log(
    *events: Event | tuple[Event, datetime], stream: UUID = CREDENTIAL, after: Sequence[RecordedEvent] = ()
) -> list[RecordedEvent]:
    """The events as one stream, at the positions that follow those of another log."""
    recorded = list(after)
    for version, each in enumerate(events, start=1):
        event, recorded_at = each if isinstance(each, tuple) else (each, each.at)
        recorded.append(
            RecordedEvent(
                book=1,
                position=len(recorded) + 1,
                stream=stream,
                version=version,
                recorded_at=recorded_at,
                actor="teller",
                channel="branch",
                command_id=None,
                caused_by=None,
                event=event,
            )
        )
    return recorded


def ledger(histories: Mapping[UUID, Sequence[Event | tuple[Event, datetime]]]) -> list[RecordedEvent]:
    """The log of several streams, one after the other."""
    recorded: list[RecordedEvent] = []
    for stream, events in histories.items():
        recorded = log(*events, stream=stream, after=recorded)
    return recorded
