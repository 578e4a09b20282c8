"""Folding of text for comparison; the same as the database's function `image_words_fold`.

Lower case, without accents, normal width: "Café", "CAFE" and "ＣＡＦＥ" are one word, "Straße" and "strasse" another.
"""

import re
import unicodedata
from collections.abc import Iterator

# Marks that most people omit, and invisible characters: see migration 0010.
_NOT_WRITTEN = re.compile(
    "[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc"
    "\u06df-\u06e8\u06ea-\u06ed\u08d3-\u08ff\u180b-\u180f\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\U000e0100-\U000e01ef]"
)
_MARKS = re.compile("(?<![<=>\u0400-\u052f\u2190-\u2bff])[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff]")
# With other marks Cyrillic letters are different letters, as й is not и.
_CYRILLIC_MARKS = re.compile("(?<=[аеиоуыэюя])[\u0300\u0301]|(?<=е)\u0308")
_BEFORE = str.maketrans({"™": " ", "℠": " "})
_LETTERS = str.maketrans(
    dict(zip("ςıآأإٱđðɖɗøɔɵłƚħŧŋɲɓɛɇɠǥɨƙƴƶ", "σiااااddddooollhtnnbeeggikyz", strict=True))
    | {"ß": "ss", "æ": "ae", "œ": "oe", "þ": "th"}
)
_UNSPACED = re.compile(
    "[\u0e01-\u0e3a\u0e40-\u0e4e\u0e80-\u0ecf\u1000-\u103f\u1050-\u108f\u1780-\u17d3\u3005-\u3007\u3041-\u309f"
    "\u30a1-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U000323af"
    "\u1100-\u11ff\ua960-\ua97f\uac00-\ud7ff]"
)


def fold(text: str) -> str:
    """Return `text` in the form in which it is compared."""
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKC", text.translate(_BEFORE))
    kept = (c for c in text if c == "\u200b" or unicodedata.category(c) not in ("Cf", "Me"))
    text = _NOT_WRITTEN.sub("", "".join(kept)).lower()
    text = _CYRILLIC_MARKS.sub("", unicodedata.normalize("NFD", text))
    return unicodedata.normalize("NFC", _MARKS.sub("", text)).translate(_LETTERS)


def is_letter(character: str) -> bool:
    """Whether a folded character is part of a word, not a separator."""
    category = unicodedata.category(character)
    return category[0] not in "PSZ" and category != "Cc"


def is_unspaced(character: str) -> bool:
    """Whether a character is of a script whose words are not separated by spaces: Han, Kana, Hangul, Thai and the
    like."""
    return _UNSPACED.match(character) is not None


def words_of(text: str) -> list[str]:
    """Return the folded words of `text`, in order. Text written without spaces is one word."""
    return "".join(c if is_letter(c) else " " for c in fold(text)).split()


def clusters(text: str) -> Iterator[tuple[int, str]]:
    """Yield the index and text of each grapheme of `text`: a letter with its combining marks."""
    start = 0
    for place in range(1, len(text) + 1):
        if place == len(text) or not unicodedata.category(text[place]).startswith("M"):
            yield start, text[start:place]
            start = place
