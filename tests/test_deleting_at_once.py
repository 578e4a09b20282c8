"""Races with deletion: no object of a deleted image stays or comes back."""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection

from search import decoding
from search.curation.cleaned_details import Details
from search.ingestion import DeletedPicture, Item, Pending, Worker, add_picture, ingest, reconcile
from search.ingestion import adding as adding_room
from search.ingestion.pipeline import steps
from search.models import Image, OwedDeletion, Tombstone
from search.models.image import content_id
from search.models.vector_values import WrongVectors
from search.objects import deletion as deleting_room
from search.objects import renditions, storage
from search.objects.storage import MissingObject, StorageUnavailable
from tests.base import in_another_thread, picture_bytes
from tests.s3_servers import Rclone, use_s3

pytestmark = pytest.mark.django_db(transaction=True)

RED = picture_bytes("red", size=(1800, 1200))
RED_ID = content_id(RED)
ITEM = Item("red", lambda: RED)
NEIGHBOUR = "neighbour"


@pytest.fixture(scope="module")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rclone]:
    server = Rclone(tmp_path_factory.mktemp("rclone"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(params=["files", "S3"])
def any_storage(request: pytest.FixtureRequest, settings: Any) -> None:
    if request.param == "S3":
        server = request.getfixturevalue("rclone")
        server.empty()
        use_s3(settings, server)
        # rclone removes a folder with its last file, and answers InternalError to a request that writes into it then.
        for folder in {key.rpartition("/")[0] for key in storage.keys_of(RED_ID)}:
            storage.put(f"{folder}/{NEIGHBOUR}", b"of another picture", "image/jpeg")


def remaining_keys(image_id: uuid.UUID = RED_ID) -> list[str]:
    return [key for key in storage.keys_of(image_id) if storage.exists(key)]


def before_putting(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object], *, wanted: str = "") -> None:
    """Call `happens` on another connection just before the next object is written; then write it."""
    put = storage.put

    def put_late(key: str, data: bytes, content_type: str) -> None:
        if wanted in key:
            monkeypatch.setattr(storage, "put", put)
            in_another_thread(happens).join(60)
        put(key, data, content_type)

    monkeypatch.setattr(storage, "put", put_late)


def delete_it() -> None:
    Image.objects.filter(pk=RED_ID).delete()


@pytest.mark.usefixtures("any_storage")
@pytest.mark.parametrize("width", [storage.PREVIEW, storage.DISPLAY])
def test_a_rendition_requested_during_the_deletion_is_not_stored(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    image = add_picture(RED, Details(), None).image
    before_putting(monkeypatch, delete_it)

    renditions.read_or_make(image, width)

    assert not Image.objects.exists()
    assert remaining_keys() == []
    assert not OwedDeletion.objects.exists()


@pytest.mark.usefixtures("any_storage")
def test_a_rendition_of_an_image_deleted_while_it_is_made_is_not_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    image = add_picture(RED, Details(), None).image
    shrink = decoding.small_copy

    def late(*arguments: Any, **options: Any) -> bytes:
        in_another_thread(delete_it).join(60)
        return shrink(*arguments, **options)

    monkeypatch.setattr(decoding, "small_copy", late)

    with pytest.raises(MissingObject, match="has been deleted"):
        renditions.read_or_make(image, storage.DISPLAY)
    assert remaining_keys() == []


@pytest.fixture
def storage_down(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Deleting fails until the function that this returns is called."""
    delete = storage.delete

    def refuse(keys: object) -> None:
        raise StorageUnavailable("The object storage does not respond.")

    monkeypatch.setattr(storage, "delete", refuse)
    return lambda: monkeypatch.setattr(storage, "delete", delete)


def fails(*_arguments: object, **_options: object) -> None:
    raise StorageUnavailable("The disk is full.")


@pytest.mark.usefixtures("any_storage")
@pytest.mark.parametrize("way", ["upload", "ingest"])
def test_a_failed_attempt_to_add_an_image_again_still_deletes_its_original(
    storage_down: Callable[[], None], monkeypatch: pytest.MonkeyPatch, carol: User, way: str
) -> None:
    add_picture(RED, Details(), None).image.delete()
    assert remaining_keys()
    with monkeypatch.context() as full:
        full.setattr(storage, "put", fails)
        with pytest.raises(StorageUnavailable):
            _ = add_picture(RED, Details(), carol) if way == "upload" else ingest([ITEM], again=True)
    assert OwedDeletion.objects.filter(pk=RED_ID).exists()
    storage_down()

    call_command("reconcile")

    assert remaining_keys() == []


@pytest.mark.usefixtures("any_storage")
@pytest.mark.parametrize("way", ["upload", "ingest"])
def test_objects_of_a_deleted_image_that_fails_to_be_added_again_are_removed(
    monkeypatch: pytest.MonkeyPatch, carol: User, way: str
) -> None:
    add_picture(RED, Details(), None).image.delete()
    assert remaining_keys() == []

    def fail(*prepared: object) -> None:
        assert len(remaining_keys()) == 2
        raise WrongVectors("no vector")

    monkeypatch.setattr(adding_room, "staging", fail)
    monkeypatch.setattr(steps, "embed", fail)
    if way == "upload":
        with pytest.raises(WrongVectors):
            add_picture(RED, Details(), carol)
    else:
        assert len(ingest([ITEM], again=True).failed) == 1

    assert remaining_keys() == []
    assert Tombstone.objects.filter(pk=RED_ID).exists()


@pytest.mark.usefixtures("any_storage")
def test_an_image_deleted_while_reconcile_makes_its_thumbnail_leaves_no_objects(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_picture(RED, Details(), None)
    storage.delete([storage.rendition_key(RED_ID, storage.THUMBNAIL)])
    before_putting(monkeypatch, delete_it)

    reconcile(lambda finding: None, repair=True)

    assert remaining_keys() == []
    assert not OwedDeletion.objects.exists()


@pytest.mark.parametrize("wanted", ["originals/", "renditions/"])
def test_an_image_deleted_while_ingestion_restores_its_objects_leaves_none(
    monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    ingest([ITEM])
    storage.delete([storage.original_key(RED_ID), storage.rendition_key(RED_ID, storage.THUMBNAIL)])
    before_putting(monkeypatch, delete_it, wanted=wanted)

    ingest([ITEM])

    assert remaining_keys() == []
    assert not Image.objects.exists()
    assert not OwedDeletion.objects.exists()


def test_copies_of_a_deleted_image_in_one_ingestion_are_added_once() -> None:
    add_picture(RED, Details(), None).image.delete()

    report = ingest([Item(str(number), lambda: RED) for number in range(5)], again=True)

    assert (report.added, report.known) == (1, 4)
    assert len(remaining_keys()) == 2


def test_interrupting_a_run_with_a_hanging_storage_leaves_a_pending_deletion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_picture(RED, Details(), None).image.delete()
    known = picture_bytes("blue")
    ingest([Item("known", lambda: known)])
    storing, hangs, put = threading.Event(), threading.Event(), storage.put
    monkeypatch.setattr(steps, "_JOIN_TIMEOUT", 0.01)

    def put_late(key: str, data: bytes, content_type: str) -> None:
        storing.set()
        hangs.wait(30)
        put(key, data, content_type)

    def source() -> Iterator[Item]:
        yield ITEM
        storing.wait(30)
        yield Item("known", lambda: known)

    def breaks(report: Any) -> None:
        if report.known:
            raise KeyboardInterrupt

    monkeypatch.setattr(storage, "put", put_late)
    with pytest.raises(KeyboardInterrupt):
        ingest(source(), again=True, progress=breaks)
    hangs.set()
    for thread in threading.enumerate():
        if thread.name.startswith("ingest-"):
            thread.join(30)

    assert OwedDeletion.objects.filter(pk=RED_ID).exists()
    call_command("reconcile")
    assert remaining_keys() == []


@pytest.mark.usefixtures("any_storage")
def test_after_concurrent_changes_rows_and_objects_are_consistent(carol: User) -> None:
    rounds, errors = 4, []
    row = Image(id=RED_ID, width=1800, height=1200, byte_size=len(RED), original_location="")
    ways: list[Callable[[], object]] = [
        lambda: add_picture(RED, Details(), carol),
        lambda: add_picture(RED, Details(), None),
        lambda: ingest([ITEM], again=True),
        lambda: ingest([ITEM], enqueue=True),
        lambda: renditions.read_or_make(row, 1600),
        lambda: Worker(Pending()).work(),
        lambda: reconcile(lambda finding: None, repair=True),
        delete_it,
        delete_it,
    ]
    together = threading.Barrier(len(ways))

    def run(way: Callable[[], object]) -> None:
        for _ in range(rounds):
            together.wait(60)
            try:
                with suppress(DeletedPicture, MissingObject, Image.DoesNotExist):
                    way()
            except BaseException as error:
                errors.append(error)

    threads = [in_another_thread(lambda way=way: run(way)) for way in ways]
    for thread in threads:
        thread.join(120)

    assert errors == []
    deleting_room.delete_pending()
    assert bool(Image.objects.exists()) == (storage.original_key(RED_ID) in remaining_keys())
    delete_it()
    assert remaining_keys() == []
    assert not OwedDeletion.objects.exists()
    with connection.cursor() as cursor:
        # Of this database only: other test processes have their own.
        cursor.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
            " WHERE locktype = 'advisory' AND datname = current_database()"
        )
        assert cursor.fetchone() == (0,)
