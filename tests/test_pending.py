"""Pending rows: which processes compute their vectors, and what pages and the API show until then."""

import os
import signal
import threading
from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client

from search.checks import no_picture_waits_for_its_vector, vectors_are_of_the_active_model
from search.curation.details import Details
from search.embedding import Picture, active_model, picture_encoder
from search.imaging import read_picture
from search.ingestion import Pending, Worker, add_picture
from search.ingestion import pending_vector_worker as working
from search.ingestion.pending import claim
from search.models import Image, Report
from search.models.image import content_id
from search.models.vector_values import Vectors, WrongVectors
from search.objects import storage
from search.query import SearchQuery
from search.retrieval import find
from search.retrieval.new_matches import Window, new_matches
from tests.admin_pages import IMAGES, titles
from tests.base import a_vector, an_image, pending_image, picture_bytes, write_picture

# Several threads work, each with its own connection.
pytestmark = pytest.mark.django_db(transaction=True)


class WatchedEncoder:
    """The real encoder; `before` is called with the number of each batch, from 1, while its rows are claimed."""

    backend = "watched"

    def __init__(self, before: Callable[[int], None]) -> None:
        self.before = before
        self.batches = 0
        self._turn = threading.Lock()

    window = None

    def encode_pictures(self, pictures: Sequence[Picture]) -> Vectors:
        with self._turn:
            self.batches += 1
            self.before(self.batches)
        return picture_encoder().encode_pictures(pictures)


@pytest.fixture
def while_claimed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], None]], None]:
    """Run a function while a batch is claimed."""

    def install(before: Callable[[int], None]) -> None:
        encoder = WatchedEncoder(before)
        monkeypatch.setattr(working, "picture_encoder", lambda: encoder)

    return install


@pytest.fixture(autouse=True)
def _short_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(working, "FIRST_WAIT", 0.01)


def on_another_connection(what: Callable[[], Any]) -> Any:
    """Run a function on another connection, as another process would, and return its result."""
    results: list[Any] = []

    def body() -> None:
        try:
            results.append(what())
        finally:
            connection.close()

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    return results[0]


def embed(*arguments: object) -> tuple[str, str, int]:
    """Run the command; return its output, its errors and its exit status."""
    out, complaints = StringIO(), StringIO()
    try:
        call_command("embed_pending", *map(str, arguments), stdout=out, stderr=complaints)
    except SystemExit as end:
        return out.getvalue(), complaints.getvalue(), int(end.code or 0)
    return out.getvalue(), complaints.getvalue(), 0


def vector_of(colour: str) -> np.ndarray:
    picture = read_picture(picture_bytes(colour, size=(640, 480)), max_pixels=10**6).picture
    return picture_encoder().encode_pictures([picture])[0]


def pending_count() -> int:
    return Image.objects.pending().count()


_CLAIMING = "datname = current_database() AND pid <> pg_backend_pid() AND state = 'idle in transaction'"


def end_claims(cursor: Any) -> None:
    """Have the database close every connection that holds a claim, as a restart does."""
    cursor.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {_CLAIMING}")


# Vectors


def test_pending_pictures_get_the_vectors_of_their_originals() -> None:
    images = {colour: pending_image(colour) for colour in ("red", "green", "blue")}
    hidden = pending_image("white", hidden=True)

    assert embed() == ("4 embedded, 0 still pending, 0 failed.\n", "", 0)

    for colour, image in [*images.items(), ("white", hidden)]:
        image.refresh_from_db()
        assert image.embedding @ vector_of(colour) > 0.999
        assert (image.embedding_model, image.embedding_backend) == (active_model(), picture_encoder().backend)
    assert hidden.hidden


def test_pictures_with_a_vector_are_left_alone() -> None:
    fresh = an_image(vector=a_vector(5))
    old = an_image(vector=a_vector(6), embedding_model="older")

    assert embed()[0] == "0 embedded, 0 still pending, 0 failed.\n"

    assert set(Image.objects.values_list("pk", "embedding_model")) == {(fresh.pk, active_model()), (old.pk, "older")}


def test_a_search_finds_them_only_after_embedding() -> None:
    image = pending_image("red", title="Lighthouse")
    query = SearchQuery.from_params({"q": ["lighthouse"]})
    before = find(query)
    assert (before.found, before.images, before.counts.total) == (0, [], 0)

    embed()

    assert [found.pk for found in find(query).images] == [image.pk]


def test_a_saved_search_reports_pictures_embedded_after_the_last_visit() -> None:
    pending_image(title="Lighthouse")
    lighthouses = SearchQuery.from_params({"q": ["lighthouse"], "mode": ["words"]})
    looked = Window.since(0)
    assert new_matches(lighthouses, looked, 10).images == []

    embed()

    assert [image.title for image in new_matches(lighthouses, Window.since(looked.to), 10).images] == ["Lighthouse"]


def test_a_new_vector_does_not_make_an_old_picture_new() -> None:
    image = pending_image()
    Image.objects.filter(pk=image.pk).update(embedding=a_vector(1), embedding_model="older")

    call_command("reembed", stdout=StringIO())

    assert Image.objects.get().created == image.created


def test_reembed_computes_vectors_of_pending_pictures_too() -> None:
    pending_image()

    call_command("reembed", stdout=StringIO())

    assert pending_count() == 0


def test_the_command_stops_at_the_limit() -> None:
    for _ in range(5):
        pending_image()

    assert embed("--limit", "3", "--batch", "2")[0] == "3 embedded, 2 still pending, 0 failed.\n"


@pytest.mark.parametrize("option", ["--limit", "--batch"])
def test_numbers_below_one_are_refused(option: str) -> None:
    with pytest.raises(CommandError, match="less than 1"):
        call_command("embed_pending", option, "0")


# Claims


def test_rows_claimed_by_one_worker_are_skipped_by_another() -> None:
    images = [pending_image() for _ in range(4)]

    def others() -> list[Any]:
        with claim(Pending(), 10, set()) as claimed:
            return [image.pk for image in claimed]

    with claim(Pending(), 3, set()) as mine:
        assert [image.pk for image in mine] == [image.pk for image in images[:3]]
        assert on_another_connection(others) == [images[3].pk]
    assert len(on_another_connection(others)) == 4


def test_a_process_claims_at_most_two_batches(while_claimed: Any) -> None:
    for _ in range(9):
        pending_image()
    held: list[int] = []

    def look() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT id FROM search_image WHERE embedding_model = '' FOR UPDATE SKIP LOCKED")
            held.append(pending_count() - len(cursor.fetchall()))
            transaction.set_rollback(True)

    while_claimed(lambda batch: on_another_connection(transaction.atomic(look)))
    embed("--batch", "2")

    assert max(held) <= 4
    assert pending_count() == 0


def test_a_picture_can_be_reported_while_its_vector_is_computed(while_claimed: Any) -> None:
    image = pending_image()

    while_claimed(lambda batch: on_another_connection(lambda: Report.objects.create(image=image, reason="other")))
    assert embed()[2] == 0

    assert Report.objects.first().image == image


def test_a_picture_deleted_while_it_is_claimed_is_gone_afterwards(while_claimed: Any) -> None:
    image = pending_image()
    deleting: list[threading.Thread] = []

    def delete() -> None:
        Image.objects.get(pk=image.pk).delete()
        connection.close()

    def start(batch: int) -> None:
        deleting.append(threading.Thread(target=delete))
        deleting[-1].start()

    while_claimed(start)
    assert embed()[2] == 0
    deleting[0].join()

    assert not Image.objects.exists()


# Errors


def test_unreadable_pictures_are_reported_once_and_do_not_block_others() -> None:
    missing = [pending_image() for _ in range(3)]
    for image in missing:
        storage.delete([storage.original_key(image.pk)])
    broken = pending_image()
    storage.put(storage.original_key(broken.pk), b"not a picture", "image/jpeg")
    whole = pending_image()

    out, complaints, status = embed("--batch", "2")

    assert (out, status) == ("1 embedded, 4 still pending, 4 failed.\n", 1)
    for image in [*missing, broken]:
        assert complaints.count(str(image.pk)) >= 1
        assert len([line for line in complaints.splitlines() if line.startswith(str(image.pk))]) == 1
    whole.refresh_from_db()
    assert not whole.is_pending


def test_a_picture_that_the_model_rejects_does_not_fail_its_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    class Picky:
        backend = "picky"
        window = None

        def encode_pictures(self, pictures: Sequence[Picture]) -> Vectors:
            if any(picture.getpixel((0, 0))[0] < 100 for picture in pictures):
                raise WrongVectors("A vector with a NaN.")
            return picture_encoder().encode_pictures(pictures)

    monkeypatch.setattr(working, "picture_encoder", Picky)
    black, red = pending_image("black"), pending_image("red")

    out, complaints, status = embed()

    assert (out, status) == ("1 embedded, 1 still pending, 1 failed.\n", 1)
    assert f"{black.pk}: A vector with a NaN." in complaints
    red.refresh_from_db()
    assert not red.is_pending


def test_a_lost_connection_ends_the_command_and_loses_no_row(while_claimed: Any) -> None:
    for _ in range(3):
        pending_image()

    def lose(batch: int) -> None:
        on_another_connection(lambda: end_claims(connection.cursor()))

    while_claimed(lose)
    with pytest.raises(CommandError, match=r"(?s)The database failed.*run the same command again"):
        embed()
    assert pending_count() == 3

    while_claimed(lambda batch: None)
    assert embed()[0] == "3 embedded, 0 still pending, 0 failed.\n"


def test_a_claim_held_too_long_is_released(while_claimed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pending_image()
    monkeypatch.setattr("search.ingestion.pending.PATIENCE", "50ms")

    def sessions() -> int:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM pg_stat_activity WHERE {_CLAIMING}")
            return int(cursor.fetchone()[0])

    def lie_still(batch: int) -> None:
        while on_another_connection(sessions):
            pass

    while_claimed(lie_still)
    with pytest.raises(CommandError, match="The database failed"):
        embed()
    assert pending_count() == 1


def test_an_unavailable_storage_ends_the_command_with_a_message(settings: Any) -> None:
    pending_image()
    settings.MEDIA_ROOT = Path(settings.MEDIA_ROOT).with_name("a-file")
    settings.MEDIA_ROOT.write_text("not a folder")

    with pytest.raises(CommandError, match="can't be written or read"):
        embed()
    assert pending_count() == 1


def test_without_a_model_nothing_is_claimed(no_model: Path) -> None:
    pending_image()

    for arguments in ([], ["--watch"]):
        with pytest.raises(CommandError, match="can't be used"):
            embed(*arguments)


# Stopping and watching


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_command_after_the_current_batch(while_claimed: Any, number: int) -> None:
    for _ in range(9):
        pending_image()
    before = signal.getsignal(number)
    signalled = threading.Event()

    def stop(batch: int) -> None:
        if batch == 1:
            os.kill(os.getpid(), number)
            signalled.set()

    while_claimed(stop)
    out, complaints, status = embed("--batch", "1")

    assert "Stopping after the batch in progress." in complaints
    assert status == 0
    assert pending_count() <= 8
    assert f"{pending_count()} still pending" in out
    assert signal.getsignal(number) == before


def test_with_watch_later_pictures_are_embedded_and_lost_connections_survived(
    while_claimed: Any, caplog: pytest.LogCaptureFixture
) -> None:
    pending_image()
    rests: list[int] = []
    stop = threading.Event()

    def lose(batch: int) -> None:
        if batch == 2:
            on_another_connection(lambda: end_claims(connection.cursor()))

    def on_idle() -> None:
        rests.append(worker.report.added)
        pending_image() if len(rests) == 1 else stop.set()

    while_claimed(lose)
    worker = Worker(Pending(), stop=stop)
    worker.watch(on_idle)

    assert rests == [1, 2]
    assert pending_count() == 0
    assert "retrying" in caplog.text


def test_with_watch_an_unavailable_storage_is_waited_for(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pending_image()
    stop, away = threading.Event(), [True, True]
    read = storage.read

    def reading(key: str, size: int = 0) -> bytes:
        if away:
            away.pop()
            raise storage.StorageUnavailable("The object storage does not respond.")
        return read(key, size)

    monkeypatch.setattr(storage, "read", reading)
    worker = Worker(Pending(), stop=stop)
    worker.watch(stop.set)

    assert (away, pending_count(), worker.report.failed) == ([], 0, [])


def test_with_watch_the_command_says_when_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    pending_image()
    monkeypatch.setattr(
        "search.management.commands.embed_pending.calibrate_after", lambda *_: os.kill(os.getpid(), signal.SIGTERM)
    )

    out, _, status = embed("--watch")

    assert "1 embedded, 0 failed so far. Waiting for more." in out
    assert out.endswith("1 embedded, 0 still pending, 0 failed.\n")
    assert status == 0


# Enqueued, then added


def test_pictures_are_enqueued_without_a_model_and_embedded_later(tmp_path: Path, no_model: Path) -> None:
    write_picture(tmp_path / "photos" / "red.jpg", "red", size=(640, 480))

    call_command("ingest", str(tmp_path / "photos"), enqueue=True, stdout=StringIO())

    image = Image.objects.get()
    assert image.is_pending
    assert storage.exists(storage.original_key(image.pk))
    assert storage.exists(storage.rendition_key(image.pk, storage.THUMBNAIL))


def test_an_upload_of_the_same_file_completes_a_pending_picture() -> None:
    data = picture_bytes("red", size=(640, 480))
    pending_image("red", id=content_id(data), title="From the folder")

    added = add_picture(data, Details(title="From the browser"), None)

    assert not added.is_new
    image = Image.objects.get()
    assert (image.title, image.embedding_model) == ("From the folder", active_model())
    assert image.embedding @ vector_of("red") > 0.999


def test_an_ingestion_of_the_same_file_completes_a_pending_picture(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "red.jpg", "red", size=(640, 480))
    call_command("ingest", str(path), "--enqueue", stdout=StringIO())
    looked = Window.since(0)

    call_command("ingest", str(path), stdout=StringIO())

    assert pending_count() == 0
    assert len(new_matches(SearchQuery(), Window.since(looked.to), 10).images) == 1
    assert Image.objects.get().embedding @ vector_of("red") > 0.999


# What users see


def test_the_page_of_a_pending_picture_says_so(client: Client) -> None:
    image = pending_image(title="Lighthouse")
    page = client.get(image.get_absolute_url()).content.decode()
    assert "not searchable yet" in page
    assert "More like this" not in page

    embed()

    page = client.get(image.get_absolute_url()).content.decode()
    assert "not searchable yet" not in page
    assert "More like this" in page


@pytest.mark.parametrize("parameter", ["like", "unlike"])
def test_searching_by_a_pending_picture_is_refused_with_the_reason(client: Client, parameter: str) -> None:
    response = client.get("/search", {parameter: str(pending_image().pk)})
    assert response.status_code == 404
    assert "does not have a vector yet" in response.content.decode()


def test_a_pending_picture_is_among_the_newest_but_not_among_similar_ones(client: Client) -> None:
    waits, other = pending_image(title="Waits"), an_image("Other")
    assert "Waits" in client.get("/").content.decode()
    similar = client.get(other.get_absolute_url()).content.decode().partition('id="similar"')[2]
    assert waits.get_absolute_url() not in similar


def test_the_api_reports_whether_a_picture_is_searchable(client: Client) -> None:
    image = pending_image()
    assert client.get(f"/api/images/{image.pk}").json()["searchable"] is False
    embed()
    assert client.get(f"/api/images/{image.pk}").json()["searchable"] is True


def test_curators_see_which_and_how_many_pictures_are_pending(as_carol: Client) -> None:
    image = pending_image(title="Waits")
    an_image("Found")
    page = as_carol.get(IMAGES)
    assert "waiting for its vector" in page.content.decode()
    assert "None yet (1)" in page.content.decode()
    assert titles(as_carol.get(IMAGES, {"model": "none"})) == {"Waits"}
    assert "embed_pending" in as_carol.get(f"{IMAGES}{image.pk}/change/").content.decode()


def test_the_system_check_counts_pending_pictures_and_reports_no_model_mismatch() -> None:
    for _ in range(2):
        pending_image()
    an_image()

    [info] = no_picture_waits_for_its_vector(None, ["default"])

    assert (info.id, info.is_serious()) == ("search.I005", False)
    assert "2 pictures" in info.msg
    assert "embed_pending" in str(info.hint)
    assert vectors_are_of_the_active_model(None, ["default"]) == []


def test_an_older_model_is_reported_beside_pending_pictures() -> None:
    pending_image()
    an_image()
    an_image(embedding_model="a-model-whose-name-comes-first")
    assert [one.id for one in vectors_are_of_the_active_model(None, ["default"])] == ["search.W002"]
