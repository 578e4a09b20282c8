"""The candidates of a search: the nearest rows, and those that its words find."""

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Case, Expression, Func
from django.db.models.expressions import RawSQL
from pgvector.django import CosineDistance, HalfVectorField

from search.indexing.hnsw import indexing
from search.models import Image
from search.querying import words
from search.querying.aiming import Aim
from search.querying.planning import BY_WORDS, SCAN, Plan, plan_for, planned
from search.querying.query import SearchQuery, Sort
from search.querying.ranking import Candidate
from search.querying.scope import Scope
from search.querysets import ImageQuerySet
from search.vectors import Vector, as_text

MOST_BY_WORDS = 200
"""Rows found by their words that are candidates too."""
ALIKE = 3
"""Of rows that are equally near, copies of one picture, so many are candidates. The others follow behind all of them,
or three thousand of them would be all that one sees."""
CROWD = 10
"""So many copies share one place in the index (pgvector's HNSW_HEAPTIDS); more of them crowd their neighbours out."""
_ALL = 2**31 - 1
_SQL = """
SELECT search_image.id, extract(epoch FROM search_image.created)::float8, {columns}
FROM {rows} CROSS JOIN (SELECT {vectors}) AS asked
WHERE {conditions} ORDER BY {order} LIMIT {most}
"""
"""A moment is read as a number: hundreds of them with their time zones take longer to read than the rows to be found.
Each vector stands here once, and the planner takes it from there."""


class Gathering:
    """Candidates as they are brought from the database.

    `reach` is the least similarity of the nearest ones; `more_hold_words` tells whether more rows hold the words than
    became candidates, and `has_copies` whether copies of the nearest were left out.
    """

    def __init__(self, scope: Scope, aim: Aim) -> None:
        self.scope = scope
        self.aim = aim
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
        if self.scope.by_words_alone and not self.aim.towards:
            return []
        # Rows that hold words are found by the words' own index, however many they are.
        holds = self.scope.query.box.quoted or self.scope.by_words_alone
        plan = SCAN if holds else plan_for(self.scope.total, self._rows)
        found = self._fetched(plan, plan.candidates, self.scope.images)
        if not plan.is_exact and not _is_whole(found, min(plan.candidates, self.scope.total)):
            plan = replace(SCAN, candidates=plan.candidates)
            found = self._fetched(plan, plan.candidates, self.scope.images)
        kept = _without_copies(found)
        if len(kept) < len(found) == plan.candidates:
            # There are more of them, and other rows behind them.
            kept = self._nearest_without_copies(plan.candidates)
        # Copies that are no candidates may be nearer than the last of these.
        candidates = {one.id for one in kept}
        left_out = [one for one in found if one.id not in candidates]
        self.has_copies = bool(left_out)
        self.reach = max(_similarities(left_out), default=min(_similarities(kept), default=-1.0))
        return kept

    @property
    def _rows(self) -> int:
        """About how many rows the index has: those of hidden pictures too."""
        return max(self.aim.table.vectors if self.aim.table else 0, self.scope.total)

    def _nearest_without_copies(self, most: int) -> list[Candidate]:
        """Return the nearest rows, at most ALIKE of those that are equally near: copies of one picture."""
        try:
            sql, values = self._query(SCAN, _ALL, self.scope.images, None)
        except EmptyResultSet:
            return []
        columns = ["id", "added", "distance", "exactness", "whole", "text_rank"]
        columns += [f"away_{number}" for number in range(len(self.aim.away))]
        named = ", ".join(columns)
        return self._read(
            SCAN,
            f"SELECT {named} FROM (SELECT *, row_number() OVER (PARTITION BY distance ORDER BY id) AS place"  # noqa: S608
            f" FROM ({sql}) AS found ({named})) AS told WHERE place <= {ALIKE} ORDER BY distance, id LIMIT {most}",
            values,
        )

    def _found_by_words(self, nearest: Sequence[uuid.UUID]) -> list[Candidate]:
        """The rows that hold the words best; and where more do, those among the nearest that hold them too."""
        text = self.scope.text
        if text is None:
            return []
        images = self.scope.images if self.scope.by_words_alone else words.holding(self.scope.images, text)
        found = self._fetched(BY_WORDS, MOST_BY_WORDS + 1, images, text)
        self.more_hold_words = len(found) > MOST_BY_WORDS
        if self.more_hold_words and nearest:
            among = words.holding(Image.objects.filter(pk__in=nearest), text)
            return found[:MOST_BY_WORDS] + self._fetched(BY_WORDS, len(nearest), among, text)
        return found[:MOST_BY_WORDS]

    @property
    def whole(self) -> Func:
        """What matches the words as whole ones."""
        return words.whole_words(self.scope.query.box.meant)

    @property
    def exactness(self) -> Case:
        """How exactly the title is what was written, as it stands or without what is unwanted."""
        return words.exactness(self.scope.query.box.meant, self.scope.query.words)

    def by_distance(self, images: ImageQuerySet) -> ImageQuerySet:
        """Nearest first, of `measured` images; by date, where nothing in particular is wanted."""
        return images.by_distance(self.aim.towards.distance) if self.aim.towards else by_date(images, self.scope.query)

    def _fetched(self, plan: Plan, most: int, images: ImageQuerySet, holding: Func | None = None) -> list[Candidate]:
        """Return the nearest of these rows, the newest where nothing is wanted, or those that match words best, where
        all are `holding` them.

        Read without the ORM, which takes as long for hundreds of rows as the walk through the index.
        """
        try:
            sql, values = self._query(plan, most, images, holding)
        except EmptyResultSet:
            return []
        return self._read(plan, sql, values)

    def _read(self, plan: Plan, sql: str, values: list[Any]) -> list[Candidate]:
        with planned(plan), connection.cursor() as cursor:
            cursor.execute(sql, values)
            rows = cursor.fetchall()
        return [
            Candidate(
                id=image_id,
                added=added,
                similarity=None if distance is None else 1 - distance,
                exactness=exactness,
                whole=whole,
                text_rank=text_rank,
                unwanted=tuple(1 - one for one in away),
            )
            for image_id, added, distance, exactness, whole, text_rank, *away in rows
        ]

    def _query(self, plan: Plan, most: int, images: ImageQuerySet, holding: Func | None) -> tuple[str, list[Any]]:
        """Return the SQL and its values. Raises EmptyResultSet where no row can be found."""
        images = self.aim.measured(images)
        compiler = images.query.get_compiler(connection=connection)

        def compiled(expression: Expression) -> tuple[str, Sequence[Any]]:
            sql, values = compiler.compile(expression.resolve_expression(images.query))
            return sql, values

        judged = [self.exactness, words.holds(self.whole), words.rank(holding)] if holding else []
        texts = [compiled(part) for part in judged] or [("0", ()), ("false", ()), ("NULL", ())]
        conditions, of_conditions = compiler.compile(images.query.where)
        rows, of_rows = compiler.get_from_clause()
        asked = self._asked()
        distances = [compiled(CosineDistance("vector", _named(name)))[0] for name in asked]
        if not self.aim.towards:
            distances.insert(0, "NULL")
        away = distances[1:]
        order = [distances[0] if self.aim.towards else _by_date(self.scope.query)]
        if self.aim.towards and self.aim.table and not plan.is_exact:
            by_index = indexing.distance("vector", self.aim.table.dimensions, _named("towards"))
            order = [compiled(by_index)[0]]
        else:  # a walk has its own order; rows of one load have the same moment
            order.append("search_image.id")
        if holding:
            # By their places among the columns: exactness, whole, rank.
            order = ["4 DESC", "5 DESC", "6 DESC", *order]
        sql = _SQL.format(
            columns=", ".join([distances[0], *(part for part, _values in texts), *away]),
            rows=" ".join(rows),
            vectors=", ".join(f"%s::halfvec AS {name}" for name in asked),
            conditions=conditions or "true",
            order=", ".join(order),
            most=most,
        )
        of_columns = chain.from_iterable(values for _part, values in texts)
        return sql, [*of_columns, *of_rows, *map(as_text, asked.values()), *of_conditions]

    def _asked(self) -> dict[str, Vector]:
        """The vectors that distances are to, by the names they have in SQL: what is wanted first, if anything is."""
        towards = {"towards": self.aim.towards.vector} if self.aim.towards else {}
        return towards | {f"away_{number}": one.vector for number, one in enumerate(self.aim.away)}


def _named(vector: str) -> RawSQL:
    return RawSQL(vector, [], HalfVectorField())  # noqa: S611 - a name of `_asked`


def _by_date(query: SearchQuery) -> str:
    return "created" if query.sort is Sort.OLDEST else "created DESC"


def _is_whole(found: Sequence[Candidate], enough: int) -> bool:
    """Whether a walk has brought what it must: enough rows, and no crowd of equally near ones.

    It gives up early where a filter or deletions leave few. Copies of one picture are neighbours to nobody but each
    other in the graph: a walk that comes among hundreds of them does not find out.
    """
    return len(found) >= enough and len(found) - len(_without_copies(found, CROWD)) == 0


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
    return images.order_by("created", "id") if query.sort is Sort.OLDEST else images.newest()


def settled(images: ImageQuerySet) -> ImageQuerySet:
    """Return `images` in their order, in which equal ones have a place too: pages would repeat and skip copies."""
    return images.order_by(*images.query.order_by, "id")
