"""Suggested and rejected tags of one picture."""

import uuid

from search.embedding import active_model, text_model
from search.models import TagSuggestion, TagVector
from search.tagging.suggestion_decisions import pending
from search.tagging.suggestion_threshold import Measure

MOST = 20


def suggestions_of(image_id: uuid.UUID) -> list[TagSuggestion]:
    """Return the tags suggested for a picture, strongest first."""
    found = list(pending(TagSuggestion.objects.filter(image=image_id)).select_related("tag"))
    if not found:
        return []
    rows = TagVector.objects.filter(
        model=active_model(), text_model=text_model(), tag__in=[one.tag_id for one in found]
    ).defer("embedding")
    measures = {
        row.tag_id: Measure(row.strong, row.related, row.spread)
        for row in rows
        if row.strong is not None and row.related is not None and row.spread is not None
    }

    def strength(one: TagSuggestion) -> float:
        measure = measures.get(one.tag_id)
        return measure.strength(one.similarity or 0) if measure else 0.0

    return sorted(found, key=lambda one: (-strength(one), one.tag.name))[:MOST]


def rejected_of(image_id: uuid.UUID) -> list[TagSuggestion]:
    """Return the tags rejected for a picture, latest first."""
    rows = TagSuggestion.objects.filter(image=image_id, state=TagSuggestion.State.REJECTED)
    return list(rows.select_related("tag").order_by("-decided", "tag_id")[:MOST])
