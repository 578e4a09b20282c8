"""How good a similarity is."""

from dataclasses import dataclass
from enum import StrEnum

from search.vectors import Vector


class Band(StrEnum):
    STRONG = "strong"
    RELATED = "related"
    WEAK = "weak"


@dataclass(frozen=True, slots=True)
class Scale:
    mean: float
    spread: float
    strong: float
    related: float

    def band(self, similarity: float) -> Band:
        return Band.STRONG if similarity >= self.strong else Band.RELATED if similarity >= self.related else Band.WEAK

    def excess(self, similarity: float) -> float:
        return max(0.0, (similarity - self.related) / self.spread)


def scale_of(vector: Vector, *, pictures: float) -> Scale | None:
    return None
