"""Checks that database and static files match this version: an upgrade may be incomplete.

Results are cached for some seconds, so that a page costs no query of its own, and a `migrate` or a replaced database
under a running server is still noticed.
"""

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import staticfiles_storage
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

REMEMBERED = 5
"""Seconds for which a positive check of the database is cached. A negative one is not."""


class NotUpgraded(Exception):
    """A step of an upgrade is missing: what is wrong, and the command that fixes it. For the operator."""

    part = ""
    """The error code for API clients."""

    def __init__(self, wrong: str, hint: str) -> None:
        super().__init__(f"{wrong} {hint}")
        self.wrong, self.hint = wrong, hint


class NotMigrated(NotUpgraded):
    """The tables are those of another version."""

    part = "migration"


class NotCollected(NotUpgraded, ValueError):
    """Scripts and styles are those of another version, or missing. A ValueError, as whitenoise expects."""

    part = "static_files"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Scripts and styles of this version were not collected: {name}.",
            "Run `manage.py collectstatic`, then restart the web process.",
        )


_fits_until = float("-inf")
_is_migrating = False


def require_migrated(*, now: bool = False) -> None:
    """Raise NotMigrated if the database is of another version; `now` ignores the cache.

    Raises OperationalError or InterfaceError if it does not answer, and is then not repeated for some seconds.
    """
    global _fits_until  # noqa: PLW0603 - per-process cache
    if not now and time.monotonic() < _fits_until:
        return
    _fits_until = float("-inf")
    try:
        pending, unknown = differences()
    except DatabaseError as error:
        _fits_until = time.monotonic() + REMEMBERED
        if isinstance(error, (OperationalError, InterfaceError)):
            raise
        return  # unknown from here: the next query reports what is wrong
    if unknown:
        raise NotMigrated(
            f"The database is of a newer version than this code: it has {_some(unknown)}.",
            "Install that version and restart, or restore a backup from before its `manage.py migrate`.",
        )
    if pending:
        raise NotMigrated(
            f"The database is of an older version than this code: it lacks {_some(pending)}.",
            "Run `manage.py migrate`.",
        )
    _fits_until = time.monotonic() + REMEMBERED


def prepare() -> None:
    """Read the migrations and static files of this version before the first page. Sends no query."""
    _on_disk()
    _not_collected()


def left_out(error: Exception) -> NotUpgraded | None:
    """Return the missing step of an upgrade, if `error` is one or may be caused by it."""
    if isinstance(error, NotUpgraded):
        return error
    if isinstance(error, DatabaseError):
        try:
            require_migrated(now=True)
        except NotMigrated as reason:
            return reason
        except DatabaseError:
            return None
    return None


def differences() -> tuple[list[str], list[str]]:
    """Return the migrations that the database lacks, and those that it has but this version does not know."""
    ours, replaced, _apps = _on_disk()
    applied = set(MigrationRecorder(connection).applied_migrations())
    # A squashed migration counts as applied when all that it replaces are.
    applied |= {name for name, olds in replaced.items() if applied.issuperset(olds)}
    return [".".join(name) for name in sorted(ours - applied)], unknown_among(applied)


def unknown_among(applied: Collection[tuple[str, str]]) -> list[str]:
    """Return those of the `applied` migrations that this version does not know."""
    ours, replaced, apps = _on_disk()
    known = ours.union(*replaced.values())
    return [".".join(name) for name in sorted(set(applied) - known) if name[0] in apps]


@cache
def _on_disk() -> tuple[set[tuple[str, str]], dict[tuple[str, str], set[tuple[str, str]]], set[str]]:
    """Return the migrations of this version, those that squashed ones replace, and the apps that have any."""
    loader = MigrationLoader(None, load=False, ignore_no_migrations=True)
    loader.load_disk()  # without the graph of all of them, which takes as long again
    disk = loader.disk_migrations
    replaced = {name: set(migration.replaces) for name, migration in disk.items() if migration.replaces}
    return set(disk).difference(*replaced.values()), replaced, loader.migrated_apps


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" (+{len(names) - 3})" if len(names) > 3 else "")


@contextmanager
def migrating() -> Iterator[None]:
    """Context in which system checks do not demand the command that is running."""
    global _is_migrating  # noqa: PLW0603
    before, _is_migrating = _is_migrating, True
    try:
        yield
    finally:
        _is_migrating = before


def is_migrating() -> bool:
    return _is_migrating


def require_collected() -> None:
    """Raise NotCollected if `collectstatic` was not run since scripts and styles changed."""
    name = _not_collected()
    if name:
        raise NotCollected(name)


@cache
def _not_collected() -> str:
    """Return the name of a file of which the collected copy is missing or outdated, or "".

    Once per process, in a tenth of a second: a running process would not serve the new files anyway.
    """
    if not hasattr(staticfiles_storage, "hashed_files"):
        return ""  # served from their sources
    ignored = apps.get_app_config("staticfiles").ignore_patterns  # type: ignore[attr-defined]
    seen = set()
    for finder in finders.get_finders():
        for name, storage in finder.list(ignored):
            if name in seen:  # the first one takes precedence
                continue
            seen.add(name)
            copy = Path(settings.STATIC_ROOT, name)
            if name not in staticfiles_storage.hashed_files or not _are_equal(Path(storage.path(name)), copy):
                return str(name)
    return ""


def _are_equal(one: Path, other: Path) -> bool:
    try:
        return one.stat().st_size == other.stat().st_size and one.read_bytes() == other.read_bytes()
    except OSError:
        return False
