"""What people write in the box: words that are meant, `-words` they want less of, and "words" that must be there."""

import re
from dataclasses import dataclass
from functools import lru_cache

# A minus counts only before a word, so that a hyphen within one or a dash between two stays what it is. Phones write
# quotation marks in pairs of their own.
_TERM = re.compile(r'(?<!\S)(-?)["“”„«»]([^"“”„«»]*)["“”„«»](?!\S)|(?<!\S)-(\w\S*)')


@dataclass(frozen=True, slots=True)
class Box:
    """The text of the box, taken apart.

    `meant` is what the text encoder is given: everything but the unwanted, quoted words without their marks.
    """

    meant: str
    unwanted: tuple[str, ...]
    quoted: tuple[str, ...]


@lru_cache(maxsize=256)
def read_box(text: str) -> Box:
    """Take `text` apart. Marks that stand alone, or are never closed, are text like any other."""
    unwanted: list[str] = []
    quoted: list[str] = []

    def taken(term: re.Match[str]) -> str:
        minus, between, word = term.groups()
        words = " ".join((between or word or "").split())
        if not any(character.isalnum() for character in words):
            return term[0]
        if minus or word:
            unwanted.append(words)
            return " "
        quoted.append(words)
        return words

    meant = " ".join(_TERM.sub(taken, text).split())
    return Box(meant, tuple(dict.fromkeys(unwanted)), tuple(dict.fromkeys(quoted)))
