"""One figure: its rounds, and the ceiling or rival that was measured in turns with it."""

from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """`against` names what `against_rounds` measured, on the same machine in the same minutes."""

    bench: str
    case: str
    unit: str
    rounds: tuple[float, ...]
    against: str
    against_rounds: tuple[float, ...]

    @property
    def value(self) -> float:
        return median(self.rounds)

    @property
    def against_value(self) -> float:
        return median(self.against_rounds)

    @property
    def ratio(self) -> float:
        return self.value / self.against_value

    def as_json(self) -> dict[str, object]:
        return {
            "bench": self.bench,
            "case": self.case,
            "value": _rounded(self.value),
            "unit": self.unit,
            "rounds": [_rounded(each) for each in self.rounds],
            "against": self.against,
            "against_value": _rounded(self.against_value),
            "ratio": float(f"{self.ratio:.4g}"),
        }

    def as_text(self) -> str:
        return (
            f"{self.bench:<9}{self.case:<58}{_shown(self.value):>12} {self.unit:<14}"
            f"{self.ratio:>9.3f} of {self.against} ({_shown(self.against_value)})"
        )


def _rounded(value: float) -> float:
    # A rate needs no fraction; a latency may be one.
    return round(value, 1) if value >= 100 else float(f"{value:.4g}")


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
