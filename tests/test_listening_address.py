"""The address that the web server listens on, its host names, and what requests for another host name get."""

import gc
import runpy
from typing import Any

import pytest
from django.conf import settings as project
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.test import Client
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser

from imagesearch.environment import host_names, listening_address
from search.management.commands import demo
from tests.s3_servers import configured, free_port


def configuration() -> dict[str, Any]:
    """The settings of gunicorn.conf.py, with garbage collection left on."""
    try:
        return runpy.run_path(str(project.BASE_DIR / "gunicorn.conf.py"))
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("host", "listens", "opens"),
    [
        ("", "127.0.0.1:8123", "http://127.0.0.1:8123"),
        ("localhost", "localhost:8123", "http://localhost:8123"),
        ("0.0.0.0", "0.0.0.0:8123", "http://127.0.0.1:8123"),
        ("::", "[::]:8123", "http://[::1]:8123"),
        ("::1", "[::1]:8123", "http://[::1]:8123"),
        ("[::1]", "[::1]:8123", "http://[::1]:8123"),
        ("2001:DB8::7", "[2001:db8::7]:8123", "http://[2001:db8::7]:8123"),
        ("unix:/run/site.sock", "unix:/run/site.sock", "unix:/run/site.sock"),
    ],
)
def test_the_server_listens_on_any_kind_of_address(
    monkeypatch: pytest.MonkeyPatch, host: str, listens: str, opens: str
) -> None:
    monkeypatch.setenv("HOST", host)

    assert listening_address("HOST", 8123) == listens
    assert demo._web_address(listens) == opens


@pytest.mark.parametrize(
    ("name", "value"), [("HOST", "http://localhost"), ("HOST", "localhost:80"), ("HOST", "a b"), ("PORT", "eighty")]
)
def test_an_invalid_address_stops_gunicorn_with_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SystemExit, match=rf"^Configuration error: {name} is '{value}': "):
        configuration()


def test_a_client_header_does_not_set_the_script_name() -> None:
    config = Config()
    config.set("forwarder_headers", configuration()["forwarder_headers"])
    sent = b"GET / HTTP/1.1\r\nHost: localhost\r\nSCRIPT_NAME: /evil\r\nPATH_INFO: /admin/\r\n\r\n"

    # From an address that gunicorn trusts by default, as a proxy's.
    parsed = next(RequestParser(config, iter([sent]), ("127.0.0.1", 50000)))

    assert parsed.headers == [("HOST", "localhost")]


def test_the_demo_reports_an_address_that_this_machine_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", "192.0.2.9")
    with pytest.raises(CommandError, match=r"Nothing can listen on 192\.0\.2\.9, port \d+ .*make demo PORT="):
        call_command("demo", port=free_port())

    monkeypatch.setenv("HOST", "http://localhost")
    with pytest.raises(CommandError, match="HOST is 'http://localhost'"):
        call_command("demo", port=free_port())


@pytest.mark.parametrize(
    ("host", "names"),
    [
        ("", []),
        ("::", []),
        ("0.0.0.0", []),
        ("unix:/run/site.sock", []),
        ("::1", []),
        ("192.0.2.7", ["192.0.2.7"]),
        ("2001:db8::7", ["[2001:db8::7]"]),
    ],
)
def test_the_listening_address_is_an_allowed_host(host: str, names: list[str]) -> None:
    assert configured(HOST=host, ALLOWED_HOSTS="")["ALLOWED_HOSTS"] == ["localhost", "127.0.0.1", "[::1]", *names]
    assert configured(HOST=host, ALLOWED_HOSTS="a.example.org")["ALLOWED_HOSTS"] == ["a.example.org"]


def test_ipv6_hosts_are_allowed_with_and_without_brackets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAMES", "::1, [2001:DB8::7], 0:0:0:0:0:0:0:2")
    assert host_names("NAMES", []) == ["[::1]", "[2001:db8::7]", "[::2]"]

    monkeypatch.setenv("NAMES", "[::1]:8000")
    with pytest.raises(ImproperlyConfigured, match="without https:// and port"):
        host_names("NAMES", [])


def test_a_request_for_another_host_name_gets_the_setting_to_change(client: Client, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["pictures.example.org"]
    strange = {"host": "<b>.example.org:8000"}

    page = client.get("/", headers=strange)
    for_programs = client.get("/api/search", headers={"host": "192.0.2.7:8000"})

    text = page.content.decode()
    assert page.status_code == 400
    assert "&lt;b&gt;.example.org:8000" in text
    assert "ALLOWED_HOSTS" in text
    assert for_programs.status_code == 400
    assert "192.0.2.7:8000" in for_programs.json()["detail"]
    assert "ALLOWED_HOSTS" in for_programs.json()["detail"]
