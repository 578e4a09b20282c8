"""Estimates the memory that decoding takes, in bytes, from a picture's header.

Upper bounds, measured on pictures of 20 megapixels: what libraries hold while decoding, and the copies made on the way
to sRGB. They are the limits of decoder processes, so an estimate that is too low would refuse a valid picture.
"""

import re

from PIL import Image, ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile

from search.containers import tiff
from search.containers.accepted_formats import webp_canvas
from search.containers.gif_frames import frame_extents
from search.imaging.decoders_by_format import Source
from search.imaging.thumbnails import WIDEST
from search.imaging.tiff_samples import SampledTiff

_MARGIN = 1.05
_WEBP_CANVASES = 8.5
"""Bytes per pixel that libwebp holds while a file is open; the next, while decoding, with what it hands over."""
_WEBP_DECODING = 12.5
_JPEG_2000_SAMPLE = 5.2
_RGB = 4
"""Bytes per pixel: Pillow stores RGB in four."""
_CUT = 256
"""About the side of models' input: the shorter side of a strip is scaled to it."""
_FRAMES = 12
"""Bytes per pixel of an animation: the previous frame, what is under it, and the first frame."""


def bytes_for_canvas(source: Source) -> int:
    """Return the bytes that the decoder allocates when opened."""
    if source.format != "WEBP":
        return 0
    width, height = webp_canvas(source.data)
    return _bytes(width * height * (_WEBP_DECODING + _RGB), source)


def bytes_needed(file: ImageFile.ImageFile, source: Source, size: tuple[int, int], *, is_whole: bool) -> int:
    """Return the bytes that the opened `file` takes until it is an sRGB picture; `size` is that of the full picture.

    With `is_whole` it keeps its full size, and is encoded again.
    """
    pixels = file.width * file.height
    stored, drawn = _of_mode(file.mode), _drawing(file)
    strip = 2 * _RGB * min(WIDEST, _CUT * _CUT * max(size) // max(1, min(size)))
    if source.format == "JPEG":
        scans = 2 * _samples(file) * size[0] * size[1]
        peak = max(scans + stored * pixels, _peak(stored, 0, 0, drawn, is_whole=is_whole) * pixels)
        return _bytes(max(peak, stored * pixels + strip), source)
    decoding, kept = _decoding(file, source), 0.0
    if source.format == "JP2" and isinstance(file.reduce, int):
        pixels >>= 2 * file.reduce
    if source.format == "GIF":
        frames = list(frame_extents(source.data, 2))
        pixels = max([pixels, *(width * height for width, height in frames)])
        if len(frames) > 1:
            kept, drawn = _FRAMES, _LAYERED
    elif getattr(file, "is_animated", False):
        kept = _FRAMES
    if source.format == "WEBP":
        kept += _WEBP_CANVASES
    elif source.format == "AVIF":
        kept += decoding
    peak = pixels * _peak(stored, decoding, kept, drawn, is_whole=is_whole)
    return _bytes(max(peak, _RGB * pixels + strip), source)


def bytes_for_whole(file: JpegImageFile, source: Source) -> int:
    """Return the bytes that a JPEG takes when decoded in full size, in strips."""
    pixels = file.width * file.height
    # Both attempts hold a whole file of their own.
    strips = 512 * file.width * 8 + 2 * len(source.data)
    return _bytes((2 * _samples(file) + _of_mode(file.mode)) * pixels + strips, source)


def _bytes(needed: float, source: Source) -> int:
    return int(_MARGIN * needed) + _COPIES.get(source.format, 2) * len(source.data)


_COPIES = {"TIFF": 3, "WEBP": 3, "AVIF": 3, "HEIF": 3}
"""Number of copies of the whole file: as received, as passed to the decoder, and inside it."""


def _peak(stored: float, decoding: float, kept: float, drawn: float, *, is_whole: bool) -> float:
    """Return the maximum bytes per pixel, while decoding, drawing and encoding."""
    return max(stored + decoding, stored + kept + drawn, stored + kept + 2 * _RGB if is_whole else 0)


def _of_mode(mode: str) -> int:
    if mode in ("1", "L", "P"):
        return 1
    return 2 if mode.startswith("I;16") else 4


_LAYERED = 13.0
"""A layer, its transparency, a background, and grey."""


def _drawing(file: Image.Image) -> float:
    """Return the bytes per pixel that `to_srgb` takes beyond its argument."""
    drawn = 0.0 if file.mode == "RGB" else float(_RGB + 1)
    if file.mode in ("I", "F") or file.mode.startswith("I;16"):
        # Scaled to 8 bits via 32, each a copy; twice as much where one grey is transparent.
        drawn = 9.5 * (2 if "transparency" in file.info else 1)
    elif file.has_transparency_data:
        drawn = _LAYERED
    return drawn + (_RGB if file.info.get("icc_profile") else 0)


def _decoding(file: ImageFile.ImageFile, source: Source) -> float:
    """Return the bytes per pixel that a library takes beyond the picture that Pillow keeps."""
    match source.format:
        case "WEBP":
            return _WEBP_DECODING
        case "AVIF" | "HEIF":
            # The planes, and what is made of them: one or two bytes per sample.
            return len(file.getbands()) + _planes(source.data) + _has_alpha(file) + (source.format == "AVIF")
        case "JP2":
            return _JPEG_2000_SAMPLE * len(file.getbands())
        case "TIFF":
            return _largest_piece(file)
        case _:
            return 0


def _has_alpha(file: Image.Image) -> int:
    return len(file.getbands()) in (2, 4)


def _planes(data: bytes) -> float:
    """Return the bytes per pixel of the decoded planes of a HEIC or AVIF, from the largest of its configurations."""
    # HEVC: chroma subsampling, and bits per sample minus 8.
    hevc = [
        (1, 1.5, 2, 3)[found[1][0] & 3] * (2 if found[1][1] & 7 else 1) for found in _HEVC.finditer(data, 0, _HEADER)
    ]
    # AV1: flags for more than 8 bits, for monochrome, and for horizontal and vertical chroma subsampling.
    av1 = [
        (1 if found[1][0] & 0x10 else 3 / (1 + (found[1][0] >> 3 & 1))) * (2 if found[1][0] & 0x40 else 1)
        for found in _AV1.finditer(data, 0, _HEADER)
    ]
    return max([*hevc, *av1], default=6)


_HEVC = re.compile(rb"hvcC.{16}(..)", re.DOTALL)
_AV1 = re.compile(rb"av1C..(.)", re.DOTALL)
_HEADER = 2**20


def _largest_piece(file: ImageFile.ImageFile) -> float:
    """Return the bytes, per pixel of the picture, of the strip or tile of a TIFF that is decoded at once: it may be
    all."""
    if isinstance(file, SampledTiff):
        # All samples side by side, and a plane on its way to 8 bits.
        return float(3 * _RGB * file.samples.count + 6 * _RGB)
    fields = file.tag_v2 if isinstance(file, TiffImageFile) else {}
    bits = fields.get(tiff.BITS, (8,))
    # A JPEG in a TIFF is decoded to four bytes per pixel.
    depth = max(_RGB, sum(bits) / 8 if len(bits) > 1 else bits[0] * fields.get(tiff.SAMPLES, 1) / 8)
    if tiff.TILE_WIDTH in fields:
        piece = fields[tiff.TILE_WIDTH] * fields.get(tiff.TILE_HEIGHT, 1)
    else:
        piece = file.width * min(file.height, fields.get(tiff.STRIP_ROWS, file.height))
    return float(depth * piece / (file.width * file.height))


def _samples(file: Image.Image) -> float:
    """Return the samples per pixel that a JPEG decoder holds until the last scan: none for a single scan of all
    components."""
    if not isinstance(file, JpegImageFile) or _has_one_scan(file):
        return 0
    layers = [(across, down) for _, across, down, *_ in file.layer]
    most = max(across for across, _ in layers) * max(down for _, down in layers)
    return sum(across * down for across, down in layers) / max(1, most)


def _has_one_scan(file: JpegImageFile) -> bool:
    """Whether the first scan, before which Pillow stops, has all components in one pass."""
    if "progressive" in file.info or file.fp is None:
        return False
    end = file.fp.tell()
    file.fp.seek(max(0, end - 6 - 2 * file.layers))
    head = file.fp.read(3)
    file.fp.seek(end)
    return head == bytes((0, 6 + 2 * file.layers, file.layers))
