"""Make a backup: dump a snapshot, then copy the objects of its rows that the backup does not have.

A row in the dump has its objects in the backup, since objects are stored before their rows and deleted after them;
pictures deleted meanwhile are recorded. Killed at any point and run again, it copies what is missing.
"""

import datetime as dt
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection

from search.backup.copying import original_of, read_and_hash
from search.backup.manifest import BackupError, Manifest, sha256_of
from search.backup.object_lists import OBJECTS, Known, Listed, ListWriter, remove_unnamed
from search.backup.programs import programs, rows_of, run, where
from search.backup.targets import Target
from search.models import Image
from search.models.sql_statements import execute, fetch_value
from search.objects.inventory import ORIGINALS, THUMBNAILS, stored_below
from search.objects.storage import THUMBNAIL, MissingObject, original_key, rendition_key

COPIERS = 8
"""Concurrent copies."""
_LOCK = "search.backup"
_IDS = 10_000
"""Ids per fetch from the database."""

Progress = Callable[[int, int, int], object]
"""Called with the numbers of pictures done, of objects copied, and of bytes copied."""


def back_up(
    target: Target,
    *,
    thumbnails: bool = True,
    keep: int | None = None,
    announce: Callable[[str], object] = lambda text: None,
    progress: Progress = lambda *counts: None,
) -> Manifest:
    """Make a backup in `target`; with `keep`, remove all but that many of the latest backups, and objects that only
    these had.

    Raises BackupError, StorageUnavailable and NoRoom; running it again continues. Unavailable objects are listed in
    `missing`.
    """
    binaries = programs()
    manifest = Manifest(dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%S%fZ"), thumbnails=thumbnails)
    with _alone(), tempfile.TemporaryDirectory(prefix="backup-") as name:
        dump, ids = Path(name, "dump"), Path(name, "ids")
        announce("Dumping the database ...")
        pictures = _dump(manifest, binaries, dump, ids)
        with dump.open("rb") as dumped:
            manifest.dump_sha256, manifest.dump_bytes = sha256_of(dumped), dump.stat().st_size
            target.write_from(manifest.dump, dumped)
        announce(f"Copying the objects of {pictures:,} pictures that are not in the backup yet ...")
        with Path(name, "list").open("w+b") as written, Known(target) as known:
            _Objects(target, manifest, known, progress).copy(ids, ListWriter(written))
            manifest.list_sha256 = sha256_of(written)
            target.write_from(manifest.list, written)
        manifest.write(target)
        known.forget()
        remove_unnamed(target, keep)
    return manifest


@contextmanager
def _alone() -> Iterator[None]:
    """Hold an advisory lock of this connection, so that only one backup of the database runs at a time."""
    if not fetch_value("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [_LOCK]):
        raise BackupError("Another backup of this database is being made.")
    try:
        yield
    finally:
        if connection.connection is not None and connection.is_usable():
            execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [_LOCK])


def _dump(manifest: Manifest, binaries: Path, dump: Path, ids: Path) -> int:
    """Dump a snapshot of the database, describe it in the manifest, and write the ids of its images; return how
    many."""
    place, environment = where()
    # A connection of its own: this thread's holds a lock, and the snapshot lasts as long as its transaction.
    with psycopg.connect(**connection.get_connection_params()) as session:
        session.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
            session.execute(f"SET {limit} = 0")
        [snapshot, manifest.schema, manifest.postgresql] = _one(
            session, "SELECT pg_export_snapshot(), current_schema(), current_setting('server_version_num')::int"
        )
        applied = session.execute("SELECT app, name FROM django_migrations ORDER BY 1, 2").fetchall()
        manifest.migrations = [f"{app}.{name}" for app, name in applied]
        manifest.rows = rows_of(session, manifest.schema)
        command = [str(binaries / "pg_dump"), "--format=custom", "--no-owner", "--no-privileges"]
        command += [f"--schema={manifest.schema}", f"--snapshot={snapshot}", "--file", str(dump), "--dbname", place]
        run(command, environment, "Dumping the database")
        return _write_ids(session, ids)


def _one(session: "psycopg.Connection[Any]", query: str) -> Sequence[Any]:
    row = session.execute(query).fetchone()
    assert row
    return tuple(row)


def _write_ids(session: "psycopg.Connection[Any]", ids: Path) -> int:
    count = 0
    with ids.open("w", encoding="ascii") as file, session.cursor("ids") as cursor:
        cursor.itersize = _IDS
        cursor.execute(f"SELECT id, original_location <> '' FROM {Image._meta.db_table} ORDER BY id")  # noqa: S608
        for count, (image_id, in_place) in enumerate(cursor, start=1):  # noqa: B007
            file.write(f"{image_id.hex}{' elsewhere' if in_place else ''}\n")
    return count


class _Objects:
    """Copies the objects of one dump's images."""

    def __init__(self, target: Target, manifest: Manifest, known: Known, progress: Progress) -> None:
        self._target, self._manifest, self._known, self._progress = target, manifest, known, progress
        self._pictures = self._copied = self._bytes = 0

    def copy(self, ids: Path, written: ListWriter) -> None:
        """Copy the objects of the images in `ids`, which are sorted, and list them."""
        with ids.open(encoding="ascii") as lines, ThreadPoolExecutor(COPIERS) as copiers:
            rows = ((uuid.UUID(line[:32]), len(line) > 33) for line in lines)
            for shard, group in groupby(rows, lambda row: row[0].hex[:2]):
                listed = self._shard(shard, list(group), copiers)
                for one in listed:
                    written.add(one)
                self._known.note(shard, listed)
        written.close()
        self._manifest.objects, self._manifest.object_bytes = written.count, written.bytes

    def _shard(self, shard: str, rows: list[tuple[uuid.UUID, bool]], copiers: ThreadPoolExecutor) -> list[Listed]:
        places = (f"{ORIGINALS}{shard}/", f"{THUMBNAILS}{shard}/")
        here = {one.key: one.size for place in places for one in stored_below(place) if not one.is_draft}
        there: dict[str, int] = {}
        for place in places:
            there |= self._target.sizes(OBJECTS + place)
        known = self._known.of_shard(shard)
        wanted = [(image_id, key) for image_id, in_place in rows for key in self._keys(image_id, in_place)]
        self._manifest.in_place += sum(in_place for _image_id, in_place in rows)

        def one(image_id_and_key: tuple[uuid.UUID, str]) -> Listed | None:
            key = image_id_and_key[1]
            return self._one(key, here.get(key), there.get(OBJECTS + key), known.get(key))

        found = list(copiers.map(one, wanted))
        self._note_missing([row for row, listed in zip(wanted, found, strict=True) if listed is None])
        self._pictures += len(rows)
        self._progress(self._pictures, self._copied, self._bytes)
        return [listed for listed in found if listed]

    def _keys(self, image_id: uuid.UUID, in_place: bool) -> list[str]:
        original = [] if in_place else [original_key(image_id)]
        return original + ([rendition_key(image_id, THUMBNAIL)] if self._manifest.thumbnails else [])

    def _one(self, key: str, here: int | None, there: int | None, known: Listed | None) -> Listed | None:
        """Copy an object of `here` bytes unless the backup has it, and return it; None if it is unavailable."""
        is_there = there is not None and here in {there, None}
        # An earlier backup may have what we have lost. The key of an original identifies its content.
        if is_there and (original_of(key) or (known and known.size == there)):
            assert there is not None
            return Listed(key, there, known.sha256 if known else "")
        if here is None:
            return None
        try:
            with read_and_hash(key) as (file, size, digest):
                image_id = original_of(key)
                if image_id and not digest.is_of(image_id):
                    return None
                self._target.write_from(OBJECTS + key, file)
        except MissingObject:
            return None
        self._copied, self._bytes = self._copied + 1, self._bytes + size
        return Listed(key, size, "" if image_id else digest.hex)

    def _note_missing(self, rows: list[tuple[uuid.UUID, str]]) -> None:
        if not rows:
            return
        still_there = set(
            Image.objects.filter(pk__in={image_id for image_id, _key in rows}).values_list("pk", flat=True)
        )
        for image_id, key in rows:
            if image_id in still_there:
                self._manifest.missing.append(key)
            elif str(image_id) not in self._manifest.deleted_meanwhile:
                self._manifest.deleted_meanwhile.append(str(image_id))
