"""Decodes untrusted bytes to an upright RGB picture, or raises UnreadableImage."""

import math
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from io import SEEK_END
from pathlib import Path
from typing import IO

from PIL import Image, ImageFile

from search.containers.accepted_formats import is_cut_short, recognised
from search.containers.errors import NeedsMemory, Reason, UnreadableImage, too_many_bytes, too_many_pixels
from search.containers.jpeg_scans import ended, refuse_endless_scans
from search.containers.raw import embedded_jpeg
from search.imaging.decoders_by_format import Source, corrected, decode_smaller, opened, orientation_of, prepared
from search.imaging.exif_orientation import UPRIGHT
from search.imaging.frames import first_shown
from search.imaging.memory_estimate import bytes_for_canvas, bytes_for_whole, bytes_needed
from search.imaging.srgb_conversion import to_srgb


@dataclass(frozen=True)
class ReadPicture:
    """A decoded picture and properties of its file.

    `picture` is upright, mode RGB, in sRGB, a single frame, without metadata. `width` and `height` are the upright
    size in pixels of the full picture, even where `picture` was decoded smaller; for a RAW file, of the JPEG in it.
    `format` is a key of FORMATS.
    """

    picture: Image.Image
    width: int
    height: int
    format: str


def read_picture(
    source: bytes | IO[bytes] | Path,
    *,
    max_pixels: int,
    max_bytes: int | None = None,
    at_least: int | None = None,
    longer_at_least: int = 1,
    memory: int | None = None,
) -> ReadPicture:
    """Decode `source`, which is untrusted.

    With `at_least`, the picture may be returned smaller, as long as its shorter side keeps that many pixels and its
    longer side `longer_at_least`: enough for a vector or a thumbnail. A JPEG is then decoded at 1/2, 1/4 or 1/8 of its
    size, which is much faster; a JPEG 2000 likewise.

    Raises UnreadableImage for anything wrong with the file, before decoding if it has more than `max_pixels` pixels or
    `max_bytes` bytes; NeedsMemory, before decoding, if it would take more than `memory` bytes. An OSError in reading
    the source propagates.
    """
    data = _contents(source, max_bytes)
    name = recognised(data)
    _mute_decoders()
    least = (at_least, longer_at_least) if at_least else None
    try:
        return _decoded(data, name, _Bounds(max_pixels, least, memory))
    except NeedsMemory:
        raise
    except UnreadableImage as error:
        if error.code in (Reason.DAMAGED, Reason.NO_FULL_SIZE) and name in _POINTING and is_cut_short(data, name):
            raise UnreadableImage(Reason.TRUNCATED) from error
        raise
    except Image.DecompressionBombError as error:
        raise _beyond_pillow(error, max_pixels) from error
    except MemoryError as error:
        raise UnreadableImage(Reason.NO_MEMORY) from error
    except Exception as error:  # fuzzing found a dozen types, TypeError and KeyError among them
        cut = is_cut_short(data, name) or "truncated" in str(error).lower()
        raise UnreadableImage(Reason.TRUNCATED if cut else Reason.DAMAGED) from error


def _beyond_pillow(error: Image.DecompressionBombError, max_pixels: int) -> UnreadableImage:
    """Return our error for Pillow's own refusal of frames inside a file; its text begins with the number of pixels."""
    found = re.search(r"\d+", str(error))
    limit = min(max_pixels, 2 * (Image.MAX_IMAGE_PIXELS or max_pixels))
    return too_many_pixels(int(found[0]) if found else limit + 1, 1, limit)


def _contents(source: bytes | IO[bytes] | Path, max_bytes: int | None) -> bytes:
    """Return all bytes of `source`, reading at most one beyond `max_bytes`."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            return _contents(file, max_bytes)
    if isinstance(source, bytes):
        data = source
    else:
        if source.seekable():
            if max_bytes is not None and (size := source.seek(0, SEEK_END)) > max_bytes:
                raise too_many_bytes(size, max_bytes)
            source.seek(0)
        data = source.read() if max_bytes is None else source.read(max_bytes + 1)
    if max_bytes is not None and len(data) > max_bytes:
        raise too_many_bytes(len(data), max_bytes)
    return data


@dataclass(frozen=True, slots=True)
class _Bounds:
    """The limits of a picture and its decoding, and the minimum of its shorter and longer side."""

    max_pixels: int
    least: tuple[int, int] | None
    memory: int | None

    def allow(self, needed: int) -> None:
        """Raise NeedsMemory if `needed` bytes are over the limit."""
        if self.memory is not None and needed > self.memory:
            raise NeedsMemory(needed)


def _decoded(data: bytes, format: str, bounds: _Bounds) -> ReadPicture:
    if format == "RAW":
        jpeg = embedded_jpeg(data)
        source = Source("JPEG", data[jpeg.start : jpeg.end], orientation=jpeg.orientation)
    else:
        source = prepared(data, format, bounds.max_pixels)
    bounds.allow(bytes_for_canvas(source))
    try:
        return replace(_drawn(source, bounds), format=format)
    except OSError as error:
        if source.format != "JPEG" or "truncated" not in str(error):
            raise
        whole = ended(source.data, lambda file: bounds.allow(bytes_for_whole(file, source)))
        return replace(_drawn(replace(source, data=whole), bounds), format=format)


def _drawn(source: Source, bounds: _Bounds) -> ReadPicture:
    max_pixels, least = bounds.max_pixels, bounds.least
    with opened(source) as file:
        width, height = _allowed_size(file, max_pixels)
        if source.format == "JPEG":
            refuse_endless_scans(source.data, start=file.fp.tell() if file.fp else 0)
        if least:
            decode_smaller(file, source, _least_side(file.size, least))
        stays = not least or min(file.size) < 2 * _least_side(file.size, least)
        bounds.allow(bytes_needed(file, source, (width, height), is_whole=stays))
        draw = _drawing(file, source, max_pixels)
        picture = first_shown(file, source.data, draw, max_pixels) if source.format in _MOVING else draw()
        if source.format not in ("JPEG", "JP2"):
            # libheif may correct the header's size; a later frame may extend beyond those before it.
            width, height = picture.size
        picture = _reduced(picture, least)
        # After the pixels, because the EXIF block of a PNG may follow them.
        orientation = orientation_of(file, source)
        if orientation in UPRIGHT:
            picture = picture.transpose(UPRIGHT[orientation])
        picture = _bare(picture)
    if orientation >= 5:
        width, height = height, width
    return ReadPicture(picture, width, height, source.format)


_POINTING = ("TIFF", "RAW", "JP2")
"""Formats whose guard may not notice that the file is truncated."""
_MOVING = ("GIF", "WEBP", "AVIF", "PNG")


def _drawing(file: ImageFile.ImageFile, source: Source, max_pixels: int) -> Callable[[], Image.Image]:
    def draw() -> Image.Image:
        file.load()
        _allowed_size(file, max_pixels)
        return to_srgb(corrected(file, source))

    return draw


def _least_side(size: tuple[int, int], least: tuple[int, int]) -> int:
    """Return the minimum shorter side of a picture of `size` whose sides must keep `least`, the shorter first."""
    return max(least[0], math.ceil(least[1] * min(size) / max(size)))


def _reduced(picture: Image.Image, least: tuple[int, int] | None) -> Image.Image:
    """Average blocks of pixels as far as the sides keep `least`: many full-size pictures would fill the memory."""
    factor = min(picture.size) // _least_side(picture.size, least) if least else 1
    return picture.reduce(factor) if factor > 1 else picture


def _allowed_size(file: Image.Image, max_pixels: int) -> tuple[int, int]:
    width, height = file.size
    if width * height > max_pixels:
        raise too_many_pixels(width, height, max_pixels)
    return width, height


def _bare(picture: Image.Image) -> Image.Image:
    """Return `picture` as a plain image without metadata, not tied to its file."""
    if isinstance(picture, ImageFile.ImageFile):
        picture = picture.copy()
    picture.info = {}
    return picture


def _mute_decoders() -> None:
    """Suppress decoders' warnings about unusual files.

    Not with warnings.catch_warnings, which swaps a list shared by all threads; and not once at import, because a test
    runner resets the list for each test.
    """
    if not any(known[0] == "ignore" and getattr(known[3], "pattern", None) == _MUTED for known in warnings.filters):
        warnings.filterwarnings("ignore", module=_MUTED)


_MUTED = r"(PIL|pillow_heif)\."
