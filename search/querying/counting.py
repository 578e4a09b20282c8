"""How many images each filter would leave: one small table is counted, and folded for every filter."""

import hashlib
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

from django.core.cache import cache
from django.db.models import Count, F, Func, TextField
from django.utils.functional import cached_property

from search.querying.filters import Filters
from search.querysets import ImageQuerySet

REMEMBERED_FROM = 20_000
READ_REMEMBERED_FROM = 2_000
"""Counting so many rows in an index, or reading so many from the table, takes longer than finding 24 of them."""
REMEMBERED = 60
"""Seconds for which such numbers are given out again."""
MOST_VALUES = 15
"""Tags, licences and uploaders that are offered, the most frequent first."""

_FEW_VALUED = {
    "formats": "format",
    "orientations": "orientation",
    "sizes": "size",
    "colours": "colour",
    "described": "described",
}
"""Fields of Filters whose columns stand in the index `image_facets`, and those columns."""


class Counts:
    """Of the images that pass all filters on columns with many values: how many there are of each combination of the
    few-valued ones."""

    def __init__(self, images: ImageQuerySet, filters: Filters, name: str) -> None:
        """`images` are those that the search may find at all, and `name` tells them from those of other searches."""
        self._filters = filters
        self._name = name
        self._images = images
        others = filters.without(*_FEW_VALUED)
        self._combinations: list[tuple[tuple[Any, ...], int]] = _remembered(
            self._key("combinations", others),
            self._count,
            _rows_in,
            REMEMBERED_FROM if others.is_empty else READ_REMEMBERED_FROM,
        )

    @cached_property
    def total(self) -> int:
        """How many images pass all filters."""
        return sum(self._folded(None).values())

    @cached_property
    def unfiltered(self) -> int:
        """How many images there are, whatever is filtered."""
        if self._filters.is_empty:
            return self.total
        return _remembered(self._key("all", Filters()), self._images.order_by().count, int, REMEMBERED_FROM)

    def of(self, field: str) -> Counter[Any]:
        """How many images each value of a few-valued filter leaves, whatever is chosen of this filter now."""
        return self._folded(field)

    def most_frequent(self, column: str, field: str) -> list[tuple[Any, int]]:
        """The most frequent values of a column with many values, and how many images each leaves."""
        others = self._filters if field == "tags" else self._filters.without(field)

        def count() -> list[tuple[Any, int]]:
            rows = others.apply(self._images).order_by()
            if field == "tags":
                value: Any = Func(F("tags"), function="unnest", output_field=TextField())
            else:
                rows, value = rows.exclude(**{column: "" if field == "licences" else None}), F(column)
            found = rows.annotate(value=value).values_list("value").annotate(count=Count("*"))
            return list(found.order_by("-count", "value")[:MOST_VALUES])

        return _remembered(self._key(column, others), count, lambda _found: self.total, READ_REMEMBERED_FROM)

    def _count(self) -> list[tuple[tuple[Any, ...], int]]:
        rows = self._filters.without(*_FEW_VALUED).apply(self._images).order_by()
        found = rows.values_list(*_FEW_VALUED.values()).annotate(count=Count("*"))
        return [(tuple(values), count) for *values, count in found]

    def _folded(self, field: str | None) -> "Counter[Any]":
        allowed = [self._allowed(name) if name != field else None for name in _FEW_VALUED]
        place = list(_FEW_VALUED).index(field) if field else None
        counts: Counter[Any] = Counter()
        for values, count in self._combinations:
            if all(choice is None or value in choice for value, choice in zip(values, allowed, strict=True)):
                counts[None if place is None else values[place]] += count
        return counts

    def _allowed(self, field: str) -> tuple[Any, ...] | None:
        chosen = getattr(self._filters, field)
        if field == "described":
            return None if chosen is None else (chosen,)
        return chosen or None

    def _key(self, what: str, filters: Filters) -> str:
        asked = f"{what}\n{self._name}\n{filters.to_params()}"
        return f"facets:{hashlib.sha256(asked.encode()).hexdigest()}"


def _rows_in(combinations: list[tuple[tuple[Any, ...], int]]) -> int:
    return sum(count for _values, count in combinations)


_Found = TypeVar("_Found")


def _remembered(key: str, count: Callable[[], _Found], rows: Callable[[_Found], int], least: int) -> _Found:
    found: _Found | None = cache.get(key)
    if found is None:
        found = count()
        if rows(found) >= least:
            cache.set(key, found, REMEMBERED)
    return found
