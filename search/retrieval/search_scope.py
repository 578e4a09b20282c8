"""Search scope: which rows a search may find, and how many."""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import replace

from django.db.models import Q
from django.utils.functional import cached_property

from search.embedding import active_model
from search.facets.filter_counts import Counts
from search.indexing.query_plan import BY_WORDS_INDEX, planned
from search.models import Arrival
from search.models.accepted_models import accepted_names
from search.models.arrivals import OLDEST_MOMENT, State, state
from search.models.querysets import ImageQuerySet
from search.models.sql_statements import fetch_value
from search.query import full_text
from search.query.filter_sql import FilterValues
from search.query.filters import Filters, Hidden
from search.query.query import Mode, SearchQuery
from search.query.query_parts import Part
from search.query.search_conditions import Conditions
from search.query.viewer import asker
from search.retrieval.query_vector import images_in


class Scope:
    """The rows that `query` may find, as of its first page.

    `text` is the full-text query, None if words are not searched; with `by_words_alone` nothing else is.
    `no_row_holds_words` is only known after `look_ahead`.
    """

    def __init__(
        self,
        query: SearchQuery,
        to: int | None = None,
        *,
        among: Sequence[uuid.UUID] | None = None,
        private: bool = False,
    ) -> None:
        """With `to`, as of this arrival number; with `among`, of these images only; with `private`, including private
        pictures that the user may see."""
        self.query = query
        self._private = private
        self.among = among
        self._to = to
        meant = query.box.meant
        self.text = full_text.beginnings(meant) if meant and query.mode is not Mode.MEANING else None
        self.by_words_alone = bool(meant) and query.mode is Mode.WORDS
        self.no_row_holds_words = False

    @cached_property
    def at(self) -> State:
        """The state of the collection without later arrivals than the first page."""
        now = state()
        seen = self.query.seen
        return now if seen is None or seen >= OLDEST_MOMENT else State(min(seen, now.arrived), now.changed)

    @property
    def wanted(self) -> list[Part]:
        """The positive parts of the query vector."""
        return [part for part in self.query.wanted if not (self.by_words_alone and part.name == "q")]

    @cached_property
    def filters(self) -> Filters:
        """The filters of the query; private pictures are included unless it filters by visibility."""
        filters = self.query.all_filters
        is_open = self._private and filters.hidden is None and asker().sees_private
        return replace(filters, hidden=Hidden.MINE) if is_open else filters

    @cached_property
    def conditions(self) -> Conditions:
        query = self.query
        return Conditions(
            models=None if query.is_empty else accepted_names(active_model()),
            quoted=query.box.quoted,
            alone=query.box.meant if self.by_words_alone else None,
            filters=self.filters.values,
            arrived=self.at.arrived if self._to is None else self._to,
            moment=self._moment,
            pointed_at=tuple(images_in(query)),
            among=None if self.among is None else list(self.among),
        )

    @cached_property
    def only_visible(self) -> FilterValues:
        """Filters that exclude only what must not be found."""
        return Filters(hidden=self.filters.hidden).values

    @cached_property
    def counts(self) -> Counts:
        return Counts(self.conditions, self.filters, self._name(), self.at)

    @cached_property
    def images(self) -> ImageQuerySet:
        return self.conditions.images()

    @cached_property
    def total(self) -> int:
        """The number of rows: those that pass the filters, without later arrivals and the query's own images."""
        outside = Q()
        if self._moment:
            outside |= Q(created__gt=self._moment)
        if pointed_at := self.conditions.pointed_at:
            outside |= Q(pk__in=pointed_at)
        if not outside:
            return self.counts.total
        return self.counts.total - self.conditions.passing().filter(outside).count()

    def look_ahead(self) -> None:
        """Read what is needed whatever the query vector: the number of rows, and whether any contains the words."""
        _ = self.total
        if self.text is not None:
            with planned(BY_WORDS_INDEX):
                self.no_row_holds_words = not fetch_value(full_text.ANY_BEGINNINGS, [self.query.box.meant])

    @property
    def asked_at(self) -> int:
        """The value of `seen` in addresses of further pages."""
        return self.query.seen if self._moment and self.query.seen else self.at.arrived

    @cached_property
    def fresh_at(self) -> dt.datetime:
        """The time of the last arrival, so that freshness does not change between pages."""
        return self._moment or Arrival.moment_of(self.at.arrived)

    @property
    def _moment(self) -> dt.datetime | None:
        """The time of the first page, where an address of an older version contains it."""
        seen = self.query.seen
        return dt.datetime.fromtimestamp(seen, dt.UTC) if seen is not None and seen >= OLDEST_MOMENT else None

    def _name(self) -> str:
        """The cache key of the eligible rows."""
        alone = self.query.box.meant if self.by_words_alone else ""
        filters = self.conditions.filters
        # Albums of the same name may differ by user, and tag filters are resolved to tags.
        named = f"{filters.in_albums}{filters.not_in_albums}{filters.any_tags}{filters.no_tags}"
        return f"{'shown' if self.query.is_empty else active_model()}\n{self.query.box.quoted}\n{alone}\n{named}"
