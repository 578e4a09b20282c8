"""Send mail in a background thread, so that a slow server delays no request and response times reveal nothing."""

import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from django.core.mail import send_mail
from django.db import connection
from django.template.loader import render_to_string
from django.urls import get_script_prefix, set_script_prefix
from django.utils import translation

logger = logging.getLogger(__name__)

_MOST = 200
"""Maximum number of queued mails per process."""
_room = threading.BoundedSemaphore(_MOST)


def later(work: Callable[[], object]) -> None:
    """Do `work` in the mail thread, with the language and path prefix of this one. Exceptions are logged."""
    if not _room.acquire(blocking=False):
        logger.error("A mail was dropped: %s others are queued.", _MOST)
        return
    language, prefix = translation.get_language(), get_script_prefix()

    def run() -> None:
        try:
            set_script_prefix(prefix)
            with translation.override(language):
                work()
        except Exception:
            logger.exception("A mail could not be sent")
        finally:
            connection.close()
            _room.release()

    _thread(os.getpid()).submit(run)


@cache
def _thread(_process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "mail")


def send(template: str, to: str, language: str, **context: object) -> None:
    """Queue a mail in `language`; the first line of the template is its subject."""
    with translation.override(language):
        subject, _line, body = render_to_string(f"mail/{template}.txt", context).strip().partition("\n")
    later(lambda: send_mail(subject, body.strip() + "\n", None, [to]))
