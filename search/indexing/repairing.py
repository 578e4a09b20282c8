"""Repair: compares a vector set with the images' own vectors, which are authoritative, and corrects it.

Triggers keep both equal. They can differ after a trigger was disabled, by hand or by a partial restore, or after disk
pages were damaged.
"""

from dataclasses import dataclass
from typing import Any

from django.db import transaction

from search.models import Image, ModelSwitch, VectorSet
from search.models.accepted_models import accepted_names
from search.models.sql_statements import execute, fetch_one, fetch_value
from search.models.vector_sets import VectorTable, make_set

# Only images of the set's own model: those of other accepted ones have their vectors in the set alone.
_MISSING = (
    "search_image AS image WHERE embedding_model = %(model)s AND NOT EXISTS "
    "(SELECT FROM {table} WHERE image_id = image.id AND window_index = 0)"
)
_LEFT = (
    "{table} AS its WHERE NOT EXISTS "
    "(SELECT FROM search_image AS image WHERE image.id = its.image_id AND embedding_model = ANY(%(accepted)s))"
)
# Windows of these images: of other accepted models, too, since a set has its own.
_LACKING_WINDOWS = (
    "search_image AS image WHERE embedding_model = ANY(%(accepted)s) AND windows <> '{}' "
    "AND cardinality(windows) / 4 > "
    "(SELECT count(*) FROM {table} AS its WHERE its.image_id = image.id AND its.window_index > 0)"
)
_OTHER = (
    "image.id = its.image_id AND its.window_index = 0 AND image.embedding_model = %(model)s "
    "AND its.embedding <> image.embedding"
)

_DELETE_LEFT = f"WITH gone AS (DELETE FROM {_LEFT} RETURNING 1) SELECT count(*) FROM gone"  # noqa: S608 - constants
_UPDATE_OTHER = (
    "WITH changed AS (UPDATE {table} AS its SET embedding = image.embedding FROM search_image AS image "  # noqa: S608
    f"WHERE {_OTHER} RETURNING 1) SELECT count(*) FROM changed"
)
# Their boxes are computed again, with the vectors, by `embed_pending --windows`.
_MAKE_WINDOWS_PENDING = (
    "WITH emptied AS (UPDATE search_image SET windows = NULL, embedding_failure = '' "  # noqa: S608
    f"WHERE id IN (SELECT id FROM {_LACKING_WINDOWS}) RETURNING 1) SELECT count(*) FROM emptied"
)
_INSERT_MISSING = (
    "WITH made AS (INSERT INTO search_imagevector (set_id, image_id, embedding) "  # noqa: S608
    f"SELECT %(set)s, id, embedding FROM {_MISSING} RETURNING 1) SELECT count(*) FROM made"
)


@dataclass(frozen=True)
class Differences:
    """Counts of vectors that the set lacks, that belong to no image any more, and that differ from the image's; and of
    images that lack vectors of windows."""

    missing: int
    left: int
    other: int
    windows: int

    def __bool__(self) -> bool:
        return bool(self.missing or self.left or self.other or self.windows)


def differences(table: VectorTable) -> Differences:
    """Compare the current set with the images. Reads all vectors: a second for 300,000."""
    compared = (_MISSING, _LEFT, f"{{table}} AS its JOIN search_image AS image ON {_OTHER}", _LACKING_WINDOWS)
    counts = (_executed(table, f"SELECT count(*) FROM {what}") for what in compared)  # noqa: S608 - constants
    return Differences(*counts)


def make_missing_set(model: str) -> VectorTable | None:
    """Create the set of a model of which images have vectors, but which has none; None where no image has any."""
    row = fetch_one(
        "SELECT vector_dims(embedding) FROM search_image WHERE embedding_model = %s AND embedding IS NOT NULL LIMIT 1",
        [model],
    )
    return make_set(model, row[0]) if row else None


def repair(table: VectorTable) -> Differences:
    """Make the current set equal to the images; return the differences corrected. Windows can't be copied from there:
    those of the images that lack some are pending afterwards."""
    with transaction.atomic():
        # Else a vector that an image loses meanwhile could be copied after its deletion.
        execute("LOCK TABLE search_image IN SHARE ROW EXCLUSIVE MODE")
        left = _executed(table, _DELETE_LEFT)
        other = _executed(table, _UPDATE_OTHER)
        missing = _executed(table, _INSERT_MISSING)
        windows = _executed(table, _MAKE_WINDOWS_PENDING)
    return Differences(missing, left, other, windows)


def superseded_sets(table: VectorTable) -> list[VectorSet]:
    """Return the other sets of the same model: repartitioning was killed before it was finished, or before it had
    dropped the old set. Every added picture is written to them, too."""
    return list(VectorSet.objects.filter(model=table.model).exclude(pk=table.id))


def unused_sets(active: str) -> list[VectorSet]:
    """Return the current sets of models without any image, which are neither active, nor kept, nor in preparation."""
    row = ModelSwitch.objects.first()
    wanted = [active, *((row.next_model, row.kept_model, row.uncopied) if row else ())]
    sets = VectorSet.objects.exclude(model__in=wanted).filter(is_kept=False, is_current=True)
    return [each for each in sets if not Image.objects.filter(embedding_model=each.model).exists()]


def _executed(table: VectorTable, statement: str) -> int:
    values: dict[str, Any] = {"model": table.model, "set": table.id, "accepted": list(accepted_names(table.model))}
    return int(fetch_value(statement.replace("{table}", f'"{table.table}"'), values))
