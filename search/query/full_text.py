"""Words that find words: full-text search over titles, tags and descriptions.

PostgreSQL takes the words of a query apart by the function that took apart those of the rows (`ImageWords`): nothing
here knows what a word is. Words know no language and no accents; their ends are left open, so that 고양이 finds
고양이가, and those of Korean are found inside longer ones too, so that 해수욕장 finds 해운대해수욕장.
"""

from functools import reduce
from operator import or_
from typing import TypeAlias

from django.contrib.postgres.search import SearchQueryField, SearchRank
from django.db.models import BooleanField, Case, Expression, F, Func, IntegerField, Q, Value, When

from search.models.querysets import ImageQuerySet
from search.models.sql_cache import Blank

Text: TypeAlias = str | Blank

EXACT = 2
"""`exactness` of a title that is the text itself."""


def whole_words(text: Text) -> Func:
    """Return what matches all words of `text`, whole: nothing, where it has none."""
    return _query(text, open_ended=False, in_a_row=False)


def beginnings(text: Text) -> Func:
    """Return what matches words that begin with those of `text`, or hold them where they are Korean, all of them:
    nothing, where it has none."""
    return _query(text, open_ended=True, in_a_row=False)


def phrase(text: Text) -> Func:
    """Return what matches the words of `text` in a row, the last with an open end: nothing, where it has none."""
    return _query(text, open_ended=True, in_a_row=True)


def holds(query: Func) -> Func:
    """Whether title, tags or description match; a phrase within one of them, or within one tag."""
    return Func(
        F("words__vector"), query, template="(%(expressions)s)", arg_joiner=" @@ ", output_field=BooleanField()
    )


def holding(images: ImageQuerySet, query: Func) -> ImageQuerySet:
    """Return those of `images` whose title, tags or description match."""
    return images.filter(holds(query))


def rank(query: Func) -> Expression:
    """How well a row that matches does so: a title counts most, then tags, then the description."""
    return SearchRank(F("words__vector"), query)


def exactness(*texts: Text) -> Case:
    """Whether the title is one of `texts`: EXACT for all of it, 1 for its words, 0 for another title."""
    keys = [Func(value_of(text), function="image_words_key") for text in texts]
    return Case(
        When(reduce(or_, [Q(title__iexact=text) for text in texts]), then=Value(EXACT)),
        When(words__title__in=keys, then=Value(1)),
        default=Value(0),
        output_field=IntegerField(),
    )


def _query(text: Text, *, open_ended: bool, in_a_row: bool) -> Func:
    return Func(
        value_of(text),
        Value(open_ended),
        Value(in_a_row),
        function="image_words_query",
        output_field=SearchQueryField(),
    )


def value_of(text: Text) -> Expression:
    return text if isinstance(text, Blank) else Value(text)
