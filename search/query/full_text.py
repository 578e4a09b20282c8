"""Full-text search over titles, tags and descriptions.

PostgreSQL tokenises queries with the same function as rows (`ImageWords`): no code here defines words. There is no
stemming, and accents are ignored. Words match as prefixes, so that 고양이 finds 고양이가; Korean ones
also within longer words, so that 해수욕장 finds 해운대해수욕장.
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
"""`exactness` of a title that equals the text."""


def whole_words(text: Text) -> Func:
    """Return a query for all words of `text`, whole; it matches nothing if there are none."""
    return _query(text, open_ended=False, in_a_row=False)


def beginnings(text: Text) -> Func:
    """Return a query for words that begin with those of `text`, or contain them if Korean, all of them; it matches
    nothing if there are none."""
    return _query(text, open_ended=True, in_a_row=False)


ANY_BEGINNINGS = "SELECT EXISTS (SELECT FROM search_imagewords WHERE vector @@ image_words_query(%s, true, false))"
"""Whether `beginnings` of a text match any row at all, whoever may see it."""


def phrase(text: Text) -> Func:
    """Return a query for the words of `text` as a phrase, the last as a prefix; it matches nothing if there are
    none."""
    return _query(text, open_ended=True, in_a_row=True)


def holds(query: Func) -> Func:
    """Whether title, tags or description match; a phrase must be within one of them, or within one tag."""
    return Func(
        F("words__vector"), query, template="(%(expressions)s)", arg_joiner=" @@ ", output_field=BooleanField()
    )


def holding(images: ImageQuerySet, query: Func) -> ImageQuerySet:
    """Return those of `images` whose title, tags or description match."""
    return images.filter(holds(query))


def rank(query: Func) -> Expression:
    """Return the rank of a matching row: the title counts most, then tags, then the description."""
    return SearchRank(F("words__vector"), query)


def exactness(*texts: Text) -> Case:
    """Whether the title is one of `texts`: EXACT if equal, 1 if it has the same words, else 0."""
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
