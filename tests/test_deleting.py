"""Deleting an image: the row at once, its objects after the commit, unless the image was added again."""

import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from search.concurrency import background_threads
from search.curation.details import Details
from search.ingestion import add_picture, delete_pending
from search.models import Image, OwedDeletion, Report
from search.models.image import content_id
from search.objects import deletion, storage
from search.objects.deletion import block_deletions, unblock_deletions
from search.objects.storage import MissingObject, StorageUnavailable
from tests.admin_pages import act, said
from tests.base import picture_bytes, stored_image

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_trash(settings) -> None:
    settings.TRASH_DAYS = 0


@pytest.fixture
def storage_down(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Deleting objects fails until the function that this yields is called."""
    with monkeypatch.context() as down:

        def refuse(keys: Iterable[str]) -> None:
            raise StorageUnavailable("The object storage does not respond: refused")

        down.setattr(storage, "delete", refuse)
        yield down.undo


@pytest.fixture
def deletions(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The keys that the storage was asked to delete, by call."""
    asked: list[list[str]] = []
    delete = storage.delete

    def noted(keys: Iterable[str]) -> None:
        asked.append(list(keys))
        delete(asked[-1])

    monkeypatch.setattr(storage, "delete", noted)
    return asked


def has_original(image_id: uuid.UUID) -> bool:
    try:
        storage.read(storage.original_key(image_id))
    except MissingObject:
        return False
    return True


def a_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def left_behind() -> uuid.UUID:
    """The original of an image whose row is deleted."""
    image_id = uuid.uuid4()
    storage.put(storage.original_key(image_id), b"original", "image/jpeg")
    return image_id


def in_another_thread(work: Callable[[], object]) -> None:
    """Run `work` on a separate database connection, with a lock timeout."""

    def run() -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '5s'")
            work()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(run).result(timeout=60)


def test_the_row_is_deleted_at_once_and_the_objects_after_the_commit() -> None:
    image_id = stored_image().id
    for width in storage.WIDTHS:
        storage.put(storage.rendition_key(image_id, width), b"small", "image/webp")

    with transaction.atomic():
        Image.objects.get(pk=image_id).delete()
        assert not Image.objects.exists()
        assert has_original(image_id)

    for key in storage.keys_of(image_id):
        with pytest.raises(MissingObject):
            storage.read(key)
    assert not OwedDeletion.objects.exists()


def test_deleting_a_queryset_removes_objects_and_reports() -> None:
    images = [stored_image() for _ in range(5)]
    kept = stored_image()
    Report.objects.create(image=images[0], reason=Report.Reason.BROKEN)

    Image.objects.exclude(pk=kept.pk).delete()

    assert [has_original(image.id) for image in images] == [False] * 5
    assert has_original(kept.id)
    assert not Report.objects.exists()


def test_a_deletion_that_is_rolled_back_deletes_nothing() -> None:
    image_id = stored_image().id

    with transaction.atomic():
        Image.objects.get(pk=image_id).delete()
        transaction.set_rollback(True)

    assert Image.objects.filter(pk=image_id).exists()
    assert has_original(image_id)
    assert not OwedDeletion.objects.exists()
    assert delete_pending() == 0


def test_if_the_storage_is_down_the_deletion_stays_pending(
    storage_down: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    image_id = stored_image().id

    Image.objects.get(pk=image_id).delete()

    assert not Image.objects.exists()
    assert OwedDeletion.objects.get().pk == image_id
    assert "Objects of deleted pictures could not be deleted yet" in caplog.text


def test_the_next_deletion_completes_pending_ones(storage_down: Callable[[], None]) -> None:
    first, second = stored_image(), stored_image()
    first_id, second_id = first.id, second.id
    first.delete()
    storage_down()

    second.delete()

    assert not has_original(first_id)
    assert not has_original(second_id)
    assert not OwedDeletion.objects.exists()


def test_reconcile_completes_pending_deletions_and_reports_their_number(
    storage_down: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    for image in (stored_image(), stored_image()):
        image.delete()
    with pytest.raises(CommandError, match="does not respond"):
        call_command("reconcile")
    storage_down()

    call_command("reconcile")
    call_command("reconcile")

    assert capsys.readouterr().out.splitlines() == [
        "Objects of 2 deleted pictures removed.",
        "0 pictures and 0 objects checked.",
        "Objects of 0 deleted pictures removed.",
        "0 pictures and 0 objects checked.",
    ]


def test_a_process_killed_after_the_commit_leaves_a_pending_deletion() -> None:
    image_id = stored_image().id
    OwedDeletion.objects.create(pk=image_id)  # the state after the commit of a deletion
    Image.objects.filter(pk=image_id)._raw_delete(using="default")

    assert delete_pending() == 1
    assert not has_original(image_id)


def test_an_image_added_again_before_its_objects_are_deleted_keeps_them(
    storage_down: Callable[[], None], carol: User
) -> None:
    data = picture_bytes("red", size=(640, 480))
    add_picture(data, Details(), None).image.delete()
    assert OwedDeletion.objects.filter(pk=content_id(data)).exists()

    assert add_picture(data, Details(), carol).is_new
    storage_down()

    assert delete_pending() == 0
    assert storage.read(storage.original_key(content_id(data))) == data
    assert storage.read(storage.rendition_key(content_id(data), storage.THUMBNAIL))


def test_adding_an_image_again_waits_for_a_deletion_in_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    data = picture_bytes("red", size=(640, 480))
    image_id = content_id(data)
    storage.put(storage.original_key(image_id), data, "image/jpeg")
    OwedDeletion.objects.create(pk=image_id)
    coming_back = threading.Event()
    delete = storage.delete
    order: list[str] = []

    def come_back() -> None:
        coming_back.set()
        block_deletions([image_id])
        order.append("kept")
        storage.put(storage.original_key(image_id), data, "image/jpeg")
        unblock_deletions([image_id])
        connection.close()

    back = threading.Thread(target=come_back)

    def slow_delete(keys: Iterable[str]) -> None:
        back.start()
        coming_back.wait(30)
        delete(keys)
        order.append("deleted")

    monkeypatch.setattr(storage, "delete", slow_delete)
    assert delete_pending() == 1
    back.join(30)

    assert order == ["deleted", "kept"]
    assert storage.read(storage.original_key(image_id)) == data


def test_two_concurrent_processes_delete_each_object_once(deletions: list[list[str]]) -> None:
    ids = [left_behind() for _ in range(20)]
    OwedDeletion.objects.bulk_create(OwedDeletion(pk=image_id) for image_id in ids)
    together = threading.Barrier(2)

    def settle() -> int:
        try:
            together.wait(30)
            return delete_pending()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        settled = [work.result(timeout=60) for work in [pool.submit(settle), pool.submit(settle)]]

    assert sum(settled) == 20
    assert sorted(deletions) == sorted(storage.keys_of(image_id) for image_id in ids)


def test_a_deletion_locked_by_another_process_is_skipped(deletions: list[list[str]]) -> None:
    held, free = left_behind(), left_behind()
    OwedDeletion.objects.bulk_create([OwedDeletion(pk=held), OwedDeletion(pk=free)])

    with transaction.atomic():
        OwedDeletion.objects.select_for_update().get(pk=held)
        in_another_thread(delete_pending)

    assert deletions == [storage.keys_of(free)]
    assert OwedDeletion.objects.get().pk == held


# A storage that hangs


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[uuid.UUID]]:
    """The storage hangs until the end of the test; yields the ids of images that it was asked to delete."""
    monkeypatch.setattr(background_threads, "WAITED_FOR", 0.05)
    asked: list[uuid.UUID] = []
    goes_on = threading.Event()

    def hang(keys: Iterable[str]) -> None:
        asked.append(uuid.UUID(next(iter(keys))[-36:]))
        goes_on.wait(60)
        raise StorageUnavailable("The object storage does not respond: timed out")

    monkeypatch.setattr(storage, "delete", hang)
    yield asked
    goes_on.set()
    if thread := deletion._deleting._thread:
        thread.join(60)


def test_deleting_many_images_waits_only_once_for_a_hanging_storage(hanging: list[uuid.UUID]) -> None:
    for _ in range(12):
        stored_image()

    Image.objects.all().delete()
    stored_image().delete()

    assert not Image.objects.exists()
    assert OwedDeletion.objects.count() == 13
    assert len(hanging) == 1


@pytest.mark.parametrize("how", ["one", "several"])
def test_the_message_says_that_files_are_still_being_removed(
    as_carol: Client, hanging: list[uuid.UUID], how: str
) -> None:
    images = [stored_image(title="One") for _ in range(3)]

    if how == "one":
        page = reverse("admin:search_image_delete", args=[images[0].pk])
        answer = as_carol.post(page, {"post": "yes"}, follow=True)
        told = "1 picture was deleted permanently. The files of 1 picture are still being removed from the storage."
    else:
        answer = act(as_carol, "delete_selected", *images, post="yes")
        told = "3 pictures were deleted permanently. The files of 3 pictures are still being removed from the storage."

    assert told in said(answer)
    assert "removed with the next deletion, or by manage.py reconcile." in said(answer)


def test_the_message_does_not_mention_files_that_are_removed(as_carol: Client) -> None:
    assert "files" not in said(act(as_carol, "delete_selected", stored_image(title="One"), post="yes"))
    assert not OwedDeletion.objects.exists()


@pytest.mark.parametrize("fails", [False, True])
def test_background_work_requested_while_it_runs_is_run_again(fails: bool) -> None:
    begun, goes_on, done = threading.Event(), threading.Event(), []

    def work() -> None:
        done.append(None)
        begun.set()
        goes_on.wait(30)
        if fails:
            raise ZeroDivisionError

    errand = background_threads.Background(work, "an errand")
    first = a_thread(errand.soon)
    begun.wait(30)
    second = a_thread(errand.soon)
    while not errand._is_asked_for:
        begun.wait(0.01)
    goes_on.set()
    first.join(30)
    second.join(30)

    assert len(done) == 2
    assert errand._thread is None


def test_background_work_that_fails_is_logged_and_can_be_requested_again(caplog: pytest.LogCaptureFixture) -> None:
    done: list[None] = []

    def work() -> None:
        done.append(None)
        raise ZeroDivisionError

    errand = background_threads.Background(work, "an errand")
    errand.soon()
    errand.soon()

    assert len(done) == 2
    assert [record.exc_info is not None for record in caplog.records] == [True, True]


def test_a_pending_deletion_does_not_delete_an_existing_image() -> None:
    image_id = stored_image().id
    OwedDeletion.objects.create(pk=image_id)

    assert delete_pending() == 0
    assert has_original(image_id)
    assert not OwedDeletion.objects.exists()


def test_periodic_work_continues_after_any_exception(caplog: pytest.LogCaptureFixture) -> None:
    tried, again = [], threading.Event()

    def work() -> None:
        tried.append(None)
        if len(tried) > 1:
            again.set()
        raise ZeroDivisionError

    stop = background_threads.keep_doing(work, 0.001, "an errand", "It could not be done")
    assert again.wait(30)
    stop.set()
    assert "It could not be done" in caplog.text
