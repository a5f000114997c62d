"""How long a benchmark runs, and on how much."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`rounds` are taken in turns with the rival; one lasts `seconds` where time, not `size`, ends it."""

    rounds: int
    seconds: float
    size: int
