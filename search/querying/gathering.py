"""The candidates of a search: the nearest rows, and those that its words find."""

from django.db.models import BooleanField, ExpressionWrapper, FloatField, Func, Q

from search.querying import words
from search.querying.aiming import Aim
from search.querying.planning import SCAN, Plan, plan_for, planned
from search.querying.ranking import Candidate
from search.querying.scope import Scope
from search.querysets import ImageQuerySet

BY_WORDS = 200
"""Rows found by their words that are candidates too."""
# As a number: hundreds of moments with their time zones take longer to read than the rows take to be found.
_ADDED = Func("created", template="extract(epoch from %(expressions)s)::float8", output_field=FloatField())


class Gathering:
    """Candidates as they are brought from the database.

    `reach` is the least similarity of the nearest ones; `more_hold_words` tells whether more rows hold the words than
    became candidates.
    """

    def __init__(self, scope: Scope, aim: Aim) -> None:
        self.scope = scope
        self.aim = aim
        self.reach = -1.0
        self.more_hold_words = False

    def candidates(self) -> list[Candidate]:
        """Return the candidates, each once, in no order that counts."""
        found = {one.id: one for one in self._nearest()}
        for one in self._found_by_words():
            known = found.setdefault(one.id, one)
            known.text_rank, known.whole = one.text_rank, one.whole
        return list(found.values())

    def _nearest(self) -> list[Candidate]:
        """The nearest rows; the newest, where nothing in particular is wanted."""
        if self.scope.by_words_alone and not self.aim.towards:
            return []
        nearest = self.by_distance(self.scope.images)
        # Rows that hold words are found by the words' own index, however many they are.
        holds = self.scope.query.box.quoted or self.scope.by_words_alone
        plan = SCAN if holds else plan_for(self.scope.total, self.scope.counts.unfiltered)
        found = self._fetched(nearest, plan, plan.candidates)
        if not plan.is_exact and len(found) < min(plan.candidates, self.scope.total):
            # The walk gave up before it met enough rows that pass the filter.
            found = self._fetched(nearest, SCAN, plan.candidates)
        self.reach = min((one.similarity for one in found if one.similarity is not None), default=-1)
        return found

    def _found_by_words(self) -> list[Candidate]:
        if self.scope.text is None:
            return []
        images = self.by_distance(words.holding(self.scope.images, self.scope.text))
        images = images.annotate(text_rank=words.rank(self.scope.text), whole=self.whole)
        found = self._fetched(images, SCAN, BY_WORDS + 1)
        self.more_hold_words = len(found) > BY_WORDS
        return found[:BY_WORDS]

    @property
    def whole(self) -> "ExpressionWrapper[Q]":
        """Whether a row among those that hold the words does so as whole words."""
        return ExpressionWrapper(Q(words=words.whole_words(self.scope.query.box.meant)), output_field=BooleanField())

    def by_distance(self, images: ImageQuerySet) -> ImageQuerySet:
        away = {f"away_{number}": one.distance for number, one in enumerate(self.aim.away)}
        images = images.annotate(**away)
        return images.by_distance(self.aim.towards.distance) if self.aim.towards else images.newest()

    def _fetched(self, images: ImageQuerySet, plan: Plan, most: int) -> list[Candidate]:
        columns = [name for name in ("distance", "text_rank", "whole") if name in images.query.annotations]
        away = [f"away_{number}" for number in range(len(self.aim.away))]
        if plan.is_exact:
            images = settled(images)
        with planned(plan):
            rows = list(images.annotate(added=_ADDED).values("pk", "added", *columns, *away)[:most])
        return [
            Candidate(
                id=row["pk"],
                added=row["added"],
                similarity=1 - row["distance"] if "distance" in row else None,
                text_rank=row.get("text_rank"),
                whole=row.get("whole", False),
                unwanted=tuple(1 - row[name] for name in away),
            )
            for row in rows
        ]


def settled(images: ImageQuerySet) -> ImageQuerySet:
    """Return `images` in their order, in which equal ones have a place too: pages would repeat and skip copies."""
    return images.order_by(*images.query.order_by, "id")
