"""What people say of suggestions: accepted, a picture gets the tag, as a change that can be undone; rejected, it is
not suggested for that picture again, by any model."""

import datetime as dt
import uuid
from collections.abc import Collection
from typing import Any

from django.db import connection, transaction
from django.db.models import F, FloatField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from search import curation
from search.embedding import active_model, text_model
from search.models import Revision, TagSuggestion, TagVector, VocabularyTag
from search.tagging.suggesting import decisions
from search.tagging.thresholds import Measure, threshold

AS_GOOD_AS_EQUAL = 1e-6


def waiting(tag: VocabularyTag) -> "QuerySet[TagSuggestion]":
    """Return what is suggested of a tag now, strongest first; none of it is in the trash."""
    return pending(TagSuggestion.objects.filter(tag=tag)).order_by("-similarity", "image")


def pending(suggestions: "QuerySet[TagSuggestion]") -> "QuerySet[TagSuggestion]":
    """Return those of some suggestions that wait for somebody to decide: as they stand out by now, of pictures that
    are not in the trash."""
    vectors = TagVector.objects.filter(model=active_model(), text_model=text_model())
    here = suggestions.filter(state=TagSuggestion.State.PENDING, image__trashed=None)
    # Of models that have just become active there are no thresholds yet.
    here = here.exclude(tag__phrase="")
    least = Subquery(vectors.filter(tag=OuterRef("tag")).values("threshold")[:1])
    return here.alias(least=Coalesce(least, Value(-2.0), output_field=FloatField())).filter(similarity__gte=F("least"))


def accept(
    tag: VocabularyTag, image_ids: Collection[uuid.UUID], *, by: Any, door: str = Revision.Door.ADMIN
) -> Revision:
    """Tag these pictures; return the revision that can be undone. Raises what `search.models.conflicts` speaks of."""
    revision = curation.change(image_ids, curation.Tag([tag.name]), by=by, door=door)
    # Whoever else has tagged them meanwhile has accepted it too.
    _settle(tag, image_ids, by)
    retune(tag)
    return revision


def _settle(tag: VocabularyTag, image_ids: Collection[uuid.UUID], by: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE search_tagsuggestion AS its SET state = 'accepted', decided = statement_timestamp(), by_id = %s"
            " FROM search_image AS image WHERE its.tag_id = %s AND its.image_id = ANY(%s) AND its.state = 'pending'"
            " AND image.id = its.image_id AND lower(image.tags::text)::text[] && %s",
            [by.pk if by else None, tag.pk, list(image_ids), [name.lower() for name in tag.names]],
        )


@transaction.atomic
def reject(tag: VocabularyTag, image_ids: Collection[uuid.UUID], *, by: Any) -> tuple[int, dt.datetime]:
    """Have a tag never be suggested again for these pictures; return for how many, and the moment by which that can be
    taken back."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH given AS (SELECT image_id, tag_id FROM search_tagsuggestion WHERE tag_id = %s"
            " AND image_id = ANY(%s) AND state = 'pending' ORDER BY image_id FOR UPDATE),"
            " done AS (UPDATE search_tagsuggestion AS its SET state = 'rejected', decided = statement_timestamp(),"
            " by_id = %s FROM given WHERE its.tag_id = given.tag_id AND its.image_id = given.image_id RETURNING 1)"
            " SELECT (SELECT count(*) FROM done), statement_timestamp()",
            [tag.pk, list(image_ids), by.pk if by else None],
        )
        count, moment = cursor.fetchone()
    retune(tag)
    return count, moment


@transaction.atomic
def take_back(tag: VocabularyTag, *, moment: dt.datetime | None = None, image_ids: Collection[uuid.UUID] = ()) -> int:
    """Have what was rejected at a moment, or of some pictures, wait again; return how many."""
    which = Q(decided=moment) if moment else Q(image__in=list(image_ids))
    rejected = TagSuggestion.objects.filter(which, tag=tag, state=TagSuggestion.State.REJECTED)
    count = rejected.update(state=TagSuggestion.State.PENDING, decided=None, by=None)
    retune(tag)
    return count


def retune(tag: VocabularyTag) -> None:
    """Have the tag's threshold be as people's decisions make it. Where it falls, pictures are compared once more."""
    row = TagVector.objects.filter(tag=tag, model=active_model(), text_model=text_model()).first()
    if row is None or row.strong is None or row.related is None or row.spread is None or row.threshold is None:
        return
    measure = Measure(row.strong, row.related, row.spread)
    after = threshold(measure, *decisions([tag.pk]).get(tag.pk, ([], [])))
    rows = TagVector.objects.filter(pk=row.pk)
    if after < (row.strong if row.reached is None else row.reached) - AS_GOOD_AS_EQUAL:
        rows.update(threshold=after, compared=0)
    else:
        rows.update(threshold=after)
