"""TIFF containers, of which camera RAW is one: a parser of their directories that trusts no number in them."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

SUBFILE = 254
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
STRIPS, ORIENTATION, SAMPLES, STRIP_ROWS, STRIP_SIZES, PLANES = 273, 274, 277, 278, 279, 284
TILE_WIDTH, TILE_HEIGHT, TILES, TILE_SIZES, EXTRA_SAMPLES, PROFILE = 322, 323, 324, 325, 338, 34675
PREDICTOR, PALETTE, SAMPLE_FORMAT = 317, 320, 339

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
SIZES = {
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
INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_MOST_FIELDS = 1_000
_REDUCED_OR_MASK = 0b101


class Field(NamedTuple):
    """A field of a directory: its type, its number of values, and their offset in the file."""

    kind: int
    values: int
    position: int

    @property
    def length(self) -> int:
        return self.values * SIZES.get(self.kind, 0)


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
            elif kind in SIZES:
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
        if field is None or field.kind not in INTEGERS:
            return ()
        kind = f"{self.file.order}{min(field.values, most)}{INTEGERS[field.kind]}"
        return struct.unpack_from(kind, self.file.data, field.position)

    def number(self, tag: int, default: int = 0) -> int:
        """Return the first integer of a field, or `default`."""
        return (self.numbers(tag, 1) or (default,))[0]


def container(data: bytes, base: int = 0) -> Container | None:
    """Return a reader of the TIFF container at `base`; None if there is none."""
    known = _MAGIC.get(bytes(data[base : base + 4]))
    return Container(data, *known, base) if known else None


def main_page(file: Container) -> Directory | None:
    """Return the first page that is not marked as a reduced copy or a mask of another; else the first of all."""
    first = None
    for page in pages(file):
        if not page.number(SUBFILE) & _REDUCED_OR_MASK:
            return page
        first = first or page
    return first


def pages(file: Container, most: int = 32) -> Iterator[Directory]:
    """Yield the directories of a chain, each once."""
    met: set[int] = set()
    position = file.first()
    while position and position not in met and len(met) < most:
        met.add(position)
        directory = file.directory(position)
        yield directory
        position = directory.next
