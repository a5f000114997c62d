"""What happened to this credential, customer, device or policy, and what did each event change?"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass

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
        before, after = _changes(_flat(state), _flat(moved))
        entries.append(Entry(recorded=recorded, before=before, after=after))
        state = moved
    return entries


def _flat(state: object, prefix: str = "") -> dict[str, object]:
    """Return the state's values by dotted path."""
    if not is_dataclass(state) or isinstance(state, PolicyRef):
        return {}
    flat: dict[str, object] = {}
    for each in fields(state):
        value: object = getattr(state, each.name)
        path = f"{prefix}{each.name}"
        nested = _flat(value, f"{path}.")
        flat.update(nested or {path: value})
    return flat


def _changes(before: dict[str, object], after: dict[str, object]) -> tuple[dict[str, object], dict[str, object]]:
    moved = [path for path in {**before, **after} if before.get(path) != after.get(path)]
    return (
        {path: before[path] for path in moved if path in before},
        {path: after[path] for path in moved if path in after},
    )
