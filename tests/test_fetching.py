"""Fetching pictures from addresses that users give: allowed targets, limits, and no information leaks (SSRF)."""

import ipaddress
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from search.fetching import RefusedAddress, fetch, fetch_picture
from search.fetching.url_validation import LONGEST, is_public
from tests.base import picture_bytes
from tests.web_servers import ALSO_PUBLIC, PRIVATE, PUBLIC, Server, Web, answer, certificate, leading_to, tls_with, web

__all__ = ["web"]

NOT_PUBLIC = "There is no public web server at this address."
BROKEN = "The server of this address does not respond, or closes the connection."
INSECURE = "No secure connection could be made to the server of this address."
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"
PICTURE = picture_bytes()


@pytest.fixture
def strange(web: Web) -> Server:
    return web.server()


def refusal(url: str) -> str:
    with pytest.raises(RefusedAddress) as refused:
        fetch_picture(url)
    return str(refused.value)


def at(server: Server, path: str = "/cat.jpg", host: str = PUBLIC) -> str:
    return f"http://{host}:{server.port}{path}"


OTHER_KINDS = """
file:///etc/passwd ftp://a.test/cat.jpg gopher://a.test/ data:image/png;base64,AAAA javascript:alert(1) httpx://a.test/
//a.test/cat.jpg a.test/cat.jpg /cat.jpg cat ? unix:///run/x.sock
"""
# The last two lines are numbers that resolvers accept as IPv4 addresses.
NO_HOSTS = f"""
. a..test a_b.0 a%20b %61.test [::1 ::1 [::1]x [v1.x] [fe80::1%25eth0] [2606:4700::1%25eth0] a.test:port *.test
{"a" * 64}.test {"a." * 127}test
2130706433 0x7f000001 0x7F.0.0.1 0177.0.0.1 017700000001 127.1 127.0.1 127.0.0.1. 127.0.0.0x1 １２７.0.0.1 134744072
8.8 08.8.8.8 0x 1.2.3.4.5 256.1.1.1 ٣.1
"""
PUBLIC_ONES = """
8.8.8.8 1.1.1.1 172.32.0.1 100.128.0.1 192.0.1.1 223.255.255.255 2606:4700::1111 2a00:1450:4001::1 64:ff9b::8.8.8.8
"""
PRIVATE_ONES = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.255 169.254.169.254 172.16.0.1 172.31.255.255
192.0.0.1 192.0.0.170 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.250
240.0.0.1 255.255.255.255 :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 64:ff9b::127.0.0.1 64:ff9b::10.0.0.1
64:ff9b:1::8.8.8.8 100::1 2001::1 2001:0:7f00:1:: 2001:db8::1 2002:7f00:1:: 2002:808:808::1 3fff::1 5f00::1 fc00::1
fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1 4000::1
"""
NO_HTTP = [
    b"",
    b"\0",
    b"220 mail.test ESMTP\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nContent-Length: 8\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: odd\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n: \xff\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000,
    b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 40_000,
    HEAD + b"Transfer-Encoding: chunked\r\n\r\nno chunk",
]


# Successful requests


def test_a_picture_is_fetched_unchanged(web: Web):
    server = web.server({"/cat.jpg": answer(PICTURE)})
    assert fetch_picture(f"  {at(server)}#fragment ") == PICTURE


def test_the_request_reveals_nothing_about_the_user(web: Web, monkeypatch: pytest.MonkeyPatch):
    web.names["pictures.test"] = [PUBLIC]
    server = web.server({"/a%20b/%C3%BC?size=1": answer(PICTURE)})
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    fetch_picture(f"http://Pictures.TEST:{server.port}/a b/ü?size=1")
    [request] = server.requests
    first, *headers = request.strip().split("\r\n")
    assert first == "GET /a%20b/%C3%BC?size=1 HTTP/1.1"
    assert dict(header.split(": ") for header in headers) == {
        "Host": f"pictures.test:{server.port}",
        "User-Agent": "imagesearch (search by address)",
        "Accept": "image/*",
        "Accept-Encoding": "identity",
    }


def test_international_names_are_resolved_in_ascii(web: Web):
    web.names["xn--bcher-kva.test"] = [PUBLIC]
    server = web.server({"/": answer(PICTURE)})
    for name in ("bücher.test", "BÜCHER.test", "xn--bcher-kva.test", "bücher。test"):
        assert fetch_picture(f"http://{name}:{server.port}") == PICTURE


def test_a_chunked_body_or_one_without_a_length_is_read(web: Web):
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (PICTURE[:100], PICTURE[100:], b""))
    head = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n"
    server = web.server(
        {
            "/chunks": head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks,
            "/": b"HTTP/1.0" + head[8:] + b"\r\n" + PICTURE,
        }
    )
    assert fetch_picture(at(server, "/chunks")) == fetch_picture(at(server, "/")) == PICTURE


def test_up_to_three_redirects_are_followed(web: Web):
    server = web.server({"/3": answer(PICTURE)})
    server.answers |= {
        "/0": leading_to(at(server, "/1"), "301 Moved Permanently"),
        "/1": leading_to("2?", "307 Temporary Redirect"),
        "/2": leading_to("/3#there", "308 Permanent Redirect"),
        "/-1": leading_to("/0"),
    }
    assert fetch_picture(at(server, "/0")) == PICTURE
    assert refusal(at(server, "/-1")) == "This address redirects more than 3 times."
    assert len(server.requests) == 8


def test_another_address_of_the_same_name_is_tried(web: Web):
    web.names["pictures.test"] = [ALSO_PUBLIC, PUBLIC]
    server = web.server({"/": answer(PICTURE)})
    assert fetch_picture(at(server, "/", "pictures.test")) == PICTURE


@pytest.mark.parametrize("name", ["pictures.test", PUBLIC])
def test_https_certificates_are_verified(web: Web, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str):
    web.names["pictures.test"] = web.names["other.test"] = [PUBLIC]
    path = certificate(tmp_path, name)
    server = web.server({"/": answer(PICTURE)}, tls=tls_with(path))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    assert fetch_picture(f"https://{name}:{server.port}/") == PICTURE
    assert f"Host: {name}:{server.port}" in server.requests[0]
    assert server.names == [name if name == "pictures.test" else None]
    assert refusal(f"https://other.test:{server.port}/") == INSECURE
    monkeypatch.delenv("SSL_CERT_FILE")
    assert refusal(f"https://{name}:{server.port}/") == INSECURE
    assert len(server.requests) == 1


# Invalid addresses


@pytest.mark.parametrize("url", ["", "   ", "\n"])
def test_an_empty_address_is_an_error(url: str):
    assert refusal(url) == "Enter the address of a picture."


def test_an_address_that_is_too_long_is_an_error():
    assert refusal("http://a.test/" + "x" * LONGEST) == "This address has 2,014 characters; the limit is 2,000."


@pytest.mark.parametrize("url", OTHER_KINDS.split())
def test_only_http_and_https_are_allowed(url: str):
    assert refusal(url) == "You can only search by addresses that begin with http:// or https://."


@pytest.mark.parametrize("url", ["http://ann:secret@a.test/", "http://ann@a.test/", "https://:secret@a.test/"])
def test_an_address_with_a_password_is_refused(url: str):
    assert refusal(url) == "You can't search by an address that contains a user name or a password."


@pytest.mark.parametrize("port", [1, 22, 25, 6379, 5432, 9200, 65535])
def test_only_ports_of_web_servers_are_allowed(port: int):
    for url in (f"http://a.test:{port}/", f"https://[2606:4700::1]:{port}/", f"http://{PRIVATE}:{port}/"):
        assert refusal(url) == "Pictures can only be fetched from these ports: 80, 443, 8080, 8443."


@pytest.mark.parametrize("host", ["", "a b", *NO_HOSTS.split()])
def test_a_host_must_be_a_plain_name_or_address(web: Web, host: str):
    assert refusal(f"http://{host}/") == "This is not a valid address."
    assert web.asked == []


@pytest.mark.parametrize(
    "url", ["http://a.test/\x00", "http://a.test/\ud800", "http://\ud800/", "http://a.test/\r\nX: y"]
)
def test_forbidden_characters_make_an_address_invalid(url: str):
    assert refusal(url) == "This is not a valid address."


def test_a_backslash_does_not_hide_the_host(web: Web):
    web.names["b.test"] = [PRIVATE]
    assert (
        refusal("http://a.test\\@b.test/") == "You can't search by an address that contains a user name or a password."
    )


# Private addresses


@pytest.mark.parametrize("address", PUBLIC_ONES.split())
def test_public_addresses_are_public(address: str):
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PRIVATE_ONES.split())
def test_reserved_addresses_are_not_public(address: str):
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "169.254.169.254", "0.0.0.0", "[::1]", "[::]", "[::ffff:7f00:1]", "[fe80::1]"]
)
def test_a_private_address_is_refused(web: Web, host: str):
    assert refusal(f"http://{host}/latest/meta-data") == NOT_PUBLIC


def test_private_and_invalid_addresses_are_refused_without_a_connection(monkeypatch: pytest.MonkeyPatch):
    """Without the fake web of the other tests; nothing on this machine is public."""
    names = {"localhost": "127.0.0.1", "metadata.google.internal": "169.254.169.254", "in.test": "::ffff:10.0.0.1"}
    tried: list[object] = []
    resolve = socket.getaddrinfo

    def resolved(host: str, port: int, *args: object, **options: object) -> list[object]:
        name = names.get(host.rstrip(".").lower(), host)
        return resolve(name, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    monkeypatch.setattr(socket.socket, "connect", lambda self, address: tried.append(address))
    private = [f"[{one}]" if ":" in one else one for one in PRIVATE_ONES.split()]
    hosts = [*private, *NO_HOSTS.split(), *names, "LOCALHOST", "localhost."]
    urls = [f"http://{host}{rest}" for host in hosts for rest in (":80/cat.jpg", "/latest/meta-data")]
    urls += [*OTHER_KINDS.split(), "http://127.0.0.1:22/", "http://a@localhost/", "https://localhost:5432/"]
    assert len(urls) > 150
    for url in urls:
        assert refusal(url), url
    assert tried == []


def test_refusals_reveal_nothing_about_the_internal_network(web: Web):
    server = web.server({"/cat.jpg": answer(PICTURE)}, host=PRIVATE)
    web.names |= {"intranet.test": [PRIVATE], "both.test": [PUBLIC, PRIVATE], "mapped.test": [f"::ffff:{PRIVATE}"]}
    web.names["nothing.test"] = []
    silent = f"http://{PRIVATE}:8080/"
    unknown = f"http://no-such-name.test:{server.port}/"
    urls = [at(server, host=name) for name in (PRIVATE, *web.names)]
    assert {refusal(url) for url in (*urls, silent, unknown)} == {NOT_PUBLIC}
    assert server.requests == []


def test_a_name_is_resolved_once_and_the_checked_address_is_used(web: Web):
    inside = web.server({"/cat.jpg": answer(picture_bytes("blue"))}, host=PRIVATE)
    server = web.server({"/cat.jpg": answer(PICTURE)})
    web.names["rebinding.test"] = iter([[PUBLIC], [PRIVATE]])
    assert fetch_picture(at(server, host="rebinding.test")) == PICTURE
    assert web.asked == ["rebinding.test"]
    assert inside.requests == []


def test_every_redirect_is_checked_again(web: Web):
    inside = web.server({"/cat.jpg": answer(PICTURE)}, host=PRIVATE)
    server = web.server({})
    server.answers["/"] = leading_to(at(inside, host="rebinding.test"))
    web.names["rebinding.test"] = iter([[PUBLIC], [PRIVATE]])
    assert refusal(at(server, "/", "rebinding.test")) == NOT_PUBLIC
    assert web.asked == ["rebinding.test"] * 2
    assert inside.requests == []


@pytest.mark.parametrize(
    ("location", "told"),
    [
        (f"http://{PRIVATE}/", NOT_PUBLIC),
        ("http://169.254.169.254/latest/meta-data/", NOT_PUBLIC),
        ("//[::1]/", NOT_PUBLIC),
        ("file:///etc/passwd", "You can only search by addresses that begin with http:// or https://."),
        ("ftp://a.test/", "You can only search by addresses that begin with http:// or https://."),
        ("http://ann:secret@a.test/", "You can't search by an address that contains a user name or a password."),
        ("http://2130706433/", "This is not a valid address."),
        ("http://[::1", "This address redirects to an address that is not valid."),
        ("http://a.test:22/", "Pictures can only be fetched from these ports"),
        ("http://\xff/", "not valid"),
        ("", "The server of this address returned the error 302."),
    ],
)
def test_redirects_have_the_same_restrictions_as_addresses(web: Web, location: str, told: str):
    server = web.server({"/": leading_to(location)})
    assert told in refusal(at(server, "/"))


# Answers of the server


@pytest.mark.parametrize("status", ["404 Not Found", "500 Oops", "204 No Content", "206 Part", "304 Same"])
def test_an_error_is_reported_with_its_status(web: Web, status: str):
    server = web.server({"/": answer(PICTURE if status[0] != "3" else b"", status=status)})
    assert refusal(at(server, "/")) == f"The server of this address returned the error {status[:3]}."


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/octet-stream", "video/mp4", "", "x" * 9000])
def test_other_content_types_than_pictures_are_not_read(web: Web, kind: str):
    server = web.server({"/": answer(PICTURE, kind=kind)})
    assert refusal(at(server, "/")).startswith("This is the address of a page or a file, not of a picture.")


def test_a_picture_over_the_limit_is_refused_before_it_is_read(web: Web, settings):
    settings.UPLOAD_MAX_MB = 1
    head = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 1000001\r\n\r\n"
    server = web.server({"/": head, "/most": answer(bytes(1_000_000))})
    assert refusal(at(server, "/")) == "The picture at this address is larger than 1 MB."
    assert len(fetch_picture(at(server, "/most"))) == 1_000_000


def test_an_endless_body_is_read_up_to_the_limit(web: Web, settings):
    settings.UPLOAD_MAX_MB = 1

    def pour(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n")
        while True:
            connection.sendall(bytes(65536))

    server = web.server({"/": pour})
    assert refusal(at(server, "/")) == "The picture at this address is larger than 1 MB."


def test_a_truncated_body_is_an_error(web: Web):
    server = web.server({"/": answer(PICTURE).replace(b"Content-Length: ", b"Content-Length: 9")})
    assert refusal(at(server, "/")) == BROKEN


def test_data_after_the_content_length_is_ignored(web: Web):
    server = web.server({"/": answer(PICTURE) + b"more"})
    assert fetch_picture(at(server, "/")) == PICTURE


def test_bodies_are_not_decompressed(web: Web):
    server = web.server({"/": answer(PICTURE, "Content-Encoding: gzip")})
    assert fetch_picture(at(server, "/")) == PICTURE


@pytest.mark.parametrize("told", NO_HTTP, ids=range(len(NO_HTTP)))
def test_an_answer_that_is_not_http_is_an_error(web: Web, told: bytes):
    server = web.server({"/": told})
    assert refusal(at(server, "/")) == BROKEN


def test_a_refused_connection_is_an_error(web: Web):
    server = web.server()
    server.close()
    assert refusal(at(server)) == BROKEN
    assert refusal(at(server).replace("http", "https")) == BROKEN


def test_a_server_without_tls_is_an_error(web: Web):
    server = web.server({"/": answer(PICTURE)})
    assert refusal(at(server, "/").replace("http", "https")) == INSECURE


# Timeouts and concurrency


@pytest.mark.parametrize(
    ("data", "start"),
    [
        (b"x", b""),
        (b"X", b"HTTP/1.1 200 OK\r\nX: "),
        (b"X: y\r\n", b"HTTP/1.1 200 OK\r\n"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b""),
        (b"x", b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n"),
        (b"1\r\nx\r\n", b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ],
    ids=["status", "header", "headers", "informational", "body", "chunks"],
)
def test_the_timeout_covers_the_whole_answer(web: Web, monkeypatch: pytest.MonkeyPatch, data: bytes, start: bytes):
    monkeypatch.setattr(fetch, "SECONDS", 0.4)
    server = web.server()
    server.answers["/"] = server.slowly(data, start)
    began = time.monotonic()
    assert refusal(at(server, "/")) == "The server of this address did not respond within 0.4 seconds."
    assert time.monotonic() - began < 15  # without the timeout it would send for minutes


def test_redirects_share_the_timeout(web: Web, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fetch, "SECONDS", 0.5)
    server = web.server()

    def later(path: str) -> Callable[[socket.socket], None]:
        return lambda connection: server.ended.wait(0.2) or connection.sendall(leading_to(path))

    server.answers |= {"/0": later("/1"), "/1": later("/2"), "/2": later("/3"), "/3": answer(PICTURE)}
    assert refusal(at(server, "/0")) == "The server of this address did not respond within 0.5 seconds."


def test_the_timeout_covers_the_handshake(web: Web, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fetch, "SECONDS", 0.3)
    with socket.create_server((PUBLIC, 0)) as listener:  # never accepted
        port = listener.getsockname()[1]
        web.allow(port)
        assert refusal(f"https://{PUBLIC}:{port}/") == "The server of this address did not respond within 0.3 seconds."


def test_a_resolver_that_does_not_answer_has_the_same_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fetch, "SECONDS", 0.1)
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: answered.wait(30) and [])
    assert refusal("http://slow.test/") == NOT_PUBLIC
    answered.set()


def test_the_number_of_concurrent_requests_is_limited(web: Web):
    arrived, go_on = threading.Semaphore(0), threading.Event()

    def hold(connection: socket.socket) -> None:
        arrived.release()
        go_on.wait(30)
        connection.sendall(answer(PICTURE))

    server = web.server({"/hold": hold, "/": answer(PICTURE)})
    with ThreadPoolExecutor(4) as people:
        fetching = [people.submit(fetch_picture, at(server, "/hold")) for _ in range(4)]
        for _ in fetching:
            assert arrived.acquire(timeout=30)
        assert refusal(at(server, "/")) == "Too many pictures are being fetched right now. Try again in a moment."
        go_on.set()
        assert [one.result() for one in fetching] == [PICTURE] * 4
    assert fetch_picture(at(server, "/")) == PICTURE


# Fuzzing


HOSTS = st.sampled_from([PRIVATE, "a.test", "[::1]", "a@b", "1", "", "ü", "%", "[", "x" * 300])


@hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text() | st.builds("http{}://{}{}".format, st.sampled_from(["", "s"]), HOSTS, st.text()))
def test_nothing_but_a_refusal_comes_of_strange_addresses(web: Web, url: str):
    assert refusal(url)


@hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.sampled_from([b"", b"HTTP/1.1 ", b"HTTP/1.1 302 Found\r\nLocation: ", HEAD]))
def test_nothing_but_bytes_or_a_refusal_comes_of_strange_answers(strange: Server, data: bytes, start: bytes):
    strange.answers["/"] = start + data
    with suppress(RefusedAddress):
        assert isinstance(fetch_picture(at(strange, "/")), bytes)
