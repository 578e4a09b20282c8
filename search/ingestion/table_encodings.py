"""Detect the encoding of a metadata table: BOM, else UTF-8, else the code pages of Excel in Korea and the West."""

import codecs
from typing import IO

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # its BOM begins with that of UTF-16
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NAMES = {
    "cp949": "CP949 (Korean)",
    "cp1252": "Windows-1252 (Western European)",
    "latin-1": "Latin-1 (Western European)",
    "mac_roman": "Mac Roman (Western European)",
}
_CHECKED_BYTES = 64 * 1024 * 1024
"""Bytes of a table that are checked for invalid UTF-8."""
_CHUNK = 1024 * 1024


def encoding_of(file: IO[bytes]) -> str:
    """Return the encoding of a file, from its first 64 MB."""
    start = file.read(4096)
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return encoding
    for zeros, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if _is_utf16(start, zeros=zeros):
            return encoding
    utf8, sample, looked_at = codecs.getincrementaldecoder("utf-8")(), b"", 0
    chunk = start
    try:
        while chunk and looked_at < _CHECKED_BYTES:
            utf8.decode(chunk)
            looked_at += len(chunk)
            chunk = file.read(_CHUNK)
        if not chunk:
            utf8.decode(b"", final=True)
    except UnicodeDecodeError:
        # What was read so far may be plain ASCII, and a chunk may end within a character.
        sample = chunk + file.readline()
        return _of_code_pages(sample)
    return "utf-8"


def remark_on(encoding: str) -> str:
    """Return a remark for the user if the encoding was guessed; "" if the file declares it or is UTF-8."""
    if encoding not in _NAMES:
        return ""
    return (
        f"This can't be read as UTF-8 and was taken for {_NAMES[encoding]}."
        " If letters come out garbled, save it as UTF-8."
    )


def _is_utf16(start: bytes, *, zeros: int) -> bool:
    """Whether text without a BOM is UTF-16: its header begins in ASCII, so every other byte is zero."""
    letters, others = start[1 - zeros : 16 : 2], start[zeros:16:2]
    return len(others) > 1 and not any(others) and all(letters)


def _of_code_pages(sample: bytes) -> str:
    beyond = [one for one in sample.decode("utf-8", "replace") if not one.isascii()]
    if 2 * beyond.count("\ufffd") <= len(beyond):
        return "utf-8"  # with some damage, which the reader reports
    if is_korean(sample):
        return "cp949"
    if b"\r" in sample and b"\n" not in sample:  # as Excel for the Mac saves "CSV (Macintosh)"
        return "mac_roman"
    try:
        sample.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1"
    return "cp1252"


def is_korean(sample: bytes) -> bool:
    """Whether bytes valid as CP949 are Korean rather than accented Western text: most characters are common syllables.

    Decoded as CP949, accented letters become hanja and rare syllables, if anything.
    """
    try:
        text = sample.decode("cp949")
    except UnicodeDecodeError:
        return False
    beyond = [one for one in text if not one.isascii()]
    return 2 * sum(_is_common_syllable(one) for one in beyond) > len(beyond)


def _is_common_syllable(character: str) -> bool:
    if not "가" <= character <= "힣":
        return False
    try:
        return len(character.encode("euc-kr")) == 2
    except UnicodeEncodeError:
        return False
