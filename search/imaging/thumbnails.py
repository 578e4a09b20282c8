"""Thumbnail, placeholder and dominant colour of a picture, and crops of it."""

import math
from base64 import b64encode
from io import BytesIO

from PIL import Image, ImageChops, ImageOps

from search.containers.accepted_formats import FORMATS

_STAND_IN = 16
_SAMPLE = 96
_COLOURS = 12
GREY_SIDE = 32
COMPARED_GREYS, COMPARED_SIDE = 256, 128
_BORDER = [0] * 25 + [255] * 231
"""Grey differences from a border's colour that count as border: JPEG leaves noise."""
_LEAST_INSIDE = 0.1
"""Minimum fraction of a picture within its border: less is a mark on a page."""


def thumbnail(picture: Image.Image, longest: int) -> bytes:
    """Return an upright picture as WebP without metadata, its longer side at most `longest` pixels, never enlarged."""
    # Method 0 takes 2.2 ms for 400x300 pixels, method 2 4.3 and method 4 9.6, for files that are 10 and 17 % smaller
    # at the same distance (PSNR) from the picture.
    return _as_webp(_shrunk(picture, longest), quality=79, method=0)


def reduced(picture: Image.Image, longest: int, *, shorter: int) -> Image.Image:
    """Return the picture with its longer side `longest`, or more where the shorter one would fall below `shorter`.

    Never enlarged. As good for a model as the full picture, and several times as fast as a thumbnail's filter.
    """
    longest = max(longest, -(-shorter * max(picture.size) // min(picture.size)))
    size = _fitting(picture, longest)
    return picture if size == picture.size else picture.resize(size, Image.Resampling.HAMMING)


def greys(picture: Image.Image) -> bytes:
    """Return the picture, without a border of one colour, as 32x32 greys, from which `search.duplicates` makes a
    perceptual hash."""
    # For a large picture a first coarse reduction is as good, and faster.
    small = _without_border(picture.convert("L")).resize(
        (GREY_SIDE, GREY_SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0
    )
    return small.tobytes()


def compared(picture: Image.Image) -> tuple[Image.Image, Image.Image]:
    """Return what `search.duplicates` compares: greys, the longer side COMPARED_GREYS pixels, and YCbCr, COMPARED_SIDE
    by COMPARED_SIDE pixels whatever the picture's shape."""
    sides = COMPARED_SIDE, COMPARED_SIDE
    return (
        ImageOps.contain(picture.convert("L"), (COMPARED_GREYS, COMPARED_GREYS)),
        picture.resize(sides, Image.Resampling.BOX).convert("YCbCr"),
    )


def _without_border(grey: Image.Image) -> Image.Image:
    """Remove a border of one colour, which would make all framed pictures similar."""
    corner = grey.getpixel((0, 0))
    inside = ImageChops.difference(grey, Image.new("L", grey.size, corner)).point(_BORDER).getbbox()
    if inside is None or (inside[2] - inside[0]) * (inside[3] - inside[1]) < _LEAST_INSIDE * grey.width * grey.height:
        return grey
    return grey.crop(inside)


def placeholder(picture: Image.Image) -> str:
    """Return a copy of 16 pixels as a `data:` URI of about 200 characters, displayed until the picture has loaded."""
    webp = _as_webp(_shrunk(picture, _STAND_IN), quality=40, method=4)
    return f"data:{FORMATS['WEBP'].mime};base64,{b64encode(webp).decode('ascii')}"


def dominant_colour(picture: Image.Image) -> str:
    """Return the most common colour as "#rrggbb": one that is in the picture, which an average may not be."""
    # Nearest, because every other filter mixes neighbours into new colours.
    sample = picture.resize(_fitting(picture, _SAMPLE), Image.Resampling.NEAREST)
    reduced = sample.convert("RGB").quantize(_COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    counts = reduced.histogram()
    first = 3 * counts.index(max(counts))
    red, green, blue = (reduced.getpalette() or [])[first : first + 3]
    return f"#{red:02x}{green:02x}{blue:02x}"


def cut_out(picture: Image.Image, shortest: int, side: int, resample: int) -> Image.Image:
    """Return the central square of `side` pixels, after scaling the shorter side to `shortest`.

    If `shortest` is 0, the whole picture is squeezed into the square. Idempotent.
    """
    if not shortest:
        square = (side, side)
        return picture if picture.size == square else picture.resize(square, Image.Resampling(resample))
    width, height = picture.size
    short = min(width, height)
    if short != shortest:
        # Rounded down, as the image processors of transformers do.
        width, height = (max(1, int(shortest * length / short)) for length in (width, height))
        if width * height > WIDEST:
            return _middle_of_strip(picture, (width, height), side, resample)
        picture = picture.resize((width, height), Image.Resampling(resample))
    left, top = (width - side) // 2, (height - side) // 2
    # Beyond the edges of a picture smaller than the square, this adds black, as the processors do.
    return picture.crop((left, top, left + side, top + side))


WIDEST = 8_000_000
"""Pixels up to which a picture is scaled as a whole before the crop."""


def _middle_of_strip(picture: Image.Image, size: tuple[int, int], side: int, resample: int) -> Image.Image:
    """Scale only the central square of a long strip: a line of 16,000 pixels would take 3 GB in full."""
    box, target, offset = [0.0, 0.0, float(picture.width), float(picture.height)], list(size), [0, 0]
    for axis in (0, 1):
        scale = picture.size[axis] / size[axis]
        # A filter reaches two pixels, of the picture or of the result; beyond the box Pillow sees none.
        margin = math.ceil(3 / min(scale, 1.0))
        start = (size[axis] - side) // 2 - margin
        if start > 0:
            target[axis], offset[axis] = side + 2 * margin, start
            box[axis], box[axis + 2] = start * scale, (start + target[axis]) * scale
    part = picture.resize((target[0], target[1]), Image.Resampling(resample), box=(box[0], box[1], box[2], box[3]))
    left, top = ((size[axis] - side) // 2 - offset[axis] for axis in (0, 1))
    return part.crop((left, top, left + side, top + side))


def touched_pixels(
    size: tuple[int, int], left: float, top: float, width: float, height: float
) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom in pixels of a rectangle in fractions of a picture of `size`.

    It includes every pixel that the rectangle touches.
    """
    return (
        math.floor(left * size[0] + ROUNDING),
        math.floor(top * size[1] + ROUNDING),
        min(size[0], math.ceil((left + width) * size[0] - ROUNDING)),
        min(size[1], math.ceil((top + height) * size[1] - ROUNDING)),
    )


ROUNDING = 1e-6
"""Tolerance of fractions."""


def _shrunk(picture: Image.Image, longest: int) -> Image.Image:
    size = _fitting(picture, longest)
    if size == picture.size:
        return picture
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)


def _fitting(picture: Image.Image, longest: int) -> tuple[int, int]:
    """Return the size of `picture` reduced to `longest` on its longer side; a strip keeps at least one pixel."""
    scale = min(1.0, longest / max(picture.size))
    return max(1, round(picture.width * scale)), max(1, round(picture.height * scale))


def _as_webp(picture: Image.Image, *, quality: int, method: int) -> bytes:
    output = BytesIO()
    # Empty, or Pillow writes the profile in the picture's info.
    picture.save(output, "WEBP", quality=quality, method=method, exif=b"", xmp=b"", icc_profile=b"")
    return output.getvalue()
