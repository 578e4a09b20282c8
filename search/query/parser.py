"""What people write in the box: words that are meant, `-words` they want less of, "words" that must be there, and
filters such as `taken:2023`."""

import re
from dataclasses import dataclass
from functools import lru_cache, reduce

from search.query.filters import NO_FILTERS, Filters
from search.query.typed_filters import MARKS, TERM, Typed, names_a_filter, read_term

# A minus counts only before a word, so that a hyphen within one or a dash between two stays what it is.
_TERM = re.compile(rf"(?<!\S)(-?)[{MARKS}]([^{MARKS}]*)[{MARKS}](?!\S)|(?<!\S)-(\w\S*)")


@dataclass(frozen=True, slots=True)
class Box:
    """The text of the box, taken apart.

    `meant` is what the text encoder is given: everything but the unwanted and the filters, quoted words without their
    marks. `filters` are all that are `typed`. What begins as a filter does and is none is words too, and told in
    `unread`.
    """

    meant: str
    unwanted: tuple[str, ...]
    quoted: tuple[str, ...]
    typed: tuple[Typed, ...] = ()
    unread: tuple[str, ...] = ()
    filters: Filters = NO_FILTERS


@lru_cache(maxsize=256)
def read_box(text: str) -> Box:
    """Take `text` apart. Marks that stand alone, or are never closed, are text like any other."""
    unwanted: list[str] = []
    quoted: list[str] = []
    filters: dict[str, Typed] = {}
    unread: list[str] = []

    def filtered(term: re.Match[str]) -> str:
        found = read_term(term)
        if found is None:
            if names_a_filter(term):
                unread.append(term[0])
            return term[0]
        filters[found.text] = found
        return " "

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

    meant = " ".join(_TERM.sub(taken, TERM.sub(filtered, text)).split())
    return Box(
        meant,
        tuple(dict.fromkeys(unwanted)),
        tuple(dict.fromkeys(quoted)),
        tuple(filters.values()),
        tuple(dict.fromkeys(unread)),
        reduce(Filters.and_also, (one.filters for one in filters.values()), NO_FILTERS),
    )


def without_filter(text: str, filter_text: str) -> str:
    """Return what stands in the box without one of the filters that are typed there."""
    kept = TERM.sub(lambda term: " " if term[0] == filter_text else term[0], text)
    return " ".join(kept.split())
