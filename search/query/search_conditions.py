"""The conditions of a search apart from similarity."""

from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef

from search.models import Arrival, Image
from search.models.querysets import ImageQuerySet
from search.query import full_text
from search.query.filter_sql import FilterValues
from search.query.filters import Filters


class Conditions(NamedTuple):
    """The conditions as values; each value may be a placeholder (`search.models.sql_cache`).

    Rows have vectors of one of `models`, None if they need none; they contain all texts `quoted`, and for a search by
    words alone those of `alone`; they pass the `filters`, and are not in `pointed_at`. They `arrived` up to a number,
    or in URLs of older versions up to a `moment`. With `among`, a list of ids, they are some of these.
    """

    models: tuple[Any, ...] | None = None
    quoted: tuple[Any, ...] = ()
    alone: Any = None
    filters: FilterValues = Filters().values
    arrived: Any = None
    moment: Any = None
    pointed_at: tuple[Any, ...] = ()
    among: Any = None

    def images(self) -> ImageQuerySet:
        images = self.passing()
        if self.moment is not None:
            images = images.filter(created__lte=self.moment)
        return images.exclude(pk__in=self.pointed_at) if self.pointed_at else images

    def eligible(self) -> ImageQuerySet:
        """All rows that the search may find, before filters and limits of arrival."""
        images = self.filters.visible(Image.objects.all())
        if self.models is not None:
            images = images.filter(embedding_model__in=self.models)
        if self.among is not None:
            images = images.filter(pk__any_of=self.among)
        for text in self.quoted:
            images = full_text.holding(images, full_text.phrase(text))
        return images if self.alone is None else full_text.holding(images, full_text.beginnings(self.alone))

    def passing(self) -> ImageQuerySet:
        """Those that pass the filters, with arrival numbers up to the limit."""
        return self._arrived_then(self.filters.apply(self.eligible()))

    def _arrived_then(self, images: ImageQuerySet) -> ImageQuerySet:
        """Exclude what arrived since the first page, even just now: pages would repeat and skip rows."""
        if self.arrived is None:
            return images
        later = Arrival.objects.filter(**{"image": OuterRef("pk"), f"{self.arrival}__gt": self.arrived})
        return images.exclude(Exists(later))

    @property
    def arrival(self) -> str:
        """The number to compare: pending rows are among all pictures, but no search finds them."""
        return "shown" if self.models is None else "searchable"
