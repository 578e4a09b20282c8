"""Evaluate colour detection on drawings with known colours; count how many pictures of a folder each colour finds."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageChops

from search import decoding
from search.demo.drawing import draw
from search.demo.scenes import Background, Scene, random_scene
from search.imaging import PALETTE, Colours, UnreadableImage, colours_of

_LONG_SIDE = 400
_SAME = 12
"""Grey difference, of 255, up to which pixels of two drawings count as equal."""
SHARES = (0.15, 0.08, 0.03)
"""Minimum shares of the picture area covered by a drawing's shapes."""
_BACKGROUNDS: dict[Background, tuple[str, ...]] = {
    "white": ("white",),
    "black": ("black",),
    "night": ("blue", "black", "purple"),
    "sand": ("yellow", "brown", "orange"),
    "grass": ("green",),
    "stripes": ("white", "grey", "blue"),
    "dots": ("white", "pink"),
    "sea": ("blue", "teal"),
}
"""Acceptable colour names for each background."""


def on_drawings(count: int) -> Iterator[str]:
    """Yield the lines of a table: recall of each colour, by the share of its shape, and precision."""
    there, hits = Counter[tuple[str, float]](), Counter[tuple[str, float]]()
    found, right = Counter[str](), Counter[str]()
    rng = random.Random(5)  # noqa: S311 - drawings, no secrets
    for seed in range(count):
        scene = random_scene(rng)
        picture = draw(scene, seed, _LONG_SIDE)
        name: str = "teal" if scene.colour == "turquoise" else scene.colour
        names = colours_of(picture).some
        for least in (least for least in SHARES if _share(scene, seed, picture) >= least):
            there[name, least] += 1
            hits[name, least] += name in names
        found.update(names)
        right.update(one for one in names if one in (name, *_BACKGROUNDS[scene.background]))
    yield f"{'colour':8} " + " ".join(f"recall from {least:.0%}".rjust(20) for least in SHARES) + f" {'precision':>16}"
    for name in PALETTE:
        recall = (_rate(hits[name, least], there[name, least]).rjust(20) for least in SHARES)
        yield f"{name:8} {' '.join(recall)} {_rate(right[name], found[name]):>16}"


def _share(scene: Scene, seed: int, picture: Image.Image) -> float:
    """Return the share of a drawing that its shapes cover: the pixels that change with their colour."""
    other = draw(replace(scene, colour="blue" if scene.colour == "red" else "red"), seed, _LONG_SIDE)
    differs = ImageChops.difference(picture, other).convert("L").point([0] * _SAME + [255] * (256 - _SAME))
    return differs.histogram()[255] / (picture.width * picture.height)


def _rate(part: int, whole: int) -> str:
    return f"{part / whole:.1%} of {whole}" if whole else "none"


def on_photos(folder: Path, *, max_pixels: int) -> Iterator[str]:
    """Yield the lines of a table: how many pictures of a folder each colour finds. Raises NoDecoder."""
    some, mostly, count = Counter[str](), Counter[str](), 0
    for path in sorted(folder.rglob("*")):
        if (colours := _of_file(path, max_pixels)) is not None:
            count += 1
            some.update(colours.some)
            mostly.update(colours.mostly)
    yield f"{count:,} pictures: some of a colour, and mostly of it"
    for name in PALETTE:
        yield f"{name:8} {some[name]:8,} {mostly[name]:8,}"


def _of_file(path: Path, max_pixels: int) -> Colours | None:
    if not path.is_file():
        return None
    try:
        return decoding.colours_of_picture(path.read_bytes(), max_pixels=max_pixels)
    except UnreadableImage:
        return None
