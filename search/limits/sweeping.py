"""Delete expired rows that anonymous requests have created, now and then during other requests."""

import threading
import time

from django.contrib.sessions.models import Session
from django.utils import timezone

from search.models.sql_statements import execute

EVERY = 300.0
"""Seconds between two runs per process."""
_AT_ONCE = 5_000
"""Rows per run, to keep locks short; the next run continues."""

_SWEEP = """
    DELETE FROM search_tally WHERE id IN (
        SELECT id FROM search_tally WHERE until <= statement_timestamp() LIMIT %s FOR UPDATE SKIP LOCKED
    )
"""
_lock = threading.Lock()
_swept = time.monotonic()


def sweep_now_and_then() -> None:
    global _swept  # noqa: PLW0603 - of the process
    with _lock:
        if time.monotonic() < _swept + EVERY:
            return
        _swept = time.monotonic()
    sweep()


def sweep() -> None:
    """Delete expired counts and sessions, and old sign-ups without a decision."""
    from search.models import SignUp  # noqa: PLC0415 - accounts import this room

    execute(_SWEEP, [_AT_ONCE])
    over = Session.objects.filter(expire_date__lt=timezone.now()).values("pk")[:_AT_ONCE]
    Session.objects.filter(pk__in=over).delete()
    SignUp.forget_old()
