"""A picture that a curator deleted is not added again, from whatever source, until it is restored explicitly."""

import uuid
from collections.abc import Callable
from importlib import import_module
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from search.curation.details import Details
from search.ingestion import DeletedPicture, Item, add_picture, ingest
from search.models import Image, Origin, OwedDeletion, Tombstone
from search.models.image import content_id
from search.objects import storage
from tests.base import an_image, picture_bytes, picture_file, write_picture
from tests.test_source_archives import make_tar, make_zip

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_trash(settings) -> None:
    settings.TRASH_DAYS = 0


COLOURS = ("red", "green", "blue")
PICTURES = {colour: picture_bytes(colour, format="PNG") for colour in COLOURS}
HINT = "Pictures deleted from the collection are only added again with --again."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for colour in COLOURS:
        write_picture(tmp_path / "photos" / f"{colour}.png", colour, format="PNG")
    return tmp_path / "photos"


def run(*arguments: object) -> list[str]:
    """Return the lines of `ingest`'s output."""
    out = StringIO()
    call_command("ingest", *map(str, arguments), stdout=out)
    return out.getvalue().splitlines()


def deleted_by(carol: Client, *colours: str) -> None:
    """Have a curator delete pictures in the list of the admin."""
    ids = [str(content_id(PICTURES[colour])) for colour in colours]
    chosen = {"action": "delete_selected", "_selected_action": ids, "post": "yes"}
    carol.post("/admin/search/image/", chosen)
    assert not Image.objects.filter(pk__in=ids).exists()


def stored_colours() -> set[str]:
    names = {content_id(data): colour for colour, data in PICTURES.items()}
    return {names[pk] for pk in Image.objects.values_list("pk", flat=True)}


def test_ingesting_a_folder_again_reports_deleted_pictures_and_adds_none(
    folder: Path, as_carol: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(folder)
    deleted_by(as_carol, "red", "blue")
    monkeypatch.setattr("search.ingestion.sources.local_files.read_within", lambda *_: pytest.fail("read again"))

    for _ in range(2):
        assert run(folder) == ["0 added, 1 already here, 2 deleted earlier, 0 failed.", HINT]
    assert run(folder, "--dry-run") == ["0 would be added, 1 already here, 2 deleted earlier, 0 failed.", HINT]
    assert stored_colours() == {"green"}


def test_a_picture_deleted_on_its_admin_page_is_not_added_again(folder: Path, as_carol: Client) -> None:
    run(folder)
    as_carol.post(f"/admin/search/image/{content_id(PICTURES['red'])}/delete/", {"post": "yes"})
    assert run(folder)[0] == "0 added, 2 already here, 1 deleted earlier, 0 failed."


@pytest.mark.parametrize(
    "elsewhere",
    [
        lambda folder: folder.rename(folder.parent / "renamed"),
        lambda folder: make_zip(folder.parent / "a.zip", {f"{name}.png": data for name, data in PICTURES.items()}),
        lambda folder: make_tar(folder.parent / "a.tar", {f"{name}.png": data for name, data in PICTURES.items()}),
    ],
    ids=["renamed", "zip", "tar"],
)
def test_a_deleted_picture_is_recognised_by_its_content_in_another_place(
    folder: Path, as_carol: Client, elsewhere: Callable[[Path], Path]
) -> None:
    run(folder)
    deleted_by(as_carol, "red", "blue")
    place = elsewhere(folder)
    assert run(place)[0] == "0 added, 1 already here, 2 deleted earlier, 0 failed."
    assert stored_colours() == {"green"}
    # A file that was read this time is not read the next time.
    assert Origin.objects.filter(image_id=content_id(PICTURES["red"])).count() == 2


def test_again_adds_deleted_pictures_and_they_can_be_deleted_again(folder: Path, as_carol: Client) -> None:
    run(folder)
    deleted_by(as_carol, "red", "blue")
    assert run(folder, "--again") == ["2 added, 1 already here, 0 failed."]
    assert not Tombstone.objects.exists()
    assert run(folder) == ["0 added, 3 already here, 0 failed."]
    deleted_by(as_carol, "red")
    assert run(folder)[0] == "0 added, 2 already here, 1 deleted earlier, 0 failed."


def test_a_deleted_pending_image_is_not_added_again(folder: Path, as_carol: Client) -> None:
    run(folder, "--enqueue")
    deleted_by(as_carol, "red")
    assert run(folder, "--enqueue")[0] == "0 added, 2 already here, 1 deleted earlier, 0 failed."
    assert run(folder)[0] == "2 added, 0 already here, 1 deleted earlier, 0 failed."


def test_other_content_under_the_same_name_is_added(folder: Path, as_carol: Client) -> None:
    run(folder)
    deleted_by(as_carol, "red")
    write_picture(folder / "red.png", "white", format="PNG", size=(99, 99))
    assert run(folder) == ["1 added, 2 already here, 0 failed."]


def test_uploading_a_deleted_picture_is_refused_and_stores_nothing(as_alice: Client, as_carol: Client) -> None:
    as_alice.post("/upload/", {"pictures": [picture_file(data=PICTURES["red"])]})
    deleted_by(as_carol, "red")

    page = as_alice.post("/upload/", {"pictures": [picture_file(data=PICTURES["red"])]})
    korean = as_alice.post(
        "/upload/", {"pictures": [picture_file(data=PICTURES["red"])]}, headers={"Accept-Language": "ko"}
    )
    answer = as_alice.post("/api/images", {"picture": picture_file(data=PICTURES["red"])})

    assert page.status_code == korean.status_code == 400
    assert "This picture was added before, and a curator has deleted it." in page.content.decode()
    assert "이미 있던 이미지이며, 관리자가 삭제했습니다." in korean.content.decode()
    assert (answer.status_code, answer.json()["type"]) == (409, "/api/docs#deleted")
    assert not Image.objects.exists()
    assert not any(map(storage.exists, storage.keys_of(content_id(PICTURES["red"]))))


def test_only_the_deleted_picture_of_an_upload_is_refused(as_alice: Client, as_carol: Client) -> None:
    add_picture(PICTURES["red"], Details(), None)
    deleted_by(as_carol, "red")
    page = as_alice.post("/upload/", {"pictures": [picture_file(data=PICTURES[one]) for one in ("red", "blue")]})
    assert page.status_code == 200
    assert stored_colours() == {"blue"}


@pytest.mark.parametrize("path", ["/upload/", "/api/images"])
def test_an_upload_by_a_curator_restores_a_deleted_picture(folder: Path, as_carol: Client, path: str) -> None:
    run(folder)
    deleted_by(as_carol, "red")
    field = "pictures" if path == "/upload/" else "picture"
    assert as_carol.post(path, {field: picture_file(data=PICTURES["red"])}).status_code in {200, 201}
    assert stored_colours() == set(COLOURS)
    assert not Tombstone.objects.exists()
    assert run(folder) == ["0 added, 3 already here, 0 failed."]


def test_staff_without_permissions_can_not_restore_a_deleted_picture(alice: User) -> None:
    alice.is_staff = True
    alice.save()
    add_picture(PICTURES["red"], Details(), alice).image.delete()
    with pytest.raises(DeletedPicture):
        add_picture(PICTURES["red"], Details(), alice)


def test_a_deletion_that_is_rolled_back_leaves_no_tombstone() -> None:
    image = an_image()
    with pytest.raises(ZeroDivisionError):
        _delete_and_fail(image)
    assert not Tombstone.objects.exists()


def _delete_and_fail(image: Image) -> None:

    with transaction.atomic():
        image.delete()
        raise ZeroDivisionError


def test_tombstones_are_looked_up_once_per_batch() -> None:
    pictures = [picture_bytes(f"#{number:02x}4080", size=(32, 32), format="PNG") for number in range(64)]
    items = [Item(str(at), lambda data=data: data, Details(), f"at {at}", "1") for at, data in enumerate(pictures)]
    ingest(items)
    Image.objects.all().delete()

    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert ingest(items).deleted == 64
    assert sum("tombstone" in query["sql"] for query in asked) <= 2
    with CaptureQueriesContext(connection) as asked:
        assert ingest(Item("x", item.read) for item in items).deleted == 64
    assert sum("tombstone" in query["sql"] for query in asked) <= 20


def test_tombstones_contain_only_hashes_and_the_time() -> None:
    assert {field.name for field in Tombstone._meta.fields} == {"image_id", "pixels", "created"}


# Forgetting


def test_deletions_are_forgotten_by_id_by_age_or_all(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(folder)
    Image.objects.all().delete()
    call_command("forget_deletions", str(content_id(PICTURES["red"])))
    call_command("forget_deletions", "--older-than", "1")
    assert capsys.readouterr().out.splitlines() == [
        "1 deletions forgotten, 2 remembered.",
        "0 deletions forgotten, 2 remembered.",
    ]
    assert run(folder)[0] == "1 added, 0 already here, 2 deleted earlier, 0 failed."
    call_command("forget_deletions", "--all")
    assert run(folder) == ["2 added, 1 already here, 0 failed."]


@pytest.mark.parametrize(
    "arguments",
    [[], ["--all", "--older-than", "3"], ["no-id"], ["--older-than", "-1"], ["--older-than", "nan"]],
)
def test_forget_deletions_needs_valid_arguments(arguments: list[str]) -> None:
    Tombstone.objects.create(pk=uuid.uuid4())
    with pytest.raises(CommandError):
        call_command("forget_deletions", *arguments)
    assert Tombstone.objects.count() == 1


def test_the_migration_creates_tombstones_of_known_deletions() -> None:
    ingest([Item(colour, lambda data=data: data, Details(), colour, "1") for colour, data in PICTURES.items()])
    Image.objects.exclude(pk=content_id(PICTURES["green"])).delete()
    Tombstone.objects.all().delete()
    OwedDeletion.objects.all().delete()

    with connection.cursor() as cursor:
        cursor.execute(import_module("search.migrations.0012_tombstones")._DELETED_BEFORE)

    gone = {content_id(PICTURES[colour]) for colour in ("red", "blue")}
    assert set(Tombstone.objects.values_list("pk", flat=True)) == gone
