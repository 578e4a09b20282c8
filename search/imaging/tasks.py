"""What a decoder process does for others: each task takes the bytes of a file, and returns little.

A task returns facts, which JSON can hold, and blobs. `memory` is what it may take in bytes; those that need more raise
NeedsMemory, and all raise UnreadableImage.
"""

import json
from collections.abc import Callable, Sequence
from hashlib import blake2b
from io import BytesIO
from typing import Any, TypeAlias

from PIL import Image

from search.containers.errors import UnreadableImage
from search.containers.formats import FORMATS, recognised
from search.imaging.reading import read_picture
from search.imaging.swatches import colours_of
from search.imaging.thumbnails import (
    compared,
    cut_out,
    dominant_colour,
    greys,
    placeholder,
    reduced,
    thumbnail,
    touched_pixels,
)
from search.imaging.windows import Box, is_middle, is_wide, windows_of
from search.metadata import TakenFrom, from_xmp, read_file
from search.metadata.fields import PhotoMetadata

Answer: TypeAlias = tuple[dict[str, Any], list[bytes]]

_MAX_JPEG_SIDE = 65_500


def picture(
    data: bytes,
    memory: int,
    *,
    max_pixels: int,
    at_least: int | None,
    longer_at_least: int,
    longest: int | None = None,
    region: Sequence[float] | None = None,
    window: Sequence[int] | None = None,
    copy: int | None = None,
    parts: Sequence[str],
    sidecar: str = "",
) -> Answer:
    """Parts of what is made of a picture: "colours", its "copy" as WebP of `copy` pixels, its "pixels", RGB, its
    "greys", and
    "windows", where it is wide or tall: where they are, and the pixels of each. "hash" tells whether all that is of it
    would be the same of another file. "written" is what its file says in words and figures, and a `sidecar` of XMP,
    whose bytes come as Latin-1.

    Sides longer than `longest` are brought down to it, as far as `at_least` allows. All are of a part of it where a
    `region` of fractions (left, top, width, height) is given. The pixels are those in the `window` of a model.
    """
    read = read_picture(data, max_pixels=max_pixels, at_least=at_least, longer_at_least=longer_at_least, memory=memory)
    shown = read.picture
    if region:
        shown = shown.crop(touched_pixels(shown.size, *region))
    if longest and at_least:
        shown = reduced(shown, longest, shorter=at_least)
    facts: dict[str, Any] = {"format": read.format, "width": read.width, "height": read.height}
    blobs = []
    if "greys" in parts:
        blobs.append(greys(shown))
    if "colours" in parts:
        facts |= _colours(shown) | {"placeholder": placeholder(shown)}
    if "hash" in parts:
        facts["hash"] = _hash(shown, read.width, read.height)
    if "copy" in parts and copy:
        blobs.append(thumbnail(shown, copy))
    if "pixels" in parts:
        pixels = cut_out(shown, *window) if window else shown
        facts["size"] = pixels.size
        blobs.append(pixels.tobytes())
    if "windows" in parts:
        boxes = windows_of(shown) if is_wide(read.width, read.height) else []
        cut = [_cut_window(shown, box, window) for box in boxes]
        facts |= {"windows": boxes, "window_sizes": [part.size if part else None for part in cut]}
        blobs += [part.tobytes() for part in cut if part]
    if "written" in parts:
        facts |= written(data, memory, sidecar=sidecar)[0]
    return facts, blobs


def written(data: bytes, memory: int, *, sidecar: str = "") -> Answer:
    """What a file, or its beginning, says in words and figures, and a `sidecar` of XMP; never a refusal."""
    beside, inside, is_whole = PhotoMetadata(), PhotoMetadata(), True
    try:
        beside = from_xmp(sidecar.encode("latin-1"), TakenFrom.SIDECAR)
        inside, is_whole = read_file(data, recognised(data))
    except (UnreadableImage, MemoryError):  # of what it is, `picture` tells
        pass
    return {"said": {"sidecar": beside.facts(), "file": inside.facts(), "is_whole": is_whole}}, []


def written_in_many(data: bytes, memory: int, *, sizes: Sequence[Sequence[int]]) -> Answer:
    """The same of many files, one behind the other, each with its sidecar behind it; `sizes` has the bytes of both.

    What they say is a blob, a list of what `written` says of each: it may be long.
    """
    found, start = [], 0
    for size, beside in sizes:
        end = start + size
        said, _ = written(data[start:end], memory, sidecar=data[end : end + beside].decode("latin-1"))
        found.append(said)
        start = end + beside
    return {}, [json.dumps(found).encode()]


def colours(data: bytes, memory: int, *, max_pixels: int) -> Answer:
    """Which colours are in a small picture."""
    return _colours(read_picture(data, max_pixels=max_pixels, memory=memory).picture), []


def _colours(shown: Image.Image) -> dict[str, Any]:
    return {"dominant_colour": dominant_colour(shown), "palette": colours_of(shown)}


def compared_in_many(data: bytes, memory: int, *, sizes: Sequence[int], max_pixels: int) -> Answer:
    """What is compared of many pictures, one behind the other; `sizes` has the bytes of each. Blobs are the greys and
    the small copies by turns, and of the greys "shown" has the sizes."""
    shown, blobs, start = [], [], 0
    for size in sizes:
        grey, small = compared(read_picture(data[start : start + size], max_pixels=max_pixels, memory=memory).picture)
        shown.append(grey.size)
        blobs += [grey.tobytes(), small.tobytes()]
        start += size
    return {"shown": shown}, blobs


def _hash(shown: Image.Image, width: int, height: int) -> str:
    """Of the pixels from which all else is made: vectors, copies, colours."""
    found = blake2b(f"{width} {height} {shown.size} {shown.mode}".encode(), digest_size=16)
    found.update(shown.tobytes())
    return found.hexdigest()


def _cut_window(shown: Image.Image, box: Box, window: Sequence[int] | None) -> Image.Image | None:
    """Return what a model is to see of a part; None where that is what it sees of the whole picture."""
    # Of a picture that is squeezed into the square, the middle is no more than a part.
    if window and window[0] and is_middle(box, shown.size):
        return None
    part = shown.crop(box.of(shown.size))
    return cut_out(part, *window) if window else part


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


_ALL: tuple[Callable[..., Answer], ...] = (picture, colours, drawn_anew, written, written_in_many, compared_in_many)
TASKS = {task.__name__: task for task in _ALL}
