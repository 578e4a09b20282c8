"""The backgrounds of the demo's pictures."""

from __future__ import annotations

import random
from collections.abc import Callable

from PIL import Image, ImageDraw, ImageOps

from search.demo.scenes import Background

RGB = tuple[int, int, int]

# All lengths are relative to the shorter side, so that a small drawing is a scaled-down large one.


def paint_background(background: Background, width: int, height: int, rng: random.Random) -> Image.Image:
    """Return an RGB picture of the given size in pixels."""
    # Drawn at twice the size and reduced: PIL draws lines and dots without antialiasing.
    canvas = _PAINTERS[background](2 * width, 2 * height, rng)
    return canvas.reduce(2)


def _shade(colour: RGB, rng: random.Random, spread: int = 6) -> RGB:
    """Return the colour slightly lighter or darker."""
    change = rng.randint(-spread, spread)
    red, green, blue = (max(0, min(255, channel + change)) for channel in colour)
    return red, green, blue


def _gradient(width: int, height: int, above: RGB, below: RGB) -> Image.Image:
    """Return a vertical gradient."""
    return ImageOps.colorize(Image.linear_gradient("L").resize((width, height)), above, below)


def _dot(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, colour: RGB) -> None:
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def _white(width: int, height: int, rng: random.Random) -> Image.Image:
    return _gradient(width, height, (255, 255, 255), _shade((240, 240, 242), rng, 5))


def _black(width: int, height: int, rng: random.Random) -> Image.Image:
    return _gradient(width, height, _shade((8, 8, 9), rng, 5), _shade((22, 22, 24), rng, 5))


def _night(width: int, height: int, rng: random.Random) -> Image.Image:
    canvas = _gradient(width, height, _shade((10, 12, 52), rng), _shade((52, 50, 120), rng, 10))
    draw, unit = ImageDraw.Draw(canvas), min(width, height)
    for _ in range(70):
        _dot(draw, rng.random() * width, rng.random() * height, unit * rng.uniform(0.0012, 0.0036), (225, 228, 255))
    return canvas


def _sand(width: int, height: int, rng: random.Random) -> Image.Image:
    base = _shade((236, 214, 164), rng)
    canvas = _gradient(width, height, _shade(base, rng), _shade((222, 194, 140), rng))
    draw, unit = ImageDraw.Draw(canvas), min(width, height)
    for _ in range(900):
        _dot(draw, rng.random() * width, rng.random() * height, unit * 0.003, _shade((218, 190, 138), rng, 24))
    return canvas


def _grass(width: int, height: int, rng: random.Random) -> Image.Image:
    canvas = _gradient(width, height, _shade((132, 196, 92), rng, 10), _shade((78, 152, 58), rng, 10))
    draw, unit = ImageDraw.Draw(canvas), min(width, height)
    for _ in range(700):
        x, y = rng.random() * width, rng.random() * height
        tip = (x + unit * rng.uniform(-0.012, 0.012), y - unit * rng.uniform(0.025, 0.05))
        draw.line(((x, y), tip), fill=_shade((92, 166, 66), rng, 26), width=max(1, round(unit * 0.005)))
    return canvas


def _stripes(width: int, height: int, rng: random.Random) -> Image.Image:
    canvas = Image.new("RGB", (width, height), (252, 250, 246))
    draw, unit = ImageDraw.Draw(canvas), min(width, height)
    band, colour = unit * rng.uniform(0.055, 0.075), _shade((203, 216, 234), rng, 8)
    start = -height - rng.random() * 2 * band
    while start < width:
        end = start + band
        draw.polygon(((start, height), (end, height), (end + height, 0), (start + height, 0)), colour)
        start += 2 * band
    return canvas


def _dots(width: int, height: int, rng: random.Random) -> Image.Image:
    canvas = Image.new("RGB", (width, height), _shade((250, 236, 230), rng, 4))
    draw, unit = ImageDraw.Draw(canvas), min(width, height)
    step, colour = unit * rng.uniform(0.12, 0.15), _shade((238, 196, 198), rng, 8)
    left, top = rng.random() * step, rng.random() * step
    for row in range(int(height / step) + 2):
        for column in range(int(width / step) + 3):
            x = left + (column - 1 + (row % 2) / 2) * step
            _dot(draw, x, top + (row - 0.5) * step, step * 0.2, colour)
    return canvas


def _sea(width: int, height: int, rng: random.Random) -> Image.Image:
    canvas = _gradient(width, height, _shade((72, 152, 214), rng), _shade((24, 92, 164), rng))
    draw, unit = ImageDraw.Draw(canvas), min(width, height)
    for _ in range(46):
        x, y, reach = rng.random() * width, rng.random() * height, unit * rng.uniform(0.05, 0.09)
        line = max(1, round(unit * 0.006))
        for crest in range(2):
            left = x + crest * reach
            draw.arc((left, y, left + reach, y + reach * 0.6), 190, 350, fill=(122, 186, 232), width=line)
    return canvas


_PAINTERS: dict[Background, Callable[[int, int, random.Random], Image.Image]] = {
    "white": _white,
    "black": _black,
    "night": _night,
    "sand": _sand,
    "grass": _grass,
    "stripes": _stripes,
    "dots": _dots,
    "sea": _sea,
}
