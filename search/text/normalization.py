"""Text as it is kept and compared: what looks the same is the same, however it was typed."""

import unicodedata


def composed(text: str) -> str:
    """Return `text` in NFC, without halves of surrogate pairs, which neither a database nor an encoder takes.

    A Mac writes file names decomposed (NFD): "é" as two characters, a Korean syllable as up to three.
    """
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", text.encode("utf-8", "ignore").decode())


def normalised_text(text: str) -> str:
    """Return `text` in NFC with single spaces, so that what looks the same is the same query, tag or licence.

    Control characters count as spaces, and half a surrogate pair, which no encoder can read, as nothing.
    """
    text = composed(text)
    if not text.isprintable():
        text = "".join(" " if unicodedata.category(c) == "Cc" else c for c in text)
    return " ".join(text.split())
