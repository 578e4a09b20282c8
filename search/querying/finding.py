"""From a query to a page of results.

The nearest rows, with those that words find, are the candidates: they are weighed against all that was asked.
What lies further away follows in the order of its distance, so that every row that may be found stands on one page.
"""

import datetime as dt
import math
from collections.abc import Sequence

from django.utils import timezone

from search.embedding import active_model
from search.models import Image
from search.querying.aiming import Aim, aim_of
from search.querying.beyond import Beyond
from search.querying.counting import Counts
from search.querying.gathering import Gathering
from search.querying.heads import Head, remember_head, remembered_head
from search.querying.planning import plan_for, planned
from search.querying.query import Minimum, SearchQuery, Sort
from search.querying.ranking import Candidate, ranked
from search.querying.relevance import Band, Scale
from search.querying.results import PER_PAGE, ResultPage, Segment, part_of
from search.querying.scope import Scope
from search.querysets import ImageQuerySet

NEAREST = 100
"""So many of the nearest count as matches while the collection is too small to be measured."""

_CUTS = {Minimum.STRONG: (Band.STRONG,), Minimum.RELATED: (Band.STRONG, Band.RELATED)}


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
    """One search under way: its rows in order."""

    def __init__(self, query: SearchQuery, after: dt.datetime | None = None) -> None:
        """With `after`, among the rows that were added after it."""
        self.query = query
        self.now = timezone.now()
        self.scope = Scope(query, after)
        wanted = [part for part in query.wanted if not (self.scope.by_words_alone and part.name == "q")]
        self.aim: Aim = aim_of(wanted, query.unwanted)
        self.gathering = Gathering(self.scope, self.aim)

    @property
    def scale(self) -> Scale | None:
        return self.aim.towards.scale if self.aim.towards else None

    def page(self) -> ResultPage:
        head = [] if self.query.is_empty else self._head()
        segments = self._segments(head)
        start = (self.query.page - 1) * PER_PAGE
        strong = sum(one.band is Band.STRONG for one in head)
        strong_from = self.scale.strong if self.scale else math.inf
        return ResultPage(
            query=self.query,
            images=part_of(segments, start, start + PER_PAGE),
            found=sum(segment.count for segment in segments),
            counts=self.scope.counts,
            scale=self.scale,
            strong=strong,
            strong_is_least=self.gathering.more_hold_words or self._goes_on_beyond(head, strong_from),
            asked_at=self._asked_at,
        )

    def newest(self, limit: int) -> list[Image]:
        """Return the newest matches, for a query that is sorted by them."""
        if self.query.is_empty or self.scale or self.scope.by_words_alone:
            head = [] if self.query.is_empty else self._head()
            return part_of(self._segments(head), 0, limit)
        after = self.scope.after
        assert after
        near = [one for one in _Search(self.query)._head()[:NEAREST] if one.added > after.timestamp()]
        return self._of(sorted(near, key=lambda one: one.added, reverse=True)).fetch(0, limit)

    def _head(self) -> list[Candidate]:
        """The candidates, best first."""
        if known := remembered_head(self.query):
            self.gathering.reach, self.gathering.more_hold_words = known.reach, known.more_hold_words
            return list(known.candidates)
        # As fresh as they were on the first page, or a later visit to the next one would find another order.
        now = self.now if self.query.seen is None else self.scope.seen_at
        fresh_at = now if self.query.sort is Sort.FRESH else None
        head = ranked(self.gathering.candidates(), self.aim, fresh_at=fresh_at)
        if self.scope.after is None and len(head) > PER_PAGE:
            seen = self.query.seen or self._asked_at
            remember_head(self.query, seen, Head(head, self.gathering.reach, self.gathering.more_hold_words))
        return head

    @property
    def _asked_at(self) -> int:
        """The end of the second in which this search is asked: the next one is asked for with it."""
        return math.ceil(self.now.timestamp())

    def _segments(self, head: list[Candidate]) -> list[Segment]:
        if self.query.is_empty:
            return [_rows(self.scope.images.newest(), self.scope.total)]
        cut = self._cut()
        if not any(one.band for one in head):
            cut = None
        bands, threshold = cut or (_CUTS[Minimum.RELATED], math.inf)
        goes_on = self.gathering.more_hold_words or self._goes_on_beyond(head, threshold)
        beyond = Beyond(self.gathering, head, bands, near=self._goes_on_beyond(head, threshold))
        if cut is None:
            return self._by_band(head, bands, beyond) if goes_on else [self._of(head), beyond.rest(banded=False)]
        kept = [one for one in head if one.band in bands]
        rest = [one for one in head if one.band not in bands]
        if self.query.sort in (Sort.NEWEST, Sort.OLDEST):
            if goes_on:
                segments = [beyond.dated(kept, "created" if self.query.sort is Sort.OLDEST else "-created")]
            else:
                kept.sort(key=lambda one: one.added, reverse=self.query.sort is Sort.NEWEST)
                segments = [self._of(kept)]
            return segments if self._ends_at_the_cut else [*segments, self._of(rest), beyond.rest(banded=goes_on)]
        return self._by_band(head, bands, beyond) if goes_on else [self._of(kept)]

    def _by_band(self, head: list[Candidate], bands: Sequence[Band], beyond: Beyond) -> list[Segment]:
        """Each band with all its rows, candidates first, where there are more than these."""
        segments = []
        for band in bands:
            segments += [self._of([one for one in head if one.band is band]), beyond.in_band(band)]
        if self._ends_at_the_cut:
            return segments
        return [*segments, self._of([one for one in head if one.band not in bands]), beyond.rest(banded=True)]

    @property
    def _ends_at_the_cut(self) -> bool:
        return self.query.minimum is not Minimum.ANY

    def _cut(self) -> tuple[Sequence[Band], float] | None:
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
        return self.scope.total > len(head) and self.gathering.reach >= similarity

    def _of(self, candidates: list[Candidate]) -> Segment:
        def fetch(start: int, stop: int) -> list[Image]:
            wanted = candidates[start:stop]
            rows = Image.objects.for_lists().shown().in_bulk([one.id for one in wanted])
            return [_found(rows[one.id], one) for one in wanted if one.id in rows]

        return Segment(len(candidates), fetch)


def _rows(images: ImageQuerySet, count: int) -> Segment:
    return Segment(count, lambda start, stop: list(images.for_lists()[start:stop]))


def _found(image: Image, candidate: Candidate) -> Image:
    if candidate.similarity is not None:
        image.distance = 1 - candidate.similarity
    image.band, image.by_words = candidate.band, candidate.by_words
    return image
