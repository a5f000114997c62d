"""The four verdicts. Three of them end the work where they are found; each has an exit code."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Proven:
    """Exit code 0. `says` is the claim, `lines` what belongs to it, in words; `facts` the same for programs."""

    says: str
    lines: Iterable[str]
    facts: Mapping[str, Any]


class Disproved(Exception):
    """Exit code 1: this claim is false, at this position of the log where it is known."""

    def __init__(self, claim: str, why: str, position: int | None = None) -> None:
        super().__init__(why)
        self.claim, self.why, self.position = claim, why, position

    def __str__(self) -> str:
        place = "" if self.position is None else f", position {self.position}"
        return f"claim {self.claim}{place}: {self.why}"


class BadInput(Exception):
    """Exit code 2: a file that is missing, or is not what it should be, byte for byte."""


class CannotTell(Exception):
    """Exit code 3: nothing is wrong, but the policy asks for signatures that are not there, or knows not whose."""
