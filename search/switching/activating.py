"""Activate another pair of models, in one short transaction."""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from search.indexing.index_building import State, index_state
from search.models import ModelSwitch, VectorSet
from search.models.active_pair import Named
from search.models.arrivals import state as arrived
from search.models.sql_statements import execute, fetch_column, now
from search.models.vector_sets import VectorTable, current_set, forget_sets
from search.switching.errors import Refused
from search.switching.switch_row import active, following, kept, put_active, put_kept, put_next, require_counting, save

PREPARE, GO_ON = "manage.py switch_model NEW_IMAGE_MODEL [NEW_TEXT_MODEL]", "manage.py switch_model --activate"


@dataclass(frozen=True, slots=True)
class Swapped:
    """The pair that became active, the seconds for which writers were blocked, and how many pictures have no vector of
    it yet, so that no search finds them."""

    named: Named
    seconds: float
    unfound: int


def require_prepared() -> Named:
    """Return the pair that can be activated. Raises Refused, which says what is missing."""
    row = require_counting(ModelSwitch.objects.first())
    named = following(row)
    if named is None:
        raise Refused(f"Nothing is prepared; {row.image}, {row.text} are active. `{PREPARE}` prepares other models.")
    go_on = f"`manage.py switch_model {named.pair.image} {named.pair.text}` continues"
    if row.prepared is None:
        raise Refused(f"{named.pair.image} is not prepared yet: {go_on}.")
    table = current_set(named.model)
    if named.model != row.model and (table is None or index_state(table) is not State.THERE):
        raise Refused(f"The index of {named.pair.image} is missing: {go_on}.")
    if row.uncopied:
        raise Refused(f"The previous switch has not finished: `{GO_ON}` continues it.")
    return named


def require_kept() -> Named:
    """Return the pair that can be reactivated. Raises Refused."""
    row = require_counting(ModelSwitch.objects.first())
    named = kept(row)
    if named is None:
        raise Refused("There are no previous models to return to.")
    return named


def activate(named: Named) -> Swapped:
    """Activate the prepared pair and keep the present one for going back. Raises Refused."""
    return _swapped(named, is_back=False)


def go_back(named: Named) -> Swapped:
    """Reactivate the previous pair. The present one counts as prepared again; while a third one is being prepared, it
    is kept for going back instead. Raises Refused."""
    return _swapped(named, is_back=True)


def _swapped(named: Named, *, is_back: bool) -> Swapped:
    row = require_counting(ModelSwitch.objects.first())
    forget_sets()
    table = None if named.model == row.model else current_set(named.model)
    mark = arrived().arrived
    lacking = _lacking(table) if table else []
    began = time.perf_counter()
    with transaction.atomic():
        row = require_counting(ModelSwitch.locked())
        before = active(row)
        if named != (kept(row) if is_back else following(row)):
            raise Refused("The models were switched in the meantime.")
        VectorSet.objects.filter(model=before.model).exclude(model=named.model).update(is_kept=True)
        VectorSet.objects.filter(model=named.model).update(is_kept=False)
        unfound = _make_pending(table, [*lacking, *_lacking(table, mark)]) if table else 0
        put_active(row, named)
        row.switched = now()
        if not is_back:
            put_kept(row, before)
            put_next(row, None)
            row.prepared = None
        elif following(row) is None:
            put_kept(row, None)
            put_next(row, before)
            row.prepared = row.switched
        else:
            put_kept(row, before)
        row.uncopied = before.model if before.model != named.model else row.uncopied
        save(row)
    return Swapped(named, time.perf_counter() - began, unfound)


def _lacking(table: VectorTable, after: int | None = None) -> list[uuid.UUID]:
    """Return the images that have a vector but none in `table`: all of them, or those that arrived `after`."""
    newer = "" if after is None else "JOIN search_arrival ON image_id = image.id AND searchable > %s"
    return fetch_column(
        f"SELECT image.id FROM search_image AS image {newer} WHERE embedding_model <> ''"  # noqa: S608 - our own names
        f" AND NOT EXISTS (SELECT FROM {table.table} v WHERE v.image_id = image.id AND v.window_index = 0)",
        [] if after is None else [after],
    )


def _make_pending(table: VectorTable, ids: Sequence[uuid.UUID]) -> int:
    """Make images without a vector of the new model pending, since every counted image must be searchable. Return
    their number."""
    if not ids:
        return 0
    return execute(
        "UPDATE search_image AS image SET embedding = NULL, embedding_model = '', embedding_backend = ''"  # noqa: S608
        " WHERE id = ANY(%s) AND embedding_model <> ''"
        f" AND NOT EXISTS (SELECT FROM {table.table} v WHERE v.image_id = image.id AND v.window_index = 0)",
        [sorted(set(ids))],
    )
