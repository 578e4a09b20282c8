"""Outages: users get a page that explains what is unavailable, never a 500, and other pages keep working."""

import errno
import os
import subprocess
import sys
import uuid
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project
from django.core.management import CommandError, call_command
from django.db import InterfaceError, OperationalError, connection
from django.test import Client, RequestFactory

from search.embedding import ModelUnavailable
from search.http.unavailable import unavailable_page
from search.models import Image, OwedDeletion, QueryPicture
from search.models.sql_statements import execute
from search.objects import storage
from tests.base import an_image, picture_file, stored_image, write_picture
from tests.s3_servers import UNUSED_KEY, free_port

IMAGE = f"/images/{uuid.UUID(int=7)}/"
NO_DATABASE = "The database does not respond."
NO_MODEL = "Searching and adding pictures are not available right now, because a model is missing."


@pytest.fixture
def visitor() -> Client:
    """A browser that shows error pages, for which the test client would raise."""
    return Client(raise_request_exception=False)


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


# Without a database


@pytest.mark.usefixtures("database_down")
@pytest.mark.parametrize(
    "path",
    [
        "/", "/search?q=red", "/search?like=00000000-0000-8000-8000-000000000007", IMAGE, f"{IMAGE}400.webp",
        f"{IMAGE}download", f"{IMAGE}report/",
    ],
)  # fmt: skip
def test_without_a_database_pages_get_503_with_a_message(visitor: Client, path: str) -> None:
    answer = visitor.get(path)

    assert answer.status_code == 503
    assert NO_DATABASE in answer.content.decode()
    assert answer.headers["Retry-After"] == "30"
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


@pytest.mark.usefixtures("database_down")
def test_the_error_page_is_in_the_language_of_the_browser(visitor: Client) -> None:
    answer = visitor.get("/", headers={"accept-language": "ko"})

    assert answer.status_code == 503
    assert '<html lang="ko"' in answer.content.decode()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["/", IMAGE, "/upload/", "/accounts/password/", "/admin/"])
def test_logged_in_users_get_the_same_page(as_alice: Client, request: pytest.FixtureRequest, path: str) -> None:
    request.getfixturevalue("database_down")
    as_alice.raise_request_exception = False

    answer = as_alice.get(path)

    assert answer.status_code == 503
    assert NO_DATABASE in answer.content.decode()


@pytest.mark.django_db(transaction=True)
def test_the_404_page_works_without_the_menu_that_needs_the_database(
    as_alice: Client, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("database_down")
    as_alice.raise_request_exception = False

    answer = as_alice.get("/no/such/page", headers={"accept": "text/html"})

    assert answer.status_code == 404
    assert "This page does not exist." in answer.content.decode()
    assert "/upload/" not in answer.content.decode()


@pytest.mark.usefixtures("database_down")
def test_a_posted_form_gets_503_too(visitor: Client) -> None:
    for path, data in (
        ("/accounts/login/", {"username": "alice", "password": "alice's secret"}),
        ("/search/picture", {"picture": picture_file()}),
    ):
        answer = visitor.post(path, data)
        assert answer.status_code == 503
        assert NO_DATABASE in answer.content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_read_only_database_is_searched_and_changes_get_503(visitor: Client) -> None:
    """A standby after a failover, or a database whose disk is full."""
    image = stored_image()
    execute("SET default_transaction_read_only = on")
    try:
        assert visitor.get(f"/images/{image.id}/").status_code == 200
        answer = visitor.post("/search/picture", {"picture": picture_file()}, headers={"accept-language": "en"})
        ready = visitor.get("/readyz")
    finally:
        execute("SET default_transaction_read_only = off")

    assert answer.status_code == 503
    assert "Nothing can be changed right now." in answer.content.decode()
    assert ready.json()["database_changes"] == "refused: the database is read-only"
    assert "database_changes" not in visitor.get("/readyz").json()


@pytest.mark.django_db
def test_an_upload_into_a_folder_that_can_not_be_written_says_so(
    as_alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A volume that belongs to root; root itself, as in tests, may write anywhere."""

    def denied(*_args: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(storage.default_storage, "save", denied)
    monkeypatch.setattr("os.access", lambda *_args: False)

    answer = as_alice.post("/upload/", {"pictures": [picture_file()]})

    assert answer.status_code == 503
    assert "stored or read right now" in answer.content.decode()
    assert "does not respond" not in answer.content.decode()
    assert as_alice.get("/readyz").json()["storage_changes"].startswith("refused")


@pytest.mark.django_db(transaction=True)
def test_the_site_works_again_as_soon_as_the_database_does(as_alice: Client) -> None:
    as_alice.raise_request_exception = False
    where = connection.settings_dict["HOST"]
    connection.close()
    connection.settings_dict["HOST"] = "/nowhere"
    try:
        assert as_alice.get("/").status_code == 503
    finally:
        connection.settings_dict["HOST"] = where

    assert as_alice.get("/").status_code == 200


def test_a_database_error_outside_a_view_gets_503(visitor: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(*args: Any) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr("django.contrib.messages.middleware.MessageMiddleware.process_request", unreadable)

    answer = visitor.get("/")

    assert answer.status_code == 503
    assert NO_DATABASE in answer.content.decode()


@pytest.mark.parametrize("error", [OperationalError("gone"), InterfaceError("closed")])
def test_both_kinds_of_lost_connection_give_the_same_page(error: Exception) -> None:
    answer = unavailable_page(RequestFactory().get("/"), error)

    assert answer is not None
    assert answer.status_code == 503
    assert str(error) not in answer.content.decode()


def test_a_programming_error_is_not_reported_as_an_outage(visitor: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **options: Any) -> None:
        raise ZeroDivisionError("a secret detail")

    monkeypatch.setattr("search.views.searching.find", broken)

    answer = visitor.get("/")

    assert answer.status_code == 500
    assert "A server error occurred." in answer.content.decode()
    assert "a secret detail" not in answer.content.decode()


LIVE = """
import logging, django
django.setup()
logging.disable()
from django.core.management import call_command
from django.test import Client
call_command("collectstatic", interactive=False, verbosity=0)
answer = Client(raise_request_exception=False, headers={"host": "localhost"}).get("/")
print(answer.status_code, "The database does not respond." in answer.content.decode())
"""


def test_a_server_started_without_its_database_responds_within_seconds(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "DATABASE_URL": f"postgres://nobody:secret@127.0.0.1:{free_port()}/none",
        "DATA_DIR": str(tmp_path),
        "DEBUG": "off",
        "SECRET_KEY": UNUSED_KEY,
        "DJANGO_SETTINGS_MODULE": "imagesearch.settings",
    }
    environment |= dict.fromkeys(("AWS_STORAGE_BUCKET_NAME", "ALLOWED_HOSTS", "HTTPS", "LANGUAGE_CODE"), "")

    ended = subprocess.run(
        [sys.executable, "-c", LIVE],
        check=False,
        cwd=project.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ended.stdout.split() == ["503", "True"], ended.stderr


# Without a model


@pytest.mark.django_db
@pytest.mark.usefixtures("no_model")
def test_without_a_model_browsing_works(visitor: Client) -> None:
    image, other = stored_image(title="A lighthouse"), an_image(title="A mill")

    newest = visitor.get("/")
    similar = visitor.get("/search", {"like": image.id})
    page = visitor.get(f"/images/{image.id}/")

    assert [newest.status_code, similar.status_code, page.status_code] == [200, 200, 200]
    assert f'data-image="{other.id}"' in newest.content.decode()
    assert f'data-image="{other.id}"' in similar.content.decode()
    assert visitor.get(f"/images/{image.id}/400.webp").status_code == 200
    assert visitor.get(f"/images/{image.id}/download").status_code == 200


@pytest.mark.django_db
def test_without_a_model_a_search_by_words_says_what_the_operator_should_do(
    visitor: Client,
    no_model: Path,
) -> None:
    answer = visitor.get("/search", {"q": "red star"})

    text = answer.content.decode()
    assert answer.status_code == 503
    assert NO_MODEL in text
    assert str(no_model) in text
    assert "EMBEDDING_TEXT_MODEL" in text
    assert answer.headers["Retry-After"] == "30"


@pytest.mark.django_db
@pytest.mark.usefixtures("no_model")
def test_without_a_model_a_search_by_picture_gets_503_and_stores_nothing(visitor: Client) -> None:
    answer = visitor.post("/search/picture", {"picture": picture_file()})

    assert answer.status_code == 503
    assert NO_MODEL in answer.content.decode()
    assert not QueryPicture.objects.exists()


@pytest.mark.django_db
@pytest.mark.usefixtures("no_model")
def test_without_a_model_an_upload_gets_503_and_stores_nothing(as_alice: Client, settings: Any) -> None:
    answer = as_alice.post("/upload/", {"pictures": [picture_file()], "title": "A red one"})

    assert answer.status_code == 503
    assert NO_MODEL in answer.content.decode()
    assert not Image.objects.exists()
    assert not OwedDeletion.objects.exists()
    assert files_below(Path(settings.MEDIA_ROOT)) == []


def test_the_message_for_the_operator_is_escaped() -> None:
    answer = unavailable_page(RequestFactory().get("/"), ModelUnavailable("<script>alert(1)</script>"))

    assert answer is not None
    assert "<script>alert" not in answer.content.decode()


# Without the media folder


@pytest.mark.django_db
def test_without_the_storage_lists_work_and_pictures_get_503(as_alice: Client, settings: Any) -> None:
    image = stored_image()
    settings.MEDIA_ROOT = Path(settings.MEDIA_ROOT).with_name("a-file")
    settings.MEDIA_ROOT.write_text("not a folder")

    assert as_alice.get("/").status_code == 200
    assert as_alice.get(f"/images/{image.id}/").status_code == 200
    for path in ("400.webp", "1600.webp", "download"):
        assert as_alice.get(f"/images/{image.id}/{path}").status_code == 503
    assert as_alice.post("/upload/", {"pictures": [picture_file(colour="blue")]}).status_code == 503
    assert Image.objects.count() == 1


@pytest.mark.usefixtures("database_down")
@pytest.mark.parametrize(
    "command", ["calibrate", "embed_pending", "forget_deletions", "index_health", "ingest", "reconcile", "reembed"]
)
def test_a_command_without_a_database_fails_with_one_message(command: str, tmp_path: Path) -> None:
    arguments = {"ingest": [str(write_picture(tmp_path / "red.png", format="PNG"))], "forget_deletions": ["--all"]}

    with pytest.raises(CommandError, match=r"(?s)^The database failed: .*\nFinished work is kept; run the same"):
        call_command(command, *arguments.get(command, []), stdout=StringIO(), stderr=StringIO())


def test_a_command_does_not_wait_for_a_database_that_refuses_it(tmp_path: Path) -> None:
    """Each of the checks waited a minute for a database with another name, or another password."""
    there = connection.settings_dict
    url = f"postgres://{there['USER']}@/no_such_database?host={there['HOST']}&port={there['PORT']}"
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}

    ended = subprocess.run(
        [sys.executable, "manage.py", "check", "--database", "default"],
        check=False,
        cwd=project.BASE_DIR,
        env={**inherited, "DATA_DIR": str(tmp_path), "DATABASE_URL": url, "SECRET_KEY": UNUSED_KEY, "DEBUG": "off"},
        capture_output=True,
        text=True,
        timeout=50,
    )

    assert ended.returncode == 1
    assert 'database "no_such_database" does not exist' in ended.stderr


# Without tables


@pytest.mark.django_db
@pytest.mark.parametrize("command", ["calibrate", "embed_pending", "index_health", "ingest", "reconcile", "reembed"])
def test_a_command_without_tables_says_what_to_run(command: str, tmp_path: Path) -> None:
    arguments = [str(write_picture(tmp_path / "photos" / "red.png", format="PNG"))] if command == "ingest" else []
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA not_migrated")
        cursor.execute("SET LOCAL search_path TO not_migrated")

    with pytest.raises(CommandError, match=r"lacks tables of this version: run `manage.py migrate`"):
        call_command(command, *arguments, stdout=StringIO(), stderr=StringIO())
