"""Colour palettes: written for new pictures, and computed in the background for those added by earlier versions."""

import json
import logging
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

from django.db import transaction

from search import decoding
from search.concurrency.background_threads import keep_doing
from search.imaging import Colours, UnreadableImage
from search.imaging.colour_extraction import READER
from search.models import Palette
from search.models.sql_statements import execute, fetch_column, fetch_value
from search.objects import storage

logger = logging.getLogger(__name__)

AT_ONCE = 20
"""Pictures per batch, whose rows are locked while their thumbnails are fetched: about a second."""
READ_EACH = 60.0
"""Seconds between two background passes over pictures without a palette."""
_PORTIONS = 50
"""Batches per background pass: 1,000 pictures a minute, some seconds of one processor."""
_LOCK = 0x434F4C
"""Advisory lock of the server that runs the pass; the others skip it."""
_MOST_PIXELS = storage.THUMBNAIL**2


class BatchResult(NamedTuple):
    """The number of pictures processed, and (id, reason) of those that failed."""

    pictures: int
    failures: list[tuple[str, str]]


def write_palettes(found: Mapping[uuid.UUID, Colours]) -> None:
    """Write the palettes of existing images, in the order of their ids. Call in a transaction."""
    if not found:
        return
    ids = sorted(found)
    execute(
        "INSERT INTO search_palette (image_id, names, swatches, reader)"
        " SELECT id, given.names::varchar[], given.swatches, %s"
        " FROM unnest(%s::uuid[], %s::text[], %s::jsonb[]) AS given (id, names, swatches)"
        " JOIN search_image USING (id) ORDER BY id"
        " ON CONFLICT (image_id) DO UPDATE"
        " SET names = EXCLUDED.names, swatches = EXCLUDED.swatches, reader = EXCLUDED.reader",
        [
            READER,
            ids,
            [f"{{{','.join(found[one].names)}}}" for one in ids],
            [json.dumps(found[one].swatches) for one in ids],
        ],
    )


def count_unread() -> int:
    """Return how many pictures have no palette: they are found by their dominant colour alone."""
    return Palette.objects.filter(reader=0).count()


@transaction.atomic
def read_some(workers: Executor) -> BatchResult:
    """Compute the palettes of one batch that no other process has locked. Several processes may run at once; a killed
    one releases its batch. Raises StorageUnavailable and NoDecoder."""
    ids = fetch_column(
        "SELECT image_id FROM search_palette WHERE reader = 0 ORDER BY image_id LIMIT %s"
        " FOR NO KEY UPDATE SKIP LOCKED",
        [AT_ONCE],
    )
    looked = dict(zip(ids, workers.map(_colours_of, ids), strict=True))
    write_palettes({one: colours for one, colours in looked.items() if isinstance(colours, Colours)})
    failures = [(str(one), reason) for one, reason in looked.items() if isinstance(reason, str)]
    Palette.objects.filter(pk__in=[one for one, _ in failures]).update(reader=Palette.UNREADABLE)
    return BatchResult(len(ids), failures)


def _colours_of(image_id: uuid.UUID) -> Colours | str:
    try:
        copy = storage.read(storage.rendition_key(image_id, storage.THUMBNAIL))
        return decoding.colours_of_picture(copy, max_pixels=_MOST_PIXELS)
    except storage.MissingObject:
        return "its thumbnail is missing: `manage.py reconcile --repair` makes it again"
    except UnreadableImage as error:
        return str(error)


def read_again(readers: Sequence[int] = (READER, Palette.UNREADABLE)) -> None:
    """Mark the palettes made by these readers for computing again; until then the present ones are used."""
    Palette.objects.filter(reader__in=readers).update(reader=0)


def keep_reading(every: float = READ_EACH) -> threading.Event:
    """Compute missing palettes in the background until the returned event is set."""
    return keep_doing(read_portions, every, "colours", "The colours of pictures could not be read")


def read_portions(portions: int = _PORTIONS) -> int:
    """Process up to `portions` batches unless another process is doing so; return the number of pictures."""
    count = 0
    with _session_lock() as has_lock, ThreadPoolExecutor(1, thread_name_prefix="colours") as worker:
        while has_lock and portions and (some := _tried(worker)):
            count, portions = count + some, portions - 1
    return count


def _tried(worker: Executor) -> int:
    try:
        return read_some(worker).pictures
    except (storage.StorageUnavailable, decoding.NoDecoder, decoding.Busy) as error:
        logger.warning("The colours of pictures are read later: %s", error)
        return 0


@contextmanager
def _session_lock() -> Iterator[bool]:
    has_lock = fetch_value("SELECT pg_try_advisory_lock(%s)", [_LOCK])
    try:
        yield has_lock
    finally:
        if has_lock:
            execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
