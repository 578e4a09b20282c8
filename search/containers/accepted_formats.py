"""The accepted formats, recognised by magic bytes before any decoder sees the file."""

import re
from typing import NamedTuple

from search.containers.boxes import is_cut
from search.containers.errors import Reason, UnreadableImage
from search.containers.raw import directories, is_raw


class Format(NamedTuple):
    """Public names of a format: its MIME type, and its file extension with the dot."""

    mime: str
    extension: str


FORMATS: dict[str, Format] = {
    "JPEG": Format("image/jpeg", ".jpg"),
    "PNG": Format("image/png", ".png"),
    "WEBP": Format("image/webp", ".webp"),
    "GIF": Format("image/gif", ".gif"),
    "AVIF": Format("image/avif", ".avif"),
    "HEIF": Format("image/heic", ".heic"),
    "TIFF": Format("image/tiff", ".tif"),
    "BMP": Format("image/bmp", ".bmp"),
    "JP2": Format("image/jp2", ".jp2"),
    # All cameras' RAW formats; never served as they are.
    "RAW": Format("image/x-raw", ".raw"),
}

RAW_EXTENSIONS: tuple[str, ...] = (
    *(".dng", ".nef", ".nrw", ".cr2", ".cr3", ".arw", ".sr2", ".raf", ".orf", ".rw2", ".pef", ".srw"),
)
"""Extensions of camera RAW files, which contain the picture as a JPEG too."""
EXTENSIONS: tuple[str, ...] = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".avif", ".heic", ".heif", ".hif"),
    *(".tif", ".tiff", ".bmp", ".dib", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
    *RAW_EXTENSIONS,
)
"""Lower-case extensions of readable files. The format itself is determined by content alone."""

_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}

# Formats that people try, refused by name. Anything else "is not a picture".
_JPEG_LS = b"\xff\xd8\xff\xf7"
"""It begins as JPEG does."""
_REFUSED: tuple[tuple[bytes, str], ...] = (
    (b"8BPS", "Photoshop"),
    (b"\0\0\1\0", "ICO"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"%PDF-", "PDF"),
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript"),
    (b"DDS ", "DDS"),
    (b"icns", "ICNS"),
    (b"\x1aE\xdf\xa3", "video"),
    (_JPEG_LS, "JPEG-LS"),
    (b"II\xbc", "JPEG XR"),
    (b"v/1\x01", "OpenEXR"),
    (b"#?R", "Radiance HDR"),
    (b"qoif", "QOI"),
    (b"\n\x05\x01\x08", "PCX"),
    (b"gimp xcf", "GIMP"),
    (b"AT&TFORM", "DjVu"),
    (b"SIMPLE  =", "FITS"),
    (b"\x01\xda\x01", "SGI"),
    (b"BPG\xfb", "BPG"),
    (b"FLIF", "FLIF"),
)
_NETPBM = re.compile(rb"P[1-6]\s+(?:#[^\n]*\n\s*)*\d+\s+\d+\s|P7\nWIDTH")
_DICOM = slice(128, 132)

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_JPEG_2000 = (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")
_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}
"""Possible lengths of the second header of a BMP; "BM" alone begins many texts."""


def recognised(data: bytes) -> str:
    """Return the name in FORMATS of the format that `data` begins with.

    Raises UnreadableImage: empty, not_a_picture, or wrong_format where the format is known by name.
    """
    if not data:
        raise UnreadableImage(Reason.EMPTY)
    for starts, name in _STARTS:
        if data.startswith(starts) and not data.startswith(_JPEG_LS):
            return name
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if is_raw(data):
        return "RAW"
    if data.startswith(_TIFF):
        return "TIFF"
    if data[4:8] == b"ftyp":
        return _of_brands(data)
    if data.startswith(b"BM") and int.from_bytes(data[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    raise _refusal(data)


_STARTS: tuple[tuple[bytes | tuple[bytes, ...], str], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    ((b"GIF87a", b"GIF89a"), "GIF"),
    (_JPEG_2000, "JP2"),
)


def _of_brands(data: bytes) -> str:
    end = min(int.from_bytes(data[:4], "big"), 4096)
    major, brands = data[8:12], {data[start : start + 4] for start in range(16, end, 4)}
    if major in _AVIF_BRANDS:
        return "AVIF"
    # mif1 names only the container: the codec is further on in the list.
    if brands & _AVIF_BRANDS and (major not in _HEIF_BRANDS or major in {b"mif1", b"msf1"}):
        return "AVIF"
    if major in _HEIF_BRANDS or brands & _HEIF_BRANDS:
        return "HEIF"
    raise UnreadableImage(Reason.WRONG_FORMAT, kind="video")


def _refusal(data: bytes) -> UnreadableImage:
    for magic, kind in _REFUSED:
        if data.startswith(magic):
            return UnreadableImage(Reason.WRONG_FORMAT, kind=kind)
    if _NETPBM.match(data[:1024]):
        return UnreadableImage(Reason.WRONG_FORMAT, kind="Netpbm")
    if data[_DICOM] == b"DICM":
        return UnreadableImage(Reason.WRONG_FORMAT, kind="DICOM")
    if b"<svg" in data[:1024].lower():
        return UnreadableImage(Reason.WRONG_FORMAT, kind="SVG")
    return UnreadableImage(Reason.NOT_A_PICTURE)


def is_cut_short(data: bytes, format: str) -> bool:
    """Whether the container announces more bytes than `data` has: the file is truncated, not damaged."""
    match format:
        case "JPEG":
            return b"\xff\xd9" not in data
        case "PNG":
            return b"IEND" not in data
        case "GIF":
            return not data.rstrip(b"\0").endswith(b";")
        case "WEBP":
            return len(data) < 8 + int.from_bytes(data[4:8], "little")
        case "TIFF" | "RAW":
            return any(page.is_cut for page in directories(data))
        case "BMP":
            return len(data) < int.from_bytes(data[2:6], "little")
        case "JP2" if data.startswith(_JPEG_2000[1]):
            return False  # no boxes; truncation was detected before decoding
        case _:
            return is_cut(data)


def webp_canvas(data: bytes) -> tuple[int, int]:
    """Return width and height in pixels from the first chunk of a WebP file; (0, 0) if there is none."""
    match data[12:16]:
        case b"VP8X":
            return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
        case b"VP8L":
            bits = int.from_bytes(data[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
        case _:
            return 0, 0
