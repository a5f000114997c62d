"""What a webhook is told of an event: CloudEvents 1.0, JSON, the envelope and the data in one document."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import cast
from uuid import UUID

from sealbook.domain.catalogue import EVENT_TYPES, RecordedEvent, event_name
from sealbook.domain.policy_document import RenewalPolicy

CONTENT_TYPE = "application/cloudevents+json; charset=UTF-8"
NAMED_ONLY = frozenset({"credential.used", "credential.use_refused"})
"""Usage is no signal: thousands a second, of interest to nobody who did not ask for it by name."""
_NAMES = frozenset(stored.name for stored in EVENT_TYPES.values())


def message_id(event: RecordedEvent) -> str:
    """Return what a receiver tells a repetition by: the same whenever the event is sent."""
    return f"{event.stream}/{event.version}"


def message(event: RecordedEvent, *, ledger: UUID) -> str:
    """Return the body of a message."""
    stored = event.event.stored
    said = {
        "recorded_at": _plain(event.recorded_at),
        "version": event.version,
        **({"actor": event.actor} if event.actor else {}),
        "channel": event.channel,
        # Apart from the envelope's: an event has a channel or a version of its own.
        "fields": {name: _plain(getattr(event.event, name)) for name in _own_fields(event)},
    }
    envelope = {
        "specversion": "1.0",
        "id": message_id(event),
        "source": ledger.urn,
        "type": f"sealbook.{stored.name}.v{stored.version}",
        "subject": str(event.stream),
        "time": _plain(event.event.at),
        "datacontenttype": "application/json",
        "sealbookposition": str(event.position),
        "data": said,
    }
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":"))


def wanted(event: RecordedEvent, wishes: Sequence[str]) -> bool:
    """Tell whether an event is among those wished for."""
    name = event_name(event.event)
    return name in wishes or (name not in NAMED_ONLY and name.startswith(_prefixes(wishes)))


def unknown(wish: str) -> bool:
    """Tell whether no event is ever meant by a wish: a stored name, or a beginning of one that ends with a dot."""
    return wish not in _NAMES and not (wish.endswith(".") and any(name.startswith(wish) for name in _NAMES))


def _prefixes(wishes: Sequence[str]) -> tuple[str, ...]:
    return tuple(wish for wish in wishes if wish.endswith("."))


def _own_fields(event: RecordedEvent) -> Iterable[str]:
    return (each.name for each in fields(event.event) if each.name != "at")


def _plain(value: object) -> object:
    """Return a value as JSON knows it; times in UTC."""
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case None | bool() | int() | float():
            return value
        case RenewalPolicy():
            return json.loads(value.document)
        case tuple():
            return [_plain(each) for each in cast("tuple[object, ...]", value)]
        case _ if is_dataclass(value) and type(value).__str__ is object.__str__:
            return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
        case _:
            return str(value)
