"""What happened to this credential, customer, device or policy, and what did each event change?"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any, cast

from sealbook.domain.catalogue import Aggregate, RecordedEvent, evolve
from sealbook.domain.values import PolicyRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One event with the fields of the state that it moved, before and after."""

    recorded: RecordedEvent
    before: dict[str, object]
    after: dict[str, object]


def timeline(history: Iterable[RecordedEvent]) -> list[Entry]:
    """Return the entries of one stream, in version order."""
    entries: list[Entry] = []
    state: Aggregate = None
    for recorded in history:
        moved = evolve(state, recorded.event)
        before, after = _changes(state, moved)
        entries.append(Entry(recorded=recorded, before=before, after=after))
        state = moved
    return entries


def _changes(before: object, after: object, prefix: str = "") -> tuple[dict[str, object], dict[str, object]]:
    """Return the values that differ, by dotted path, as they were and as they are."""
    if type(before) is not type(after) or not _is_record(before):
        return _apart(_flat(before, prefix), _flat(after, prefix))
    was: dict[str, object] = {}
    now: dict[str, object] = {}
    for name in _names(cast("Hashable", type(before))):
        one, other = getattr(before, name), getattr(after, name)
        # What an event does not touch, it hands on as it is.
        if one is not other:
            inner_was, inner_now = _changes(one, other, f"{prefix}{name}.")
            was |= inner_was
            now |= inner_now
    return was, now


def _apart(before: dict[str, object], after: dict[str, object]) -> tuple[dict[str, object], dict[str, object]]:
    moved = [path for path in {**before, **after} if before.get(path) != after.get(path)]
    return (
        {path: before[path] for path in moved if path in before},
        {path: after[path] for path in moved if path in after},
    )


def _flat(value: object, prefix: str) -> dict[str, object]:
    """Return a record's values by dotted path, or another value by its own."""
    if not _is_record(value):
        return {prefix.removesuffix("."): value} if prefix else {}
    flat: dict[str, object] = {}
    for name in _names(cast("Hashable", type(value))):
        flat |= _flat(getattr(value, name), f"{prefix}{name}.")
    return flat


def _is_record(value: object) -> bool:
    return is_dataclass(value) and not isinstance(value, PolicyRef)


@cache
def _names(cls: Hashable) -> tuple[str, ...]:
    return tuple(each.name for each in fields(cast("Any", cls)))
