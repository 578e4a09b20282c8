"""The results beyond the candidates: a full scan, ordered after them."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any

from django.db.models import BooleanField, Case, Count, ExpressionWrapper, F, FloatField, Func, Q, Value, When
from django.db.models.functions import Greatest
from django.db.models.lookups import GreaterThan, GreaterThanOrEqual, LessThanOrEqual
from django.utils.functional import cached_property

from search.indexing.query_plan import BY_WORDS, SCAN, Plan, planned
from search.models import Image
from search.models.querysets import ImageQuerySet
from search.query import full_text
from search.query.anchors import Anchor
from search.relevance.band_thresholds import Band
from search.retrieval.candidate_generation import (
    CandidateSearch,
    HeldWords,
    anchor_by_date,
    behind_date,
    scored,
    settled,
)
from search.retrieval.ranking_and_bands import Candidate, Judge
from search.retrieval.results import Behind, Segment


class FullScan:
    """Segments of the rows beyond `candidates`: those in `bands`, best first, then the `rest`.

    With `near`, rows are put into a band by their similarity; rows that contain the words are in any case. `gone` rows
    of `candidates` were hidden or deleted since the first page.
    """

    def __init__(
        self,
        candidate_search: CandidateSearch,
        candidates: Sequence[Candidate],
        bands: Sequence[Band],
        *,
        near: bool = False,
        gone: int = 0,
    ) -> None:
        self._candidate_search = candidate_search
        self._scope, self._query_vector = candidate_search.scope, candidate_search.query_vector
        self._candidates = candidates
        self._judge = Judge(candidates, candidate_search.query_vector)
        self._bands = bands
        self._near = near
        self._count = candidate_search.scope.total + gone - len(candidates)

    def in_band(self, band: Band) -> Segment:
        """Return the rows in exactly this band: best by full text first, then by distance."""
        images = self._others.filter(self._reached(band))
        if band is Band.RELATED:
            images = images.exclude(self._reached(Band.STRONG))
        found = self._segment(lambda: self._by_words(images), self._numbers[band], self._plan, cheaply=lambda: images)
        if not self._held_words:
            return found
        return replace(found, fetch=lambda *part: self._already_read(band, *part) or found.fetch(*part))

    def dated(self, kept: Sequence[Candidate], order: Sequence[Any]) -> Segment:
        """Return the rows in the bands, and the candidates `kept`, in this order."""
        ids = {one.id for one in kept}
        left_out = {one.id for one in self._candidates} - ids
        shown = self._candidate_search.by_distance(self._query_vector.measured(self._scope.images)).exclude(
            pk__in=left_out
        )
        dated = shown.filter(self._reached(self._bands[-1]) | Q(pk__in=ids)).order_by(*order)
        return self._segment(lambda: dated, len(kept) + sum(self._numbers.values()))

    def rest(self, *, banded: bool) -> Segment:
        """Return the rows outside the bands, or all without `banded`: nearest first, or by full text if only words are
        searched."""
        count = self._count - sum(self._numbers.values()) if banded else self._count
        if self._scope.by_words_alone:
            return self._segment(
                lambda: self._by_words(self._beyond(banded=banded)),
                count,
                self._plan,
                cheaply=lambda: self._beyond(banded=banded),
            )
        segment = self._segment(lambda: self._candidate_search.by_distance(self._beyond(banded=banded)), count)
        return replace(segment, behind=self._behind(banded=banded))

    def _behind(self, *, banded: bool) -> Behind | None:
        """How the rest continues behind a row: by distance, or by date without a positive vector."""
        query = self._candidate_search.scope.query
        if self._query_vector.towards is None:
            if query.sort.is_by_taken:
                return None
            return Behind(
                lambda after, most: self._read(behind_date(self._beyond(banded=banded), query, after), SCAN, 0, most),
                anchor_by_date,
            )

        def by_distance(after: Anchor, most: int) -> list[Image]:
            rows = self._candidate_search.by_distance(self._beyond(banded=banded))
            further = GreaterThan(_row(F("distance"), F("id")), _row(Value(after.value), Value(after.id)))
            return self._read(rows.filter(further), SCAN, 0, most)

        return Behind(by_distance, lambda image: Anchor(image.distance or 0.0, image.pk))

    def _beyond(self, *, banded: bool) -> ImageQuerySet:
        """Built on demand, which few pages need: listing hundreds of candidates takes a millisecond."""
        return self._others.exclude(self._reached(self._bands[-1])) if banded else self._others

    @cached_property
    def _numbers(self) -> dict[Band, int]:
        """Number of rows in each band."""
        if held := self._held_words:
            known = [one.whole for one in self._candidates if one.by_words]
            strong = held.whole - sum(known)
            related = held.count - len(known) - strong if Band.RELATED in self._bands else 0
            return {Band.STRONG: strong, Band.RELATED: related}
        is_strong = ExpressionWrapper(self._reached(Band.STRONG), BooleanField())
        reached = self._others.filter(self._reached(self._bands[-1])).order_by().annotate(strong=is_strong)
        with planned(BY_WORDS):
            found = dict(reached.values_list("strong").annotate(count=Count("*")))
        strong_ones = found.pop(True, 0)
        return {Band.STRONG: strong_ones, Band.RELATED: sum(found.values())}

    @property
    def _held_words(self) -> HeldWords | None:
        """What a list has read of the rows that contain the words, if words alone decide on the band."""
        return None if self._near or self._judge.dislikes else self._candidate_search.held

    def _already_read(self, band: Band, start: int, stop: int) -> list[Image]:
        """Return a part of the rows in `band` from those already read, which are in the same order; none if not all of
        them are."""
        candidates = {one.id for one in self._candidates}
        found = [
            one
            for one in (self._held_words.best if self._held_words else ())
            if one.whole == (band is Band.STRONG) and one.id not in candidates
        ][start:stop]
        if len(found) < stop - start:
            return []
        for one in found:
            self._judge.decide(one)
        return [scored(Image(id=one.id), one) for one in found]

    @property
    def _plan(self) -> Plan:
        """The plan for rows in the order of `_by_words`."""
        return SCAN if self._scope.text is None else BY_WORDS

    @cached_property
    def _others(self) -> ImageQuerySet:
        return self._query_vector.measured(self._scope.images).exclude(pk__in=[one.id for one in self._candidates])

    def _reached(self, band: Band) -> Q:
        """The condition for `band` or a better one."""
        reached = Q(pk__in=[])
        scale, towards = self._judge.scale, self._query_vector.towards
        if self._near and scale and towards:
            least = scale.strong if band is Band.STRONG else scale.related
            lost = [
                Greatest(Value(1 - dislike.start) - away.distance, Value(0.0)) * Value(dislike.slope * scale.spread)
                for dislike, away in zip(self._judge.dislikes, self._query_vector.away, strict=True)
            ]
            reached |= Q(LessThanOrEqual(reduce(add, lost, towards.distance), 1 - least))
        if self._scope.text is not None:
            text = self._scope.text if band is Band.RELATED else self._candidate_search.whole
            liked = [
                Q(GreaterThanOrEqual(away.distance, 1 - dislike.start))
                for dislike, away in zip(self._judge.dislikes, self._query_vector.away, strict=True)
            ]
            reached |= reduce(Q.__and__, liked, Q(full_text.holds(text)))
        return reached

    def _by_words(self, images: ImageQuerySet) -> ImageQuerySet:
        """Order by full text, like the candidates."""
        images = self._candidate_search.by_distance(images)
        text = self._scope.text
        if text is None:
            return images
        rank = Case(When(full_text.holds(text), then=full_text.rank(text)), default=-1.0, output_field=FloatField())
        whole = full_text.holds(self._candidate_search.whole)
        ranked = images.annotate(exactness=self._candidate_search.exactness, whole=whole, text_rank=rank)
        return ranked.order_by("-exactness", "-whole", "-text_rank", *images.query.order_by)

    def _segment(
        self,
        images: Callable[[], ImageQuerySet],
        count: int,
        plan: Plan = SCAN,
        *,
        cheaply: Callable[[], ImageQuerySet] | None = None,
    ) -> Segment:
        """Return the rows in their order; for ids, `cheaply` may skip an expensive order."""

        def ids() -> list[uuid.UUID]:
            found = self._candidate_search.by_distance(cheaply()) if cheaply else images()
            with planned(plan):
                return list(settled(found).values_list("pk", flat=True))

        return Segment(count, lambda start, stop: self._read(images(), plan, start, stop), ids)

    def _read(self, images: ImageQuerySet, plan: Plan, start: int, stop: int) -> list[Image]:
        away = {f"away_{number}": one.distance for number, one in enumerate(self._query_vector.away)}
        with planned(plan):
            found = settled(images.annotate(**away))
            rows = list(self._candidate_search.read(found)[start:stop])
        self._set_scores(rows, list(away))
        return rows

    def _set_scores(self, rows: Sequence[Image], away: Sequence[str]) -> None:
        """Set similarity and band on these rows; `away` names the distances to negative vectors."""
        candidates = {one.id: one for one in self._candidates}
        held = self._held(rows)
        for image in rows:
            found = candidates.get(image.id)
            if found is None:
                found = held.get(image.id) or Candidate(image.id, image.created.timestamp())
                found.similarity = image.similarity
                found.unwanted = tuple(1 - getattr(image, name) for name in away)
                self._judge.decide(found)
            image.band, image.by_words = found.band, found.by_words

    def _held(self, rows: Sequence[Image]) -> dict[uuid.UUID, Candidate]:
        """Return those of `rows` that contain the words; none if all of them are candidates."""
        text = self._scope.text
        if not self._candidate_search.more_hold_words or text is None:
            return {}
        values = {image.pk: vars(image) for image in rows}
        if rows and "text_rank" in values[rows[0].pk]:  # they were ordered by full text
            holding = {key: one["whole"] for key, one in values.items() if one["text_rank"] >= 0}
            return {key: Candidate(key, 0.0, text_rank=0.0, whole=whole) for key, whole in holding.items()}
        others = full_text.holding(Image.objects.filter(pk__in=[image.id for image in rows]), text)
        found = others.annotate(whole=full_text.holds(self._candidate_search.whole)).values_list("pk", "whole")
        return {key: Candidate(key, 0.0, text_rank=0.0, whole=whole) for key, whole in found}


def _row(*columns: F | Value) -> Func:
    """Several values compared as one: the first, and where that is equal the next."""
    return Func(*columns, function="ROW", output_field=FloatField())
