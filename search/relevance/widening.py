"""Test pictures at one end of a wide or tall background, outside the middle square that a model sees."""

import random
from collections.abc import Iterator, Sequence

from PIL import Image

from search.embedding import Picture

RATIOS = (16 / 9, 20 / 9, 3.0, 6.0)
_SHORT = 240
_PATCH = 40
"""Size in pixels of the coloured patches of a busy background."""


def widened(pictures: Sequence[Picture], share: float, seed: int = 11) -> Iterator[Picture]:
    """Yield the pictures; about a `share` of them is redrawn at one end of a background, half of these tall.

    Half of the backgrounds are plain, as a sky over a sea; the others are full of coloured patches.
    """
    rng = random.Random(seed)  # noqa: S311 - drawings
    for picture in pictures:
        yield _at_one_end(picture, rng) if rng.random() < share else picture


def _at_one_end(picture: Picture, rng: random.Random) -> Picture:
    is_tall, is_plain = rng.random() < 0.5, rng.random() < 0.5
    length = round(_SHORT * rng.choice(RATIOS))
    ground = (_plain if is_plain else _full)((length, _SHORT), rng)
    side = round(_SHORT * (rng.uniform(0.4, 1.0) if is_plain else 1.0))
    short = min(picture.size)
    left, top = ((edge - short) // 2 for edge in picture.size)
    thing = picture.crop((left, top, left + short, top + short)).resize((side, side), Image.Resampling.BICUBIC)
    if is_tall:
        thing = thing.transpose(Image.Transpose.TRANSPOSE)  # upright again after transposing the whole
    place = rng.choice((0, length - side))
    ground.paste(thing, (place, rng.randint(0, _SHORT - side)))
    return ground.transpose(Image.Transpose.TRANSPOSE) if is_tall else ground


def _colour(rng: random.Random) -> tuple[int, int, int]:
    return rng.randint(90, 190), rng.randint(90, 190), rng.randint(90, 190)


def _plain(size: tuple[int, int], rng: random.Random) -> Picture:
    ground = Image.new("RGB", size, _colour(rng))
    ground.paste(_colour(rng), (0, size[1] * 6 // 10, *size))
    return ground


def _full(size: tuple[int, int], rng: random.Random) -> Picture:
    patches = Image.new("RGB", (size[0] // _PATCH + 1, size[1] // _PATCH + 1))
    patches.putdata([_colour(rng) for _ in range(patches.width * patches.height)])
    return patches.resize(size, Image.Resampling.BICUBIC)
