"""Overload: requests that would wait too long are refused at once, and others are not delayed."""

import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from imagesearch import serving
from imagesearch.serving import refusals
from imagesearch.serving.thread_pools import Job, Lane, lane_of
from tests.event_loop_worker import SOON, Served, clock, get, read, serve  # noqa: F401 - fixtures


@pytest.fixture
def busy(serve: Callable[..., Served]) -> Served:  # noqa: F811
    """One thread for searches, which is occupied."""
    site = serve(threads=1)
    site.holding = [site.connect(get("/hold"))]
    assert site.app.held.acquire(timeout=SOON)
    return site


def wait_in_queue(site: Served, *requests: bytes) -> list[socket.socket]:
    waiting = [site.connect(request) for request in requests]
    site.until(lambda: site.front.lanes["searches"].status()["waiting"] == len(requests))
    return waiting


def test_health_checks_do_not_wait(busy: Served) -> None:
    wait_in_queue(busy, get("/search"), get("/search"))
    working = [busy.connect(get("/hold", "Content-Length: 0", method="POST")) for _ in range(3)]
    assert all(busy.app.held.acquire(timeout=SOON) for _ in working)

    assert [busy.ask(get(path)).status for path in ("/healthz", "/readyz", "/static/site.css")] == [200] * 3


def test_uploads_and_admin_requests_use_no_search_thread(serve: Callable[..., Served]) -> None:  # noqa: F811
    site = serve(threads=1)
    requests = [get("/hold", "Content-Length: 0", method="POST")] * 10
    working = [site.connect(request) for request in requests]
    assert all(site.app.held.acquire(timeout=SOON) for _ in range(3))

    assert site.ask(get("/search")).status == 200
    assert site.front.lanes["work"].status()["active"] == 3
    site.app.release.set()
    assert [read(one).status for one in working] == [200] * 10


def test_a_request_that_waited_too_long_gets_503_with_retry_after(busy: Served) -> None:
    (waiting,) = wait_in_queue(busy, get("/search?q=red"))
    busy.clock.ahead += 2.1

    answer = read(waiting)

    assert answer.status == 503
    assert "Retry-After: 5" in answer.head
    assert "Content-Security-Policy" in answer.head
    assert "Too many people are using this site right now." in answer.body.decode()
    assert busy.app.calls == ["/hold"]


def test_its_connection_stays_open_for_the_next_try(busy: Served) -> None:
    (waiting,) = wait_in_queue(busy, get("/search"))
    busy.clock.ahead += 2.1
    assert "Connection: keep-alive" in read(waiting).head
    busy.app.release.set()

    waiting.sendall(get("/search"))

    assert read(waiting).status == 200


def test_pipelined_requests_are_refused_once(busy: Served) -> None:
    (waiting,) = wait_in_queue(busy, get("/search") * 500)
    busy.clock.ahead += 2.1

    assert "Connection: close" in read(waiting).head
    assert waiting.recv(1) == b""


def test_a_refusal_fits_api_clients_head_requests_and_the_language(busy: Served) -> None:
    program, head, korean, cookie = wait_in_queue(
        busy,
        get("/api/search?q=red"),
        get("/search", method="HEAD"),
        get("/search", "Accept-Language: ko-KR,ko;q=0.9"),
        get("/search", "Cookie: a=b; django_language=ko", "Accept-Language: en"),
    )
    busy.clock.ahead += 2.1

    api_response = read(program)
    assert "Content-Type: application/problem+json" in api_response.head
    assert json.loads(api_response.body)["status"] == 503
    assert head.recv(65536).endswith(b"\r\n\r\n")
    for one in (korean, cookie):
        assert '<html lang="ko"' in read(one).body.decode()


def test_a_request_without_a_response_is_refused_when_the_process_ends(
    serve: Callable[..., Served],  # noqa: F811
) -> None:
    served = serve()
    with closing(served.connect(get("/hold"))) as held, closing(served.connect()) as idle:
        assert served.app.held.acquire(timeout=SOON)
        served.front.later(served.front.refuse_unanswered)
        answer = read(held)
        served.app.release.set()
        idle.sendall(get("/echo"))
        assert read(idle).status == 200
    assert (answer.status, "Retry-After: 5" in answer.head) == (503, True)
    assert "The server is being restarted." in answer.body.decode()


def test_clients_that_have_disconnected_are_no_error(busy: Served) -> None:
    waiting = wait_in_queue(busy, get("/search"), get("/search"))
    for one in waiting:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        one.close()
    busy.clock.ahead += 2.1
    busy.until(lambda: busy.front.lanes["searches"].status()["refused"] == 2)
    busy.app.release.set()

    assert busy.ask(get("/search")).status == 200


def test_a_refused_upload_is_not_stored(serve: Callable[..., Served]) -> None:  # noqa: F811
    site = serve()
    for _ in range(3):
        site.connect(get("/hold", "Content-Length: 0", method="POST"))
    assert all(site.app.held.acquire(timeout=SOON) for _ in range(3))
    with closing(site.connect(get("/echo", "Content-Length: 5000000", method="POST", body=bytes(100_000)))) as upload:
        site.until(lambda: site.front.lanes["work"].status()["waiting"] == 1)
        assert site.front.kept == 0
        site.clock.ahead += 31

        assert read(upload).status == 503
        upload.sendall(bytes(1_000_000))  # the server reads on, so that the response arrives
        assert upload.recv(1) == b""


def test_searches_work_again_at_once(busy: Served) -> None:
    waiting = wait_in_queue(busy, *[get("/search")] * 20)
    busy.clock.ahead += 2.1
    assert [read(one).status for one in waiting] == [503] * 20
    busy.app.release.set()

    assert busy.ask(get("/search")).status == 200


def test_queues_and_connections_are_reported(busy: Served) -> None:
    wait_in_queue(busy, get("/search"))
    serving.started(busy.front)

    status = serving.status()

    assert status["lanes"]["searches"] == {"active": 1, "waiting": 1, "done": 0, "refused": 0}
    assert status["connections"] == 2


def test_an_error_page_that_can_not_be_rendered_is_replaced_by_an_empty_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_args: Any) -> None:
        raise OSError("No template.")

    monkeypatch.setattr(refusals, "application", fail)
    monkeypatch.setattr(refusals, "_made", {})

    assert refusals.answer("busy", None, close=True).startswith(b"HTTP/1.1 503 ")
    assert refusals.answer("slow", None, close=True).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    ("method", "path", "lane"),
    [
        ("GET", "/", "searches"),
        ("HEAD", "/search", "searches"),
        ("GET", "/api/search", "searches"),
        ("GET", "/images/0a/", "searches"),
        ("GET", "/accountant", "searches"),
        ("GET", "/healthz", "alive"),
        ("GET", "/readyz", "ready"),
        ("GET", "/metrics", "ready"),
        ("GET", "/static/site.css", "files"),
        ("GET", "/images/0a/400.webp", "files"),
        ("GET", "/images/0a/download", "work"),
        ("GET", "/admin/search/image/", "work"),
        ("GET", "/account/", "work"),
        ("POST", "/accounts/login/", "work"),
        ("POST", "/search/picture", "work"),
        ("POST", "/api/images", "work"),
        ("POST", "/selection/download", "work"),
    ],
)
def test_each_address_belongs_to_a_lane(method: str, path: str, lane: str) -> None:
    assert lane_of(method, path) == lane


def test_a_request_that_would_wait_too_long_is_refused_before_waiting() -> None:
    lane, go, done = Lane(1, 2.0, 512, lambda job: None), threading.Event(), []

    def job(seconds: float) -> Job:
        return Job(lambda: (time.sleep(seconds), done.append(1)), lambda: None)

    for _ in range(30):  # the lane learns that each job takes some 10 ms
        while lane.is_full:
            pass
        assert lane.submit(job(0.01))
    while lane.is_full:
        pass
    assert lane.submit(Job(lambda: go.wait(SOON), lambda: None))

    taken = sum(lane.submit(job(0)) for _ in range(512))

    assert 50 < taken < 400
    assert lane.status()["refused"] == 512 - taken
    go.set()


def test_started_requests_precede_new_ones() -> None:
    lane, go, done = Lane(1, 2.0, 512, lambda job: None), threading.Event(), []
    ended = threading.Event()
    lane.submit(Job(lambda: go.wait(SOON), lambda: None))
    lane.submit(Job(lambda: (done.append("new"), ended.set()), lambda: None))
    lane.resume(Job(lambda: done.append("begun"), lambda: None))

    go.set()

    assert ended.wait(SOON)
    assert done == ["begun", "new"]


def test_an_address_keeps_its_lane_however_it_is_spelled(busy: Served) -> None:
    assert busy.ask(get("/%68ealthz")).status == 200
    assert busy.ask(get("http://localhost/healthz")).status == 200
    busy.until(lambda: busy.front.lanes["alive"].status()["done"] == 2)
