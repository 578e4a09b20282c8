"""Missing objects of a known picture are restored when its bytes are ingested again, and its location is updated."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from search.curation.cleaned_details import Details
from search.ingestion import Choices, DeletedPicture, Item, Report, add_picture, ingest, open_source
from search.ingestion.pipeline import coordinator
from search.models import Image, Origin, OwedDeletion
from search.models.image import content_id
from search.objects import storage
from tests.base import in_another_thread, picture_bytes, picture_file, write_picture
from tests.s3_servers import Moto, use_s3

RED = picture_bytes("red", size=(640, 480))
ORIGINAL = storage.original_key(content_id(RED))
THUMBNAIL = storage.rendition_key(content_id(RED), storage.THUMBNAIL)


def uploaded(folder: Path, alice: Client) -> None:
    alice.post("/upload/", {"pictures": [picture_file(data=RED)]})


def sent_to_the_api(folder: Path, alice: Client) -> None:
    assert alice.post("/api/images", {"picture": picture_file(data=RED)}).status_code in {200, 201}


def ingested(folder: Path, alice: Client) -> None:
    path = folder / "red.jpg"
    if not path.exists():
        path.write_bytes(RED)
    call_command("ingest", str(path))


def ingested_without_an_address(folder: Path, alice: Client) -> None:
    ingest([Item("red", lambda: RED)])


@pytest.mark.django_db
@pytest.mark.parametrize("add", [uploaded, sent_to_the_api, ingested, ingested_without_an_address])
@pytest.mark.parametrize("lost", [[ORIGINAL], [THUMBNAIL], [ORIGINAL, THUMBNAIL]])
def test_missing_objects_are_restored(
    as_alice: Client, tmp_path: Path, add: Callable[[Path, Client], None], lost: list[str]
) -> None:
    add(tmp_path, as_alice)
    before = {key: storage.read(key) for key in (ORIGINAL, THUMBNAIL)}
    storage.delete(lost)

    add(tmp_path, as_alice)

    assert {key: storage.read(key) for key in (ORIGINAL, THUMBNAIL)} == before
    assert Image.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("add", [uploaded, ingested_without_an_address])
def test_damaged_objects_are_replaced(as_alice: Client, tmp_path: Path, add: Callable[[Path, Client], None]) -> None:
    add(tmp_path, as_alice)
    storage.put(ORIGINAL, RED[:50], "image/jpeg")
    storage.put(THUMBNAIL, b"", "image/webp")

    add(tmp_path, as_alice)

    assert storage.read(ORIGINAL) == RED
    assert storage.read(THUMBNAIL)[8:12] == b"WEBP"


@pytest.mark.django_db
def test_the_command_reports_the_number_of_restored_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, colour in (("a.png", "red"), ("b.png", "blue")):
        write_picture(tmp_path / "photos" / name, colour, format="PNG")
    call_command("ingest", str(tmp_path / "photos"))
    storage.delete([storage.original_key(content_id((tmp_path / "photos" / "a.png").read_bytes()))])

    call_command("ingest", str(tmp_path / "photos"))
    call_command("ingest", str(tmp_path / "photos"))

    assert capsys.readouterr().out.splitlines() == [
        "2 added, 0 already here, 0 failed.",
        "0 added, 2 already here (1 of them with missing files restored), 0 failed.",
        "0 added, 2 already here, 0 failed.",
    ]


@pytest.mark.django_db
def test_a_dry_run_restores_nothing() -> None:
    item = Item("red", lambda: RED, address="red", version="1")
    ingest([item])
    storage.delete([ORIGINAL])
    assert ingest([item], dry_run=True).known == 1
    assert not storage.exists(ORIGINAL)


@pytest.mark.django_db(transaction=True)
def test_a_picture_deleted_during_the_restoration_leaves_no_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    add_picture(RED, Details(), None)
    storage.delete([ORIGINAL])
    put = storage.put

    def deleted_first(key: str, data: bytes, content_type: str) -> None:
        in_another_thread(Image.objects.all().delete).join(60)
        put(key, data, content_type)

    monkeypatch.setattr(storage, "put", deleted_first)
    with pytest.raises(DeletedPicture):
        add_picture(RED, Details(), None)

    assert not storage.exists(ORIGINAL)
    assert not OwedDeletion.objects.exists()


# Pictures in other buckets


@pytest.fixture(scope="module")
def running_moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    server = Moto(tmp_path_factory.mktemp("moto"))
    server.start()
    for bucket in ("first", "second"):
        server.client().create_bucket(Bucket=bucket)
    yield server
    server.kill()


@pytest.fixture
def moto(running_moto: Moto, settings: Any) -> Any:
    """Two buckets with the same picture besides ours, which is empty."""
    running_moto.empty()
    use_s3(settings, running_moto)
    client = running_moto.client()
    for bucket, key in (("first", "x.jpg"), ("second", "y.jpg")):
        client.put_object(Bucket=bucket, Key=key, Body=RED)
    return client


A, B = "s3://first/x.jpg", "s3://second/y.jpg"


def add(place: str, *, in_place: bool) -> Report:
    report = ingest(open_source([place], Choices(in_place=in_place)))
    assert report.failed == []
    return report


def location() -> str:
    return Image.objects.get().original_location


@pytest.mark.django_db
def test_a_picture_found_in_place_at_another_address_keeps_its_location_while_the_object_exists(
    moto: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(A, in_place=True)

    assert add(B, in_place=True).known == 1

    assert location() == A
    assert set(Origin.objects.values_list("address", flat=True)) == {A, B}
    monkeypatch.setattr("search.objects.other_buckets.read", lambda location: pytest.fail("read again"))
    assert add(B, in_place=True).known == 1


@pytest.mark.django_db
@pytest.mark.parametrize("loss", ["gone", "exchanged", "bucket gone"])
@pytest.mark.parametrize("known_before", [False, True])
def test_the_new_address_is_recorded_if_the_old_object_is_gone(moto: Any, loss: str, known_before: bool) -> None:
    add(A, in_place=True)
    if known_before:
        add(B, in_place=True)
    if loss == "exchanged":
        moto.put_object(Bucket="first", Key="x.jpg", Body=picture_bytes("blue", size=(640, 480)))
    else:
        moto.delete_object(Bucket="first", Key="x.jpg")
    if loss == "bucket gone":
        moto.delete_bucket(Bucket="first")
    try:
        add(B, in_place=True)
    finally:
        moto.create_bucket(Bucket="first")

    assert location() == B
    assert storage.read_original(Image.objects.get()) == RED
    assert not storage.exists(ORIGINAL)


@pytest.mark.django_db
@pytest.mark.parametrize("place", [A, B])
def test_ingested_without_in_place_it_is_copied(moto: Any, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coordinator, "ASKED_FOR", 0)
    add(A, in_place=True)

    add(place, in_place=False)

    assert location() == ""
    assert storage.read(ORIGINAL) == RED
    moto.delete_object(Bucket="first", Key="x.jpg")
    assert storage.read_original(Image.objects.get()) == RED


@pytest.mark.django_db
@pytest.mark.parametrize("add_again", [uploaded, ingested])
def test_ingested_as_a_file_it_is_copied(
    moto: Any, as_alice: Client, tmp_path: Path, add_again: Callable[[Path, Client], None]
) -> None:
    add(A, in_place=True)
    add_again(tmp_path, as_alice)
    assert location() == ""
    assert storage.read(ORIGINAL) == RED


@pytest.mark.django_db
def test_with_a_vector_of_another_model_it_is_copied_too(moto: Any) -> None:
    add(A, in_place=True)
    Image.objects.update(embedding_model="an older model")
    add(A, in_place=False)
    assert location() == ""
    assert storage.read(ORIGINAL) == RED


@pytest.mark.django_db
def test_a_missing_original_of_ours_is_replaced_by_its_location_in_another_bucket(moto: Any) -> None:
    add_picture(RED, Details(), None)
    storage.delete([ORIGINAL])
    assert add(A, in_place=True).restored == 1
    assert location() == A
    assert storage.read_original(Image.objects.get()) == RED


@pytest.mark.django_db
def test_existence_is_checked_for_few_objects_of_a_bucket_and_for_all_files(
    moto: Any, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    items = [
        Item(
            str(number),
            lambda number=number: picture_bytes(f"#{number:02x}8040", format="PNG"),
            address=str(number),
            version="1",
        )
        for number in range(6)
    ]
    monkeypatch.setattr(coordinator, "ASKED_FOR", 2)
    sizes, asked = storage.size_of, []

    def noted(key: str) -> int | None:
        asked.append(key)
        return sizes(key)

    ingest(items)
    monkeypatch.setattr(storage, "size_of", noted)
    assert ingest(items).known == 6
    assert len(asked) == 2 * 2

    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": "search.objects.storage.LocalStorage"}}
    assert ingest(items).restored == 6
