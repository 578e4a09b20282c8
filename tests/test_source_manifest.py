"""Tables of addresses: the Unsplash dataset and general tables, and the downloads of what they list."""

import csv
import gzip
import json
import threading
import time
import zipfile
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search import fetching
from search.curation.cleaned_details import Details
from search.fetching import NotDownloaded, downloads
from search.fetching.downloads import Downloads
from search.ingestion import Choices, Unavailable, ingest, open_source
from search.ingestion.sources import Listed, url_tables
from search.models import Image
from tests.base import picture_bytes
from tests.web_servers import PRIVATE, PUBLIC, Server, Web, answer, leading_to, web

__all__ = ["web"]

PICTURES = {colour: picture_bytes(colour, size=(640, 480)) for colour in ("red", "green", "blue")}
UNSPLASH_COLUMNS = [
    "photo_id",
    "photo_url",
    "photo_image_url",
    "photo_submitted_at",
    "photo_featured",
    "photo_width",
    "photo_height",
    "photo_aspect_ratio",
    "photo_description",
    "photographer_username",
    "photographer_first_name",
    "photographer_last_name",
    "exif_camera_make",
    "photo_location_name",
    "photo_location_country",
    "stats_views",
    "ai_description",
    "ai_primary_landmark_name",
    "blur_hash",
]


@pytest.fixture
def server(web: Web) -> Server:
    """A public server with three pictures."""
    return web.server({f"/{colour}.jpg": answer(data) for colour, data in PICTURES.items()})


@pytest.fixture
def pauses() -> list[float]:
    """The seconds for which downloads would have waited."""
    return []


def at(server: Server, path: str, host: str = PUBLIC) -> str:
    return f"http://{host}:{server.port}{path}"


def request_counts(server: Server) -> Counter[str]:
    return Counter(request.split()[1] for request in server.requests)


def source(path: Path, **choices: object) -> Listed:
    return open_source([str(path)], Choices(**choices))  # type: ignore[arg-type]


def unsplash(path: Path, *rows: dict[str, str]) -> Path:
    lines = ["\t".join(UNSPLASH_COLUMNS), *("\t".join(row.get(name, "") for name in UNSPLASH_COLUMNS) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def photo(server: Server, colour: str, **columns: str) -> dict[str, str]:
    return {
        "photo_id": colour,
        "photo_url": f"https://unsplash.com/photos/{colour}",
        "photo_image_url": at(server, f"/{colour}.jpg"),
        "photo_description": f"{colour} all over",
        "photographer_username": "ada",
        "photographer_first_name": "Ada",
        "photographer_last_name": "Lovelace",
        "ai_description": "a plain surface",
        **columns,
    }


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["photos.tsv000", "photos.tsv", "photos.csv000"])
def test_the_unsplash_table_is_accepted_unchanged(tmp_path: Path, server: Server, name: str):
    table = unsplash(
        tmp_path / name,
        photo(server, "red"),
        photo(server, "green", photo_description=""),
        photo(server, "blue", photographer_first_name="", photographer_last_name=""),
    )
    report = ingest(source(table))
    assert (report.added, report.failed) == (3, [])
    details = {image.source_link.rpartition("/")[2]: image for image in Image.objects.all()}
    assert details["red"].description == "red all over"
    assert details["green"].description == "a plain surface"
    assert (details["red"].author, details["blue"].author) == ("Ada Lovelace", "ada")
    assert {image.licence for image in details.values()} == {"Unsplash"}


def test_a_description_over_several_lines_is_one_row(tmp_path: Path, server: Server):
    table = unsplash(
        tmp_path / "photos.tsv000",
        photo(server, "red", photo_description='"Two\nlines, and ""quotes"""'),
        photo(server, "blue"),
    )
    found = source(table)
    assert found.total == 2
    assert [item.details.description for item in found] == ['Two\nlines, and "quotes"', "blue all over"]


def test_a_glob_takes_all_parts_of_a_table(tmp_path: Path, server: Server):
    unsplash(tmp_path / "photos.tsv000", photo(server, "red"))
    unsplash(tmp_path / "photos.tsv001", photo(server, "blue"))
    found = open_source([f"{tmp_path}/photos.tsv*"])
    assert [item.name for item in found] == [at(server, "/red.jpg"), at(server, "/blue.jpg")]


def test_the_unsplash_archive_is_accepted_unchanged(tmp_path: Path, server: Server):
    unsplash(tmp_path / "photos.tsv000", photo(server, "red"), photo(server, "blue"))
    with zipfile.ZipFile(tmp_path / "unsplash.zip", "w") as archive:
        archive.write(tmp_path / "photos.tsv000", "lite/photos.tsv000")
        archive.writestr("lite/keywords.tsv000", "photo_id\tkeyword\n")
    found = source(tmp_path / "unsplash.zip")
    assert found.total == 2
    assert [item.read() for item in found] == [PICTURES["red"], PICTURES["blue"]]


@pytest.mark.parametrize(
    ("written", "width", "expected"),
    [
        ("https://images.unsplash.com/a", 1600, "https://images.unsplash.com/a?w=1600&fit=max"),
        ("https://images.unsplash.com/a?ixid=1&w=5", 640, "https://images.unsplash.com/a?ixid=1&w=640&fit=max"),
        ("https://images.unsplash.com/a", 0, "https://images.unsplash.com/a"),
        ("https://example.org/a?x=%20y", 640, "https://example.org/a?x=%20y"),
    ],
)
def test_unsplash_is_asked_for_the_needed_width(written: str, width: int, expected: str):
    assert url_tables._as_wide(written, width) == expected


ROW = {"title": "Sea", "description": "blue", "author": "Ada", "licence": "CC0", "source_link": "https://a.example/1"}


@pytest.mark.parametrize("kind", ["tsv", "csv", "jsonl"])
def test_a_general_table_has_a_column_url(tmp_path: Path, server: Server, kind: str):
    row = {"url": at(server, "/blue.jpg"), "tags": "sea, sky", **ROW}
    if kind == "jsonl":
        text = json.dumps({**row, "tags": ["sea", "sky"]})
    else:
        text = "\n".join(
            ("\t" if kind == "tsv" else ",").join(f'"{one}"' for one in line) for line in (row, row.values())
        )
    (tmp_path / f"m.{kind}").write_text(f"{text}\n")
    (item,) = source(tmp_path / f"m.{kind}")
    assert item.details == Details(tags=["sea", "sky"], **ROW)
    assert item.read() == PICTURES["blue"]


def test_a_single_address_is_a_source(server: Server):
    (item,) = open_source([at(server, "/red.jpg")])
    assert item.read() == PICTURES["red"]


def test_errors_in_a_table_are_reported(tmp_path: Path, server: Server):
    (tmp_path / "m.csv").write_text(f"url,title\n,Nothing\n{at(server, '/red.jpg')},{'x' * 301}\n")
    (tmp_path / "paths.csv").write_text("path\na.jpg\n")
    (tmp_path / "broken.jsonl").write_text("{\n")
    found = open_source([str(tmp_path / name) for name in ("m.csv", "paths.csv", "broken.jsonl")])
    assert len(list(found)) == 1
    assert [(Path(where).name, problem.partition(":")[0]) for where, problem in found.problems] == [
        ("m.csv line 2", "This line contains no address."),
        ("paths.csv", "paths.csv"),
        ("broken.jsonl line 1", "This is not JSON"),
    ]
    assert "--metadata" in found.problems[1][1]
    assert found.notes == [("m.csv line 3", "The title has 301 characters and was cut to 300.")]


@pytest.mark.django_db
def test_a_second_run_downloads_only_what_failed(tmp_path: Path, server: Server):
    table = tmp_path / "m.csv"
    table.write_text("url\n" + "".join(f"{at(server, f'/{colour}.jpg')}\n" for colour in PICTURES))
    server.answers["/green.jpg"] = answer(status="404 Not Found")
    report = ingest(source(table))
    assert (report.added, [reason for _, reason in report.failed]) == (2, ["The server returned the error 404."])
    server.answers["/green.jpg"] = answer(PICTURES["green"])
    server.requests.clear()
    report = ingest(source(table))
    assert (report.added, report.known, report.failed) == (1, 2, [])
    assert request_counts(server) == {"/green.jpg": 1}


# Downloads


def get(address: str, **options: bool) -> bytes:
    return Downloads(pause=lambda seconds: None, **options).get(address, most_bytes=1_000_000)


def in_turn(server: Server, path: str, *answers: bytes) -> None:
    waiting = list(answers)
    server.answers[path] = lambda connection: connection.sendall(waiting.pop(0))


@pytest.mark.parametrize("status", ["429 Too Many", "500 Oops", "502 Bad", "503 Busy", "504 Late", "408 Slow"])
def test_temporary_errors_are_retried(server: Server, pauses: list[float], status: str):
    in_turn(server, "/a", answer(status=status), answer(status=status), answer(b"there"))
    assert Downloads(pause=pauses.append).get(at(server, "/a"), most_bytes=100) == b"there"
    assert pauses == list(downloads.WAITS[:2])


def test_a_persistent_temporary_error_fails_after_all_retries(server: Server, pauses: list[float]):
    server.answers["/a"] = answer(status="503 Busy")
    with pytest.raises(NotDownloaded, match="error 503"):
        Downloads(pause=pauses.append).get(at(server, "/a"), most_bytes=100)
    assert request_counts(server) == {"/a": 4}
    assert pauses == list(downloads.WAITS)


@pytest.mark.parametrize("status", ["400 Bad", "401 Who", "403 No", "404 Not Found", "410 Gone"])
def test_permanent_errors_are_not_retried(server: Server, status: str):
    server.answers["/a"] = answer(status=status)
    with pytest.raises(NotDownloaded, match=f"error {status[:3]}"):
        get(at(server, "/a"))
    assert request_counts(server) == {"/a": 1}


def test_retry_after_sets_the_time_to_wait(server: Server, pauses: list[float]):
    in_turn(server, "/a", answer(b"", "Retry-After: 7", status="429 Too Many"), answer(b"there"))
    assert Downloads(pause=pauses.append).get(at(server, "/a"), most_bytes=100) == b"there"
    assert pauses[0] == 7


def test_retry_after_applies_to_all_downloads_from_the_server(server: Server, pauses: list[float]):
    server.answers["/busy"] = answer(b"", "Retry-After: 40", status="429 Too Many")
    server.answers["/a"] = answer(b"there")
    downloading = Downloads(pause=pauses.append)
    with pytest.raises(NotDownloaded):
        downloading.get(at(server, "/busy"), most_bytes=100)
    pauses.clear()
    assert downloading.get(at(server, "/a"), most_bytes=100) == b"there"
    assert len(pauses) == 1
    assert 30 < pauses[0] <= 40


def test_a_server_that_asks_for_hours_is_left_to_the_next_run(server: Server, pauses: list[float]):
    server.answers["/a"] = answer(b"", "Retry-After: 7200", status="429 Too Many")
    with pytest.raises(NotDownloaded, match=r"asks to wait 7,200 s"):
        Downloads(pause=pauses.append).get(at(server, "/a"), most_bytes=100)
    assert (request_counts(server), pauses) == ({"/a": 1}, [])


@pytest.mark.parametrize(
    "headers",
    [
        ["Retry-After: 0"],
        ["Retry-After: Wed, 21 Oct 2015 07:28:00 GMT"],
        ["Retry-After: Wednesday, 21-Oct-15 07:28:09 GMT", "Date: Wed, 21 Oct 2015 07:28:09 GMT"],
    ],
)
def test_retries_are_never_sooner_than_without_retry_after(server: Server, pauses: list[float], headers: list[str]):
    server.answers["/a"] = answer(b"", *headers, status="503 Busy")
    with pytest.raises(NotDownloaded, match="error 503"):
        Downloads(pause=pauses.append).get(at(server, "/a"), most_bytes=100)
    assert pauses == list(downloads.WAITS)


def test_a_date_in_retry_after_is_read_by_the_clock_of_the_server(server: Server, pauses: list[float]):
    date = "Date: Wed, 21 Oct 2015 07:28:00 GMT"
    busy = answer(b"", "Retry-After: Wed, 21 Oct 2015 07:28:30 GMT", date, status="503 Busy")
    in_turn(server, "/a", busy, answer(b"there"))
    assert Downloads(pause=pauses.append).get(at(server, "/a"), most_bytes=100) == b"there"
    assert pauses[0] == 30


def test_a_server_that_hangs_is_left_after_some_requests_and_not_after_all_retries(
    server: Server, pauses: list[float], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(downloads, "SECONDS", 0.05)
    server.answers["/a"] = lambda connection: server.ended.wait(10)
    loads = Downloads(pause=pauses.append)
    for _ in range(9):
        with pytest.raises(NotDownloaded, match="respond in time"):
            loads.get(at(server, "/a"), most_bytes=100)
    assert request_counts(server) == {"/a": downloads.MOST_FAILURES}


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_picture_that_is_sent_compressed_is_decompressed_up_to_the_limit(server: Server, encoding: str, pack: Any):
    server.answers["/a"] = answer(pack(PICTURES["red"]), f"Content-Encoding: {encoding}")
    server.answers["/bomb"] = answer(pack(bytes(2_000_000)), f"Content-Encoding: {encoding}")
    server.answers["/br"] = answer(b"?", "Content-Encoding: br")
    assert get(at(server, "/a")) == PICTURES["red"]
    with pytest.raises(NotDownloaded, match="more than 1 MB"):
        get(at(server, "/bomb"))
    with pytest.raises(NotDownloaded, match="compressed"):
        get(at(server, "/br"))


def test_retry_after_may_be_a_date():
    assert downloads._seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert downloads._seconds("Fri, 21 Oct 2095 07:28:00 GMT") > 10**8
    assert downloads._seconds("soon") is downloads._seconds("") is None


def test_a_truncated_response_is_retried(server: Server):
    whole = answer(PICTURES["red"])
    in_turn(server, "/a", whole[:-50], b"", whole)
    assert get(at(server, "/a")) == PICTURES["red"]


def test_a_download_that_is_too_slow_fails(server: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(downloads, "SECONDS", 0.1)
    server.answers["/a"] = server.slowly(b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    with pytest.raises(NotDownloaded, match="not respond in time"):
        get(at(server, "/a"))


@pytest.mark.parametrize("announced", [True, False])
def test_a_download_that_is_too_large_is_aborted(server: Server, announced: bool):
    if announced:
        server.answers["/a"] = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"
    else:
        server.answers["/a"] = b"HTTP/1.1 200 OK\r\n\r\n" + bytes(1_200_000)
    with pytest.raises(NotDownloaded, match="has 100 MB; the limit is 1" if announced else "more than 1 MB"):
        get(at(server, "/a"))


def test_redirects_are_followed_up_to_a_limit(server: Server):
    server.answers["/a"] = leading_to("/red.jpg")
    server.answers["/loop"] = leading_to("/loop")
    assert get(at(server, "/a")) == PICTURES["red"]
    with pytest.raises(NotDownloaded, match="more than 5 times"):
        get(at(server, "/loop"))


def test_an_html_page_is_not_accepted_as_a_picture(server: Server):
    server.answers["/a"] = answer(b"<html>", kind="text/html; charset=utf-8")
    with pytest.raises(NotDownloaded, match="sends a page"):
        get(at(server, "/a"))


def test_private_addresses_are_refused_unless_the_setting_allows_them(web: Web, server: Server):
    private = web.server({"/a": answer(b"secret")}, host=PRIVATE)
    server.answers["/leads-inside"] = leading_to(at(private, "/a", PRIVATE))
    web.names["mixed.test"] = [PUBLIC, PRIVATE]
    for address in (at(private, "/a", PRIVATE), at(server, "/leads-inside"), at(private, "/a", "mixed.test")):
        with pytest.raises(NotDownloaded, match="--allow-private-addresses"):
            get(address)
    assert private.requests == []
    assert get(at(private, "/a", PRIVATE), private_addresses=True) == b"secret"


@pytest.mark.parametrize(
    "address",
    ["", "file:///etc/passwd", "ftp://a.test/x", "//a.test/x", "http://", "http://a b/", "http://u:p@a.test/", "x\0y"],
)
def test_an_invalid_web_address_is_refused(web: Web, address: str):
    with pytest.raises(NotDownloaded):
        get(address)


def test_an_unknown_host_is_reported(web: Web):
    web.names["gone.test"] = []
    with pytest.raises(NotDownloaded, match=r"gone\.test"):
        get("http://gone.test/a.jpg")


def test_few_downloads_from_one_host_run_at_the_same_time(server: Server):
    lock, now, most = threading.Lock(), 0, 0
    enough = threading.Event()

    def counted(connection: object) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
            if now == downloads.AT_ONCE:
                enough.set()
        enough.wait(10)
        with lock:
            now -= 1
        connection.sendall(answer(b"there"))  # type: ignore[attr-defined]

    server.answers["/a"] = counted
    downloading = Downloads()
    with ThreadPoolExecutor(30) as pool:
        found = list(pool.map(lambda _: downloading.get(at(server, "/a"), most_bytes=100), range(60)))
    assert found == [b"there"] * 60
    assert most == downloads.AT_ONCE


def test_an_item_that_can_not_be_downloaded_is_unavailable(server: Server):
    server.answers["/gone.jpg"] = answer(status="410 Gone")
    (item,) = open_source([at(server, "/gone.jpg")])
    with pytest.raises(Unavailable, match="error 410"):
        item.read()
    assert fetching.NotDownloaded is NotDownloaded


# Servers that ask to wait


def many(server: Server, count: int, path: str = "/{}.jpg", host: str = PUBLIC) -> str:
    return "".join(f"{at(server, path.format(number), host)}\n" for number in range(count))


@pytest.mark.django_db
@pytest.mark.parametrize("status", ["429 Too Many", "503 Busy"])
def test_a_server_that_asks_for_an_hour_delays_no_other_and_is_retried_by_the_next_run(
    web: Web, server: Server, tmp_path: Path, status: str
):
    busy = web.server()
    for number in range(40):
        busy.answers[f"/{number}.jpg"] = answer(b"", "Retry-After: 3600", status=status)
    table = tmp_path / "m.csv"
    rows = [line for pair in zip(*(many(one, 3).split() for one in (busy, server)), strict=True) for line in pair]
    rows += many(busy, 40).split()[3:]
    colours = {f"/{number}.jpg": answer(picture) for number, picture in enumerate(PICTURES.values())}
    server.answers.update(colours)
    table.write_text("url\n" + "\n".join(rows) + "\n")
    report = ingest(source(table))
    assert (report.added, len(report.failed)) == (3, 40)
    assert all("left to the next run" in reason for _, reason in report.failed)
    assert "3,600 s" in report.failed[0][1]
    assert len(busy.requests) <= 16

    busy.answers.update(dict.fromkeys(busy.answers, answer(status="404 Not Found")) | colours)
    busy.requests.clear()
    report = ingest(source(table))
    assert (report.added, report.known, len(report.failed)) == (0, 6, 37)
    assert len(busy.requests) == 40


def test_a_server_is_asked_again_after_the_requested_time(
    server: Server, pauses: list[float], monkeypatch: pytest.MonkeyPatch
):
    in_turn(server, "/a", answer(b"", "Retry-After: 3600", status="429 Too Many"), answer(b"there"))
    downloading = Downloads(pause=pauses.append)
    for _ in range(2):
        with pytest.raises(NotDownloaded, match="left to the next run"):
            downloading.get(at(server, "/a"), most_bytes=100)
    now = time.monotonic
    monkeypatch.setattr(downloads.time, "monotonic", lambda: now() + 3601)
    assert downloading.get(at(server, "/a"), most_bytes=100) == b"there"
    assert (request_counts(server), pauses) == ({"/a": 2}, [])


def test_queued_downloads_do_not_ask_a_server_that_has_refused(server: Server):
    everybody_waits = threading.Event()

    def refuses(connection: object) -> None:
        everybody_waits.wait(10)
        connection.sendall(answer(b"", "Retry-After: 3600", status="429 Too Many"))  # type: ignore[attr-defined]

    server.answers.update({f"/{number}": refuses for number in range(60)})
    downloading = Downloads()

    def refused(number: int) -> bool:
        if number == downloads.AT_ONCE:
            everybody_waits.set()
        with pytest.raises(NotDownloaded, match="left to the next run"):
            downloading.get(at(server, f"/{number}"), most_bytes=100)
        return True

    with ThreadPoolExecutor(30) as pool:
        assert all(pool.map(refused, range(60)))
    assert len(server.requests) <= downloads.AT_ONCE


def test_an_unreachable_server_is_skipped_for_the_rest_of_the_run(web: Web, server: Server, pauses: list[float]):
    web.names["gone.test"] = []
    downloading = Downloads(pause=pauses.append)
    for number in range(20):
        with pytest.raises(NotDownloaded, match=r"gone\.test|in a row"):
            downloading.get(f"http://gone.test/{number}.jpg", most_bytes=100)
    assert len(web.asked) == 4 * downloads.MOST_FAILURES
    with pytest.raises(NotDownloaded, match="8 addresses in a row failed: left to the next run"):
        downloading.get("http://gone.test/x.jpg", most_bytes=100)
    assert downloading.get(at(server, "/red.jpg"), most_bytes=100_000) == PICTURES["red"]


@pytest.mark.parametrize("status", ["404 Not Found", "500 Oops"])
def test_error_responses_do_not_make_a_server_count_as_unreachable(server: Server, pauses: list[float], status: str):
    server.answers["/gone"] = answer(status=status)
    downloading = Downloads(pause=pauses.append)
    for _ in range(2 * downloads.MOST_FAILURES):
        with pytest.raises(NotDownloaded, match=status[:3]):
            downloading.get(at(server, "/gone"), most_bytes=100)
    assert downloading.get(at(server, "/red.jpg"), most_bytes=100_000) == PICTURES["red"]


def test_out_of_memory_makes_an_item_unavailable(server: Server, monkeypatch: pytest.MonkeyPatch):
    def no_memory(*arguments: object, **options: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr(Downloads, "get", no_memory)
    (item,) = open_source([at(server, "/red.jpg")])
    with pytest.raises(Unavailable, match="not enough memory"):
        item.read()


# Malformed input

MALFORMED = [
    "http://[::1",
    "http://[::1]x/a.jpg",
    "http://a b/a.jpg",
    "http://127.0.0.1:99999/a.jpg",
    "http://127.0.0.1:-1/a.jpg",
    "http://127.0.0.1:abc/a.jpg",
    "http://127.0.0.1:0/a.jpg",
    "http://",
    "http:///a.jpg",
    "https://?q",
    "s3://",
    "s3://bucket",
    "ftp://example.org/a.jpg",
    "javascript:alert(1)",
    "//example.org/a.jpg",
    "http://\x01/a.jpg",
    "http://127.0.0.1/\x7f\x00.jpg",
    "http://\u202e.example/a.jpg",
    "http://xn--\ud55c/a.jpg",
    "http://a..b/a.jpg",
    "http://.../",
    "http://1.2.3.4.5/a.jpg",
    "http://[fe80::1%25eth0]/a.jpg",
    "http://[v1.x]/a.jpg",
    "http://256.256.256.256/",
    f"http://{'a' * 64}.example/a.jpg",
    f"http://{'x' * 5000}/a.jpg",
    "http://user:password@example.org/a.jpg",
    "not an address at all",
]


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize("width", [0, 1600])
def test_malformed_addresses_fail_by_name_and_the_others_are_added(
    tmp_path: Path, server: Server, kind: str, width: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(Downloads.__init__.__kwdefaults__, "pause", lambda seconds: pytest.fail("tried again"))
    addresses = [at(server, "/red.jpg"), *MALFORMED, at(server, "/blue.jpg")]
    path = tmp_path / f"m.{kind}"
    if kind == "csv":
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([["url"], *([one] for one in addresses)])
    else:
        path.write_text("".join(json.dumps({"url": one}) + "\n" for one in addresses))

    report = ingest(source(path, width=width))

    assert report.added == 2
    assert sorted(name for name, _ in report.failed) == sorted(MALFORMED)
    assert max(len(reason) for _, reason in report.failed) < 300


@given(st.text(max_size=60), st.sampled_from(["", "http://", "https://[", "http://a/", "http://a:", "HTTP://ü"]))
@settings(max_examples=300, deadline=None)
def test_whatever_is_written_for_an_address_is_downloaded_or_refused(text: str, start: str):
    loads = Downloads(pause=lambda seconds: None)
    with (
        mock.patch.object(downloads._Backend, "_looked_up", return_value=[]),
        pytest.raises(Unavailable),
    ):
        url_tables._read(loads, start + text, width=1600)


@pytest.mark.parametrize("location", ["http://[::1", "http://a b/", "http://x:99999/", "//", "http://\xff\xfe/"])
def test_a_redirect_to_a_malformed_address_fails(web: Web, location: str):
    server = web.server({"/a.jpg": leading_to(location)})
    with pytest.raises(NotDownloaded):
        Downloads(pause=lambda seconds: None).get(at(server, "/a.jpg"), most_bytes=1000)


@pytest.mark.parametrize("said", ["soon", "Mon, 01 Jan 0001 00:00:00 +2359", "Thu, 99 Foo", "\xb2", "9" * 400, "-1"])
def test_an_invalid_retry_after_is_ignored(web: Web, said: str):
    server = web.server({"/a.jpg": answer(b"", f"Retry-After: {said}", status="503 Busy")})
    with pytest.raises(NotDownloaded):
        Downloads(pause=lambda seconds: None).get(at(server, "/a.jpg"), most_bytes=1000)


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("m.jsonl", b"{not json}"),
        ("m.jsonl", b"[1]"),
        ("m.jsonl", b'"text"'),
        ("m.jsonl", b"[" * 100_000),
        ("m.jsonl", b'{"url": ["http://x/"]}'),
        ("m.jsonl", b'{"url": "\\ud800", "title": "\\ud800"}'),
        ("m.jsonl", b'{"url": "\xff\xfe"}'),
        ("m.csv", b"," * 50 + b"x"),
        ("m.csv", b"x" * 1_000_001),
        ("m.csv", b"\xff\xfe\xfd"),
        ("m.csv", b'http://x/,"never closed'),
        ("m.csv", b'"never closed'),
        ("m.csv", b"http://\x00/"),
    ],
)
@pytest.mark.django_db
def test_a_malformed_row_is_reported_and_the_others_are_read(tmp_path: Path, server: Server, name: str, bad: bytes):
    good = [at(server, f"/{colour}.jpg") for colour in ("red", "blue")]
    rows = [json.dumps({"url": one, "title": "여름"}) if name == "m.jsonl" else f"{one},여름" for one in good]
    head = b"" if name == "m.jsonl" else b"url,title\n"
    (tmp_path / name).write_bytes(head + rows[0].encode() + b"\n" + bad + b"\n" + rows[1].encode() + b"\n")
    found = source(tmp_path / name)

    report = ingest(found)

    assert report.added == 2
    assert set(Image.objects.values_list("title", flat=True)) == {"여름"}
    assert len(report.failed + found.problems) == 1


def test_undecodable_bytes_affect_no_other_row_and_are_reported(tmp_path: Path, server: Server):
    rows = [f"{at(server, '/red.jpg')},여름", f"{at(server, '/blue.jpg')},바다"]
    data = "\n".join(["url,title", *rows]).encode().replace("름".encode(), "름".encode()[:2])
    (tmp_path / "m.csv").write_bytes(data)
    found = source(tmp_path / "m.csv")
    assert [item.details.title for item in found] == ["여\ufffd", "바다"]
    assert (found.problems, len(found.notes)) == ([], 1)
