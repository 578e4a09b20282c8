"""The new versions of one run: looked up, put off where it can't be told yet, written, counted."""

import uuid
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace

from django.db import Error

from search.ingestion.captures import Written
from search.ingestion.deleting import owe, settle_meanwhile
from search.ingestion.line import Passage
from search.ingestion.report import Report
from search.ingestion.rows import Staging
from search.ingestion.sources.whereabouts import Whereabouts
from search.ingestion.succession import Outcome, Succession, Version, stays_deleted
from search.ingestion.versions import change_of, met_with_other_bytes, moved_with_pixels
from search.models import Capture

MOST_PUT_OFF = 5_000
"""New versions that show another picture than the one before. Where files were renamed in a row, as by a number, each
has the place of another one; which, is known when all were met. More of them are written as they come: they take
some 8 kB each."""
_OVERTAKEN = "Another process was changing this picture at the same moment: run the same command again."


class Changes:
    """Without `rows` nothing is kept, as everywhere in a dry run."""

    def __init__(self, *, again: bool, captions: bool = True, tags: Sequence[str] = ()) -> None:
        self._again, self._captions, self._tags = again, captions, tags
        self._succession: Succession | None = None
        self._put_off: list[Passage] = []

    def note_before(self, read: Sequence[Passage]) -> None:
        """Note of what was read what was met at its address before."""
        before = met_with_other_bytes((one.item, one.image_id) for one in read if one.image_id)
        for passage in read:
            found = before.get(passage.item.address)
            if found and not (found.is_deleted and self._again):
                passage.before = found

    def note_moved(self, fresh: Sequence[Passage], under_way: Collection[uuid.UUID]) -> None:
        """Note of what is new that it is a new version of a picture whose file was moved, and rated or tagged then."""
        of_pixels = {
            passage.image.of_file.pixels: passage
            for passage in fresh
            if passage.image and passage.image.of_file and passage.image.of_file.pixels and passage.item.address
        }
        ids = {pixels: passage.image_id for pixels, passage in of_pixels.items() if passage.image_id}
        moved = moved_with_pixels(ids, Whereabouts()) if ids else {}
        for passage in of_pixels.values():
            before = moved.get(passage.image_id) if passage.image_id else None
            if before and before.image_id not in under_way and passage.image:
                item = passage.item
                written = Written(item.name, item.changed, item.sidecars(), self._captions)
                passage.before = before
                passage.changed = change_of(before, passage.image, item.details, self._tags, written, None)

    def put_off(self, changed: Sequence[Passage]) -> list[Passage]:
        """Keep those that may be other pictures in the place of the ones before until the run ends; return them."""
        others = [passage for passage in changed if passage.changed and not passage.changed.is_same_picture]
        self._put_off += others
        return others

    @property
    def has_put_off_many(self) -> bool:
        return len(self._put_off) > MOST_PUT_OFF

    def take_put_off(self) -> list[Passage]:
        """Return what was put off, first what turned out to be a version of a picture from another one's place."""
        waiting, self._put_off = self._put_off, []
        changes = [passage.changed for passage in waiting if passage.changed]
        befores = [change.before for change in changes if change.before.pixels]
        of_pixels = {before.pixels: before for before in befores}
        for passage in waiting:
            if passage.changed and (before := of_pixels.get(passage.changed.of_file.pixels)):
                # What the file said before it was moved is not known here.
                passage.changed = replace(passage.changed, before=before, is_same_picture=True, said_before=None)
        return sorted(waiting, key=lambda passage: not (passage.changed and passage.changed.is_same_picture))

    def give_up(self) -> None:
        """Nothing stays of what is put off: the next run brings it again."""
        with suppress(Error):
            owe([passage.image_id for passage in self._put_off if passage.image_id])

    def keep_deleted(self, passage: Passage, rows: Staging | None) -> None:
        """A deleted picture was only rated or tagged since: it stays deleted."""
        if rows and passage.changed and passage.image_id:
            stays_deleted(passage.image_id, passage.changed.of_file.pixels, passage.origins)

    def write(
        self, passage: Passage, rows: Staging | None, under_way: Collection[uuid.UUID], report: Report
    ) -> Outcome:
        """Write a new version and count it."""
        outcome = Outcome.CHANGED
        if rows:
            assert passage.image
            assert passage.changed
            version = Version(passage.image, passage.changed, passage.item.address, passage.origins)
            outcome = self._of(rows).write(version, under_way)
            if outcome is Outcome.CHANGED:
                settle_meanwhile()
        self._count(outcome, passage, report)
        return outcome

    def absorb(
        self, known: Sequence[Passage], rows: Staging, under_way: Collection[uuid.UUID], report: Report
    ) -> None:
        """Have known pictures take the places of what they are new versions of."""
        changed = [passage for passage in known if passage.before]
        if not changed:
            return
        captured = Capture.objects.filter(pk__in=[one.image_id for one in changed if one.image_id])
        pixels = dict(captured.values_list("pk", "pixels"))
        for passage in changed:
            assert passage.before
            assert passage.image_id
            found, address = pixels.get(passage.image_id), passage.item.address
            if self._of(rows).absorb(passage.image_id, found, passage.before, address, under_way):
                report.changed += 1
                settle_meanwhile()

    def _of(self, rows: Staging) -> Succession:
        self._succession = self._succession or Succession(rows, again=self._again)
        return self._succession

    def _count(self, outcome: Outcome, passage: Passage, report: Report) -> None:
        met = 1 + len(passage.again)
        match outcome:
            case Outcome.CHANGED:
                report.changed, report.known = report.changed + 1, report.known + met
            case Outcome.ADDED:
                report.added, report.known = report.added + 1, report.known + met - 1
            case Outcome.KNOWN:
                report.known += met
            case Outcome.DELETED:
                report.deleted += met
            case Outcome.OVERTAKEN:
                for item in (passage.item, *passage.again):
                    report.fail(item.name, _OVERTAKEN, address=item.address)
                if passage.image_id:
                    owe([passage.image_id])
