"""Camera RAW files: how they are recognised, and the JPEG inside that the camera, or a converter, made of the picture.

Sensor samples are never read. This module only locates a JPEG, which is then decoded like any other. We parse RAW
ourselves because the libraries for it decode hundreds of formats in C++, from untrusted bytes, and we need two
numbers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from search.containers import tiff
from search.containers.boxes import within
from search.containers.errors import Reason, UnreadableImage

_RAF = b"FUJIFILMCCD-RAW "
_CANON_HEADER = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
_CANON_PREVIEW = bytes.fromhex("eaf42b5e1c984b88b9fbb7dc406e4d16")

_SENSOR_WIDTH, _SENSOR_HEIGHT, _PANASONIC_JPEG = 0x2, 0x3, 0x2E
_SUB_DIRECTORIES, _JPEG_START, _JPEG_LENGTH = 0x14A, 0x201, 0x202
_EXIF, _MAKER_NOTE, _EXIF_WIDTH, _EXIF_HEIGHT, _DNG_VERSION = 0x8769, 0x927C, 0xA002, 0xA003, 0xC612
_OLYMPUS_SETTINGS, _OLYMPUS_START, _OLYMPUS_LENGTH = 0x2020, 0x101, 0x102
_MOSAIC, _LINEAR = 32803, 34892
_RAW_COMPRESSIONS = {32767, 34713, 65535}
"""Those of Sony, Nikon and Pentax."""
_MOST_DIRECTORIES = 64
_LONGEST_HEADER = 2**20

_ENOUGH, _LEAST = 1_000, 320
"""Minimum pixels of the longer side: large enough whatever the sensor, and where the file gives no sensor size."""


class Embedded(NamedTuple):
    """A JPEG in a RAW file: its offsets, and the file's EXIF orientation (1 to 8; None if it has none)."""

    start: int
    end: int
    orientation: int | None


@dataclass
class _Found:
    """What a scan of the file has found: spans of JPEGs, the sensor's longer side, the orientation."""

    spans: list[tuple[int, int]]
    longest: int = 0
    orientation: int | None = None

    def measure(self, width: int, height: int) -> None:
        self.longest = max(self.longest, width, height)


def is_raw(data: bytes) -> bool:
    """Whether `data` is a camera's RAW file. Those with a plain TIFF signature are recognised by their contents."""
    if data.startswith((_RAF, b"IIRO", b"IIRS", b"MMOR", b"IIU\0")) or data[4:12] == b"ftypcrx ":
        return True
    if not data.startswith((b"II", b"MM")):
        return False
    return (data[8:10] == b"CR" and data[:4] == b"II*\0") or any(_is_of_a_sensor(page) for page in directories(data))


def embedded_jpeg(data: bytes) -> Embedded:
    """Return the largest JPEG of a RAW file. Raises UnreadableImage where none shows the picture in full size.

    Full size is 1,000 pixels on the longer side, or half of what the sensor has: a thumbnail is not enough.
    """
    found = _Found([])
    if data.startswith(_RAF):
        _look_into_raf(data, found)
    elif data[4:8] == b"ftyp":
        _look_into_cr3(data, found)
    else:
        _look_into_tiff(data, found)
    if found.spans and all(end > len(data) for _, end in found.spans):
        raise UnreadableImage(Reason.TRUNCATED)
    largest = max(((frame_size(data, *span), span) for span in found.spans), default=((0, 0), (0, 0)), key=_area)
    (width, height), (start, end) = largest
    longer = max(width, height)
    least = min(_ENOUGH, found.longest / 2) if found.longest else _LEAST
    if longer < max(1, least):
        raise UnreadableImage(Reason.NO_FULL_SIZE)
    return Embedded(start, min(end, len(data)), found.orientation)


def _area(one: tuple[tuple[int, int], tuple[int, int]]) -> tuple[int, int]:
    (width, height), (start, end) = one
    return width * height, end - start


def frame_size(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Return width and height of the JPEG in `data[start:end]`; (0, 0) if there is none, or one of sensor samples."""
    if data[start : start + 3] != b"\xff\xd8\xff":
        return 0, 0
    position, end = start + 2, min(end, len(data))
    for _ in range(1_000):
        if position + 9 > end or data[position] != 0xFF:
            break
        marker = data[position + 1]
        if marker in (0xC0, 0xC1, 0xC2) and data[position + 4] == 8:
            return (
                int.from_bytes(data[position + 7 : position + 9], "big"),
                int.from_bytes(data[position + 5 : position + 7], "big"),
            )
        if marker in (0xC3, 0xDA):  # lossless, as RAW samples are; or the scan begins
            break
        position += 1 if marker == 0xFF else 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return 0, 0


def _is_of_a_sensor(page: tiff.Directory) -> bool:
    return (
        _DNG_VERSION in page.fields
        or page.number(tiff.PHOTOMETRIC) in (_MOSAIC, _LINEAR)
        or page.number(tiff.COMPRESSION) in _RAW_COMPRESSIONS
    )


def directories(data: bytes) -> Iterator[tiff.Directory]:
    """Yield the directories of a TIFF container and their subdirectories, each once; none for another container."""
    file = tiff.container(data)
    if file is None:
        return
    met: set[int] = set()
    waiting = [file.first()]
    while waiting and len(met) < _MOST_DIRECTORIES:
        position = waiting.pop(0)
        if not position or position in met:
            continue
        met.add(position)
        page = file.directory(position)
        yield page
        waiting += [page.next, *page.numbers(_SUB_DIRECTORIES), page.number(_EXIF)]


def _look_into_tiff(data: bytes, found: _Found) -> None:
    for number, page in enumerate(directories(data)):
        if number == 0 and 1 <= (orientation := page.number(tiff.ORIENTATION)) <= 8:
            found.orientation = orientation
        found.measure(page.number(tiff.WIDTH), page.number(tiff.HEIGHT))
        found.measure(page.number(_EXIF_WIDTH), page.number(_EXIF_HEIGHT))
        if number == 0 and data.startswith(b"IIU\0"):
            found.measure(page.number(_SENSOR_WIDTH), page.number(_SENSOR_HEIGHT))
            _add_field(page, _PANASONIC_JPEG, found)
        _add(found, page.number(_JPEG_START), page.number(_JPEG_LENGTH))
        if page.number(tiff.PHOTOMETRIC) not in (_MOSAIC, _LINEAR) and len(page.numbers(tiff.STRIPS, 2)) == 1:
            _add(found, page.number(tiff.STRIPS), page.number(tiff.STRIP_SIZES))
        if note := page.fields.get(_MAKER_NOTE):
            _look_into_note_of_olympus(page.file, note, found)


def _add(found: _Found, start: int, length: int) -> None:
    if start > 0 and length > 0:
        found.spans.append((start, start + length))


def _add_field(page: tiff.Directory, tag: int, found: _Found) -> None:
    if field := page.fields.get(tag):
        _add(found, field.position, field.length)


def _look_into_note_of_olympus(file: tiff.Container, note: tiff.Field, found: _Found) -> None:
    """Find the preview in the maker note of ORF files, whose offsets are relative to the note."""
    mark = bytes(file.data[note.position : note.position + 16])
    if mark.startswith(b"OLYMPUS\0"):
        head = 12
    elif mark.startswith(b"OM SYSTEM\0"):
        head = 16
    else:
        return
    inner = tiff.Container(file.data, file.order, base=note.position)
    settings = inner.directory(head).fields.get(_OLYMPUS_SETTINGS)
    if settings is None:
        return
    place = inner.directory(head).number(_OLYMPUS_SETTINGS) if settings.kind != 7 else settings.position - inner.base
    preview = inner.directory(place)
    if start := preview.number(_OLYMPUS_START):
        _add(found, inner.base + start, preview.number(_OLYMPUS_LENGTH))


def _look_into_raf(data: bytes, found: _Found) -> None:
    start, length, table = (int.from_bytes(data[place : place + 4], "big") for place in (84, 88, 92))
    _add(found, start, length)
    # The sensor's table: the number of entries, then tag, length and value of each. 0x100 is height and width.
    position = table + 4
    for _ in range(min(int.from_bytes(data[table : table + 4], "big"), 255)):
        tag, size = (int.from_bytes(data[place : place + 2], "big") for place in (position, position + 2))
        if tag == 0x100:
            found.measure(*(int.from_bytes(data[place : place + 2], "big") for place in (position + 4, position + 6)))
            return
        position += 4 + size


def _look_into_cr3(data: bytes, found: _Found) -> None:
    for header in within(data, (b"moov",)):
        end = min(header.end, header.start + _LONGEST_HEADER)
        for box in within(data, (b"uuid",), header.start, end):
            if data[box.start : box.start + 16] == _CANON_HEADER:
                _look_into_canon_header(data, box.start + 16, box.end, found)
        for table in within(data, (b"trak", b"mdia", b"minf", b"stbl"), header.start, end):
            _look_into_track(data, table.start, table.end, found)
        break
    for box in within(data, (b"uuid",)):
        if data[box.start : box.start + 16] == _CANON_PREVIEW:
            for preview in within(data, (b"PRVW",), box.start + 24, box.end):
                begin = data.find(b"\xff\xd8\xff", preview.start, preview.start + 64)
                _add(found, begin, preview.end - begin)


def _look_into_canon_header(data: bytes, start: int, end: int, found: _Found) -> None:
    for exif in within(data, (b"CMT1",), start, end):
        if file := tiff.container(data, exif.start):
            orientation = file.directory(file.first()).number(tiff.ORIENTATION)
            found.orientation = orientation if 1 <= orientation <= 8 else None


def _look_into_track(data: bytes, start: int, end: int, found: _Found) -> None:
    """Add the only sample of a CR3 track; the largest picture is a JPEG in the first track."""
    place = length = 0
    for kind, width in ((b"stco", 4), (b"co64", 8)):
        for box in within(data, (kind,), start, end):
            place = int.from_bytes(data[box.start + 8 : box.start + 8 + width], "big")
    for box in within(data, (b"stsz",), start, end):
        same, first = (int.from_bytes(data[at : at + 4], "big") for at in (box.start + 4, box.start + 12))
        length = same or first
    for box in within(data, (b"stsd",), start, end):
        # After version, flags and count: size and type of the entry, then 24 bytes before width and height.
        at = box.start + 40
        if data[box.start + 12 : box.start + 16] == b"CRAW":
            found.measure(*(int.from_bytes(data[where : where + 2], "big") for where in (at, at + 2)))
    _add(found, place, length)
