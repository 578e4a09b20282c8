"""Which colours are in pictures, on their way into the database; and those of pictures that were here before."""

import json
import logging
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

from django.db import connection, transaction

from search import decoding
from search.concurrency.background import keep_doing
from search.imaging import Colours, UnreadableImage
from search.imaging.swatches import READER
from search.models import Palette
from search.objects import storage

logger = logging.getLogger(__name__)

AT_ONCE = 20
"""Pictures whose rows are locked while their thumbnails are fetched: about a second."""
READ_EACH = 60.0
"""Seconds between two looks of a server for pictures whose colours nobody has looked at."""
_PORTIONS = 50
"""In one look of a server, which has other things to do: 1,000 pictures a minute, some seconds of one processor."""
_LOCK = 0x434F4C
"""Of the server that looks: the others need not."""
_MOST_PIXELS = storage.THUMBNAIL**2


class Looked(NamedTuple):
    """How many pictures were looked at, and why some of them could not be."""

    pictures: int
    failures: list[tuple[str, str]]


def write_palettes(found: Mapping[uuid.UUID, Colours]) -> None:
    """Write the colours of images that are there, in the order of their ids. In a transaction."""
    if not found:
        return
    ids = sorted(found)
    with connection.cursor() as cursor:
        cursor.execute(
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
    """Return of how many pictures nobody has looked at the colours: they are found by the dominant one alone."""
    return Palette.objects.filter(reader=0).count()


@transaction.atomic
def read_some(workers: Executor) -> Looked:
    """Look at the thumbnails of some pictures that nobody else is at, and write down their colours. Any number of
    processes may do so at once; what a killed one was at is free again. Raises StorageUnavailable and NoDecoder."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT image_id FROM search_palette WHERE reader = 0 ORDER BY image_id LIMIT %s"
            " FOR NO KEY UPDATE SKIP LOCKED",
            [AT_ONCE],
        )
        ids = [image_id for (image_id,) in cursor.fetchall()]
    looked = dict(zip(ids, workers.map(_colours_of, ids), strict=True))
    write_palettes({one: colours for one, colours in looked.items() if isinstance(colours, Colours)})
    failures = [(str(one), reason) for one, reason in looked.items() if isinstance(reason, str)]
    Palette.objects.filter(pk__in=[one for one, _ in failures]).update(reader=Palette.UNREADABLE)
    return Looked(len(ids), failures)


def _colours_of(image_id: uuid.UUID) -> Colours | str:
    try:
        copy = storage.read(storage.rendition_key(image_id, storage.THUMBNAIL))
        return decoding.colours_of_picture(copy, max_pixels=_MOST_PIXELS)
    except storage.MissingObject:
        return "its thumbnail is missing: `manage.py reconcile --repair` makes it again"
    except UnreadableImage as error:
        return str(error)


def read_again(readers: Sequence[int] = (READER, Palette.UNREADABLE)) -> None:
    """Have pictures looked at anew which one of these has looked at; until then they are found as they are now."""
    Palette.objects.filter(reader__in=readers).update(reader=0)


def keep_reading(every: float = READ_EACH) -> threading.Event:
    """Look at pictures that were added by an earlier version, in the background, until the event that is returned is
    set."""
    return keep_doing(read_portions, every, "colours", "Colours of pictures could not be looked at")


def read_portions(portions: int = _PORTIONS) -> int:
    """Look at some portions, where no other process is at it; return at how many pictures."""
    count = 0
    with _alone() as is_alone, ThreadPoolExecutor(1, thread_name_prefix="colours") as worker:
        while is_alone and portions and (some := _tried(worker)):
            count, portions = count + some, portions - 1
    return count


def _tried(worker: Executor) -> int:
    try:
        return read_some(worker).pictures
    except (storage.StorageUnavailable, decoding.NoDecoder, decoding.Busy) as error:
        logger.warning("Colours of pictures are looked at later: %s", error)
        return 0


@contextmanager
def _alone() -> Iterator[bool]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
        (is_alone,) = cursor.fetchone()
    try:
        yield is_alone
    finally:
        if is_alone:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
