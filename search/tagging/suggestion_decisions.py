"""Decisions about suggestions: accepting tags the picture, in a revision that can be undone; a rejected tag is not
suggested for the picture again, by any model."""

import datetime as dt
import uuid
from collections.abc import Collection
from typing import Any

from django.db import transaction
from django.db.models import F, FloatField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from search import curation
from search.embedding import active_model, text_model
from search.models import Revision, TagSuggestion, TagVector, VocabularyTag
from search.models.sql_statements import execute, fetch_one
from search.tagging.suggesting import decisions
from search.tagging.suggestion_threshold import Measure, threshold

AS_GOOD_AS_EQUAL = 1e-6


def waiting(tag: VocabularyTag) -> "QuerySet[TagSuggestion]":
    """Return the pending suggestions of a tag, strongest first; none for pictures in the trash."""
    return pending(TagSuggestion.objects.filter(tag=tag)).order_by("-similarity", "image")


def pending(suggestions: "QuerySet[TagSuggestion]") -> "QuerySet[TagSuggestion]":
    """Filter suggestions to those that need a decision: above the present threshold, not in the trash."""
    vectors = TagVector.objects.filter(model=active_model(), text_model=text_model())
    here = suggestions.filter(state=TagSuggestion.State.PENDING, image__trashed=None)
    # Models that just became active have no thresholds yet.
    here = here.exclude(tag__phrase="")
    least = Subquery(vectors.filter(tag=OuterRef("tag")).values("threshold")[:1])
    return here.alias(least=Coalesce(least, Value(-2.0), output_field=FloatField())).filter(similarity__gte=F("least"))


def accept(
    tag: VocabularyTag, image_ids: Collection[uuid.UUID], *, by: Any, door: str = Revision.Door.ADMIN
) -> Revision:
    """Tag these pictures; return the revision. Raises the lock errors of `search.models.conflicts`."""
    revision = curation.change(image_ids, curation.Tag([tag.name]), by=by, door=door)
    # Also accept suggestions whose tag another user added meanwhile.
    _settle(tag, image_ids, by)
    retune(tag)
    return revision


def _settle(tag: VocabularyTag, image_ids: Collection[uuid.UUID], by: Any) -> None:
    execute(
        "UPDATE search_tagsuggestion AS its SET state = 'accepted', decided = statement_timestamp(), by_id = %s"
        " FROM search_image AS image WHERE its.tag_id = %s AND its.image_id = ANY(%s) AND its.state = 'pending'"
        " AND image.id = its.image_id AND lower(image.tags::text)::text[] && %s",
        [by.pk if by else None, tag.pk, list(image_ids), [name.lower() for name in tag.names]],
    )


@transaction.atomic
def reject(tag: VocabularyTag, image_ids: Collection[uuid.UUID], *, by: Any) -> tuple[int, dt.datetime]:
    """Reject the tag for these pictures for good; return their number and the timestamp needed to take it back."""
    count, moment = fetch_one(
        "WITH given AS (SELECT image_id, tag_id FROM search_tagsuggestion WHERE tag_id = %s"
        " AND image_id = ANY(%s) AND state = 'pending' ORDER BY image_id FOR UPDATE),"
        " done AS (UPDATE search_tagsuggestion AS its SET state = 'rejected', decided = statement_timestamp(),"
        " by_id = %s FROM given WHERE its.tag_id = given.tag_id AND its.image_id = given.image_id RETURNING 1)"
        " SELECT (SELECT count(*) FROM done), statement_timestamp()",
        [tag.pk, list(image_ids), by.pk if by else None],
    )
    retune(tag)
    return count, moment


@transaction.atomic
def take_back(tag: VocabularyTag, *, moment: dt.datetime | None = None, image_ids: Collection[uuid.UUID] = ()) -> int:
    """Make rejections pending again, by their timestamp or by picture; return how many."""
    which = Q(decided=moment) if moment else Q(image__in=list(image_ids))
    rejected = TagSuggestion.objects.filter(which, tag=tag, state=TagSuggestion.State.REJECTED)
    count = rejected.update(state=TagSuggestion.State.PENDING, decided=None, by=None)
    retune(tag)
    return count


def retune(tag: VocabularyTag) -> None:
    """Update the tag's threshold from the decisions. If it falls, pictures are compared again."""
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
