"""Prepares the bytes of each accepted format for Pillow, and chooses the decoder."""

import ctypes
import re
from collections.abc import Callable
from ctypes.util import find_library
from dataclasses import dataclass
from functools import cache, partial
from io import BytesIO
from pathlib import Path

import PIL
from PIL import AvifImagePlugin, Image, ImageFile, ImageOps
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from search.containers import jpeg2000, png_chunks, tiff_page
from search.containers.accepted_formats import webp_canvas
from search.containers.errors import Reason, UnreadableImage, too_many_pixels
from search.containers.heif_items import primary
from search.containers.tiff_page import Samples
from search.imaging.exif_orientation import orientation_in
from search.imaging.srgb_conversion import scale_png_transparency
from search.imaging.tiff_samples import SampledTiff


@dataclass(frozen=True)
class Source:
    """The bytes that a decoder gets of a file, and what is known of the picture without it.

    `orientation` is 1 to 8, or None where the decoder's EXIF block has it. `halvings` is how often the decoder may
    halve the picture while decoding. `samples` is how a TIFF is put together that Pillow can't read as it is.
    """

    format: str
    data: bytes
    orientation: int | None = None
    profile: bytes | None = None
    inverted: bool = False
    halvings: int = 0
    samples: Samples | None = None


def prepared(data: bytes, format: str, max_pixels: int) -> Source:
    """Return what may be decoded of `data`. Raises UnreadableImage where a decoder would allocate too much."""
    match format:
        case "WEBP":
            # The WebP decoder allocates the whole canvas, twice, when opened.
            _refuse_canvas(*webp_canvas(data), max_pixels)
        case "PNG":
            plain = png_chunks.plain(data)
            return Source(format, plain.data, profile=plain.profile)
        case "TIFF":
            page = tiff_page.first_page(data, max_pixels)
            return Source(
                format, page.data, orientation=page.orientation, inverted=page.inverted, samples=page.samples
            )
        case "JP2":
            stream = jpeg2000.checked(data, max_pixels)
            # OpenJPEG refuses a file that lacks only the end marker.
            whole = data if stream.is_ended else data + b"\xff\xd9"
            return Source(format, whole, orientation=1, halvings=stream.halvings)
        case "HEIF" | "AVIF":
            # libheif applies the container's rotation, and Pillow makes an EXIF tag of AVIF's; without either, the
            # camera's own EXIF counts.
            item = primary(data)
            turned = 1 if format == "HEIF" else None
            return Source(format, data, orientation=turned if item.is_turned else orientation_in(item.exif))
        case "BMP" if int.from_bytes(data[14:18], "little") >= 40 and int.from_bytes(data[30:34], "little") in (4, 5):
            raise UnreadableImage(Reason.UNSUPPORTED)  # an embedded JPEG or PNG, meant for printers
    return Source(format, data)


def _refuse_canvas(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise too_many_pixels(width, height, max_pixels)


def opened(source: Source) -> ImageFile.ImageFile:
    """Return the picture with its header read, and nothing decoded."""
    try:
        file = _decoder(source)(BytesIO(source.data))
    except ValueError as error:
        if source.format != "AVIF" or "Exif" not in str(error):
            raise
        # libavif alone refuses the whole picture for a broken EXIF block. Renaming its item hides it.
        file = AvifImageFile(BytesIO(_EXIF_ITEM.sub(rb"\1free", source.data)))
    except (SyntaxError, KeyError, OSError) as error:
        if isinstance(error, OSError) or source.format not in ("TIFF", "JP2"):
            _refuse_if_unsupported(error)
            raise
        raise UnreadableImage(Reason.UNSUPPORTED) from error
    if source.profile:
        file.info["icc_profile"] = source.profile
    return file


def _refuse_if_unsupported(error: Exception) -> None:
    """Raise UnreadableImage if Pillow says that it can't read files of this kind: they are not damaged."""
    if _KINDS_OF_PILLOW.match(str(error)):
        raise UnreadableImage(Reason.UNSUPPORTED) from error


_KINDS_OF_PILLOW = re.compile(r"Unsupported BMP|cannot handle \d+-(bit|layer)")
"""Masks and depths of BMP, and JPEGs of 12 bits."""

# An entry of the item list: its type, version and flags, item id of 2 or 4 bytes, protection, item type.
_EXIF_ITEM = re.compile(rb"(infe[\x02\x03].{7}(?:..)?)Exif", re.DOTALL)


def _decoder(source: Source) -> Callable[[BytesIO], ImageFile.ImageFile]:
    """Return the decoder of a format.

    Not through Image.open, which tries other decoders, follows a JPEG's pointers to further pictures (MPO), and warns
    or raises by a limit that is global to the process.
    """
    if source.format == "HEIF":
        return _heif_decoder()
    if source.format == "TIFF":
        _mute_libtiff()
        if source.samples:
            return partial(SampledTiff, samples=source.samples)
    return _DECODERS[source.format]


_DECODERS: dict[str, type[ImageFile.ImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "WEBP": WebPImageFile,
    "GIF": GifImageFile,
    "AVIF": AvifImageFile,
    "TIFF": TiffImageFile,
    "BMP": BmpImageFile,
    "JP2": Jpeg2KImageFile,
}


def ready_decoders() -> None:
    """Load all decoders now, each limited to one thread: as many pictures are decoded at once as there are cores, and
    each further thread takes memory of its own."""
    from pillow_heif import options  # noqa: PLC0415

    _heif_decoder()
    _mute_libtiff()
    options.DECODE_THREADS = 1
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1


def _heif_decoder() -> type[ImageFile.ImageFile]:
    # Imported late: libheif takes longer to load than all of Pillow, and few collections have such files.
    from pillow_heif import options  # noqa: PLC0415
    from pillow_heif.as_plugin import HeifImageFile  # noqa: PLC0415

    # Only the picture is needed, so no other part of an untrusted file is parsed.
    options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False
    return HeifImageFile


@cache
def _mute_libtiff() -> None:
    """Keep libtiff from writing a line to stderr for each row of a broken file: Pillow mutes only its warnings."""
    wheel = Path(PIL.__file__).parent
    bundled = [*wheel.parent.glob("pillow.libs/libtiff*"), *wheel.glob(".dylibs/libtiff*")]
    for name in [str(path) for path in bundled] or [find_library("tiff") or ""]:
        try:
            ctypes.CDLL(name).TIFFSetErrorHandler(None)
        except (OSError, AttributeError):  # linked into Pillow, or under another name
            continue


def decode_smaller(file: ImageFile.ImageFile, source: Source, side: int) -> None:
    """Let the decoder reduce the picture while decoding, to a shorter side of at least `side`, where the format
    can."""
    if source.format == "JPEG":
        file.draft(None, (side, side))
    elif isinstance(file, Jpeg2KImageFile):
        file.reduce = min(source.halvings, max(0, (min(file.size) // side).bit_length() - 1))


def orientation_of(file: Image.Image, source: Source) -> int:
    """Return the orientation of the decoded picture, 1 to 8. For a PNG only after its pixels: EXIF may follow them."""
    if source.orientation is not None:
        return source.orientation
    exif = file.info.get("exif")
    return orientation_in(exif) if isinstance(exif, bytes) else 1


def corrected(file: ImageFile.ImageFile, source: Source) -> Image.Image:
    """Return the loaded picture with its decoder's errors corrected."""
    if source.format == "PNG" and file.tell() == 0:
        scale_png_transparency(file, bits=source.data[24])
    if source.inverted:
        return _inverted(file)
    if source.format == "BMP" and file.mode == "RGBA" and file.getchannel("A").getextrema() == (0, 0):
        return file.convert("RGB")  # the fourth byte is padding, as every viewer assumes
    return file


def _inverted(picture: Image.Image) -> Image.Image:
    """Return grey inverted, where 0 is white."""
    if picture.mode in ("L", "LA", "La"):
        grey, *alpha = picture.split()
        return Image.merge(picture.mode, (ImageOps.invert(grey), *alpha))
    if picture.mode == "F":
        low, high = picture.getextrema()
        return picture.point(lambda sample: sample * -1.0 + (low + high))  # type: ignore[operator]
    wide = picture.convert("I")
    return wide.point(lambda sample: sample * -1 + 65535)
