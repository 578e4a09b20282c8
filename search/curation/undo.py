"""Undo a revision by another revision, which can itself be undone."""

import json
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Q

from search.curation import bulk_changes
from search.curation.album_deletion import is_of_deletion, undo_deletion
from search.curation.revisions import record
from search.curation.snapshots import as_bytes, lock, mark_of
from search.models import DuplicatePair, Edit, Image, Revision
from search.models.edits_with_history import difference, group_of
from search.models.given_states import Row, State
from search.models.sql_statements import fetch_all


class Kept(NamedTuple):
    """The number of pictures left as somebody changed them later; `name` is "" if unknown."""

    name: str
    pictures: int


@dataclass(frozen=True, slots=True)
class Undone:
    """The result: `revision` records what was restored, and is unsaved (no pk) if nothing was.

    `kept` counts pictures whose same fields were changed later, by user; `gone` are pictures deleted since.
    `was_undone`: it had been undone before, so nothing was done.
    """

    revision: Revision
    kept: Sequence[Kept] = ()
    gone: int = 0
    was_undone: bool = False

    @property
    def count(self) -> int:
        return self.revision.count


@transaction.atomic
def undo(
    revision: Revision, *, by: Any = None, door: str = Revision.Door.ELSEWHERE, also_later: bool = False
) -> Undone:
    """Undo a revision, completely or not at all; with `also_later`, later changes are overwritten, too.

    Undoing an undo redoes the change. Raises the lock errors of `search.models.conflicts`, and Revision.DoesNotExist
    if the revision is no longer stored.
    """
    made = Revision(kind=Revision.Kind.UNDO, by=by, door=door, undoes_id=revision.pk)
    if is_of_deletion(revision):
        return _undo_deletion(revision, made)
    kept: dict[uuid.UUID, set[str]] = {}
    seen = 0
    # Lock order: images, then revisions. A concurrent second undo finds it undone.
    for edits in _batches(revision):
        states = lock(Image.objects.filter(pk__any_of=edits.keys()), sorted(_names(edits.values())))
        if not seen and revision.was_undone_by_now() and not also_later:
            return Undone(made, was_undone=True)
        seen += len(states)
        rows = []
        known: dict[tuple[_Edit, bytes], tuple[Row | None, set[str]]] = {}
        for image_id, state in states.items():
            key = edits[image_id], as_bytes(state)
            if key not in known:
                known[key] = _undone(image_id, state, edits[image_id], also_later=also_later)
            row, left = known[key]
            if left:
                kept[image_id] = left
            if row:
                rows.append(Row(image_id, row.before, row.after))
        bulk_changes.put(rows, by)
        record(made, rows)
    if revision.kind == Revision.Kind.MERGE:
        _ask_again(revision)
    count = _link(revision, made)
    return Undone(made, _kept_by(kept, revision), max(0, count - seen))


def _ask_again(revision: Revision) -> None:
    """Make the pairs pending again that this revision settled: who undoes it wants to decide anew."""
    restored = Edit.objects.filter(revision=revision.pk, after__trashed=True).values("image")
    since = Revision.objects.filter(pk=revision.pk).values("created")
    settled = DuplicatePair.objects.filter(state=DuplicatePair.State.SETTLED, decided__gte=since)
    settled.filter(Q(first__in=restored) | Q(second__in=restored)).update(
        state=DuplicatePair.State.PENDING, decided=None, by=None
    )


def _undo_deletion(revision: Revision, made: Revision) -> Undone:
    """Lock order: the album, then the revision. A concurrent second undo finds it done."""
    if not undo_deletion(revision, made):
        return Undone(made, was_undone=True)
    _link(revision, made)
    return Undone(made)


@dataclass(frozen=True, eq=False, slots=True)
class _Edit:
    """What was recorded of all pictures with the same change."""

    before: State
    after: State


_EDITS = """
SELECT image_id, before::text, after::text FROM search_edit WHERE revision_id = %s AND image_id > %s
ORDER BY image_id LIMIT %s
"""


def _batches(revision: Revision) -> Iterator[Mapping[uuid.UUID, _Edit]]:
    last = uuid.UUID(int=0)
    while some := fetch_all(_EDITS, [revision.pk, last, bulk_changes.AT_ONCE]):
        read = {texts: _Edit(*map(json.loads, texts)) for texts in {(before, after) for _, before, after in some}}
        yield {image_id: read[before, after] for image_id, before, after in some}
        if len(some) < bulk_changes.AT_ONCE:
            return
        last = some[-1][0]


def _names(edits: Iterable[_Edit]) -> set[str]:
    return {name for edit in set(edits) for name in edit.before if name != "edited"}


def _undone(image_id: uuid.UUID, state: State, edit: _Edit, *, also_later: bool) -> tuple[Row | None, set[str]]:
    """Return what undoing an edit changes of a picture, and the fields that were changed later and stay."""
    before, left = _put_back(edit, state, also_later=also_later)
    return difference(image_id, _like(state, before), before), left


def _put_back(edit: _Edit, state: State, *, also_later: bool) -> tuple[State, set[str]]:
    """Return what to restore of one picture, and the fields that were changed later and stay."""
    back: dict[str, Any] = {}
    left: set[str] = set()
    names = [name for name in edit.before if name != "edited"]
    for name in names:
        group = [each for each in group_of(name) if each in edit.before]
        is_before = all(state[each] == edit.before[each] for each in group)
        is_after = all(state[each] == edit.after[each] for each in group)
        if is_before:
            continue
        if is_after or also_later:
            back[name] = edit.before[name]
        else:
            left.add(name)
    noted = edit.before.get("edited", {})
    marks = {mark: noted[mark] for mark in {mark_of(name) for name in back} if mark in noted}
    return {**back, "edited": marks}, left


def _like(state: State, after: State) -> State:
    """Return the part of `state` with the fields of `after`."""
    return {name: state[name] for name in after if name != "edited"} | {
        "edited": {name: state.get("edited", {}).get(name, False) for name in after["edited"]}
    }


def _link(revision: Revision, made: Revision) -> int:
    """Record which revision undid this one; revisions that it had undone itself are in effect again. Returns its
    number of pictures. Raises Revision.DoesNotExist."""
    counts = dict(
        fetch_all(
            "UPDATE search_revision SET undone_by_id = CASE WHEN id = %(undone)s THEN coalesce(%(made)s, undone_by_id)"
            " END WHERE id = %(undone)s OR (undone_by_id = %(undone)s AND %(made)s::bigint IS NOT NULL)"
            " RETURNING id, count",
            {"undone": revision.pk, "made": made.pk},
        )
    )
    if revision.pk not in counts:
        raise Revision.DoesNotExist
    return int(counts[revision.pk])


def _kept_by(kept: Mapping[uuid.UUID, set[str]], revision: Revision) -> tuple[Kept, ...]:
    """Return who changed a kept field last, with the number of pictures."""
    if not kept:
        return ()
    fields = sorted(set().union(*kept.values()))
    by = dict(
        fetch_all(
            "SELECT DISTINCT ON (edit.image_id) edit.image_id, later.by_id FROM search_edit AS edit"
            " JOIN search_revision AS later ON later.id = edit.revision_id"
            " WHERE edit.image_id = ANY(%s) AND edit.revision_id > %s AND edit.after ?| %s"
            " ORDER BY edit.image_id, edit.revision_id DESC",
            [list(kept), revision.pk, fields],
        )
    )
    users = get_user_model().objects.in_bulk({user for user in by.values() if user})
    counts: Counter[str] = Counter()
    for image_id in kept:
        user = users.get(by.get(image_id))
        counts[user.get_username() if user else ""] += 1
    return tuple(Kept(name, count) for name, count in counts.most_common())
