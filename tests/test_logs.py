"""Logs: one line per record, as text or JSON, without search queries."""

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as project
from gunicorn.config import Config

from imagesearch.logs import GunicornLogger, Json, Lines, current_request

pytestmark = pytest.mark.django_db

FORMS = {"text": Lines, "json": Json}


class _CapturingHandler(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.said: list[str] = []
        self.setFormatter(Json())

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(self.format(record))

    @property
    def access(self) -> list[dict[str, Any]]:
        return [entry for entry in map(json.loads, self.said) if entry["logger"] == "search.access"]


@pytest.fixture
def log(settings: Any) -> Iterator[_CapturingHandler]:
    """All log records, as JSON."""
    settings.ACCESS_LOG = True
    kept = _CapturingHandler()
    logging.getLogger().addHandler(kept)
    yield kept
    logging.getLogger().removeHandler(kept)


def a_record(said: str, *args: object, name: str = "search", error: BaseException | None = None) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord(name, logging.WARNING, __file__, 1, said, args, info)


# Lines


NASTY = "a\nb\r2026-01-01T00:00:00.000Z ERROR root: made up\x1b[31m\x00\x85\u2028\u2029\udcff"


def test_json_is_one_line_per_record_whatever_it_holds():
    try:
        raise ValueError(NASTY)
    except ValueError as error:
        said = Json().format(a_record("Not read: %s", NASTY, error=error))
    assert said.isascii()
    assert said.isprintable()
    entry = json.loads(said)
    assert entry["message"] == f"Not read: {NASTY}"
    assert "ValueError" in entry["exception"]
    assert (entry["level"], entry["logger"], entry["process"]) == ("WARNING", "search", os.getpid())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["time"])


def test_a_message_can_not_forge_a_line_of_the_text_log():
    try:
        raise ValueError(NASTY)
    except ValueError as error:
        first, *others = Lines().format(a_record("Not read: %s", NASTY, error=error)).split("\n")
    assert first.endswith("WARNING search: Not read: a")
    assert others
    assert all(line.startswith("    ") for line in others)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]", first + "".join(others))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("logger", "said"),
    [
        ("gunicorn.error", "Error handling request /search?q=my+secret"),
        ("django.server", '"GET /search?q=my+secret HTTP/1.1" 200 12'),
        ("django.request", "Not Found: /search?q=my+secret"),
    ],
)
def test_addresses_in_messages_of_libraries_lose_the_query(form, logger, said):
    line = FORMS[form]().format(a_record(said, name=logger))
    assert "/search" in line
    assert "secret" not in line


@pytest.mark.parametrize("form", FORMS)
def test_gunicorn_logs_in_the_same_format(form, monkeypatch, capsys):
    monkeypatch.setenv("LOG_FORMAT", form)
    error_log = logging.getLogger("gunicorn.error")
    before = error_log.handlers[:]
    try:
        logger = GunicornLogger(Config())
        logger.info("Listening at: %s", "http://127.0.0.1:8000")
        said = capsys.readouterr().err
    finally:
        error_log.handlers[:] = before
    assert said.count("\n") == 1
    if form == "json":
        assert json.loads(said)["message"] == "Listening at: http://127.0.0.1:8000"
    else:
        assert said.endswith("INFO gunicorn.error: Listening at: http://127.0.0.1:8000\n")


@pytest.mark.parametrize("form", FORMS)
def test_commands_log_in_the_configured_format(form):
    script = (
        "import django; django.setup(); import logging, threading, warnings\n"
        "logging.getLogger('search.x').info('two\\nlines'); logging.getLogger('imagesearch').info('ours')\n"
        "logging.getLogger('boto3').info('chatter'); logging.getLogger('django.security').warning('once')\n"
        "one = threading.Thread(target=lambda: 1 / 0); one.start(); one.join()\n"
        "raise RuntimeError('the end')"
    )
    environment = {
        "DJANGO_SETTINGS_MODULE": "imagesearch.settings", "DATABASE_URL": "postgres://nobody@localhost/none",
        "DEBUG": "on", "SECRET_KEY": "unused", "LOG_FORMAT": form,
    }  # fmt: skip
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        cwd=project.BASE_DIR, env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "chatter" not in ended.stderr
    assert ended.stderr.count("once") == 1
    if form == "json":
        entry = [json.loads(line) for line in ended.stderr.splitlines()]
        assert [one["message"] for one in entry] == ["two\nlines", "ours", "once", "Not caught", "Not caught"]
        assert "ZeroDivisionError" in entry[3]["exception"]
        assert "the end" in entry[4]["exception"]
    else:
        assert ended.stderr.splitlines()[:2] == [
            next(line for line in ended.stderr.splitlines() if line.endswith("INFO search.x: two")), "    lines",
        ]  # fmt: skip


# Requests


def test_a_request_is_logged_without_its_query(client, log):
    answer = client.get("/search?q=my+secret+wish&tag=private")
    [entry] = log.access
    assert {name: entry[name] for name in ("method", "path", "view", "status", "level")} == {
        "method": "GET", "path": "/search", "view": "results", "status": 200, "level": "INFO",
    }  # fmt: skip
    assert entry["ms"] > 0
    assert entry["request_id"] == answer.headers["X-Request-ID"]
    assert not re.search("secret|private", "".join(log.said))


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/feeds/0b9f1c9e-3d0b-4d0a-9d57-5a4d0f6c2a11.atom", "/feeds/....atom"),
        ("/sets/0b9f1c9e-3d0b-4d0a-9d57-5a4d0f6c2a11/", "/sets/.../"),
        ("/albums/shared/0b9f1c9e-3d0b-4d0a-9d57-5a4d0f6c2a11/", "/albums/shared/.../"),
        ("/search/picture/0b9f1c9e-3d0b-4d0a-9d57-5a4d0f6c2a11.webp", "/search/picture/....webp"),
    ],
)
def test_secret_parts_of_paths_are_not_logged(client, log, path, shown):
    client.get(path)
    assert [entry["path"] for entry in log.access] == [shown]


def test_a_path_with_line_breaks_is_logged_as_one_line(client, log):
    client.get("/a%0d%0a2026-01-01T00:00:00.000Z%20ERROR%20root:%20made%20up")
    assert all("\n" not in line and "\r" not in line for line in log.said)
    assert [entry["status"] for entry in log.access] == [404]


def test_successful_health_checks_are_not_logged(client, log):
    client.get("/healthz")
    assert not log.access


def test_the_access_log_can_be_switched_off(client, log, settings):
    settings.ACCESS_LOG = False
    assert client.get("/").headers["X-Request-ID"]
    assert not log.access


# Request ids


def test_a_request_gets_its_own_id_whatever_the_client_sends(client):
    one, other = (client.get("/healthz", headers={"X-Request-ID": "chosen-by-me"}) for _ in range(2))
    assert re.fullmatch("[0-9a-f]{32}", one.headers["X-Request-ID"])
    assert one.headers["X-Request-ID"] != other.headers["X-Request-ID"]


@pytest.mark.parametrize(
    ("given", "is_taken"),
    [
        ("01JD-abc.def_7", True),
        ("a" * 100, True),
        ("a" * 101, False),
        ("short", False),
        ("with space", False),
        ("line\nend12", False),
        ("<script>x</script>", False),
        ("", False),
    ],
)
def test_an_id_from_a_trusted_proxy_is_used_if_it_is_valid(client, settings, given, is_taken):
    settings.REQUEST_ID_FROM_PROXY = True
    answer = client.get("/healthz", headers={"X-Request-ID": given})
    assert (answer.headers["X-Request-ID"] == given) is is_taken


def test_a_server_error_shows_its_request_id_and_the_log_has_it(client, log, monkeypatch):
    client.raise_request_exception = False
    monkeypatch.setattr("search.views.searching.find", lambda query, **_options: 1 / 0)
    answer = client.get("/search?q=circle")
    number = answer.headers["X-Request-ID"]
    assert answer.status_code == 500
    assert number in answer.content.decode()
    written = [entry for entry in map(json.loads, log.said) if entry["request_id"] == number]
    assert any("ZeroDivisionError" in entry.get("exception", "") for entry in written)


def test_api_clients_get_the_request_id_too(client, monkeypatch):
    client.raise_request_exception = False
    monkeypatch.setattr("search.api.searching.find", lambda *args, **more: 1 / 0)
    answer = client.get("/api/search?q=circle")
    assert answer.status_code == 500
    assert answer.headers["X-Request-ID"] in answer.json()["detail"]


def test_the_request_id_is_cleared_after_the_request(client):
    client.get("/healthz")
    assert current_request.get() == ""
