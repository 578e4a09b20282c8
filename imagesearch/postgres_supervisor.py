"""Supervises the embedded PostgreSQL: one of the processes that use it restarts it when it is killed."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

LOOK_EVERY = 0.5
"""Seconds between two checks."""
LONGEST_PAUSE = 15.0
"""Maximum seconds between two failing starts."""

_LONGEST_START = 30.0
"""Seconds that an exiting process waits for a start in progress."""


class Supervisor:
    """A thread of the process that has read the settings; its forks don't have it.

    A deliberate stop, as by `pg_ctl stop`, is reported and respected.
    """

    def __init__(
        self,
        *,
        is_there: Callable[[], object],
        was_stopped_in_order: Callable[[], bool],
        start: Callable[[], object],
        report: Callable[[str], object],
    ) -> None:
        self._is_there, self._was_stopped_in_order, self._start = is_there, was_stopped_in_order, start
        self._report = report
        self._ended = threading.Event()
        self._is_stopped = False
        self._pause = LOOK_EVERY

    def begin(self) -> None:
        self._thread = threading.Thread(target=self._run, name="postgresql-supervisor", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop supervising. Waits for a start in progress."""
        self._ended.set()
        self._thread.join(_LONGEST_START)

    def _run(self) -> None:
        while not self._ended.wait(self._pause):
            self.look()

    def look(self) -> None:
        """Restart the server if it was killed."""
        if self._is_there():
            self._pause, self._is_stopped = LOOK_EVERY, False
        elif not self._is_stopped and self._was_stopped_in_order():
            self._is_stopped = True
            self._report(
                "The embedded PostgreSQL was shut down, as by pg_ctl stop, and is not restarted automatically. "
                "Restart this, or run any command of manage.py, to have it started."
            )
        elif not self._is_stopped:
            self._start_again()

    def _start_again(self) -> None:
        began = time.monotonic()
        try:
            self._start()
        except (OSError, subprocess.SubprocessError, ImproperlyConfigured) as error:
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            self._report(f"{error}\nTrying again in {self._pause:.0f} s.")
        else:
            self._pause = LOOK_EVERY
            took = time.monotonic() - began
            self._report(f"The embedded PostgreSQL was killed and restarted in {took:.1f} s.")


def stopped_in_order(controldata: Path, folder: Path) -> bool:
    """Whether the last server over `folder` was shut down cleanly."""
    if (folder / "postmaster.pid").exists():
        return False
    asked = subprocess.run(  # noqa: S603 - our own command
        [str(controldata), "-D", str(folder)], check=False, capture_output=True, text=True, env={"LC_ALL": "C"}
    )
    state = next((line for line in asked.stdout.splitlines() if line.startswith("Database cluster state")), "")
    return state.endswith("shut down")


def report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - runs before logging is set up


def supervisor_of(server: Any, is_there: Callable[[], object], start: Callable[[], object]) -> Supervisor:
    """Return the supervisor of `server`, the wheel's; of several processes one restarts it."""
    return Supervisor(
        is_there=is_there,
        was_stopped_in_order=lambda: stopped_in_order(server.bin_path / "pg_controldata", server.pgdata),
        start=start,
        report=report,
    )
