"""Removes GPS, EXIF, XMP, IPTC, comments, thumbnails and appended data from a stored file."""

from collections.abc import Callable
from dataclasses import dataclass

from search.decoding import reencoded
from search.imaging import FORMATS, embedded_jpeg
from search.scrubbing import gif, jpeg, png, webp
from search.scrubbing.shared_by_formats import Malformed

# Pillow's own ceiling. Stored pictures must stay downloadable after the upload limit is lowered.
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
    """A file to serve, its MIME type, and the extension for its name, with the dot."""

    data: bytes
    mime: str
    extension: str


def scrubbed(data: bytes, format: str, *, max_pixels: int = _MAX_PIXELS) -> Scrubbed:
    """Return the picture in `data`, of `format` (a key of FORMATS), without metadata.

    JPEG, PNG, WebP and GIF are copied part by part by an allow-list, so pixels and animation stay the same; so is the
    JPEG in a RAW file. Other formats, and malformed files, are re-encoded: upright, one frame, without transparency,
    in sRGB. Raises UnreadableImage if that fails, or would take more than `max_pixels` pixels.
    """
    if format == "RAW":
        return _camera_jpeg(data, max_pixels)
    scrub = _LOSSLESS.get(format)
    if scrub is not None:
        try:
            return Scrubbed(scrub(data), *FORMATS[format])
        except Malformed:
            pass
    return _reencoded(data, lossless=format in _KEPT_AS_PNG, max_pixels=max_pixels)


def _camera_jpeg(data: bytes, max_pixels: int) -> Scrubbed:
    found = embedded_jpeg(data)
    try:
        return Scrubbed(jpeg.scrub(data[found.start : found.end], found.orientation), *FORMATS["JPEG"])
    except Malformed:
        return _reencoded(data, lossless=False, max_pixels=max_pixels)


def _reencoded(data: bytes, *, lossless: bool, max_pixels: int) -> Scrubbed:
    drawn, kind = reencoded(data, lossless=lossless, max_pixels=max_pixels)
    return Scrubbed(drawn, *FORMATS[kind])
