"""Commands wait for a database that is down and for a full disk; users get a clear message."""

import errno
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from botocore.exceptions import ClientError
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, transaction
from django.test import Client

from search.ingestion import pending
from search.ingestion.pipeline import coordinator as pipeline
from search.ingestion.pipeline.rows import Staging
from search.management import outages
from search.models import Image, OwedDeletion
from search.models.sql_statements import execute
from search.objects import storage
from search.objects.disk_full import no_room
from tests.base import pending_image, picture_file, stored_image, write_picture
from tests.test_unavailable import files_below

COLOURS = ("red", "green", "blue", "black", "white")


@pytest.fixture(autouse=True)
def _short_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outages, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(outages, "FULL_LOOK_EVERY", 0.01)


def database_full() -> OperationalError:
    message = 'could not extend file "base/5/16384": No space left on device\nHINT:  Check free disk space.'
    error = OperationalError(message)
    error.__cause__ = psycopg.errors.DiskFull(message)
    return error


def connection_lost() -> OperationalError:
    return OperationalError("server closed the connection unexpectedly")


def failing(times: int, error: Callable[[], Exception], work: Callable[..., Any]) -> Callable[..., Any]:
    """`work` that raises an error the first `times` times."""
    left = times

    def fails(*args: Any, **options: Any) -> Any:
        nonlocal left
        if left:
            left -= 1
            raise error()
        return work(*args, **options)

    return fails


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for colour in COLOURS:
        write_picture(tmp_path / "photos" / f"{colour}.jpg", colour)
    return tmp_path / "photos"


def run(*command: str) -> tuple[str, str]:
    out, complaints = StringIO(), StringIO()
    call_command(*command, stdout=out, stderr=complaints)
    return out.getvalue(), complaints.getvalue()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("error", "message"),
    [
        (connection_lost, "The connection to the database was lost: server closed"),
        (database_full, "The disk of the database is full: could"),
    ],
)
def test_an_ingest_continues_after_an_outage_and_counts_all_added_pictures(
    photos: Path, monkeypatch: pytest.MonkeyPatch, error: Callable[[], Exception], message: str
) -> None:
    monkeypatch.setattr(pipeline, "BATCH", 2)
    write, calls = Staging.write, []

    def fails_once(rows: Staging, *args: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise error()
        return write(rows, *args, **options)

    monkeypatch.setattr(Staging, "write", fails_once)

    out, complaints = run("ingest", str(photos))

    assert message in complaints
    assert "5 added, 0 already here, 0 failed." in out
    assert Image.objects.count() == len(COLOURS)


@pytest.mark.django_db(transaction=True)
def test_an_ingest_continues_when_the_full_media_folder_has_room_again(
    photos: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    full = failing(1, lambda: OSError(errno.ENOSPC, "No space left on device"), storage.LocalStorage._save)
    monkeypatch.setattr(storage.LocalStorage, "_save", full)

    out, complaints = run("ingest", str(photos))

    assert f"The folder of the pictures, {settings.MEDIA_ROOT}, is on a disk that is full" in complaints
    assert "The next file takes 0." in complaints
    assert "5 added, 0 already here, 0 failed." in out


@pytest.mark.django_db(transaction=True)
def test_a_disk_that_stays_full_ends_the_command_and_the_next_run_adds_the_rest(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outages, "FULL_FOR", 0.05)
    with monkeypatch.context() as while_full:
        while_full.setattr(Staging, "write", failing(1000, database_full, Staging.write))
        with pytest.raises(CommandError, match=r"(?s)disk of the database is full: .* Free some .* run the same"):
            run("ingest", str(photos))
    assert not Image.objects.exists()

    assert "5 added" in run("ingest", str(photos))[0]


@pytest.mark.django_db(transaction=True)
def test_embed_pending_continues_after_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    image = pending_image()
    monkeypatch.setattr(pending, "write_vectors", failing(1, database_full, pending.write_vectors))

    out, complaints = run("embed_pending")

    assert "disk of the database is full" in complaints
    assert "1 embedded, 0 still pending" in out
    image.refresh_from_db()
    assert image.embedding is not None


@pytest.mark.django_db(transaction=True)
def test_pictures_embedded_before_an_outage_are_counted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        pending_image()
    give, given = pending.write_vectors, []

    def gives(*args: Any) -> int:
        given.append(None)
        if len(given) == 2:
            raise database_full()
        return give(*args)

    monkeypatch.setattr(pending, "write_vectors", gives)

    out, complaints = run("embed_pending", "--batch", "1")

    assert "disk of the database is full" in complaints
    assert "3 embedded, 0 still pending" in out


@pytest.mark.django_db
def test_an_error_at_every_try_is_not_treated_as_an_outage(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connection.ensure_connection()
    tried = []

    def fails(*_args: Any, **_options: Any) -> None:
        tried.append(1)
        raise connection_lost()

    monkeypatch.setattr("search.management.commands.ingest.ingest", fails)

    with pytest.raises(CommandError, match="The database failed: server closed"):
        run("ingest", str(photos))
    assert len(tried) == outages.TRIES + 1


@pytest.mark.django_db(transaction=True)
def test_a_command_waits_until_a_read_only_database_accepts_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outages, "LOOK_EVERY", 0)
    still_read_only = iter([True, True, False])
    monkeypatch.setattr(outages, "accepts_no_changes", lambda: next(still_read_only))
    told: list[str] = []

    def work() -> str:
        if not told:
            with transaction.atomic():
                execute("SET TRANSACTION READ ONLY")
                execute("UPDATE search_image SET title = title")
        return "done"

    assert outages.retry_outages(work, told.append) == "done"
    assert [line.partition(":")[0] for line in told] == [
        "The database accepts no changes",
        "The database is back; resuming.",
    ]
    assert list(still_read_only) == []


def test_a_bucket_over_its_quota_counts_as_full() -> None:
    refusal = ClientError({"Error": {"Code": "QuotaExceeded"}, "ResponseMetadata": {"HTTPStatusCode": 403}}, "Put")

    with pytest.raises(storage.StorageFull, match="is full") as raised, storage.translated():
        raise refusal
    assert no_room(raised.value)


# The site


@pytest.fixture
def uploads(as_alice: Client) -> Callable[[], str]:
    as_alice.raise_request_exception = False

    def upload() -> str:
        answer = as_alice.post("/upload/", {"pictures": [picture_file()]})
        assert answer.status_code == 503
        return answer.content.decode()

    return upload


@pytest.mark.django_db(transaction=True)
def test_an_upload_into_a_full_media_folder_is_refused_and_leaves_no_files(
    uploads: Callable[[], str], monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    save = storage.LocalStorage._save

    def full_after_the_original(self: Any, name: str, content: Any) -> str:
        if name.startswith("renditions"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return save(self, name, content)

    monkeypatch.setattr(storage.LocalStorage, "_save", full_after_the_original)

    assert "There is not enough disk space for this upload." in uploads()
    assert not Image.objects.exists()
    assert not OwedDeletion.objects.exists()
    assert files_below(Path(settings.MEDIA_ROOT)) == []


@pytest.mark.django_db(transaction=True)
def test_an_upload_into_a_full_database_is_refused_and_the_next_one_succeeds(
    uploads: Callable[[], str], as_alice: Client, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    with monkeypatch.context() as while_full:
        while_full.setattr(Staging, "write", failing(1, database_full, Staging.write))
        assert "There is not enough disk space for this upload." in uploads()
    assert not Image.objects.exists()
    assert files_below(Path(settings.MEDIA_ROOT)) == []

    assert as_alice.post("/upload/", {"pictures": [picture_file()]}).status_code == 200
    assert Image.objects.count() == 1


@pytest.mark.django_db
def test_a_rendition_that_can_not_be_stored_is_still_served(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    image = stored_image()
    monkeypatch.setattr(
        storage.LocalStorage, "_save", failing(9, lambda: OSError(errno.ENOSPC, "full"), storage.LocalStorage._save)
    )

    answer = client.get(f"/images/{image.id}/400.webp")

    assert answer.status_code == 200
    assert answer.content[8:12] == b"WEBP"
