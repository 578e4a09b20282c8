"""Read the metadata of known pictures again from their originals, without decoding pixels."""

import json
import threading
import uuid
from collections import defaultdict
from collections.abc import Collection, Sequence

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction

from imagesearch.memory_and_cores import core_count
from search.curation.metadata_import import CAPTIONS, OfFile, captioned_image, hash_of, write_captions, write_captures
from search.ingestion.metadata_of_originals import Original, Reader
from search.ingestion.report import Progress, Report
from search.ingestion.sources.listing import Findings
from search.ingestion.sources.local_files import sidecar_reader, sidecars_of_files
from search.metadata import READER, PhotoMetadata
from search.models import Capture, Image, Origin
from search.models.sql_statements import fetch_all, fetch_column, fetch_value

_BATCH = 256
_PER_DECODER = 2_000
"""Number of pictures from which another decoder process pays off."""
_CLAIMS = 0x6D657461
"""Namespace of the advisory locks used as claims; the rows stay unlocked for curators."""
_UNREAD = (
    "FROM search_image image LEFT JOIN search_capture capture ON capture.image_id = image.id"
    " WHERE coalesce(capture.reader, 0) < %s"
)


def count_unread() -> int:
    """Return how many pictures were never read, or by an older reader."""
    return int(fetch_value(f"SELECT count(*) {_UNREAD}", [READER]))


class Rereading:
    """Re-reads metadata until nothing is left or `stop` is set. Several processes may run at once: each claims a
    batch, and the claims of a killed one are released."""

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
        """With `captions`, empty titles, descriptions, tags, authors and licences of ingested pictures are filled in;
        with `replaces`, values that no person has written are replaced. `expected` is the approximate number of
        pictures, `limit` the maximum to read."""
        # Starting a decoder takes as long as reading some hundred files.
        self._at_once = min(max(2, core_count()), 1 + expected // _PER_DECODER)
        self.report = Report()
        self._captions, self._replaces = captions, replaces
        self._left, self._stop, self._progress = limit, stop, progress
        self._failed: set[uuid.UUID] = set()
        # Processes that start at different places rarely collide.
        self._after = uuid.uuid4()
        self._is_round = False
        self._findings = Findings()
        self._finder = sidecars_of_files(self._findings)

    def work(self) -> Report:
        """Run to the end and return the report. Raises StorageUnavailable and NoDecoder."""
        self._progress(self.report)
        with Reader(self._at_once) as reader:
            while not self._stop.is_set() and self._left != 0 and self._batch(reader):
                self._progress(self.report)
        self.report.stopped = self._stop.is_set()
        return self.report

    @transaction.atomic
    def _batch(self, reader: Reader) -> bool:
        """Read one batch; return whether there may be more."""
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
        # Sidecars in archives and buckets are not read here.
        hashes = {one.original.image.pk: hash_of(one.sidecars) for one in found if one.sidecars}
        write_captures(said, {key: OfFile(sidecars=its) for key, its in hashes.items()})
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
            Original(image, address, origins[image.pk].keys(), sidecar_reader(address, self._finder, self._findings))
            for image in Image.objects.filter(pk__in=ids).only("pk", "original_location", "byte_size")
            # The address where it was found last is the likeliest to exist.
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
        # Another process may have read it and released its claim since.
        there = Capture.objects.filter(pk__in=ids, reader__gte=READER).values_list("pk", flat=True)
        return sorted(set(ids).difference(there))

    def _following(self, count: int) -> list[uuid.UUID]:
        return fetch_column(
            f"SELECT image.id {_UNREAD} AND image.id > %s ORDER BY image.id LIMIT %s",
            [READER, self._after, count],
        )

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
    """Claim images until the transaction ends; return those that were free."""
    rows = fetch_all(
        "SELECT id, pg_try_advisory_xact_lock(%s, hashtext(id::text)) FROM unnest(%s::uuid[]) AS given (id)",
        [_CLAIMS, list(image_ids)],
    )
    return [image_id for image_id, is_ours in rows if is_ours]


def edited_fields(image_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, set[str]]:
    """Return the fields that people have edited, by image: from the capture rows and, for older edits, the admin's
    history."""
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
    """Return the fields named in a message of the admin's history, from their labels."""
    try:
        parts = json.loads(message)
        labels = [label for part in parts for label in part.get("changed", {}).get("fields", [])]
    except (ValueError, AttributeError, TypeError):
        return ()
    return [str(label).lower().replace(" ", "_") for label in labels]
