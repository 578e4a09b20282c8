"""What is written in pictures that are here already: read from their originals, without a pixel being decoded."""

import json
import threading
import uuid
from collections import defaultdict
from collections.abc import Collection, Sequence

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction

from imagesearch.machine import core_count
from search.curation.captures import CAPTIONS, OfFile, captioned_image, hash_of, write_captions, write_captures
from search.ingestion.originals import Original, Reader
from search.ingestion.report import Progress, Report
from search.ingestion.sources.files import beside_file, sidecars_of_files
from search.ingestion.sources.listing import Findings
from search.metadata import READER, PhotoMetadata
from search.models import Capture, Image, Origin

_BATCH = 256
_PER_DECODER = 2_000
"""Pictures for which another decoder is worth its start."""
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


class Rewriting:
    """Reads until nothing is left, or it is told to `stop`. Any number of processes may do so at once: each claims a
    batch, and what a killed one had claimed is free again."""

    def __init__(
        self,
        expected: int,
        *,
        captions: bool,
        replaces: bool = False,
        limit: int | None = None,
        stop: threading.Event,
        progress: Progress,
    ) -> None:
        """With `captions` what is empty of a picture's title, description, tags, author and licence is filled in,
        of pictures that `ingest` has brought; what there is `replaces` what no person has written. About as many as
        are `expected` are there, and `limit` is how many are read at most."""
        # A decoder takes as long to start as to look at some hundred files.
        self._at_once = min(max(2, core_count()), 1 + expected // _PER_DECODER)
        self.report = Report()
        self._captions, self._replaces = captions, replaces
        self._left, self._stop, self._progress = limit, stop, progress
        self._failed: set[uuid.UUID] = set()
        # Processes that begin at different places hardly meet.
        self._after = uuid.uuid4()
        self._is_round = False
        self._findings = Findings()
        self._beside = sidecars_of_files(self._findings)

    def work(self) -> Report:
        """Raises StorageUnavailable and NoDecoder."""
        self._progress(self.report)
        with Reader(self._at_once) as reader:
            while not self._stop.is_set() and self._left != 0 and self._batch(reader):
                self._progress(self.report)
        self.report.stopped = self._stop.is_set()
        return self.report

    @transaction.atomic
    def _batch(self, reader: Reader) -> bool:
        """Read some; return whether there may be more."""
        ids = self._claimed(min(_BATCH, self._left or _BATCH))
        if not ids:
            return not self._is_round
        originals = self._originals(ids)
        found = reader.read(originals)
        for one in found:
            if one.failure:
                self._failed.add(one.original.image.pk)
                self.report.fail(str(one.original.image.pk), one.failure)
        said = {one.original.image.pk: one.known for one in found if not one.failure}
        if self._captions:
            met = {one.image.pk for one in originals if one.origins}
            self._write_captions({key: one for key, one in said.items() if key in met})
        # Of archives and buckets none are read here.
        beside = {one.original.image.pk: hash_of(one.sidecars) for one in found if one.sidecars}
        write_captures(said, {key: OfFile(sidecars=its) for key, its in beside.items()})
        self.report.added += len(said)
        if self._left is not None:
            self._left -= len(found)
        return True

    def _originals(self, ids: Sequence[uuid.UUID]) -> list[Original]:
        origins: defaultdict[uuid.UUID, dict[object, str]] = defaultdict(dict)
        rows = Origin.objects.filter(image_id__in=ids).order_by("seen", "id")
        for image_id, key, address in rows.values_list("image_id", "pk", "address"):
            origins[image_id][key] = address
        return [
            Original(image, address, origins[image.pk].keys(), beside_file(address, self._beside, self._findings))
            for image in Image.objects.filter(pk__in=ids).only("pk", "original_location", "byte_size")
            # Where it was met last: there it may still be.
            for address in [next(reversed(origins[image.pk].values()), "")]
        ]

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
        rows = Image.objects.filter(pk__in=wordy).only("pk", "uploader_id", *columns).order_by("pk")
        images = list(rows.select_for_update(no_key=True))
        edited = edited_fields(wordy)
        stated = dict(Capture.objects.filter(pk__in=wordy).values_list("pk", "stated")) if self._replaces else {}
        changed = []
        for image in images:
            left_alone = [*edited.get(image.pk, ()), *stated.get(image.pk, ())]
            if captioned_image(
                image, said[image.pk], left_alone, is_replaced=self._replaces and not image.uploader_id
            ):
                changed.append(image)
        write_captions(changed)


def _claim(image_ids: Sequence[uuid.UUID]) -> list[uuid.UUID]:
    """Claim these until the transaction ends; return those that nobody else has claimed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, pg_try_advisory_xact_lock(%s, hashtext(id::text)) FROM unnest(%s::uuid[]) AS given (id)",
            [_CLAIMS, list(image_ids)],
        )
        return [image_id for image_id, is_ours in cursor.fetchall() if is_ours]


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
