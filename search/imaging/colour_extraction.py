"""The colours of a picture: which named ones are in it, how much of each, and a few swatches.

Each pixel gets a name by its lightness, chroma and hue in OKLab, where equal distances look equal. Doesn't use numpy,
which decoder processes lack.
"""

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple, cast

from PIL import Image

from search.imaging.named_colours import PALETTE

MOST_SWATCHES, LEAST_SWATCHES = 5, 3
"""Maximum number of swatches, and the number below which light and dark parts are separated."""
_SAMPLE = 48
"""Pixels of the longer side of the sample."""
_LEVEL_BITS = 4
"""Bits of red, green and blue by which names are cached: 4,096 colours."""
MOSTLY_OF = "mostly-"
COLOUR_NAMES = (*PALETTE, *(MOSTLY_OF + name for name in PALETTE))
"""Values to filter by: some of a colour, and mostly of it."""
READER = 1
"""Version of the rules below. Change it when stored pictures must be analysed again."""
GREYS = frozenset(("black", "grey", "white"))
_VIVID = 0.1
"""Chroma from which a colour is noticed even in small amounts."""
_LEAST_VIVID, _LEAST_MUTED, _LEAST_GREY = 0.03, 0.1, 0.12
"""Fractions of the picture from which a colour counts as in it. Greys are in nearly every photo."""
MOSTLY = 0.5
"""Fraction of the picture from which it is mostly of a colour."""
_SPLIT = 0.08
"""Fraction of the picture from which a lighter or darker part of a colour gets its own swatch."""


class Swatch(NamedTuple):
    """A representative colour: its name, "#rrggbb", and the share of its part of the picture in percent."""

    name: str
    colour: str
    share: int


class Colours(NamedTuple):
    """Names in PALETTE of colours in a picture, those of which it mostly consists, and its swatches, largest first."""

    some: tuple[str, ...]
    mostly: tuple[str, ...]
    swatches: tuple[Swatch, ...]

    @property
    def names(self) -> list[str]:
        """The values of COLOUR_NAMES by which it is found."""
        return [*self.some, *(MOSTLY_OF + name for name in self.mostly)]


class _Part:
    """The pixels of a picture with one name and one level of lightness."""

    __slots__ = ("blue", "count", "green", "name", "red", "vivid")

    def __init__(self, name: str) -> None:
        self.name, self.count, self.vivid = name, 0, 0
        self.red = self.green = self.blue = 0

    def add(self, count: int, red: int, green: int, blue: int) -> None:
        self.count += count
        self.red += count * red
        self.green += count * green
        self.blue += count * blue

    def merged(self, other: "_Part") -> "_Part":
        both = _Part(self.name)
        for field in ("count", "vivid", "red", "green", "blue"):
            setattr(both, field, getattr(self, field) + getattr(other, field))
        return both

    @property
    def colour(self) -> str:
        mean = (round(part / self.count) for part in (self.red, self.green, self.blue))
        return "#" + "".join(f"{part:02x}" for part in mean)


def colours_of(picture: Image.Image) -> Colours:
    """Return the colours of an upright picture."""
    parts = _parts_of(picture)
    total = sum(part.count for part in parts)
    names: dict[str, _Part] = {}
    for part in parts:
        names[part.name] = names[part.name].merged(part) if part.name in names else part
    some = [name for name in PALETTE if name in names and _is_in(names[name], total)]
    mostly = [name for name in some if names[name].count >= MOSTLY * total]
    return Colours(tuple(some), tuple(mostly), _swatches(parts, names, some, total))


def _is_in(part: _Part, total: int) -> bool:
    if part.name in GREYS:
        return part.count >= _LEAST_GREY * total
    return part.count >= _LEAST_MUTED * total or part.vivid >= _LEAST_VIVID * total


def _parts_of(picture: Image.Image) -> list[_Part]:
    scale = min(1.0, _SAMPLE / max(picture.size))
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    # Averages of neighbours: a meadow is green, whatever its blades and their shadows are.
    sample = picture.convert("RGB").resize(size, Image.Resampling.BOX, reducing_gap=1.0)
    parts: dict[tuple[str, int], _Part] = {}
    shift = 8 - _LEVEL_BITS
    found = cast("list[tuple[int, tuple[int, int, int]]]", sample.getcolors(_SAMPLE * _SAMPLE))
    for count, (red, green, blue) in found:
        kind, is_vivid = _kind_of(red >> shift, green >> shift, blue >> shift)
        part = parts.get(kind)
        if part is None:
            part = parts[kind] = _Part(kind[0])
        part.add(count, red, green, blue)
        if is_vivid:
            part.vivid += count
    return list(parts.values())


def _swatches(parts: Sequence[_Part], names: dict[str, _Part], some: Sequence[str], total: int) -> tuple[Swatch, ...]:
    """Return swatches for the colours in `some`, largest first; where they are few, with light and dark parts
    separated."""
    found = _by_size(names[name] for name in some)[:MOST_SWATCHES] or _by_size(names.values())[:1]
    if len(found) < LEAST_SWATCHES:
        large = [one for one in _by_size(parts) if one.count >= _SPLIT * total]
        small = [one for one in found if one.name not in {part.name for part in large}]
        apart = _by_size([*large[: MOST_SWATCHES - len(small)], *small])
        found = apart if len(apart) > len(found) else found
    return tuple(Swatch(one.name, one.colour, max(1, round(100 * one.count / total))) for one in found)


def _by_size(parts: Iterable[_Part]) -> list[_Part]:
    return sorted(parts, key=lambda part: -part.count)


@lru_cache(1 << 3 * _LEVEL_BITS)
def _kind_of(red: int, green: int, blue: int) -> tuple[tuple[str, int], bool]:
    """Return name and lightness level of a colour, given by the upper bits of its channels; and whether it is
    vivid."""
    lightness, chroma, hue = oklch(*((part + 0.5) * 2 ** (8 - _LEVEL_BITS) for part in (red, green, blue)))
    return (name_of(lightness, chroma, hue), int(lightness * 3.999)), chroma >= _VIVID


def oklch(red: float, green: float, blue: float) -> tuple[float, float, float]:
    """Return lightness (0 to 1), chroma (0 to 0.33) and hue (degrees) in OKLab of an sRGB colour with channels of 0 to
    255."""
    r, g, b = (_linear(part / 255) for part in (red, green, blue))
    long = (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) ** (1 / 3)
    medium = (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) ** (1 / 3)
    short = (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b) ** (1 / 3)
    lightness = 0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short
    a = 1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short
    b = 0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short
    return lightness, math.hypot(a, b), math.degrees(math.atan2(b, a)) % 360


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def name_of(lightness: float, chroma: float, hue: float) -> str:
    """Return the common name of a colour, one of PALETTE."""
    if lightness < 0.18 or chroma < _least_chroma(lightness, hue):
        return "black" if lightness < 0.33 else "white" if lightness > 0.88 else "grey"
    for until, name in _HUES:
        if hue < until:
            return _shade(name, lightness, chroma, hue)
    return _shade("red", lightness, chroma, hue)


def _least_chroma(lightness: float, hue: float) -> float:
    """Return the chroma below which a colour is a grey: higher in the dark, and for purples, since shadows are often
    purplish."""
    return 0.028 + max(0.0, 0.4 - lightness) * 0.1 + (0.014 if 284 < hue < 352 else 0.0)


_HUES = (
    (12, "rose"),
    (38, "red"),
    (70, "orange"),
    (80, "amber"),
    (113, "yellow"),
    (168, "green"),
    (217, "teal"),
    (284, "blue"),
    (324, "purple"),
    (352, "magenta"),
    (361, "rose"),
)
"""Upper bounds of hue in degrees, and the names of colours that are neither pale nor dark."""


def _shade(hue_name: str, lightness: float, chroma: float, hue: float) -> str:
    """Return the palette name, which for pale and dark colours differs from the name of the hue."""
    if hue_name == "magenta":
        return "pink" if lightness > 0.5 else "purple"
    if hue_name in ("rose", "red"):
        if lightness > (0.55 if hue_name == "rose" else 0.72) and (hue_name == "rose" or chroma < 0.16):
            return "pink"
        return "brown" if chroma < 0.08 else "red"
    if hue_name in ("orange", "amber"):
        is_brown = lightness < 0.6 or (chroma < 0.1 and lightness < 0.88)
        return "brown" if is_brown else "yellow" if hue_name == "amber" and chroma > 0.14 else "orange"
    if hue_name == "yellow":
        return _yellowish(lightness, chroma, hue)
    return hue_name


def _yellowish(lightness: float, chroma: float, hue: float) -> str:
    if lightness > 0.62 and (chroma >= 0.075 or lightness > 0.88):
        return "yellow"
    return "green" if hue > 102 else "brown"
