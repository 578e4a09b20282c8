"""Which formats are let in, told from the first bytes before any decoder sees them."""

from typing import NamedTuple

from search.imaging.errors import Reason, UnreadableImage


class Format(NamedTuple):
    """How a format is named outside: its MIME type, and its file extension with the dot."""

    mime: str
    extension: str


FORMATS: dict[str, Format] = {
    "JPEG": Format("image/jpeg", ".jpg"),
    "PNG": Format("image/png", ".png"),
    "WEBP": Format("image/webp", ".webp"),
    "GIF": Format("image/gif", ".gif"),
    "AVIF": Format("image/avif", ".avif"),
    "HEIF": Format("image/heic", ".heic"),
}

_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}

# The formats that people try and that are refused by name. Anything else "is not a picture".
_REFUSED: tuple[tuple[bytes, str], ...] = (
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"BM", "BMP"),
    (b"8BPS", "Photoshop"),
    (b"\0\0\1\0", "ICO"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"%PDF-", "PDF"),
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript"),
    (b"DDS ", "DDS"),
    (b"icns", "ICNS"),
    (b"\x1aE\xdf\xa3", "video"),
)


def recognised(data: bytes) -> str:
    """Return the name in FORMATS of the format that `data` starts like.

    Raises UnreadableImage: empty, not_a_picture, or wrong_format where the format is known by name.
    """
    if not data:
        raise UnreadableImage(Reason.EMPTY)
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return _of_brands(data)
    raise _refusal(data)


def _of_brands(data: bytes) -> str:
    end = min(int.from_bytes(data[:4], "big"), 4096)
    major, brands = data[8:12], {data[start : start + 4] for start in range(16, end, 4)}
    if major in _AVIF_BRANDS:
        return "AVIF"
    # mif1 is the container alone: what lies in it stands further on in the list.
    if brands & _AVIF_BRANDS and (major not in _HEIF_BRANDS or major in {b"mif1", b"msf1"}):
        return "AVIF"
    if major in _HEIF_BRANDS or brands & _HEIF_BRANDS:
        return "HEIF"
    raise UnreadableImage(Reason.WRONG_FORMAT, kind="video")


def _refusal(data: bytes) -> UnreadableImage:
    for magic, kind in _REFUSED:
        if data.startswith(magic):
            return UnreadableImage(Reason.WRONG_FORMAT, kind=kind)
    if b"<svg" in data[:1024].lower():
        return UnreadableImage(Reason.WRONG_FORMAT, kind="SVG")
    return UnreadableImage(Reason.NOT_A_PICTURE)


def is_cut_short(data: bytes, format: str) -> bool:
    """Whether the container of `data` says that more bytes should follow. Tells "truncated" from "damaged"."""
    match format:
        case "JPEG":
            return b"\xff\xd9" not in data
        case "PNG":
            return b"IEND" not in data
        case "GIF":
            return not data.rstrip(b"\0").endswith(b";")
        case "WEBP":
            return len(data) < 8 + int.from_bytes(data[4:8], "little")
        case _:
            return _box_is_cut(data)


def _box_is_cut(data: bytes) -> bool:
    """Walk the outermost boxes of an ISO base media file; whether one of them reaches beyond the end."""
    position = 0
    while position < len(data):
        size, header = int.from_bytes(data[position : position + 4], "big"), 8
        if size == 1:
            size, header = int.from_bytes(data[position + 8 : position + 16], "big"), 16
        if size == 0:  # "to the end of the file"
            return False
        if position + max(size, header) > len(data):
            return True
        position += max(size, header)
    return False


def webp_canvas(data: bytes) -> tuple[int, int]:
    """Width and height in pixels from the first chunk of a WebP file; (0, 0) where there is none."""
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
