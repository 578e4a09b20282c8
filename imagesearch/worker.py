"""The process of gunicorn that answers requests, and how it ends: within seconds, and by itself.

A process that was forked from one with OpenVINO in it can't end as others do: at its exit OpenVINO waits for threads
that only its parent has, and is aborted, crashes or hangs. So a worker closes what must be closed, and leaves.
"""

import atexit
import logging
import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from types import FrameType
from typing import Any

from gunicorn.workers import gthread

from imagesearch import too_long

UNDER_WAY = 6
"""Seconds that requests under way have when the server stops; gunicorn looks each second."""
KILLED_AFTER = 9
"""Seconds after which gunicorn kills a worker that is still there."""
_LINGER = 1.0
"""Seconds for a request that is just being sent, over a connection that was kept open or has been opened ahead."""
_CLOSING = 1.0
"""Seconds for closing all that must be closed."""
_STOPS = {signal.SIGTERM, signal.SIGQUIT}


def hold_signals() -> None:
    """Before a fork: until a worker knows what to do with it, it would take a word to stop for one to its parent."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)


os.register_at_fork(after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS))


class Worker(gthread.ThreadWorker):  # type: ignore[misc]
    """Stops in the same order whichever way it is told to, and not later for connections that nobody uses."""

    def init_process(self) -> None:
        gthread.STOP_KEEPALIVE_LINGER = _LINGER
        self.cfg.set("graceful_timeout", UNDER_WAY)  # of this process, not of gunicorn's own
        self._stopping_at = 0.0
        self._new: set[Any] = set()
        super().init_process()

    def init_signals(self) -> None:
        super().init_signals()
        # A terminal sends Ctrl-C to all processes, and gunicorn tells its workers of it by SIGQUIT.
        signal.signal(signal.SIGINT, lambda _number, _frame: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.alive:
            self._stopping_at = time.monotonic()
        super().handle_exit(sig, frame)

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """Stop as by SIGTERM; when it is stopping already, somebody is in a hurry."""
        if not self.alive:
            leave(0)
        self.handle_exit(sig, frame)

    def set_accept_enabled(self, enabled: bool) -> None:
        super().set_accept_enabled(enabled)
        if not self.alive:
            # Who has connected already is served; left in the queue, they would be cut off at the end.
            # Called again for one that stopped while it started, whose listeners are closed by then.
            for listener in [one for one in self.sockets if one.sock]:
                before = -1
                while before != self.nr_conns:
                    before = self.nr_conns
                    self.accept(listener)
                listener.close()

    def enqueue_req(self, conn: Any) -> None:
        if not conn.initialized:
            self._new.add(conn)
        super().enqueue_req(conn)

    def finish_request(self, conn: Any, fs: Any) -> None:
        self._new.discard(conn)
        super().finish_request(conn, fs)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        if isinstance(exc, too_long.TOO_LONG):
            too_long.answer(client, addr, exc)
        else:
            super().handle_error(req, client, addr, exc)

    def murder_pending(self) -> None:
        """Called each second at least. Browsers open connections ahead, and threads wait for what comes."""
        super().murder_pending()
        if self.alive or time.monotonic() < self._stopping_at + _LINGER:
            return
        for conn in [*self.pending_conns, *self._new]:
            conn.timeout = 0.0
            if not conn.initialized and not conn.wait_for_data(0):
                with suppress(OSError):
                    conn.sock.shutdown(socket.SHUT_RD)


def leave_worker(worker: Any) -> None:
    """End this process, which is `worker`, with the status that it is ending with anyway."""
    if worker.pid != os.getpid():
        return  # gunicorn's own, which found that the worker had gone
    ending = sys.exc_info()[1]
    leave(ending.code if isinstance(ending, SystemExit) and isinstance(ending.code, int) else 1)


def leave(status: int) -> None:
    """Close what must be closed, and end the process without the exits of the libraries."""
    late = threading.Timer(_CLOSING, os._exit, [status])
    late.daemon = True
    late.start()
    try:
        _close()
    finally:
        os._exit(status)


def _close() -> None:
    from django.db import connections  # noqa: PLC0415 - gunicorn reads this module before the settings

    from search.embedding import stop_compiling  # noqa: PLC0415

    stop_compiling()
    for pool in getattr(connections["default"], "_connection_pools", {}).values():
        pool.close(timeout=_CLOSING / 2)
    atexit._run_exitfuncs()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
