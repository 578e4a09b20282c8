"""Words that find words: full-text search over titles, tags and descriptions.

The configuration is `simple`, which knows no language, and the ends of words are left open, so that 고양이 finds
고양이가.
"""

import unicodedata

from django.contrib.postgres.search import SearchQuery as TextQuery
from django.contrib.postgres.search import SearchRank

from search.querysets import WORDS, ImageQuerySet


def _words(text: str) -> list[str]:
    """Take `text` apart as PostgreSQL does: vowel signs, and accents that no letter comes with, belong to words."""
    kept, within = [], False
    for character in text:
        within = character.isalnum() or character == "_" or (within and unicodedata.category(character)[0] == "M")
        kept.append(character if within else " ")
    return "".join(kept).split()


def whole_words(text: str) -> TextQuery | None:
    """Return what matches all words of `text`, whole; None where it has none."""
    return _all_of([f"'{word}'" for word in _words(text)], " & ")


def beginnings(text: str) -> TextQuery | None:
    """Return what matches words that begin with those of `text`, all of them; None where it has none."""
    return _all_of([_open_ended(word) for word in _words(text)], " & ")


def phrase(text: str) -> TextQuery | None:
    """Return what matches the words of `text` in a row, the last with an open end; None where it has none."""
    words = _words(text)
    return _all_of([*(f"'{word}'" for word in words[:-1]), *(_open_ended(word) for word in words[-1:])], " <-> ")


def holding(images: ImageQuerySet, query: TextQuery) -> ImageQuerySet:
    """Return those of `images` whose title, tags or description match."""
    return images.alias(words=WORDS).filter(words=query)


def rank(query: TextQuery) -> SearchRank:
    """How well a row matches: a title counts most, then tags, then the description."""
    return SearchRank(WORDS, query)


def _open_ended(word: str) -> str:
    # A Latin letter or two begin too many words.
    return f"'{word}':*" if len(word) > 2 or not word.isascii() else f"'{word}'"


def _all_of(terms: list[str], operator: str) -> TextQuery | None:
    # Every term is letters and digits in quotation marks: nothing of it can be taken for an operator.
    return TextQuery(operator.join(terms), config="simple", search_type="raw") if terms else None
