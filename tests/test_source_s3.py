"""`s3://bucket/prefix`: pictures of any bucket, copied, or searched where they are."""

from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from search import foreign, storage
from search.embedding import active_model
from search.ingestion import Choices, Details, Report, Unavailable, add_picture, ingest, open_source, reembed
from search.models import Image
from search.models.image import content_id
from search.storage import MissingObject, StorageUnavailable
from tests.base import picture_bytes
from tests.s3_servers import BUCKET, Moto, use_s3

OTHER = "archive-of-others"
RED, BLUE = (picture_bytes(colour, size=(900, 600)) for colour in ("red", "blue"))
OBJECTS = {
    "photos/red.jpg": RED,
    "photos/deep/blue.JPG": BLUE,
    "photos-old/red.jpg": RED,
    "photos/notes.txt": b"notes",
    "photos/.hidden.jpg": RED,
    "photos/": b"",
    "no-suffix": BLUE,
    "바다/a b+c%20.jpg": RED,
}


@pytest.fixture(scope="module")
def running_moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    server = Moto(tmp_path_factory.mktemp("moto"))
    server.start()
    server.client().create_bucket(Bucket=OTHER)
    yield server
    server.kill()


@pytest.fixture
def others(running_moto: Moto, settings: Any) -> Iterator[Any]:
    """A bucket of somebody else beside ours; the client looks at it by a door of its own."""
    running_moto.empty()
    client = running_moto.client()
    for key, data in OBJECTS.items():
        client.put_object(Bucket=OTHER, Key=key, Body=data)
    use_s3(settings, running_moto)
    yield client
    for found in client.list_objects_v2(Bucket=OTHER).get("Contents", []):
        client.delete_object(Bucket=OTHER, Key=found["Key"])


def keys(place: str) -> list[str]:
    source = open_source([place])
    found = [item.name.removeprefix(f"s3://{OTHER}/") for item in source]
    assert source.problems == []
    return found


def in_place(*places: str) -> Report:
    return ingest(open_source(places, Choices(in_place=True)))


def all_of(client: Any) -> set[str]:
    return {found["Key"] for found in client.list_objects_v2(Bucket=OTHER)["Contents"]}


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("", ["photos-old/red.jpg", "photos/deep/blue.JPG", "photos/red.jpg", "바다/a b+c%20.jpg"]),
        ("photos", ["photos/deep/blue.JPG", "photos/red.jpg"]),
        ("photos/", ["photos/deep/blue.JPG", "photos/red.jpg"]),
        ("photos*", ["photos-old/red.jpg", "photos/deep/blue.JPG", "photos/red.jpg"]),
        ("*/red.jpg", ["photos-old/red.jpg", "photos/red.jpg"]),
        ("photos/red.jpg", ["photos/red.jpg"]),
        ("no-suffix", ["no-suffix"]),
    ],
)
def test_a_prefix_means_what_a_folder_does(others: Any, prefix: str, expected: list[str]):
    assert keys(f"s3://{OTHER}/{prefix}") == expected


def test_more_objects_than_one_answer_lists_are_offered(others: Any):
    for number in range(1005):
        others.put_object(Bucket=OTHER, Key=f"many/{number:04}.jpg", Body=b"x")
    assert len(keys(f"s3://{OTHER}/many")) == 1005


def test_an_item_can_be_told_without_reading_and_changes_its_version_with_its_bytes(others: Any):
    (first,) = open_source([f"s3://{OTHER}/photos/red.jpg"])
    assert (first.address, first.original_location) == (f"s3://{OTHER}/photos/red.jpg", "")
    others.put_object(Bucket=OTHER, Key="photos/red.jpg", Body=BLUE)
    (second,) = open_source([f"s3://{OTHER}/photos/red.jpg"])
    assert first.version != second.version
    assert second.read() == BLUE


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("s3://no-such-bucket-here", "There is no such bucket."),
        (f"s3://{OTHER}/nothing", "There is no picture here."),
        ("s3://", "can't be had"),
    ],
)
def test_what_is_not_there_is_told(others: Any, place: str, reason: str):
    source = open_source([place])
    assert list(source) == []
    (problem,) = source.problems
    assert problem[0] == place
    assert reason in problem[1]


def test_a_server_that_is_away_is_told(settings: Any, others: Any, running_moto: Moto):
    source = open_source([f"s3://{OTHER}/photos"])
    items = list(source)
    others.delete_object(Bucket=OTHER, Key="photos/red.jpg")
    with pytest.raises(Unavailable, match="There is no such object"):
        items[1].read()
    use_s3(settings, running_moto, AWS_S3_ENDPOINT_URL="http://127.0.0.1:9")
    source = open_source([f"s3://{OTHER}/photos"])
    assert list(source) == []
    assert "does not answer" in source.problems[0][1]
    with pytest.raises(Unavailable, match="does not answer"):
        items[0].read()


@pytest.mark.django_db
def test_copied_pictures_are_ours(others: Any):
    report = ingest(open_source([f"s3://{OTHER}/photos"]))
    assert (report.added, report.failed) == (2, [])
    others.delete_object(Bucket=OTHER, Key="photos/red.jpg")
    image = Image.objects.get(pk=content_id(RED))
    assert image.original_location == ""
    assert storage.read_original(image) == RED


@pytest.mark.django_db
def test_known_objects_are_not_downloaded_again(others: Any):
    in_place(f"s3://{OTHER}/photos")

    def read() -> bytes:
        raise AssertionError("downloaded again")

    source = open_source([f"s3://{OTHER}/photos"], Choices(in_place=True))
    assert ingest(replace(one, read=read) for one in source).known == 2


@pytest.mark.django_db(transaction=True)
def test_in_place_only_renditions_are_ours_and_everything_that_reads_an_original_works(
    others: Any, running_moto: Moto, client: Client
):
    assert in_place(f"s3://{OTHER}/photos").added == 2
    image = Image.objects.get(pk=content_id(RED))
    assert image.original_location == f"s3://{OTHER}/photos/red.jpg"
    assert {key.partition("/")[0] for key in running_moto.stored()} == {"renditions"}

    assert storage.read_original(image) == RED
    assert client.get(f"/images/{image.id}/1600.webp").status_code == 200
    assert client.get(f"/images/{image.id}/download").status_code == 200
    Image.objects.update(embedding_model="an older model")
    assert (reembed().added, Image.objects.filter(embedding_model=active_model()).count()) == (2, 2)


@pytest.mark.django_db
def test_in_place_works_with_our_own_pictures_in_files(others: Any, settings: Any):
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": "search.storage.LocalStorage"}}
    assert in_place(f"s3://{OTHER}/photos/red.jpg").added == 1
    assert storage.read_original(Image.objects.get()) == RED


@pytest.mark.django_db(transaction=True)
def test_deleting_an_image_leaves_the_object_of_others(others: Any, running_moto: Moto):
    in_place(f"s3://{OTHER}/photos")
    Image.objects.all().delete()
    assert running_moto.stored() == []
    assert all_of(others) == set(OBJECTS)


@pytest.mark.django_db
def test_an_original_that_went_away_is_a_missing_one(others: Any, client: Client):
    in_place(f"s3://{OTHER}/photos/red.jpg")
    image = Image.objects.get()
    others.delete_object(Bucket=OTHER, Key="photos/red.jpg")
    with pytest.raises(MissingObject):
        storage.read_original(image)
    assert client.get(f"/images/{image.id}/download").status_code == 404
    assert client.get(f"/images/{image.id}/").status_code == 200


@pytest.mark.django_db
def test_an_original_that_was_exchanged_is_not_shown_as_this_picture(others: Any, client: Client):
    in_place(f"s3://{OTHER}/photos/red.jpg")
    image = Image.objects.get()
    others.put_object(Bucket=OTHER, Key="photos/red.jpg", Body=BLUE)
    with pytest.raises(MissingObject, match="has changed"):
        storage.read_original(image)
    assert client.get(f"/images/{image.id}/download").status_code == 404


@pytest.mark.django_db
def test_a_server_that_is_away_makes_originals_in_place_unavailable(others: Any, settings: Any, running_moto: Moto):
    in_place(f"s3://{OTHER}/photos/red.jpg")
    use_s3(settings, running_moto, AWS_S3_ENDPOINT_URL="http://127.0.0.1:9")
    with pytest.raises(StorageUnavailable):
        storage.read_original(Image.objects.get())


@pytest.mark.django_db
def test_a_copy_that_is_ours_stays_when_the_same_picture_is_met_in_place(others: Any):
    image = add_picture(RED, Details(), None).image
    report = in_place(f"s3://{OTHER}/photos/red.jpg")
    assert (report.added, report.known) == (0, 1)
    image.refresh_from_db()
    assert image.original_location == ""
    assert storage.read_original(image) == RED


@pytest.mark.django_db
@pytest.mark.parametrize("folder", ["", "a-folder"])
def test_our_own_objects_are_no_pictures_to_add(others: Any, settings: Any, running_moto: Moto, folder: str):
    use_s3(settings, running_moto, AWS_LOCATION=folder)
    add_picture(RED, Details(), None)
    others.put_object(Bucket=BUCKET, Key="more/blue.jpg", Body=BLUE)
    assert [item.name for item in open_source([f"s3://{BUCKET}"])] == [f"s3://{BUCKET}/more/blue.jpg"]


def test_a_location_is_written_and_read_alike():
    assert foreign.split(foreign.location("bucket", "a/b c.jpg")) == ("bucket", "a/b c.jpg")


@pytest.mark.django_db
def test_the_command_adds_in_place(others: Any):
    out = StringIO()
    call_command("ingest", f"s3://{OTHER}/photos", "--in-place", stdout=out)
    assert out.getvalue().startswith("2 added")
    assert set(Image.objects.values_list("original_location", flat=True)) == {
        f"s3://{OTHER}/photos/red.jpg",
        f"s3://{OTHER}/photos/deep/blue.JPG",
    }


def test_the_command_refuses_to_leave_files_in_place():
    with pytest.raises(CommandError, match="s3:// alone"):
        call_command("ingest", ".", "--in-place")
