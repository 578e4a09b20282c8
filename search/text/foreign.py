"""Text that strangers wrote: NFC, without control characters. HTML is text like any other, and stays as it is."""

import re
import unicodedata
from typing import Any

from search.text.normalization import composed, normalised_text

_LONGEST = 100_000
"""Characters that are looked at of any text."""
# Control characters but for line breaks and tabs; and what changes the direction of all that follows.
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")
_BREAKS = re.compile("\r\n?|\x0c|\u2028|\u2029|\x85")


def prose(value: Any, limit: int) -> str:
    """Return text of any number of lines, at most `limit` characters; "" for what is no text."""
    if not isinstance(value, str):
        return ""
    text = _CONTROL.sub("", _BREAKS.sub("\n", value[:_LONGEST]))
    return composed(text).strip()[:limit].strip()


def line(value: Any, limit: int) -> str:
    """Return one line of text with single spaces, at most `limit` characters; "" for what is no text."""
    return normalised_text(prose(value, _LONGEST))[:limit].strip()


def decoded(data: bytes) -> str:
    """Return text whose encoding nobody tells: UTF-8 where it is that, else as Windows writes it in the west."""
    data = data[: 4 * _LONGEST].rstrip(b"\0 ")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data" and not data[: error.start].isascii():
            return data[: error.start].decode("utf-8")  # cut within a character, as fields of a fixed length are
        return "".join(_WINDOWS.get(byte, chr(byte)) for byte in data)


_WINDOWS = {byte: bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(0x80, 0xA0)}


# A decoder process can open nothing, so that Python finds no codec there that was not used before.
for _name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "iso2022_jp", "euc_jp"):
    "あ".encode(_name).decode(_name)


def is_blank(text: str) -> bool:
    """Whether nothing of a text is seen."""
    return not any(unicodedata.category(one)[0] not in "CZ" for one in text)
