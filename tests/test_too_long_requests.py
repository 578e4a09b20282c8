"""Requests that exceed the limits of the server get an error page, or problem details for API clients."""

import json
from unittest.mock import Mock

import pytest
from django.urls import set_script_prefix
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser

from imagesearch.gunicorn_worker import Worker


class Client:
    """A socket that records what is sent to it."""

    def __init__(self) -> None:
        self.received = b""

    def sendall(self, data: bytes) -> None:
        self.received += data

    def gettimeout(self) -> float:
        return 0.0


def answer_to(request: bytes, *, is_kept: bool = False) -> tuple[int, str, str]:
    """The status, the headers and the body of a worker's response to bytes that it can't parse as a request; with
    `is_kept` the event loop still has them."""
    worker, client, config = Worker.__new__(Worker), Client(), Config()
    worker.log = Mock()
    config.set("limit_request_line", 4000)
    with pytest.raises(Exception) as raised:
        next(RequestParser(config, iter([request]), None))
    if is_kept:
        raised.value.head = request  # type: ignore[attr-defined]
    worker.handle_error(None, client, ("127.0.0.1", 1), raised.value)
    head, _, body = client.received.partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode(), body.decode()


def test_an_address_that_is_too_long_gets_our_error_page():
    status, head, body = answer_to(b"GET /search?q=" + b"a" * 400_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert status == 414
    assert "Connection: close" in head
    assert f"Content-Length: {len(body.encode())}" in head
    assert "This address is too long." in body
    assert 'href="/"' in body


def test_api_clients_get_problem_details():
    status, head, body = answer_to(b"GET /api/search?q=" + b"a" * 10_000 + b" HTTP/1.1\r\n\r\n")
    assert status == 414
    assert "Content-Type: application/problem+json" in head
    assert json.loads(body)["title"] == "This address is too long."


def test_a_head_request_gets_no_body():
    assert answer_to(b"HEAD /search?q=" + b"a" * 10_000 + b" HTTP/1.1\r\n\r\n")[2] == ""


def test_too_many_cookies_are_reported(settings):
    settings.LANGUAGE_CODE = "ko"
    status, _, body = answer_to(b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: a=" + b"a" * 100_000 + b"\r\n\r\n")
    assert status == 431
    assert '<html lang="ko"' in body
    assert "쿠키" in body


def test_a_request_with_too_many_headers_is_answered_in_its_language_and_to_programs_as_such(settings):
    cookies = b"Cookie: a=" + b"a" * 10_000 + b"\r\n"
    page = b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept-Language: ko,en;q=0.5\r\n" + cookies + b"\r\n"
    assert '<html lang="ko"' in answer_to(page, is_kept=True)[2]
    chosen = b"GET / HTTP/1.1\r\naccept-language: ko\r\n" + cookies + b"Cookie: django_language=en\r\n\r\n"
    assert '<html lang="en"' in answer_to(chosen, is_kept=True)[2]
    settings.BASE_PATH = settings.FORCE_SCRIPT_NAME = "/pictures"
    try:
        assert 'href="/pictures/"' in answer_to(page, is_kept=True)[2]
        status, head, body = answer_to(page.replace(b"GET /", b"GET /pictures/api/search"), is_kept=True)
    finally:
        set_script_prefix("/")
    assert (status, "application/problem+json" in head, json.loads(body)["status"]) == (431, True, 431)
    assert answer_to(page.replace(b"GET", b"HEAD"), is_kept=True)[2] == ""


def test_other_invalid_requests_are_left_to_gunicorn():
    assert answer_to(b"\x16\x03\x01 nonsense\r\n\r\n")[0] == 400
