"""`s3://bucket/prefix`: pictures of any bucket, copied, or left in place."""

import os
import threading
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.core.management import CommandError, call_command
from django.test import Client

from search.curation.cleaned_details import Details
from search.embedding import active_model
from search.ingestion import (
    Choices,
    Item,
    Pending,
    Report,
    Rules,
    Unavailable,
    Worker,
    add_picture,
    ingest,
    open_source,
    read_metadata,
    reembed,
)
from search.ingestion import pending_vector_worker as worker_module
from search.ingestion.sources import s3
from search.models import Capture, Image
from search.models.image import content_id
from search.objects import other_buckets, storage
from search.objects.storage import MissingObject, StorageUnavailable
from search.objects.zip_download import zipped
from tests.base import picture_bytes
from tests.s3_servers import BUCKET, LISTED_AT_ONCE, Moto, configured, use_s3
from tests.web_servers import Server, answer
from tests.written_metadata import a_photo, exif_block, takeout

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


def calls_of(client: Any, wanted: str, work: Callable[[], Any]) -> list[dict[str, Any]]:
    """The parameters of the calls of `wanted` on other buckets during `work`."""
    asked: list[dict[str, Any]] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        asked.append(dict(params))

    event = f"provide-client-params.s3.{wanted}"
    client.meta.events.register(event, note)
    try:
        work()
    finally:
        client.meta.events.unregister(event, note)
    return asked


@pytest.fixture
def others(running_moto: Moto, settings: Any) -> Iterator[Any]:
    """A bucket of another owner besides ours, with a client of its own."""
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
        ("", ["no-suffix", "photos-old/red.jpg", "photos/deep/blue.JPG", "photos/red.jpg", "바다/a b+c%20.jpg"]),
        ("photos", ["photos/deep/blue.JPG", "photos/red.jpg"]),
        ("photos/", ["photos/deep/blue.JPG", "photos/red.jpg"]),
        ("photos*", ["photos-old/red.jpg", "photos/deep/blue.JPG", "photos/red.jpg"]),
        ("*/red.jpg", ["photos-old/red.jpg", "photos/red.jpg"]),
        ("photos/red.jpg", ["photos/red.jpg"]),
        ("no-suffix", ["no-suffix"]),
    ],
)
def test_a_prefix_works_like_a_folder(others: Any, prefix: str, expected: list[str]):
    assert keys(f"s3://{OTHER}/{prefix}") == expected


def test_listings_of_several_pages_are_complete(others: Any):
    for number in range(LISTED_AT_ONCE + 5):
        others.put_object(Bucket=OTHER, Key=f"many/{number:04}.jpg", Body=b"x")
    assert len(keys(f"s3://{OTHER}/many")) == LISTED_AT_ONCE + 5


def test_an_item_is_identified_without_reading_and_its_version_changes_with_its_bytes(others: Any):
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
        (f"s3://{OTHER}/nothing.jpg", "There is no picture here: there is no such object, and nothing below it."),
        (f"s3://{OTHER}/nothing/", "There is no picture here."),
        ("s3://", "can't be listed. '' is no name of a bucket."),
    ],
)
def test_a_missing_bucket_object_or_prefix_is_reported(others: Any, place: str, reason: str):
    source = open_source([place])
    assert list(source) == []
    (problem,) = source.problems
    assert problem[0] == place
    assert reason in problem[1]


@pytest.mark.parametrize(("written", "key"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_an_object_is_named_in_either_unicode_form(others: Any, written: Any, key: Any):
    names = {form: unicodedata.normalize(form, "제주도/Zürich.jpg") for form in ("NFC", "NFD")}
    others.put_object(Bucket=OTHER, Key=names[key], Body=RED)

    assert keys(f"s3://{OTHER}/{names[written]}") == [names[key]]


def test_an_unavailable_server_is_reported(settings: Any, others: Any, running_moto: Moto):
    source = open_source([f"s3://{OTHER}/photos"])
    items = list(source)
    others.delete_object(Bucket=OTHER, Key="photos/red.jpg")
    with pytest.raises(Unavailable, match="There is no such object"):
        items[1].read()
    use_s3(settings, running_moto, AWS_S3_ENDPOINT_URL="http://127.0.0.1:9")
    source = open_source([f"s3://{OTHER}/photos"])
    assert list(source) == []
    assert "does not respond" in source.problems[0][1]
    with pytest.raises(Unavailable, match="does not respond"):
        items[0].read()


@pytest.mark.django_db
def test_copied_pictures_are_stored_in_our_bucket(others: Any):
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
def test_in_place_only_renditions_are_stored_and_the_original_can_be_used(
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
def test_in_place_works_with_local_storage(others: Any, settings: Any):
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": "search.objects.storage.LocalStorage"}}
    assert in_place(f"s3://{OTHER}/photos/red.jpg").added == 1
    assert storage.read_original(Image.objects.get()) == RED


@pytest.mark.django_db(transaction=True)
def test_deleting_an_image_keeps_the_object_in_the_other_bucket(others: Any, running_moto: Moto):
    in_place(f"s3://{OTHER}/photos")
    Image.objects.all().delete()
    assert running_moto.stored() == []
    assert all_of(others) == set(OBJECTS)


@pytest.mark.django_db
def test_a_deleted_original_is_missing(others: Any, client: Client):
    in_place(f"s3://{OTHER}/photos/red.jpg")
    image = Image.objects.get()
    others.delete_object(Bucket=OTHER, Key="photos/red.jpg")
    with pytest.raises(MissingObject):
        storage.read_original(image)
    assert client.get(f"/images/{image.id}/download").status_code == 404
    assert client.get(f"/images/{image.id}/").status_code == 200


@pytest.mark.django_db
def test_a_replaced_original_is_not_shown_as_this_picture(others: Any, client: Client):
    in_place(f"s3://{OTHER}/photos/red.jpg")
    image = Image.objects.get()
    others.put_object(Bucket=OTHER, Key="photos/red.jpg", Body=BLUE)
    with pytest.raises(MissingObject, match="has changed"):
        storage.read_original(image)
    assert client.get(f"/images/{image.id}/download").status_code == 404


@pytest.mark.django_db
def test_an_unavailable_server_makes_originals_in_place_unavailable(others: Any, settings: Any, running_moto: Moto):
    in_place(f"s3://{OTHER}/photos/red.jpg")
    use_s3(settings, running_moto, AWS_S3_ENDPOINT_URL="http://127.0.0.1:9")
    with pytest.raises(StorageUnavailable):
        storage.read_original(Image.objects.get())


@pytest.mark.django_db
def test_our_copy_is_kept_if_the_same_picture_is_found_in_place(others: Any):
    image = add_picture(RED, Details(), None).image
    report = in_place(f"s3://{OTHER}/photos/red.jpg")
    assert (report.added, report.known) == (0, 1)
    image.refresh_from_db()
    assert image.original_location == ""
    assert storage.read_original(image) == RED


@pytest.mark.django_db
@pytest.mark.parametrize("folder", ["", "a-folder"])
def test_our_own_objects_are_not_ingested(others: Any, settings: Any, running_moto: Moto, folder: str):
    use_s3(settings, running_moto, AWS_LOCATION=folder)
    add_picture(RED, Details(), None)
    others.put_object(Bucket=BUCKET, Key="more/blue.jpg", Body=BLUE)
    assert [item.name for item in open_source([f"s3://{BUCKET}"])] == [f"s3://{BUCKET}/more/blue.jpg"]


def test_a_location_round_trips():
    assert other_buckets.split(other_buckets.location("bucket", "a/b c.jpg")) == ("bucket", "a/b c.jpg")


@pytest.mark.django_db
def test_the_command_ingests_in_place(others: Any):
    out = StringIO()
    call_command("ingest", f"s3://{OTHER}/photos", "--in-place", stdout=out)
    assert out.getvalue().startswith("2 added")
    assert set(Image.objects.values_list("original_location", flat=True)) == {
        f"s3://{OTHER}/photos/red.jpg",
        f"s3://{OTHER}/photos/deep/blue.JPG",
    }


def test_the_command_refuses_in_place_for_files():
    with pytest.raises(CommandError, match="only for s3://"):
        call_command("ingest", ".", "--in-place")


# Names, first bytes, and tables


def make_public(others: Any, *objects: str) -> None:
    for key in objects:
        others.put_object_acl(Bucket=OTHER, Key=key, ACL="public-read")


def put(others: Any, **contents: bytes) -> None:
    for key, data in contents.items():
        others.put_object(Bucket=OTHER, Key=key, Body=data)


def test_objects_without_a_suffix_are_recognised_by_first_bytes_and_others_counted(others: Any):
    put(others, **{"in/blob": RED, "in/photo.dat": BLUE, "in/notes": b"notes", "in/a.mov": b"film", "in/empty": b""})
    source = open_source([f"s3://{OTHER}/in"])
    assert {item.name: item.read() for item in source} == {
        f"s3://{OTHER}/in/blob": RED,
        f"s3://{OTHER}/in/photo.dat": BLUE,
    }
    assert source.findings.not_read == {"without a suffix": 2, ".mov": 1}


def test_recycle_bins_and_excluded_objects_are_skipped(others: Any):
    aside = ["#recycle/x.jpg", "$RECYCLE.BIN/x.jpg", "L.photoslibrary/resources/x.jpg", "wa/.nomedia", "wa/x.jpg"]
    put(others, **{f"in/{key}": RED for key in [*aside, "a.jpg", "b.png", "sub/c.jpg", "sub/C.CR2"]})
    put(others, **{"in/sub/c.cr2": RED})

    def found(**rules: Any) -> list[str]:
        source = open_source([f"s3://{OTHER}/in/"], Choices(rules=Rules(**rules)))
        return [item.name.removeprefix(f"s3://{OTHER}/in/") for item in source]

    assert found() == ["a.jpg", "b.png", "sub/C.CR2", "sub/c.jpg"]
    assert found(exclude=("*.png", "in/sub")) == ["a.jpg"]
    assert found(exclude=(f"s3://{OTHER}/in/a.jpg", "*.cr2")) == ["b.png", "sub/c.jpg"]
    assert set(found(include_hidden=True)) > {"#recycle/x.jpg", "wa/x.jpg", "L.photoslibrary/resources/x.jpg"}
    assert len(keys(f"s3://{OTHER}/in/#recycle/")) == 1
    source = open_source([f"s3://{OTHER}/in/#recycle"])
    assert (list(source), len(source.problems)) == ([], 1)
    assert "--include-hidden" in source.problems[0][1]


def test_a_table_may_refer_to_objects_of_buckets(others: Any, tmp_path: Path):
    (tmp_path / "m.csv").write_text(
        f"path,title\ns3://{OTHER}/photos/red.jpg,Red\ndeep/blue.JPG,Blue\ngone.jpg,Gone\n"
    )
    metadata = read_metadata(tmp_path / "m.csv", [])
    found = open_source([f"s3://{OTHER}/photos"], Choices(elsewhere=metadata.elsewhere))
    assert sorted(item.details.title for item in found) == ["Blue", "Red"]
    assert metadata.missing == ["gone.jpg"]


def test_an_object_that_is_too_large_is_reported_and_not_read(others: Any, settings: Any):
    settings.INGEST_MAX_MB = 1
    put(others, **{"photos/huge.jpg": bytes(1_500_000)})
    huge = next(item for item in open_source([f"s3://{OTHER}/photos"]) if item.name.endswith("huge.jpg"))
    others.delete_object(Bucket=OTHER, Key="photos/huge.jpg")
    with pytest.raises(Unavailable, match=r"has 1\.5 MB; the limit is 1\."):
        huge.read()


def test_an_object_that_has_grown_since_the_listing_is_not_read(others: Any, settings: Any):
    settings.INGEST_MAX_MB = 1
    (item,) = open_source([f"s3://{OTHER}/photos/red.jpg"])
    put(others, **{"photos/red.jpg": bytes(1_500_000)})
    with pytest.raises(Unavailable, match=r"has 1\.5 MB"):
        item.read()


@pytest.mark.django_db
def test_an_original_replaced_by_a_huge_object_is_not_read(others: Any, monkeypatch: pytest.MonkeyPatch):
    in_place(f"s3://{OTHER}/photos/red.jpg")
    put(others, **{"photos/red.jpg": bytes(1_500_000)})
    monkeypatch.setattr("botocore.response.StreamingBody.read", None)
    with pytest.raises(MissingObject, match="has changed"):
        storage.read_original(Image.objects.get())


# Connection to a bucket


class SentRequests(list[Any]):
    """The requests sent to a bucket."""

    def headers(self, name: str) -> set[str | None]:
        return {request.headers.get(name) for request in self}


def sent_to(bucket: str) -> SentRequests:
    sent = SentRequests()
    other_buckets.client(bucket).meta.events.register("before-send.s3", lambda request, **more: sent.append(request))
    return sent


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No keys are configured, wherever boto3 looks for them."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    other_buckets._client.cache_clear()


def test_the_session_token_is_sent_with_the_keys(others: Any, settings: Any, running_moto: Moto):
    use_s3(settings, running_moto, AWS_SESSION_TOKEN="the-token")
    sent = sent_to(OTHER)
    (item,) = open_source([f"s3://{OTHER}/photos/red.jpg"])
    assert item.read() == RED
    assert sent.headers("X-Amz-Security-Token") == {b"the-token"}
    assert settings.STORAGES["default"]["OPTIONS"]["security_token"] == "the-token"


def test_a_public_bucket_needs_no_keys(others: Any, settings: Any, running_moto: Moto, no_keys: None):
    use_s3(settings, running_moto, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    make_public(others, "photos/red.jpg")
    sent = sent_to(OTHER)
    (item,) = open_source([f"s3://{OTHER}/photos/red.jpg"])
    assert item.read() == RED
    assert sent.headers("Authorization") == {None}


def test_an_access_error_without_keys_says_so(others: Any, settings: Any, no_keys: None):
    denied = ClientError({"Error": {"Code": "AccessDenied", "Message": "No."}}, "ListObjectsV2")
    assert s3.reason_of(denied, OTHER) == "The object storage denies access."
    settings.S3_SOURCES = {OTHER: {"anonymous": True}}
    assert "without keys" in s3.reason_of(denied, OTHER)


def test_an_incomplete_pair_of_keys_is_reported(others: Any, settings: Any, running_moto: Moto, no_keys: None):
    use_s3(settings, running_moto)
    # The settings refuse it; boto3's own configuration may still be incomplete.
    settings.S3_CONNECTION = {**settings.S3_CONNECTION, "secret_key": None}
    source = open_source([f"s3://{OTHER}/photos"])
    assert list(source) == []
    assert "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in source.problems[0][1]


def test_requester_pays_is_sent_with_each_request(others: Any, settings: Any):
    settings.S3_SOURCES = {OTHER: {"requester_pays": True}}
    sent = sent_to(OTHER)
    put(others, **{"photos/unknown": RED})
    assert len([item.read() for item in open_source([f"s3://{OTHER}/photos"])]) == 3
    assert len(sent) == 5  # the listing, the first bytes of a possible picture, and the pictures
    assert {str(one) for one in sent.headers("X-Amz-Request-Payer")} <= {"requester", "b'requester'"}


@pytest.mark.django_db(transaction=True)
def test_a_source_may_have_its_own_server_also_for_originals_in_place(
    others: Any, settings: Any, running_moto: Moto, client: Client
):
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": "search.objects.storage.LocalStorage"}}
    settings.S3_CONNECTION = {**settings.S3_CONNECTION, "endpoint_url": "http://127.0.0.1:9"}
    settings.S3_SOURCES = {OTHER: {"endpoint": running_moto.url}}
    make_public(others, "photos/red.jpg", "photos/deep/blue.JPG")
    sent = sent_to(OTHER)
    assert in_place(f"s3://{OTHER}/photos").added == 2
    image = Image.objects.get(pk=content_id(RED))
    assert storage.read_original(image) == RED
    assert client.get(f"/images/{image.id}/download").status_code == 200
    Image.objects.update(embedding_model="an older model")
    assert reembed().added == 2
    # Our keys are not sent to other servers.
    assert sent.headers("Authorization") == {None}

    settings.S3_SOURCES[OTHER].update(access_key="theirs", secret_key="secret", region="eu-north-9")
    sent = sent_to(OTHER)
    assert storage.read_original(image) == RED
    (authorization,) = sent.headers("Authorization")
    assert "theirs/" in str(authorization)
    assert "/eu-north-9/" in str(authorization)


@pytest.mark.parametrize(
    ("environment", "source", "start"),
    [
        ({"AWS_S3_ENDPOINT_URL": "https://s3.example.org"}, {}, "https://s3.example.org/bucket/a.jpg"),
        (
            {"AWS_S3_ENDPOINT_URL": "https://s3.example.org", "S3_ADDRESSING_STYLE": "virtual"},
            {},
            "https://bucket.s3.example.org/a.jpg",
        ),
        ({"AWS_S3_ENDPOINT_URL": ""}, {}, "https://bucket.s3.amazonaws.com/a.jpg"),
        ({"AWS_S3_ENDPOINT_URL": "", "S3_ADDRESSING_STYLE": "path"}, {}, "https://s3.amazonaws.com/bucket/a.jpg"),
        (
            {"AWS_S3_ENDPOINT_URL": "https://s3.example.org"},
            {"addressing_style": "virtual"},
            "https://bucket.s3.example.org/a.jpg",
        ),
        (
            {"AWS_S3_ENDPOINT_URL": "https://s3.example.org", "S3_ADDRESSING_STYLE": "virtual"},
            {"endpoint": "https://other.example.org"},
            "https://other.example.org/bucket/a.jpg",
        ),
        (
            {"AWS_S3_ENDPOINT_URL": "https://s3.example.org"},
            {"endpoint": "https://s3.amazonaws.com"},
            "https://bucket.s3.amazonaws.com/a.jpg",
        ),
    ],
)
def test_the_bucket_is_named_in_the_host_or_in_the_path(
    settings: Any, environment: dict[str, str], source: dict[str, Any], start: str
):
    made = configured(**{"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", **environment})
    settings.S3_CONNECTION, settings.S3_CLIENT = made["S3_CONNECTION"], made["S3_CLIENT"]
    settings.S3_SOURCES = {"bucket": source}
    address = other_buckets.client("bucket").generate_presigned_url(
        "get_object", Params={"Bucket": "bucket", "Key": "a.jpg"}
    )
    assert address.partition("?")[0] == start


def test_addresses_are_signed_with_the_current_session_token(settings: Any, running_moto: Moto):
    addresses = []
    for token in ("the-token", "the-next-token"):
        use_s3(settings, running_moto, AWS_SESSION_TOKEN=token)
        addresses += storage.rendition_urls([content_id(RED)], 400).values()
    for address, token in zip(addresses, ("the-token", "the-next-token"), strict=True):
        assert f"X-Amz-Security-Token={token}&" in address


# Unavailable buckets


FORBIDDEN = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
COLOURS = ("navy", "olive", "teal")


@pytest.fixture
def unavailable(others: Any, running_moto: Moto, settings: Any) -> Iterator[dict[str, str]]:
    """Pending pictures in buckets that are now deleted, closed, unreachable or archived, and one of ours. Returns the
    expected reason of each, by its id."""
    reasons = {
        "gone": "There is no such bucket.",
        "closed": "The object storage denies access.",
        "silent": "does not respond",
        "archive": "It is in an archive tier of the object storage",
        "odd": "Invalid endpoint",
    }
    for number, name in enumerate(reasons):
        others.create_bucket(Bucket=name)
        others.put_object(Bucket=name, Key="a.jpg", Body=picture_bytes("red", size=(300, 100 + number)))
    report = ingest(open_source([f"s3://{name}" for name in reasons], Choices(in_place=True)), enqueue=True)
    assert (report.added, report.failed) == (5, [])
    ingest([Item(colour, lambda colour=colour: picture_bytes(colour)) for colour in COLOURS], enqueue=True)
    by_bucket = {image.original_location.split("/")[2]: image for image in Image.objects.exclude(original_location="")}
    data = others.get_object(Bucket="archive", Key="a.jpg")["Body"].read()
    others.put_object(Bucket="archive", Key="a.jpg", Body=data, StorageClass="GLACIER")
    closed = Server("127.0.0.1", {"/closed/a.jpg": answer(FORBIDDEN, status="403 Forbidden", kind="application/xml")})
    settings.S3_SOURCES = {
        "closed": {"endpoint": f"http://127.0.0.1:{closed.port}"},
        "silent": {"endpoint": "http://127.0.0.1:9"},
        "odd": {"endpoint": "http://a b"},
    }
    for name in ("gone", "closed", "silent", "odd"):
        others.delete_object(Bucket=name, Key="a.jpg")
        others.delete_bucket(Bucket=name)
    yield {str(by_bucket[name].id): reason for name, reason in reasons.items()}
    others.delete_object(Bucket="archive", Key="a.jpg")
    others.delete_bucket(Bucket="archive")
    closed.listener.close()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("command", ["embed_pending", "reembed"])
def test_pictures_of_unavailable_buckets_fail_and_all_others_get_vectors(
    unavailable: dict[str, str], command: str, monkeypatch: pytest.MonkeyPatch
):
    asked: Counter[str] = Counter()
    read = other_buckets.read
    monkeypatch.setattr(other_buckets, "read", lambda place, most: asked.update([place]) or read(place, most))
    out, complaints = StringIO(), StringIO()

    with pytest.raises(SystemExit) as end:
        call_command(command, stdout=out, stderr=complaints)

    assert end.value.code == 1
    assert Image.objects.exclude(embedding_model="").count() == len(COLOURS)
    assert f"{len(COLOURS)} embedded" in out.getvalue()
    assert "5 failed" in out.getvalue()
    reported = dict(
        line.partition(": ")[::2] for line in complaints.getvalue().splitlines() if line[:36] in unavailable
    )
    assert set(reported) == set(unavailable)
    assert [image_id for image_id, reason in unavailable.items() if reason not in reported[image_id]] == []
    assert set(asked.values()) == {1}


@pytest.mark.django_db(transaction=True)
def test_a_watching_worker_retries_a_bucket_that_is_available_again(
    unavailable: dict[str, str], settings: Any, others: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(worker_module, "RETRY_UNREACHABLE", 0.0)
    monkeypatch.setattr(worker_module, "POLL_SECONDS", 0.001)
    stop, rests = threading.Event(), []

    def on_idle() -> None:
        rests.append((worker.report.added, len(worker.report.failed)))
        settings.S3_SOURCES = {name: said for name, said in settings.S3_SOURCES.items() if name != "silent"}
        if len(rests) == 1:
            others.create_bucket(Bucket="silent")
            others.put_object(Bucket="silent", Key="a.jpg", Body=picture_bytes("red", size=(300, 102)))
        elif worker.report.added > len(COLOURS):
            stop.set()

    progress = {"reported": 0}

    def give_up(report: Report) -> None:
        progress["reported"] += 1
        if report.added > len(COLOURS) or progress["reported"] > 500:
            stop.set()

    worker = Worker(Pending(), stop=stop, progress=give_up)
    worker.watch(on_idle)
    others.delete_object(Bucket="silent", Key="a.jpg")
    others.delete_bucket(Bucket="silent")

    assert rests[0] == (3, 5)
    assert (worker.report.added, len(worker.report.failed)) == (4, 4)


@pytest.mark.django_db(transaction=True)
def test_only_a_few_objects_of_an_unavailable_bucket_are_requested(
    others: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
):
    for number in range(30):
        data = picture_bytes("red", size=(300, 100 + number))
        others.put_object(Bucket=OTHER, Key=f"many/{number}.jpg", Body=data)
    ingest(open_source([f"s3://{OTHER}/many"], Choices(in_place=True)), enqueue=True)
    settings.S3_SOURCES = {OTHER: {"endpoint": "http://127.0.0.1:9"}}
    asked, read = [], other_buckets.read
    monkeypatch.setattr(other_buckets, "read", lambda place, most: asked.append(place) or read(place, most))
    worker = Worker(Pending())

    worker.work()

    assert len(worker.report.failed) == 30
    assert len(asked) <= worker_module.READERS + worker_module.MOST_SILENT


@pytest.mark.django_db
def test_an_ingestion_continues_if_the_bucket_of_a_known_picture_is_unavailable(others: Any, settings: Any):
    in_place(f"s3://{OTHER}/photos/red.jpg")
    settings.S3_SOURCES = {OTHER: {"endpoint": "http://127.0.0.1:9"}}
    others.create_bucket(Bucket="second")
    others.put_object(Bucket="second", Key="red.jpg", Body=RED)
    report = in_place("s3://second/red.jpg")
    assert (report.known, report.failed) == (1, [])
    assert Image.objects.get().original_location == "s3://second/red.jpg"


@pytest.mark.django_db
def test_reconcile_reports_an_unavailable_bucket_and_continues(others: Any, settings: Any, capsys: Any):
    in_place(f"s3://{OTHER}/photos/red.jpg")
    lost = add_picture(BLUE, Details(), None).image
    storage.delete([storage.original_key(lost.id)])
    settings.S3_SOURCES = {OTHER: {"endpoint": "http://127.0.0.1:9"}}
    with pytest.raises(SystemExit):
        call_command("reconcile", "--repair")
    out, complaints = capsys.readouterr()
    assert "1 originals in unreachable storage, 0 repaired." in out
    assert "1 originals missing" in out
    assert f"original out of reach: {content_id(RED)}" in complaints
    assert Image.objects.get(pk=content_id(RED)).original_location == f"s3://{OTHER}/photos/red.jpg"


@pytest.mark.django_db(transaction=True)
def test_a_zip_download_leaves_out_pictures_of_unavailable_buckets(unavailable: dict[str, str]):
    images = list(Image.objects.order_by("original_location").reverse())
    archive = zipfile.ZipFile(BytesIO(b"".join(zipped(images, {}, lambda image: ""))))
    assert len(archive.namelist()) == 1 + len(COLOURS)
    assert archive.read("pictures.csv").decode().count("did not respond") == 5


@pytest.mark.django_db
def test_sidecars_in_a_bucket_are_read_and_not_counted_as_skipped(others: Any):
    others.put_object(Bucket=OTHER, Key="trip/red.jpg", Body=RED)
    others.put_object(Bucket=OTHER, Key="trip/red.jpg.json", Body=takeout(description="By the sea"))
    listed = open_source([f"s3://{OTHER}/trip"], Choices(in_place=True))
    assert ingest(listed).added == 1
    image = Image.objects.get(pk=content_id(RED))
    assert (image.description, image.captured and image.captured.taken_from) == ("By the sea", "sidecar")
    assert not +listed.findings.not_read


@pytest.mark.parametrize("is_cut", [False, True])
def test_a_folder_is_listed_again_only_if_a_page_of_the_listing_splits_it(others: Any, is_cut: bool):
    for number in range(3):
        others.put_object(Bucket=OTHER, Key=f"trips/{number}/red.jpg", Body=RED)
    others.put_object(Bucket=OTHER, Key="trips/1/red.xmp", Body=b"x")
    if is_cut:
        for number in range(LISTED_AT_ONCE):
            others.put_object(Bucket=OTHER, Key=f"trips/1/{number:03}", Body=b"")
    beside: list[int] = []
    asked = calls_of(
        other_buckets.client(OTHER),
        "ListObjectsV2",
        lambda: beside.extend(len(one.sidecars()) for one in open_source([f"s3://{OTHER}/trips/"])),
    )
    assert beside == [0, 1, 0]
    assert [one["Prefix"] for one in asked if "Delimiter" in one] == (["trips/1/"] * 2 if is_cut else [])


@pytest.mark.django_db
@pytest.mark.parametrize("is_same", [True, False])
def test_only_the_beginning_of_an_unchanged_original_in_place_is_read(others: Any, is_same: bool):
    data = a_photo(exif=exif_block(t272="X100V")) + bytes(400_000)
    others.put_object(Bucket=OTHER, Key="in-place/a.jpg", Body=data)
    ingest(open_source([f"s3://{OTHER}/in-place"], Choices(in_place=True)))
    Capture.objects.all().delete()
    if not is_same:
        others.put_object(Bucket=OTHER, Key="in-place/a.jpg", Body=data[:-1] + b"x")
    out = StringIO()

    def read_again() -> None:
        with suppress(SystemExit):
            call_command("read_metadata", stdout=out, stderr=out)

    asked = calls_of(other_buckets.client(OTHER), "GetObject", read_again)
    assert [one.get("Range") for one in asked] == (["bytes=0-262143"] if is_same else ["bytes=0-262143", None])
    assert ("1 read, 0 pending" if is_same else "has changed since") in out.getvalue()


# Changed, moved and deleted objects


@pytest.mark.django_db
@pytest.mark.parametrize("stays", [True, False])
def test_an_object_with_a_new_rating_stays_one_picture(others: Any, stays: bool):
    place = f"s3://{OTHER}/photos/deep"
    choices = Choices(in_place=stays)
    before, after = (a_photo(exif=exif_block(taken="2014:07:03 14:22:10", t18246=rating)) for rating in (1, 4))
    others.put_object(Bucket=OTHER, Key="photos/deep/blue.JPG", Body=before)
    ingest(open_source([place], choices))
    Image.objects.update(title="Harbour")
    others.put_object(Bucket=OTHER, Key="photos/deep/blue.JPG", Body=after)
    report = ingest(open_source([place], choices))
    assert (report.changed, report.added) == (1, 0)
    image = Image.objects.select_related("capture").get()
    assert (image.pk, image.title, image.captured.rating) == (content_id(after), "Harbour", 4)
    assert image.original_location == (f"{place}/blue.JPG" if stays else "")
    assert storage.read_original(image) == after


@pytest.mark.django_db
def test_renaming_a_bucket_loses_no_picture(others: Any):
    in_place(f"s3://{OTHER}/photos")
    others.create_bucket(Bucket="renamed")
    for key in ("photos/red.jpg", "photos/deep/blue.JPG"):
        others.copy_object(Bucket="renamed", Key=key, CopySource=f"{OTHER}/{key}")
        others.delete_object(Bucket=OTHER, Key=key)
    report = in_place("s3://renamed/photos")
    assert (report.known, report.added, report.failed) == (2, 0, [])
    places = set(Image.objects.values_list("original_location", flat=True))
    assert places == {"s3://renamed/photos/red.jpg", "s3://renamed/photos/deep/blue.JPG"}
    # Without --in-place they are copied.
    ingest(open_source(["s3://renamed/photos"]))
    for image in Image.objects.all():
        assert (image.original_location, storage.exists(storage.original_key(image.pk))) == ("", True)
    for key in ("photos/red.jpg", "photos/deep/blue.JPG"):
        others.delete_object(Bucket="renamed", Key=key)
    others.delete_bucket(Bucket="renamed")


@pytest.mark.django_db
def test_deleted_objects_are_pruned_but_none_of_a_bucket_that_can_not_be_listed(others: Any):
    place = f"s3://{OTHER}/photos"

    def prune(*more: str) -> str:
        out = StringIO()
        call_command("ingest", place, "--prune", "--yes", *more, stdout=out, stderr=out)
        return out.getvalue()

    assert "Gone: 0 of 2" in prune()
    others.delete_object(Bucket=OTHER, Key="photos/red.jpg")
    with pytest.raises(CommandError, match="more than a tenth"):
        prune()
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(s3, "_items", lambda place, choices, findings: findings.problems.append((place, "away")) or [])
        with pytest.raises(CommandError, match="Not everything could be listed"):
            prune("--most", "2")
    assert "Removed from the collection: 1." in prune("--most", "1")
    others.delete_object(Bucket=OTHER, Key="photos/deep/blue.JPG")
    with pytest.raises(CommandError, match="Not everything"):
        prune("--most", "1")
    assert Image.objects.count() == 1
