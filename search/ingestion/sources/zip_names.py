"""Names of members of ZIP archives in the code page of the system that made them: only newer programs say UTF-8."""

import re
import zipfile
import zlib
from collections.abc import Iterable
from contextlib import suppress

from search.ingestion.table_encodings import is_korean

_UTF8 = 0x800
_UNICODE_PATH = 0x7075
_KANA = re.compile("[\u3041-\u30ff]")


def set_names(members: Iterable[zipfile.ZipInfo]) -> None:
    """Set `filename` of members whose names zipfile takes for those of DOS; `orig_filename` remains.

    Backslashes, as some Windows programs write, become slashes.
    """
    members = list(members)
    in_code_page = [one for one in members if not one.flag_bits & _UTF8 and not one.orig_filename.isascii()]
    encoding = _encoding_of(b"\n".join(_as_bytes(one) for one in in_code_page)) if in_code_page else ""
    for one in in_code_page:
        one.filename = _of_extra_field(one) or _as_bytes(one).decode(encoding, "replace")
    for one in members:
        if "/" not in one.filename:
            one.filename = one.filename.replace("\\", "/")


def spellings_of(member: zipfile.ZipInfo) -> list[str]:
    """Return the names that a table may have for a member: as set, as zipfile reads it, and in each code page."""
    names = [member.filename, member.orig_filename]
    if not member.flag_bits & _UTF8 and not member.orig_filename.isascii():
        for encoding in ("utf-8", "cp949"):
            with suppress(UnicodeError):
                names.append(_as_bytes(member).decode(encoding))
    return names


def _as_bytes(member: zipfile.ZipInfo) -> bytes:
    return member.orig_filename.encode("cp437")


def _encoding_of(names: bytes) -> str:
    """Return the most likely encoding of names: UTF-8, Korean or Japanese Windows, else DOS."""
    try:
        names.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        return "utf-8"
    if is_korean(names):
        return "cp949"
    try:
        is_japanese = bool(_KANA.search(names.decode("cp932")))
    except UnicodeDecodeError:
        is_japanese = False
    return "cp932" if is_japanese else "cp437"


def _of_extra_field(member: zipfile.ZipInfo) -> str:
    """Return the name in a member's Unicode path field, if it is of this name; "" if there is none."""
    extra = member.extra
    while len(extra) >= 4:
        kind, length = (int.from_bytes(extra[at : at + 2], "little") for at in (0, 2))
        field, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == _UNICODE_PATH and int.from_bytes(field[1:5], "little") == zlib.crc32(_as_bytes(member)):
            return field[5:].decode("utf-8", "ignore")
    return ""
