"""Which rows a search may find, and how many they are."""

import datetime as dt

from django.db.models import Q
from django.utils.functional import cached_property

from search.embedding import active_model
from search.models import Image
from search.querying import words
from search.querying.aiming import images_in
from search.querying.counting import Counts
from search.querying.query import Mode, SearchQuery
from search.querysets import ImageQuerySet


class Scope:
    """The rows that `query` may find; with `after`, those of them that were added after it.

    `text` matches the words that rows are found by, None where they aren't; with `by_words_alone` by nothing else.
    """

    def __init__(self, query: SearchQuery, after: dt.datetime | None = None) -> None:
        self.query = query
        self.after = after
        meant = query.box.meant
        self.text = words.beginnings(meant) if meant and query.mode is not Mode.MEANING else None
        self.by_words_alone = bool(meant) and query.mode is Mode.WORDS

    @cached_property
    def counts(self) -> Counts:
        return Counts(self._eligible(), self.query.filters, self._name())

    @cached_property
    def images(self) -> ImageQuerySet:
        return self._visible(self.query.filters.apply(self._eligible()))

    @cached_property
    def total(self) -> int:
        """How many rows there are: those that pass the filters, without what came later or was pointed at."""
        if self.after is not None:
            return self.images.count()
        outside = Q()
        if self.query.seen is not None:
            outside |= Q(created__gt=self.seen_at)
        if pointed_at := images_in(self.query):
            outside |= Q(pk__in=pointed_at)
        if not outside:
            return self.counts.total
        return self.counts.total - self.query.filters.apply(self._eligible()).filter(outside).count()

    @property
    def seen_at(self) -> dt.datetime:
        """When somebody began to page through these results."""
        return dt.datetime.fromtimestamp(self.query.seen or 0, dt.UTC)

    def _eligible(self) -> ImageQuerySet:
        """All rows that the search may find, whatever is filtered."""
        model = active_model()
        images = Image.objects.shown() if self.query.is_empty else Image.objects.searchable(model)
        for text in self.query.box.quoted:
            images = words.holding(images, words.phrase(text))
        if self.by_words_alone and self.text:
            images = words.holding(images, self.text)
        return images

    def _name(self) -> str:
        """What tells the rows of `_eligible` from those of another search."""
        alone = self.query.box.meant if self.by_words_alone else ""
        return f"{'shown' if self.query.is_empty else active_model()}\n{self.query.box.quoted}\n{alone}"

    def _visible(self, images: ImageQuerySet) -> ImageQuerySet:
        if self.query.seen is not None:
            images = images.filter(created__lte=self.seen_at)
        if self.after is not None:
            images = images.filter(created__gt=self.after)
        pointed_at = images_in(self.query)
        return images.exclude(pk__in=pointed_at) if pointed_at else images
