"""An incomplete upgrade is reported with the command to run: on pages, by the API, readiness and `check`."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import global_settings
from django.conf import settings as project
from django.core import checks
from django.core.management import call_command
from django.core.management.commands import migrate as djangos
from django.db import ProgrammingError, connection
from django.test import Client

from search import migrations
from search.management.commands import migrate
from search.monitoring import upgrades
from tests.base import in_another_thread

NEWEST = max(path.stem for path in Path(migrations.__file__).parent.glob("0*.py"))


@pytest.fixture
def uncached(monkeypatch: pytest.MonkeyPatch) -> None:
    """The state of the database has not been cached yet."""
    monkeypatch.setattr(upgrades, "_fits_until", float("-inf"))


def unrecord_migration(name: str = NEWEST) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'search' AND name = %s", [name])


def record_migration(name: str, app: str = "search") -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO django_migrations (app, name, applied) VALUES (%s, %s, now())", [app, name])


def errors() -> list[tuple[str | None, str, str | None]]:
    found = checks.run_checks(databases=["default"])
    return [(one.id, one.msg, one.hint) for one in found if one.id in {"search.E006", "search.E007"}]


# A database of another version


@pytest.mark.django_db
@pytest.mark.usefixtures("uncached")
def test_without_migrate_pages_get_503_with_the_command(client: Client) -> None:
    unrecord_migration()

    for path in ("/", "/search?q=red", "/accounts/login/", "/admin/"):
        answer = client.get(path)
        text = answer.content.decode()
        assert answer.status_code == 503
        assert "This site is being updated." in text
        assert f"lacks search.{NEWEST}. Run `manage.py migrate`." in text
        assert answer.headers["Retry-After"] == "30"
    assert '<html lang="ko"' in client.get("/", headers={"accept-language": "ko"}).content.decode()


@pytest.mark.django_db
@pytest.mark.usefixtures("uncached")
def test_without_migrate_the_api_readiness_and_check_report_it_too(client: Client) -> None:
    unrecord_migration()

    for_programs = client.get("/api/search")
    ready = client.get("/readyz")

    assert (for_programs.status_code, for_programs.json()["type"]) == (503, "/api/docs#no_migration")
    assert "manage.py migrate" in for_programs.json()["detail"]
    assert ready.status_code == 503
    assert ready.json()["database"] == "ok"
    assert ready.json()["migrations"].endswith(f"lacks search.{NEWEST}. Run `manage.py migrate`.")
    assert client.get("/healthz").status_code == 200
    [(number, output, hint)] = errors()
    assert (number, hint) == ("search.E006", "Run `manage.py migrate`.")
    assert NEWEST in output


@pytest.mark.django_db
@pytest.mark.usefixtures("uncached")
def test_a_migration_by_another_process_is_noticed_at_once(client: Client) -> None:
    unrecord_migration()
    assert client.get("/").status_code == 503

    record_migration(NEWEST)

    assert client.get("/").status_code == 200


@pytest.mark.django_db
@pytest.mark.usefixtures("uncached")
def test_a_database_of_a_newer_version_is_reported(client: Client) -> None:
    record_migration("0999_from_the_future")

    answer = client.get("/")

    assert answer.status_code == 503
    assert "newer version than this code: it has search.0999_from_the_future." in answer.content.decode()
    assert "newer version" in client.get("/readyz").json()["migrations"]
    assert [number for number, _told, _hint in errors()] == ["search.E006"]
    output = StringIO()
    call_command("migrate", stdout=StringIO(), stderr=output)
    assert "does not know search.0999_from_the_future" in output.getvalue()


@pytest.mark.django_db
@pytest.mark.usefixtures("uncached")
def test_a_removed_app_is_ignored(client: Client) -> None:
    record_migration("0001_initial", app="an_app_of_an_older_version")

    assert client.get("/").status_code == 200
    assert errors() == []


@pytest.mark.django_db
@pytest.mark.usefixtures("uncached")
def test_squashed_migrations_count_as_applied_if_the_originals_were(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, _replaced, apps = upgrades._on_disk()
    olds = {("search", "0001_initial"), ("search", "0002_facets_and_words")}
    squashed = ("search", "0001_squashed_0002")
    monkeypatch.setattr(upgrades, "_on_disk", lambda: (ours - olds | {squashed}, {squashed: olds}, apps))

    assert upgrades.differences() == ([], [])
    unrecord_migration("0002_facets_and_words")
    assert upgrades.differences() == (["search.0001_squashed_0002"], [])


@pytest.mark.django_db
@pytest.mark.usefixtures("uncached")
def test_the_state_of_a_migrated_database_is_cached_for_seconds(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Callable[..., Any]
) -> None:
    upgrades.require_migrated()
    unrecord_migration()

    with django_assert_num_queries(0):
        upgrades.require_migrated()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + upgrades.REMEMBERED + 1)
    with pytest.raises(upgrades.NotMigrated):
        upgrades.require_migrated()


@pytest.mark.django_db
def test_a_database_error_is_explained_by_a_missing_migration() -> None:
    # During the seconds for which the state is cached.
    assert upgrades.left_out(ProgrammingError("no such column")) is None
    unrecord_migration()
    assert isinstance(upgrades.left_out(ProgrammingError("no such column")), upgrades.NotMigrated)
    assert upgrades.left_out(ZeroDivisionError()) is None


@pytest.mark.usefixtures("uncached", "database_down")
def test_an_unreachable_database_is_reported_as_such_only(client: Client) -> None:
    client.raise_request_exception = False

    assert "The database does not respond." in client.get("/").content.decode()
    assert client.get("/readyz").json()["migrations"] == "not known"
    assert client.get("/nothing").status_code == 404


# Concurrent migrations


@pytest.fixture
def migration_lock(monkeypatch: pytest.MonkeyPatch, transactional_db: None) -> Iterator[Any]:
    """Another process is migrating: the cursor of its session."""
    monkeypatch.setattr(migrate, "POLL", 0.01)
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [migrate.LOCK])
        yield cursor
    other.close()


class WaitingOutput(StringIO):
    """The output of a command; `waits` is set when the command says that it waits."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = threading.Event()

    def write(self, text: str) -> int:
        if "waiting for it" in text:
            self.waits.set()
        return super().write(text)


def test_a_second_migrate_waits_and_says_so(migration_lock: Any) -> None:
    output = WaitingOutput()
    second = in_another_thread(lambda: call_command("migrate", stdout=output))
    assert output.waits.wait(30)
    assert second.is_alive()
    assert "Running migrations" not in output.getvalue()

    migration_lock.execute("SELECT pg_advisory_unlock(%s)", [migrate.LOCK])

    second.join(30)
    assert "No migrations to apply" in output.getvalue()
    assert output.getvalue().count("waiting for it") == 1
    # And the lock was released.
    migration_lock.execute("SELECT pg_try_advisory_lock(%s)", [migrate.LOCK])
    assert migration_lock.fetchone() == (True,)


def test_looking_at_migrations_does_not_wait(migration_lock: Any) -> None:
    output = StringIO()

    call_command("migrate", plan=True, stdout=output)
    call_command("migrate", check_unapplied=True, stdout=output)

    assert "waiting" not in output.getvalue()


@pytest.mark.django_db
def test_migrate_holds_a_lock_and_releases_it_on_error(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def is_free() -> bool:
        other = connection.copy()
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [migrate.LOCK])
            [free] = cursor.fetchone()
            if free:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [migrate.LOCK])
        other.close()
        return bool(free)

    def broken(*args: Any, **options: Any) -> None:
        seen.append(is_free())
        raise ZeroDivisionError

    monkeypatch.setattr(djangos.Command, "handle", broken)

    with pytest.raises(ZeroDivisionError):
        call_command("migrate")
    assert seen == [False]
    assert is_free()


@pytest.mark.django_db
def test_migrate_is_not_blocked_by_the_check_that_requires_it() -> None:
    unrecord_migration()

    call_command("migrate", fake=True, skip_checks=False, stdout=StringIO(), stderr=StringIO())

    assert errors() == []


# Static files of another version


@pytest.fixture
def static(settings: Any, tmp_path: Path) -> Iterator[Path]:
    """A folder of scripts and styles, served as with DEBUG off, and not collected yet."""
    folder = tmp_path / "source"
    (folder / "css").mkdir(parents=True)
    (folder / "css" / "a.css").write_text("a { color: red }")
    (folder / "b.js").write_text("1;")
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STATICFILES_DIRS = [folder]
    settings.STATIC_ROOT = tmp_path / "static"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": "search.web.static_files.StaticFiles"}}
    upgrades._not_collected.cache_clear()
    yield folder
    upgrades._not_collected.cache_clear()


def collect(settings: Any) -> None:
    call_command("collectstatic", interactive=False, verbosity=0)
    # As in a new process.
    settings.STATIC_ROOT = Path(settings.STATIC_ROOT)
    upgrades._not_collected.cache_clear()


@pytest.mark.django_db
@pytest.mark.usefixtures("static")
@pytest.mark.parametrize("path", ["/", "/nothing", "/admin/login/"])
def test_without_collectstatic_pages_get_503_without_static_files(client: Client, path: str) -> None:
    client.raise_request_exception = False

    answer = client.get(path)

    text = answer.content.decode()
    assert answer.status_code == 503
    assert "This site is being updated." in text
    assert "Run `manage.py collectstatic`, then restart the web process." in text
    assert "stylesheet" not in text
    assert "<img" not in text


@pytest.mark.django_db
@pytest.mark.usefixtures("static")
def test_without_collectstatic_the_api_works_and_readiness_reports_it(client: Client) -> None:
    assert client.get("/api/search").status_code == 200
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert "manage.py collectstatic" in ready.json()["static_files"]
    [(number, _told, hint)] = errors()
    assert number == "search.E007"
    assert "manage.py collectstatic" in str(hint)


@pytest.mark.django_db
def test_a_truncated_manifest_counts_as_missing(client: Client, settings: Any, static: Path) -> None:
    collect(settings)
    manifest = Path(settings.STATIC_ROOT, "staticfiles.json")
    manifest.write_text(manifest.read_text()[:-9])
    settings.STATIC_ROOT = Path(settings.STATIC_ROOT)
    client.raise_request_exception = False

    assert client.get("/").status_code == 503
    assert "manage.py collectstatic" in client.get("/readyz").json()["static_files"]


def test_files_changed_or_added_since_are_named(settings: Any, static: Path) -> None:
    collect(settings)
    upgrades.require_collected()

    (static / "b.js").write_text("2;")
    os.utime(static / "b.js", (1_000_000_000, 1_000_000_000))  # of a version older than the copy
    upgrades._not_collected.cache_clear()
    with pytest.raises(upgrades.NotCollected, match=r"collected: b\.js\."):
        upgrades.require_collected()

    collect(settings)
    upgrades.require_collected()
    (static / "css" / "new.css").write_text("b { color: red }")
    upgrades._not_collected.cache_clear()
    with pytest.raises(upgrades.NotCollected, match=r"collected: css/new\.css\."):
        upgrades.require_collected()


@pytest.mark.django_db
def test_files_collected_with_debug_on_are_served_with_debug_off(client: Client, settings: Any, static: Path) -> None:
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    served = settings.STORAGES
    settings.STATICFILES_DIRS = [static, project.BASE_DIR / "static"]
    settings.STATICFILES_FINDERS = global_settings.STATICFILES_FINDERS
    settings.STORAGES = {**served, "staticfiles": plain}
    collect(settings)
    settings.STORAGES = served
    upgrades._not_collected.cache_clear()

    answers = [client.get(path).status_code for path in ("/", "/nothing", "/admin/login/")]
    assert answers == [200, 404, 200]
    upgrades.require_collected()


def test_files_ignored_by_collectstatic_are_not_reported(settings: Any, static: Path, tmp_path: Path) -> None:
    for name in (".DS_Store", "b.js~"):
        (static / name).write_text("no style")
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "b.js").write_text("an app's own of the same name")
    settings.STATICFILES_DIRS = [static, tmp_path / "second"]

    collect(settings)

    upgrades.require_collected()
