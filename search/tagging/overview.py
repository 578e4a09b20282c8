"""All tags, from the vocabulary and from pictures, with numbers of pictures and of pending suggestions."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.core.cache import cache

from search.embedding import active_model, text_model
from search.models import VocabularyTag
from search.models.arrivals import state
from search.models.sql_statements import fetch_all
from search.query.tag_names import read_names
from search.text.folding import fold

CACHED_FOR = 60
"""Seconds for which the tags in use are cached, as long as no picture changes."""
SORTS = ("waiting", "pictures", "name")


@dataclass
class Row:
    """A tag; `tag` is None if it is not in the vocabulary. `pictures` is how many a filter by it finds, including
    hidden ones: an upper bound if there are several `names`, the tags that it matches."""

    name: str
    tag: VocabularyTag | None = None
    waiting: int = 0
    pictures: int = 0
    names: Sequence[str] = field(default_factory=tuple)


def rows_of(words: str, sort: str) -> list[Row]:
    """Return the tags with a name that contains the words."""
    used, names, waits = _used(), read_names(), waiting_by_tag()
    rows = []
    for tag in VocabularyTag.objects.select_related("parent").order_by("pk"):
        found = [name for name in names.found_by(tag.name) if name in used]
        rows.append(Row(tag.name, tag, waits.get(tag.pk, 0), sum(used[name] for name in found), found))
    rows += [Row(name, pictures=count, names=(name,)) for name, count in used.items() if name not in names.all]
    term = fold(words)
    if term:
        called = {row.name: row.tag.names if row.tag else [row.name] for row in rows}
        rows = [row for row in rows if any(term in fold(name) for name in called[row.name])]
    keys = {"pictures": lambda row: (-row.pictures, fold(row.name)), "name": lambda row: fold(row.name)}
    return sorted(rows, key=keys.get(sort, lambda row: (-row.waiting, -row.pictures, fold(row.name))))


def exact_pictures(rows: Sequence[Row]) -> None:
    """Set the exact numbers of pictures of these rows."""
    rows = [row for row in rows if len(row.names) > 1]
    if not rows:
        return
    values = ", ".join(["(%s::int, %s::varchar[])"] * len(rows))
    counts = fetch_all(
        "SELECT number, (SELECT count(*) FROM search_image AS image WHERE tags && its.tags"  # noqa: S608
        " AND NOT EXISTS (SELECT FROM search_trashed WHERE image_id = image.id))"
        f" FROM (VALUES {values}) AS its (number, tags)",
        [one for number, row in enumerate(rows) for one in (number, list(row.names))],
    )
    for number, count in counts:
        rows[number].pictures = count


def waiting_by_tag() -> dict[int, int]:
    """Return the number of pending suggestions by tag, for tags that have any."""
    return dict(
        fetch_all(
            "SELECT its.tag_id, count(*) FROM search_tagsuggestion AS its"
            " JOIN search_vocabularytag AS tag ON tag.id = its.tag_id AND tag.phrase <> ''"
            " LEFT JOIN search_tagvector AS phrase ON phrase.tag_id = its.tag_id"
            " AND phrase.model = %s AND phrase.text_model = %s"
            " WHERE its.state = 'pending' AND its.similarity >= coalesce(phrase.threshold, -2)"
            " AND NOT EXISTS (SELECT FROM search_trashed WHERE image_id = its.image_id) GROUP BY its.tag_id",
            [active_model(), text_model()],
        )
    )


def _used() -> Counter[str]:
    """Return how many pictures have each tag, including hidden ones."""
    now = state()
    found: Counter[str] | None = cache.get_or_set(f"tags-in-use:{now.arrived}:{now.changed}", _count_used, CACHED_FOR)
    return found if found is not None else _count_used()


def _count_used() -> Counter[str]:
    rows = fetch_all(
        "SELECT tag, count(*) FROM search_image AS image, unnest(tags) AS tag"
        " WHERE NOT EXISTS (SELECT FROM search_trashed WHERE image_id = image.id) GROUP BY tag"
    )
    return Counter(dict(rows))
