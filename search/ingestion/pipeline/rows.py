"""Write the rows of pictures in batches: COPY into a staging table, then insert the new ones."""

import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import Field
from pgvector import HalfVector
from pgvector.psycopg import register_vector
from psycopg import sql

from search.curation.metadata_import import write_captures
from search.embedding import active_model, require_stored
from search.imaging import Colours
from search.ingestion.edits_kept import copy_to_new_version
from search.ingestion.fingerprints_of_changed_files import write_fingerprints
from search.ingestion.palettes import write_palettes
from search.ingestion.pipeline.window_vectors import Encoded, write_windows
from search.ingestion.seen_before import record
from search.ingestion.vectors_of_other_models import block_switch, write_other_vectors
from search.models import FormerId, Image, Origin, OwedDeletion, Tombstone
from search.models.accepted_models import accepted_names
from search.models.sql_statements import execute, fetch_all

_STAGING = sql.Identifier("image_staging")
_IMAGES = sql.Identifier(Image._meta.db_table)
_TOMBSTONES = sql.Identifier(Tombstone._meta.db_table)
# Without the columns that the database fills in: generated ones and timestamps.
_FIELDS: "list[Field[Any, Any]]" = [
    field for field in Image._meta.concrete_fields if not field.generated and field.name not in {"created", "updated"}
]
_COLUMNS = sql.SQL(", ").join([sql.Identifier(field.attname) for field in _FIELDS])
_LACKS_VECTOR = sql.SQL("there.embedding_model <> staged.embedding_model AND staged.embedding IS NOT NULL")
_NOW_WITH_US = sql.SQL("staged.original_location = '' AND there.original_location <> ''")
_OF_THE_VECTOR = ("embedding", "embedding_model", "embedding_backend", "embedding_failure", "windows")


class Written(NamedTuple):
    """Ids of rows that got a vector of their model, and of pictures that were deleted meanwhile."""

    new: set[uuid.UUID]
    deleted: set[uuid.UUID]


class Staging:
    """Writes rows through a temporary table of this connection. Created by `staging`."""

    def __init__(self, types: Mapping[str, int]) -> None:
        self._types = [types[field.attname] for field in _FIELDS]

    def write(self, images: Sequence[Image], origins: Sequence[Origin | None] = (), *, again: bool = False) -> Written:
        """Write rows and their origins in one transaction.

        Images with a vector also replace rows with vectors of other models. Images without one leave existing rows
        alone. Deleted pictures stay deleted unless `again` is set. Any number of processes may write the same rows at
        once: all lock in the order of the ids. Raises ModelUnavailable if the dimensions differ from the stored
        vectors.
        """
        for model, dimensions in {
            (image.embedding_model, len(image.embedding)) for image in images if image.embedding is not None
        }:
            require_stored(model, dimensions)
        with transaction.atomic():
            settle_models(images)
            new = self._insert(images)
            if again:
                Tombstone.objects.filter(pk__in=new).delete()
            deleted = self._leave_deleted(new)
            new -= deleted
            write_further([image for image in images if image.pk in new])
            there = [image for image in images if image.said and image.pk in new]
            write_captures(
                {image.pk: image.said for image in there if image.said},
                {image.pk: image.of_file for image in there if image.of_file},
                {image.pk: image.stated for image in there},
            )
            write_fingerprints({image.pk: image.of_file.perceptual for image in there if image.of_file})
            write_palettes(_colours(there))
            # Under the locks of `block_deletions` no object was deleted meanwhile, so none is pending now.
            OwedDeletion.objects.filter(pk__in=new).delete()
            for image_id, present in FormerId.present(new).items():
                copy_to_new_version(image_id, present)
            FormerId.objects.filter(pk__in=new).delete()
            record(origins)
        return Written(new, deleted)

    def _leave_deleted(self, new: set[uuid.UUID]) -> set[uuid.UUID]:
        """Delete new rows of pictures that were deleted; return their ids."""
        # Only now: the insertion has waited for a concurrent deletion of the same picture.
        rows = fetch_all(
            sql.SQL(
                "DELETE FROM {} image USING {} tombstone WHERE image.id = tombstone.image_id"
                " AND image.id = ANY(%s) RETURNING image.id"
            ).format(_IMAGES, _TOMBSTONES),
            [sorted(new)],
        )
        return {row[0] for row in rows}

    def _insert(self, images: Sequence[Image]) -> set[uuid.UUID]:
        if not images:
            return set()
        with connection.cursor() as cursor:
            copy = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(_STAGING, _COLUMNS)
            with cursor.copy(copy) as rows:
                rows.set_types(self._types)
                for image in images:
                    rows.write_row([self._value(field, image) for field in _FIELDS])
            cursor.execute(
                sql.SQL(
                    "INSERT INTO {images} ({columns}) SELECT {columns} FROM {staging} ORDER BY id "
                    "ON CONFLICT (id) DO NOTHING RETURNING id"
                ).format(images=_IMAGES, staging=_STAGING, columns=_COLUMNS)
            )
            new = {row[0] for row in cursor.fetchall()}
            if len(new) < len(images):
                self._lock_what_changes(cursor)
                new |= self._update_vectors(cursor)
                self._clear_locations(cursor)
            cursor.execute(sql.SQL("TRUNCATE {}").format(_STAGING))
        return new

    def _value(self, field: "Field[Any, Any]", image: Image) -> Any:
        value = field.pre_save(image, add=True)
        return HalfVector(value) if field.name == "embedding" and value is not None else value

    def _lock_what_changes(self, cursor: Any) -> None:
        """Lock the existing rows that will change, in the order of their ids."""
        cursor.execute(
            sql.SQL(
                "SELECT FROM {images} there JOIN {staging} staged USING (id) WHERE ({lacks_vector}) OR ({comes_home}) "
                "ORDER BY id FOR NO KEY UPDATE OF there"
            ).format(images=_IMAGES, staging=_STAGING, lacks_vector=_LACKS_VECTOR, comes_home=_NOW_WITH_US)
        )

    def _update_vectors(self, cursor: Any) -> set[uuid.UUID]:
        """Copy staged vectors to existing rows without a vector of this model."""
        changes = sql.SQL(", ").join(
            [sql.SQL("{0} = staged.{0}").format(sql.Identifier(column)) for column in _OF_THE_VECTOR]
        )
        cursor.execute(
            sql.SQL(
                "UPDATE {images} there SET {changes} FROM {staging} staged "
                "WHERE there.id = staged.id AND {lacks_vector} RETURNING there.id"
            ).format(images=_IMAGES, staging=_STAGING, changes=changes, lacks_vector=_LACKS_VECTOR)
        )
        return {row[0] for row in cursor.fetchall()}

    def _clear_locations(self, cursor: Any) -> None:
        """Clear `original_location` of existing rows whose originals were now stored with us."""
        cursor.execute(
            sql.SQL(
                "UPDATE {images} there SET original_location = '' FROM {staging} staged "
                "WHERE there.id = staged.id AND {comes_home}"
            ).format(images=_IMAGES, staging=_STAGING, comes_home=_NOW_WITH_US)
        )


def _colours(images: Sequence[Image]) -> dict[uuid.UUID, Colours]:
    return {image.pk: image.of_file.colours for image in images if image.of_file and image.of_file.colours}


def settle_models(images: Sequence[Image]) -> None:
    """Make the active model's vectors those of the images, if it changed since they were encoded.

    Images without such a vector become pending. Blocks model switches until the transaction ends.
    """
    for model in {image.embedding_model for image in images if image.embedding_model}:
        wanted = block_switch(model)
        for image in images if wanted != model else ():
            if image.embedding_model == model:
                _exchange(image, wanted)


def _exchange(image: Image, model: str) -> None:
    own = image.embedding_model, Encoded(image.embedding, tuple(image.window_vectors))
    image.embedding, image.embedding_model, image.embedding_backend = None, "", ""
    image.windows, image.window_vectors = None, ()
    if image.next_vector and image.next_vector[0] == model:
        image.embedding_model = model
        image.next_vector[1].set_on(image)
    image.next_vector = own


def write_further(images: Sequence[Image]) -> None:
    """Write window vectors, and the vectors of the next or previous model."""
    for model in {image.embedding_model for image in images if image.window_vectors}:
        write_windows({image.pk: image.window_vectors for image in images if image.embedding_model == model}, model)
    others: dict[str, dict[uuid.UUID, Encoded]] = defaultdict(dict)
    for image in images:
        if image.next_vector:
            model, encoded = image.next_vector
            others[model][image.pk] = encoded
    for model, found in others.items():
        write_other_vectors(model, found)


@contextmanager
def staging() -> Iterator[Staging]:
    """Create the staging table for the block."""
    execute(sql.SQL("DROP TABLE IF EXISTS {}").format(_STAGING))
    execute(sql.SQL("CREATE TEMPORARY TABLE {} AS SELECT {} FROM {} WITH NO DATA").format(_STAGING, _COLUMNS, _IMAGES))
    types = dict(
        fetch_all(
            "SELECT attname, atttypid FROM pg_attribute WHERE attrelid = 'image_staging'::regclass AND attnum > 0"
        )
    )
    register_vector(connection.connection)
    try:
        yield Staging(types)
    finally:
        _drop()


def _drop() -> None:
    # If the connection is lost or an outer transaction has failed, the table is gone, too.
    if connection.connection is not None and connection.is_usable() and not connection.needs_rollback:
        execute(sql.SQL("DROP TABLE IF EXISTS {}").format(_STAGING))


def known(image_ids: Sequence[uuid.UUID], *, pending: bool = False) -> set[uuid.UUID]:
    """Return those of `image_ids` that are complete: they exist with a vector of an accepted model.

    With `pending`, rows without a vector or with another model's count too.
    """
    there = Image.objects.filter(pk__in=image_ids)
    return set(
        (there if pending else there.filter(embedding_model__in=accepted_names(active_model()))).values_list(
            "pk", flat=True
        )
    )
