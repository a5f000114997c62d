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
            "value": round(self.value, 1),
            "unit": self.unit,
            "rounds": [round(each, 1) for each in self.rounds],
            "against": self.against,
            "against_value": round(self.against_value, 1),
            "ratio": round(self.ratio, 3),
        }

    def as_text(self) -> str:
        return (
            f"{self.bench:<9}{self.case:<26}{self.value:>12,.0f} {self.unit:<14}"
            f"{self.ratio:>8.3f} of {self.against} ({self.against_value:,.0f})"
        )
