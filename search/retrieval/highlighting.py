"""Highlighting: which parts of a title match the query."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from search.query.parser import parse_text
from search.query.query import Mode, SearchQuery
from search.text.folding import clusters, fold, is_letter, is_unspaced, words_of

MOST_WORDS = 50
"""Maximum number of words searched in each title."""
_SHORT = re.compile("[a-z]{3,4}")
_HISSING = ("s", "x", "z", "ch", "sh")


@dataclass(frozen=True, slots=True)
class _Sought:
    word: str
    is_open: bool
    """Whether longer words with this prefix match, as in `image_words_query`."""
    more: str = ""
    """Plural ending that a short word may have, as in the same function."""

    @classmethod
    def all_of(cls, words: Sequence[str]) -> list[Self]:
        """The words of a chunk without spaces; the last one may be a prefix."""
        *before, last = words or [""]
        return [*(cls(word, is_open=False) for word in before), *([cls._last(last)] if last else [])]

    @classmethod
    def _last(cls, word: str) -> Self:
        if _SHORT.fullmatch(word):
            return cls(word, is_open=False, more="es" if word.endswith(_HISSING) else "s")
        return cls(word, is_open=len(word) > 2 or not word.isascii())

    def matches_at(self, text: str, start: int) -> bool:
        """Whether the word matches in the folded `text` at `start`."""
        stop = start + len(self.word)
        ends = self.is_open or _meets(text, stop)
        more = stop + len(self.more)
        return _meets(text, start) and (ends or (text[stop:more] == self.more != "" and _meets(text, more)))


def _meets(text: str, place: int) -> bool:
    """Whether a word may begin or end at this position."""
    if place in (0, len(text)):
        return True
    return any(is_unspaced(one) or not is_letter(one) for one in text[place - 1 : place + 1])


def marks(title: str, query: SearchQuery) -> list[tuple[int, int]]:
    """Return the matches of `query` in `title` as (start, stop) positions, in order, not overlapping."""
    sought = _sought(query.words) if query.mode is not Mode.MEANING else ()
    if not sought:
        return []
    folded, begins = "", []
    for start, cluster in clusters(title):
        letters = fold(cluster)
        folded += letters
        begins += [(start, start + len(cluster))] * len(letters)
    found: list[tuple[int, int]] = []
    for one in sought:
        place = folded.find(one.word)
        while place >= 0:
            if one.matches_at(folded, place):
                found.append((begins[place][0], begins[place + len(one.word) - 1][1]))
            place = folded.find(one.word, place + 1)
    return _merged(found)


@lru_cache(maxsize=64)
def _sought(text: str) -> tuple[_Sought, ...]:
    chunks = parse_text(text).meant.split()
    return tuple(dict.fromkeys(one for chunk in chunks for one in _Sought.all_of(words_of(chunk))))[:MOST_WORDS]


def _merged(found: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return these intervals in order, overlapping and adjacent ones merged."""
    merged: list[tuple[int, int]] = []
    for start, stop in sorted(found):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(stop, merged[-1][1])
        else:
            merged.append((start, stop))
    return merged
