"""What is written in pictures that are here already: read from their originals, without a pixel being decoded."""

import json
import threading
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction

from imagesearch.machine import core_count
from search import storage
from search.decoding import Said, written_in
from search.imaging import UnreadableImage
from search.ingestion.captures import (
    CAPTIONS,
    OfFile,
    Written,
    all_said,
    captioned_image,
    hash_of,
    write_captures,
)
from search.ingestion.report import Progress, Report
from search.ingestion.sources.files import beside_file, sidecars_of_files
from search.ingestion.sources.listing import Findings
from search.metadata import READER, PhotoMetadata
from search.models import Capture, Image, Origin

_BATCH = 64
_READERS = 16
_DECODERS = threading.Semaphore(max(2, core_count()))
"""As many files are looked at at once as there are processes for it: more of these would be started, and end again."""
_BEGINNING = 256 * 1024
"""Bytes that are read of an original at first: of nearly all photos what is written stands there."""
_CLAIMS = 0x6D657461
"""Namespace of the advisory locks that are claims: the rows stay free for curators."""
_UNREAD = (
    "FROM search_image image LEFT JOIN search_capture capture ON capture.image_id = image.id"
    " WHERE coalesce(capture.reader, 0) < %s"
)


def count_unread() -> int:
    """Return how many pictures nobody has read, or an older reader."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) {_UNREAD}", [READER])
        return int(cursor.fetchone()[0])


@dataclass(frozen=True, slots=True)
class _Found:
    image_id: uuid.UUID
    said: PhotoMetadata
    failure: str = ""
    sidecars: uuid.UUID | None = None


class Rewriting:
    """Reads until nothing is left, or it is told to `stop`. Any number of processes may do so at once: each claims a
    batch, and what a killed one had claimed is free again."""

    def __init__(self, *, captions: bool, limit: int | None = None, stop: threading.Event, progress: Progress) -> None:
        """With `captions` what is empty of a picture's title, description, tags, author and licence is filled in,
        of pictures that `ingest` has brought. `limit` is how many are read at most."""
        self.report = Report()
        self._captions, self._left, self._stop, self._progress = captions, limit, stop, progress
        self._failed: set[uuid.UUID] = set()
        # Processes that begin at different places hardly meet.
        self._after = uuid.uuid4()
        self._is_round = False
        self._findings = Findings()
        self._beside = sidecars_of_files(self._findings)

    def work(self) -> Report:
        """Raises StorageUnavailable and NoDecoder."""
        self._progress(self.report)
        with ThreadPoolExecutor(_READERS, thread_name_prefix="read-metadata") as readers:
            while not self._stop.is_set() and self._left != 0 and self._batch(readers):
                self._progress(self.report)
        self.report.stopped = self._stop.is_set()
        return self.report

    @transaction.atomic
    def _batch(self, readers: ThreadPoolExecutor) -> bool:
        """Read some; return whether there may be more."""
        ids = self._claimed(min(_BATCH, self._left or _BATCH))
        if not ids:
            return not self._is_round
        images = Image.objects.filter(pk__in=ids).only("pk", "original_location", "byte_size")
        origins = dict(Origin.objects.filter(image_id__in=ids).order_by("-seen").values_list("image_id", "address"))
        work = [
            partial(_read, image, address, beside_file(address, self._beside, self._findings))
            for image in images
            for address in [origins.get(image.pk, "")]
        ]
        found = list(readers.map(lambda read: read(), work))
        for one in found:
            if one.failure:
                self._failed.add(one.image_id)
                self.report.failed.append((str(one.image_id), one.failure))
        read = {one.image_id: one.said for one in found if not one.failure}
        if self._captions:
            self._write_captions({key: said for key, said in read.items() if key in origins})
        write_captures(read, {one.image_id: OfFile(sidecars=one.sidecars) for one in found})
        self.report.added += len(read)
        if self._left is not None:
            self._left -= len(found)
        return True

    def _claimed(self, count: int) -> list[uuid.UUID]:
        ids: list[uuid.UUID] = []
        while len(ids) < count:
            following = self._following(count - len(ids))
            if following:
                self._after = following[-1]
                ids += _claim([one for one in following if one not in self._failed])
            if not following:
                if self._is_round:
                    break
                self._after, self._is_round = uuid.UUID(int=0), True
        # Since it was looked at, somebody may have read it and let go.
        there = Capture.objects.filter(pk__in=ids, reader__gte=READER).values_list("pk", flat=True)
        return sorted(set(ids).difference(there))

    def _following(self, count: int) -> list[uuid.UUID]:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT image.id {_UNREAD} AND image.id > %s ORDER BY image.id LIMIT %s",
                [READER, self._after, count],
            )
            return [image_id for (image_id,) in cursor.fetchall()]

    def _write_captions(self, said: dict[uuid.UUID, PhotoMetadata]) -> None:
        wordy = [key for key, one in said.items() if one.keywords or any(getattr(one, name) for name in CAPTIONS)]
        if not wordy:
            return
        columns = ["tags", *CAPTIONS]
        rows = Image.objects.filter(pk__in=wordy).only("pk", *columns).order_by("pk")
        images = list(rows.select_for_update(no_key=True))
        edited = edited_fields(wordy)
        for image in images:
            changed = captioned_image(image, said[image.pk], edited.get(image.pk, set()))
            if changed:
                image.save(update_fields=[*changed, "updated"])


def _claim(image_ids: Sequence[uuid.UUID]) -> list[uuid.UUID]:
    """Claim these until the transaction ends; return those that nobody else has claimed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, pg_try_advisory_xact_lock(%s, hashtext(id::text)) FROM unnest(%s::uuid[]) AS given (id)",
            [_CLAIMS, list(image_ids)],
        )
        return [image_id for image_id, is_ours in cursor.fetchall() if is_ours]


def _read(image: Image, address: str, beside: Callable[[], Mapping[str, bytes]]) -> _Found:
    """In any thread, without the database."""
    sidecars = beside()
    try:
        said = _written_in(storage.read_beginning(image, _BEGINNING), sidecars)
        if not said.is_whole and image.byte_size > _BEGINNING and not image.original_location:
            said = _written_in(storage.read_original(image), sidecars)
    except (storage.MissingObject, storage.UnreachableOriginal, UnreadableImage) as error:
        return _Found(image.pk, PhotoMetadata(), str(error) or type(error).__name__)
    changed = None
    with suppress(OSError, ValueError):
        changed = Path(address).stat().st_mtime if address.startswith("/") else None
    written = Written(address, changed, sidecars)
    hashed = hash_of(sidecars) if sidecars else None  # of archives and buckets none are read here
    return _Found(image.pk, all_said(written, said.sidecar, said.file), sidecars=hashed)


def _written_in(data: bytes, sidecars: Mapping[str, bytes]) -> Said:
    with _DECODERS:
        return written_in(data, xmp=sidecars.get("xmp", b""))


def edited_fields(image_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, set[str]]:
    """Return which fields of images people have changed: as it was noted, and before that in the admin's history."""
    found = {
        image_id: set(edited)
        for image_id, edited in Capture.objects.filter(pk__in=image_ids).values_list("pk", "edited")
    }
    kind = ContentType.objects.get_for_model(Image)
    entries = LogEntry.objects.filter(
        content_type=kind, action_flag=CHANGE, object_id__in=[str(image_id) for image_id in image_ids]
    )
    for image_id, message in entries.values_list("object_id", "change_message"):
        found.setdefault(uuid.UUID(image_id), set()).update(_named(message))
    return found


def _named(message: str) -> Sequence[str]:
    """Return the fields that an entry of the history names, by their labels."""
    try:
        parts = json.loads(message)
        labels = [label for part in parts for label in part.get("changed", {}).get("fields", [])]
    except (ValueError, AttributeError, TypeError):
        return ()
    return [str(label).lower().replace(" ", "_") for label in labels]
