"""Count how many images each filter would leave: one aggregate over the few-valued columns, folded for every filter.

Counting takes a third of a second for a million images, so counts are cached together with the state of the collection
(`search.models.arrivals`). Later arrivals are counted and added; after any other change everything is counted again.
So counts are always exact, and while pictures come in a search counts only the new ones.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from django.core.cache import cache
from django.db.models import BigIntegerField, Case, Count, F, Func, Max, Q, TextField, Value, When
from django.db.models.expressions import RawSQL
from django.utils.functional import cached_property

from search.models import Capture
from search.models.arrivals import ARRIVED_SQL, CHANGED_SQL, State
from search.models.querysets import ImageQuerySet
from search.query.filters import Certainty, Filters, Hidden
from search.query.search_conditions import Conditions
from search.query.tag_conditions import has_any_tag
from search.query.tag_names import folded, tag_names

CACHED_FROM = 2_000
"""Number of rows from which counts are cached, since counting takes longer than finding 24 rows. Counts that all
searches share are always cached: each search needs them, and a query takes a millisecond."""
CACHED_FOR = 600
"""Seconds for which such counts are cached."""
CACHED_ROUGHLY_FOR = 60
"""Seconds for which new pictures may be missing in the most frequent tags, licences and uploaders."""
MOST_VALUES = 15
"""Number of tags, licences and uploaders offered, the most frequent first."""

MOST_TAGS_READ = 5_000
"""Tags read to find synonyms and narrower tags among them."""

_FEW_VALUED = {
    "formats": "format",
    "orientations": "orientation",
    "sizes": "size",
    "described": "described",
}
"""Fields of Filters whose columns are in the index `image_facets`, and these columns."""

_CAPTURED: dict[str, Any] = {
    "cameras": F("capture__camera"),
    "lenses": F("capture__lens"),
    "rating": F("capture__rating"),
    "dated": Case(
        When(capture__taken_from__in=Capture.GUESSED, then=Value(Certainty.ABOUT)),
        When(capture__taken__isnull=False, then=Value(Certainty.KNOWN)),
        default=Value(Certainty.UNKNOWN),
        output_field=TextField(),
    ),
}
"""Fields of Filters on capture data, and their values. Their table is joined once for all of them."""

_COLOURS = Func(F("palette__names"), function="unnest", output_field=TextField())

_Combinations = Counter[tuple[Any, ...]]


class Counts:
    """Counts of images that pass all filters on many-valued columns, by each combination of the few-valued ones."""

    def __init__(self, conditions: Conditions, filters: Filters, name: str, at: State) -> None:
        """`conditions` are those of the eligible rows, and `name` is their cache key. Counts are as of `at`."""
        self._filters = filters
        self._name = name
        self._conditions = conditions
        self._at = at
        self._others = filters.without(*_FEW_VALUED)
        # Visibility and map groups change without an arrival or change number that could validate a cached count, and
        # are rarely filtered by.
        self._is_cached = not filters.finds_hidden and filters.group is None and conditions.among is None
        self._combinations = self._counted()

    @cached_property
    def total(self) -> int:
        """The number of images that pass all filters."""
        return self.of(None).total()

    def of(self, field: str | None) -> Counter[Any]:
        """Return how many images each value of a few-valued filter leaves, ignoring that filter itself."""
        allowed = [self._allowed(name) if name != field else None for name in _FEW_VALUED]
        place = list(_FEW_VALUED).index(field) if field else None
        counts: Counter[Any] = Counter()
        for values, count in self._combinations.items():
            if all(choice is None or value in choice for value, choice in zip(values, allowed, strict=True)):
                counts[None if place is None else values[place]] += count
        return counts

    def most_frequent(self, column: str, field: str) -> list[tuple[Any, int]]:
        """Return the most frequent values of a many-valued column, and how many images each leaves."""
        others = self._filters if field == "tags" else self._filters.without(field)

        def count() -> list[tuple[Any, int]]:
            rows = self._rows(others)
            if field == "tags":
                value: Any = Func(F("tags"), function="unnest", output_field=TextField())
            else:
                rows, value = rows.exclude(**{column: "" if field == "licences" else None}), F(column)
            found = rows.annotate(value=value).values_list("value").annotate(count=Count("*"))
            return list(found.order_by("-count", "value")[:MOST_VALUES])

        return self._cached_count(self._key(column, others, changes=True), count, lambda _found: self.total)

    def frequent_tags(self) -> list[tuple[str, int]]:
        """Return the most frequent tags, and how many images each leaves, including narrower tags and synonyms."""
        names = tag_names()
        if not names.tags:
            return self.most_frequent("tags", "tags")

        def count() -> list[tuple[str, int]]:
            rows = self._rows(self._filters)
            value: Any = Func(F("tags"), function="unnest", output_field=TextField())
            found = rows.annotate(value=value).values_list("value").annotate(count=Count("*"))
            counts = Counter(dict(found.order_by("-count", "value")[:MOST_TAGS_READ]))
            are_all = len(counts) < MOST_TAGS_READ
            return folded(counts, names, MOST_VALUES, lambda groups: _having_any(rows, groups), are_all=are_all)

        version = hashlib.sha256(repr(names.tags).encode()).hexdigest()
        key = self._key(f"tags\n{version}", self._filters, changes=True)
        return self._cached_count(key, count, lambda _found: self.total)

    def exactly(self, name: str, rows: ImageQuerySet) -> int:
        """Return the number of `rows`, cached by the search, the state of the collection and `name`."""
        if not self._is_cached:
            return rows.count()
        what = f"{name}\n{self._at.arrived}\n{self._conditions.moment}"
        return cache.get_or_set(self._key(what, self._filters, changes=True), rows.count, CACHED_FOR) or 0

    def of_captures(self, field: str) -> Counter[Any]:
        """Return how many images each value of a capture filter leaves, ignoring that filter itself; None and "" stand
        for unknown."""
        place = list(_CAPTURED).index(field)
        counts: Counter[Any] = Counter()
        for values, count in self._captured.items():
            passes = (
                self._passes(name, value) for name, value in zip(_CAPTURED, values, strict=True) if name != field
            )
            if all(passes):
                counts[values[place]] += count
        return counts

    @cached_property
    def _captured(self) -> _Combinations:
        others = self._filters.without(*_CAPTURED)

        def count() -> _Combinations:
            rows = self._rows(others)
            named = {f"its_{name}": value for name, value in _CAPTURED.items()}
            found = rows.annotate(**named).values_list(*named).annotate(count=Count("*"))
            return Counter({tuple(values): number for *values, number in found})

        return self._cached_count(self._key("captures", others, changes=True), count, Counter.total)

    def _passes(self, field: str, value: Any) -> bool:
        chosen = getattr(self._filters, field)
        if field == "rating":
            return chosen is None or (value is not None and value >= chosen)
        return not chosen or value in chosen

    def grouped(self, name: str, by: Any, *fields: str) -> Counter[Any]:
        """Return how many images have each value of the expression `by`, cached as `name`, ignoring filters on
        `fields`. NULLs are not counted."""
        others = self._filters.without(*fields)

        def count() -> Counter[Any]:
            rows = self._rows(others).annotate(value=by).exclude(value=None)
            return Counter(dict(rows.values_list("value").annotate(count=Count("*"))))

        return self._cached_count(self._key(name, others, changes=True), count, Counter.total)

    def of_colours(self) -> Counter[Any]:
        """Return how many images each colour leaves; if all chosen colours are required, those that remain with it."""
        others = self._filters if self._filters.together else self._filters.without("colours")

        def count() -> Counter[Any]:
            rows = self._rows(others)
            found = rows.annotate(value=_COLOURS).values_list("value").annotate(count=Count("*"))
            return Counter(dict(found))

        return self._cached_count(self._key("colours", others, changes=True), count, Counter.total)

    @cached_property
    def places(self) -> dict[int, int]:
        """The number of images at each place, ignoring filters by place. For users who may see places."""
        return dict(self.grouped("places", F("capture__place"), "countries", "regions", "towns"))

    def leaving(self, column: str, field: str, values: Sequence[str]) -> Counter[Any]:
        """Return how many images each of these values of a many-valued column leaves."""
        others = self._filters.without(field)

        def count() -> Counter[Any]:
            rows = self._rows(others).filter(**{f"{column}__in": values})
            return Counter(dict(rows.values_list(column).annotate(count=Count("*"))))

        key = self._key(f"{column}\n{sorted(values)}", others, changes=True)
        return self._cached_count(key, count, Counter.total)

    def _cached_count(self, key: str, count: "Callable[[], _Found]", rows: "Callable[[_Found], int]") -> "_Found":
        return _cached(key, count, rows, CACHED_FROM) if self._is_cached else count()

    def _counted(self) -> _Combinations:
        apart = {Hidden.WITH: Hidden.ONLY, Hidden.MINE: Hidden.MINE_ALONE}.get(self._filters.hidden or Hidden.NO)
        if apart and self._conditions.among is None:
            # Separately: each has an index of its own, and counts of visible ones are cached.
            return self._part(None) + self._part(apart)
        return self._counted_at_once()

    def _part(self, hidden: Hidden | None) -> _Combinations:
        """Return the counts of visible or of hidden images only."""
        filters = replace(self._filters, hidden=hidden)
        values = self._conditions.filters._replace(hidden=filters.values.hidden)
        return Counts(self._conditions._replace(filters=values), filters, self._name, self._at)._combinations

    def _counted_at_once(self) -> _Combinations:
        key = self._key("combinations", self._others)
        remembered: tuple[State, _Combinations] | None = cache.get(key) if self._is_cached else None
        is_known = remembered is not None and remembered[0].changed == self._at.changed
        state, found = remembered if remembered and is_known else self._count()
        if state.arrived < self._at.arrived:
            found = found + self._between(state.arrived, self._at.arrived)
            state = State(self._at.arrived, state.changed)
            is_known = False
        least = 0 if self._others.is_empty else CACHED_FROM
        if self._is_cached and not is_known and found.total() >= least:
            cache.set(key, (state, found), CACHED_FOR)
        return found if state.arrived == self._at.arrived else found - self._between(self._at.arrived, state.arrived)

    def _count(self) -> tuple[State, _Combinations]:
        """Count everything; return the state of the collection at that moment, too."""
        moment = [Max(RawSQL(sql, [], BigIntegerField())) for sql in (ARRIVED_SQL, CHANGED_SQL)]  # noqa: S611 - constants
        found = (
            self._rows(self._others)
            .values_list(*_FEW_VALUED.values())
            .annotate(count=Count("*"), arrived=moment[0], changed=moment[1])
        )
        state, combinations = self._at, _Combinations()
        for *values, count, arrived, changed in found:
            state = State(arrived, changed)
            combinations[tuple(values)] = count
        return state, combinations

    def _between(self, after: int, to: int) -> _Combinations:
        """Count the arrivals after one number, up to another."""
        arrival = f"arrival__{self._conditions.arrival}"
        rows = self._rows(self._others).filter(**{f"{arrival}__gt": after, f"{arrival}__lte": to})
        found = rows.values_list(*_FEW_VALUED.values()).annotate(count=Count("*"))
        return Counter({tuple(values): count for *values, count in found})

    def _rows(self, filters: Filters) -> ImageQuerySet:
        return filters.apply(self._conditions.eligible()).order_by()

    def _allowed(self, field: str) -> tuple[Any, ...] | None:
        chosen = getattr(self._filters, field)
        if field == "described":
            return None if chosen is None else (chosen,)
        return chosen or None

    def _key(self, what: str, filters: Filters, *, changes: bool = False) -> str:
        asked = f"{what}\n{self._name}\n{filters!r}\n{self._at.changed if changes else ''}"
        return f"facets:{hashlib.sha256(asked.encode()).hexdigest()}"


def _having_any(rows: ImageQuerySet, groups: Sequence[Collection[str]]) -> list[int]:
    """Return how many of the rows have any tag of each group, in one statement."""
    counts = {str(number): Count("pk", filter=Q(has_any_tag(sorted(tags)))) for number, tags in enumerate(groups)}
    found = rows.aggregate(**counts)
    return [found[name] for name in counts]


_Found = TypeVar("_Found")


def _cached(key: str, count: Callable[[], _Found], rows: Callable[[_Found], int], least: int) -> _Found:
    found: _Found | None = cache.get(key)
    if found is None:
        found = count()
        if rows(found) >= least:
            cache.set(key, found, CACHED_ROUGHLY_FOR)
    return found
