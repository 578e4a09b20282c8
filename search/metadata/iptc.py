"""IPTC-IIM metadata, which news agencies and older programs write into JPEG and TIFF files."""

from collections import defaultdict

from search.metadata.dates import dated, parsed
from search.metadata.photo_metadata import PhotoMetadata, TakenFrom
from search.text.untrusted import decoded

_MOST = 2_000
_LONGEST = 32_768
_TITLE, _KEYWORD, _DAY, _TIME, _DIGITISED_DAY, _DIGITISED_TIME = 5, 25, 55, 60, 62, 63
_AUTHOR, _HEADLINE, _COPYRIGHT, _DESCRIPTION = 80, 105, 116, 120
_RESOURCE = b"8BIM"
_IPTC_RESOURCE = 0x0404


def in_photoshop(data: bytes) -> bytes:
    """Return the IPTC block among Photoshop's resources (APP13 of a JPEG, after its signature); b"" if there is
    none."""
    position = 0
    for _ in range(_MOST):
        if data[position : position + 4] != _RESOURCE or position + 12 > len(data):
            return b""
        kind = int.from_bytes(data[position + 4 : position + 6], "big")
        name = 1 + data[position + 6]
        start = position + 6 + name + name % 2
        size = int.from_bytes(data[start : start + 4], "big")
        if kind == _IPTC_RESOURCE:
            return data[start + 4 : start + 4 + size]
        position = start + 4 + size + size % 2
    return b""


def from_iptc(block: bytes) -> PhotoMetadata:
    """Return the metadata in an IPTC block."""
    found = _datasets(block)
    if not found:
        return PhotoMetadata()

    def texts(number: int) -> list[str]:
        # The UTF-8 marker (1:90) is ignored: some programs set it without converting the texts, others write UTF-8
        # without it, and text in another encoding is hardly ever valid UTF-8.
        return [decoded(value) for value in found[2, number]]

    def text(number: int) -> str:
        return next(iter(texts(number)), "")

    moment = parsed(_date(text(_DAY), text(_TIME))) or parsed(_date(text(_DIGITISED_DAY), text(_DIGITISED_TIME)))
    return PhotoMetadata.of(
        title=text(_TITLE) or text(_HEADLINE),
        description=text(_DESCRIPTION),
        keywords=texts(_KEYWORD),
        author=", ".join(texts(_AUTHOR)[:20]),
        licence=text(_COPYRIGHT),
        **dated(moment, TakenFrom.CAMERA),
    )


def _datasets(block: bytes) -> defaultdict[tuple[int, int], list[bytes]]:
    found: defaultdict[tuple[int, int], list[bytes]] = defaultdict(list)
    position = 0
    for _ in range(_MOST):
        if position + 5 > len(block) or block[position] != 0x1C:
            break
        record, number = block[position + 1], block[position + 2]
        size = int.from_bytes(block[position + 3 : position + 5], "big")
        position += 5
        if size & 0x8000:  # extended: the length of the length field
            width = size & 0x7FFF
            if width > 4:
                break
            size, position = int.from_bytes(block[position : position + width], "big"), position + width
        found[record, number].append(block[position : position + min(size, _LONGEST)])
        position += size
    return found


def _date(day: str, time: str) -> str:
    if len(day) != 8:
        return ""
    date = f"{day[:4]}:{day[4:6]}:{day[6:]}"
    clock, zone = time[:6], time[6:]
    return f"{date} {clock[:2]}:{clock[2:4]}:{clock[4:]}{zone}" if len(clock) == 6 else date
