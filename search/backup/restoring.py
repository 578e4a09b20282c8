"""Restore a backup: everything is verified; objects first, then the database in one transaction."""

import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psycopg
from django.core.management import call_command
from django.db import connection, transaction

from search.backup.copying import Damaged, read_and_verify, store
from search.backup.manifest import BackupError, Manifest, read_manifest, sha256_of
from search.backup.object_lists import Listed, listed
from search.backup.programs import programs, rows_of, run, where
from search.backup.targets import Target
from search.ingestion import delete_pending
from search.models import Image
from search.models.sql_statements import execute, fetch_column, fetch_value
from search.monitoring import upgrades
from search.objects.inventory import ORIGINALS, THUMBNAILS, stored_below

COPIERS = 8
"""Concurrent copies."""
_WAITS_FOR_OTHERS = "30s"
"""Lock timeout, for a site that is still running although it should not be."""

# Our objects in a schema, which may also have those of an extension.
_DROPS = """
SELECT 'DROP ' || kind || ' IF EXISTS ' || name || ' CASCADE' FROM (
    SELECT oid, 'pg_class'::regclass class, oid::regclass::text name,
        CASE relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END kind
    FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind IN ('r', 'p', 'v', 'S')
    UNION ALL
    SELECT oid, 'pg_proc'::regclass, oid::regprocedure::text, 'ROUTINE'
    FROM pg_proc WHERE pronamespace = %s::regnamespace
) ours WHERE NOT EXISTS (
    SELECT FROM pg_depend WHERE classid = ours.class AND objid = ours.oid AND deptype = 'e'
) ORDER BY kind DESC
"""


@dataclass
class Outcome:
    """The result of a restore or check: `damaged` objects with the reasons, and tables with a `different` number of
    rows than in the backup."""

    manifest: Manifest
    looked_at: int = 0
    copied: int = 0
    damaged: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)

    @property
    def is_all_well(self) -> bool:
        return not self.damaged and not self.different


Progress = Callable[[int, int], object]
"""Called with the numbers of objects checked and copied."""


def what_is_here() -> str:
    """Describe what a restore would replace; "" if the database is empty or has no tables yet."""
    with connection.cursor() as cursor:
        there = set(connection.introspection.table_names(cursor))
        found = []
        for table, name in ((Image._meta.db_table, "pictures"), ("auth_user", "accounts")):
            if table in there:
                cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608 - names of ours
                if count := cursor.fetchone()[0]:
                    found.append(f"{count:,} {name}")
    return " and ".join(found)


def check(
    target: Target,
    made: str = "",
    *,
    announce: Callable[[str], object] = lambda text: None,
    progress: Progress = lambda *counts: None,
) -> Outcome:
    """Read a whole backup and report what is damaged or missing. Raises BackupError if it can't be restored."""
    outcome = Outcome(read_manifest(target, made))
    with _fetched(target, outcome.manifest) as (_dump, objects):
        announce(f"Reading {outcome.manifest.objects:,} objects ...")
        _each_object(target, objects, outcome, progress, keep=False)
    return outcome


def restore(
    target: Target,
    made: str = "",
    *,
    replace: bool = False,
    announce: Callable[[str], object] = lambda text: None,
    progress: Progress = lambda *counts: None,
) -> Outcome:
    """Restore the database and the objects; damaged objects are skipped and reported.

    Existing objects are not copied again. If the database is not empty, `replace` is required. Raises BackupError,
    StorageUnavailable and NoRoom; the database is then unchanged, and running it again continues.
    """
    outcome = Outcome(read_manifest(target, made))
    manifest = outcome.manifest
    _refuse_newer(manifest)
    if (there := what_is_here()) and not replace:
        raise BackupError(f"The database isn't empty: it has {there}. Add --replace to replace them.")
    binaries = programs()
    _refuse_other_schema(manifest)
    with _fetched(target, manifest) as (dump, objects):
        announce(f"Copying {manifest.objects:,} objects that are not here yet ...")
        _each_object(target, objects, outcome, progress, keep=True)
        announce("Restoring the database, and building its indexes ...")
        _restore_database(binaries, dump, manifest)
    outcome.different = _different(manifest)
    announce("Migrating to this version ...")
    call_command("migrate", verbosity=0)
    _remove_deleted(manifest)
    execute("ANALYZE")
    return outcome


def _refuse_newer(manifest: Manifest) -> None:
    if newer := upgrades.unknown_among([(app, name) for app, _dot, name in map(_parts, manifest.migrations)]):
        raise BackupError(
            f"The backup is of a newer version of this program, with {newer[-1]}: install that to restore it."
        )


def _parts(migration: str) -> tuple[str, str, str]:
    return migration.partition(".")


def _refuse_other_schema(manifest: Manifest) -> None:
    schema = fetch_value("SELECT current_schema()")
    if schema != manifest.schema:
        raise BackupError(
            f"The backup is of a schema {manifest.schema}, and the database has {schema} as its first: make a schema "
            f"{manifest.schema}, and add ?options=-c%20search_path%3D{manifest.schema} to DATABASE_URL."
        )


@contextmanager
def _fetched(target: Target, manifest: Manifest) -> Iterator[tuple[Path, IO[bytes]]]:
    """Yield the verified dump and list of a backup. Raises BackupError."""
    with tempfile.TemporaryDirectory(prefix="restore-") as name:
        for key, said, path in (
            (manifest.dump, manifest.dump_sha256, Path(name, "dump")),
            (manifest.list, manifest.list_sha256, Path(name, "list")),
        ):
            with path.open("w+b") as file:
                try:
                    target.read_into(key, file)
                except FileNotFoundError:
                    raise BackupError(f"{key} is missing in {target.name}. Choose another one by --at.") from None
                if sha256_of(file) != said:
                    raise BackupError(f"{key} in {target.name} is damaged. Choose another one by --at.")
        with Path(name, "list").open("rb") as objects:
            yield Path(name, "dump"), objects


def _each_object(target: Target, objects: IO[bytes], outcome: Outcome, progress: Progress, *, keep: bool) -> None:
    """Verify each object; with `keep`, store those that are missing here, otherwise read all."""

    def one(of_backup: Listed) -> str:
        try:
            with read_and_verify(target, of_backup) as file:
                if keep:
                    store(of_backup.key, file)
        except Damaged as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(COPIERS) as copiers:
        for shard, ones in listed(objects):
            here: dict[str, int] = {}
            if keep:
                places = (f"{ORIGINALS}{shard}/", f"{THUMBNAILS}{shard}/")
                here = {stored.key: stored.size for place in places for stored in stored_below(place)}
            wanted = [each for each in ones if here.get(each.key) != each.size]
            damaged = [reason for reason in copiers.map(one, wanted) if reason]
            outcome.damaged += damaged
            outcome.looked_at += len(ones)
            outcome.copied += len(wanted) - len(damaged)
            progress(outcome.looked_at, outcome.copied)


# Database


def _restore_database(binaries: Path, dump: Path, manifest: Manifest) -> None:
    """Replace the content of the database, in one transaction."""
    place, environment = where()
    drops = fetch_column(_DROPS, [manifest.schema, manifest.schema])
    connection.close()
    script, contents = dump.with_name("script.sql"), dump.with_name("contents")
    run([str(binaries / "pg_restore"), "--list", "--file", str(contents), str(dump)], environment, "Reading the dump")
    # The schema exists, and may have another owner.
    lines = contents.read_text("utf-8").splitlines(keepends=True)
    contents.write_text("".join(line for line in lines if " SCHEMA - " not in line), "utf-8")
    begin = [f"SET lock_timeout = '{_WAITS_FOR_OTHERS}'", "CREATE EXTENSION IF NOT EXISTS vector", *drops]
    script.write_text(";\n".join(begin) + ";\n", "utf-8")
    restored = [
        str(binaries / "pg_restore"),
        "--no-owner",
        "--no-privileges",
        "--file",
        "-",
        "--use-list",
        str(contents),
    ]
    into = [str(binaries / "psql"), "--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1"]
    with (
        dump.with_name("said").open("w+b") as said,
        subprocess.Popen(  # noqa: S603 - our own command
            [*restored, str(dump)], stdout=subprocess.PIPE, stderr=said, env=environment
        ) as reading,
    ):
        run(
            [*into, "--output", "/dev/null", f"--file={script}", "--file=-", "--dbname", place],
            environment,
            "Restoring the database (nothing was changed; stop everything that uses it)",
            stdin=reading.stdout,
        )
        if reading.wait():
            said.seek(0)
            raise BackupError(f"Restoring the database failed: {said.read().decode(errors='replace').strip()}")


def _different(manifest: Manifest) -> list[str]:
    with psycopg.connect(**connection.get_connection_params()) as session:
        now = rows_of(session, manifest.schema)
    tables = sorted(manifest.rows.keys() | now.keys())
    return [
        f"{table}: {now.get(table, 0):,} rows instead of {manifest.rows.get(table, 0):,}"
        for table in tables
        if now.get(table) != manifest.rows.get(table)
    ]


def _remove_deleted(manifest: Manifest) -> None:
    """Delete the pictures that were deleted during the backup: their objects may not be in it."""
    ids = [uuid.UUID(one) for one in manifest.deleted_meanwhile]
    if ids:
        with transaction.atomic():
            Image.objects.filter(pk__in=ids).delete()
        delete_pending(ids)
