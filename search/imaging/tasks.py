"""What a decoder process does for others: each task takes the bytes of a file, and returns little.

A task returns facts, which JSON can hold, and blobs. `memory` is what it may take in bytes; those that need more raise
NeedsMemory, and all raise UnreadableImage.
"""

from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any, TypeAlias

from PIL import Image

from search.imaging.derived import cut_out, dominant_colour, placeholder, reduced, thumbnail, touched_pixels
from search.imaging.formats import FORMATS
from search.imaging.reading import ReadPicture, read_picture

Answer: TypeAlias = tuple[dict[str, Any], list[bytes]]

_MAX_JPEG_SIDE = 65_500


def picture(
    data: bytes,
    memory: int,
    *,
    max_pixels: int,
    at_least: int | None,
    longer_at_least: int,
    window: Sequence[int] | None = None,
    region: Sequence[float] | None = None,
) -> Answer:
    """The pixels, RGB; of a part of it where a `region` of fractions (left, top, width, height) is given."""
    read = read_picture(data, max_pixels=max_pixels, at_least=at_least, longer_at_least=longer_at_least, memory=memory)
    shown = read.picture
    if region:
        shown = shown.crop(touched_pixels(shown.size, *region))
    return _facts(read, shown), [shown.tobytes()]


def for_model(
    data: bytes,
    memory: int,
    *,
    max_pixels: int,
    side: int,
    longest: int,
    window: Sequence[int] | None,
    parts: Sequence[str],
) -> Answer:
    """What a model and the collection need of a picture, as far as `parts` names it: "pixels" or "derived"."""
    read = read_picture(data, max_pixels=max_pixels, at_least=side, longer_at_least=longest, memory=memory)
    shown = reduced(read.picture, longest, shorter=side)
    facts, blobs = _facts(read, shown), []
    if "derived" in parts:
        facts |= {"dominant_colour": dominant_colour(shown), "placeholder": placeholder(shown)}
        blobs.append(thumbnail(shown, longest))
    if "pixels" in parts:
        fitted = cut_out(shown, *window) if window else shown
        facts["size"] = fitted.size
        blobs.append(fitted.tobytes())
    return facts, blobs


def small(data: bytes, memory: int, *, max_pixels: int, at_least: int, longer_at_least: int, longest: int) -> Answer:
    """A smaller copy as WebP."""
    read = read_picture(data, max_pixels=max_pixels, at_least=at_least, longer_at_least=longer_at_least, memory=memory)
    return _facts(read, read.picture), [thumbnail(read.picture, longest)]


def drawn_anew(data: bytes, memory: int, *, max_pixels: int, lossless: bool) -> Answer:
    """The whole picture as a new file, PNG or JPEG, with nothing else in it."""
    shown = read_picture(data, max_pixels=max_pixels, memory=memory).picture
    output = BytesIO()
    kind = "PNG" if lossless or max(shown.size) > _MAX_JPEG_SIDE else "JPEG"
    if kind == "PNG":
        shown.save(output, "PNG", optimize=False)
    else:
        # No chroma subsampling: at this quality it is the loss that one sees.
        shown.save(output, "JPEG", quality=95, subsampling="4:4:4")
    assert kind in FORMATS
    return {"format": kind}, [output.getvalue()]


def _facts(read: ReadPicture, shown: Image.Image) -> dict[str, Any]:
    return {"format": read.format, "width": read.width, "height": read.height, "size": shown.size}


TASKS: dict[str, Callable[..., Answer]] = {task.__name__: task for task in (picture, for_model, small, drawn_anew)}
