"""Events in words, by the catalogue of events beside this file. What it does not know is shown as it is."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, cast
from uuid import UUID

from sealbook_verify.leaves import OWN_FIELDS, Event
from sealbook_verify.moments import utc
from sealbook_verify.msgpack import Value

SHOWN, DESTROYED, WITHHELD = "shown", "destroyed", "withheld"
_ID_BYTES = 16
_TEXT_MAX = 100


@dataclass(frozen=True, slots=True)
class Step:
    """One event of a history in its place; `note` says why its body is not shown."""

    version: int
    event: Event
    leaf: bytes
    state: str = SHOWN
    note: str = ""


def facts_of(step: Step) -> dict[str, Any]:
    """Return an event for programs."""
    place = {"version": step.version, "position": step.event.position, "recorded_at": utc(step.event.recorded_at)}
    if step.event.body is None:
        return {**place, "state": step.state, "note": step.note}
    return {**place, "state": step.state, **told(step.event.body)}


def line_of(step: Step) -> str:
    """Return an event as one line: version, time, what happened, and in brackets who recorded it when."""
    recorded = f"position {step.event.position}, recorded {utc(step.event.recorded_at)}"
    if step.event.body is None:
        return f"{step.version:>4}  [{step.note}; {recorded}]"
    said = told(step.event.body)
    by = " by ".join(str(said[each]) for each in ("channel", "actor") if said.get(each) is not None)
    fields = "".join(f" {name}={_short(each)}" for name, each in said["fields"].items() if each is not None)
    return f"{step.version:>4}  {said.get('occurred_at', '')}  {said['words']}{fields}  [{by}; {recorded}]"


def told(body: list[Value]) -> dict[str, Any]:
    """Return what a body says: envelope, words for what happened, and the event's own fields by name."""
    known = _catalogue()["events"].get(" ".join(map(str, body[:2])))
    if known is None or len(body) != OWN_FIELDS + len(known["fields"]):
        return {
            "event": body[0],
            "words": body[0],
            "fields": {str(n): _plain(each) for n, each in enumerate(body) if n},
        }
    envelope = {name: _value(name, each) for name, each in zip(_catalogue()["envelope"], body, strict=False)}
    own = zip(known["fields"], body[OWN_FIELDS:], strict=True)
    return {**envelope, "words": known["words"], "fields": {name: _value(name, each) for name, each in own}}


@cache
def _catalogue() -> Mapping[str, Any]:
    """Return the events by name and version: words, and the names of their own fields in order."""
    text = files("sealbook_verify").joinpath("catalogue.json").read_text(encoding="utf-8")
    read: Mapping[str, Any] = json.loads(text)
    return read


def _value(name: str, value: Value) -> object:
    """Return a field's value as people and JSON have it: times in ISO 8601, parts by their names."""
    parts = _catalogue()["parts"].get(name)
    if isinstance(value, list) and parts and len(parts) == len(value):
        return {part: _value(part, each) for part, each in zip(parts, value, strict=True)}
    if name in _catalogue()["times"] and isinstance(value, int):
        return utc(value)
    return _plain(value)


def _plain(value: Value) -> object:
    match value:
        case bytes():
            return str(UUID(bytes=value)) if len(value) == _ID_BYTES else value.hex()
        case list():
            return [_plain(each) for each in value]
        case _:
            return value


def _short(value: object) -> str:
    if isinstance(value, dict):
        parts = cast("dict[str, object]", value)
        return f"({' '.join(f'{name}={_short(each)}' for name, each in parts.items() if each is not None)})"
    said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return said if len(said) <= _TEXT_MAX else f"{said[:_TEXT_MAX]}..."
