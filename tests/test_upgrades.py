"""What an upgrade left out is told with the command, on pages, to programs, to a balancer and by `check`."""

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
def asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known of the database yet."""
    monkeypatch.setattr(upgrades, "_fits_until", float("-inf"))


def forget(name: str = NEWEST) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'search' AND name = %s", [name])


def note(name: str, app: str = "search") -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO django_migrations (app, name, applied) VALUES (%s, %s, now())", [app, name])


def errors() -> list[tuple[str | None, str, str | None]]:
    found = checks.run_checks(databases=["default"])
    return [(one.id, one.msg, one.hint) for one in found if one.id in {"search.E006", "search.E007"}]


# A database of another version


@pytest.mark.django_db
@pytest.mark.usefixtures("asked")
def test_without_migrate_pages_answer_503_with_the_command(client: Client) -> None:
    forget()

    for path in ("/", "/search?q=red", "/accounts/login/", "/admin/"):
        answer = client.get(path)
        text = answer.content.decode()
        assert answer.status_code == 503
        assert "This site is being updated." in text
        assert f"lacks search.{NEWEST}. Run `manage.py migrate`." in text
        assert answer.headers["Retry-After"] == "30"
    assert '<html lang="ko"' in client.get("/", headers={"accept-language": "ko"}).content.decode()


@pytest.mark.django_db
@pytest.mark.usefixtures("asked")
def test_without_migrate_programs_balancers_and_check_are_told_it_too(client: Client) -> None:
    forget()

    for_programs = client.get("/api/search")
    ready = client.get("/readyz")

    assert (for_programs.status_code, for_programs.json()["type"]) == (503, "/api/docs#no_migration")
    assert "manage.py migrate" in for_programs.json()["detail"]
    assert ready.status_code == 503
    assert ready.json()["database"] == "ok"
    assert ready.json()["migrations"].endswith(f"lacks search.{NEWEST}. Run `manage.py migrate`.")
    assert client.get("/healthz").status_code == 200
    [(number, told, hint)] = errors()
    assert (number, hint) == ("search.E006", "Run `manage.py migrate`.")
    assert NEWEST in told


@pytest.mark.django_db
@pytest.mark.usefixtures("asked")
def test_somebody_who_migrates_meanwhile_is_noticed_at_once(client: Client) -> None:
    forget()
    assert client.get("/").status_code == 503

    note(NEWEST)

    assert client.get("/").status_code == 200


@pytest.mark.django_db
@pytest.mark.usefixtures("asked")
def test_a_database_of_a_newer_version_is_told_as_such(client: Client) -> None:
    note("0999_from_the_future")

    answer = client.get("/")

    assert answer.status_code == 503
    assert "newer version than this code: it has search.0999_from_the_future." in answer.content.decode()
    assert "newer version" in client.get("/readyz").json()["migrations"]
    assert [number for number, _told, _hint in errors()] == ["search.E006"]
    told = StringIO()
    call_command("migrate", stdout=StringIO(), stderr=told)
    assert "does not know search.0999_from_the_future" in told.getvalue()


@pytest.mark.django_db
@pytest.mark.usefixtures("asked")
def test_an_app_that_is_no_more_is_nothing_to_tell(client: Client) -> None:
    note("0001_initial", app="an_app_of_an_older_version")

    assert client.get("/").status_code == 200
    assert errors() == []


@pytest.mark.django_db
@pytest.mark.usefixtures("asked")
def test_migrations_that_were_squashed_count_as_they_were_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, _replaced, apps = upgrades._on_disk()
    olds = {("search", "0001_initial"), ("search", "0002_facets_and_words")}
    squashed = ("search", "0001_squashed_0002")
    monkeypatch.setattr(upgrades, "_on_disk", lambda: (ours - olds | {squashed}, {squashed: olds}, apps))

    assert upgrades.differences() == ([], [])
    forget("0002_facets_and_words")
    assert upgrades.differences() == (["search.0001_squashed_0002"], [])


@pytest.mark.django_db
@pytest.mark.usefixtures("asked")
def test_a_database_that_fits_is_asked_again_after_some_seconds(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Callable[..., Any]
) -> None:
    upgrades.require_migrated()
    forget()

    with django_assert_num_queries(0):
        upgrades.require_migrated()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + upgrades.REMEMBERED + 1)
    with pytest.raises(upgrades.NotMigrated):
        upgrades.require_migrated()


@pytest.mark.django_db
def test_an_error_of_the_database_is_explained_by_a_migration_that_lacks() -> None:
    # Within the seconds for which it is remembered as one that fits.
    assert upgrades.left_out(ProgrammingError("no such column")) is None
    forget()
    assert isinstance(upgrades.left_out(ProgrammingError("no such column")), upgrades.NotMigrated)
    assert upgrades.left_out(ZeroDivisionError()) is None


@pytest.mark.usefixtures("asked", "database_down")
def test_of_a_database_that_does_not_answer_nothing_else_is_told(client: Client) -> None:
    client.raise_request_exception = False

    assert "The database does not respond." in client.get("/").content.decode()
    assert client.get("/readyz").json()["migrations"] == "not known"
    assert client.get("/nothing").status_code == 404


# Two that migrate at once


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch, transactional_db: None) -> Iterator[Any]:
    """Another process is migrating: the cursor of its session."""
    monkeypatch.setattr(migrate, "POLL", 0.01)
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [migrate.LOCK])
        yield cursor
    other.close()


class Heard(StringIO):
    """What a command tells; `waits` is set when it tells that it waits."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = threading.Event()

    def write(self, text: str) -> int:
        if "waiting for it" in text:
            self.waits.set()
        return super().write(text)


def test_who_migrates_second_waits_and_says_so(held: Any) -> None:
    told = Heard()
    second = in_another_thread(lambda: call_command("migrate", stdout=told))
    assert told.waits.wait(30)
    assert second.is_alive()
    assert "Running migrations" not in told.getvalue()

    held.execute("SELECT pg_advisory_unlock(%s)", [migrate.LOCK])

    second.join(30)
    assert "No migrations to apply" in told.getvalue()
    assert told.getvalue().count("waiting for it") == 1
    # And it let go.
    held.execute("SELECT pg_try_advisory_lock(%s)", [migrate.LOCK])
    assert held.fetchone() == (True,)


def test_looking_waits_for_nobody(held: Any) -> None:
    told = StringIO()

    call_command("migrate", plan=True, stdout=told)
    call_command("migrate", check_unapplied=True, stdout=told)

    assert "waiting" not in told.getvalue()


@pytest.mark.django_db
def test_nobody_else_migrates_while_one_does_and_an_error_lets_go(monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_migrate_is_not_stopped_by_the_check_that_asks_for_it() -> None:
    forget()

    call_command("migrate", fake=True, skip_checks=False, stdout=StringIO(), stderr=StringIO())

    assert errors() == []


# Static files of another version


@pytest.fixture
def static(settings: Any, tmp_path: Path) -> Iterator[Path]:
    """A folder of scripts and styles, as they are served where DEBUG is off. They are not collected."""
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
    # A new process.
    settings.STATIC_ROOT = Path(settings.STATIC_ROOT)
    upgrades._not_collected.cache_clear()


@pytest.mark.django_db
@pytest.mark.usefixtures("static")
@pytest.mark.parametrize("path", ["/", "/nothing", "/admin/login/"])
def test_without_collectstatic_pages_answer_503_that_needs_none(client: Client, path: str) -> None:
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
def test_without_collectstatic_the_api_works_and_who_asks_is_told(client: Client) -> None:
    assert client.get("/api/search").status_code == 200
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert "manage.py collectstatic" in ready.json()["static files"]
    [(number, _told, hint)] = errors()
    assert number == "search.E007"
    assert "manage.py collectstatic" in str(hint)


@pytest.mark.django_db
def test_a_list_of_files_that_was_cut_off_is_as_good_as_none(client: Client, settings: Any, static: Path) -> None:
    collect(settings)
    manifest = Path(settings.STATIC_ROOT, "staticfiles.json")
    manifest.write_text(manifest.read_text()[:-9])
    settings.STATIC_ROOT = Path(settings.STATIC_ROOT)
    client.raise_request_exception = False

    assert client.get("/").status_code == 503
    assert "manage.py collectstatic" in client.get("/readyz").json()["static files"]


def test_files_that_were_changed_or_added_since_are_named(settings: Any, static: Path) -> None:
    collect(settings)
    upgrades.require_collected()

    (static / "b.js").write_text("2;")
    os.utime(static / "b.js", (1_000_000_000, 1_000_000_000))  # of a version that is older than the copy
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
def test_what_was_collected_with_debug_on_is_served_with_debug_off(
    client: Client, settings: Any, static: Path
) -> None:
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


def test_what_collectstatic_leaves_out_is_not_missed(settings: Any, static: Path, tmp_path: Path) -> None:
    for name in (".DS_Store", "b.js~"):
        (static / name).write_text("no style")
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "b.js").write_text("an app's own of the same name")
    settings.STATICFILES_DIRS = [static, tmp_path / "second"]

    collect(settings)

    upgrades.require_collected()
