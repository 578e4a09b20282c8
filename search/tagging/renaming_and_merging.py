"""Rename and merge tags. Former names stay as aliases, by which they are found."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from search.curation import retag
from search.models import Revision, VocabularyTag
from search.models.sql_statements import execute, fetch_all
from search.models.tagging import MOST_ALIASES, lock_vocabulary
from search.query.tag_names import forget_names
from search.text.normalization import normalised_text


@transaction.atomic
def rename(tag: VocabularyTag, name: str, *, by: Any = None) -> Revision:
    """Rename a tag on all pictures; return the revision. Saves other changes of `tag`, too.

    Undoing the revision restores the pictures' tags, which searches still find. Raises ValidationError, and the lock
    errors of `search.models.conflicts`.
    """
    lock_vocabulary()
    former, tag.name = _name_of(tag), normalised_text(name)
    if former.casefold() != tag.name.casefold():
        tag.aliases = _with_aliases(tag, [former])
    tag.full_clean()
    tag.save()
    forget_names()
    return retag(spellings([former]), tag.name, by=by, door=Revision.Door.ADMIN)


@transaction.atomic
def merge(tag: VocabularyTag, into: VocabularyTag, *, by: Any = None) -> Revision:
    """Replace a tag by another one, which gets all its names; return the revision. Decisions about the first apply to
    the second. Raises as `rename` does."""
    if tag.pk == into.pk:
        raise ValidationError(_("A tag can't be merged into itself."))
    lock_vocabulary()
    names = tag.names
    if into in set(VocabularyTag.objects.filter(parent=tag)) or tag in list(into.wider()):
        _move_up(tag, into)
    VocabularyTag.objects.filter(parent=tag).exclude(pk=into.pk).update(parent=into)
    _hand_over(tag, into)
    tag.delete()
    into.aliases = _with_aliases(into, names)
    into.full_clean()
    into.save()
    forget_names()
    return retag(spellings(names), into.name, by=by, door=Revision.Door.ADMIN)


def _name_of(tag: VocabularyTag) -> str:
    return VocabularyTag.objects.values_list("name", flat=True).get(pk=tag.pk)


def _move_up(tag: VocabularyTag, into: VocabularyTag) -> None:
    """Before the broader of the two is deleted, move the narrower one up to the broader one's parent."""
    into.parent = tag.parent
    into.save(update_fields=["parent"])


def _with_aliases(tag: VocabularyTag, names: list[str]) -> list[str]:
    """Return the tag's aliases with these names; if there are too many, the oldest are dropped."""
    own = {name.casefold() for name in (tag.name, tag.english, tag.korean)}
    known: dict[str, str] = {}
    for name in [*names, *tag.aliases]:
        if name.casefold() not in own:
            known.setdefault(name.casefold(), name)
    return list(known.values())[:MOST_ALIASES]


def _hand_over(tag: VocabularyTag, into: VocabularyTag) -> None:
    """Copy decisions to the other tag, whose own decisions take precedence."""
    execute(
        "INSERT INTO search_tagsuggestion AS known"
        " (tag_id, image_id, state, created, decided, was_rejected, by_id)"
        " SELECT %s, image_id, state, created, decided, was_rejected, by_id FROM search_tagsuggestion"
        " WHERE tag_id = %s AND state <> 'pending' ORDER BY image_id ON CONFLICT (tag_id, image_id) DO UPDATE"
        " SET state = excluded.state, decided = excluded.decided, by_id = excluded.by_id,"
        " was_rejected = excluded.was_rejected WHERE known.state = 'pending'",
        [into.pk, tag.pk],
    )
    # Their similarities, and so the threshold, are not known yet.
    execute("UPDATE search_tagvector SET compared = 0 WHERE tag_id = %s", [into.pk])


def spellings(names: list[str]) -> list[str]:
    """Return all spellings of these tags on pictures."""
    rows = fetch_all(
        "SELECT DISTINCT tag FROM search_image, unnest(tags) AS tag WHERE lower(tag) = ANY(%s)",
        [[name.lower() for name in names]],
    )
    return sorted(tag for (tag,) in rows)
