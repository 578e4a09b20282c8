"""Cleaning of untrusted text: NFC, without control characters. HTML is not parsed; templates escape it."""

import re
import unicodedata
from typing import Any

from search.text.normalization import composed, normalised_text

_LONGEST = 100_000
"""Characters of a text that are considered; the rest is dropped."""
# Control characters except line breaks and tabs; and those that change the direction of all that follows.
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")
_BREAKS = re.compile("\r\n?|\x0c|\u2028|\u2029|\x85")


def prose(value: Any, limit: int) -> str:
    """Return text of any number of lines, at most `limit` characters; "" if `value` is not a string."""
    if not isinstance(value, str):
        return ""
    text = _CONTROL.sub("", _BREAKS.sub("\n", value[:_LONGEST]))
    return composed(text).strip()[:limit].strip()


def line(value: Any, limit: int) -> str:
    """Return one line of text with single spaces, at most `limit` characters; "" if `value` is not a string."""
    return normalised_text(prose(value, _LONGEST))[:limit].strip()


def visible(text: str) -> str:
    """Return text for a terminal, such as a file name, with escapes instead of characters that would control it."""
    return _CONTROLLING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


# Also lone surrogates, by which names stand that are not valid text.
_CONTROLLING = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def decoded(data: bytes) -> str:
    """Return text of unknown encoding: UTF-8 where valid, else Windows-1252."""
    data = data[: 4 * _LONGEST].rstrip(b"\0 ")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data" and not data[: error.start].isascii():
            return data[: error.start].decode("utf-8")  # cut within a character, as in fields of a fixed length
        return "".join(_WINDOWS.get(byte, chr(byte)) for byte in data)


_WINDOWS = {byte: bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(0x80, 0xA0)}


# A decoder process can open no files, so Python finds no codec there that was not loaded before.
for _name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "iso2022_jp", "euc_jp"):
    "あ".encode(_name).decode(_name)


def is_blank(text: str) -> bool:
    """Whether a text has no visible character."""
    return not any(unicodedata.category(one)[0] not in "CZ" for one in text)
