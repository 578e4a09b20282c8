"""Fold copies on a page of results under the first one, with their number."""

import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db.models import Q

from search.models import DuplicatePair, Image
from search.models.sql_cache import Sql, sql_of
from search.models.sql_statements import fetch_all, id_array


class _Given(NamedTuple):
    ids: Any


def fold(images: Sequence[Image]) -> None:
    """Set `copy_of` on each image with a copy before it, and `copies` on the first of them.

    Pairs of the same picture count, settled or not, and chains of such pairs.
    """
    if len(images) < 2:
        return
    there = [image.pk for image in images]
    pairs = _pairs_among(there)
    if not pairs:
        return
    firsts: dict[uuid.UUID, uuid.UUID] = {}
    place = {image_id: number for number, image_id in enumerate(there)}

    def first_of(image_id: uuid.UUID) -> uuid.UUID:
        while image_id in firsts:
            image_id = firsts[image_id]
        return image_id

    for one, other in pairs:
        ahead, behind = sorted((first_of(one), first_of(other)), key=place.__getitem__)
        if ahead != behind:
            firsts[behind] = ahead
    by_id = {image.pk: image for image in images}
    for image_id in firsts:
        first = first_of(image_id)
        by_id[image_id].copy_of = first
        by_id[first].copies += 1


def _pairs_among(ids: list[uuid.UUID]) -> list[tuple[uuid.UUID, uuid.UUID]]:
    # Django's ORM takes ten times as long for this as the database: each page of results needs it.
    return fetch_all(*sql_of(_made, None, _Given(id_array(ids))))


def _made(_form: None, given: _Given) -> Sql:
    pairs = DuplicatePair.objects.filter(
        ~Q(state=DuplicatePair.State.DIFFERENT),
        kind=DuplicatePair.Kind.SAME,
        first__pk__any_of=given.ids,
        second__pk__any_of=given.ids,
    )
    return pairs.values_list("first_id", "second_id").query.sql_with_params()
