"""Bytes that a stranger sent -> an upright RGB picture, or UnreadableImage."""

import math
import re
import threading
import warnings
from contextlib import nullcontext
from dataclasses import dataclass
from io import SEEK_END, BytesIO
from pathlib import Path
from typing import IO

from PIL import Image, ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from search.imaging.colours import mend_png_transparency, to_srgb
from search.imaging.errors import Reason, UnreadableImage, too_many_bytes, too_many_pixels
from search.imaging.exif import UPRIGHT, orientation_in
from search.imaging.formats import is_cut_short, recognised, webp_canvas
from search.imaging.scans import refuse_endless_scans

LARGE = 24_000_000
"""Pixels from which only a few pictures are decoded at once: one of 100 megapixels takes up to 800 MB meanwhile."""
_LARGE_AT_ONCE = threading.BoundedSemaphore(2)


@dataclass(frozen=True)
class ReadPicture:
    """A decoded picture and what its file said about it.

    `picture` is upright, mode RGB, in sRGB, first frame only, and carries no metadata. `width` and `height` are the
    upright size in pixels of the full picture, even where `picture` was decoded smaller. `format` is a key of FORMATS.
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
) -> ReadPicture:
    """Decode `source`, which is trusted in nothing.

    With `at_least`, the picture may be returned smaller as long as its shorter side keeps that many pixels, and its
    longer side `longer_at_least`: enough for a vector or a thumbnail. A JPEG is then decoded at 1/2, 1/4 or 1/8 of its
    size, which is much quicker.

    Raises UnreadableImage for anything that is wrong with the file, before decoding where it has more than
    `max_pixels` pixels or `max_bytes` bytes. An OSError in reading the source itself rises as it is.
    """
    data = _contents(source, max_bytes)
    name = recognised(data)
    _mute_decoders()
    try:
        return _decoded(data, name, max_pixels, (at_least, longer_at_least) if at_least else None)
    except UnreadableImage:
        raise
    except Image.DecompressionBombError as error:
        raise _beyond_pillow(error, max_pixels) from error
    except MemoryError as error:
        raise UnreadableImage(Reason.NO_MEMORY) from error
    except Exception as error:  # fuzzing found a dozen types, TypeError and KeyError among them
        cut = is_cut_short(data, name) or "truncated" in str(error).lower()
        raise UnreadableImage(Reason.TRUNCATED if cut else Reason.DAMAGED) from error


def _beyond_pillow(error: Image.DecompressionBombError, max_pixels: int) -> UnreadableImage:
    """Pillow's own refusal of frames inside a file, in our words; its text begins with the number of pixels."""
    found = re.search(r"\d+", str(error))
    limit = min(max_pixels, 2 * (Image.MAX_IMAGE_PIXELS or max_pixels))
    return too_many_pixels(int(found[0]) if found else limit + 1, 1, limit)


def _contents(source: bytes | IO[bytes] | Path, max_bytes: int | None) -> bytes:
    """Return all bytes of `source`, never reading more than one beyond `max_bytes`."""
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


def _decoded(data: bytes, format: str, max_pixels: int, least: tuple[int, int] | None) -> ReadPicture:
    if format == "WEBP":
        _refuse_webp_canvas(data, max_pixels)
    with _opened(data, format) as file:
        width, height = _allowed_size(file, max_pixels)
        if format == "JPEG":
            refuse_endless_scans(data, start=file.fp.tell() if file.fp else 0)
            if least:
                side = _least_side(file.size, least)
                file.draft(None, (side, side))
        with _LARGE_AT_ONCE if file.size[0] * file.size[1] > LARGE else nullcontext():
            file.load()
            if format == "HEIF":  # libheif may find that the header was wrong about the size
                width, height = _allowed_size(file, max_pixels)
            # After the pixels, because the EXIF block of a PNG may stand behind them.
            orientation = _orientation(file, format)
            if format == "PNG":
                mend_png_transparency(file, bits=data[24])
            picture = _reduced(to_srgb(file), least)
            if orientation in UPRIGHT:
                picture = picture.transpose(UPRIGHT[orientation])
            picture = _bare(picture)
    if orientation >= 5:
        width, height = height, width
    return ReadPicture(picture, width, height, format)


def _least_side(size: tuple[int, int], least: tuple[int, int]) -> int:
    """How long the shorter side of a picture of `size` must stay for its sides to keep `least`, the shorter first."""
    return max(least[0], math.ceil(least[1] * min(size) / max(size)))


def _reduced(picture: Image.Image, least: tuple[int, int] | None) -> Image.Image:
    """Average blocks of pixels as long as the sides keep `least`: many pictures in full size fill the memory."""
    factor = min(picture.size) // _least_side(picture.size, least) if least else 1
    return picture.reduce(factor) if factor > 1 else picture


def _opened(data: bytes, format: str) -> ImageFile.ImageFile:
    try:
        return _decoder(format)(BytesIO(data))
    except ValueError as error:
        if format != "AVIF" or "Exif" not in str(error):
            raise
        # libavif alone refuses the whole picture for a broken EXIF block. Its item is renamed, which hides it.
        return AvifImageFile(BytesIO(_EXIF_ITEM.sub(rb"\1free", data)))


# An entry of the item list: its name, version and flags, item id of 2 or 4 bytes, protection, type.
_EXIF_ITEM = re.compile(rb"(infe[\x02\x03].{7}(?:..)?)Exif", re.DOTALL)


def _decoder(format: str) -> type[ImageFile.ImageFile]:
    """Return the decoder of `format`.

    Named outright and not through Image.open, which tries other decoders, follows a JPEG's pointers to further
    pictures (MPO), and warns or raises by a limit of its own that is the same for the whole process.
    """
    if format == "HEIF":
        return _heif_decoder()
    return _DECODERS[format]


_DECODERS: dict[str, type[ImageFile.ImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "WEBP": WebPImageFile,
    "GIF": GifImageFile,
    "AVIF": AvifImageFile,
}


def _heif_decoder() -> type[ImageFile.ImageFile]:
    # Imported late: libheif takes longer to load than all of Pillow, and few collections have such a file.
    from pillow_heif import options  # noqa: PLC0415
    from pillow_heif.as_plugin import HeifImageFile  # noqa: PLC0415

    # Nothing but the picture is wanted, so nothing else that a stranger put in the file is looked at.
    options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False
    return HeifImageFile


def _allowed_size(file: Image.Image, max_pixels: int) -> tuple[int, int]:
    width, height = file.size
    if width * height > max_pixels:
        raise too_many_pixels(width, height, max_pixels)
    return width, height


def _refuse_webp_canvas(data: bytes, max_pixels: int) -> None:
    # The decoder of WebP makes room for the whole canvas, twice, as soon as it is opened.
    width, height = webp_canvas(data)
    if width * height > max_pixels:
        raise too_many_pixels(width, height, max_pixels)


def _orientation(file: Image.Image, format: str) -> int:
    # libheif has turned the picture already; by its standard EXIF has no say.
    exif = file.info.get("exif")
    return orientation_in(exif) if isinstance(exif, bytes) and format != "HEIF" else 1


def _bare(picture: Image.Image) -> Image.Image:
    """Return `picture` as a plain image without metadata, not tied to the file it came from."""
    if isinstance(picture, ImageFile.ImageFile):
        picture = picture.copy()
    picture.info = {}
    return picture


def _mute_decoders() -> None:
    """Keep what decoders mutter about strange files out of the logs.

    Not with warnings.catch_warnings, which swaps a list that all threads share; and not once at import, because a
    test runner sets the list anew for each test.
    """
    if not any(known[0] == "ignore" and getattr(known[3], "pattern", None) == _MUTED for known in warnings.filters):
        warnings.filterwarnings("ignore", module=_MUTED)


_MUTED = r"(PIL|pillow_heif)\."
