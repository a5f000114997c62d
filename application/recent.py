"""A mapping that keeps what was asked for last, and lets the rest go."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(slots=True)
class Recent(Generic[Key, Value]):
    """Keeps at least the last `kept` that were put in or asked for, and at most twice as many."""

    kept: int
    _young: dict[Key, Value] = field(default_factory=dict[Key, Value])
    _old: dict[Key, Value] = field(default_factory=dict[Key, Value])

    def get(self, key: Key) -> Value | None:
        value = self._young.get(key)
        if value is None and (value := self._old.get(key)) is not None:
            self.put(key, value)
        return value

    def put(self, key: Key, value: Value) -> None:
        self._young[key] = value
        if len(self._young) >= self.kept:
            self._old, self._young = self._young, {}
