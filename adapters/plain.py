"""Values as JSON knows them: the same answer in a terminal and over HTTP."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from typing import cast
from uuid import UUID
from zoneinfo import ZoneInfo

from sealbook.domain.catalogue import Event, event_name
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.projections.timeline import Entry

ZONE = "Asia/Seoul"


def plain(value: object, *, zone: str = ZONE) -> object:
    """Return a value as JSON knows it; times with the offset of a zone."""
    if isinstance(value, datetime):
        return iso(value, zone=zone)
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, RenewalPolicy):
        return json.loads(value.document)
    if isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value).items()
        return {str(key): plain(each, zone=zone) for key, each in items}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each, zone=zone) for each in cast("Iterable[object]", value)]
    if is_dataclass(value) and type(value).__str__ is object.__str__:
        return {each.name: plain(getattr(value, each.name), zone=zone) for each in fields(value)}
    return str(value)


def iso(moment: datetime, *, zone: str = ZONE) -> str:
    local = moment.astimezone(ZoneInfo(zone))
    # Until 1908 Seoul kept the sun's time. ISO 8601 as others read it knows no offset with seconds.
    offset = local.utcoffset() or timedelta()
    return (moment.astimezone(UTC) if offset % timedelta(minutes=1) else local).isoformat()


def named(value: object, names: Mapping[UUID, str]) -> object:
    """Return a value as JSON knows it, streams by their names where they have one."""
    if isinstance(value, UUID):
        return names.get(value, str(value))
    if isinstance(value, tuple):
        return [named(each, names) for each in cast("tuple[object, ...]", value)]
    if is_dataclass(value) and type(value).__str__ is object.__str__:
        return {each.name: named(getattr(value, each.name), names) for each in fields(value)}
    return plain(value)


def told_entry(entry: Entry) -> dict[str, object]:
    """Return an entry of a history; its values are still to be made plain."""
    recorded = entry.recorded
    return {
        "position": recorded.position,
        "version": recorded.version,
        "event": event_name(recorded.event),
        "occurred_at": recorded.event.at,
        "recorded_at": recorded.recorded_at,
        "actor": recorded.actor,
        "channel": recorded.channel,
        "caused_by": recorded.caused_by,
        "fields": fields_of(recorded.event),
        "before": entry.before,
        "after": entry.after,
    }


def fields_of(event: Event) -> dict[str, object]:
    """Return what an event says besides its moment."""
    return {each.name: plain(getattr(event, each.name)) for each in fields(event) if each.name != "at"}
