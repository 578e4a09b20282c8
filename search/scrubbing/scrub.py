"""A stored file -> one without GPS, EXIF, XMP, IPTC, comments, thumbnails and hidden appendices."""

from collections.abc import Callable
from dataclasses import dataclass

from search.decoding import drawn_anew
from search.imaging import FORMATS, embedded_jpeg
from search.scrubbing import gif, jpeg, png, webp
from search.scrubbing.container import Malformed

#: Pillow's own ceiling. What was let in at upload must stay downloadable after the limit for uploads is lowered.
_MAX_PIXELS = 178_956_970

_LOSSLESS: dict[str, Callable[[bytes], bytes]] = {
    "JPEG": jpeg.scrub,
    "PNG": png.scrub,
    "WEBP": webp.scrub,
    "GIF": gif.scrub,
}
_KEPT_AS_PNG = ("PNG", "GIF", "TIFF", "BMP")


@dataclass(frozen=True)
class Scrubbed:
    """A file to hand out, its MIME type, and the extension for its name, with the dot."""

    data: bytes
    mime: str
    extension: str


def scrubbed(data: bytes, format: str, *, max_pixels: int = _MAX_PIXELS) -> Scrubbed:
    """Return the picture in `data`, which is of `format` (a key of FORMATS), with nothing but the picture in it.

    JPEG, PNG, WebP and GIF are copied part by part by an allow-list, so pixels and animation stay as they are; so is
    the JPEG in a RAW file. Other formats, and files that do not keep to their standard, are drawn anew: upright, one
    frame, without transparency, in sRGB. Raises UnreadableImage where that fails, or where it would take more than
    `max_pixels` pixels.
    """
    if format == "RAW":
        return _camera_jpeg(data, max_pixels)
    scrub = _LOSSLESS.get(format)
    if scrub is not None:
        try:
            return Scrubbed(scrub(data), *FORMATS[format])
        except Malformed:
            pass
    return _drawn_anew(data, lossless=format in _KEPT_AS_PNG, max_pixels=max_pixels)


def _camera_jpeg(data: bytes, max_pixels: int) -> Scrubbed:
    found = embedded_jpeg(data)
    try:
        return Scrubbed(jpeg.scrub(data[found.start : found.end], found.orientation), *FORMATS["JPEG"])
    except Malformed:
        return _drawn_anew(data, lossless=False, max_pixels=max_pixels)


def _drawn_anew(data: bytes, *, lossless: bool, max_pixels: int) -> Scrubbed:
    drawn, kind = drawn_anew(data, lossless=lossless, max_pixels=max_pixels)
    return Scrubbed(drawn, *FORMATS[kind])
