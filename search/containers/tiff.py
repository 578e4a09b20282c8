"""TIFF containers, of which camera RAW is one: a parser of their directories that trusts no number in them.

A decoder never gets the file as it came. It gets the same bytes with a directory of our own appended, which names only
what the first page needs: no further pages, no EXIF, no 65,000 private tags that each span the whole file.
"""

import itertools
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from search.containers.errors import Reason, UnreadableImage, too_many_pixels

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
STRIPS, ORIENTATION, SAMPLES, STRIP_ROWS, STRIP_SIZES, PLANES = 273, 274, 277, 278, 279, 284
TILE_WIDTH, TILE_HEIGHT, TILES, TILE_SIZES, EXTRA_SAMPLES, PROFILE = 322, 323, 324, 325, 338, 34675

_MAGIC = {
    b"II*\0": ("<", False),
    b"MM\0*": (">", False),
    b"II+\0": ("<", True),
    b"MM\0+": (">", True),
    # RAW of Olympus and Panasonic: TIFF with another signature.
    b"IIRO": ("<", False),
    b"IIRS": ("<", False),
    b"MMOR": (">", False),
    b"IIU\0": ("<", False),
}
# Field types, and the bytes of one value of each; 129 is the UTF-8 of Exif 3.0.
_SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
    129: 1,
}
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_LONG = 4
_COMPRESSIONS = {1, 2, 3, 4, 5, 7, 8, 32773, 32946, 34925, 50000}
"""None, fax, LZW, JPEG, deflate, PackBits, LZMA and Zstandard; not old-style JPEG, nor vendors' own."""
_MOST_FIELDS = 1_000
_MOST_PIECES = 2**18
_LARGEST_TILE = 2**22

# Tags that a decoder may see, and the maximum number of values of each.
_NEEDED = {
    WIDTH: 1,
    HEIGHT: 1,
    BITS: 8,
    COMPRESSION: 1,
    PHOTOMETRIC: 1,
    266: 1,  # order of bits
    STRIPS: _MOST_PIECES,
    SAMPLES: 1,
    STRIP_ROWS: 1,
    STRIP_SIZES: _MOST_PIECES,
    PLANES: 1,
    292: 1,  # fax options
    293: 1,
    317: 1,  # predictor
    320: 3 * 2**16,  # palette
    TILE_WIDTH: 1,
    TILE_HEIGHT: 1,
    TILES: _MOST_PIECES,
    TILE_SIZES: _MOST_PIECES,
    EXTRA_SAMPLES: 8,
    339: 8,  # sample format: integers or floats
    347: 2**16,  # tables of JPEG
    529: 3,  # YCbCr
    530: 2,
    531: 1,
    532: 6,
    PROFILE: 2**22,
}


class Field(NamedTuple):
    """A field of a directory: its type, its number of values, and their offset in the file."""

    kind: int
    values: int
    position: int

    @property
    def length(self) -> int:
        return self.values * _SIZES.get(self.kind, 0)


@dataclass(frozen=True)
class Container:
    """A file with a TIFF header. Offsets in it are relative to `base`."""

    data: bytes
    order: str
    big: bool = False
    base: int = 0

    def first(self) -> int:
        """Return the offset of the first directory."""
        return self._number("Q" if self.big else "I", self.base + (8 if self.big else 4))

    def directory(self, position: int) -> "Directory":
        """Return the directory at `position`, or as much of it as is in the file; an empty one if there is none."""
        fields: dict[int, Field] = {}
        missing: set[int] = set()
        is_cut = False
        head, size, counted = (8, 20, "Q") if self.big else (2, 12, "H")
        start = self.base + position
        count = self._number(counted, start)
        for number in range(min(count, _MOST_FIELDS)):
            entry = start + head + size * number
            if entry + size > len(self.data):
                is_cut = True
                break
            tag, kind = struct.unpack_from(self.order + "HH", self.data, entry)
            values = self._number("Q" if self.big else "I", entry + 4)
            room = 8 if self.big else 4
            inline = entry + size - room
            field = Field(kind, values, inline)
            if field.length > room:
                field = Field(kind, values, self.base + self._number("Q" if self.big else "I", inline))
            if field.position + field.length > len(self.data):
                missing.add(tag)
            elif kind in _SIZES:
                fields.setdefault(tag, field)
        following = self._number("Q" if self.big else "I", start + head + size * count)
        is_cut = is_cut or start >= len(self.data)
        return Directory(self, fields, following, is_cut or bool(missing), None if is_cut else frozenset(missing))

    def _number(self, kind: str, position: int) -> int:
        """Return the unsigned integer at `position`; 0 beyond the end."""
        try:
            return int(struct.unpack_from(self.order + kind, self.data, position)[0])
        except (struct.error, OverflowError):
            return 0


@dataclass(frozen=True)
class Directory:
    """The fields of a page or of another directory, and the offset of the next one (0 for none).

    `is_cut` says that it, or some of its values, reaches beyond the end of the file; `missing` has the tags of those
    values, or is None where the directory itself is cut.
    """

    file: Container
    fields: dict[int, Field]
    next: int
    is_cut: bool
    missing: frozenset[int] | None = frozenset()

    def numbers(self, tag: int, most: int = 16) -> tuple[int, ...]:
        """Return up to `most` integers of a field; () if it is missing or of another type."""
        field = self.fields.get(tag)
        if field is None or field.kind not in _INTEGERS:
            return ()
        kind = f"{self.file.order}{min(field.values, most)}{_INTEGERS[field.kind]}"
        return struct.unpack_from(kind, self.file.data, field.position)

    def number(self, tag: int, default: int = 0) -> int:
        """Return the first integer of a field, or `default`."""
        return (self.numbers(tag, 1) or (default,))[0]


def container(data: bytes, base: int = 0) -> Container | None:
    """Return a reader of the TIFF container at `base`; None if there is none."""
    known = _MAGIC.get(bytes(data[base : base + 4]))
    return Container(data, *known, base) if known else None


def pages(file: Container, most: int = 32) -> Iterator[Directory]:
    """Yield the directories of a chain, each once."""
    met: set[int] = set()
    position = file.first()
    while position and position not in met and len(met) < most:
        met.add(position)
        directory = file.directory(position)
        yield directory
        position = directory.next


class Page(NamedTuple):
    """The first page of a TIFF, ready for a decoder, and what remains to be applied to its decoded samples."""

    data: bytes
    orientation: int
    inverted: bool


def first_page(data: bytes, max_pixels: int) -> Page:
    """Return the first page of a TIFF file as a file of its own. Raises UnreadableImage."""
    file = container(data)
    page = next(pages(file), None) if file else None
    if file is None or page is None or (page.is_cut and WIDTH not in page.fields):
        raise UnreadableImage(Reason.TRUNCATED)
    if page.number(COMPRESSION, 1) not in _COMPRESSIONS:
        raise UnreadableImage(Reason.UNSUPPORTED)
    pieces = _pieces(page, max_pixels)
    if _ends_beyond(page, pieces):  # a decoder would take our directory for samples
        raise UnreadableImage(Reason.TRUNCATED)
    kept = {tag: field for tag, field in page.fields.items() if field.values <= _NEEDED.get(tag, 0)}
    for tag in (STRIPS, STRIP_SIZES, TILES, TILE_SIZES):
        if tag in kept:
            # Pillow would draw the picture again for each full set of pieces.
            kept[tag] = kept[tag]._replace(values=min(kept[tag].values, pieces))
    numbers = _changed(page)
    orientation = page.number(ORIENTATION, 1)
    return Page(
        _rewritten(file, kept, numbers),
        orientation if 1 <= orientation <= 8 else 1,
        inverted=numbers.get(PHOTOMETRIC) == 1,
    )


def _changed(page: Directory) -> dict[int, int]:
    """Return the values that our directory changes because Pillow would misread or refuse them."""
    changed: dict[int, int] = {}
    if page.number(PHOTOMETRIC, 1) == 0 and page.number(BITS, 1) > 8:
        changed[PHOTOMETRIC] = 1  # Pillow ignores that 0 is white in grey of more than 8 bits
    if page.number(PHOTOMETRIC) == 5 and len(page.numbers(EXTRA_SAMPLES)) == 1:
        changed[EXTRA_SAMPLES] = 0  # Pillow knows no transparency in CMYK
    return changed


def _pieces(page: Directory, max_pixels: int) -> int:
    """Return the number of strips or tiles of the page. Raises UnreadableImage where it must not reach the decoder."""
    width, height = page.number(WIDTH), page.number(HEIGHT)
    if width * height > max_pixels:
        raise too_many_pixels(width, height, max_pixels)
    tiled = TILES in page.fields
    across, down = (
        (page.number(TILE_WIDTH), page.number(TILE_HEIGHT)) if tiled else (width, page.number(STRIP_ROWS, height))
    )
    if min(width, height, across, down) < 1 or page.number(SAMPLES, 1) > 8:
        raise UnreadableImage(Reason.DAMAGED)
    # A tile is decoded whole, however little of it is inside the picture.
    if tiled and across * down > max(_LARGEST_TILE, width * height):
        raise UnreadableImage(Reason.DAMAGED)
    planes = page.number(SAMPLES, 1) if page.number(PLANES, 1) == 2 else 1
    pieces = math.ceil(width / across) * math.ceil(height / min(down, height)) * planes
    offsets = page.fields.get(TILES if tiled else STRIPS)
    if offsets is None or offsets.values < pieces or pieces > _MOST_PIECES:
        raise UnreadableImage(Reason.DAMAGED)
    return pieces


def _ends_beyond(page: Directory, pieces: int) -> bool:
    """Whether a strip or tile of the page reaches beyond the end of the file."""
    starts, sizes = (TILES, TILE_SIZES) if TILES in page.fields else (STRIPS, STRIP_SIZES)
    end = len(page.file.data)
    places = page.numbers(starts, pieces)
    if any(start + size > end for start, size in zip(places, page.numbers(sizes, pieces), strict=False)):
        return True
    if page.number(COMPRESSION, 1) != 1 or page.number(PHOTOMETRIC, 1) == 6:
        return any(start >= end for start in places)
    return any(start + size > end for start, size in zip(places, _plain_sizes(page), strict=False))


def _plain_sizes(page: Directory) -> Iterator[int]:
    """Yield the length in bytes of each strip or tile of an uncompressed page."""
    width, height = page.number(WIDTH), page.number(HEIGHT)
    bits = page.numbers(BITS) or (1,)
    samples = page.number(SAMPLES, 1)
    planes = samples if page.number(PLANES, 1) == 2 else 1
    depth = bits[0] if planes > 1 else sum(bits) if len(bits) == samples else bits[0] * samples
    if TILES in page.fields:
        across, down = page.number(TILE_WIDTH), page.number(TILE_HEIGHT)
        yield from itertools.repeat(math.ceil(across * depth / 8) * down)
    rows = min(page.number(STRIP_ROWS, height), height)
    for _ in range(planes):
        for top in range(0, height, rows):
            yield math.ceil(width * depth / 8) * min(rows, height - top)


def _rewritten(file: Container, kept: dict[int, Field], numbers: dict[int, int]) -> bytes:
    """Return the file with a directory of these fields appended, and the header pointing to it."""
    order, big = file.order, file.big
    padding = -len(file.data) % 8
    position = len(file.data) + padding
    room = 8 if big else 4
    entries = []
    for tag, field in sorted(kept.items()):
        kind, count = field.kind, field.values
        if tag in numbers:
            kind, count, value = _LONG, 1, struct.pack(order + "I", numbers[tag])
        elif field.length > room:
            value = struct.pack(order + ("Q" if big else "I"), field.position)
        else:
            value = file.data[field.position : field.position + field.length]
        entries.append(struct.pack(order + ("HHQ" if big else "HHI"), tag, kind, count) + value.ljust(room, b"\0"))
    directory = struct.pack(order + ("Q" if big else "H"), len(entries)) + b"".join(entries) + bytes(room)
    head = (
        file.data[:8] + struct.pack(order + "Q", position)
        if big
        else file.data[:4] + struct.pack(order + "I", position)
    )
    return b"".join((head, memoryview(file.data)[len(head) :], bytes(padding), directory))
