"""Pictures in S3: two real servers, with their failures."""

import datetime as dt
import socketserver
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings as settings_module
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import Client

from search.curation.cleaned_details import Details
from search.ingestion import add_picture
from search.models import Image, OwedDeletion
from search.objects import other_buckets, our_bucket, presigned_urls, storage
from search.objects.renditions import thumbnail_urls
from search.objects.storage import MissingObject, StorageUnavailable
from tests.base import an_image, picture_bytes, picture_file, stored_image
from tests.s3_servers import ACCESS_KEY, BUCKET, SECRET_KEY, Moto, Rclone, S3Server, free_port, use_s3

KEY = "originals/ab/something"


@pytest.fixture(scope="module")
def running_moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    server = Moto(tmp_path_factory.mktemp("moto"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def rclone(running_rclone: Rclone, settings: Any) -> Rclone:
    """The site with its objects in rclone's server, which is empty."""
    running_rclone.empty()
    use_s3(settings, running_rclone)
    return running_rclone


@pytest.fixture(params=["rclone", "moto"])
def server(request: pytest.FixtureRequest, settings: Any) -> S3Server:
    """The site with its objects in each of the servers."""
    server: S3Server = request.getfixturevalue(f"running_{request.param}")
    server.empty()
    use_s3(settings, server)
    return server


def fetch(address: str) -> tuple[int, str, bytes]:
    """What a browser gets from an address: status, content type, body."""
    try:
        with urllib.request.urlopen(address, timeout=20) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.headers["Content-Type"], refused.read()


# Objects


def test_a_stored_object_is_read_unchanged(server: S3Server) -> None:
    storage.put(KEY, b"bytes \x00\xff of a picture", "image/jpeg")

    assert storage.read(KEY) == b"bytes \x00\xff of a picture"
    assert server.content(KEY) == b"bytes \x00\xff of a picture"


def test_an_object_replaces_the_previous_one_of_its_key(server: S3Server) -> None:
    storage.put(KEY, b"a longer first version", "image/jpeg")
    storage.put(KEY, b"second", "image/jpeg")

    assert storage.read(KEY) == b"second"
    assert server.stored() == [KEY]


def test_a_multipart_object_is_stored_whole(server: S3Server) -> None:
    data = bytes(range(256)) * 40_000  # over 8 MB, the size from which boto3 uploads parts

    storage.put(KEY, data, "image/png")

    assert storage.read(KEY) == data


def test_reading_a_missing_object_raises(server: S3Server) -> None:
    with pytest.raises(MissingObject):
        storage.read(KEY)


def test_a_deleted_object_is_missing_and_can_be_deleted_again(server: S3Server) -> None:
    storage.put(KEY, b"bytes", "image/jpeg")

    storage.delete([KEY, "originals/ab/never-there"])
    storage.delete([KEY])

    assert server.stored() == []
    with pytest.raises(MissingObject):
        storage.read(KEY)


def test_objects_are_stored_below_the_configured_location(rclone: Rclone, settings: Any) -> None:
    use_s3(settings, rclone, AWS_LOCATION="photos/here")

    storage.put(KEY, b"bytes", "image/jpeg")

    assert rclone.stored() == [f"photos/here/{KEY}"]
    assert storage.read(KEY) == b"bytes"
    storage.delete([KEY])
    assert rclone.stored() == []


# Pictures


@pytest.mark.django_db
def test_an_added_picture_has_a_stored_original_and_thumbnail(server: S3Server) -> None:
    data = picture_bytes("red", size=(900, 600))

    image = add_picture(data, Details(title="A red one"), None).image

    original, small = storage.original_key(image.id), storage.rendition_key(image.id, storage.THUMBNAIL)
    assert sorted(server.stored()) == sorted([original, small])
    assert server.content(original) == data
    assert server.content(small)[8:12] == b"WEBP"


@pytest.mark.django_db
def test_a_picture_uploaded_in_the_browser_is_stored_and_found(server: S3Server, as_alice: Client) -> None:
    file = picture_file(colour="blue", size=(900, 600))

    assert as_alice.post("/upload/", {"pictures": [file], "title": "A blue one"}).status_code == 200

    image = Image.objects.get(title="A blue one")
    assert storage.original_key(image.id) in server.stored()
    assert f'data-image="{image.id}"' in as_alice.get("/search", {"q": "a blue one"}).content.decode()


@pytest.mark.django_db
def test_lists_show_thumbnails_at_addresses_that_any_browser_can_fetch(server: S3Server, client: Client) -> None:
    image = add_picture(picture_bytes("red", size=(900, 600)), Details(), None).image

    address = thumbnail_urls([image])[str(image.id)]

    page = client.get("/")
    assert address.replace("&", "&amp;") in page.content.decode()
    assert server.url in page.headers["Content-Security-Policy"]
    status, content_type, body = fetch(address)
    assert (status, content_type) == (200, "image/webp")
    assert body == server.content(storage.rendition_key(image.id, storage.THUMBNAIL))


def signed_by_another_process(image_id: uuid.UUID) -> str:
    """The address of a thumbnail as made by a newly started worker."""
    presigned_urls.signed.cache_clear()
    presigned_urls.address_before.cache_clear()
    another = our_bucket.Bucket(**settings_module.STORAGES["default"]["OPTIONS"])
    return another.signed_addresses([storage.rendition_key(image_id, storage.THUMBNAIL)])[0]


def test_all_processes_sign_the_same_address_for_minutes_so_that_browsers_cache_the_picture(
    server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_id = uuid.uuid4()
    key = storage.rendition_key(image_id, storage.THUMBNAIL)
    storage.put(key, b"of a thumbnail", "image/webp")
    window = 10 * 60
    start = time.time() // window * window
    monkeypatch.setattr(our_bucket.time, "time", lambda: start + 1)

    first = signed_by_another_process(image_id)

    assert storage.rendition_urls([image_id], storage.THUMBNAIL) == {image_id: first}
    monkeypatch.setattr(our_bucket.time, "time", lambda: start + window - 1)
    assert signed_by_another_process(image_id) == first
    with urllib.request.urlopen(first, timeout=20) as answer:
        assert answer.read() == b"of a thumbnail"
        assert answer.headers["Cache-Control"] == "private, max-age=1200, immutable"
    monkeypatch.setattr(our_bucket.time, "time", lambda: start + window)
    assert signed_by_another_process(image_id) != first


def test_an_address_expires_after_the_configured_minutes(
    rclone: Rclone, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_id = uuid.uuid4()
    storage.put(storage.rendition_key(image_id, storage.THUMBNAIL), b"of a thumbnail", "image/webp")
    settings.S3_ADDRESS_MINUTES = 2
    now = time.time()
    monkeypatch.setattr(our_bucket.time, "time", lambda: now)

    (address,) = storage.rendition_urls([image_id], storage.THUMBNAIL).values()
    ends = storage.end_of(address)

    assert ends
    assert 60 - 1 <= ends.timestamp() - now <= 120
    assert "X-Amz-Expires=120" in address
    assert "max-age%3D120" in address
    monkeypatch.setattr(our_bucket.time, "time", lambda: now - 120)
    (earlier,) = storage.rendition_urls([image_id], storage.THUMBNAIL).values()
    assert [fetch(one)[0] for one in (address, earlier)] == [200, 400]


@pytest.mark.usefixtures("rclone")
@pytest.mark.django_db
def test_no_user_gets_a_signed_address_of_a_hidden_picture(client: Client, as_carol: Client) -> None:
    hidden, shown = an_image("a barn", hidden=True), an_image("a barn")

    urls = thumbnail_urls([hidden, shown])

    assert urls[str(hidden.id)] == f"/images/{hidden.id}/400.webp"
    assert "X-Amz-Signature" in urls[str(shown.id)]
    for page in ("/admin/search/image/", f"/images/{hidden.id}/", "/search?q=a+barn"):
        assert f"renditions/400/{hidden.id.hex[:2]}/{hidden.id}" not in as_carol.get(page).content.decode()
    assert client.get(f"/images/{hidden.id}/400.webp").status_code == 404


@pytest.mark.usefixtures("rclone")
@pytest.mark.django_db
def test_the_api_reports_when_the_address_of_a_thumbnail_expires(as_carol: Client) -> None:
    an_image("a barn")
    hidden = an_image("a barn", hidden=True)

    (result,) = as_carol.get("/api/search?q=a+barn").json()["results"]

    seconds = (dt.datetime.fromisoformat(result["thumbnails_end"]) - dt.datetime.now(dt.UTC)).total_seconds()
    assert 10 * 60 - 5 <= seconds <= 20 * 60
    assert as_carol.get(f"/api/images/{hidden.id}").json()["thumbnails_end"] is None


@pytest.mark.usefixtures("no_keys")
@pytest.mark.django_db
def test_lists_work_without_keys_to_sign_with(
    rclone: Rclone, settings: Any, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_s3(settings, rclone, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    image = an_image("a barn")

    page = client.get("/")

    assert page.status_code == 200
    assert f'src="/images/{image.id}/400.webp"' in page.content.decode()

    monkeypatch.setattr(our_bucket.Bucket, "_found_keys", None)  # looking for keys would take seconds each time
    assert client.get("/").status_code == 200


@pytest.mark.usefixtures("no_keys")
def test_keys_added_later_are_used_for_signing_soon(
    rclone: Rclone, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_s3(settings, rclone, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    with pytest.raises(StorageUnavailable, match="credentials"):
        storage.rendition_urls([uuid.uuid4()], storage.THUMBNAIL)

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    with pytest.raises(StorageUnavailable, match="credentials"):
        storage.rendition_urls([uuid.uuid4()], storage.THUMBNAIL)

    later = time.monotonic() + our_bucket._WITHOUT_KEYS
    monkeypatch.setattr(our_bucket.time, "monotonic", lambda: later)
    assert storage.rendition_urls([uuid.uuid4()], storage.THUMBNAIL)


@pytest.mark.django_db
def test_a_larger_rendition_is_made_and_stored_at_the_first_request(server: S3Server, client: Client) -> None:
    image = stored_image()
    large = storage.rendition_key(image.id, storage.DISPLAY)

    answer = client.get(f"/images/{image.id}/1600.webp")

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/webp")
    assert server.content(large) == answer.content


# Access to objects


@pytest.mark.django_db
def test_objects_can_not_be_read_without_a_signature(rclone: Rclone) -> None:
    image = add_picture(picture_bytes("red"), Details(), None).image

    for key in rclone.stored():
        status, _, body = fetch(f"{rclone.url}/{BUCKET}/{key}")
        assert status in {400, 403}
        assert rclone.content(key) not in body
    assert storage.original_key(image.id) in rclone.stored()


@pytest.mark.django_db
def test_the_signature_of_a_thumbnail_is_not_valid_for_the_original(rclone: Rclone) -> None:
    image = add_picture(picture_bytes("red"), Details(), None).image
    signature = urlsplit(thumbnail_urls([image])[str(image.id)]).query

    assert fetch(f"{rclone.url}/{BUCKET}/{storage.original_key(image.id)}?{signature}")[0] == 403


@pytest.mark.django_db
def test_no_page_contains_the_address_of_an_original(server: S3Server, as_carol: Client) -> None:
    image = add_picture(picture_bytes("red", size=(900, 600)), Details(), None).image

    for page in ("/", f"/search?like={image.id}", f"/images/{image.id}/"):
        answer = as_carol.get(page)
        assert answer.status_code == 200
        assert "originals/" not in answer.content.decode()


def test_public_thumbnails_have_plain_addresses(rclone: Rclone, settings: Any) -> None:
    use_s3(settings, rclone, S3_PUBLIC_BASE_URL="https://pictures.example.org/bucket/")
    image_id = uuid.uuid4()

    urls = storage.rendition_urls([image_id], storage.THUMBNAIL)

    key = storage.rendition_key(image_id, storage.THUMBNAIL)
    assert urls == {image_id: f"https://pictures.example.org/bucket/{key}"}


@pytest.mark.django_db
def test_the_csp_allows_pictures_of_the_public_address(rclone: Rclone, settings: Any, client: Client) -> None:
    use_s3(settings, rclone, S3_PUBLIC_BASE_URL="https://pictures.example.org/bucket")

    policy = client.get("/").headers["Content-Security-Policy"]

    assert "https://pictures.example.org" in policy
    assert rclone.url not in policy


@pytest.mark.parametrize("location", ["사진 2026", "a+b & c", "50%20", "x#y?z=1"])
def test_an_address_is_valid_for_any_name_of_the_location(server: S3Server, settings: Any, location: str) -> None:
    use_s3(settings, server, AWS_LOCATION=location)
    image_id = uuid.uuid4()
    key = storage.rendition_key(image_id, storage.THUMBNAIL)
    storage.put(key, b"of a thumbnail", "image/webp")

    address = storage.rendition_urls([image_id], storage.THUMBNAIL)[image_id]

    assert fetch(address) == (200, "image/webp", b"of a thumbnail")
    assert storage.read(key) == b"of a thumbnail"


WHERE = {
    "a path": {"AWS_S3_ENDPOINT_URL": "https://s3.example.org"},
    "a path and a port": {"AWS_S3_ENDPOINT_URL": "http://127.0.0.1:9000"},
    "a host of its own": {"AWS_S3_ENDPOINT_URL": "https://s3.example.org", "S3_ADDRESSING_STYLE": "virtual"},
    "boto3's variable": {"AWS_S3_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_S3": "https://s3.example.org"},
    "Seoul": {"AWS_S3_ENDPOINT_URL": "", "AWS_S3_REGION_NAME": "ap-northeast-2"},
    "Hong Kong": {"AWS_S3_ENDPOINT_URL": "", "AWS_S3_REGION_NAME": "ap-east-1"},
    "Beijing": {"AWS_S3_ENDPOINT_URL": "", "AWS_S3_REGION_NAME": "cn-north-1"},
    "no region": {"AWS_S3_ENDPOINT_URL": "", "AWS_S3_REGION_NAME": ""},
    "dots in its name": {"AWS_S3_ENDPOINT_URL": "", "AWS_STORAGE_BUCKET_NAME": "my.pictures"},
}


@pytest.mark.parametrize("where", WHERE)
def test_the_csp_allows_pictures_of_the_signed_addresses(
    where: str, settings: Any, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(name, WHERE[where].get(name, ""))
    use_s3(settings, S3Server(tmp_path), **WHERE[where])
    image_id = uuid.uuid4()

    address = urlsplit(storage.rendition_urls([image_id], storage.THUMBNAIL)[image_id])

    policy = client.get("/robots.txt").headers["Content-Security-Policy"]
    allowed = policy.split("img-src ")[1].split(";")[0].split()
    any_host = f"{address.scheme}://*.{'.'.join(address.netloc.split('.')[-2:])}"
    assert {f"{address.scheme}://{address.netloc}", any_host} & set(allowed)


@pytest.mark.parametrize("region", ["ap-east-1", "eu-south-1", "me-central-1", "ap-northeast-2"])
def test_an_address_names_the_region_for_which_it_is_signed(region: str, settings: Any, tmp_path: Path) -> None:
    """Regions opened after 2019 refuse requests to Amazon's global host name."""
    use_s3(settings, S3Server(tmp_path), AWS_S3_ENDPOINT_URL="", AWS_S3_REGION_NAME=region)
    image_id = uuid.uuid4()

    address = storage.rendition_urls([image_id], storage.THUMBNAIL)[image_id]

    assert urlsplit(address).netloc == f"{BUCKET}.s3.{region}.amazonaws.com"


# Errors and outages


@pytest.mark.parametrize("wrong", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_wrong_keys_make_the_storage_unavailable(rclone: Rclone, settings: Any, wrong: str) -> None:
    storage.put(KEY, b"bytes", "image/jpeg")
    use_s3(settings, rclone, **{wrong: "mistyped"})

    for ask in (
        lambda: storage.put(KEY, b"other", "image/jpeg"),
        lambda: storage.read(KEY),
        lambda: storage.delete([KEY]),
        storage.check,
    ):
        with pytest.raises(StorageUnavailable, match=r"403|SignatureDoesNotMatch|InvalidAccessKeyId|AccessDenied"):
            ask()
    assert rclone.content(KEY) == b"bytes"


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without keys."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.mark.usefixtures("no_keys")
def test_keys_added_after_the_first_request_are_used(
    rclone: Rclone, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_s3(settings, rclone, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    with pytest.raises(StorageUnavailable, match="credentials"):
        storage.put(KEY, b"bytes", "image/jpeg")

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)

    storage.put(KEY, b"bytes", "image/jpeg")
    assert storage.read(KEY) == b"bytes"


@pytest.mark.usefixtures("no_keys")
def test_other_buckets_are_read_with_keys_soon_after_these_were_added(
    rclone: Rclone, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_s3(settings, rclone, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert other_buckets.is_anonymous(BUCKET)

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)

    monkeypatch.setattr(other_buckets, "_keys_looked_for", float("-inf"))  # a minute later
    assert not other_buckets.is_anonymous(BUCKET)


def test_a_missing_bucket_makes_the_storage_unavailable(server: S3Server, settings: Any) -> None:
    storage.check()
    use_s3(settings, server, AWS_STORAGE_BUCKET_NAME="mistyped")

    with pytest.raises(StorageUnavailable):
        storage.check()
    with pytest.raises(StorageUnavailable):
        storage.put(KEY, b"bytes", "image/jpeg")


@pytest.mark.django_db
def test_an_upload_refused_by_the_storage_leaves_nothing_behind(
    rclone: Rclone, settings: Any, as_alice: Client
) -> None:
    use_s3(settings, rclone, AWS_SECRET_ACCESS_KEY="mistyped")

    answer = as_alice.post("/upload/", {"pictures": [picture_file()]})

    assert answer.status_code == 503
    assert "The picture storage refuses this request." in answer.content.decode()
    assert as_alice.get("/readyz").json()["storage"] == "StorageUnavailable: The object storage denies access."
    assert not Image.objects.exists()
    assert rclone.stored() == []


@pytest.mark.django_db
def test_without_the_server_lists_work_and_requests_for_objects_get_503(rclone: Rclone, as_alice: Client) -> None:
    image = stored_image()
    rclone.kill()
    try:
        asked = {path: as_alice.get(path).status_code for path in ("/", f"/images/{image.id}/", "/search?q=red")}
        assert set(asked.values()) == {200}, asked
        for path in (f"/images/{image.id}/1600.webp", f"/images/{image.id}/download"):
            answer = as_alice.get(path)
            assert answer.status_code == 503
            assert "The picture storage does not respond." in answer.content.decode()
            assert answer.headers["Retry-After"]
        assert as_alice.post("/upload/", {"pictures": [picture_file()]}).status_code == 503
        assert Image.objects.count() == 1
    finally:
        rclone.start()


@pytest.mark.django_db
def test_stored_objects_survive_a_kill_of_the_server(rclone: Rclone, client: Client) -> None:
    data = picture_bytes("red", size=(900, 600))
    image = add_picture(data, Details(), None).image
    address = thumbnail_urls([image])[str(image.id)]

    rclone.kill()
    rclone.start()

    assert storage.read(storage.original_key(image.id)) == data
    assert fetch(address)[0] == 200
    assert client.get(f"/images/{image.id}/download").status_code == 200


class _TruncatingHandler(BaseHTTPRequestHandler):
    """Announces a thousand bytes and closes the connection after ten."""

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.send_header("ETag", '"abc"')
        self.send_header("Last-Modified", "Wed, 01 Jan 2025 00:00:00 GMT")
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(b"0123456789")

    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_a_truncated_response_makes_the_storage_unavailable(running_rclone: Rclone, settings: Any) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _TruncatingHandler) as breaking:
        threading.Thread(target=breaking.serve_forever, args=[0.01], daemon=True).start()
        use_s3(settings, running_rclone, AWS_S3_ENDPOINT_URL=f"http://127.0.0.1:{breaking.server_address[1]}")

        with pytest.raises(StorageUnavailable):
            storage.read(KEY)

        breaking.shutdown()


# Deleting


@pytest.mark.django_db(transaction=True)
def test_the_objects_of_a_deleted_picture_are_deleted_after_the_commit(server: S3Server) -> None:
    image = add_picture(picture_bytes("red", size=(900, 600)), Details(), None).image
    kept = add_picture(picture_bytes("blue", size=(900, 600)), Details(), None).image

    with transaction.atomic():
        Image.objects.filter(pk=image.id).delete()
        assert storage.original_key(image.id) in server.stored()

    assert sorted(server.stored()) == sorted(storage.keys_of(kept.id)[:2])
    assert not OwedDeletion.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_deletion_during_an_outage_stays_pending_until_reconcile_completes_it(
    rclone: Rclone, capsys: pytest.CaptureFixture[str]
) -> None:
    image = add_picture(picture_bytes("red"), Details(), None).image
    image_id = image.id
    rclone.kill()
    try:
        image.delete()
        assert not Image.objects.exists()
        assert OwedDeletion.objects.get().pk == image_id
        with pytest.raises(CommandError, match="does not respond"):
            call_command("reconcile")
        assert OwedDeletion.objects.exists()
    finally:
        rclone.start()

    assert storage.original_key(image_id) in rclone.stored()
    call_command("reconcile")

    assert rclone.stored() == []
    assert not OwedDeletion.objects.exists()
    assert "Objects of 1 deleted pictures removed." in capsys.readouterr().out


@pytest.mark.django_db
def test_readiness_reports_an_unavailable_storage(settings: Any, rclone: Rclone, client: Client) -> None:
    assert client.get("/readyz").json()["storage"] == "ok"
    use_s3(settings, rclone, AWS_S3_ENDPOINT_URL=f"http://127.0.0.1:{free_port()}")

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["storage"] == "StorageUnavailable: does not respond"
