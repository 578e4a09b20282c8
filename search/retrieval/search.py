"""From a query to a page of results.

Candidates are the nearest rows and those found by full text; they are re-ranked by all parts of the query. The
remaining rows follow by distance, so that every row in scope is on exactly one page.
"""

import math
import uuid
from collections.abc import Sequence
from dataclasses import replace

from search.embedding import active_model, doing_meanwhile
from search.models import Image
from search.models.querysets import ImageQuerySet
from search.models.vector_sets import current_set
from search.query.anchors import Anchor
from search.query.query import Minimum, SearchQuery, Sort
from search.relevance.band_thresholds import Band, Scale
from search.retrieval.best_windows import set_windows
from search.retrieval.candidate_cache import CachedCandidates, cache_candidates, cached_candidates
from search.retrieval.candidate_generation import (
    CandidateSearch,
    anchor_by_date,
    behind_date,
    by_date,
    dates,
    scored,
)
from search.retrieval.full_scan import FullScan
from search.retrieval.images_by_id import shown_images
from search.retrieval.query_vector import Direction, QueryVector, query_vector_of
from search.retrieval.ranking_and_bands import Candidate, ranked
from search.retrieval.results import PER_PAGE, Behind, ResultPage, Segment, page_of, part_of
from search.retrieval.search_scope import Scope

NEAREST = 100
"""Number of nearest results that count as matches while the collection is not calibrated."""

_CUTS = {Minimum.STRONG: (Band.STRONG,), Minimum.RELATED: (Band.STRONG, Band.RELATED)}


def find(query: SearchQuery, *, for_tiles: bool = False) -> ResultPage:
    """Return the page of results for `query`; the newest images if it is empty. With `for_tiles`, only the columns of
    images are read that tiles show.

    Raises NoSuchQuery for a missing picture or image, BadQuery for parts that cancel out, and ModelUnavailable.
    """
    return Search(query, for_tiles=for_tiles).page()


def best_candidates(query: SearchQuery) -> list[Candidate]:
    """Return the NEAREST best results that everybody may see, whatever their band. Raises what `find` raises."""
    return Search(query.replace(sort=Sort.SIMILARITY, minimum=Minimum.ANY), private=False).candidates()[:NEAREST]


def similar_images(image: Image, count: int) -> list[Image]:
    """Return the `count` images nearest to `image`, without itself, for tiles; none while it has no vector."""
    table = current_set(active_model())
    # Works for a hidden picture, too: curators see its page.
    vector = Image.objects.filter(pk=image.pk).vectors_in(table).get(image.pk)
    if vector is None:
        return []
    nearest_to = QueryVector(Direction(vector, 1.0, None), (), table)
    search = Search(SearchQuery().more_like(image.id), nearest_to, for_tiles=True)
    candidates = search.candidate_search.candidates()
    return part_of(search.by_similarity(candidates), 0, count)


class Search:
    """One running search: its rows in order."""

    def __init__(
        self,
        query: SearchQuery,
        query_vector: QueryVector | None = None,
        *,
        among: Sequence[uuid.UUID] | None = None,
        private: bool = True,
        listed: int = 0,
        for_tiles: bool = False,
    ) -> None:
        """`query_vector` replaces that of the query's parts; with `among`, only these images are searched; without
        `private`, only what everybody may see; with `listed`, the number of results that are listed at once, only ids
        and scores are read; with `for_tiles`, only what tiles show."""
        self.query = query
        self.scope = Scope(query, among=among, private=private)
        self.finds_hidden = self.scope.filters.finds_hidden
        with doing_meanwhile(self.scope.look_ahead):
            self.query_vector = query_vector or query_vector_of(
                self.scope.wanted, query.unwanted, hidden=self.scope.only_visible.hidden
            )
        self.candidate_search = CandidateSearch(self.scope, self.query_vector, listed=listed, for_tiles=for_tiles)
        # Candidates hidden or deleted since the first page: they keep their places, or the rows after them would move
        # onto pages that were already read.
        self.gone: frozenset[uuid.UUID] = frozenset()

    @property
    def scale(self) -> Scale | None:
        return self.query_vector.towards.scale if self.query_vector.towards else None

    def page(self) -> ResultPage:
        page = self._page()
        if self.query_vector.towards:
            set_windows(page.images, self.query_vector.towards.vector, self.query_vector.towards.windows_in)
        return page

    def _page(self) -> ResultPage:
        candidates = [] if self.query.is_empty else self.candidates()
        segments = self._segments(candidates)
        start = (self.query.page - 1) * PER_PAGE
        strong = sum(one.band is Band.STRONG and not (self.gone and one.id in self.gone) for one in candidates)
        strong_from = self.scale.strong if self.scale else math.inf
        part = page_of(segments, start, self.query.after)
        return ResultPage(
            query=self.query,
            images=part.images,
            found=sum(segment.count - segment.gone for segment in segments),
            places=part.places,
            ends_at=part.ends_at,
            counts=self.scope.counts,
            at=self.scope.at,
            scale=self.scale,
            strong=strong,
            strong_is_least=self.candidate_search.more_hold_words or self._may_continue(candidates, strong_from),
            asked_at=self.scope.asked_at,
            copies_from=self._copies_from(segments),
        )

    def segments(self) -> list[Segment]:
        """Return all results as segments."""
        return self._segments([] if self.query.is_empty else self.candidates())

    def _copies_from(self, segments: Sequence[Segment]) -> int | None:
        """The page after the first from which copies follow that are no candidates; None if there is none."""
        if (
            not self.candidate_search.has_copies
            or self._is_by_date
            or not any(segment.count for segment in segments[1:])
        ):
            return None
        return segments[0].count // PER_PAGE + 1 if segments[0].count >= PER_PAGE else None

    def candidates(self) -> list[Candidate]:
        """Return the candidates, best first."""
        if known := cached_candidates(self.query):
            self.candidate_search.reach, self.candidate_search.more_hold_words = known.reach, known.more_hold_words
            # Deleting or showing a hidden picture does not change the counter.
            if known.changed != self.scope.at.changed or self.finds_hidden:
                ids = [one.id for one in known.candidates]
                there = self.scope.images.filter(pk__in=ids).values_list("pk", flat=True)
                self.gone = frozenset(ids).difference(there)
            return list(known.candidates)
        candidates = self._ranked(self.candidate_search.candidates())
        if len(candidates) > PER_PAGE and self.scope.among is None:
            known = CachedCandidates(
                candidates, self.candidate_search.reach, self.candidate_search.more_hold_words, self.scope.at.changed
            )
            cache_candidates(self.query, self.scope.asked_at, known)
        return candidates

    def _ranked(self, candidates: list[Candidate]) -> list[Candidate]:
        by_date_alone = not self.query_vector.towards
        return ranked(
            candidates,
            self.query_vector,
            fresh_at=self.scope.fresh_at if self.query.sort is Sort.FRESH else None,
            oldest_first=by_date_alone and self.query.sort.is_oldest_first,
        )

    def by_similarity(self, candidates: list[Candidate]) -> list[Segment]:
        """Return the nearest first, then all others."""
        nearest = sorted(candidates, key=lambda one: (-(one.similarity or 0), one.id))
        return [self._of(nearest), FullScan(self.candidate_search, candidates, ()).rest(banded=False)]

    @property
    def _places(self) -> int:
        """The number of rows, including the places of those that are gone."""
        return self.scope.total + len(self.gone)

    def _segments(self, candidates: list[Candidate]) -> list[Segment]:
        if self.query.is_empty:
            if self.query.sort.is_by_taken:
                return self._by_taken()
            around = self.scope.conditions.filters.near
            if self.query.sort is Sort.NEAREST and around:
                return [self._rows(self.scope.images.order_by(around.haversine(), "id"), self.scope.total)]
            rows = self._rows(by_date(self.scope.images, self.query), self.scope.total)
            return [replace(rows, behind=Behind(self._newest_behind, anchor_by_date))]
        cut = self._cut()
        if not self._is_by_date and not any(one.band for one in candidates):
            cut = None
        bands, threshold = cut or (_CUTS[Minimum.RELATED], math.inf)
        near = self._may_continue(candidates, threshold)
        continues = self.candidate_search.more_hold_words or near
        if self._is_by_date:
            return self._dated(candidates, bands, near=near, continues=continues)
        full_scan = FullScan(self.candidate_search, candidates, bands, near=near, gone=len(self.gone))
        if continues:
            return self._by_band(candidates, bands, full_scan)
        if cut is None:
            return [self._of(candidates), full_scan.rest(banded=False)]
        return [self._of([one for one in candidates if one.band in bands])]

    def _by_band(self, candidates: list[Candidate], bands: Sequence[Band], full_scan: FullScan) -> list[Segment]:
        """Return each band in full, its candidates first."""
        segments = []
        for band in bands:
            segments += [self._of([one for one in candidates if one.band is band]), full_scan.in_band(band)]
        if self._is_cut:
            return segments
        return [*segments, self._of([one for one in candidates if one.band not in bands]), full_scan.rest(banded=True)]

    def _dated(
        self, candidates: list[Candidate], bands: Sequence[Band], *, near: bool, continues: bool
    ) -> list[Segment]:
        """Return the rows in the bands by date, then all others."""
        ends = self._is_cut and any(one.band for one in candidates)
        # Without a calibration the nearest count as matches, as for saved searches.
        unmeasured = bool(self.query_vector.towards) and not self.scale and not ends
        nearest = {one.id for one in candidates[:NEAREST]} if unmeasured else set()
        kept = [one for one in candidates if one.band in bands or one.id in nearest]
        rest = [one for one in candidates if one.band not in bands and one.id not in nearest]
        full_scan = FullScan(self.candidate_search, candidates, bands, near=near, gone=len(self.gone))
        if continues:  # the database does the ordering
            there = [one for one in kept if one.id not in self.gone]
            dated = full_scan.dated(there, dates(self.query.sort))
        else:
            kept.sort(key=lambda one: one.date, reverse=not self.query.sort.is_oldest_first)
            dated = self._of(kept)
        return [dated] if ends else [dated, self._of(rest), full_scan.rest(banded=continues)]

    def _newest_behind(self, after: Anchor, most: int) -> list[Image]:
        return list(self.candidate_search.read(behind_date(self.scope.images, self.query, after))[:most])

    def _by_taken(self) -> list[Segment]:
        """Return dated images in the order of their index, then all others, newest first."""
        way = "" if self.query.sort.is_oldest_first else "-"
        dated = self.scope.images.filter(capture__taken__isnull=False)
        count = self.scope.counts.exactly("dated", dated)
        others = self.scope.images.filter(capture__taken__isnull=True).newest()
        return [
            self._rows(dated.order_by(f"{way}capture__taken", f"{way}id"), count),
            self._rows(others, self.scope.total - count),
        ]

    def _rows(self, images: ImageQuerySet, count: int) -> Segment:
        return Segment(
            count,
            lambda start, stop: list(self.candidate_search.read(images)[start:stop]),
            lambda: list(images.values_list("pk", flat=True)),
        )

    @property
    def _is_by_date(self) -> bool:
        return self.query.sort.is_by_date

    @property
    def _is_cut(self) -> bool:
        return self.query.minimum is not Minimum.ANY

    def _cut(self) -> tuple[Sequence[Band], float] | None:
        """The bands to show or to sort by date, and the least similarity in them; None for neither."""
        minimum = self.query.minimum
        if minimum is Minimum.ANY:
            if not self._is_by_date:
                return None
            minimum = Minimum.RELATED
        threshold = math.inf if not self.scale else self.scale.strong
        if self.scale and minimum is Minimum.RELATED:
            threshold = self.scale.related
        return _CUTS[minimum], threshold

    def _may_continue(self, candidates: Sequence[Candidate], similarity: float) -> bool:
        """Whether rows at least this similar may exist beyond the candidates."""
        return self._places > len(candidates) and self.candidate_search.reach >= similarity

    def _of(self, candidates: list[Candidate]) -> Segment:
        gone = self.gone

        def fetch(start: int, stop: int) -> list[Image]:
            wanted = [one for one in candidates[start:stop] if one.id not in gone]
            if self.candidate_search.listed:
                return [scored(Image(id=one.id), one) for one in wanted]
            hidden = self.scope.only_visible.hidden
            rows = shown_images((one.id for one in wanted), hidden=hidden, for_tiles=self.candidate_search.for_tiles)
            return [scored(row, one) for one in wanted if (row := rows.get(one.id))]

        def ids() -> list[uuid.UUID]:
            return [one.id for one in candidates if one.id not in gone]

        if not gone:
            return Segment(len(candidates), fetch, ids)
        empty = [one.id in gone for one in candidates]
        at_its_end = empty[::-1].index(False) if False in empty else len(empty)
        return Segment(len(candidates), fetch, ids, sum(empty), at_its_end)
