"""Text answers are compressed, and no others."""

import gzip

import pytest
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpResponse, StreamingHttpResponse
from django.test import Client, RequestFactory

from search.web.compression import LEAST, Compressed
from search.web.static_files import ServeStaticFiles
from tests.base import an_image, stored_image

TAKES_GZIP = {"Accept-Encoding": "gzip, deflate, br, zstd"}
TEXT = "What is written here repeats itself. " * 100


def passed(answer: HttpResponse, accept: str = "gzip") -> HttpResponse:
    """An answer after the middleware, for a client with this Accept-Encoding."""
    through = Compressed(lambda request: answer)
    return through(RequestFactory().get("/", headers={"Accept-Encoding": accept}))  # type: ignore[return-value]


@pytest.mark.django_db
def test_a_page_is_compressed_to_a_fifth_of_its_size(client: Client):
    for number in range(24):
        an_image(f"Picture {number}")
    plain, small = client.get("/"), client.get("/", headers=TAKES_GZIP)
    assert small["Content-Encoding"] == "gzip"
    assert int(small["Content-Length"]) == len(small.content) < len(plain.content) / 5
    assert gzip.decompress(small.content).decode().count("<article ") == plain.text.count("<article ") == 24
    assert "Content-Encoding" not in plain
    assert all("Accept-Encoding" in answer["Vary"] for answer in (plain, small))


@pytest.mark.django_db
def test_answers_of_the_api_are_compressed_too(client: Client):
    for number in range(24):
        an_image(f"Picture {number}")
    assert client.get("/api/search", headers=TAKES_GZIP)["Content-Encoding"] == "gzip"


@pytest.mark.django_db
def test_error_pages_are_compressed_too(client: Client):
    answer = client.get("/nothing/here/", headers=TAKES_GZIP)
    assert answer.status_code == 404
    assert answer["Content-Encoding"] == "gzip"


@pytest.mark.django_db
def test_head_requests_get_the_same_headers(client: Client):
    for number in range(24):
        an_image(f"Picture {number}")
    answer = client.head("/", headers=TAKES_GZIP)
    assert answer["Content-Encoding"] == "gzip"
    assert answer.content == b""


@pytest.mark.django_db
def test_pictures_are_not_compressed_and_do_not_vary(client: Client):
    image = stored_image()
    answer = client.get(f"/images/{image.id}/400.webp", headers=TAKES_GZIP)
    assert answer.status_code == 200
    assert "Content-Encoding" not in answer
    assert "Accept-Encoding" not in answer.get("Vary", "")


@pytest.mark.django_db
def test_a_page_with_a_secret_is_not_compressed(as_alice: Client):
    answer = as_alice.get("/account/tokens/", headers=TAKES_GZIP)
    assert answer.status_code == 200
    assert len(answer.content) > LEAST
    assert "Content-Encoding" not in answer


def test_the_length_of_a_compressed_answer_is_random():
    lengths = {len(passed(HttpResponse(TEXT)).content) for _ in range(40)}
    assert len(lengths) > 5


@pytest.mark.parametrize(
    "accept",
    [
        "", "identity", "br", "*", "gzip;q=0", "br, gzip; q=0.0, deflate", "gzip;level=9;q=0", "gzip ;\tQ = 0.000",
        "gzip;q=x", "gzip;q=nan", "gzip, gzip;q=0", "gzip;q=-1", "not-gzip",
    ],
)  # fmt: skip
def test_clients_that_do_not_accept_gzip_get_plain_answers(accept: str):
    answer = passed(HttpResponse(TEXT), accept)
    assert answer.text == TEXT
    assert answer["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize("accept", ["br;q=1.0, gzip;q=0.8", "gzip;level=0", "gzip;q=.1", "gzip;q=1.", "br;q=0,gzip"])
def test_a_low_preference_for_gzip_is_not_a_refusal(accept: str):
    assert passed(HttpResponse(TEXT), accept)["Content-Encoding"] == "gzip"


@pytest.mark.parametrize(
    "answer",
    [
        lambda: HttpResponse("short"),
        lambda: HttpResponse(TEXT, content_type="application/zip"),
        lambda: HttpResponse(TEXT, headers={"Cache-Control": "max-age=0, no-store"}),
        lambda: HttpResponse(TEXT, headers={"Cache-Control": "no-transform"}),
    ],
    ids=["short", "packed already", "a secret", "must stay as it is"],
)
def test_short_binary_and_private_answers_are_not_compressed(answer):
    answered = answer()
    before = answered.content
    passed(answered)
    assert answered.content == before
    assert "Content-Encoding" not in answered
    assert "Vary" not in answered


def test_a_compressed_answer_is_not_compressed_again():
    once = gzip.compress(TEXT.encode())
    answer = HttpResponse(once * 20, headers={"Content-Encoding": "gzip"})
    assert passed(answer).content == once * 20


def test_streamed_answers_are_not_compressed():
    answer = StreamingHttpResponse(iter([TEXT.encode()]), content_type="text/plain")
    passed(answer)  # type: ignore[arg-type]
    assert "Content-Encoding" not in answer
    assert b"".join(answer).decode() == TEXT  # type: ignore[arg-type]


def test_compression_makes_etags_weak():
    assert passed(HttpResponse(TEXT, headers={"ETag": '"abc"'}))["ETag"] == 'W/"abc"'


def test_compression_can_be_switched_off(settings):
    settings.COMPRESS_PAGES = False
    with pytest.raises(MiddlewareNotUsed):
        Compressed(lambda request: HttpResponse(TEXT))


def test_a_client_that_refuses_gzip_gets_plain_static_files(settings, tmp_path):
    settings.STATIC_ROOT = tmp_path
    (tmp_path / "style.css").write_text(TEXT)
    (tmp_path / "style.css.gz").write_bytes(gzip.compress(TEXT.encode()))
    serve = ServeStaticFiles(lambda request: HttpResponse(status=404))

    def encoding(accept: str) -> str | None:
        request = RequestFactory().get(f"{settings.STATIC_URL}style.css", headers={"Accept-Encoding": accept})
        answer = serve(request)
        assert answer.status_code == 200
        return answer.headers.get("Content-Encoding")

    assert [encoding(accept) for accept in ("gzip;q=0", "gzip;level=9;q=0", "identity")] == [None] * 3
    assert encoding("br, gzip;q=0.5") == "gzip"
