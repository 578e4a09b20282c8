"""EXIF blocks, which are TIFF containers, and the fields that Windows keeps in them.

Parsed with `search.containers.tiff`, which trusts no number in a file: Pillow's reader copies each field, however many
refer to the same bytes, and raises for a broken directory.
"""

import math
import struct
from typing import Any

from search.containers import tiff
from search.metadata.dates import Moment, dated, parsed, with_offset
from search.metadata.photo_metadata import PhotoMetadata, TakenFrom
from search.text.untrusted import decoded, is_blank

_PREFIX = b"Exif\0\0"
_LONGEST = 32_768
"""Maximum bytes of a text."""
_DESCRIPTION, _MAKE, _MODEL, _CHANGED, _ARTIST, _COPYRIGHT = 270, 271, 272, 306, 315, 33432
_RATING, _PERCENT, _LENS_RANGE = 0x4746, 0x4749, 0xA432
_EXIF, _GPS = 0x8769, 0x8825
_XP_TITLE, _XP_COMMENT, _XP_AUTHOR, _XP_KEYWORDS = 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E
_EXPOSURE, _APERTURE, _SPEEDS, _SPEED = 0x829A, 0x829D, 0x8827, 0x8833
_TAKEN, _DIGITISED = (0x9003, 0x9011, 0x9291), (0x9004, 0x9012, 0x9292)
_OFFSET_CHANGED, _FRACTION_CHANGED = 0x9010, 0x9290
_SHUTTER, _APERTURE_VALUE, _FOCAL_LENGTH, _COMMENT, _LENS_MAKE, _LENS = 0x9201, 0x9202, 0x920A, 0x9286, 0xA433, 0xA434
_LATITUDE, _LONGITUDE, _GPS_TIME, _GPS_DAY = (1, 2), (3, 4), 7, 29
XMP, IPTC, PHOTOSHOP = 700, 33723, 34377
"""Tags in the first directory of a TIFF file whose values are blocks of other kinds."""
_WANTED = frozenset(
    [
        *(_DESCRIPTION, _MAKE, _MODEL, _CHANGED, _ARTIST, _COPYRIGHT, XMP, IPTC, PHOTOSHOP, _COMMENT),
        *(_RATING, _PERCENT, _LENS_RANGE),
        *(_XP_TITLE, _XP_COMMENT, _XP_AUTHOR, _XP_KEYWORDS, _EXPOSURE, _APERTURE, _SPEEDS, _SPEED, _SHUTTER),
        *(_OFFSET_CHANGED, _FRACTION_CHANGED, _APERTURE_VALUE, _FOCAL_LENGTH, _LENS_MAKE, _LENS, _GPS_TIME, _GPS_DAY),
        *(*_TAKEN, *_DIGITISED, *_LATITUDE, *_LONGITUDE),
    ]
)
STALE = 150
"""Maximum age in seconds of the GPS time, which is that of the last fix."""
_RATIONALS = {5: "II", 10: "ii"}
_NUMBERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I"}
_WRITTEN_BY_CAMERAS = (
    "olympus digital camera",
    "sony dsc",
    "kodak digital still camera",
    "samsung",
    "dcim\\",
    "default",
)
"""Prefixes of descriptions that cameras write into every picture."""


def exif_directory(block: bytes) -> tiff.Directory | None:
    """Return the first directory of an EXIF block, with or without its prefix; None if there is none."""
    # Some programs write the prefix twice.
    block = block[:1_000_000].removeprefix(_PREFIX).removeprefix(_PREFIX)
    file = tiff.container(block)
    return file.directory(file.first()) if file else None


def from_exif(
    page: tiff.Directory | None, exif: tiff.Directory | None = None, gps: tiff.Directory | None = None
) -> PhotoMetadata:
    """Return the metadata in the first directory of a TIFF container and in its EXIF and GPS directories, which are
    looked up in it if not given."""
    if page is None:
        return PhotoMetadata()
    exif, gps = exif or _below(page, _EXIF), gps or _below(page, _GPS)
    moment = _taken(page, exif, gps)
    latitude, longitude = _degrees(gps, *_LATITUDE), _degrees(gps, *_LONGITUDE)
    return PhotoMetadata.of(
        title=_utf_16(page, _XP_TITLE),
        description=_description(page, exif),
        keywords=_utf_16(page, _XP_KEYWORDS).split(";"),
        author=_text(page, _ARTIST) or _utf_16(page, _XP_AUTHOR),
        licence=_licence(page),
        camera=named(_text(page, _MAKE), _text(page, _MODEL)),
        lens=named(_text(exif, _LENS_MAKE), _text(exif, _LENS), always=False) or _lens_range(exif),
        focal_length=_number(exif, _FOCAL_LENGTH),
        aperture=_number(exif, _APERTURE) or power(_number(exif, _APERTURE_VALUE), 2**0.5),
        exposure=_number(exif, _EXPOSURE) or power(_number(exif, _SHUTTER), 0.5),
        iso=_speed(exif) or _speed_of_panasonic(page),
        rating=_number(page, _RATING) or stars(_number(page, _PERCENT)),
        **dated(moment, TakenFrom.CAMERA),
        latitude=latitude,
        longitude=longitude,
    )


def is_whole(page: tiff.Directory) -> bool:
    """Whether all values that we read are within the data, which may be the beginning of a file."""
    directories = (page, _below(page, _EXIF), _below(page, _GPS))
    return all(one.missing is not None and not one.missing & _WANTED for one in directories)


def named(make: str, model: str, *, always: bool = True) -> str:
    """Return the name of a camera or lens: maker and model, without repeating the maker. Without a model, the maker
    alone if `always`."""
    make, model = " ".join(make.split()), " ".join(model.split())
    if not model or not make:
        return model or (make if always else "")
    # The model may name the maker already: "NIKON CORPORATION", "NIKON D90"; "Canon", "Canon EOS 5D".
    if model.casefold().startswith(make.casefold().split()[0]):
        return model
    return f"{make} {model}" if always else model


def _below(page: tiff.Directory, tag: int) -> tiff.Directory:
    position = page.number(tag)
    return page.file.directory(position) if position else tiff.Directory(page.file, {}, 0, is_cut=False)


def _bytes(page: tiff.Directory, tag: int) -> bytes:
    field = page.fields.get(tag)
    if field is None:
        return b""
    return bytes(page.file.data[field.position : field.position + min(field.length, _LONGEST)])


def _text(page: tiff.Directory, tag: int) -> str:
    text = decoded(_bytes(page, tag).split(b"\0")[0])
    return "" if is_blank(text) else text


def _licence(page: tiff.Directory) -> str:
    # The photographer's, and after a NUL the editor's.
    parts = [decoded(part).strip() for part in _bytes(page, _COPYRIGHT).split(b"\0")[:2]]
    return " / ".join(part for part in parts if not is_blank(part))


def _utf_16(page: tiff.Directory, tag: int) -> str:
    """Return a text field of Windows: UTF-16, little-endian whatever the block's byte order."""
    return _bytes(page, tag).decode("utf-16-le", "ignore").split("\0")[0]


def _description(page: tiff.Directory, exif: tiff.Directory) -> str:
    text = _text(page, _DESCRIPTION)
    if text and not text.strip().casefold().startswith(_WRITTEN_BY_CAMERAS):
        return text
    return _utf_16(page, _XP_COMMENT) or _comment(exif)


def _comment(exif: tiff.Directory) -> str:
    data = _bytes(exif, _COMMENT)
    # Some cameras pad the name of the encoding with spaces.
    kind, text = data[:8].rstrip(b"\0 "), data[8:]
    if kind == b"UNICODE":
        found = _unicode(text, exif.file.order)
    elif kind in (b"ASCII", b""):
        found = decoded(text.split(b"\0")[0])
    elif kind == b"JIS":
        found = _japanese(text)
    else:
        found = _unmarked(data)
    return "" if is_blank(found) or found.strip().casefold().startswith(_WRITTEN_BY_CAMERAS) else found.split("\0")[0]


def _japanese(text: bytes) -> str:
    """Decode JIS X 0208: two bytes a character, with escape sequences (ISO-2022-JP) or without."""
    text = text.rstrip(b"\0 ")
    if b"\x1b" in text or len(text) % 2 or not all(0x21 <= byte <= 0x7E for byte in text):
        return text.split(b"\0")[0].decode("iso2022_jp", "ignore")
    return bytes(byte | 0x80 for byte in text).decode("euc_jp", "ignore")


def _unmarked(data: bytes) -> str:
    """Return a comment without an encoding prefix, if it is printable UTF-8; else ""."""
    try:
        text = data.rstrip(b"\0 ").decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return text if text.replace("\n", "").replace("\r", "").isprintable() else ""


def _unicode(text: bytes, order: str) -> str:
    """Decode UTF-16: the standard wants the block's byte order, some programs use the other."""
    if text.startswith((b"\xff\xfe", b"\xfe\xff")):
        return text.decode("utf-16", "ignore")
    own, other = ("utf-16-le", "utf-16-be") if order == "<" else ("utf-16-be", "utf-16-le")
    found = text.decode(own, "ignore")
    turned = text.decode(other, "ignore")
    return turned if _likely(turned) > _likely(found) else found


def _likely(text: str) -> int:
    """Return how many characters are common ones: Latin, Greek and Cyrillic, Chinese, Japanese and Korean."""
    return sum(
        " " <= one < "\x7f" or "\xa0" <= one < "\u0530" or "\u3000" <= one < "\ua000" or "가" <= one <= "힣"
        for one in text
    )


def _values(page: tiff.Directory, tag: int, most: int = 4) -> list[float]:
    field = page.fields.get(tag)
    if field is None:
        return []
    count, data, order = min(field.values, most), page.file.data, page.file.order
    try:
        if field.kind in _RATIONALS:
            pairs = struct.unpack_from(f"{order}{_RATIONALS[field.kind] * count}", data, field.position)
            return [over / under if under else math.nan for over, under in zip(pairs[::2], pairs[1::2], strict=True)]
        if field.kind in _NUMBERS:
            return [
                float(one) for one in struct.unpack_from(f"{order}{count}{_NUMBERS[field.kind]}", data, field.position)
            ]
    except struct.error:
        pass
    return []


def _number(page: tiff.Directory, tag: int) -> float | None:
    found = _values(page, tag, 1)
    return found[0] if found and math.isfinite(found[0]) else None


def power(value: float | None, base: float) -> float | None:
    """Return the value of an APEX number, rounded to six digits: APEX logarithms have few."""
    return float(f"{base**value:.6g}") if value is not None and abs(value) < 64 else None


def stars(percent: float | None) -> int | None:
    """Return the stars for a Windows rating of 1, 25, 50, 75 or 99 percent."""
    return 1 + round(percent / 25) if percent and 0 < percent < 101 else None


def _lens_range(exif: tiff.Directory) -> str:
    """Return focal lengths and apertures of a lens without a name: "18-105mm f/3.5-5.6"; "" if unknown."""
    values = _values(exif, _LENS_RANGE)
    if len(values) < 4 or not all(math.isfinite(value) and 0 < value < 10_000 for value in values[:2]):
        return ""
    lengths, apertures = values[:2], [value for value in values[2:] if math.isfinite(value) and value]
    text = "-".join(f"{value:g}" for value in dict.fromkeys(lengths)) + "mm"
    return f"{text} f/" + "-".join(f"{value:g}" for value in dict.fromkeys(apertures)) if apertures else text


def _speed(exif: tiff.Directory) -> float | None:
    found = _number(exif, _SPEEDS)
    # Values over 16 bits are in another field.
    return _number(exif, _SPEED) or found if found in (None, 0, 65535) else found


def _speed_of_panasonic(page: tiff.Directory) -> float | None:
    """Return the ISO speed from the RW2 tag of Panasonic."""
    return _number(page, 23) if page.file.data.startswith(b"IIU\0") else None


def _taken(page: tiff.Directory, exif: tiff.Directory, gps: tiff.Directory) -> Moment | None:
    utc = _gps_time(gps)
    changed = page, _CHANGED, _OFFSET_CHANGED, _FRACTION_CHANGED
    for where, tag, offset, fraction in ((exif, *_TAKEN), (exif, *_DIGITISED), changed):
        moment = parsed(_text(where, tag), offset=_text(exif, offset), fraction=_text(exif, fraction))
        if moment is None:
            continue
        if moment.offset is None and utc:
            return with_offset(moment, utc.wall, tolerance=STALE) or moment
        return moment
    return utc


def _gps_time(gps: tiff.Directory) -> Moment | None:
    clock: list[Any] = _values(gps, _GPS_TIME, 3)
    if len(clock) < 3 or not all(math.isfinite(part) for part in clock):
        return None
    hours, minutes, seconds = (int(part) for part in clock)
    return parsed(f"{_text(gps, _GPS_DAY)} {hours:02}:{minutes:02}:{seconds:02}", offset="Z")


def _degrees(gps: tiff.Directory, side: int, tag: int) -> float | None:
    parts = _values(gps, tag, 3)
    if not parts or not math.isfinite(parts[0]):
        return None
    # A phone may write fractional degrees, and 0/0 for minutes and seconds.
    found = sum(part / 60.0**power for power, part in enumerate(parts) if math.isfinite(part))
    return -found if _text(gps, side)[:1].upper() in ("S", "W") else found
