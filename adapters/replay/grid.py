"""Sweeps: the cross product of values of some fields over a base policy, and the frontier of what it comes to."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from math import prod
from reprlib import repr as shortened
from typing import TypeVar, cast

from sealbook.adapters.history_files import BadFile, policy_of
from sealbook.domain.calendar import Period
from sealbook.domain.policy_document import RenewalPolicy

POLICIES_MAX = 10_000
EXAMPLE = "validity=P1Y:P5Y:P6M,eligible_after=P3M:P18M:P3M"
PERIODS = ("validity", "eligible_after", "usage_since", "renewal_validity", "grace", "request_window")
NUMBERS = ("min_uses", "max_renewals")
TEXTS = ("renew_on", "extend_from", "calendar")
FIELDS = (*PERIODS, *NUMBERS, *TEXTS)
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)

Value = str | int
Read = TypeVar("Read")


class BadGrid(ValueError):
    """A grid that cannot be used. The message is one line and says why."""


def grid_of(text: str) -> dict[str, list[Value]]:
    """Read FIELD=FIRST:LAST:STEP or FIELD=A|B|C, several with a comma between; return the values by field.

    Raises BadGrid.
    """
    found: dict[str, list[Value]] = {}
    for part in text.split(","):
        name, equals, written = part.strip().partition("=")
        if not equals or not written:
            raise BadGrid(f"--grid: {part.strip()!r} is not a field and its values: write it like {EXAMPLE}")
        if name not in FIELDS:
            raise BadGrid(f"--grid: no field {name!r} to sweep: there are {', '.join(FIELDS)}")
        if name in found:
            raise BadGrid(f"--grid: {name} stands twice")
        found[name] = _values(name, written)
    size = prod(map(len, found.values()))
    if size > POLICIES_MAX:
        raise BadGrid(f"--grid: {size:,} policies are more than {POLICIES_MAX:,}: take larger steps or fewer fields")
    return found


def swept(base: RenewalPolicy, grid: Mapping[str, Sequence[Value]]) -> dict[str, RenewalPolicy]:
    """Return the base policy with each combination of values, by labels that name them. Raises BadGrid."""
    document = cast("dict[str, object]", json.loads(base.document))
    found: dict[str, RenewalPolicy] = {}
    for values in product(*grid.values()):
        chosen = dict(zip(grid, values, strict=True))
        label = ",".join(f"{name}={value}" for name, value in chosen.items())
        try:
            found[label] = policy_of({**document, **chosen}, where=f"--grid: {label} over {base.ref}")
        except BadFile as bad:
            raise BadGrid(str(bad)) from None
    return found


def frontier(points: Iterable[tuple[str, int, int]]) -> list[str]:
    """Return the labels of those points (label, x, y) that no other beats in one number without losing in the other.

    In the order of x; of points that are the same, all stay.
    """
    found: list[str] = []
    best: tuple[int, int] | None = None
    for label, x, y in sorted(points, key=lambda point: (point[1], point[2])):
        if best is None or y < best[1] or (x, y) == best:
            found.append(label)
            best = x, y
    return found


def _values(name: str, written: str) -> list[Value]:
    if ":" in written:
        bounds = written.split(":")
        if len(bounds) != len(("first", "last", "step")) or name in TEXTS:
            raise BadGrid(f"--grid: {name}={written} is not FIRST:LAST:STEP: write it like {EXAMPLE}")
        return _range(name, bounds) if name in PERIODS else list[Value](_numbers(name, *_read(name, bounds, _number)))
    values = [_value(name, value) for value in written.split("|")]
    if len(set(values)) < len(values):
        raise BadGrid(f"--grid: {name}={written} holds a value twice")
    return values


def _range(name: str, bounds: Sequence[str]) -> list[Value]:
    periods = _read(name, bounds, Period.parse)
    if all(each.days == 0 for each in periods):
        months = _numbers(name, *(each.months for each in periods))
        return [str(Period(months=each, days=0)) for each in months]
    if all(each.months == 0 for each in periods):
        days = _numbers(name, *(each.days for each in periods))
        return [str(Period(months=0, days=each)) for each in days]
    raise BadGrid(f"--grid: {name}={':'.join(bounds)} mixes months with days: no month is a number of days")


def _numbers(name: str, first: int, last: int, step: int) -> range:
    if step <= 0 or last < first:
        raise BadGrid(f"--grid: {name} goes from the smaller to the larger in steps above nothing, like {EXAMPLE}")
    if (last - first) // step >= POLICIES_MAX:
        raise BadGrid(f"--grid: {name} alone has more than {POLICIES_MAX:,} values: take larger steps")
    return range(first, last + 1, step)


def _read(name: str, values: Sequence[str], one: Callable[[str], Read]) -> list[Read]:
    try:
        return [one(value) for value in values]
    except ValueError as bad:
        raise BadGrid(f"--grid: {name}: {bad}") from None


def _number(value: str) -> int:
    if not _NUMBER.fullmatch(value):
        raise ValueError(f"{shortened(value)} is not a whole number of up to nine digits")
    return int(value)


def _value(name: str, value: str) -> Value:
    if name in NUMBERS:
        return _read(name, [value], _number)[0]
    # What is neither a number nor a period is for the policy's own check, which knows what may stand there.
    if name in TEXTS or (name == "usage_since" and value in ("eligible", "period")):
        return value
    return str(_read(name, [value], Period.parse)[0])
