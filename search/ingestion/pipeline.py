"""Items of a source in, rows out: hashed, skipped when known, decoded while the model encodes, written by the batch.

Nothing but the rows and objects themselves says how far a run has come, so one that was killed is simply run again.
"""

import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TypeAlias

from django.db import connection

from search.embedding import picture_encoder
from search.imaging import UnreadableImage
from search.ingestion.adding import Prepared, add_rows, keep_objects, known, prepare
from search.ingestion.items import Details, Item, Unavailable
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
class _Looked:
    item: Item
    image_id: uuid.UUID


_Failure: TypeAlias = tuple[str, str]
_Outcome: TypeAlias = Prepared | _Failure


class _Run:
    def __init__(self, tags: Sequence[str], *, dry: bool, enqueue: bool) -> None:
        self.tags = tags
        self.dry = dry
        self.enqueue = enqueue
        self.report = Report()
        # A file may lie twice in one batch or in the one before, whose rows are not written yet.
        self.lately: set[uuid.UUID] = set()

    def look(self, item: Item) -> _Looked | _Failure:
        try:
            return _Looked(item, content_id(item.read()))
        except (Unavailable, OSError) as error:
            return item.name, _reason(error)

    def load(self, looked: _Looked) -> _Outcome:
        item = looked.item
        try:
            return prepare(
                item.read(),
                self._details(item),
                image_id=looked.image_id,
                location=item.original_location,
                store=not self.dry,
            )
        except (UnreadableImage, Unavailable, OSError) as error:
            return item.name, _reason(error)

    def _details(self, item: Item) -> Details:
        details = item.details
        return replace(details, tags=clean_tags([*details.tags, *self.tags])) if self.tags else details

    def unknown(self, looked: Sequence[_Looked | _Failure]) -> list[_Looked]:
        """Note failures and known pictures in the report; return the rest."""
        files = [one for one in looked if isinstance(one, _Looked)]
        self.report.failed += [one for one in looked if not isinstance(one, _Looked)]
        there = known([file.image_id for file in files], pending=self.enqueue) | self.lately
        fresh: dict[uuid.UUID, _Looked] = {}
        for file in files:
            if file.image_id in there or file.image_id in fresh:
                self.report.known += 1
            else:
                fresh[file.image_id] = file
        self.lately = set(fresh)
        if fresh and not self.dry:
            if not self.enqueue:
                picture_encoder()  # without a model nothing is stored
            keep_objects(list(fresh))
        return list(fresh.values())

    def write(self, outcomes: Sequence[_Outcome]) -> None:
        prepared = [one for one in outcomes if isinstance(one, Prepared)]
        if not self.dry:
            add_rows(prepared, embed=not self.enqueue)
        self.report.added += len(prepared)
        self.report.failed += [one for one in outcomes if not isinstance(one, Prepared)]


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


def ingest(
    source: Iterable[Item],
    *,
    tags: Sequence[str] = (),
    dry_run: bool = False,
    enqueue: bool = False,
    progress: Progress = lambda report: None,
) -> Report:
    """Add the pictures that `source` offers, each with its details and `tags`; return what became of them.

    One that can't be had or read is reported and stops nothing. With `dry_run` everything is looked at and nothing
    kept. With `enqueue` no model is needed: objects and rows are made, and the rows wait for their vectors.
    Raises ModelUnavailable and StorageUnavailable; run again, it goes on where it stopped.
    """
    run = _Run(tags, dry=dry_run, enqueue=enqueue)
    progress(run.report)
    items = iter(source)
    with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 1), thread_name_prefix="decode") as pool:
        waiting: Iterator[_Outcome] = iter(())
        while batch := list(islice(items, BATCH)):
            fresh = run.unknown(list(pool.map(run.look, batch)))
            # The next batch is decoded while the model encodes the last one.
            decoding = pool.map(run.load, fresh)
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
