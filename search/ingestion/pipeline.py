"""Files in, rows out: hashed, skipped when known, decoded while the model encodes, written a batch at a time.

Nothing but the rows and objects themselves says how far a run has come, so one that was killed is simply run again.
"""

import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from django.db import connection

from search.embedding import picture_encoder
from search.imaging import UnreadableImage
from search.ingestion.adding import Prepared, add_rows, keep_objects, known, prepare
from search.ingestion.items import Details
from search.ingestion.metadata import clean_tags
from search.models import Image
from search.models.image import content_id

BATCH = 32
"""Pictures that are decoded, encoded and written together; at most two batches are in memory."""
ANALYSE_FROM = 500
"""Pictures added in one run after which what the database knows of their number is out of date."""


@dataclass
class Report:
    """What became of the files of one run."""

    added: int = 0
    known: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)

    @property
    def seen(self) -> int:
        return self.added + self.known + len(self.failed)


Progress: TypeAlias = Callable[[Report], None]
"""Called at the start and after each batch."""


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    image_id: uuid.UUID


_Outcome: TypeAlias = "Prepared | tuple[str, str]"


class _Run:
    def __init__(self, details: Mapping[Path, Details], tags: Sequence[str], *, dry: bool) -> None:
        self.details = details
        self.tags = tags
        self.dry = dry
        self.report = Report()
        # A file may lie twice in one batch or in the one before, whose rows are not written yet.
        self.lately: set[uuid.UUID] = set()

    def look(self, path: Path) -> "_File | tuple[str, str]":
        try:
            return _File(path, content_id(path.read_bytes()))
        except OSError as error:
            return str(path), error.strerror or str(error)

    def load(self, file: _File) -> _Outcome:
        try:
            return prepare(
                file.path.read_bytes(), self._details(file.path), image_id=file.image_id, store=not self.dry
            )
        except UnreadableImage as error:
            return str(file.path), str(error)
        except OSError as error:
            return str(file.path), error.strerror or str(error)

    def _details(self, path: Path) -> Details:
        details = self.details.get(path.resolve(), Details())
        return replace(details, tags=clean_tags([*details.tags, *self.tags])) if self.tags else details

    def unknown(self, looked: "Sequence[_File | tuple[str, str]]") -> list[_File]:
        """Note failures and known pictures in the report; return the rest."""
        files = [one for one in looked if isinstance(one, _File)]
        self.report.failed += [one for one in looked if not isinstance(one, _File)]
        there = known([file.image_id for file in files]) | self.lately
        fresh: dict[uuid.UUID, _File] = {}
        for file in files:
            if file.image_id in there or file.image_id in fresh:
                self.report.known += 1
            else:
                fresh[file.image_id] = file
        self.lately = set(fresh)
        if fresh and not self.dry:
            picture_encoder()  # without a model nothing is stored
            keep_objects(list(fresh))
        return list(fresh.values())

    def write(self, outcomes: Sequence[_Outcome]) -> None:
        prepared = [one for one in outcomes if isinstance(one, Prepared)]
        if not self.dry:
            add_rows(prepared)
        self.report.added += len(prepared)
        self.report.failed += [one for one in outcomes if not isinstance(one, Prepared)]


def ingest(
    paths: Sequence[Path],
    *,
    details: Mapping[Path, Details] | None = None,
    tags: Sequence[str] = (),
    dry_run: bool = False,
    progress: Progress = lambda report: None,
) -> Report:
    """Add the pictures at `paths`, with the details of each by its resolved path; return what became of them.

    A file that can't be read is reported and stops nothing. With `dry_run` everything is looked at and nothing kept.
    Raises ModelUnavailable and StorageUnavailable; run again, it goes on where it stopped.
    """
    run = _Run(details or {}, tags, dry=dry_run)
    progress(run.report)
    with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 1), thread_name_prefix="decode") as pool:
        waiting: Iterator[_Outcome] = iter(())
        for start in range(0, len(paths), BATCH):
            files = run.unknown(list(pool.map(run.look, paths[start : start + BATCH])))
            # The next batch is decoded while the model encodes the last one.
            decoding = pool.map(run.load, files)
            run.write(list(waiting))
            progress(run.report)
            waiting = decoding
        run.write(list(waiting))
        progress(run.report)
    if run.report.added >= ANALYSE_FROM and not dry_run:
        _refresh_statistics()
    return run.report


def _refresh_statistics() -> None:
    """Tell the planner of PostgreSQL what is there; it would notice by itself only a minute or more later."""
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {connection.ops.quote_name(Image._meta.db_table)}")
