"""Turn the row of a picture whose file has changed into that of the new version, in one transaction.

Ids are made from bytes, so the id changes, and everything that belongs to the image moves along: edits, reports,
arrival number, and its vectors if its pixels are the same. Addresses with the old id redirect (`FormerId`).
"""

import uuid
from collections.abc import Collection, Sequence
from copy import copy
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models.functions import Now

from search.curation.metadata_import import write_captures
from search.imaging.named_colours import palette_colour
from search.ingestion.edits_kept import copy_edits, copy_to_new_version
from search.ingestion.fingerprints_of_changed_files import hand_over_pairs, write_fingerprints
from search.ingestion.metadata_rereading import edited_fields
from search.ingestion.palettes import write_palettes
from search.ingestion.pipeline.rows import Staging, settle_models, write_further
from search.ingestion.seen_before import record
from search.ingestion.sources.still_there import ExistenceCheck
from search.ingestion.suggestions_of_changed_files import forget_suggestions, hand_over_suggestions
from search.ingestion.versions import Before, Change, said_of_capture, words_of
from search.models import Capture, FormerId, Image, Judgement, Origin, OwedDeletion, QueryPicture, Report, Tombstone
from search.models.conflicts import retried
from search.models.sql_statements import execute
from search.objects import other_buckets
from search.objects.deletion import mark_for_deletion, try_to_lock


class Outcome(Enum):
    CHANGED = auto()
    ADDED = auto()
    """Added as a separate picture, since the previous version still exists elsewhere."""
    KNOWN = auto()
    DELETED = auto()
    OVERTAKEN = auto()
    """Another process changed the same picture at the same time: process it again."""


@dataclass(frozen=True, slots=True)
class Version:
    """A new version, and where it was found. With the same pixels as before, `image` needs no vector."""

    image: Image
    change: Change
    address: str
    origins: Sequence[Origin]


class VersionWriter:
    """Writes new versions. Any number of processes may do so at once."""

    def __init__(self, rows: Staging, *, again: bool) -> None:
        self._rows, self._again = rows, again
        self.existence = ExistenceCheck()

    def write(self, version: Version, under_way: Collection[uuid.UUID]) -> Outcome:
        """Write one whose objects are stored; pictures `under_way` were found elsewhere in this run."""
        before = version.change.before
        if before.is_deleted:
            return self._add_separately(version)
        if before.image_id not in under_way and not self._is_elsewhere(before, version.address):
            outcome = retried(partial(_succeed, version, again=self._again))
            if outcome is not None:
                return outcome
        return retried(partial(self._add_separately, version))

    def absorb(
        self,
        image_id: uuid.UUID,
        pixels: uuid.UUID | None,
        before: Before,
        address: str,
        under_way: Collection[uuid.UUID],
    ) -> bool:
        """Let a known image, found at the address of another one, replace that one if it has the same pixels and is
        nowhere else. Return whether it did."""
        if before.is_deleted or pixels is None or before.pixels != pixels or before.image_id in under_way:
            return False
        return not self._is_elsewhere(before, address) and retried(partial(_absorb, before.image_id, image_id))

    def _is_elsewhere(self, before: Before, address: str) -> bool:
        others = Origin.objects.filter(image_id=before.image_id).exclude(address=address)
        return any(self.existence.has(place, origin) for place, origin in others.values_list("address", "pk"))

    @transaction.atomic
    def _add_separately(self, version: Version) -> Outcome:
        """Add it as a separate picture, or as another version of the remaining one if the pixels are the same."""
        image, before = copy(version.image), version.change.before  # the transaction may be retried
        is_known = Image.objects.filter(pk=image.pk).exists()
        there = _present(before.image_id)
        is_same_picture = there is not None and _shows_the_same(there, version)
        lends_vector = image.embedding is None and version.change.is_same_picture and not is_known
        if lends_vector:
            if there is None or not is_same_picture:
                return Outcome.OVERTAKEN
            image.embedding, image.embedding_model = there.embedding, there.embedding_model
            image.embedding_backend, image.windows = there.embedding_backend, there.windows
        new, deleted = self._rows.write([image], version.origins, again=self._again)
        if there is not None and is_same_picture and image.pk in new:
            copy_to_new_version(image.pk, there.pk)
            if lends_vector:
                _copy_vectors(there.pk, image.pk)
        if there is not None and there.original_location == version.address:
            self._note_elsewhere(there.pk, version.address)
        if image.pk in deleted:
            return Outcome.DELETED
        return Outcome.ADDED if image.pk in new and not is_known else Outcome.KNOWN

    def _note_elsewhere(self, image_id: uuid.UUID, address: str) -> None:
        """Record another address for an original whose location now has another file."""
        others = Origin.objects.filter(image_id=image_id, address__startswith=other_buckets.SCHEME).exclude(
            address=address
        )
        for place, origin in others.order_by("-seen").values_list("address", "pk"):
            if self.existence.has(place, origin):
                Image.objects.filter(pk=image_id, original_location=address).update(original_location=place)
                return


def _present(image_id: uuid.UUID) -> Image | None:
    """Return an image, or its current version."""
    ids = {image_id, *FormerId.present([image_id]).values()}
    found = Image.objects.filter(pk__in=ids).select_related("capture").in_bulk()
    return found.get(image_id) or next(iter(found.values()), None)


def _shows_the_same(there: Image, version: Version) -> bool:
    if there.pk == version.change.before.image_id:
        return version.change.is_same_picture
    captured, pixels = there.captured, version.change.of_file.pixels
    return captured is not None and pixels is not None and captured.pixels == pixels


@transaction.atomic
def _succeed(version: Version, *, again: bool) -> Outcome | None:
    """Return None if the previous version stays, since another process is adding it or has replaced it."""
    image, change, former_id = version.image, version.change, version.change.before.image_id
    settle_models([image] if image.embedding_model else [])
    locked = Image.objects.filter(pk__in=[image.pk, former_id]).order_by("pk").select_for_update(of=("self",))
    there = {one.pk: one for one in locked.defer("embedding")}
    if image.pk in there:
        record(version.origins)
        is_one = change.is_same_picture and _absorb(former_id, image.pk)
        return Outcome.CHANGED if is_one else Outcome.KNOWN
    if former_id not in there:
        if change.is_same_picture and Tombstone.objects.filter(pk=former_id).exists():
            mark_for_deletion([image.pk])
            stays_deleted(image.pk, change.of_file.pixels, version.origins)
            return Outcome.DELETED
        return None
    if not try_to_lock(former_id):
        return None
    _rename(former_id, image.pk)
    _fill(there[former_id], image, change)
    Origin.objects.filter(image_id=former_id).delete()
    record(version.origins)
    OwedDeletion.objects.filter(pk=image.pk).delete()
    if again:
        Tombstone.objects.filter(pk=image.pk).delete()
    mark_for_deletion([former_id])
    return Outcome.CHANGED


def stays_deleted(image_id: uuid.UUID, pixels: uuid.UUID | None, origins: Sequence[Origin]) -> None:
    """Record the new version of a deleted picture as deleted, too."""
    Tombstone.objects.bulk_create([Tombstone(pk=image_id, pixels=pixels)], ignore_conflicts=True)
    record(origins)


def _rename(former_id: uuid.UUID, image_id: uuid.UUID) -> None:
    """Change the id of a row and of all references to it."""
    FormerId.objects.filter(pk=image_id).delete()
    # The tables that belong to it alone, as its words and arrival, follow by foreign keys.
    execute("UPDATE search_image SET id = %s WHERE id = %s", [image_id, former_id])
    execute("UPDATE search_imagevector SET image_id = %s WHERE image_id = %s", [image_id, former_id])
    _hand_over(former_id, image_id)


def _hand_over(former_id: uuid.UUID, image_id: uuid.UUID) -> None:
    """Move reports, edits, judgements and history from one image to another, and redirect its addresses."""
    for model in (Report, QueryPicture):
        model.objects.filter(image_id=former_id).update(image_id=image_id)
    execute(
        "UPDATE search_edit AS edit SET image_id = %s WHERE image_id = %s AND NOT EXISTS"
        " (SELECT FROM search_edit AS other WHERE other.image_id = %s AND other.revision_id = edit.revision_id)",
        [image_id, former_id, image_id],
    )
    for one in Judgement.objects.filter(image_id=former_id).order_by("pk"):
        present = Judgement.id_of(one.query, one.language, image_id)
        if not Judgement.objects.filter(pk=present).exists():
            Judgement.objects.filter(pk=one.pk).update(id=present, image_id=image_id)
    history = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(Image))
    history.filter(object_id=str(former_id)).update(object_id=str(image_id))
    former = FormerId(former_id=former_id, image_id=image_id)
    FormerId.objects.bulk_create([former], update_conflicts=True, unique_fields=["former_id"], update_fields=["image"])


@transaction.atomic
def _absorb(former_id: uuid.UUID, image_id: uuid.UUID) -> bool:
    """Merge two versions of one picture that both exist; return whether that was possible."""
    locked = Image.objects.filter(pk__in=[image_id, former_id]).order_by("pk").select_for_update(of=("self",))
    if len(locked.values_list("pk", flat=True)) < 2 or not try_to_lock(former_id):
        return False
    copy_edits(image_id, former_id)
    hand_over_pairs(former_id, image_id)
    hand_over_suggestions(former_id, image_id)
    FormerId.objects.filter(image_id=former_id).update(image_id=image_id)
    FormerId.objects.filter(pk=image_id).delete()
    _hand_over(former_id, image_id)
    Judgement.objects.filter(image_id=former_id).delete()
    Origin.objects.filter(image_id=former_id).delete()
    # No tombstone: the file may be ingested again.
    execute("DELETE FROM search_image WHERE id = %s", [former_id])
    mark_for_deletion([former_id])
    return True


def _fill(there: Image, image: Image, change: Change) -> None:
    """Write the properties of the new version into the row that has its id now; `there` is the row before."""
    edited = edited_fields([image.pk]).get(image.pk, set())
    names = ("format", "width", "height", "byte_size", "dominant_colour", "placeholder", "original_location")
    values = {name: getattr(image, name) for name in names} | words_of(there, change, edited)
    is_encoded = image.embedding is not None
    if is_encoded or not change.is_same_picture:
        _forget_vectors(image.pk, image.embedding_model)
        vector = ("embedding", "embedding_model", "embedding_backend", "windows")
        values |= {name: getattr(image, name) for name in vector} | {"embedding_failure": ""}
    colour = palette_colour(image.dominant_colour)
    Image.objects.filter(pk=image.pk).update(**values, colour=colour, updated=Now())
    if is_encoded:
        write_further([image])
    if change.of_file.colours:
        write_palettes({image.pk: change.of_file.colours})
    if image.said:
        captured = Capture.objects.filter(pk=image.pk)
        said = said_of_capture(captured.first(), image.said)
        captured.update(reader=0)  # force writing, whatever the reader version
        write_captures({image.pk: said}, {image.pk: change.of_file})
    if not change.is_same_picture:
        write_fingerprints({image.pk: change.of_file.perceptual}, changed=True)
        forget_suggestions(image.pk)


def _forget_vectors(image_id: uuid.UUID, model: str) -> None:
    """Delete the vectors of the previous version; that of the whole picture by `model` is about to be replaced."""
    execute(
        "DELETE FROM search_imagevector WHERE image_id = %s AND (window_index > 0"
        " OR set_id NOT IN (SELECT id FROM search_vectorset WHERE model = %s))",
        [image_id, model],
    )


def _copy_vectors(from_id: uuid.UUID, to_id: uuid.UUID) -> None:
    execute(
        "INSERT INTO search_imagevector (set_id, image_id, window_index, embedding)"
        " SELECT set_id, %s, window_index, embedding FROM search_imagevector WHERE image_id = %s"
        " ORDER BY set_id, window_index ON CONFLICT DO NOTHING",
        [to_id, from_id],
    )
