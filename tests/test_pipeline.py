"""The ingestion pipeline: what its stages read, keep in memory, complete and leave behind."""

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from django.db import connection

from search.curation.details import Details
from search.embedding import ModelUnavailable
from search.ingestion import Item, Report, Unavailable, adding, files_source, ingest
from search.ingestion.pipeline import coordinator as pipeline
from search.ingestion.pipeline import steps
from search.ingestion.pipeline.stage_threads import Allowance, Ended
from search.models import Image, Origin, OwedDeletion
from search.models.image import content_id
from search.models.vector_values import WrongVectors
from search.objects import storage
from tests.base import in_another_thread, picture_bytes, write_picture


class CountingSource:
    """A source of small pictures that counts its reads."""

    def __init__(self, count: int, *, version: str = "1") -> None:
        self.pictures = [picture_bytes(f"#{number:02x}4080", size=(32, 32), format="PNG") for number in range(count)]
        self.version = version
        self.offered = 0
        self.reads: list[int] = []

    def __iter__(self) -> Iterator[Item]:
        for number in range(len(self.pictures)):
            self.offered += 1
            yield self.item(number)

    def item(self, number: int) -> Item:
        def read() -> bytes:
            self.reads.append(number)
            return self.pictures[number]

        return Item(f"picture {number}", read, Details(), f"shelf:{number}", self.version)

    def ids(self) -> set[object]:
        return {content_id(picture) for picture in self.pictures}


@pytest.fixture(autouse=True)
def _no_thread_left() -> Iterator[None]:
    yield
    for thread in threading.enumerate():
        if thread.name.startswith("ingest-"):
            thread.join(5)
            assert not thread.is_alive(), thread.name


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of four, eight pictures in progress."""
    monkeypatch.setattr(steps, "BATCH", 4)
    monkeypatch.setattr(pipeline, "BATCH", 4)
    monkeypatch.setattr(pipeline, "LOOK_UP", 4)
    monkeypatch.setattr(steps, "UNDER_WAY", 8)


# Known items


@pytest.mark.django_db
def test_a_known_item_is_not_read_again() -> None:
    ingest(CountingSource(5))
    again = CountingSource(5)

    report = ingest(again)

    assert (report.added, report.known) == (0, 5)
    assert again.reads == []


@pytest.mark.django_db
def test_a_changed_item_is_read_again() -> None:
    ingest(CountingSource(5))
    changed = CountingSource(5, version="2")
    changed.pictures[0] = picture_bytes("white")

    report = ingest(changed)

    assert (report.added, report.known, report.changed) == (0, 5, 1)
    assert sorted(changed.reads) == [0, 1, 2, 3, 4]


@pytest.mark.django_db
def test_a_deleted_picture_is_skipped_unread_and_added_again_on_request() -> None:
    shelf = CountingSource(5)
    ingest(shelf)
    Image.objects.get(pk=content_id(shelf.pictures[3])).delete()
    again = CountingSource(5)

    report = ingest(again)
    assert (report.added, report.known, report.deleted, again.reads) == (0, 4, 1, [])
    assert ingest(again, again=True).added == 1
    assert again.reads == [3]
    assert ingest(CountingSource(5)).known == 5


@pytest.mark.django_db
def test_known_bytes_at_a_new_address_are_read_once() -> None:
    shelf = CountingSource(3)
    ingest(Item(str(number), lambda data=data: data) for number, data in enumerate(shelf.pictures))
    assert not Origin.objects.exists()

    assert ingest(shelf).known == 3
    assert ingest(shelf).known == 3
    assert sorted(shelf.reads) == [0, 1, 2]


@pytest.mark.django_db
def test_all_addresses_of_a_picture_are_recorded() -> None:
    shelf = CountingSource(2)
    shelf.pictures *= 2

    report = ingest(shelf)

    assert (report.added, report.known) == (2, 2)
    assert set(Origin.objects.values_list("address", flat=True)) == {f"shelf:{number}" for number in range(4)}


@pytest.mark.django_db
def test_a_dry_run_counts_copies_as_known_in_any_order(small_batches: None) -> None:
    shelf, copies = CountingSource(20), CountingSource(20, version="2")
    results = [ingest([*shelf, *copies], dry_run=True), ingest([*shelf, *copies])]
    assert [(report.added, report.known) for report in results] == [(20, 20), (20, 20)]


@pytest.mark.django_db
def test_a_dry_run_records_nothing() -> None:
    assert ingest(CountingSource(3), dry_run=True).added == 3
    assert not Origin.objects.exists()


@pytest.mark.django_db
def test_an_overwritten_file_is_read_again(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.png", "red", format="PNG")
    ingest(files_source([str(path)]))
    write_picture(path, "blue", format="PNG", size=(80, 80))

    report = ingest(files_source([str(path)]))
    assert (report.changed, Image.objects.count()) == (1, 1)


# Bounds on work in progress


@pytest.mark.django_db
@pytest.mark.usefixtures("small_batches")
def test_the_source_is_read_ahead_up_to_the_limit_only() -> None:
    shelf = CountingSource(60)
    ahead = []

    ingest(shelf, progress=lambda report: ahead.append(shelf.offered - report.seen))

    assert max(ahead) <= 8 + 1
    assert set(Image.objects.values_list("pk", flat=True)) == shelf.ids()


@pytest.mark.django_db
def test_large_files_are_read_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "FILE_BYTES", 5_000_000)
    monkeypatch.setattr(steps, "PICTURE_BYTES", 1)
    shelf = CountingSource(12)
    shelf.pictures = [picture + bytes(2_000_000) for picture in shelf.pictures]
    store, held = adding.Prepared.store, []

    def noted(prepared: adding.Prepared) -> None:
        stored.append(1)
        held.append(len(shelf.reads) - len(stored))
        store(prepared)

    stored: list[int] = []
    monkeypatch.setattr(adding.Prepared, "store", noted)

    assert ingest(shelf).added == 12
    # Two fit; others may have been read since their bytes were released.
    assert max(held) <= 4


@pytest.mark.django_db
def test_huge_files_of_known_size_are_read_one_after_the_other() -> None:
    lock, another = threading.Lock(), threading.Event()
    now = most = 0

    def read() -> bytes:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
            if now > 1:
                another.set()
        another.wait(0.1)
        with lock:
            now -= 1
        return b"no picture"

    # After many small files, by which the size of the following ones is estimated.
    small = [Item(f"small {number}", lambda: b"no picture") for number in range(60)]
    giants = [Item(f"giant {number}", read, size=steps.FILE_BYTES) for number in range(3)]
    ingest([*small, *giants], dry_run=True)
    assert most == 1


def test_an_item_larger_than_the_allowance_passes_alone() -> None:
    allowance, order = Allowance(10), []

    def take(amount: int) -> None:
        allowance.take(amount)
        order.append(amount)

    allowance.take(4)
    waiting = threading.Thread(target=take, args=[50])
    waiting.start()
    allowance.take(6)
    assert order == []
    allowance.give_back(10)
    waiting.join(30)

    assert order == [50]


def test_a_thread_waiting_for_the_allowance_gives_up_when_the_run_ends() -> None:
    allowance, ended = Allowance(10), []

    def take() -> None:
        try:
            allowance.take(5)
        except Ended:
            ended.append(True)

    allowance.take(10)
    waiting = threading.Thread(target=take)
    waiting.start()
    allowance.end()
    waiting.join(30)

    assert ended == [True]


@pytest.mark.django_db
@pytest.mark.usefixtures("small_batches")
def test_items_become_searchable_while_the_source_waits_for_more() -> None:
    shelf, written = CountingSource(3), threading.Event()
    in_time = []

    def offered_slowly() -> Iterator[Item]:
        yield from shelf
        in_time.append(written.wait(30))

    ingest(offered_slowly(), progress=lambda report: written.set() if report.added == 3 else None)

    assert in_time == [True]


@pytest.mark.django_db
def test_unreadable_items_are_reported_and_do_not_stop_the_run() -> None:
    def gone() -> bytes:
        raise Unavailable("It no longer exists.")

    def unreadable() -> bytes:
        raise PermissionError(13, "Permission denied")

    report = ingest([Item("one", gone), Item("two", unreadable), CountingSource(1).item(0)])

    assert report.added == 1
    assert sorted(report.failed) == [("one", "It no longer exists."), ("two", "Permission denied")]


# Copies


@pytest.mark.django_db
@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("data", [b"", b"<html>This photo is no longer available</html>"])
def test_copies_of_a_bad_file_fail_by_name(data: bytes, dry_run: bool) -> None:
    items = [Item(f"bad {number}", lambda: data) for number in range(30)]

    report = ingest([*items, CountingSource(1).item(0)], dry_run=dry_run)

    assert (report.added, report.known, len(report.failed)) == (1, 0, 30)
    assert {name for name, _reason in report.failed} == {item.name for item in items}
    assert len({reason for _name, reason in report.failed}) == 1


@pytest.mark.django_db
@pytest.mark.usefixtures("small_batches")
def test_copies_of_an_added_picture_are_known() -> None:
    shelf = CountingSource(2)
    report = ingest(Item(f"{number}", shelf.item(number % 2).read) for number in range(30))
    assert (report.added, report.known, report.failed) == (2, 28, [])


@pytest.mark.django_db
def test_copies_of_a_picture_that_fails_late_fail_too(monkeypatch: pytest.MonkeyPatch) -> None:
    picture, embed = picture_bytes("navy"), steps.embed

    def fails_for_one(prepared: Sequence[adding.Prepared]) -> None:
        if any(one.image.id == content_id(picture) for one in prepared):
            raise WrongVectors("The model gave a vector with a NaN or an infinity.")
        embed(prepared)

    monkeypatch.setattr(steps, "embed", fails_for_one)
    report = ingest([*CountingSource(5), *(Item(f"navy {number}", lambda: picture) for number in range(3))])

    assert (report.added, report.known) == (5, 0)
    assert sorted(name for name, _reason in report.failed) == ["navy 0", "navy 1", "navy 2"]


# Memory


def _no_memory(*arguments: object, **options: object) -> bytes:
    raise MemoryError


@pytest.mark.django_db
def test_out_of_memory_fails_one_picture_only(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = CountingSource(5)
    once, work = [True], adding.prepare

    def fails_once(*arguments: object, **options: object) -> object:
        if once:
            once.pop()
            raise MemoryError
        return work(*arguments, **options)

    monkeypatch.setattr(steps, "prepare", fails_once)

    report = ingest(shelf)

    assert (report.added, [reason for _name, reason in report.failed]) == (
        4,
        ["There is not enough memory for this picture."],
    )


@pytest.mark.django_db
@pytest.mark.parametrize("stage", ["read", "store", "embed"])
def test_out_of_memory_in_any_stage_fails_that_picture_and_releases_its_allowance(
    monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    monkeypatch.setattr(steps, "FILE_BYTES", 1_000)
    monkeypatch.setattr(steps, "PICTURE_BYTES", 1_000)
    shelf, bad = CountingSource(5), picture_bytes("navy")
    if stage == "store":
        put = storage.put
        of_it = storage.original_key(content_id(bad))
        monkeypatch.setattr(storage, "put", lambda key, *rest: _no_memory() if key == of_it else put(key, *rest))
    if stage == "embed":
        embed = steps.embed

        def fails_for_one(prepared: Sequence[adding.Prepared]) -> None:
            if any(one.image.id == content_id(bad) for one in prepared):
                raise MemoryError
            embed(prepared)

        monkeypatch.setattr(steps, "embed", fails_for_one)

    report = ingest([Item("bad", _no_memory if stage == "read" else lambda: bad), *shelf])

    assert report.added == 5
    assert report.failed == [("bad", "There is not enough memory for this picture.")]


# Errors


@pytest.mark.django_db
@pytest.mark.usefixtures("small_batches")
def test_a_storage_error_stops_the_run_and_added_pictures_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    put, left = storage.put, [20]

    def fails_later(key: str, data: bytes, content_type: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise storage.StorageUnavailable("The disk is full.")
        put(key, data, content_type)

    monkeypatch.setattr(storage, "put", fails_later)
    with pytest.raises(storage.StorageUnavailable):
        ingest(CountingSource(40))

    assert 0 < Image.objects.count() <= 10
    for image in Image.objects.all():
        assert storage.exists(storage.original_key(image.pk))


@pytest.mark.django_db
def test_an_error_of_the_source_ends_the_run() -> None:
    def breaks() -> Iterator[Item]:
        yield from CountingSource(3)
        raise RuntimeError("The list is broken.")

    with pytest.raises(RuntimeError, match="The list is broken"):
        ingest(breaks())


@pytest.mark.django_db
def test_a_model_error_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(prepared: Sequence[adding.Prepared]) -> None:
        raise ModelUnavailable("It has gone.")

    monkeypatch.setattr(steps, "embed", fails)
    with pytest.raises(ModelUnavailable):
        ingest(CountingSource(40))
    assert not Image.objects.exists()


# Stopping


@pytest.mark.django_db
@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_completes_the_current_batch_and_the_next_run_continues(number: int) -> None:
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]

    def stop_once(report: Report) -> None:
        if report.added == 4 and not stopped:
            stopped.append(report.added)
            os.kill(os.getpid(), number)

    stopped: list[int] = []
    report = ingest(CountingSource(60), progress=stop_once)

    assert report.stopped
    assert 4 <= report.added == Image.objects.count() < 60
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before
    rest = ingest(CountingSource(60))
    assert not rest.stopped
    assert report.added + rest.added == Image.objects.count() == 60


@pytest.mark.django_db
@pytest.mark.usefixtures("small_batches")
def test_a_second_ctrl_c_stops_at_once() -> None:
    def stop_twice(report: Report) -> None:
        if report.added:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        ingest(CountingSource(60), progress=stop_twice)
    assert Image.objects.count() < 60


# Concurrent runs


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("small_batches")
def test_concurrent_runs_over_the_same_pictures_add_each_once() -> None:
    together, reports, errors = threading.Barrier(3), [], []

    def run(order: Callable[[Iterable[Item]], Iterable[Item]]) -> None:
        try:
            together.wait(30)
            reports.append(ingest(order(CountingSource(40))))
        except BaseException as error:
            errors.append(error)

    orders: list[Callable[[Iterable[Item]], Iterable[Item]]] = [
        list,
        lambda items: list(items)[::-1],
        lambda items: sorted(items, key=lambda item: item.name[::-1]),
    ]
    threads = [in_another_thread(lambda order=order: run(order)) for order in orders]
    for thread in threads:
        thread.join(60)

    assert errors == []
    assert sum(report.added for report in reports) == Image.objects.count() == 40
    assert [report.seen for report in reports] == [40, 40, 40]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("again", [True, False])
def test_a_picture_added_and_deleted_concurrently_is_complete_or_absent(
    monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    shelf = CountingSource(1)
    shelf.pictures *= 2
    (image_id,) = shelf.ids()
    embed = steps.embed

    def add_and_delete() -> None:
        adding.add_picture(shelf.pictures[0], Details(), None).image.delete()

    def embed_late(prepared: Sequence[adding.Prepared]) -> None:
        in_another_thread(add_and_delete).join(60)
        embed(prepared)

    monkeypatch.setattr(steps, "embed", embed_late)

    report = ingest(shelf, again=again)

    assert (report.added, report.known, report.deleted) == ((1, 1, 0) if again else (0, 0, 2))
    assert [storage.exists(key) for key in storage.keys_of(image_id)] == [again, again, False, False]
    assert Image.objects.count() == again
    assert not OwedDeletion.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_no_lock_is_held_after_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Item("broken", lambda: b"no picture")
    ingest([*CountingSource(3), broken])

    def fails(key: str, data: bytes, content_type: str) -> None:
        raise storage.StorageUnavailable("The disk is full.")

    monkeypatch.setattr(storage, "put", fails)
    with pytest.raises(storage.StorageUnavailable):
        ingest([Item("white", lambda: picture_bytes("white"))])

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
        assert cursor.fetchone() == (0,)
        cursor.execute("SELECT to_regclass('image_staging')")
        assert cursor.fetchone() == (None,)


# Rows


@pytest.mark.django_db
def test_a_copied_row_equals_a_saved_one(monkeypatch: pytest.MonkeyPatch) -> None:
    details = Details(
        "A title", "'; \t\\N -- \u00e9\u4e2d", ["a, b", "\\", 'c"'], "Ann", "CC0", "https://example.org/\u00e9"
    )
    prepared = adding.prepare(picture_bytes("teal", size=(640, 480)), details, image_id=content_id(b"saved"))
    adding.embed([prepared])
    prepared.image.save(force_insert=True)
    data = picture_bytes("teal", size=(640, 480))

    ingest([Item("written", lambda: data, details)])

    columns = [field.name for field in Image._meta.fields if field.name not in {"id", "created", "updated"}]
    saved = Image.objects.filter(pk=content_id(b"saved")).values_list(*columns).get()
    written = Image.objects.filter(pk=content_id(data)).values_list(*columns).get()
    assert [list(value) if hasattr(value, "__iter__") else value for value in written] == [
        list(value) if hasattr(value, "__iter__") else value for value in saved
    ]
