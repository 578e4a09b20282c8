"""`manage.py reconcile`: missing objects are reported, orphans are deleted, and pictures in progress are kept."""

import os
import re
import time
import uuid
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from search.curation.details import Details
from search.ingestion import Choices, add_picture, ingest, open_source, reconciling
from search.models import Image, Origin, OwedDeletion
from search.models.image import content_id
from search.objects import storage
from search.objects.deletion import block_deletions, unblock_deletions
from tests.base import in_another_thread, picture_bytes, write_picture
from tests.s3_servers import BUCKET, Moto, S3Server, use_s3

pytestmark = pytest.mark.django_db(transaction=True)

RED, BLUE = (picture_bytes(colour, size=(640, 480)) for colour in ("red", "blue"))
DAY = 24 * 3600


@pytest.fixture(scope="module")
def running_moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    server = Moto(tmp_path_factory.mktemp("moto"))
    server.start()
    server.client().create_bucket(Bucket="elsewhere")
    yield server
    server.kill()


@pytest.fixture
def moto(running_moto: Moto, settings: Any) -> Moto:
    running_moto.empty()
    use_s3(settings, running_moto)
    return running_moto


@pytest.fixture(params=["files", "moto", "moto in a folder", "rclone"])
def any_storage(request: pytest.FixtureRequest, settings: Any) -> str:
    """The site with its objects in files, or in a bucket."""
    kind: str = request.param
    if kind != "files":
        server: S3Server = request.getfixturevalue(f"running_{kind.split(maxsplit=1)[0]}")
        server.empty()
        use_s3(settings, server, **({"AWS_LOCATION": "a/folder"} if "folder" in kind else {}))
    return kind


def run(*options: str) -> tuple[list[str], list[str], int]:
    """Return the printed lines after the first one, the findings, and the exit status."""
    out, complaints, status = StringIO(), StringIO(), 0
    try:
        call_command("reconcile", *options, stdout=out, stderr=complaints)
    except SystemExit as end:
        status = int(end.code or 0)
    return out.getvalue().splitlines()[1:], complaints.getvalue().splitlines(), status


def added(data: bytes = RED, title: str = "") -> Image:
    return add_picture(data, Details(title=title), None).image


def original_of(image: Image) -> str:
    return storage.original_key(image.id)


def thumbnail_of(image: Image) -> str:
    return storage.rendition_key(image.id, storage.THUMBNAIL)


def orphan(*, thumbnail_only: bool = False) -> list[str]:
    """Objects without a row."""
    image_id = uuid.uuid4()
    keys = [storage.original_key(image_id), storage.rendition_key(image_id, storage.THUMBNAIL)]
    for key in keys[thumbnail_only:]:
        storage.put(key, RED, "image/jpeg")
    return keys[thumbnail_only:]


def make_old(settings: Any, *keys: str) -> None:
    before = time.time() - 2 * DAY
    for key in keys:
        os.utime(Path(settings.MEDIA_ROOT) / key, (before, before))


# Consistent storage


def test_a_consistent_collection_has_no_findings(any_storage: str) -> None:
    added(RED)
    added(BLUE)

    assert run() == (["2 pictures and 4 objects checked."], [], 0)
    assert run("--repair", "--older-than", "0") == (["2 pictures and 4 objects checked."], [], 0)


def test_an_empty_collection_has_no_findings(any_storage: str) -> None:
    assert run("--repair") == (["0 pictures and 0 objects checked."], [], 0)


# Missing objects


@pytest.mark.parametrize("option", ["--repair", "--mend"])  # the second was the spelling of earlier versions
def test_a_missing_thumbnail_is_reported_and_made_again_from_the_original(any_storage: str, option: str) -> None:
    image = added(title="A red one")
    before = storage.read(thumbnail_of(image))
    storage.delete([thumbnail_of(image)])

    lines, findings, status = run()
    assert (findings, status) == ([f"thumbnail missing: {image.id} 'A red one'"], 1)
    assert "1 thumbnails missing." in lines
    assert storage.size_of(thumbnail_of(image)) is None

    lines, findings, status = run(option)
    assert (findings, status) == ([f"thumbnail missing: {image.id} 'A red one' - repaired"], 0)
    assert storage.read(thumbnail_of(image)) == before
    assert run()[2] == 0


def test_a_missing_original_is_reported_with_its_source(any_storage: str, tmp_path: Path) -> None:
    path = write_picture(tmp_path / "photos" / "a.jpg", "green", size=(640, 480))
    ingest(open_source([str(path)]))
    image = Image.objects.get()
    storage.delete([original_of(image), thumbnail_of(image)])

    _lines, findings, status = run("--repair")

    assert status == 1
    assert findings == [
        f"original missing: {image.id} (came from {path})",
        f"thumbnail missing: {image.id} (its original is missing too)",
    ]
    assert run("--repair")[1] == findings
    assert ingest(open_source([str(path)])).restored == 1
    assert run()[2] == 0


def test_a_marked_picture_is_read_again_by_the_next_run_whatever_the_limit_of_requests(
    moto: Moto, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("search.ingestion.pipeline.coordinator.ASKED_FOR", 0)
    path = write_picture(tmp_path / "a.jpg", "green", size=(640, 480))
    ingest(open_source([str(path)]))
    image = Image.objects.get()
    storage.delete([original_of(image)])
    assert run()[2] == 1
    assert ingest(open_source([str(path)])).restored == 0

    run("--repair")

    assert ingest(open_source([str(path)])).restored == 1
    assert storage.read(original_of(image)) == path.read_bytes()


def test_a_truncated_original_is_reported_as_damaged(any_storage: str) -> None:
    image = added()
    storage.put(original_of(image), RED[:100], "image/jpeg")

    lines, findings, status = run("--repair")

    assert (findings, status) == ([f"original damaged: {image.id} (came by upload, or long ago)"], 1)
    assert "1 originals damaged, 0 repaired." in lines
    assert add_picture(RED, Details(), None).image == image
    assert run()[2] == 0


def test_no_thumbnail_is_made_from_a_damaged_original() -> None:
    image = added()
    storage.put(original_of(image), BLUE[: len(RED)].ljust(len(RED), b"\0"), "image/jpeg")
    storage.delete([thumbnail_of(image)])

    assert run("--repair")[1] == [f"thumbnail missing: {image.id} (its original is damaged)"]
    assert storage.size_of(thumbnail_of(image)) is None


# Orphans


def test_objects_without_a_row_are_reported_and_deleted_when_old_enough(any_storage: str) -> None:
    image = added()
    keys = [*orphan(), *orphan(thumbnail_only=True)]

    lines, findings, status = run("--repair")
    assert (findings, status) == ([], 0)
    assert "2 too new to judge: they may be part of a running ingest." in lines

    lines, findings, status = run("--older-than", "0")
    assert status == 1
    assert sorted(findings) == sorted([f"no row: {keys[0]}, {keys[1]}", f"no row: {keys[2]}"])
    assert all(storage.size_of(key) for key in keys)

    lines, findings, status = run("--older-than", "0", "--repair")
    assert status == 0
    assert "2 pictures with objects and no row, 2 repaired." in lines
    assert not any(storage.size_of(key) for key in keys)
    assert storage.read(original_of(image)) == RED


def test_the_age_of_a_file_is_its_modification_time(settings: Any) -> None:
    added()
    old, young = orphan(), orphan()
    make_old(settings, *old)

    _lines, findings, status = run("--repair")

    assert (findings, status) == ([f"no row: {', '.join(old)}"], 0)
    assert [storage.size_of(key) is not None for key in (*old, *young)] == [False, False, True, True]


def test_very_many_orphans_are_kept_since_the_database_may_be_the_wrong_one() -> None:
    added()
    keys = [key for _ in range(12) for key in orphan()]

    lines, _findings, status = run("--repair", "--older-than", "0")
    assert status == 1
    assert any("may be the wrong database" in line for line in lines)
    assert all(storage.size_of(key) for key in keys)

    assert run("--repair", "--older-than", "0", "--delete-many")[2] == 0
    assert not any(storage.size_of(key) for key in keys)


def test_an_empty_database_deletes_nothing() -> None:
    keys = orphan()
    assert run("--repair", "--older-than", "0")[2] == 1
    assert all(storage.size_of(key) for key in keys)


def test_a_picture_being_added_keeps_its_objects() -> None:
    added()
    coming, _thumbnail = orphan()
    image_id = uuid.UUID(coming.rpartition("/")[2])
    found: list[int] = []

    block_deletions([image_id])
    try:
        in_another_thread(lambda: found.append(run("--repair", "--older-than", "0")[2])).join(60)
    finally:
        unblock_deletions([image_id])

    assert found == [1]
    assert storage.size_of(coming)


def test_a_picture_added_after_the_listing_of_objects_is_not_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    there = added(BLUE)
    rows = reconciling._rows

    def rows_late() -> Iterator[Any]:
        in_another_thread(lambda: added(RED)).join(60)
        yield from rows()

    monkeypatch.setattr(reconciling, "_rows", rows_late)

    lines, findings, status = run("--repair", "--older-than", "0")
    assert (findings, status) == ([], 0)
    assert lines == ["2 pictures and 2 objects checked."]
    assert set(Image.objects.values_list("pk", flat=True)) == {there.pk, content_id(RED)}


def test_a_picture_added_after_the_listing_of_rows_is_no_orphan(monkeypatch: pytest.MonkeyPatch) -> None:
    there = added(BLUE)
    rows = list(reconciling._rows())
    added(RED)
    monkeypatch.setattr(reconciling, "_rows", lambda: iter(rows))

    assert run("--repair", "--older-than", "0") == (["1 pictures and 4 objects checked."], [], 0)
    assert storage.size_of(original_of(there))
    assert storage.size_of(storage.original_key(content_id(RED)))


def test_a_picture_deleted_during_the_run_is_not_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    image = added(RED)
    rows = list(reconciling._rows())
    image.delete()
    monkeypatch.setattr(reconciling, "_rows", lambda: iter(rows))

    assert run("--repair") == (["1 pictures and 0 objects checked."], [], 0)


def test_old_temporary_files_are_deleted(settings: Any) -> None:
    image = added()
    folder = Path(settings.MEDIA_ROOT) / original_of(image).rpartition("/")[0]
    (folder / "tmpabc_1234").write_bytes(b"half")
    (folder / "notes.txt").write_bytes(b"mine")
    key = f"{original_of(image).rpartition('/')[0]}/tmpabc_1234"

    assert f"never finished: {key}" not in run("--repair")[1]
    make_old(settings, key)
    _lines, findings, status = run("--repair")

    assert f"never finished: {key} - repaired" in findings
    assert any(finding.startswith("not ours: originals/") for finding in findings)
    assert status == 0
    assert sorted(path.name for path in folder.iterdir()) == sorted([str(image.id), "notes.txt"])


def test_unfinished_multipart_uploads_are_aborted(moto: Moto) -> None:
    client, key = moto.client(), storage.original_key(uuid.uuid4())
    client.create_multipart_upload(Bucket=BUCKET, Key=key)
    client.create_multipart_upload(Bucket=BUCKET, Key="somebody-elses")

    # This server reports 2010 as the start of all uploads.
    assert run("--repair", "--older-than", "1000000")[1] == []
    assert run("--older-than", "0")[1:] == ([f"never finished: {key}"], 1)
    assert run("--older-than", "0", "--repair")[1:] == ([f"never finished: {key} - repaired"], 0)

    left = client.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    assert [upload["Key"] for upload in left] == ["somebody-elses"]


def test_unknown_folders_are_reported_and_left_alone(any_storage: str) -> None:
    added()
    storage.put("renditions/320/ab/old.webp", b"x", "image/webp")
    storage.put("originals/backup/one.jpg", b"x", "image/jpeg")
    storage.put("elsewhere/one.jpg", b"x", "image/jpeg")

    _lines, findings, status = run("--repair", "--older-than", "0")

    assert (findings, status) == (["not ours: renditions/320/", "not ours: originals/backup/"], 0)
    assert storage.size_of("originals/backup/one.jpg")


def test_pending_deletions_are_completed_first_and_are_no_orphans() -> None:
    added()
    (key, _thumbnail) = orphan()
    OwedDeletion.objects.create(pk=uuid.UUID(key.rpartition("/")[2]))

    assert run("--older-than", "0") == (["1 pictures and 2 objects checked."], [], 0)
    assert storage.size_of(key) is None


# Originals in other buckets


def in_place(client: Any, key: str, data: bytes = RED) -> None:
    client.put_object(Bucket="elsewhere", Key=key, Body=data)
    ingest(open_source([f"s3://elsewhere/{key}"], Choices(in_place=True)))


def test_an_original_deleted_in_another_bucket_is_missing(moto: Moto) -> None:
    client = moto.client()
    in_place(client, "a.jpg")
    assert run()[2] == 0
    client.delete_object(Bucket="elsewhere", Key="a.jpg")

    _lines, findings, status = run("--repair")

    image_id = content_id(RED)
    assert (findings, status) == ([f"original missing: {image_id} (came from s3://elsewhere/a.jpg)"], 1)


def test_an_original_replaced_in_another_bucket_is_missing(moto: Moto) -> None:
    client = moto.client()
    in_place(client, "a.jpg")
    client.put_object(Bucket="elsewhere", Key="a.jpg", Body=BLUE)
    assert run()[2] == 1
    client.put_object(Bucket="elsewhere", Key="a.jpg", Body=RED)
    Origin.objects.all().delete()
    assert run()[2] == 0


def test_an_original_found_at_another_address_is_read_from_there(moto: Moto) -> None:
    client = moto.client()
    in_place(client, "a.jpg")
    in_place(client, "b.jpg")
    client.delete_object(Bucket="elsewhere", Key="a.jpg")
    assert run()[2] == 1

    _lines, (finding,), status = run("--repair")

    assert status == 0
    assert re.search(r"no longer at s3://elsewhere/a.jpg, but in s3://elsewhere/b.jpg\) - repaired$", finding)
    assert Image.objects.get().original_location == "s3://elsewhere/b.jpg"
    assert run()[2] == 0


# Unavailable storage


def test_an_unavailable_storage_is_reported(moto: Moto, settings: Any) -> None:
    added()
    use_s3(settings, moto, AWS_S3_ENDPOINT_URL="http://127.0.0.1:9")
    with pytest.raises(CommandError, match="does not respond"):
        call_command("reconcile")
    assert Image.objects.exists()


@pytest.mark.parametrize("hours", ["-1", "nan", "soon"])
def test_invalid_hours_are_refused(hours: str) -> None:
    with pytest.raises(CommandError, match=r"hours|less than 0"):
        call_command("reconcile", "--older-than", hours)
