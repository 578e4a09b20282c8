"""Groups of the same picture that are not decided yet."""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from search.models import DuplicatePair
from search.models.sql_statements import fetch_all

MOST_SHOWN = 60
"""Maximum number of pictures of one group shown for a decision."""


class _Pair(NamedTuple):
    first: uuid.UUID
    second: uuid.UUID
    is_exact: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Pictures connected by pairs. `is_exact`: all pairs have equal pixels."""

    ids: tuple[uuid.UUID, ...]
    is_exact: bool


def pending_groups(kind: str = DuplicatePair.Kind.SAME) -> list[Group]:
    """Return the groups of pending pairs, most certain first.

    Two pictures that somebody marked as different are never in one group, whatever chain connects them: its weakest
    pair is then ignored. Pictures in the trash are left out.
    """
    pairs = _pending(kind)
    sets = _Sets(_different(kind))
    for pair in pairs:
        sets.join(pair.first, pair.second)
    members: defaultdict[uuid.UUID, list[uuid.UUID]] = defaultdict(list)
    for image_id in dict.fromkeys(one for pair in pairs for one in (pair.first, pair.second)):
        members[sets.of(image_id)].append(image_id)
    inexact = {sets.of(pair.first) for pair in pairs if not pair.is_exact}
    return [Group(tuple(ids), root not in inexact) for root, ids in members.items() if len(ids) > 1]


class _Sets:
    """Disjoint sets (union-find) that are not joined if they contain a pair marked as different."""

    def __init__(self, different: Iterable[tuple[uuid.UUID, uuid.UUID]]) -> None:
        self._parent: dict[uuid.UUID, uuid.UUID] = {}
        # By root: pictures that must not join the set.
        self._shunned: defaultdict[uuid.UUID, set[uuid.UUID]] = defaultdict(set)
        self._members: dict[uuid.UUID, set[uuid.UUID]] = {}
        for one, other in different:
            self._shunned[one].add(other)
            self._shunned[other].add(one)

    def of(self, one: uuid.UUID) -> uuid.UUID:
        root = one
        while (above := self._parent.get(root, root)) != root:
            root = above
        while self._parent.get(one, root) != root:
            self._parent[one], one = root, self._parent[one]
        return root

    def join(self, one: uuid.UUID, other: uuid.UUID) -> None:
        small, large = self.of(one), self.of(other)
        if small == large:
            return
        theirs, ours = self._members.setdefault(small, {small}), self._members.setdefault(large, {large})
        if self._shunned.get(small, set()) & ours or self._shunned.get(large, set()) & theirs:
            return
        if len(theirs) > len(ours):
            small, large, theirs, ours = large, small, ours, theirs
        self._parent[small] = large
        ours |= theirs
        del self._members[small]
        if small in self._shunned:
            self._shunned[large] |= self._shunned.pop(small)


def _pending(kind: str) -> Sequence[_Pair]:
    rows = fetch_all(
        "SELECT first_id, second_id, is_exact FROM search_duplicatepair AS pair"
        " WHERE state = 'pending' AND kind = %s"
        " AND NOT EXISTS (SELECT FROM search_trashed WHERE image_id IN (pair.first_id, pair.second_id))"
        " ORDER BY is_exact DESC, bits NULLS LAST, similarity DESC, id",
        [kind],
    )
    return [_Pair(*row) for row in rows]


def _different(kind: str) -> Sequence[tuple[uuid.UUID, uuid.UUID]]:
    """Return pairs marked as different whose pictures are both in pending pairs."""
    return fetch_all(
        "WITH asked AS (SELECT first_id AS id FROM search_duplicatepair WHERE state = 'pending' AND kind = %s"
        " UNION SELECT second_id FROM search_duplicatepair WHERE state = 'pending' AND kind = %s)"
        " SELECT first_id, second_id FROM search_duplicatepair WHERE state = 'different'"
        " AND first_id IN (SELECT id FROM asked) AND second_id IN (SELECT id FROM asked)",
        [kind, kind],
    )
