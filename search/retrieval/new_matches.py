"""New matches: which of the latest pictures match a search, for saved searches and their feeds.

"Latest" means between two arrival numbers: the last one that a reader has seen, and the present one. So each picture
is reported once, whenever its transaction began or its vector was computed (see `search.models.arrivals`).
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import BooleanField, ExpressionWrapper, FloatField, Func, Q, QuerySet, Value
from django.db.models.lookups import LessThanOrEqual

from search.models import Arrival, Image
from search.models.arrivals import state
from search.query import full_text
from search.query.query import Minimum, SearchQuery
from search.relevance.band_thresholds import Band
from search.retrieval.best_windows import set_windows
from search.retrieval.query_vector import query_vector_of
from search.retrieval.ranking_and_bands import Candidate, band_by_words, ranked
from search.retrieval.search import best_candidates
from search.retrieval.search_scope import Scope

MOST_CHECKED = 50_000
"""Arrivals checked at once: a quarter of a second."""


@dataclass(frozen=True, slots=True)
class Window:
    """The arrivals after one number, up to another."""

    after: int
    to: int

    @classmethod
    def since(cls, number: int) -> "Window":
        """Return all that arrived after `number`."""
        return cls(number, state().arrived)

    def newest(self, count: int) -> "Window":
        """Return the part of this window with its newest `count` searchable arrivals."""
        arrivals = Arrival.objects.filter(searchable__gt=self.after, searchable__lte=self.to)
        before = arrivals.order_by("-searchable").values_list("searchable", flat=True)[count : count + 1].first()
        return Window(before or self.after, self.to)


@dataclass(frozen=True, slots=True)
class News:
    """New matches, last arrival first. `rest` is the part of the window still to be checked."""

    images: list[Image]
    rest: Window | None


def new_matches(query: SearchQuery, window: Window, limit: int, *, looked_at: int = MOST_CHECKED) -> News:
    """Return the newest `limit` images in `window` that match `query`, among its newest `looked_at` arrivals.

    Matches are related or strong, or only strong if the query says so; without a calibration, those among the nearest
    of all or that contain the words; for a query with filters only, all that pass. Each has its `band` and `arrival`.
    Raises BadQuery and ModelUnavailable as `find` does.
    """
    part = window.newest(looked_at)
    rest = Window(window.after, part.after) if part.after > window.after else None
    search = _Search(query, part)
    found = search.newest(limit + 1)
    if len(found) > limit:
        rest = Window(window.after, found[limit].number)
    return News(search.images(found[:limit]), rest)


def count_new(query: SearchQuery, window: Window, limit: int) -> int:
    """Return how many images in `window` match, up to `limit`. Raises what `new_matches` raises."""
    return len(_Search(query, window).newest(limit))


@dataclass(frozen=True, slots=True)
class _Match:
    number: int
    one: Candidate


class _Search:
    def __init__(self, query: SearchQuery, window: Window) -> None:
        self.query = query
        self.window = window
        self.scope = Scope(query, window.to)
        self.query_vector = query_vector_of(self.scope.wanted, query.unwanted)
        self.bands = {Band.STRONG} if query.minimum is Minimum.STRONG else {Band.STRONG, Band.RELATED}

    def newest(self, limit: int) -> list[_Match]:
        """Return the newest matches, last arrival first."""
        rows = self._rows().filter(arrival__searchable__gt=self.window.after, arrival__searchable__lte=self.window.to)
        rows = rows.order_by("-arrival__searchable")
        if not self.query_vector.away:
            return [_match(*row) for row in rows[:limit]]
        return self._still_matching([_match(*row) for row in rows])[:limit]

    def _rows(self) -> "QuerySet[Image, tuple[Any, ...]]":
        """Rows that match before negative parts are applied: id, number, distance, whether by words, distances to
        them."""
        towards = self.query_vector.towards
        held = self._held
        columns = {
            "to_wanted": towards.distance if towards else Value(None, FloatField()),
            "held": ExpressionWrapper(held, BooleanField()) if held and self.query_vector.away else Value(False),
            **{f"away_{number}": one.distance for number, one in enumerate(self.query_vector.away)},
        }
        images = self.query_vector.measured(self.scope.images)
        if reached := self._reached(held):
            images = images.filter(reached)
        return images.annotate(**columns).values_list("pk", "arrival__searchable", *columns)

    @property
    def _held(self) -> Q:
        """The condition for rows that match by their words, whatever their similarity."""
        text = self.scope.text
        if text is not None and self.query.minimum is Minimum.STRONG:
            text = full_text.whole_words(self.query.box.meant)
        # By ids: combined with other conditions the full-text index would not be used, and all texts would be read.
        return Q() if text is None else Q(pk__in=full_text.holding(self.scope.images, text).values("pk"))

    def _reached(self, held: Q) -> Q:
        towards = self.query_vector.towards
        if towards is None:
            return held
        if towards.scale is None:
            return held | Q(pk__in=[one.id for one in best_candidates(self.query)])
        least = towards.scale.strong if Band.RELATED not in self.bands else towards.scale.related
        return held | Q(LessThanOrEqual(towards.distance, 1 - least))

    def _still_matching(self, matches: list[_Match]) -> list[_Match]:
        """Return those of `matches` that still match when negative parts are applied."""
        towards = self.query_vector.towards
        if towards is None or towards.scale is None:
            # Without a calibration, treat all as whole-word matches: only an unpenalised row then keeps its band.
            for match in matches:
                match.one.text_rank, match.one.whole = 0.0, True
        ranked([match.one for match in matches], self.query_vector)
        return [match for match in matches if match.one.band in self.bands]

    def images(self, matches: Sequence[_Match]) -> list[Image]:
        """Return the images with similarity, band and window set."""
        ids = [match.one.id for match in matches]
        rows = Image.objects.for_lists().shown().select_related("arrival").in_bulk(ids)
        held, whole = self._among(ids, self.scope.text), self._among(ids, full_text.whole_words(self.query.box.meant))
        scale = self.query_vector.towards.scale if self.query_vector.towards else None
        for match in matches:
            if image := rows.get(match.one.id):
                similarity = match.one.similarity
                image.distance = None if similarity is None else 1 - similarity
                image.by_words = image.id in held
                band = scale.band(similarity) if scale and similarity is not None else None
                image.band = band_by_words(band, whole=image.id in whole) if image.by_words else band
        images = [rows[image_id] for image_id in ids if image_id in rows]
        if self.query_vector.towards:
            set_windows(images, self.query_vector.towards.vector, self.query_vector.towards.windows_in)
        return images

    def _among(self, ids: Sequence[uuid.UUID], text: Func | None) -> set[uuid.UUID]:
        """Return those of `ids` whose images contain these words."""
        if text is None or self.scope.text is None or not ids:
            return set()
        return set(full_text.holding(Image.objects.filter(pk__in=ids), text).values_list("pk", flat=True))


def _match(image_id: uuid.UUID, number: int, distance: float | None, held: bool, *away: float) -> _Match:
    similarity = None if distance is None else 1 - distance
    rank = 0.0 if held else None
    one = Candidate(image_id, 0.0, similarity, rank, whole=held, unwanted=tuple(1 - far for far in away))
    return _Match(number, one)
