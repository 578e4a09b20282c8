"""gunicorn's worker process, and its shutdown: within seconds, without the libraries' exit handlers.

A fork of a process that has loaded OpenVINO can't exit normally: OpenVINO waits for threads that only the parent has,
and aborts, crashes or hangs. So a worker closes what must be closed, and calls `os._exit`.
"""

import atexit
import logging
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import TYPE_CHECKING, Any

from gunicorn.workers import base

from imagesearch import serving, too_long_requests

if TYPE_CHECKING:
    from imagesearch.serving.event_loop import Front

UNDER_WAY = 6
"""Seconds for requests in progress when the server stops."""
KILLED_AFTER = 9
"""Seconds after which gunicorn kills a worker."""
_LINGER = 1.0
"""Seconds for a request that is just being sent over an idle or preconnected connection."""
_CLOSING = 1.0
"""Seconds for closing everything."""
_SWITCH = 0.001
"""Thread switch interval in seconds."""
_STOPS = {signal.SIGTERM, signal.SIGQUIT}


def hold_signals() -> None:
    """Block stop signals before a fork: until a worker has its handlers, it would act on a signal meant for its
    parent."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)


os.register_at_fork(after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS))


class Worker(base.Worker):  # type: ignore[misc]
    """Serves by `Front`; each way of stopping takes the same steps."""

    front: "Front"
    alive: bool
    _notified_at = 0.0

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        if cfg.is_ssl:
            sys.exit("Configuration error: this server speaks no TLS by itself. Put a proxy in front that does.")

    def init_process(self) -> None:
        self.cfg.set("graceful_timeout", UNDER_WAY)  # of this process, not of gunicorn's master
        super().init_process()

    def notify(self) -> None:
        """Send gunicorn the heartbeat once a second at most: each system call may wait for a thread."""
        now = time.monotonic()
        if now >= self._notified_at + 1:
            self._notified_at = now
            super().notify()

    def init_signals(self) -> None:
        super().init_signals()
        # A terminal sends Ctrl-C to all processes, and gunicorn forwards it to its workers as SIGQUIT.
        signal.signal(signal.SIGINT, lambda _number, _frame: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """Stop as by SIGTERM; the second time, exit at once."""
        if not self.alive:
            leave(0)
        self.handle_exit(sig, frame)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        if isinstance(exc, too_long_requests.TOO_LONG):
            too_long_requests.answer(client, addr, exc)
        else:
            super().handle_error(req, client, addr, exc)

    def is_ending(self) -> bool:
        """Count a request; return whether its connection must be closed after it."""
        self.nr += 1
        if self.nr >= self.max_requests and self.alive:
            self.log.info("Autorestarting worker after current request.")
            self.alive = False
        return not self.alive or not self.cfg.keepalive

    def run(self) -> None:
        from imagesearch.serving.event_loop import Front  # noqa: PLC0415 - imported before the settings

        sys.setswitchinterval(_SWITCH)
        self.front = Front(self)
        serving.started(self.front)
        self.front.listen(self.sockets)
        while self.alive:
            self.notify()
            self.front.turn()
            if self.ppid != os.getppid():
                self.log.info("Parent changed, shutting down: %s", self)
                break
        self._end()

    def _end(self) -> None:
        """Finish requests in progress, and those just being sent over preconnected connections."""
        front, stopped = self.front, time.monotonic()
        front.stop_listening()
        while front.connections and time.monotonic() < stopped + self.cfg.graceful_timeout:
            front.hurry(stopped + _LINGER)
            self.notify()
            front.turn()
        front.refuse_unanswered()
        front.close()


def leave_worker(worker: Any) -> None:
    """Exit this process, which is `worker`, with the status that it is exiting with anyway."""
    if worker.pid != os.getpid():
        return  # gunicorn's master, which found that the worker had gone
    ending = sys.exc_info()[1]
    leave(ending.code if isinstance(ending, SystemExit) and isinstance(ending.code, int) else 1)


def leave(status: int) -> None:
    """Close what must be closed, and exit without the libraries' exit handlers."""
    late = threading.Timer(_CLOSING, os._exit, [status])
    late.daemon = True
    late.start()
    try:
        _close()
    finally:
        os._exit(status)


def _close() -> None:
    from django.db import connections  # noqa: PLC0415 - imported before the settings

    from search.embedding import stop_compiling  # noqa: PLC0415

    stop_compiling()
    for pool in getattr(connections["default"], "_connection_pools", {}).values():
        pool.close(timeout=_CLOSING / 2)
    atexit._run_exitfuncs()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
