"""Camera RAW files made in memory: containers as cameras write them, around a JPEG, without sensor data."""

import struct
from collections.abc import Callable

RAW_KINDS = ("DNG", "NEF", "CR2", "CR3", "ARW", "RAF", "ORF", "RW2")

Fields = dict[int, int | bytes | list[int]]


def tiff(*pages: Fields, order: str = "<", magic: bytes = b"", start: int = 8, base: int = 0) -> bytes:
    """A TIFF container with these directories, in this order, each pointing to the next.

    A number becomes a LONG, a list several, bytes stay bytes. Longer values follow their directory. `base` is added to
    all offsets.
    """
    data = magic or {"<": b"II*\0", ">": b"MM\0*"}[order]
    data += struct.pack(order + "I", start + base)
    data = data.ljust(start, b"\0")
    for number, page in enumerate(pages):
        data += _directory(page, order, len(data) + base, is_last=number == len(pages) - 1)
    return data


def _directory(page: Fields, order: str, position: int, *, is_last: bool) -> bytes:
    behind = position + 2 + 12 * len(page) + 4
    entries, values = b"", b""
    for tag, value in sorted(page.items()):
        numbers = [value] if isinstance(value, int) else value
        packed = numbers if isinstance(numbers, bytes) else struct.pack(f"{order}{len(numbers)}I", *numbers)
        place = packed.ljust(4, b"\0")
        if len(packed) > 4:
            place = struct.pack(order + "I", behind + len(values))
            values += packed + b"\0" * (len(packed) % 2)
        entries += struct.pack(order + "HHI", tag, 7 if isinstance(numbers, bytes) else 4, len(numbers)) + place
    following = 0 if is_last else behind + len(values)
    return struct.pack(order + "H", len(page)) + entries + struct.pack(order + "I", following) + values


def raw(
    kind: str, jpeg: bytes, *, orientation: int = 1, sensor: tuple[int, int] = (48, 32), thumbnail: bytes = b""
) -> bytes:
    """A RAW file of `kind` around `jpeg`, whose container declares `orientation` and the size of the sensor."""
    return _MAKERS[kind](jpeg, orientation, sensor, thumbnail)


def _after(make: Callable[[int], bytes], *payloads: bytes) -> bytes:
    """What `make` returns, followed by the payloads. `make` gets their offset, which must not change its length."""
    head = make(0)
    return make(len(head)) + b"".join(payloads)


def _dng(jpeg: bytes, orientation: int, sensor: tuple[int, int], thumbnail: bytes) -> bytes:
    # The preview is in a sub-directory as a single strip of JPEG, next to the mosaic, which is lossless JPEG.
    def make(place: int) -> bytes:
        head = {254: 1, 274: orientation, 0x14A: [0, 0], 0xC612: b"\1\4\0\0", 0x10F: b"SECRET-CAMERA\0"}
        if thumbnail:
            head |= {259: 7, 262: 6, 273: place + len(jpeg), 279: len(thumbnail)}
        mosaic: Fields = {254: 0, 256: sensor[0], 257: sensor[1], 259: 7, 262: 32803, 273: place, 279: 4}
        preview: Fields = {254: 1, 259: 7, 262: 6, 273: place, 279: len(jpeg)}
        first = len(tiff(head))
        second = first + len(_directory(mosaic, "<", first, is_last=True))
        data = tiff(head | {0x14A: [first, second]})
        data += _directory(mosaic, "<", first, is_last=True)
        return data + _directory(preview, "<", second, is_last=True)

    return _after(make, jpeg, thumbnail)


def _nef(jpeg: bytes, orientation: int, sensor: tuple[int, int], thumbnail: bytes) -> bytes:
    def make(place: int) -> bytes:
        head: Fields = {254: 1, 0x10F: b"SECRET-CAMERA\0", 274: orientation, 0x14A: [0, 0]}
        preview: Fields = {254: 1, 259: 6, 0x201: place, 0x202: len(jpeg)}
        mosaic: Fields = {254: 0, 256: sensor[0], 257: sensor[1], 259: 34713, 262: 32803, 273: place, 279: 4}
        first = len(tiff(head, order=">"))
        second = first + len(_directory(preview, ">", first, is_last=True))
        data = tiff(head | {0x14A: [first, second]}, order=">")
        data += _directory(preview, ">", first, is_last=True)
        return data + _directory(mosaic, ">", second, is_last=True)

    return _after(make, jpeg)


def _cr2(jpeg: bytes, orientation: int, sensor: tuple[int, int], thumbnail: bytes) -> bytes:
    # The last of four directories has the mosaic, also as a strip of lossless JPEG.
    lossless = b"\xff\xd8\xff\xc3\0\x0b\x0e" + struct.pack(">HH", *reversed(sensor)) + b"\1\1\x11\0\xff\xd9"

    def make(place: int) -> bytes:
        head: Fields = {256: sensor[0], 257: sensor[1], 259: 6, 273: place, 279: len(jpeg), 274: orientation}
        head |= {0x10F: b"SECRET-CAMERA\0"}
        small: Fields = {0x201: place + len(jpeg) + len(lossless), 0x202: len(thumbnail)}
        mosaic: Fields = {259: 6, 273: place + len(jpeg), 279: len(lossless)}
        data = tiff(head, small, mosaic, start=16)
        return data[:8] + b"CR\2\0" + bytes(4) + data[16:]

    return _after(make, jpeg, lossless, thumbnail)


def _arw(jpeg: bytes, orientation: int, sensor: tuple[int, int], thumbnail: bytes) -> bytes:
    def make(place: int) -> bytes:
        head: Fields = {259: 6, 0x10F: b"SECRET-CAMERA\0", 274: orientation, 0x201: place, 0x202: len(jpeg), 0x14A: 0}
        small: Fields = {259: 6, 0x201: place + len(jpeg), 0x202: len(thumbnail)}
        mosaic: Fields = {254: 0, 256: sensor[0], 257: sensor[1], 259: 32767, 262: 32803, 273: place, 279: 4}
        length = len(tiff(head, small))
        return tiff(head | {0x14A: length}, small) + _directory(mosaic, "<", length, is_last=True)

    return _after(make, jpeg, thumbnail)


def _orf(jpeg: bytes, orientation: int, sensor: tuple[int, int], thumbnail: bytes) -> bytes:
    # Offsets in the maker note are relative to its start.
    def make(place: int) -> bytes:
        head: Fields = {256: sensor[0], 257: sensor[1], 0x10F: b"SECRET-CAMERA\0", 274: orientation, 0x8769: 0}
        length = len(tiff(head, magic=b"IIRO"))
        note_at = length + 2 + 12 + 4
        settings_at = 12 + 2 + 12 + 4
        note = b"OLYMPUS\0II\3\0" + _directory({0x2020: settings_at}, "<", 12, is_last=True)
        preview: Fields = {0x100: 1, 0x101: place - note_at if place else 0, 0x102: len(jpeg)}
        note += _directory(preview, "<", settings_at, is_last=True)
        data = tiff(head | {0x8769: length}, magic=b"IIRO")
        return data + _directory({0x927C: note}, "<", length, is_last=True)

    return _after(make, jpeg)


def _rw2(jpeg: bytes, orientation: int, sensor: tuple[int, int], thumbnail: bytes) -> bytes:
    head: Fields = {2: sensor[0], 3: sensor[1], 0x10F: b"SECRET-CAMERA\0", 274: orientation, 0x2E: jpeg}
    return tiff(head, magic=b"IIU\0", start=24)


def _raf(jpeg: bytes, orientation: int, sensor: tuple[int, int], thumbnail: bytes) -> bytes:
    # The container has no orientation: it is in the EXIF block of the JPEG.
    table = struct.pack(">IHHHH", 1, 0x100, 4, sensor[1], sensor[0])
    head = b"FUJIFILMCCD-RAW 0201FF389501" + b"SECRET-CAMERA".ljust(32, b"\0") + b"0100".ljust(24, b"\0")
    return head + struct.pack(">IIII", 148, len(jpeg), 148 + len(jpeg), len(table)).ljust(64, b"\0") + jpeg + table


def _box(kind: bytes, *content: bytes) -> bytes:
    return struct.pack(">I", 8 + sum(map(len, content))) + kind + b"".join(content)


def _cr3(jpeg: bytes, orientation: int, sensor: tuple[int, int], thumbnail: bytes) -> bytes:
    def make(place: int) -> bytes:
        exif = _box(b"CMT1", tiff({274: orientation, 0x10F: b"SECRET-CAMERA\0"}))
        small = _box(b"THMB", bytes(16), thumbnail)
        header = _box(b"uuid", bytes.fromhex("85c0b687820f11e08111f4ce462b6a48"), exif, small)
        entry = _box(b"CRAW", bytes(24), struct.pack(">HH", *sensor), bytes(50))
        table = _box(
            b"stbl",
            _box(b"stsd", struct.pack(">II", 0, 1), entry),
            _box(b"stsz", struct.pack(">III", 0, len(jpeg), 1)),
            _box(b"co64", struct.pack(">IIQ", 0, 1, place)),
        )
        track = _box(b"trak", _box(b"mdia", _box(b"minf", table)))
        return _box(b"ftyp", b"crx \0\0\0\1crx isom") + _box(b"moov", header, track) + b"\0\0\0\0mdat"

    return _after(make, jpeg)


_MAKERS: dict[str, Callable[[bytes, int, tuple[int, int], bytes], bytes]] = {
    "DNG": _dng,
    "NEF": _nef,
    "CR2": _cr2,
    "CR3": _cr3,
    "ARW": _arw,
    "RAF": _raf,
    "ORF": _orf,
    "RW2": _rw2,
}
