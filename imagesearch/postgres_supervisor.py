"""Looks after the embedded PostgreSQL: one that was killed is started again, by one of the processes that use it."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

LOOK_EVERY = 0.5
"""Seconds between two looks."""
LONGEST_PAUSE = 15.0
"""Seconds between two starts that fail, at most."""

_LONGEST_START = 30.0
"""Seconds that the end of a process waits for one."""


class Keeper:
    """A thread of the process that has read the settings, which its forks don't have.

    Somebody who stops the server in order, as with `pg_ctl stop`, wants it stopped: that is told, and left so.
    """

    def __init__(
        self,
        *,
        is_there: Callable[[], object],
        was_stopped_in_order: Callable[[], bool],
        start: Callable[[], object],
        tell: Callable[[str], object],
    ) -> None:
        self._is_there, self._was_stopped_in_order, self._start = is_there, was_stopped_in_order, start
        self._tell = tell
        self._ended = threading.Event()
        self._leaves_alone = False
        self._pause = LOOK_EVERY

    def begin(self) -> None:
        self._thread = threading.Thread(target=self._run, name="postgresql-keeper", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Start it no more. Waits for a start that is under way."""
        self._ended.set()
        self._thread.join(_LONGEST_START)

    def _run(self) -> None:
        while not self._ended.wait(self._pause):
            self.look()

    def look(self) -> None:
        """Start the server again if it was killed."""
        if self._is_there():
            self._pause, self._leaves_alone = LOOK_EVERY, False
        elif not self._leaves_alone and self._was_stopped_in_order():
            self._leaves_alone = True
            self._tell(
                "The embedded PostgreSQL was stopped in order, as by pg_ctl stop, and is left so. "
                "Restart this, or run any command of manage.py, to have it started."
            )
        elif not self._leaves_alone:
            self._start_again()

    def _start_again(self) -> None:
        began = time.monotonic()
        try:
            self._start()
        except (OSError, subprocess.SubprocessError, ImproperlyConfigured) as error:
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            self._tell(f"{error}\nTrying again in {self._pause:.0f} s.")
        else:
            self._pause = LOOK_EVERY
            took = time.monotonic() - began
            self._tell(f"The embedded PostgreSQL was killed, and runs again: started anew in {took:.1f} s.")


def stopped_in_order(controldata: Path, folder: Path) -> bool:
    """Whether the server that last ran over `folder` came to its end as it was asked to."""
    if (folder / "postmaster.pid").exists():
        return False
    asked = subprocess.run(  # noqa: S603 - our own command
        [str(controldata), "-D", str(folder)], check=False, capture_output=True, text=True, env={"LC_ALL": "C"}
    )
    state = next((line for line in asked.stdout.splitlines() if line.startswith("Database cluster state")), "")
    return state.endswith("shut down")


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - before there is any logging


def keeper_of(server: Any, is_there: Callable[[], object], start: Callable[[], object]) -> Keeper:
    """Return the keeper of `server`, the wheel's; whatever several processes do at once, one of them starts it."""
    return Keeper(
        is_there=is_there,
        was_stopped_in_order=lambda: stopped_in_order(server.bin_path / "pg_controldata", server.pgdata),
        start=start,
        tell=tell,
    )
