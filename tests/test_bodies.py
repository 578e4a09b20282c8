"""Request bodies: chunked, truncated, too long, or not read at all."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as project
from django.core.exceptions import BadRequest, RequestDataTooBig
from django.core.handlers.wsgi import WSGIRequest
from django.test import RequestFactory
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser

from imagesearch import request_bodies
from imagesearch.request_bodies import Answer, Body
from tests.base import picture_bytes
from tests.s3_servers import free_port

BOUNDARY = "a-boundary"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"
FORM = "application/x-www-form-urlencoded"


def form(picture: bytes) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="picture"; filename="a.jpg"\r\n\r\n'
    return head.encode() + picture + f"\r\n--{BOUNDARY}--\r\n".encode()


def chunked(data: bytes, size: int = 7000) -> bytes:
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])


def environ(head: str, body: bytes, kind: str = MULTIPART) -> dict[str, Any]:
    """The environ that gunicorn makes of a request, parsed by its own parser."""
    sent = f"POST / HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n".encode() + body
    parsed = next(
        RequestParser(Config(), iter([sent[start : start + 5000] for start in range(0, len(sent), 5000)]), None)
    )
    made = RequestFactory().post("/", content_type=kind).environ
    made.pop("CONTENT_LENGTH", None)
    for name, value in parsed.headers:
        made["CONTENT_LENGTH" if name == "CONTENT-LENGTH" else f"HTTP_{name.replace('-', '_')}"] = value
    return {**made, "wsgi.input": parsed.body, "wsgi.input_terminated": True}


def request(head: str, body: bytes, kind: str = MULTIPART) -> tuple[WSGIRequest, Body]:
    made = environ(head, body, kind)
    read = Body(made)
    return WSGIRequest(made), read


CHUNKS = "Transfer-Encoding: chunked"


def test_a_chunked_form_is_read_like_any_other() -> None:
    picture = picture_bytes(size=(300, 200))

    sent, _body = request(CHUNKS, chunked(form(picture)))

    assert sent.FILES["picture"].read() == picture


def test_chunked_fields_are_read_like_any_other() -> None:
    sent, body = request("Transfer-Encoding: Chunked", chunked(b"q=red+star&name=%EB%B3%84"), FORM)

    assert sent.POST.dict() == {"q": "red star", "name": "별"}
    assert not body.is_unread


def test_other_chunked_bodies_are_read_completely() -> None:
    sent, _body = request(CHUNKS, chunked(b'{"a": 1}' * 10_000), "application/json")

    assert sent.body == b'{"a": 1}' * 10_000


@pytest.mark.parametrize("kind", [MULTIPART, FORM])
def test_an_empty_chunked_body_is_an_empty_form(kind: str) -> None:
    sent, _body = request(CHUNKS, chunked(b""), kind)

    assert (sent.POST.dict(), sent.FILES.dict()) == ({}, {})


@pytest.mark.parametrize("length", [4000, 4001])
def test_chunked_bodies_are_read_up_to_the_limit_of_a_form(settings: Any, length: int) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 4000
    sent, body = request(CHUNKS, chunked(b"x" * length), "application/json")

    if length == 4000:
        assert len(sent.body) == 4000
        return
    with pytest.raises(RequestDataTooBig):
        _ = sent.body
    assert body.is_unread


def test_chunked_files_have_the_same_limits_as_others(settings: Any) -> None:
    settings.UPLOAD_MAX_MB = settings.UPLOAD_MAX_REQUEST_MB = 1
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 4000
    too_large = form(bytes(1_500_000))

    sent, _body = request(CHUNKS, chunked(too_large, 100_000))
    assert sent.FILES["picture"].size == 1_500_000  # the form reports it with the size

    sent, _body = request(CHUNKS, chunked(form(bytes(18_000_000)), 1_000_000))
    with pytest.raises(RequestDataTooBig):
        _ = sent.FILES


@pytest.mark.parametrize(
    "sent",
    [
        b"zz\r\nabc\r\n0\r\n\r\n",
        b"3\r\nabcdef\r\n0\r\n\r\n",
        b"ffff\r\nabc",
        b"3\r\nabc\r\n",
        b"-3\r\nabc\r\n0\r\n\r\n",
    ],
)
@pytest.mark.parametrize("kind", [MULTIPART, FORM, "application/json"])
def test_invalid_or_truncated_chunks_are_a_bad_request(sent: bytes, kind: str) -> None:
    asked, body = request(CHUNKS, sent, kind)

    with pytest.raises(BadRequest):
        _ = asked.POST, asked.body
    assert not body.is_unread


def test_a_truncated_form_is_not_accepted() -> None:
    whole = form(picture_bytes())
    cut = whole[:-200]

    sent, _body = request(f"Content-Length: {len(whole)}", cut)

    with pytest.raises(BadRequest, match="ended before"):
        _ = sent.FILES


def test_data_after_a_body_belongs_to_the_next_request() -> None:
    sent, _body = request("Content-Length: 5", b"q=red" + b"GET / HTTP/1.1\r\n\r\n", FORM)

    assert sent.POST.dict() == {"q": "red"}


def test_without_input_terminated_chunks_are_not_decoded() -> None:
    made = environ(CHUNKS, chunked(b"q=red"), FORM) | {"wsgi.input_terminated": False}

    Body(made)

    assert WSGIRequest(made).POST.dict() == {}


class Counted:
    """An answer that counts how often it was closed."""

    closed = 0

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"No."])

    def close(self) -> None:
        self.closed += 1


def test_an_unread_body_is_drained_after_the_answer() -> None:
    made = environ(CHUNKS, chunked(bytes(200_000)) + b"GET")
    stream, answer = made["wsgi.input"], Counted()

    said = Answer(answer, Body(made))

    assert b"".join(said) == b"No."
    said.close()
    assert answer.closed == 1
    assert stream.read(1) == b""


def test_draining_a_body_stops_after_a_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_bodies, "LINGER", 0.05)
    ours, theirs = socket.socketpair()
    made = environ(CHUNKS, chunked(b"abc")) | {"gunicorn.socket": ours}
    made["wsgi.input"] = ours.makefile("rb")
    theirs.sendall(b"and then nothing, without an end")

    Answer(Counted(), Body(made)).close()

    assert ours.recv(1) == b""
    ours.close()
    theirs.close()


# With gunicorn


@pytest.fixture
def server(tmp_path: Any) -> Iterator[int]:
    """The port of gunicorn, serving the product without a database."""
    port = free_port()
    conf = tmp_path / "gunicorn.conf.py"
    conf.write_text("worker_class = 'gthread'\nthreads = 4\ncontrol_socket_disable = True\n")
    blank = dict.fromkeys(("AWS_STORAGE_BUCKET_NAME", "ALLOWED_HOSTS", "HTTPS", "BASE_PATH", "HOST"), "")
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "-c", str(conf), "-b", f"127.0.0.1:{port}", "imagesearch.wsgi"],
        cwd=project.BASE_DIR,
        env={
            **os.environ,
            **blank,
            "DATABASE_URL": f"postgres://nobody@127.0.0.1:{free_port()}/none",
            "DATA_DIR": str(tmp_path),
            "DEBUG": "on",
            "SECRET_KEY": "unused",
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    for line in process.stderr:
        if "Listening at" in line:
            break
    yield port
    process.terminate()
    process.communicate(timeout=30)


def test_a_client_that_is_still_sending_gets_the_answer_and_the_connection_stays_open(server: int) -> None:
    def talk(*parts: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", server), timeout=60) as connection:
            for part in parts:  # all parts are sent before the answer is read
                connection.sendall(part)
            told = b""
            while piece := connection.recv(65536):
                told += piece
        return told

    post = f"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM}\r\n".encode()
    bye = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

    unwanted = talk(post + f"{CHUNKS}\r\n\r\n".encode(), chunked(bytes(8_000_000), 100_000), bye)
    assert unwanted.startswith(b"HTTP/1.1 404 ")
    assert b'{"status": "ok"}' in unwanted

    told = talk(post + b"Connection: close\r\nContent-Length: 8000000\r\n\r\n", bytes(8_000_000))
    assert told.startswith(b"HTTP/1.1 404 ")
