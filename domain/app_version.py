"""Versions of an app or a system: numbers with points, compared as numbers."""

import re

from sealbook.domain.errors import Refusal, Refused

_VERSION = re.compile(r"\d{1,6}(\.\d{1,6}){0,3}", re.ASCII)


def version_of(text: str) -> tuple[int, ...]:
    """Return a version such as 6.2.10 in a form that compares by its numbers; 6.0 is 6. Raises Refused(version)."""
    if _VERSION.fullmatch(text) is None:
        raise Refused(Refusal.VERSION, "write a version as numbers with points, like 6.2.10")
    numbers = [int(part) for part in text.split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
