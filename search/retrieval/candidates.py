"""The candidates of a search: the nearest rows, and those that its words find."""

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Case, F, Func

from search.indexing.query_plan import BY_WORDS, SCAN, Plan, plan_for, planned
from search.models.querysets import ImageQuerySet
from search.query import full_text
from search.query.conditions import Conditions
from search.query.query import SearchQuery, Sort
from search.retrieval.best_windows import MOST_VECTORS
from search.retrieval.candidate_sql import candidates_of, statement
from search.retrieval.query_vector import QueryVector
from search.retrieval.ranking import Candidate
from search.retrieval.scope import Scope

MOST_BY_WORDS = 200
"""Rows found by their words that are candidates too."""
ALIKE = 3
"""Of rows that are equally near, copies of one picture, so many are candidates. The others follow behind all of them,
or three thousand of them would be all that one sees."""
CROWD = 10
"""So many copies share one place in the index (pgvector's HNSW_HEAPTIDS); more of them crowd their neighbours out."""
_ALL = 2**31 - 1


class CandidateSearch:
    """Candidates as they are brought from the database.

    `reach` is the least similarity of the nearest ones; `more_hold_words` tells whether more rows hold the words than
    became candidates, and `has_copies` whether copies of the nearest were left out.
    """

    def __init__(self, scope: Scope, query_vector: QueryVector, *, bare: bool = False) -> None:
        """With `bare`, rows are read with their ids alone, and with how good they are."""
        self.scope = scope
        self.query_vector = query_vector
        self.bare = bare
        self.reach = -1.0
        self.more_hold_words = False
        self.has_copies = False

    def candidates(self) -> list[Candidate]:
        """Return the candidates, each once, in no order that counts."""
        found = {one.id: one for one in self._nearest()}
        for one in self._found_by_words(list(found)):
            known = found.setdefault(one.id, one)
            known.text_rank, known.whole, known.exactness = one.text_rank, one.whole, one.exactness
        return list(found.values())

    def _nearest(self) -> list[Candidate]:
        """The nearest rows; the newest, where nothing in particular is wanted."""
        if self.scope.by_words_alone and not self.query_vector.towards:
            return []
        # Rows that hold words are found by the words' own index, however many they are.
        holds = self.scope.query.box.quoted or self.scope.by_words_alone
        plan = SCAN if holds else plan_for(self.scope.total, self.query_vector.table)
        found = None if plan.is_exact else self._walked(plan)
        if found is None:
            found = self._fetched(replace(SCAN, candidates=plan.candidates), plan.candidates)
        kept = _without_copies(found)
        left_out: list[Candidate] = []
        if len(kept) < len(found):
            if len(found) == plan.candidates:
                # There are more of them, and other rows behind them.
                kept = self._nearest_without_copies(plan.candidates)
            # Copies that are no candidates may be nearer than the last of these.
            candidates = {one.id for one in kept}
            left_out = [one for one in found if one.id not in candidates]
        self.has_copies = bool(left_out)
        self.reach = max(_similarities(left_out), default=min(_similarities(kept), default=-1.0))
        return kept

    def _walked(self, plan: Plan) -> list[Candidate] | None:
        """Return what a walk finds; None where it does not bring what it must, and all rows are to be read."""
        enough = min(plan.candidates, self.scope.total)
        if not self.query_vector.finds_windows:
            found = self._fetched(plan, plan.candidates)
            return found if _is_whole(found, found, enough) else None
        # Few pictures have windows, and nearly always this is enough; but the nearest may all be among them.
        for rows in (2 * plan.candidates, MOST_VECTORS * plan.candidates):
            found = self._fetched(plan, rows)
            once = _each_once(found)[: plan.candidates]
            if _is_whole(found, once, enough):
                return once
            if len(found) < rows:
                break
        return None

    def _nearest_without_copies(self, most: int) -> list[Candidate]:
        """Return the nearest rows, at most ALIKE of those that are equally near: copies of one picture."""
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
            f" FROM ({sql}) AS found ({named})) AS told WHERE place <= {ALIKE} ORDER BY distance, id LIMIT {most}",
            values,
        )

    def _found_by_words(self, nearest: Sequence[uuid.UUID]) -> list[Candidate]:
        """The rows that hold the words best; and where more do, those among the nearest that hold them too."""
        if self.scope.text is None:
            return []
        found = self._fetched(BY_WORDS, MOST_BY_WORDS + 1, by_words=True)
        self.more_hold_words = len(found) > MOST_BY_WORDS
        if self.more_hold_words and nearest:
            among = Conditions(among=list(nearest), filters=self.scope.only_visible)
            return found[:MOST_BY_WORDS] + self._fetched(BY_WORDS, len(nearest), among, by_words=True)
        return found[:MOST_BY_WORDS]

    @property
    def whole(self) -> Func:
        """What matches the words as whole ones."""
        return full_text.whole_words(self.scope.query.box.meant)

    @property
    def exactness(self) -> Case:
        """How exactly the title is what was written, as it stands or without what is unwanted."""
        return full_text.exactness(self.scope.query.box.meant, self.scope.query.words)

    def by_distance(self, images: ImageQuerySet) -> ImageQuerySet:
        """Nearest first, of `measured` images; by date, where nothing in particular is wanted."""
        return (
            images.by_distance(self.query_vector.towards.distance)
            if self.query_vector.towards
            else by_date(images, self.scope.query)
        )

    def read(self, images: ImageQuerySet) -> ImageQuerySet:
        """Return `images` with the columns that are wanted."""
        return images.only("id", "created") if self.bare else images.for_lists()

    def _fetched(
        self, plan: Plan, most: int, conditions: Conditions | None = None, *, by_words: bool = False
    ) -> list[Candidate]:
        """Return the nearest rows, the newest where nothing is wanted, or `by_words` those that hold them best; of
        those that fulfil other conditions than the search's, where such are given."""
        try:
            sql, values = self._statement(plan, most, conditions or self.scope.conditions, by_words=by_words)
        except EmptyResultSet:
            return []
        return self._read(plan, sql, values)

    def _read(self, plan: Plan, sql: str, values: list[Any]) -> list[Candidate]:
        with planned(plan), connection.cursor() as cursor:
            cursor.execute(sql, values)
            return candidates_of(cursor.fetchall())

    def _statement(
        self, plan: Plan, most: int, conditions: Conditions, *, by_words: bool = False
    ) -> tuple[str, list[Any]]:
        """Return the SQL and its values. Raises EmptyResultSet where no row can be found."""
        query = self.scope.query
        texts = (query.box.meant, query.words) if by_words else None
        return statement(self.query_vector, plan, conditions, most, texts=texts, sort=query.sort)


def _is_whole(found: Sequence[Candidate], once: Sequence[Candidate], enough: int) -> bool:
    """Whether a walk has brought what it must: enough rows, each `once`, and no crowd of equally near ones.

    It gives up early where a filter or deletions leave few. Copies of one picture are neighbours to nobody but each
    other in the graph: a walk that comes among hundreds of them does not find out.
    """
    return len(once) >= enough and len(found) - len(_without_copies(found, CROWD)) == 0


def _each_once(found: Iterable[Candidate]) -> list[Candidate]:
    """Return each of the rows that were `found` by several vectors once, by the nearest of them, the nearest first."""
    nearest: dict[uuid.UUID, Candidate] = {}
    for one in sorted(found, key=lambda one: (-(one.similarity or 0.0), one.id)):
        nearest.setdefault(one.id, one)
    return list(nearest.values())


def _without_copies(found: Sequence[Candidate], alike: int = ALIKE) -> list[Candidate]:
    """Return those of `found`, in order, without more than `alike` that are equally near."""
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
    """Return `images` newest first, or oldest first where `query` asks for that."""
    return images.order_by(*dates(query.sort), "id")


def dates(sort: Sort) -> list[Any]:
    """What images are ordered by that are sorted by a date: those that nobody has dated last."""
    if not sort.is_by_taken:
        return ["created" if sort is Sort.OLDEST else "-created"]
    taken = F("capture__taken")
    return [taken.asc(nulls_last=True) if sort.is_oldest_first else taken.desc(nulls_last=True)]


def settled(images: ImageQuerySet) -> ImageQuerySet:
    """Return `images` in their order, in which equal ones have a place too: pages would repeat and skip copies."""
    return images.order_by(*images.query.order_by, "id")
