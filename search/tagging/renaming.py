"""Tags that get another name, or become one. What they were called stays a name by which they are found."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils.translation import gettext as _

from search.curation import retag
from search.models import Revision, VocabularyTag
from search.models.tagging import MOST_ALIASES, lock_vocabulary
from search.query.tag_names import forget_names
from search.text.normalization import normalised_text


@transaction.atomic
def rename(tag: VocabularyTag, name: str, *, by: Any = None, door: str = Revision.Door.ADMIN) -> Revision:
    """Call a tag `name`, of all pictures that have it; return the revision. What else the tag is given is saved too.

    Undoing the revision gives the pictures their tags back, by which they are found as well. Raises ValidationError,
    and what `search.models.conflicts` speaks of.
    """
    lock_vocabulary()
    former, tag.name = _name_of(tag), normalised_text(name)
    if former.casefold() != tag.name.casefold():
        tag.aliases = _with_aliases(tag, [former])
    tag.full_clean()
    tag.save()
    forget_names()
    return retag(spellings([former]), tag.name, by=by, door=door)


@transaction.atomic
def merge(tag: VocabularyTag, into: VocabularyTag, *, by: Any = None, door: str = Revision.Door.ADMIN) -> Revision:
    """Have pictures with one tag have another one in its place, and that be found by all names of both; return the
    revision. What people have decided about the one counts for the other. Raises as `rename` does."""
    if tag.pk == into.pk:
        raise ValidationError(_("A tag can't be merged into itself."))
    lock_vocabulary()
    names = tag.names
    if into in set(VocabularyTag.objects.filter(parent=tag)) or tag in list(into.wider()):
        _lift(tag, into)
    VocabularyTag.objects.filter(parent=tag).exclude(pk=into.pk).update(parent=into)
    _hand_over(tag, into)
    tag.delete()
    into.aliases = _with_aliases(into, names)
    into.full_clean()
    into.save()
    forget_names()
    return retag(spellings(names), into.name, by=by, door=door)


def _name_of(tag: VocabularyTag) -> str:
    return VocabularyTag.objects.values_list("name", flat=True).get(pk=tag.pk)


def _lift(tag: VocabularyTag, into: VocabularyTag) -> None:
    """Of two that are within each other the wider is about to go: what it is within holds the narrower then."""
    into.parent = tag.parent
    into.save(update_fields=["parent"])


def _with_aliases(tag: VocabularyTag, names: list[str]) -> list[str]:
    """Return its aliases with these, the newest first to stay where there are too many."""
    own = {name.casefold() for name in (tag.name, tag.english, tag.korean)}
    known: dict[str, str] = {}
    for name in [*names, *tag.aliases]:
        if name.casefold() not in own:
            known.setdefault(name.casefold(), name)
    return list(known.values())[:MOST_ALIASES]


def _hand_over(tag: VocabularyTag, into: VocabularyTag) -> None:
    """Decisions go along; what was decided of the other one stays as it is."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO search_tagsuggestion AS known"
            " (tag_id, image_id, state, created, decided, was_rejected, by_id)"
            " SELECT %s, image_id, state, created, decided, was_rejected, by_id FROM search_tagsuggestion"
            " WHERE tag_id = %s AND state <> 'pending' ORDER BY image_id ON CONFLICT (tag_id, image_id) DO UPDATE"
            " SET state = excluded.state, decided = excluded.decided, by_id = excluded.by_id,"
            " was_rejected = excluded.was_rejected WHERE known.state = 'pending'",
            [into.pk, tag.pk],
        )
        # Their similarities are yet to be known, and with them the threshold.
        cursor.execute("UPDATE search_tagvector SET compared = 0 WHERE tag_id = %s", [into.pk])


def spellings(names: list[str]) -> list[str]:
    """Return these tags in all the ways in which pictures spell them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT tag FROM search_image, unnest(tags) AS tag WHERE lower(tag) = ANY(%s)",
            [[name.lower() for name in names]],
        )
        return sorted(tag for (tag,) in cursor.fetchall())
