"""Reconcile rows and objects: find and repair what is missing, orphaned or unfinished.

May run beside everything else. Each suspect is checked again before it is reported, since pictures come and go
meanwhile. Only what is old and has no row is deleted, under the locks of `search.objects.deletion`.
"""

import datetime as dt
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from django.utils import timezone

from imagesearch.memory_and_cores import core_count
from search.imaging import UnreadableImage
from search.ingestion.already_ingested import mark_for_reading
from search.ingestion.missing_object_repair import Known, known_rows, note_moved, restore
from search.ingestion.report import Finding, Problem, Reconciled
from search.models import Image, Origin, OwedDeletion, PictureSet, QueryPicture
from search.models.image import content_id
from search.models.origins import origin_id
from search.objects import inventory, other_buckets, storage
from search.objects.deletion import delete_orphan, deletions_blocked
from search.objects.inventory import ORIGINALS, PLACES, RENDITIONS, SHARDS, THUMBNAILS, Stored

OLD_AFTER = dt.timedelta(days=1)
"""Age from which an object without a row, or an unfinished upload, counts as left over."""
MOST_ORPHANS = 100_000
"""Maximum number of orphans remembered and deleted by one run."""
FEW_ORPHANS = 10
_PAGE = 5_000
"""Rows per query."""
_ASKERS = 16
"""Threads that query the storage about single objects."""


OnFinding: TypeAlias = Callable[[Finding], None]
_Some = TypeVar("_Some")


def reconcile(
    on_finding: OnFinding,
    *,
    repair: bool = False,
    delete_many: bool = False,
    old_after: dt.timedelta = OLD_AFTER,
    elsewhere: bool = True,
) -> Reconciled:
    """Check all rows and objects; call `on_finding` with each finding as it is made.

    With `repair`, missing thumbnails are made from originals, originals indexed in place are looked up at their other
    known addresses, and leftovers are deleted; pictures without an original are marked, so that `ingest` reads their
    files again. If there are so many orphans that the database is probably the wrong one, they are deleted with
    `delete_many` only. Without `elsewhere`, originals in other buckets are not checked; each check is a request.
    Raises StorageUnavailable.
    """
    old = timezone.now() - old_after
    return _Reconciliation(on_finding, repair=repair, delete_many=delete_many, old=old, elsewhere=elsewhere).run()


@dataclass(frozen=True, slots=True)
class _Row:
    image_id: uuid.UUID
    title: str
    location: str
    byte_size: int

    @property
    def name(self) -> str:
        return f"{self.image_id} {self.title!r}" if self.title else str(self.image_id)


class _Reconciliation:
    def __init__(
        self, on_finding: OnFinding, *, repair: bool, delete_many: bool, old: dt.datetime, elsewhere: bool
    ) -> None:
        self._on_finding, self._repair, self._delete_many, self._old = on_finding, repair, delete_many, old
        self._asks_elsewhere = elsewhere
        self._report = Reconciled()
        self._orphans: list[uuid.UUID] = []
        self._askers = ThreadPoolExecutor(_ASKERS, thread_name_prefix="reconcile")

    def run(self) -> Reconciled:
        with self._askers:
            folders = self._folders()
            for shard, rows in _by_shard(_rows()):
                places = [place for place in PLACES if shard in folders[place]]
                if rows or places:
                    self._shard(shard, rows, places)
            for upload in inventory.unfinished_uploads():
                self._draft(upload)
        self._delete_orphans()
        if self._repair:
            QueryPicture.forget_old()
            PictureSet.forget_old()
        return self._report

    def _found(self, problem: Problem, of: "_Row | str", remark: str = "", *, repaired: bool = False) -> None:
        self._report.found[problem] += 1
        self._report.repaired[problem] += repaired
        name, image_id = (of, None) if isinstance(of, str) else (of.name, of.image_id)
        self._on_finding(Finding(problem, name, remark, repaired, image_id))

    def _folders(self) -> dict[str, set[str]]:
        """Return the shards in each place; report unknown folders."""
        folders = {place: inventory.folders_in(place) for place in PLACES}
        widths = {place.removeprefix(RENDITIONS).rstrip("/") for place in PLACES if place.startswith(RENDITIONS)}
        for name in sorted(inventory.folders_in(RENDITIONS) - widths):
            self._found(Problem.STRANGE, f"{RENDITIONS}{name}/")
        for place, names in folders.items():
            for name in sorted(names.difference(SHARDS)):
                self._found(Problem.STRANGE, f"{place}{name}/")
        return folders

    def _shard(self, shard: str, rows: Mapping[uuid.UUID, _Row], places: Iterable[str]) -> None:
        objects: dict[str, dict[uuid.UUID, Stored]] = {place: {} for place in PLACES}
        listed = self._askers.map(lambda place: list(inventory.stored_below(f"{place}{shard}/")), places)
        for place, found in zip(places, listed, strict=True):
            for stored in found:
                self._report.objects += 1
                if image_id := inventory.image_of(stored.key):
                    objects[place][image_id] = stored
                elif stored.is_draft:
                    self._draft(stored)
                else:
                    self._found(Problem.STRANGE, stored.key)
        self._report.rows += len(rows)
        self._originals(rows, objects[ORIGINALS])
        self._thumbnails(rows, objects[THUMBNAILS])
        self._without_rows(rows, objects)

    # Missing objects

    def _originals(self, rows: Mapping[uuid.UUID, _Row], originals: Mapping[uuid.UUID, Stored]) -> None:
        here = [row for row in rows.values() if not row.location]
        lacking = [row for row in here if row.image_id not in originals]
        lacking += [row for row in here if row.image_id in originals and originals[row.image_id].size != row.byte_size]
        elsewhere = [row for row in rows.values() if row.location]
        if not self._asks_elsewhere:
            self._report.not_asked += len(elsewhere)
            elsewhere = []
        origins = known_rows([row.image_id for row in elsewhere])

        def is_there(row: _Row) -> bool | storage.UnreachableOriginal:
            try:
                return row.image_id not in origins or _is_in_place(row, origins[row.image_id])
            except storage.UnreachableOriginal as error:
                return error

        answers = list(zip(elsewhere, self._askers.map(is_there, elsewhere), strict=True))
        for row, answer in answers:
            if isinstance(answer, storage.UnreachableOriginal):
                self._found(Problem.UNREACHABLE, row, str(answer))
        gone = [row for row, answer in answers if answer is False]
        for row in _still_so([*lacking, *gone]):
            if row.location:
                self._gone(row)
            elif (size := storage.size_of(storage.original_key(row.image_id))) != row.byte_size:
                self._lost(row, Problem.ORIGINAL if size is None else Problem.DAMAGED)

    def _lost(self, row: _Row, problem: Problem) -> None:
        places = list(Origin.objects.filter(image_id=row.image_id).order_by("-seen").values_list("address", flat=True))
        remark = f"came from {', '.join(dict.fromkeys(places[:3]))}" if places else "came by upload, or long ago"
        if self._repair:
            mark_for_reading(row.image_id)
        self._found(problem, row, remark)

    def _gone(self, row: _Row) -> None:
        """Report an original that left its location; it may be in our storage or at another known address."""
        place = "" if _is_ours(row) else _other_place(row)
        if self._repair and place is not None:
            for known in known_rows([row.image_id]).values():
                note_moved(known, place)
        if place is None:
            self._lost(row, Problem.ORIGINAL)
        else:
            remark = f"no longer at {row.location}, but in {place or 'our own storage'}"
            self._found(Problem.ORIGINAL, row, remark, repaired=self._repair)

    def _thumbnails(self, rows: Mapping[uuid.UUID, _Row], thumbnails: Mapping[uuid.UUID, Stored]) -> None:
        lacking = [row for row in rows.values() if row.image_id not in thumbnails or not thumbnails[row.image_id].size]
        lacking = [
            row
            for row in _still_so(lacking)
            if not storage.size_of(storage.rendition_key(row.image_id, storage.THUMBNAIL))
        ]
        if not self._repair:
            for row in lacking:
                self._found(Problem.THUMBNAIL, row)
            return
        for some in _batches(lacking):
            with deletions_blocked([row.image_id for row in some]):
                known = known_rows([row.image_id for row in some])
                there = [row for row in some if row.image_id in known]
                with ThreadPoolExecutor(core_count()) as drawers:
                    outcomes = drawers.map(lambda row, known=known: _drawn(row, known[row.image_id]), there)
                    for row, problem in zip(there, outcomes, strict=True):
                        self._found(Problem.THUMBNAIL, row, problem, repaired=not problem)

    # Orphans and leftovers

    def _without_rows(self, rows: Mapping[uuid.UUID, _Row], objects: Mapping[str, Mapping[uuid.UUID, Stored]]) -> None:
        ids = {image_id for found in objects.values() for image_id in found if image_id not in rows}
        for some in _batches(sorted(ids)):
            spared = set(Image.objects.filter(pk__in=some).values_list("pk", flat=True))
            spared |= set(OwedDeletion.objects.filter(pk__in=some).values_list("pk", flat=True))
            for image_id in some:
                of_it = [found[image_id] for found in objects.values() if image_id in found]
                if image_id in spared:
                    continue
                if max(stored.changed for stored in of_it) > self._old:
                    self._report.young += 1
                    continue
                if len(self._orphans) < MOST_ORPHANS:
                    self._orphans.append(image_id)
                self._found(Problem.ORPHAN, ", ".join(stored.key for stored in of_it))

    def _delete_orphans(self) -> None:
        if not self._repair or not self._orphans:
            return
        many = not self._report.rows or len(self._orphans) > max(FEW_ORPHANS, self._report.rows // 10)
        if many and not self._delete_many:
            self._report.orphans_refused = True
            return
        for image_id in self._orphans:
            self._report.repaired[Problem.ORPHAN] += delete_orphan(image_id)

    def _draft(self, stored: Stored) -> None:
        if stored.changed > self._old:
            self._report.young += 1
            return
        if self._repair:
            inventory.remove(stored)
        self._found(Problem.DRAFT, stored.key, repaired=self._repair)


def _rows() -> Iterator[_Row]:
    """Yield all rows by id. Rows that change meanwhile are checked again where it matters."""
    after = uuid.UUID(int=0)
    columns = ("pk", "title", "original_location", "byte_size")
    while found := list(Image.objects.filter(pk__gt=after).order_by("pk").values_list(*columns)[:_PAGE]):
        yield from (_Row(*values) for values in found)
        after = found[-1][0]


def _by_shard(rows: Iterator[_Row]) -> Iterator[tuple[str, dict[uuid.UUID, _Row]]]:
    """Yield every shard in order, with its rows."""
    following = next(rows, None)
    for shard in SHARDS:
        found = {}
        while following and following.image_id.hex.startswith(shard):
            found[following.image_id] = following
            following = next(rows, None)
        yield shard, found


def _still_so(rows: Iterable[_Row]) -> Iterator[_Row]:
    """Yield the rows that still exist with the same location."""
    for some in _batches(list(rows)):
        there = Image.objects.filter(pk__in=[row.image_id for row in some])
        locations = dict(there.values_list("pk", "original_location"))
        yield from (row for row in some if locations.get(row.image_id) == row.location)


def _batches(items: list[_Some]) -> Iterator[list[_Some]]:
    return (items[start : start + 500] for start in range(0, len(items), 500))


def _is_in_place(row: _Row, known: Known) -> bool:
    """Whether an original is at its location: by its version or, failing that, by its bytes."""
    version = storage.version_in_place(row.location)
    if version is None:
        return False
    return origin_id(row.location, version) in known.origins or _has_it(row, row.location)


def _has_it(row: _Row, location: str) -> bool:
    try:
        storage.read_original(Image(id=row.image_id, original_location=location, byte_size=row.byte_size))
    except (storage.MissingObject, storage.StorageUnavailable):
        return False
    return True


def _is_ours(row: _Row) -> bool:
    try:
        return content_id(storage.read(storage.original_key(row.image_id))) == row.image_id
    except storage.MissingObject:
        return False


def _other_place(row: _Row) -> str | None:
    """Return another address at which the original was found and still is."""
    origins = Origin.objects.filter(image_id=row.image_id, address__startswith=other_buckets.SCHEME).order_by("-seen")
    places = dict.fromkeys(origins.values_list("address", flat=True))
    return next((place for place in places if place != row.location and _has_it(row, place)), None)


def _drawn(row: _Row, known: Known) -> str:
    """Make a row's thumbnail from its original; return the reason of a failure, or ""."""
    try:
        image = Image(id=row.image_id, original_location=known.original_location, byte_size=row.byte_size)
        data = storage.read_original(image)
        if content_id(data) != known.image_id:
            return "its original is damaged"
        restore(known, data, known.original_location)
    except storage.MissingObject:
        return "its original is missing too"
    except (UnreadableImage, storage.UnreachableOriginal) as error:
        return str(error)
    return ""
