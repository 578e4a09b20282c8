"""Locates EXIF, XMP and IPTC in each format, and reads them."""

import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from search.containers import tiff
from search.containers.boxes import boxes, within
from search.containers.heif_items import described
from search.metadata.dates import dated, in_mail, parsed
from search.metadata.exif import IPTC, PHOTOSHOP, XMP, exif_directory, from_exif, is_whole
from search.metadata.iptc import from_iptc, in_photoshop
from search.metadata.jpeg_segments import EXIF_SEGMENT, XMP_SEGMENT, blocks_of_jpeg
from search.metadata.metadata_merging import merged
from search.metadata.photo_metadata import PhotoMetadata, TakenFrom
from search.metadata.xmp import LONGEST_XMP, from_xmp
from search.text.untrusted import decoded

_MOST_PARTS = 10_000
_LONGEST = 4_000_000
"""Maximum bytes of a block."""
_RAF_JPEG = 84, 88
"""Offsets of the position and the length of the JPEG in a RAF."""
_JP2_XMP, _JP2_EXIF = bytes.fromhex("be7acfcb97a942e89c71999491e3afac"), b"JpgTiffExif->JP2"
_GIF_XMP, _GIF_XMP_ENDS = b"!\xff\x0bXMP DataXMP", b"\x01\xff\xfe\xfd"
_CANON = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")


class Reading(NamedTuple):
    """The metadata of a file. `is_whole` is False where more of the file must be read to be complete."""

    said: PhotoMetadata
    is_whole: bool = True


@dataclass
class _Blocks:
    """The metadata blocks found in a file."""

    exif: list[PhotoMetadata] = field(default_factory=list)
    xmp: bytes = b""
    more_xmp: bytes = b""
    iptc: bytes = b""
    texts: dict[str, str] = field(default_factory=dict)
    is_whole: bool = True

    def said(self) -> PhotoMetadata:
        """Merge the blocks: for texts XMP counts first, then IPTC, then EXIF; for numbers and time EXIF first."""
        if not (self.exif or self.xmp or self.iptc or self.texts):
            return PhotoMetadata()
        xmp, iptc = merged(from_xmp(self.xmp), from_xmp(self.more_xmp)), from_iptc(self.iptc)
        exif = merged(*self.exif)
        texts = _from_texts(self.texts)
        words = merged(xmp, iptc, exif, texts)
        figures = merged(exif, xmp, iptc, texts)
        kept = {name: getattr(words, name) for name in ("title", "description", "keywords", "author", "licence")}
        rating = words.rating or figures.rating
        return replace(figures, **kept, rating=rating)


def read_file(data: bytes, format: str) -> Reading:
    """Return the metadata in a file of `format` (a key of FORMATS), or in its beginning. Never raises."""
    blocks = _Blocks()
    look = _READERS.get(format)
    # The readers check what they read, and fuzzing found no other exception; but bad metadata must not lose a picture.
    with suppress(Exception):
        if look:
            look(data, blocks)
        return Reading(blocks.said(), blocks.is_whole)
    return Reading(PhotoMetadata(), is_whole=False)


def _jpeg(data: bytes, blocks: _Blocks) -> None:
    found = blocks_of_jpeg(data)
    if found.exif:
        blocks.exif.append(from_exif(exif_directory(found.exif)))
    blocks.xmp, blocks.more_xmp, blocks.is_whole = found.xmp, found.more_xmp, found.is_whole
    blocks.iptc = in_photoshop(found.resources)


def _png(data: bytes, blocks: _Blocks) -> None:
    position, blocks.is_whole = 8, False
    for _ in range(_MOST_PARTS):
        if position + 8 > len(data):
            break
        size, kind = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        if kind == b"IEND":
            blocks.is_whole = True
            break
        if kind in (b"eXIf", b"iTXt", b"zTXt", b"tEXt") and size <= _LONGEST and position + 8 + size <= len(data):
            _png_chunk(kind, data[position + 8 : position + 8 + size], blocks)
        position += 12 + size


def _png_chunk(kind: bytes, content: bytes, blocks: _Blocks) -> None:
    if kind == b"eXIf":
        blocks.exif.insert(0, from_exif(exif_directory(content)))
        return
    name, text = _png_text(kind, content)
    if name == "XML:com.adobe.xmp" and not blocks.xmp:
        blocks.xmp = text
    elif name.startswith("Raw profile type "):
        _image_magick(name.removeprefix("Raw profile type ").strip(), text, blocks)
    elif len(blocks.texts) < 50:
        blocks.texts.setdefault(name, decoded(text) if kind == b"iTXt" else text[:40_000].decode("latin-1"))


def _png_text(kind: bytes, content: bytes) -> tuple[str, bytes]:
    name, _, rest = content.partition(b"\0")
    is_packed = kind == b"zTXt"
    if kind == b"iTXt":
        is_packed = rest[:1] == b"\1"
        rest = [*rest[2:].split(b"\0", 2), b"", b"", b""][2]
    elif is_packed:
        rest = rest[1:]
    if is_packed:
        try:
            # Decompress no more than needed: the data may expand a thousandfold.
            rest = zlib.decompressobj().decompress(rest, LONGEST_XMP + 1)
        except zlib.error:
            rest = b""
    return name[:79].decode("latin-1"), rest


def _image_magick(kind: str, text: bytes, blocks: _Blocks) -> None:
    """Read a block in ImageMagick's encoding: its name, its length, and lines of hexadecimal digits."""
    lines = text.strip().split(b"\n", 2)
    try:
        block = bytes.fromhex(lines[2].decode("ascii")) if len(lines) == 3 else b""
    except ValueError:
        return
    if kind in ("exif", "APP1") and block.startswith(EXIF_SEGMENT):
        blocks.exif.append(from_exif(exif_directory(block)))
    elif kind in ("xmp", "APP1") and not blocks.xmp:
        blocks.xmp = block.removeprefix(XMP_SEGMENT)
    elif kind in ("iptc", "8bim"):
        blocks.iptc = in_photoshop(block) or block


def _from_texts(texts: dict[str, str]) -> PhotoMetadata:
    """Return what the text chunks of a PNG say, by the keywords of the standard."""
    moment = parsed(texts.get("Creation Time")) or in_mail(texts.get("Creation Time", ""))
    return PhotoMetadata.of(
        title=texts.get("Title"),
        description=texts.get("Description"),
        author=texts.get("Author"),
        licence=texts.get("Copyright"),
        **dated(moment, TakenFrom.CAMERA),
    )


def _webp(data: bytes, blocks: _Blocks) -> None:
    position, end = 12, 8 + int.from_bytes(data[4:8], "little")
    blocks.is_whole = len(data) >= end
    for _ in range(_MOST_PARTS):
        if position + 8 > min(end, len(data)):
            break
        kind, size = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "little")
        content = data[position + 8 : position + 8 + min(size, _LONGEST)] if kind in (b"EXIF", b"XMP ") else b""
        if kind == b"EXIF" and not blocks.exif:
            blocks.exif.append(from_exif(exif_directory(content)))
        elif kind == b"XMP " and not blocks.xmp:
            blocks.xmp = content
        elif position == 12 and (kind != b"VP8X" or not data[20] & 0x0C):
            blocks.is_whole = True  # the header announces neither
            break
        position += 8 + size + size % 2


def _tiff(data: bytes, blocks: _Blocks) -> None:
    file = tiff.container(data)
    page = file.directory(file.first()) if file else None
    if page is None:
        return
    blocks.is_whole = is_whole(page)  # its subdirectories may be anywhere in the file
    blocks.exif.append(from_exif(page))
    blocks.xmp = _field(page, XMP)
    # Some programs declare it as four-byte integers, and pad it.
    blocks.iptc = _field(page, IPTC).rstrip(b"\0") or in_photoshop(_field(page, PHOTOSHOP))


def _field(page: tiff.Directory, tag: int) -> bytes:
    found = page.fields.get(tag)
    if found is None or found.length > _LONGEST:
        return b""
    return bytes(page.file.data[found.position : found.position + found.length])


def _container(data: bytes, blocks: _Blocks) -> None:
    exif, blocks.xmp, blocks.is_whole = described(data)
    blocks.exif.append(from_exif(exif_directory(exif)))


def _gif(data: bytes, blocks: _Blocks) -> None:
    """XMP is stored in a GIF uncompressed, before a trailer of 257 bytes by which decoders skip it."""
    start = data.find(_GIF_XMP)
    end = data.find(_GIF_XMP_ENDS, start) if start >= 0 else -1
    blocks.xmp = data[start + len(_GIF_XMP) : end] if end >= 0 else b""
    blocks.is_whole = end >= 0


def _jp2(data: bytes, blocks: _Blocks) -> None:
    end = 0
    for box in boxes(data):
        end = box.end
        kind, content = data[box.start : box.start + 16], data[box.start + 16 : min(box.end, box.start + _LONGEST)]
        if box.kind == b"uuid" and kind == _JP2_XMP and not blocks.xmp:
            blocks.xmp = content
        elif box.kind == b"uuid" and kind == _JP2_EXIF and not blocks.exif:
            blocks.exif.append(from_exif(exif_directory(content)))
    blocks.is_whole = end <= len(data)


def _raw(data: bytes, blocks: _Blocks) -> None:
    if data[4:8] == b"ftyp":
        blocks.is_whole = any(box.end <= len(data) for box in within(data, (b"moov",)))
        blocks.exif.append(from_exif(*(_canon_directory(data, kind) for kind in (b"CMT1", b"CMT2", b"CMT4"))))
    elif tiff.container(data):
        _tiff(data, blocks)
    else:  # a RAF keeps its metadata in its JPEG
        start, size = (int.from_bytes(data[place : place + 4], "big") for place in _RAF_JPEG)
        _jpeg(data[start : start + size], blocks)


def _canon_directory(data: bytes, kind: bytes) -> tiff.Directory | None:
    """Return a directory of a CR3: image, EXIF or GPS, each in a TIFF container of its own."""
    for box in within(data, (b"moov", b"uuid")):
        if data[box.start : box.start + 16] == _CANON:
            for inner in within(data, (kind,), box.start + 16, box.end):
                return exif_directory(data[inner.start : inner.end])
    return None


_READERS: dict[str, Callable[[bytes, _Blocks], None]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "WEBP": _webp,
    "TIFF": _tiff,
    "HEIF": _container,
    "AVIF": _container,
    "RAW": _raw,
    "GIF": _gif,
    "JP2": _jp2,
}
