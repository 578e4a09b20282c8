"""The object storage hangs, trickles, disconnects or refuses: pages that need it fail soon, and others are not
affected."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.core.files.storage import default_storage
from django.test import Client

from search.concurrency import timeouts
from search.concurrency.timeouts import Gate, NoAnswer
from search.curation.details import Details
from search.ingestion import add_picture
from search.models import Image, OwedDeletion
from search.objects import storage
from search.objects.deletion import keep_deleting_pending
from search.objects.storage import StorageUnavailable
from tests.base import an_image, picture_bytes, picture_file, stored_image
from tests.fronts import Clock
from tests.proxies import Behaviour, Proxy
from tests.s3_servers import ACCESS_KEY, BUCKET, SECRET_KEY, Rclone, use_s3

KEY = "renditions/400/ab/something"
AWAY = [one for one in Behaviour if one is not Behaviour.PASSES]
SOON = 20.0
"""Seconds on the busiest machine; a hanging storage here hangs for minutes."""
SLOW = [Behaviour.HANGS_AT_CONNECT, Behaviour.HANGS_AFTER_CONNECT, Behaviour.HANGS_IN_BODY, Behaviour.TRICKLES]


@pytest.fixture
def proxy(running_rclone: Rclone, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The site with its objects in a server behind a proxy, and with short timeouts."""
    proxy = Proxy(running_rclone.port)
    use_s3(settings, running_rclone, AWS_S3_ENDPOINT_URL=proxy.url)
    storage.put(KEY, b"a thumbnail" * 100, "image/webp")
    settings.STORAGE_WAIT = 0.5
    monkeypatch.setattr(timeouts, "SLOW", 0.2)
    monkeypatch.setattr(timeouts, "STILL", 0.2)
    monkeypatch.setattr(timeouts, "PROBE_EVERY", 0.1)
    monkeypatch.setattr(timeouts, "PROBE_TIMEOUT", 0.5)
    yield proxy
    proxy.close()


def seconds_of(work: Callable[[], object]) -> float:
    start = time.monotonic()
    work()
    return time.monotonic() - start


def test_an_object_is_read_through_the_proxy(proxy: Proxy) -> None:
    assert storage.read(KEY) == b"a thumbnail" * 100


@pytest.mark.parametrize("how", AWAY)
def test_a_read_fails_in_time_for_every_kind_of_outage(proxy: Proxy, how: Behaviour) -> None:
    def read() -> None:
        with pytest.raises(StorageUnavailable):
            storage.read(KEY)

    with proxy.behaving(how):
        assert seconds_of(read) < SOON


@pytest.mark.parametrize("how", SLOW)
def test_during_a_hang_others_fail_at_once_and_after_it_the_storage_is_used_again_soon(
    proxy: Proxy, how: Behaviour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeouts, "PROBE_EVERY", SOON)
    with proxy.behaving(how):
        with pytest.raises(StorageUnavailable):
            storage.read(KEY)
        with pytest.raises(StorageUnavailable, match="a moment ago"):
            storage.read(KEY)

    clock = Clock()
    clock.ahead = SOON
    monkeypatch.setattr(timeouts, "time", clock)
    until_it_answers(lambda: storage.read(KEY))


def until_it_answers(ask: Callable[[], object]) -> None:
    for _ in range(500):
        try:
            ask()
        except StorageUnavailable:
            time.sleep(0.01)
        else:
            return
    raise AssertionError("It is not used again.")


def test_a_trickling_read_is_aborted_and_leaves_no_thread_behind(proxy: Proxy) -> None:
    before = {thread.ident for thread in storage_threads()}
    with proxy.behaving(Behaviour.TRICKLES), pytest.raises(StorageUnavailable):
        storage.read(KEY)

    # The proxy keeps trickling on that connection: a thread that reads it would stay for minutes.
    for thread in storage_threads():
        if thread.ident not in before:
            thread.join(2)
            assert not thread.is_alive()


def storage_threads() -> list[Any]:
    return [thread for thread in threading.enumerate() if thread.name == "storage"]


def test_a_connection_closed_while_idle_is_no_failure(proxy: Proxy) -> None:
    storage.read(KEY)
    proxy.behave(Behaviour.REFUSES)
    proxy.behave(Behaviour.PASSES)

    assert storage.read(KEY) == b"a thumbnail" * 100


def test_an_unresolvable_host_fails_in_time(
    proxy: Proxy, running_rclone: Rclone, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_s3(settings, running_rclone, AWS_S3_ENDPOINT_URL="http://storage.invalid:9000")
    settings.STORAGE_WAIT = 0.3
    end = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", lambda *args, **options: end.wait(3 * SOON))  # a resolver that hangs

    def read() -> None:
        with pytest.raises(StorageUnavailable):
            storage.read(KEY)

    try:
        assert seconds_of(read) < SOON
    finally:
        end.set()


def test_a_tls_address_of_a_server_without_tls_makes_the_storage_unavailable(
    proxy: Proxy, running_rclone: Rclone, settings: Any
) -> None:
    use_s3(settings, running_rclone, AWS_S3_ENDPOINT_URL=proxy.url.replace("http:", "https:"))

    with pytest.raises(StorageUnavailable):
        storage.read(KEY)


def test_after_a_hang_kept_connections_are_not_reused(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.read(KEY)
    bucket: Any = default_storage
    closed: list[bool] = []
    monkeypatch.setattr(bucket.client, "close", lambda: closed.append(True))
    with proxy.behaving(Behaviour.HANGS_AFTER_CONNECT), pytest.raises(StorageUnavailable):
        storage.read(KEY)

    assert closed


# The gate


def test_few_callers_wait_for_a_hanging_storage_and_the_others_fail_at_once(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.STORAGE_WAIT = SOON
    monkeypatch.setattr(timeouts, "STILL", 0.1)
    gate, end, asked = Gate(), threading.Event(), threading.Semaphore(0)

    def hang() -> None:
        asked.release()
        end.wait(SOON)

    with ThreadPoolExecutor(16) as pool:
        callers = [pool.submit(gate.call, hang) for _ in range(16)]
        refused = [one.exception() for one in islice(as_completed(callers), 16 - timeouts.MOST_AT_ONCE)]
        end.set()

    assert {str(error) for error in refused} == {"there are too many concurrent requests"}
    assert sum(asked.acquire(blocking=False) for _ in range(16)) == timeouts.MOST_AT_ONCE


def test_sixteen_concurrent_callers_all_get_quick_responses() -> None:
    gate = Gate()

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: gate.call(lambda: time.sleep(0.02) or number), range(64)))

    assert answers == list(range(64))


def test_large_objects_leave_room_for_small_ones(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeouts, "STILL", 0.1)
    gate, end = Gate(), threading.Event()
    with ThreadPoolExecutor(4) as pool:
        slow = [pool.submit(gate.call, lambda: end.wait(SOON), size=2_000_000) for _ in range(4)]
        (one_too_many,) = islice(as_completed(slow), 1)

        assert gate.call(lambda: "a thumbnail") == "a thumbnail"

        end.set()
        assert isinstance(one_too_many.exception(), NoAnswer)
        assert sum(one.exception() is None for one in slow) == timeouts.MOST_AT_ONCE - 1


def test_a_hanging_storage_does_not_block_another_one(settings: Any) -> None:
    settings.STORAGE_WAIT = 0.05
    with pytest.raises(NoAnswer):
        timeouts.gate("one that hangs").call(lambda: time.sleep(1))

    assert timeouts.gate("another").call(lambda: "an answer") == "an answer"


def test_the_timeout_of_a_large_object_grows_with_its_size(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.STORAGE_WAIT = 0.05
    monkeypatch.setattr(timeouts, "LEAST_RATE", 10_000_000)

    assert Gate().call(lambda: time.sleep(0.2) or "all of it", size=5_000_000) == "all of it"


def test_commands_wait_longer_than_pages(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.STORAGE_WAIT = None
    gate = Gate()
    assert gate.call(lambda: time.sleep(0.2) or "an answer") == "an answer"

    monkeypatch.setattr(timeouts, "COMMANDS_WAIT", 0.05)
    for _ in range(2):  # each call tries again
        with pytest.raises(NoAnswer, match="within"):
            gate.call(lambda: time.sleep(0.5))


# Pages


@pytest.mark.django_db
@pytest.mark.parametrize(
    "how", [Behaviour.HANGS_AFTER_CONNECT, Behaviour.HANGS_IN_BODY, Behaviour.TRICKLES, Behaviour.SLOW_DOWN]
)
def test_pages_without_objects_work_and_others_get_503_soon(proxy: Proxy, as_carol: Client, how: Behaviour) -> None:
    image = add_picture(picture_bytes("red", size=(900, 600)), Details(), None).image
    with proxy.behaving(how):
        for path in ("/", "/search?q=red", f"/search?like={image.id}", f"/images/{image.id}/", "/admin/search/image/"):
            start = time.monotonic()
            assert as_carol.get(path).status_code == 200, path
            assert time.monotonic() - start < SOON
        for path in (f"/images/{image.id}/1600.webp", f"/images/{image.id}/400.webp", f"/images/{image.id}/download"):
            start = time.monotonic()
            answer = as_carol.get(path)
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5"), path
            assert time.monotonic() - start < SOON
        ready = as_carol.get("/readyz")
        assert ready.status_code == 503 or how in {Behaviour.HANGS_IN_BODY, Behaviour.CUTS}  # HEAD has no body
        upload = as_carol.post("/upload/", {"pictures": [picture_file(colour="blue")]})
        assert upload.status_code == 503 or how in {Behaviour.HANGS_IN_BODY, Behaviour.CUTS}
        zipped = as_carol.post("/selection/download", {"id": str(image.id)})
        assert zipped.status_code == 503


@pytest.mark.django_db
def test_an_original_in_a_hanging_bucket_fails_soon_and_does_not_block_ours(
    proxy: Proxy, running_rclone: Rclone, settings: Any, as_carol: Client
) -> None:
    hanging = Proxy(running_rclone.port)
    settings.S3_SOURCES = {BUCKET: {"endpoint": hanging.url, "access_key": ACCESS_KEY, "secret_key": SECRET_KEY}}
    ours = stored_image("blue")
    image = an_image(original_location=f"s3://{BUCKET}/{storage.original_key(ours.id)}", byte_size=1000)
    try:
        with hanging.behaving(Behaviour.HANGS_AFTER_CONNECT):
            start = time.monotonic()
            assert as_carol.get(f"/images/{image.id}/download").status_code == 503
            assert time.monotonic() - start < SOON
            assert as_carol.get(f"/images/{ours.id}/download").status_code == 200
    finally:
        hanging.close()


@pytest.mark.django_db(transaction=True)
def test_a_deletion_during_a_hang_stays_pending_and_is_done_afterwards(proxy: Proxy, running_rclone: Rclone) -> None:
    image = add_picture(picture_bytes("red"), Details(), None).image
    original = storage.original_key(image.id)
    with proxy.behaving(Behaviour.HANGS_AFTER_CONNECT):
        start = time.monotonic()
        image.delete()
        assert time.monotonic() - start < SOON
        assert OwedDeletion.objects.exists()

    stop = keep_deleting_pending(every=0.02)  # as every web process does, each minute
    for _ in range(500):
        if not OwedDeletion.objects.exists():
            break
        time.sleep(0.01)
    stop.set()

    assert not OwedDeletion.objects.exists()
    assert original not in running_rclone.stored()
    assert not Image.objects.exists()


def test_a_slow_error_response_is_not_counted_as_a_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeouts, "SLOW", 0.0)

    def refuse(status: int) -> None:
        raise ClientError({"ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject")

    for status, expected in ((403, ClientError), (503, timeouts.NoAnswer)):
        place = timeouts.gate(f"one that answers {status}")
        with pytest.raises(ClientError):
            place.call(lambda status=status: refuse(status))
        with pytest.raises(expected):
            place.call(lambda status=status: refuse(status))
