"""From a query to a page of results: which rows may be found, in what order, and how many there are.

The nearest rows, with those that words find, are the candidates: they are weighed against all that was asked.
What lies further away follows in the order of its distance, so that every row that may be found stands on one page.
"""

import datetime as dt
import math
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby

from django.db.models import BooleanField, ExpressionWrapper, Q
from django.utils import timezone
from pgvector.django import CosineDistance

from search.embedding import active_model
from search.models import Image
from search.querying import words
from search.querying.aiming import Aim, aim_of, images_in
from search.querying.counting import Counts
from search.querying.facets import Facet, facets_of
from search.querying.planning import SCAN, Plan, plan_for, planned
from search.querying.query import Minimum, Mode, SearchQuery, Sort
from search.querying.ranking import Candidate, band_by_words, ranked
from search.querying.relevance import Band, Scale
from search.querysets import ImageQuerySet, within

PER_PAGE = 24
BY_WORDS = 200
"""Rows found by their words that are candidates too."""
NEAREST = 100
"""So many of the nearest count as matches while the collection is too small to be measured."""

_CUTS = {Minimum.STRONG: {Band.STRONG}, Minimum.RELATED: {Band.STRONG, Band.RELATED}}


@dataclass(frozen=True)
class ResultPage:
    """One page of images, best first, and how many images the whole search ranks.

    Each image has its `similarity` to what is wanted, the `band` that this similarity lies in, and `by_words`, whether
    its title, tags or description hold what was written. `strong` counts the strong matches; where `strong_is_least`,
    there may be more. `scale` is None while the collection is too small for bands to mean anything.
    """

    query: SearchQuery
    images: Sequence[Image]
    found: int
    counts: Counts = field(repr=False)
    scale: Scale | None = None
    strong: int = 0
    strong_is_least: bool = False
    asked_at: int = 0

    @cached_property
    def pages(self) -> int:
        return max(1, -(-self.found // PER_PAGE))

    @property
    def next(self) -> SearchQuery | None:
        return self.at_page(self.query.page + 1) if self.query.page < self.pages else None

    @property
    def previous(self) -> SearchQuery | None:
        return self.at_page(min(self.query.page - 1, self.pages)) if self.query.page > 1 else None

    @property
    def first(self) -> int:
        """Return which result of the whole search the first of this page is, from 1."""
        return (self.query.page - 1) * PER_PAGE + 1

    @property
    def is_past_the_end(self) -> bool:
        return self.query.page > self.pages

    def at_page(self, page: int) -> SearchQuery:
        """Return the query of another page of these results, as they were when the first one was asked for.

        The first page is always that of today.
        """
        return replace(self.query, page=page, seen=(self.query.seen or self.asked_at) if page > 1 else None)

    @cached_property
    def sections(self) -> list[tuple[Band | None, list[Image]]]:
        """The images of this page by band. Sorted by date, strong and related ones stand together, without a band."""

        def section(image: Image) -> Band | None:
            band = Band(image.band) if image.band else None
            by_date = self.query.sort in (Sort.NEWEST, Sort.OLDEST)
            return None if by_date and band is not Band.WEAK else band

        return [(band, list(images)) for band, images in groupby(self.images, key=section)]

    @cached_property
    def facets(self) -> list[Facet]:
        return facets_of(self.query, self.counts)


@dataclass(frozen=True, slots=True)
class _Segment:
    """A stretch of the results: how many they are, and what stands from one place to another."""

    count: int
    fetch: Callable[[int, int], list[Image]]


def find(query: SearchQuery) -> ResultPage:
    """Return the page of results that `query` asks for; for an empty query, the newest images.

    Raises NoSuchQuery for a picture or an image that is not there, BadQuery for parts that cancel out, and
    ModelUnavailable.
    """
    return _Search(query).page()


def find_newer(query: SearchQuery, after: dt.datetime, limit: int) -> list[Image]:
    """Return the newest `limit` of the images added after `after` that match, newest first: related ones, or strong
    ones where `query` asks for those; where nothing is measured, those among the NEAREST; all for an empty query.

    Raises what `find` raises.
    """
    if query.minimum is Minimum.ANY:
        query = query.replace(minimum=Minimum.RELATED)
    return _Search(query.replace(sort=Sort.NEWEST), after).newest(limit)


def similar_images(image: Image, count: int) -> list[Image]:
    """Return the `count` images nearest to `image`, without itself; none when another model made its vector."""
    if image.embedding_model != active_model():
        return []
    searchable = Image.objects.for_lists().searchable(active_model())
    there = Counts(searchable, SearchQuery().filters, active_model()).total
    with planned(plan_for(there, there)):
        return sorted(searchable.similar_to(image)[:count], key=lambda one: one.distance or 0)


class _Search:
    """One search under way."""

    def __init__(self, query: SearchQuery, after: dt.datetime | None = None) -> None:
        """With `after`, among the rows that were added after it."""
        self.query = query
        self.after = after
        self.now = timezone.now()
        meant = query.box.meant
        self.text = words.beginnings(meant) if meant and query.mode is not Mode.MEANING else None
        self.by_words_alone = bool(meant) and query.mode is Mode.WORDS
        wanted = [part for part in query.wanted if not (self.by_words_alone and part.name == "q")]
        self.aim: Aim = aim_of(wanted, query.unwanted)
        self.counts = Counts(self._eligible(), query.filters, self._name())
        self.images = self._visible(query.filters.apply(self._eligible()))
        self.total = self._total()
        self.reach = -1.0
        """The least similarity of the nearest candidates."""
        self.more_hold_words = False
        """Whether there are more rows that hold the words than candidates found by them."""

    @property
    def scale(self) -> Scale | None:
        return self.aim.towards.scale if self.aim.towards else None

    def page(self) -> ResultPage:
        head = [] if self.query.is_empty else self._head()
        segments = self._segments(head)
        start = (self.query.page - 1) * PER_PAGE
        strong = sum(one.band is Band.STRONG for one in head)
        return ResultPage(
            query=self.query,
            images=_slice(segments, start, start + PER_PAGE),
            found=sum(segment.count for segment in segments),
            counts=self.counts,
            scale=self.scale,
            strong=strong,
            strong_is_least=self.more_hold_words or bool(self.scale and self._goes_on_beyond(head, self.scale.strong)),
            asked_at=math.ceil(self.now.timestamp()),
        )

    def newest(self, limit: int) -> list[Image]:
        """Return the newest matches, for a query that is sorted by them."""
        if self.query.is_empty or self.scale or self.by_words_alone:
            head = [] if self.query.is_empty else self._head()
            return _slice(self._segments(head), 0, limit)
        assert self.after
        near = [one for one in _Search(self.query)._head()[:NEAREST] if one.created > self.after]
        return self._of(sorted(near, key=lambda one: one.created, reverse=True)).fetch(0, limit)

    # --- Which rows may be found ---

    def _eligible(self) -> ImageQuerySet:
        """All rows that the search may find, whatever is filtered."""
        model = active_model()
        images = Image.objects.shown() if self.query.is_empty else Image.objects.searchable(model)
        for text in self.query.box.quoted:
            phrase = words.phrase(text)
            images = words.holding(images, phrase) if phrase else images.none()
        if self.by_words_alone:
            images = words.holding(images, self.text) if self.text else images.none()
        return images

    def _name(self) -> str:
        """What tells the rows of `_eligible` from those of another search."""
        alone = self.query.box.meant if self.by_words_alone else ""
        return f"{'shown' if self.query.is_empty else active_model()}\n{self.query.box.quoted}\n{alone}"

    def _visible(self, images: ImageQuerySet) -> ImageQuerySet:
        if self.query.seen is not None:
            images = images.filter(created__lte=self._seen_at())
        if self.after is not None:
            images = images.filter(created__gt=self.after)
        pointed_at = images_in(self.query)
        return images.exclude(pk__in=pointed_at) if pointed_at else images

    def _seen_at(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self.query.seen or 0, dt.UTC)

    def _total(self) -> int:
        """How many rows there are: those that pass the filters, without what came later or was pointed at."""
        if self.after is not None:
            return self.images.count()
        outside = Q()
        if self.query.seen is not None:
            outside |= Q(created__gt=self._seen_at())
        if pointed_at := images_in(self.query):
            outside |= Q(pk__in=pointed_at)
        if not outside:
            return self.counts.total
        return self.counts.total - self.query.filters.apply(self._eligible()).filter(outside).count()

    # --- The candidates ---

    def _head(self) -> list[Candidate]:
        found = {one.id: one for one in self._nearest()}
        for one in self._found_by_words():
            known = found.setdefault(one.id, one)
            known.text_rank, known.whole = one.text_rank, one.whole
        # As fresh as they were on the first page, or a later visit to the next one would find another order.
        now = self.now if self.query.seen is None else self._seen_at()
        return ranked(list(found.values()), self.aim, fresh_at=now if self.query.sort is Sort.FRESH else None)

    def _nearest(self) -> list[Candidate]:
        """The nearest rows; the newest, where nothing in particular is wanted."""
        if self.by_words_alone and not self.aim.towards:
            return []
        nearest = self._by_distance(self.images)
        # Rows that hold words are found by the words' own index, however many they are.
        holds = self.query.box.quoted or self.by_words_alone
        plan = SCAN if holds else plan_for(self.total, self.counts.unfiltered)
        found = self._candidates(nearest, plan, plan.candidates)
        if not plan.is_exact and len(found) < min(plan.candidates, self.total):
            # The walk gave up before it met enough rows that pass the filter.
            found = self._candidates(nearest, SCAN, plan.candidates)
        self.reach = min((one.similarity for one in found if one.similarity is not None), default=-1)
        return found

    def _found_by_words(self) -> list[Candidate]:
        if self.text is None:
            return []
        images = self._by_distance(words.holding(self.images, self.text))
        images = images.annotate(text_rank=words.rank(self.text), whole=self._whole)
        found = self._candidates(images, SCAN, BY_WORDS + 1)
        self.more_hold_words = len(found) > BY_WORDS
        return found[:BY_WORDS]

    @property
    def _whole(self) -> "ExpressionWrapper[Q]":
        """Whether a row among those that hold the words does so as whole words."""
        return ExpressionWrapper(Q(words=words.whole_words(self.query.box.meant)), output_field=BooleanField())

    def _by_distance(self, images: ImageQuerySet) -> ImageQuerySet:
        away = {f"away_{number}": CosineDistance("embedding", one.vector) for number, one in enumerate(self.aim.away)}
        images = images.annotate(**away)
        return images.nearest_to(self.aim.towards.vector) if self.aim.towards else images.newest()

    def _candidates(self, images: ImageQuerySet, plan: Plan, most: int) -> list[Candidate]:
        columns = [name for name in ("distance", "text_rank", "whole") if name in images.query.annotations]
        away = [f"away_{number}" for number in range(len(self.aim.away))]
        if plan.is_exact:
            images = _settled(images)
        with planned(plan):
            rows = list(images.values("pk", "created", *columns, *away)[:most])
        return [
            Candidate(
                id=row["pk"],
                created=row["created"],
                similarity=1 - row["distance"] if "distance" in row else None,
                text_rank=row.get("text_rank"),
                whole=row.get("whole", False),
                unwanted=tuple(1 - row[name] for name in away),
            )
            for row in rows
        ]

    # --- The order of all rows ---

    def _segments(self, head: list[Candidate]) -> list[_Segment]:
        if self.query.is_empty:
            return [_rows(self.images.newest(), self.total)]
        cut = self._cut()
        if cut is None or not any(one.band for one in head):
            return [self._of(head), self._beyond(head)]
        bands, threshold = cut
        by_date = self.query.sort in (Sort.NEWEST, Sort.OLDEST)
        kept = [one for one in head if one.band in bands]
        rest = [one for one in head if one.band not in bands]
        if self.more_hold_words or self._goes_on_beyond(head, threshold):
            return self._cut_by_the_database(kept, rest, self._reaches(bands, threshold), by_date=by_date)
        if by_date:
            kept.sort(key=lambda one: one.created, reverse=self.query.sort is Sort.NEWEST)
        return [self._of(kept)] if self._ends_at_the_cut else [self._of(kept), self._of(rest), self._beyond(head)]

    @property
    def _ends_at_the_cut(self) -> bool:
        return self.query.minimum is not Minimum.ANY

    def _cut(self) -> tuple[set[Band], float] | None:
        """The bands that are shown alone, or sorted by date, and the least similarity in them; None for neither."""
        by_date = self.query.sort in (Sort.NEWEST, Sort.OLDEST)
        minimum = self.query.minimum
        if minimum is Minimum.ANY:
            if not by_date:
                return None
            minimum = Minimum.RELATED
        threshold = math.inf if not self.scale else self.scale.strong
        if self.scale and minimum is Minimum.RELATED:
            threshold = self.scale.related
        return _CUTS[minimum], threshold

    def _goes_on_beyond(self, head: Sequence[Candidate], similarity: float) -> bool:
        """Whether there may be rows at least so near that are no candidates."""
        return self.total > len(head) and self.reach >= similarity

    def _reaches(self, bands: set[Band], similarity: float) -> Q:
        """What rows lie within the cut that are no candidates: so near, or holding the words."""
        reached = Q()
        if self.aim.towards and self.scale:
            reached |= within(1 - similarity, self.aim.towards.vector)
        if self.text is not None:
            text = self.text if Band.RELATED in bands else words.whole_words(self.query.box.meant)
            assert text is not None
            # By their ids: beside another condition the words' index is of no use, and all texts would be read.
            reached |= Q(pk__in=words.holding(self.images, text).values("pk"))
        return reached

    def _cut_by_the_database(
        self, kept: list[Candidate], rest: list[Candidate], reached: Q, *, by_date: bool
    ) -> list[_Segment]:
        """Where more rows lie within the cut than there are candidates: all of them are looked at."""
        images = self._by_distance(self.images)
        others = images.exclude(pk__in=[one.id for one in (*kept, *rest)])
        with planned(SCAN):
            count = others.filter(reached).count()
        if not by_date:  # then the results end at the cut
            return [self._of(kept), self._ranked_rows(others.filter(reached), count)]
        order = "created" if self.query.sort is Sort.OLDEST else "-created"
        dropped = [one.id for one in rest]
        dated = images.filter(reached | Q(pk__in=[one.id for one in kept])).exclude(pk__in=dropped).order_by(order)
        segments = [self._ranked_rows(dated, len(kept) + count, kept)]
        if not self._ends_at_the_cut:
            further = self._ranked_rows(others.exclude(reached), self.total - len(kept) - len(rest) - count)
            segments += [self._of(rest), further]
        return segments

    def _of(self, candidates: list[Candidate]) -> _Segment:
        def fetch(start: int, stop: int) -> list[Image]:
            wanted = candidates[start:stop]
            rows = Image.objects.for_lists().shown().in_bulk([one.id for one in wanted])
            return [_found(rows[one.id], one) for one in wanted if one.id in rows]

        return _Segment(len(candidates), fetch)

    def _beyond(self, head: list[Candidate]) -> _Segment:
        """All rows that are no candidates, by distance."""
        if self.by_words_alone and not self.aim.towards:
            images = self.images.newest()
        else:
            images = self._by_distance(self.images)
        return self._ranked_rows(images.exclude(pk__in=[one.id for one in head]), self.total - len(head))

    def _ranked_rows(self, images: ImageQuerySet, count: int, known: Sequence[Candidate] = ()) -> _Segment:
        """Rows in the order that `images` has; those of `known` are told of as the candidates that they are."""
        candidates = {one.id: one for one in known}

        def fetch(start: int, stop: int) -> list[Image]:
            with planned(SCAN):
                rows = list(_settled(images).for_lists()[start:stop])
            whole = self._whole_by_id(rows)
            for image in rows:
                if image.id in candidates:
                    _found(image, candidates[image.id])
                    continue
                band = self.scale.band(image.similarity) if self.scale and image.similarity is not None else None
                image.by_words = image.id in whole
                image.band = band_by_words(band, whole=whole[image.id]) if image.by_words else band
            return rows

        return _Segment(count, fetch)

    def _whole_by_id(self, rows: Sequence[Image]) -> dict[uuid.UUID, bool]:
        """Return those of `rows` that hold the words, and whether as whole ones; most are candidates instead."""
        if not self.more_hold_words or self.text is None:
            return {}
        holding = words.holding(Image.objects.filter(pk__in=[image.id for image in rows]), self.text)
        return dict(holding.annotate(whole=self._whole).values_list("pk", "whole"))


def _settled(images: ImageQuerySet) -> ImageQuerySet:
    """Return `images` in their order, in which equal ones have a place too: pages would repeat and skip copies."""
    return images.order_by(*images.query.order_by, "id")


def _rows(images: ImageQuerySet, count: int) -> _Segment:
    return _Segment(count, lambda start, stop: list(images.for_lists()[start:stop]))


def _slice(segments: Sequence[_Segment], start: int, stop: int) -> list[Image]:
    """Return what stands from `start` to `stop` in the segments, one after the other."""
    images: list[Image] = []
    for segment in segments:
        first, last = max(0, start), min(segment.count, stop)
        if first < last:
            images += segment.fetch(first, last)
        start, stop = start - segment.count, stop - segment.count
    return images


def _found(image: Image, candidate: Candidate) -> Image:
    if candidate.similarity is not None:
        image.distance = 1 - candidate.similarity
    image.band, image.by_words = candidate.band, candidate.by_words
    return image
