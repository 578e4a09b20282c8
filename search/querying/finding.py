"""From a query to a page of results.

The nearest rows, with those that words find, are the candidates: they are weighed against all that was asked.
What lies further away follows in the order of its distance, so that every row that may be found stands on one page.
"""

import math
import uuid
from collections.abc import Callable, Sequence

import numpy as np
from django.db.models import Q

from search.embedding import active_model
from search.models import Image
from search.querying import words
from search.querying.aiming import Aim, Direction, aim_of
from search.querying.gathering import Gathering, by_date, settled
from search.querying.heads import Head, remember_head, remembered_head
from search.querying.planning import SCAN, planned
from search.querying.query import Minimum, SearchQuery, Sort
from search.querying.ranking import Candidate, band_by_words, ranked
from search.querying.relevance import Band, Scale
from search.querying.results import PER_PAGE, ResultPage, Segment, part_of, places_in
from search.querying.scope import Scope
from search.querysets import ImageQuerySet, within

NEAREST = 100
"""So many of the nearest count as matches while the collection is too small to be measured."""

_CUTS = {Minimum.STRONG: {Band.STRONG}, Minimum.RELATED: {Band.STRONG, Band.RELATED}}


def find(query: SearchQuery) -> ResultPage:
    """Return the page of results that `query` asks for; for an empty query, the newest images.

    Raises NoSuchQuery for a picture or an image that is not there, BadQuery for parts that cancel out, and
    ModelUnavailable.
    """
    return _Search(query).page()


def best_candidates(query: SearchQuery) -> list[Candidate]:
    """Return the NEAREST best matches, however good they are. Raises what `find` raises."""
    return _Search(query.replace(sort=Sort.SIMILARITY, minimum=Minimum.ANY)).head()[:NEAREST]


def similar_images(image: Image, count: int) -> list[Image]:
    """Return the `count` images nearest to `image`, without itself; none when another model made its vector."""
    if image.embedding_model != active_model():
        return []
    vector = np.asarray(image.embedding, dtype=np.float32)
    search = _Search(SearchQuery().more_like(image.id), Aim(Direction(vector, 1.0, None), ()))
    head = search.gathering.candidates()
    return part_of(search.by_similarity(head), 0, count)


class _Search:
    """One search under way: its rows in order."""

    def __init__(self, query: SearchQuery, aim: Aim | None = None) -> None:
        """With `aim`, for what the query's parts mean."""
        self.query = query
        self.scope = Scope(query)
        self.aim = aim or aim_of(self.scope.wanted, query.unwanted)
        self.gathering = Gathering(self.scope, self.aim)
        # Candidates of the first page that are hidden or deleted since: they keep their places, or rows behind them
        # would move into pages that were read.
        self.gone: frozenset[uuid.UUID] = frozenset()

    @property
    def scale(self) -> Scale | None:
        return self.aim.towards.scale if self.aim.towards else None

    def page(self) -> ResultPage:
        head = [] if self.query.is_empty else self.head()
        segments = self._segments(head)
        start = (self.query.page - 1) * PER_PAGE
        strong = sum(one.band is Band.STRONG and one.id not in self.gone for one in head)
        strong_from = self.scale.strong if self.scale else math.inf
        return ResultPage(
            query=self.query,
            images=part_of(segments, start, start + PER_PAGE),
            found=sum(segment.count - segment.gone for segment in segments),
            places=places_in(segments),
            counts=self.scope.counts,
            scale=self.scale,
            strong=strong,
            strong_is_least=self.gathering.more_hold_words or self._goes_on_beyond(head, strong_from),
            asked_at=self.scope.asked_at,
            copies_from=self._copies_from(segments),
        )

    def _copies_from(self, segments: Sequence[Segment]) -> int | None:
        """The page on which copies follow that are no candidates."""
        if not self.gathering.has_copies or self.query.sort in (Sort.NEWEST, Sort.OLDEST):
            return None
        return segments[0].count // PER_PAGE + 1

    def head(self) -> list[Candidate]:
        """The candidates, best first."""
        if known := remembered_head(self.query):
            self.gathering.reach, self.gathering.more_hold_words = known.reach, known.more_hold_words
            ids = [one.id for one in known.candidates]
            self.gone = frozenset(ids).difference(self.scope.images.filter(pk__in=ids).values_list("pk", flat=True))
            return list(known.candidates)
        head = self._ranked(self.gathering.candidates())
        if len(head) > PER_PAGE:
            known = Head(head, self.gathering.reach, self.gathering.more_hold_words)
            remember_head(self.query, self.scope.asked_at, known)
        return head

    def _ranked(self, candidates: list[Candidate]) -> list[Candidate]:
        if self.query.sort is Sort.FRESH:
            return ranked(candidates, self.aim, fresh_at=self.scope.fresh_at)
        if self.query.sort is not Sort.OLDEST or self.aim.towards:
            return ranked(candidates, self.aim)
        # By date alone, and the later ones come first where nothing else decides.
        for one in candidates:
            one.added = -one.added
        head = ranked(candidates, self.aim)
        for one in candidates:
            one.added = -one.added
        return head

    def by_similarity(self, head: list[Candidate]) -> list[Segment]:
        """The nearest first, and then all others."""
        return [self._of(sorted(head, key=lambda one: (-(one.similarity or 0), one.id))), self._beyond(head)]

    @property
    def _places(self) -> int:
        """How many rows there are, with the places of those that are gone."""
        return self.scope.total + len(self.gone)

    def _segments(self, head: list[Candidate]) -> list[Segment]:
        if self.query.is_empty:
            return [_rows(by_date(self.scope.images, self.query), self.scope.total)]
        cut = self._cut()
        if cut is None:
            return [self._of(head), self._beyond(head)]
        bands, threshold = cut
        is_by_date = self.query.sort in (Sort.NEWEST, Sort.OLDEST)
        is_measured = any(one.band for one in head)
        if not is_measured and not is_by_date:
            return [self._of(head), self._beyond(head)]
        goes_on = self.gathering.more_hold_words or self._goes_on_beyond(head, threshold)
        if goes_on and self.gone:
            head, self.gone = [one for one in head if one.id not in self.gone], frozenset()
        # Where nothing is measured, the nearest count as matches, as for saved searches.
        near = {one.id for one in head[:NEAREST]} if is_by_date and self.aim.towards and not self.scale else set()
        kept = [one for one in head if one.band in bands or one.id in near]
        rest = [one for one in head if one.band not in bands and one.id not in near]
        if goes_on:
            return self._cut_by_the_database(kept, rest, self._reaches(bands, threshold), by_date=is_by_date)
        if is_by_date and (is_measured or near):
            kept.sort(key=lambda one: one.added, reverse=self.query.sort is Sort.NEWEST)
        ends = self._ends_at_the_cut and is_measured and not near
        return [self._of(kept)] if ends else [self._of(kept), self._of(rest), self._beyond(head)]

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
        return self._places > len(head) and self.gathering.reach >= similarity

    def _reaches(self, bands: set[Band], similarity: float) -> Q:
        """What rows lie within the cut that are no candidates: so near, or holding the words."""
        reached = Q()
        if self.aim.towards and self.scale:
            reached |= within(1 - similarity, self.aim.towards.vector)
        if self.scope.text is not None:
            text = self.scope.text if Band.RELATED in bands else words.whole_words(self.query.box.meant)
            assert text is not None
            # By their ids: beside another condition the words' index is of no use, and all texts would be read.
            reached |= Q(pk__in=words.holding(self.scope.images, text).values("pk"))
        return reached

    def _cut_by_the_database(
        self, kept: list[Candidate], rest: list[Candidate], reached: Q, *, by_date: bool
    ) -> list[Segment]:
        """Where more rows lie within the cut than there are candidates: all of them are looked at."""
        images = self.gathering.by_distance(self.scope.images)
        others = images.exclude(pk__in=[one.id for one in (*kept, *rest)])
        with planned(SCAN):
            count = others.filter(reached).count()
        if not by_date:  # then the results end at the cut
            return [self._of(kept), self._ranked_rows(lambda: others.filter(reached), count)]
        order = "created" if self.query.sort is Sort.OLDEST else "-created"
        dropped = [one.id for one in rest]
        dated = images.filter(reached | Q(pk__in=[one.id for one in kept])).exclude(pk__in=dropped).order_by(order)
        segments = [self._ranked_rows(lambda: dated, len(kept) + count, kept)]
        if not self._ends_at_the_cut:
            beyond = self._places - len(kept) - len(rest) - count
            segments += [self._of(rest), self._ranked_rows(lambda: others.exclude(reached), beyond)]
        return segments

    def _of(self, candidates: list[Candidate]) -> Segment:
        def fetch(start: int, stop: int) -> list[Image]:
            wanted = candidates[start:stop]
            rows = Image.objects.for_lists().shown().in_bulk([one.id for one in wanted])
            return [_found(rows[one.id], one) for one in wanted if one.id in rows]

        gone = [one.id in self.gone for one in candidates]
        at_its_end = gone[::-1].index(False) if False in gone else len(gone)
        return Segment(len(candidates), fetch, sum(gone), at_its_end)

    def _beyond(self, head: list[Candidate]) -> Segment:
        """All rows that are no candidates, by distance."""

        def images() -> ImageQuerySet:
            return self.gathering.by_distance(self.scope.images).exclude(pk__in=[one.id for one in head])

        return self._ranked_rows(images, self._places - len(head))

    def _ranked_rows(
        self, images: Callable[[], ImageQuerySet], count: int, known: Sequence[Candidate] = ()
    ) -> Segment:
        """Rows in the order that `images()` has; those of `known` are told of as the candidates that they are."""
        candidates = {one.id: one for one in known}

        def fetch(start: int, stop: int) -> list[Image]:
            with planned(SCAN):
                rows = list(settled(images()).for_lists()[start:stop])
            whole = self._whole_by_id(rows)
            for image in rows:
                if image.id in candidates:
                    _found(image, candidates[image.id])
                    continue
                band = self.scale.band(image.similarity) if self.scale and image.similarity is not None else None
                image.by_words = image.id in whole
                image.band = band_by_words(band, whole=whole[image.id]) if image.by_words else band
            return rows

        return Segment(count, fetch)

    def _whole_by_id(self, rows: Sequence[Image]) -> dict[uuid.UUID, bool]:
        """Return those of `rows` that hold the words, and whether as whole ones; most are candidates instead."""
        if not self.gathering.more_hold_words or self.scope.text is None:
            return {}
        holding = words.holding(Image.objects.filter(pk__in=[image.id for image in rows]), self.scope.text)
        return dict(holding.annotate(whole=self.gathering.whole).values_list("pk", "whole"))


def _rows(images: ImageQuerySet, count: int) -> Segment:
    return Segment(count, lambda start, stop: list(images.for_lists()[start:stop]))


def _found(image: Image, candidate: Candidate) -> Image:
    if candidate.similarity is not None:
        image.distance = 1 - candidate.similarity
    image.band, image.by_words = candidate.band, candidate.by_words
    return image
