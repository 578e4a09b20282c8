"""What a curator has deleted stays deleted, whichever way its bytes come again, until somebody wants it back."""

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
    """Return the lines that `ingest` prints."""
    out = StringIO()
    call_command("ingest", *map(str, arguments), stdout=out)
    return out.getvalue().splitlines()


def deleted_by(carol: Client, *colours: str) -> None:
    """Have a curator delete pictures in the list of the admin."""
    ids = [str(content_id(PICTURES[colour])) for colour in colours]
    chosen = {"action": "delete_selected", "_selected_action": ids, "post": "yes"}
    carol.post("/admin/search/image/", chosen)
    assert not Image.objects.filter(pk__in=ids).exists()


def there() -> set[str]:
    names = {content_id(data): colour for colour, data in PICTURES.items()}
    return {names[pk] for pk in Image.objects.values_list("pk", flat=True)}


def test_the_next_ingest_of_its_folder_tells_how_many_were_deleted_and_adds_none(
    folder: Path, as_carol: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(folder)
    deleted_by(as_carol, "red", "blue")
    monkeypatch.setattr("search.ingestion.sources.files.read_within", lambda *_: pytest.fail("read again"))

    for _ in range(2):
        assert run(folder) == ["0 added, 1 already here, 2 deleted earlier, 0 failed.", HINT]
    assert run(folder, "--dry-run") == ["0 would be added, 1 already here, 2 deleted earlier, 0 failed.", HINT]
    assert there() == {"green"}


def test_from_its_page_in_the_admin_it_is_deleted_as_well(folder: Path, as_carol: Client) -> None:
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
def test_it_is_known_by_its_content_wherever_it_lies(
    folder: Path, as_carol: Client, elsewhere: Callable[[Path], Path]
) -> None:
    run(folder)
    deleted_by(as_carol, "red", "blue")
    place = elsewhere(folder)
    assert run(place)[0] == "0 added, 1 already here, 2 deleted earlier, 0 failed."
    assert there() == {"green"}
    # What was read this time is not read the next time.
    assert Origin.objects.filter(image_id=content_id(PICTURES["red"])).count() == 2


def test_again_adds_it_and_a_later_deletion_counts_anew(folder: Path, as_carol: Client) -> None:
    run(folder)
    deleted_by(as_carol, "red", "blue")
    assert run(folder, "--again") == ["2 added, 1 already here, 0 failed."]
    assert not Tombstone.objects.exists()
    assert run(folder) == ["0 added, 3 already here, 0 failed."]
    deleted_by(as_carol, "red")
    assert run(folder)[0] == "0 added, 2 already here, 1 deleted earlier, 0 failed."


def test_what_waits_for_its_vector_is_deleted_as_well(folder: Path, as_carol: Client) -> None:
    run(folder, "--enqueue")
    deleted_by(as_carol, "red")
    assert run(folder, "--enqueue")[0] == "0 added, 2 already here, 1 deleted earlier, 0 failed."
    assert run(folder)[0] == "2 added, 0 already here, 1 deleted earlier, 0 failed."


def test_other_bytes_under_its_name_are_another_picture(folder: Path, as_carol: Client) -> None:
    run(folder)
    deleted_by(as_carol, "red")
    write_picture(folder / "red.png", "white", format="PNG", size=(99, 99))
    assert run(folder) == ["1 added, 2 already here, 0 failed."]


def test_somebody_who_uploads_it_is_told_and_nothing_of_it_is_kept(as_alice: Client, as_carol: Client) -> None:
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


def test_with_others_beside_it_only_it_is_refused(as_alice: Client, as_carol: Client) -> None:
    add_picture(PICTURES["red"], Details(), None)
    deleted_by(as_carol, "red")
    page = as_alice.post("/upload/", {"pictures": [picture_file(data=PICTURES[one]) for one in ("red", "blue")]})
    assert page.status_code == 200
    assert there() == {"blue"}


@pytest.mark.parametrize("path", ["/upload/", "/api/images"])
def test_a_curator_who_uploads_it_brings_it_back(folder: Path, as_carol: Client, path: str) -> None:
    run(folder)
    deleted_by(as_carol, "red")
    field = "pictures" if path == "/upload/" else "picture"
    assert as_carol.post(path, {field: picture_file(data=PICTURES["red"])}).status_code in {200, 201}
    assert there() == set(COLOURS)
    assert not Tombstone.objects.exists()
    assert run(folder) == ["0 added, 3 already here, 0 failed."]


def test_staff_without_rights_over_pictures_are_no_curators(alice: User) -> None:
    alice.is_staff = True
    alice.save()
    add_picture(PICTURES["red"], Details(), alice).image.delete()
    with pytest.raises(DeletedPicture):
        add_picture(PICTURES["red"], Details(), alice)


def test_a_deletion_that_is_rolled_back_is_not_remembered() -> None:
    image = an_image()
    with pytest.raises(ZeroDivisionError):
        _delete_and_fail(image)
    assert not Tombstone.objects.exists()


def _delete_and_fail(image: Image) -> None:

    with transaction.atomic():
        image.delete()
        raise ZeroDivisionError


def test_one_statement_asks_for_all_of_a_batch() -> None:
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


def test_nothing_is_remembered_but_hashes_of_what_was_deleted_and_when() -> None:
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
def test_what_is_to_be_forgotten_must_be_said(arguments: list[str]) -> None:
    Tombstone.objects.create(pk=uuid.uuid4())
    with pytest.raises(CommandError):
        call_command("forget_deletions", *arguments)
    assert Tombstone.objects.count() == 1


def test_what_was_deleted_before_this_version_is_remembered_as_far_as_it_is_known() -> None:
    ingest([Item(colour, lambda data=data: data, Details(), colour, "1") for colour, data in PICTURES.items()])
    Image.objects.exclude(pk=content_id(PICTURES["green"])).delete()
    Tombstone.objects.all().delete()
    OwedDeletion.objects.all().delete()

    with connection.cursor() as cursor:
        cursor.execute(import_module("search.migrations.0012_tombstones")._DELETED_BEFORE)

    gone = {content_id(PICTURES[colour]) for colour in ("red", "blue")}
    assert set(Tombstone.objects.values_list("pk", flat=True)) == gone
