"""Log formatters: lines for people, JSON for programs; user input can't inject a line into either.

Search queries are private: the query string of a URL is never logged.
"""

import json
import logging
import re
import sys
import threading
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from gunicorn import glogging

from imagesearch.environment import read_env_file, text

current_request: ContextVar[str] = ContextVar("current_request", default="")
"""The id of the request that this thread answers."""

_WITH_ADDRESSES = ("gunicorn.", "django.server", "django.request")
"""Loggers that log URLs as requested."""
_QUERY = re.compile(r"(/[^\s?'\"]*)\?[^\s'\"]*")
_CONTROL = {number: f"\\x{number:02x}" for number in (*range(32), *range(127, 160)) if number != ord("\n")}
_CONTROL |= {ord("\t"): "    ", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def _message(record: logging.LogRecord) -> str:
    line = record.getMessage()
    return _QUERY.sub(r"\1", line) if record.name.startswith(_WITH_ADDRESSES) else line


def _request(record: logging.LogRecord) -> str:
    """Return the id of the request that the record belongs to, "" for none."""
    # Django logs a line of its own after the response.
    return current_request.get() or str(getattr(getattr(record, "request", None), "number", ""))


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Lines(logging.Formatter):
    """One line for people. Further lines, such as a traceback, are indented."""

    def format(self, record: logging.LogRecord) -> str:
        number = _request(record)
        line = f"{_moment(record)} {record.levelname} {record.name}: {_message(record)}" + (number and f" [{number}]")
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        if record.stack_info:
            line += "\n" + self.formatStack(record.stack_info)
        return line.translate(_CONTROL).replace("\n", "\n    ")


class Json(logging.Formatter):
    """One JSON object a line, in ASCII: no character that any reader takes for a line break."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": _moment(record),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
            "process": record.process,
        }
        if number := _request(record):
            fields["request_id"] = number
        fields |= getattr(record, "access", {})
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            fields["stack"] = self.formatStack(record.stack_info)
        return json.dumps(fields, default=str)


def formatter() -> logging.Formatter:
    return Json() if text("LOG_FORMAT") == "json" else Lines()


def log_uncaught() -> None:
    """Log uncaught exceptions of threads and the process, and warnings, like everything else: for LOG_FORMAT=json."""
    logging.captureWarnings(True)

    def log(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
        logging.getLogger("search").critical("Not caught", exc_info=(kind, error, where))

    def log_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value and not issubclass(args.exc_type, SystemExit):
            log(args.exc_type, args.exc_value, args.exc_traceback)

    sys.excepthook = log
    threading.excepthook = log_thread


class GunicornLogger(glogging.Logger):  # type: ignore[misc]
    """gunicorn's own lines, in our format."""

    def setup(self, cfg: Any) -> None:
        # The settings, which read this file too and report what is wrong in it, are loaded later.
        with suppress(ImproperlyConfigured):
            read_env_file(Path(__file__).resolve().parent.parent / ".env")
        super().setup(cfg)
        for handler in [*self.error_log.handlers, *self.access_log.handlers]:
            handler.setFormatter(formatter())
