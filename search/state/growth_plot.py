"""The plot of the collection's growth: coordinates that a template draws as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 640, 180
LEFT, RIGHT, TOP, BOTTOM = 64, 10, 10, 28
_LABELS = 5


@dataclass(frozen=True, slots=True)
class Label:
    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Plot:
    """`line` and `area` are SVG paths; `rows` is the same data as a table: when, pictures, bytes."""

    line: str
    area: str
    across: Sequence[Label]
    up: Sequence[Label]
    rows: Sequence[tuple[str, str, int]]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    floor: int = HEIGHT - BOTTOM


def plot_of(growth: dict[str, Any] | None) -> Plot | None:
    """Return the plot of the growth found by `counts`; None without data."""
    points = growth["points"] if growth else []
    if not points:
        return None
    most = _round_up(max(count for _when, count, _size in points))
    places = [(_place(_when(when), points), _up(count, most)) for when, count, _size in points]
    if len(places) == 1:  # a horizontal line
        places = [(float(LEFT), places[0][1]), (float(WIDTH - RIGHT), places[0][1])]
    line = "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    floor = HEIGHT - BOTTOM
    return Plot(
        line=line,
        area=f"{line} L{places[-1][0]:.1f} {floor} L{places[0][0]:.1f} {floor} Z",
        across=_across(points),
        up=[Label(LEFT - 6, _up(value, most), f"{value:,}") for value in (0, most // 2, most)],
        rows=[(when, f"{count:,}", size) for when, count, size in reversed(points)],
    )


def _when(period: str) -> int:
    """Return a day or month as an increasing number: days, with 31 per month."""
    year, month, *day = map(int, period.split("-"))
    return (12 * year + month) * 31 + (day[0] if day else 0)


def _place(when: int, points: Sequence[Any]) -> float:
    first, last = _when(points[0][0]), _when(points[-1][0])
    share = (when - first) / (last - first) if last > first else 1.0
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _up(value: int, most: int) -> float:
    return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / most, 1)


def _round_up(most: int) -> int:
    """Return the least of 2, 4, 6, 8, 10, 20, 40 ... that is not less."""
    step = int(10 ** (len(str(most)) - 1))
    return next(factor * step for factor in (2, 4, 6, 8, 10, 20) if factor * step >= most)


def _across(points: Sequence[Any]) -> list[Label]:
    """Return some date labels that do not overlap."""
    chosen: list[Label] = []
    for when, _count, _size in points[:: max(1, len(points) // _LABELS)]:
        x = round(_place(_when(when), points), 1)
        x = min(max(x, LEFT + 24), WIDTH - RIGHT - 30)
        if not chosen or x - chosen[-1].x > 80:
            chosen.append(Label(x, HEIGHT - 8, when))
    return chosen
