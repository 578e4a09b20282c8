"""Candidate generation: the nearest rows, and those found by full text."""

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import Case, F, Func

from search.indexing.query_plan import BY_WORDS, CANDIDATES, SCAN, Plan, plan_for, planned
from search.models import Image
from search.models.querysets import ImageQuerySet
from search.models.sql_statements import fetch_all
from search.query import full_text
from search.query.anchors import Anchor
from search.query.query import SearchQuery, Sort
from search.query.search_conditions import Conditions
from search.retrieval.best_windows import MOST_VECTORS
from search.retrieval.candidate_sql import candidates_of, statement
from search.retrieval.query_vector import QueryVector
from search.retrieval.ranking_and_bands import Candidate
from search.retrieval.search_scope import Scope

MOST_BY_WORDS = 200
"""Maximum number of candidates found by full text."""
ALIKE = 3
"""Maximum number of candidates at exactly the same distance: copies of one picture. Further copies follow behind all
candidates; otherwise three thousand of them could fill the results."""
CROWD = 10
"""Copies that share one entry in the index (pgvector's HNSW_HEAPTIDS); more of them displace their neighbours."""
_ALL = 2**31 - 1


@dataclass(frozen=True, slots=True)
class HeldWords:
    """The best rows by full text, how many there are in all, and how many of these hold the words whole."""

    best: Sequence[Candidate]
    count: int
    whole: int


class CandidateSearch:
    """Reads candidates from the database.

    `reach` is the least similarity of the nearest ones; `more_hold_words` says whether more rows contain the words
    than became candidates, and `has_copies` whether copies among the nearest were left out.
    """

    def __init__(self, scope: Scope, query_vector: QueryVector, *, listed: int = 0, for_tiles: bool = False) -> None:
        """With `listed`, the number of results that are listed at once, only ids and scores are read; with
        `for_tiles`, only what tiles show."""
        self.scope = scope
        self.query_vector = query_vector
        self.listed = listed
        self.for_tiles = for_tiles
        self.held: HeldWords | None = None
        self.reach = -1.0
        self.more_hold_words = False
        self.has_copies = False

    def candidates(self) -> list[Candidate]:
        """Return the candidates, each once, unordered."""
        nearest = self._nearest()
        by_words = self._found_by_words([one.id for one in nearest])
        if not by_words:
            return nearest
        found = {one.id: one for one in nearest}
        for one in by_words:
            known = found.setdefault(one.id, one)
            known.text_rank, known.whole, known.exactness = one.text_rank, one.whole, one.exactness
        return list(found.values())

    def _nearest(self) -> list[Candidate]:
        """Return the nearest rows; the newest for a query without a positive vector."""
        if self.scope.by_words_alone and not self.query_vector.towards:
            return []
        # Rows that contain the words are found by the full-text index, however many there are.
        holds = self.scope.query.box.quoted or self.scope.by_words_alone
        plan = SCAN if holds else plan_for(self.scope.total, self.query_vector.table)
        found = None if plan.is_exact else self._by_index(plan)
        if found is None:
            found = self._fetched(replace(SCAN, candidates=plan.candidates), plan.candidates)
        kept = _without_copies(found)
        left_out: list[Candidate] = []
        if len(kept) < len(found):
            if len(found) == plan.candidates:
                # There are more copies, and other rows after them.
                kept = self._nearest_without_copies(plan.candidates)
            # Copies left out may be nearer than the last candidate.
            candidates = {one.id for one in kept}
            left_out = [one for one in found if one.id not in candidates]
        self.has_copies = bool(left_out)
        self.reach = max(_similarities(left_out), default=min(_similarities(kept), default=-1.0))
        return kept

    def _by_index(self, plan: Plan) -> list[Candidate] | None:
        """Return the rows of an HNSW search; None if it found too few, so that all rows must be scanned."""
        enough = min(plan.candidates, self.scope.total)
        if not self.query_vector.finds_windows:
            found = self._fetched(plan, plan.candidates)
            return found if _is_complete(found, found, enough) else None
        # Few pictures have windows, so the first limit is nearly always enough; but the nearest may be among them.
        for rows in (2 * plan.candidates, MOST_VECTORS * plan.candidates):
            found = self._fetched(plan, rows)
            once = _without_repeats(found)[: plan.candidates]
            if _is_complete(found, once, enough):
                return once
            if len(found) < rows:
                break
        return None

    def _nearest_without_copies(self, most: int) -> list[Candidate]:
        """Return the nearest rows, at most ALIKE of those at the same distance: copies of one picture."""
        try:
            sql, values = self._statement(SCAN, _ALL, self.scope.conditions)
        except EmptyResultSet:
            return []
        columns = ["id", "date", "distance", "exactness", "whole", "text_rank"]
        columns += [f"away_{number}" for number in range(len(self.query_vector.away))]
        named = ", ".join(columns)
        return self._read(
            SCAN,
            f"SELECT {named} FROM (SELECT *, row_number() OVER (PARTITION BY distance ORDER BY id) AS place"  # noqa: S608
            f" FROM ({sql}) AS found ({named})) AS numbered WHERE place <= {ALIKE} ORDER BY distance, id LIMIT {most}",
            values,
        )

    def _found_by_words(self, nearest: Sequence[uuid.UUID]) -> list[Candidate]:
        """Return the best rows by full text; if there are more, also those among the nearest that contain the
        words."""
        if self.scope.text is None or self.scope.no_row_holds_words:
            return []
        found = self._listed_by_words() if self.listed else self._fetched(BY_WORDS, MOST_BY_WORDS + 1, by_words=True)
        self.more_hold_words = len(found) > MOST_BY_WORDS
        if self.more_hold_words and nearest:
            among = Conditions(among=list(nearest), filters=self.scope.only_visible)
            return found[:MOST_BY_WORDS] + self._fetched(BY_WORDS, len(nearest), among, by_words=True)
        return found[:MOST_BY_WORDS]

    def _listed_by_words(self) -> list[Candidate]:
        """Return the best rows by full text, as many as a list may need, and note them and how many there are."""
        most = self.listed + MOST_BY_WORDS + CANDIDATES
        try:
            sql, values = self._statement(BY_WORDS, most, self.scope.conditions, by_words=True, is_counted=True)
        except EmptyResultSet:
            return []
        rows = self._rows(BY_WORDS, sql, values)
        found = candidates_of([row[:-2] for row in rows])
        if rows:
            self.held = HeldWords(found, *rows[0][-2:])
        return found

    @property
    def whole(self) -> Func:
        """The query for the words as whole words."""
        return full_text.whole_words(self.scope.query.box.meant)

    @property
    def exactness(self) -> Case:
        """How exactly the title is the text as written, with or without its negated parts."""
        return full_text.exactness(self.scope.query.box.meant, self.scope.query.words)

    def by_distance(self, images: ImageQuerySet) -> ImageQuerySet:
        """Order `measured` images by distance; by date for a query without a positive vector."""
        return (
            images.by_distance(self.query_vector.towards.distance)
            if self.query_vector.towards
            else by_date(images, self.scope.query)
        )

    def read(self, images: ImageQuerySet) -> ImageQuerySet:
        """Return `images` with the columns to read."""
        if self.listed:
            return images.only("id", "created")
        return images.for_tiles("created") if self.for_tiles else images.for_lists()

    def _fetched(
        self, plan: Plan, most: int, conditions: Conditions | None = None, *, by_words: bool = False
    ) -> list[Candidate]:
        """Return the nearest rows, the newest without a positive vector, or `by_words` the best by full text;
        `conditions` replace those of the search."""
        try:
            sql, values = self._statement(plan, most, conditions or self.scope.conditions, by_words=by_words)
        except EmptyResultSet:
            return []
        return self._read(plan, sql, values)

    def _read(self, plan: Plan, sql: str, values: list[Any]) -> list[Candidate]:
        return candidates_of(self._rows(plan, sql, values))

    def _rows(self, plan: Plan, sql: str, values: list[Any]) -> list[tuple[Any, ...]]:
        with planned(plan):
            return fetch_all(sql, values)

    def _statement(
        self, plan: Plan, most: int, conditions: Conditions, *, by_words: bool = False, is_counted: bool = False
    ) -> tuple[str, list[Any]]:
        """Return the SQL and its values. Raises EmptyResultSet if no row can match."""
        query = self.scope.query
        texts = (query.box.meant, query.words) if by_words else None
        return statement(
            self.query_vector, plan, conditions, most, texts=texts, sort=query.sort, is_counted=is_counted
        )


def _is_complete(found: Sequence[Candidate], once: Sequence[Candidate], enough: int) -> bool:
    """Whether an HNSW search is complete: `enough` rows after removing duplicates, and no crowd at one distance.

    It gives up early if a filter or deletions leave few rows. Copies of one picture are connected only with each other
    in the graph, so a search that meets hundreds of them does not get out.
    """
    return len(once) >= enough and len(found) - len(_without_copies(found, CROWD)) == 0


def _without_repeats(found: Iterable[Candidate]) -> list[Candidate]:
    """Merge rows found by several vectors: each once, with its nearest, nearest first."""
    nearest: dict[uuid.UUID, Candidate] = {}
    for one in sorted(found, key=lambda one: (-(one.similarity or 0.0), one.id)):
        nearest.setdefault(one.id, one)
    return list(nearest.values())


def _without_copies(found: Sequence[Candidate], alike: int = ALIKE) -> list[Candidate]:
    """Return `found` in order, with at most `alike` rows at the same distance."""
    if len({one.similarity for one in found}) == len(found):  # mostly
        return list(found)
    met: Counter[float] = Counter()
    kept = []
    for one in found:
        if one.similarity is not None:
            met[one.similarity] += 1
            if met[one.similarity] > alike:
                continue
        kept.append(one)
    return kept


def _similarities(candidates: Sequence[Candidate]) -> list[float]:
    return [one.similarity for one in candidates if one.similarity is not None]


def by_date(images: ImageQuerySet, query: SearchQuery) -> ImageQuerySet:
    """Return `images` newest first, or oldest first if `query` says so."""
    return images.order_by(*dates(query.sort), "id")


def behind_date(images: ImageQuerySet, query: SearchQuery, after: Anchor) -> ImageQuerySet:
    """Return those of `images`, in the order of `by_date`, that are behind this one. Not by the date taken."""
    moment = after.moment
    later = {"created__gte" if query.sort.is_oldest_first else "created__lte": moment}
    return by_date(images.filter(**later).exclude(created=moment, pk__lte=after.id), query)


def anchor_by_date(image: Image) -> Anchor:
    return Anchor.of_moment(image.created, image.pk)


def dates(sort: Sort) -> list[Any]:
    """Return the ordering by date; undated images come last."""
    if not sort.is_by_taken:
        return ["created" if sort is Sort.OLDEST else "-created"]
    taken = F("capture__taken")
    return [taken.asc(nulls_last=True) if sort.is_oldest_first else taken.desc(nulls_last=True)]


def settled(images: ImageQuerySet) -> ImageQuerySet:
    """Return `images` in their order with ties broken by id: otherwise pages would repeat and skip copies."""
    return images.order_by(*images.query.order_by, "id")


def scored(image: Image, candidate: Candidate) -> Image:
    """Set the similarity, band and origin of a candidate on its image."""
    if candidate.similarity is not None:
        image.distance = 1 - candidate.similarity
    image.band, image.by_words = candidate.band, candidate.by_words
    return image
