"""The query parser: text, `-words` to exclude, "quoted words" that must occur, and typed filters such as
`taken:2023`."""

import re
from dataclasses import dataclass
from functools import lru_cache, reduce

from search.query.filters import NO_FILTERS, Filters
from search.query.typed_filter_parser import MARKS, TERM, Typed, names_a_filter, read_term

# A minus counts only before a word, so that hyphens and dashes are text.
_TERM = re.compile(rf"(?<!\S)(-?)[{MARKS}]([^{MARKS}]*)[{MARKS}](?!\S)|(?<!\S)-(\w\S*)")


@dataclass(frozen=True, slots=True)
class ParsedText:
    """The parsed text.

    `meant` is the input of the text encoder: everything but excluded words and filters, with quoted words without
    their marks. `filters` combines all in `typed`. A term that begins like a filter but is invalid is text too, and
    listed in `unread`.
    """

    meant: str
    unwanted: tuple[str, ...]
    quoted: tuple[str, ...]
    typed: tuple[Typed, ...] = ()
    unread: tuple[str, ...] = ()
    filters: Filters = NO_FILTERS


@lru_cache(maxsize=256)
def parse_text(text: str) -> ParsedText:
    """Parse `text`. Quotation marks that stand alone, or are not closed, are text."""
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
    return ParsedText(
        meant,
        tuple(dict.fromkeys(unwanted)),
        tuple(dict.fromkeys(quoted)),
        tuple(filters.values()),
        tuple(dict.fromkeys(unread)),
        reduce(Filters.and_also, (one.filters for one in filters.values()), NO_FILTERS),
    )


def without_filter(text: str, filter_text: str) -> str:
    """Return the text without one of its typed filters."""
    kept = TERM.sub(lambda term: " " if term[0] == filter_text else term[0], text)
    return " ".join(kept.split())
