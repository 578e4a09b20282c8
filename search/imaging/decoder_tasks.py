"""The tasks of decoder processes: each takes the bytes of a file, and returns facts and blobs.

Facts are JSON values. `memory` is the limit in bytes; a task that needs more raises NeedsMemory, and all raise
UnreadableImage.
"""

import json
from collections.abc import Callable, Sequence
from hashlib import blake2b
from io import BytesIO
from typing import Any, TypeAlias

from PIL import Image

from search.containers.accepted_formats import FORMATS, recognised
from search.containers.errors import UnreadableImage
from search.imaging.colour_extraction import colours_of
from search.imaging.picture_decoding import read_picture
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
from search.imaging.wide_picture_windows import Box, is_middle, is_wide, windows_of
from search.metadata import TakenFrom, from_xmp, read_file
from search.metadata.photo_metadata import PhotoMetadata

Answer: TypeAlias = tuple[dict[str, Any], list[bytes]]

_MAX_JPEG_SIDE = 65_500


def picture(
    data: bytes,
    memory: int,
    *,
    max_pixels: int,
    at_least: int | None = None,
    longer_at_least: int = 1,
    longest: int | None = None,
    region: Sequence[float] | None = None,
    window: Sequence[int] | None = None,
    copy: int | None = None,
    parts: Sequence[str],
    sidecar: str = "",
) -> Answer:
    """Decode a picture and return the requested `parts` of it.

    "colours"; "copy", a WebP of `copy` pixels; "pixels", RGB; "greys", for the perceptual hash; "windows" of a wide or
    tall picture, their boxes and the pixels of each; "hash", equal for files of which all the rest would be equal;
    "written", the metadata of the file and of an XMP `sidecar`, whose bytes come as Latin-1.

    Sides longer than `longest` are reduced to it, as far as `at_least` allows. With a `region` in fractions (left,
    top, width, height), all is of that part. The pixels are those in the `window` of a model.
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
    """Return the metadata in a file, or in its beginning, and in an XMP `sidecar`. Refuses no file."""
    beside, inside, is_whole = PhotoMetadata(), PhotoMetadata(), True
    try:
        beside = from_xmp(sidecar.encode("latin-1"), TakenFrom.SIDECAR)
        inside, is_whole = read_file(data, recognised(data))
    except (UnreadableImage, MemoryError):  # `picture` reports the error
        pass
    return {"said": {"sidecar": beside.facts(), "file": inside.facts(), "is_whole": is_whole}}, []


def written_in_many(data: bytes, memory: int, *, sizes: Sequence[Sequence[int]]) -> Answer:
    """Return the metadata of many files, concatenated, each followed by its sidecar; `sizes` has the bytes of both.

    The result is a blob, as it may be long: a JSON list of what `written` returns for each.
    """
    found, start = [], 0
    for size, beside in sizes:
        end = start + size
        said, _ = written(data[start:end], memory, sidecar=data[end : end + beside].decode("latin-1"))
        found.append(said)
        start = end + beside
    return {}, [json.dumps(found).encode()]


def colours(data: bytes, memory: int, *, max_pixels: int) -> Answer:
    """Return the colours of a small picture."""
    return _colours(read_picture(data, max_pixels=max_pixels, memory=memory).picture), []


def _colours(shown: Image.Image) -> dict[str, Any]:
    return {"dominant_colour": dominant_colour(shown), "palette": colours_of(shown)}


def compared_in_many(data: bytes, memory: int, *, sizes: Sequence[int], max_pixels: int) -> Answer:
    """Return the pixels to compare of many pictures, concatenated; `sizes` has the bytes of each. Blobs are greys and
    small copies alternately; "shown" has the sizes of the greys."""
    shown, blobs, start = [], [], 0
    for size in sizes:
        grey, small = compared(read_picture(data[start : start + size], max_pixels=max_pixels, memory=memory).picture)
        shown.append(grey.size)
        blobs += [grey.tobytes(), small.tobytes()]
        start += size
    return {"shown": shown}, blobs


def _hash(shown: Image.Image, width: int, height: int) -> str:
    """Return a hash of the pixels from which all else is made: vectors, copies, colours."""
    found = blake2b(f"{width} {height} {shown.size} {shown.mode}".encode(), digest_size=16)
    found.update(shown.tobytes())
    return found.hexdigest()


def _cut_window(shown: Image.Image, box: Box, window: Sequence[int] | None) -> Image.Image | None:
    """Return what a model sees of a window; None where it equals what it sees of the whole picture."""
    # Of a picture that is squeezed into a square, the middle is only a part.
    if window and window[0] and is_middle(box, shown.size):
        return None
    part = shown.crop(box.of(shown.size))
    return cut_out(part, *window) if window else part


def reencoded(data: bytes, memory: int, *, max_pixels: int, lossless: bool) -> Answer:
    """Re-encode the whole picture as PNG or JPEG, without metadata."""
    shown = read_picture(data, max_pixels=max_pixels, memory=memory).picture
    output = BytesIO()
    kind = "PNG" if lossless or max(shown.size) > _MAX_JPEG_SIDE else "JPEG"
    if kind == "PNG":
        shown.save(output, "PNG", optimize=False)
    else:
        # No chroma subsampling: at this quality it would be the visible loss.
        shown.save(output, "JPEG", quality=95, subsampling="4:4:4")
    assert kind in FORMATS
    return {"format": kind}, [output.getvalue()]


_ALL: tuple[Callable[..., Answer], ...] = (picture, colours, reencoded, written, written_in_many, compared_in_many)
TASKS = {task.__name__: task for task in _ALL}
