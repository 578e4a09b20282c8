"""Slow and silent clients do not delay others, and are disconnected after a timeout."""

import errno
import hashlib
import resource
from collections.abc import Callable
from contextlib import closing

import pytest
from gunicorn.config import Config

from imagesearch.gunicorn_worker import Worker
from imagesearch.serving import event_loop as fronts
from imagesearch.serving.client_deadlines import Pace
from imagesearch.serving.connection_capacity import room_for
from search.http import body_limits
from tests.event_loop_worker import PIECE, PIECES, Clock, Served, clock, get, read, serve  # noqa: F401 - fixtures

CHUNKS = "Transfer-Encoding: chunked"


def chunked(data: bytes, size: int = 7000) -> bytes:
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])


def digest(data: bytes) -> bytes:
    return f"{len(data)} {hashlib.sha256(data).hexdigest()}".encode()


def bytes_received(site: Served) -> int:
    """The bytes received so far of unfinished requests."""
    return sum(one.moved for one in site.front.connections)


@pytest.fixture
def site(serve: Callable[..., Served]) -> Served:  # noqa: F811
    return serve()


# Request heads


def test_an_incomplete_head_gets_408(site: Served) -> None:
    with closing(site.connect(b"GET /search?q=red HTTP/1.1\r\nHost: loc")) as slow:
        site.until(lambda: any(not one.is_idle for one in site.front.connections))
        site.clock.ahead += 11

        answer = read(slow)

    assert answer.status == 408
    assert "Connection: close" in answer.head
    assert "sent the data too slowly" in answer.body.decode()
    assert site.app.calls == []


def test_a_silent_connection_is_closed_without_a_response(site: Served) -> None:
    with closing(site.connect()) as silent:
        site.until(lambda: bool(site.front.connections))
        site.clock.ahead += 11

        assert silent.recv(10) == b""


def test_single_bytes_do_not_extend_the_timeout(site: Served) -> None:
    with closing(site.connect(b"GET / HTTP/1.1\r\nX: ")) as slow:
        for sent in range(10):
            site.until(lambda now=19 + sent: bytes_received(site) >= now)
            site.clock.ahead += 0.9
            slow.sendall(b"a")
        site.clock.ahead += 2.1

        assert read(slow).status == 408


def test_a_large_head_over_a_slow_connection_gets_through(site: Served) -> None:
    request = get("/search", *(f"X-{number}: {'a' * 5000}" for number in range(20)))
    with closing(site.connect()) as slow:
        for start in range(0, len(request), 20_000):
            slow.sendall(request[start : start + 20_000])
            site.until(lambda now=start + 20_000: site.app.calls or bytes_received(site) >= now)
            site.clock.ahead += 2.4

        assert read(slow).status == 200


def test_the_memory_of_incomplete_heads_is_limited(site: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fronts, "_HEADS", 210_000)
    large = get("/search", *(f"X-{number}: {'a' * 5000}" for number in range(20)))
    slow = [site.connect(large[:-10]) for _ in range(2)]
    site.until(lambda: bytes_received(site) >= 2 * len(large) - 20)

    assert read(site.connect(large[:-10])).status == 503
    assert site.ask(get("/search")).status == 200
    slow[0].sendall(large[-10:])
    assert read(slow[0]).status == 200


# Request bodies


@pytest.mark.parametrize("framed", ["Content-Length: 500000", CHUNKS])
def test_a_stalled_body_gets_408(site: Served, framed: str) -> None:
    first = b"10000\r\n" + bytes(1000) if framed == CHUNKS else bytes(1000)
    with closing(site.connect(get("/echo", framed, method="POST", body=first))) as slow:
        site.until(lambda: any(one.state.name == "BODY" for one in site.front.connections))
        site.clock.ahead += 31

        assert read(slow).status == 408


def test_a_picture_over_a_phone_connection_gets_through(site: Served) -> None:
    body = PIECE * 300  # 20 MB, at 30 kB a second
    with closing(site.connect(get("/echo", f"Content-Length: {len(body)}", method="POST"))) as phone:
        for start in range(0, len(body), 600_000):
            phone.sendall(body[start : start + 600_000])
            site.until(lambda now=start + 600_000: len(site.app.calls) == 2 or site.front.kept >= now)
            site.clock.ahead += 19.5
        answer = read(phone)

    assert answer.body == digest(body)


def test_below_the_minimum_rate_the_time_runs_out() -> None:
    pace = Pace(0.0, patience=20, rate=8000)
    for second in range(1, 19):
        pace.moved(second, 1000)
    assert pace.deadline == pytest.approx(20 + 18 / 8)

    pace.moved(20, 10_000_000)
    assert pace.deadline == 40


def test_a_slow_body_occupies_no_thread(serve: Callable[..., Served]) -> None:  # noqa: F811
    site = serve(threads=1)
    slow = [site.connect(get("/echo", "Content-Length: 900000", method="POST", body=bytes(10))) for _ in range(50)]
    site.until(lambda: sum(one.state.name == "BODY" for one in site.front.connections) == 50)

    assert site.ask(get("/search")).status == 200
    assert site.ask(get("/echo", "Content-Length: 3", method="POST", body=b"abc")).body == digest(b"abc")
    for one in slow:
        one.close()


def test_a_body_that_the_view_does_not_want_is_refused_after_its_head(site: Served) -> None:
    request = get("/refuse", "Content-Length: 90000000", "Expect: 100-continue", method="POST")

    answer = site.ask(request)

    assert answer.status == 413
    assert "Connection: close" in answer.head
    assert site.front.kept == 0


def test_with_expect_100_continue_the_server_asks_for_a_wanted_body(site: Served) -> None:
    body = PIECE * 4
    with closing(
        site.connect(get("/echo", f"Content-Length: {len(body)}", "Expect: 100-continue", method="POST"))
    ) as polite:
        assert polite.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        polite.sendall(body)

        assert read(polite).body == digest(body)
    assert site.app.calls == ["/echo", "/echo"]
    site.until(lambda: site.front.kept == 0)


@pytest.mark.parametrize(("size", "is_asked_twice"), [(100, False), (100_000, True)])
def test_a_request_repeated_with_its_body_says_that_it_was_counted(
    site: Served, size: int, is_asked_twice: bool
) -> None:
    answer = site.ask(get("/echo", f"Content-Length: {size}", method="POST", body=b"x" * size))
    assert len(site.app.calls) == 1 + is_asked_twice
    assert f"X-Looked-At: {is_asked_twice}" in answer.head


@pytest.mark.parametrize("size", [0, 1, 16_384, 16_385, 90_000, 400_000])
@pytest.mark.parametrize("in_chunks", [True, False])
def test_the_bytes_after_a_body_are_the_next_request(site: Served, size: int, in_chunks: bool, settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    head, sent = (CHUNKS, chunked(body)) if in_chunks else (f"Content-Length: {size}", body)
    with closing(site.connect(get("/echo", head, method="POST", body=sent) + get("/search"))) as made:
        assert read(made).body == digest(body)
        assert read(made).body == b"ok"


def test_an_unread_body_is_consumed_before_the_next_request(site: Served) -> None:
    with closing(site.connect(get("/refuse", "Content-Length: 300000", method="POST"))) as made:
        assert read(made).status == 413
        made.sendall(bytes(300_000) + get("/search"))

        assert read(made).body == b"ok"


@pytest.mark.parametrize("sent", [b"zz\r\nabc\r\n0\r\n\r\n", b"3\r\nabcdef\r\n0\r\n\r\n", b"ffff\r\nabc"])
@pytest.mark.parametrize("before", [0, 200_000])
def test_a_broken_chunked_body_is_refused(site: Served, before: int, sent: bytes, settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
    body = chunked(bytes(before))[:-5] + sent
    with closing(site.connect(get("/echo", CHUNKS, "Accept-Language: ko", method="POST", body=body))) as made:
        made.shutdown(1)

        answer = read(made)
        assert made.recv(1) == b""
    assert answer.status == 400
    assert '<html lang="ko"' in answer.body.decode()


def test_a_truncated_body_is_refused(site: Served) -> None:
    with closing(site.connect(get("/echo", "Content-Length: 300000", method="POST", body=bytes(200_000)))) as made:
        made.shutdown(1)

        assert read(made).status == 400
    site.until(lambda: site.front.kept == 0)


def test_a_full_temporary_folder_is_reported(site: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limits, "fits_the_disk", lambda _length: False)

    answer = site.ask(get("/echo", "Content-Length: 300000", method="POST", body=bytes(300_000)))

    assert answer.status == 503
    assert "There is not enough disk space for this upload." in answer.body.decode()
    assert site.front.kept == 0


def test_if_the_temporary_folder_is_full_the_slowest_upload_is_aborted(site: Served) -> None:
    size = 1_000_000
    slow = site.connect(get("/echo", f"Content-Length: {size}", method="POST", body=bytes(200_000)))
    site.until(lambda: site.front.kept >= 200_000 - 65536)
    site.clock.ahead += 5
    quick = site.connect(get("/echo", f"Content-Length: {size}", method="POST", body=bytes(800_000)))
    site.until(lambda: site.front.kept >= 900_000)
    site.clock.ahead += 3

    site.front._most_kept = 800_000

    assert read(slow).status == 408
    quick.sendall(bytes(200_000))
    assert read(quick).body == digest(bytes(size))
    slow.close()
    quick.close()


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: 3", CHUNKS),
        ("Content-Length: 3", "Content-Length: 4"),
        ("Content-Length: +3",),
        ("Transfer-Encoding: chunked, chunked",),
        ("Transfer-Encoding: xchunked",),
        ("Content-Length : 3",),
    ],
)
def test_a_body_of_ambiguous_length_is_refused(site: Served, headers: tuple[str, ...]) -> None:
    with closing(site.connect(get("/echo", *headers, method="POST", body=b"0\r\n\r\n" + get("/admin/")))) as made:
        assert read(made).status in {400, 501}
        assert made.recv(1) == b""
    assert site.app.calls == []


# Responses


def test_a_client_that_reads_slowly_occupies_no_thread(serve: Callable[..., Served]) -> None:  # noqa: F811
    site = serve(threads=1)
    slow = [site.connect(get(path), receives=4096) for path in ("/large", "/stream") * 5]
    site.until(lambda: len(site.app.calls) == 10)

    assert site.ask(get("/search")).status == 200
    assert site.app.made < 5 * PIECES
    for one in slow:
        answer = read(one)
        body = answer.body.replace(b"\r\n", b"") if "chunked" in answer.head else answer.body
        assert len(body) >= len(PIECE) * PIECES
        one.close()
    site.until(lambda: site.front.kept == 0)


def test_a_stream_is_produced_as_it_is_sent_by_any_thread(site: Served) -> None:
    answer = site.ask(get("/stream"))

    assert answer.body == b"".join(b"%X\r\n%b\r\n" % (len(PIECE), PIECE) for _ in range(PIECES)) + b"0\r\n\r\n"


def test_a_client_that_does_not_read_is_disconnected_and_the_stream_closed(site: Served) -> None:
    with closing(site.connect(get("/stream"), receives=4096)):
        site.until(lambda: any(one.deadline < float("inf") and one.requests for one in site.front.connections))
        site.clock.ahead += 31

        assert site.app.closed.wait(20)
    site.until(lambda: not site.front.connections)


# Connections


def test_an_idle_connection_is_closed_for_a_new_one(serve: Callable[..., Served]) -> None:  # noqa: F811
    site = serve(connections=30)
    idle = [site.connect() for _ in range(30)]
    site.until(lambda: len(site.front.connections) == 30)

    assert site.ask(get("/search")).status == 200
    assert idle[0].recv(1) == b""
    for one in idle:
        one.close()


def test_if_no_file_can_be_opened_idle_connections_are_closed(site: Served) -> None:
    (listener,) = site.front._listeners
    accept, failures = listener.accept, []

    def accept_or_fail() -> object:
        if failures:
            raise failures.pop()
        return accept()

    listener.accept = accept_or_fail
    with closing(site.connect()) as first, closing(site.connect()) as second:
        site.until(lambda: len(site.front.connections) == 2)
        failures += [OSError(errno.EMFILE, "Too many open files")] * 2

        assert site.ask(get("/search")).status == 200
        assert (first.recv(1), second.recv(1)) == (b"", b"")


def test_one_address_can_not_take_all_connections(
    serve: Callable[..., Served],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fronts, "network_of", lambda _client: "192.0.2.7")
    site = serve(connections=80)

    idle = [site.connect() for _ in range(40)]
    site.until(lambda: len(site.front.connections) == 20)

    assert site.ask(get("/search")).status == 200
    for one in idle:
        one.close()


def test_connections_are_counted_by_public_address_only() -> None:
    assert fronts.network_of(("8.8.8.8", 1)) == "8.8.8.8"
    assert fronts.network_of(("::ffff:8.8.8.8", 1, 0, 0)) == "8.8.8.8"
    assert fronts.network_of(("2001:4860:1:2:3:4:5:6", 1, 0, 0)) == "2001:4860:1:2::/64"
    assert [fronts.network_of(one) for one in (("127.0.0.1", 1), ("10.1.2.3", 1), "", ("fe80::1%eth0", 1))] == [""] * 4


@pytest.mark.parametrize(
    ("soft", "hard", "raised_to", "room"),
    [
        (256, 65_536, 3256, (1000, 250)),
        (65_536, 65_536, None, (1000, 250)),
        (700, 700, None, (148, 37)),
        (100, 100, None, (20, 20)),
        (1024, resource.RLIM_INFINITY, 3256, (1000, 250)),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, None, (1000, 250)),
    ],
)
def test_the_number_of_connections_follows_the_limit_of_open_files(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, raised_to: int | None, room: tuple[int, int]
) -> None:
    limits = [soft, hard]
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: tuple(limits))
    monkeypatch.setattr(resource, "setrlimit", lambda _kind, new: limits.__setitem__(slice(None), new))

    assert room_for(1000) == room
    assert limits[0] == (raised_to or soft)


def test_a_certificate_for_gunicorn_stops_the_start() -> None:
    config = Config()
    config.set("certfile", "/some/where.pem")

    with pytest.raises(SystemExit, match=r"Put a proxy in front"):
        Worker.check_config(config, None)


def test_a_connection_is_kept_open_for_the_next_request_for_a_limited_time(site: Served) -> None:
    with closing(site.connect(get("/search"))) as made:
        assert read(made).status == 200
        made.sendall(get("/search", method="HEAD"))
        head = made.recv(65536)
        assert b"Content-Length: 2" in head
        assert head.endswith(b"\r\n\r\n")
        site.until(lambda: all(one.is_idle for one in site.front.connections))
        site.clock.ahead += 16

        assert made.recv(1) == b""


def test_an_invalid_request_gets_400(site: Served) -> None:
    assert site.ask(b"\x16\x03\x01 nonsense\r\n\r\n").status == 400
    assert site.ask(b"GET / HTTP/1.1\nHost: localhost\n\n").status == 400
    # Not after CLIENT_HEAD_SECONDS: the browser would wait for it before it tries plain HTTP.
    assert site.ask(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)).status == 400


def test_an_address_that_is_not_encoded_is_understood(site: Served) -> None:
    """curl sends `?q=고양이` as it is typed."""
    assert site.ask("GET /고양이?q=고양이 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()).status == 200
    assert site.app.calls[-1].encode("latin-1").decode() == "/고양이"


def test_an_error_during_a_response_ends_the_connection_and_not_the_thread(serve: Callable[..., Served]) -> None:  # noqa: F811
    site = serve(threads=1)
    for _ in range(3):
        with closing(site.connect(get("/break"))) as made:
            data = b""
            while piece := made.recv(65536):
                data += piece
        assert data.count(PIECE) == 1
        assert not data.endswith(b"0\r\n\r\n")

    assert site.ask(get("/fail")).status == 500
    assert site.ask(get("/search")).status == 200
