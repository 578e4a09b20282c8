"""Unicode normalisation of stored and compared text: what looks the same is equal, however it was typed."""

import unicodedata


def composed(text: str) -> str:
    """Return `text` in NFC, without lone surrogates, which neither a database nor an encoder accepts.

    macOS writes file names decomposed (NFD): "é" as two characters, a Korean syllable as up to three.
    """
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", text.encode("utf-8", "ignore").decode())


def normalised_text(text: str) -> str:
    """Return `text` in NFC with single spaces, so that queries, tags or licences that look the same are equal.

    Control characters count as spaces; lone surrogates, which no encoder accepts, are dropped.
    """
    text = composed(text)
    if not text.isprintable():
        text = "".join(" " if unicodedata.category(c) == "Cc" else c for c in text)
    return " ".join(text.split())
