"""One request and its response, run by threads in steps: each goes as far as the send buffer has room."""

import contextvars
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db import close_old_connections
from gunicorn.http import wsgi

from imagesearch.request_bodies import DRAINS, LOOKED_AT, BodyWanted, NotYet
from imagesearch.serving.incoming_bodies import Nothing, Received
from imagesearch.serving.response_buffer import IN_MEMORY, Outbox

_PIECE = 64 * 1024


class Exchange:
    """Calls the application. `step` and `abandon` are for one thread at a time, which may differ each time."""

    def __init__(
        self, worker: Any, request: Any, outbox: Outbox, client: Any, server: Any, *, is_second_look: bool = False
    ) -> None:
        """`is_second_look`: the application has seen the head of the request, and wanted its body."""
        self._is_second_look = is_second_look
        self._worker, self._request, self._outbox, self._client, self._server = worker, request, outbox, client, server
        self._context = contextvars.Context()
        self._environ: dict[str, Any] = {}
        self._answer: Any = None
        self._response: Any = None
        self._pieces: Iterator[bytes] = iter(())
        self._began = datetime.now()  # noqa: DTZ005 - as in gunicorn's own log
        self.wanted: int | None = None
        """Maximum bytes of a body that the application wants before it can answer."""
        self.is_over = False
        self.keeps_alive = False
        """Whether the connection can take another request."""
        self.has_failed = False
        """Whether the response broke off half-way."""

    def step(self, body: Received | Nothing | None = None, *, is_last: bool = False) -> None:
        """Produce the response, or as much of it as can be sent without waiting. The first call gets the request's
        `body`, None while it has not been read. `is_last`: the connection is closed afterwards.
        """
        self._context.run(self._step, body, is_last)

    @property
    def has_begun(self) -> bool:
        """Whether the client may have received a part of the response."""
        return bool(self._response and self._response.headers_sent)

    def abandon(self) -> None:
        """Close an unfinished response whose client has gone."""
        self._context.run(self._end)

    def _step(self, body: Received | Nothing | None, is_last: bool) -> None:
        try:
            if self._response is None:
                self._start(body, is_last)
            self._send_pieces()
        except BodyWanted:
            self.wanted = self._environ["wsgi.input"].most
            self._response = None
        except Exception as error:
            self._fail(error)
        finally:
            # Another thread may run the next step.
            close_old_connections()
        self._outbox.push()

    def _start(self, body: Received | Nothing | None, is_last: bool) -> None:
        worker = self._worker
        worker.cfg.pre_request(worker, self._request)
        response, environ = wsgi.create(self._request, self._outbox, self._client, self._server, worker.cfg)
        environ |= {"wsgi.multithread": True, "wsgi.input": body or NotYet(), DRAINS: True}
        if self._is_second_look:
            environ[LOOKED_AT] = True
        self._environ, self._response = environ, response
        if is_last or worker.is_ending():
            response.force_close()
        self._answer = worker.wsgi(environ, response.start_response)
        if isinstance(self._answer, environ["wsgi.file_wrapper"]):
            self._answer.blksize = _PIECE
            if response.sendfile(self._answer):
                return
        self._pieces = iter(self._answer)

    def _send_pieces(self) -> None:
        # With a Content-Length the whole response exists already; else it is generated as it is sent.
        may_pause = self._response.response_length is None
        for piece in self._pieces:
            self._response.write(piece)
            if may_pause and self._outbox.waiting > IN_MEMORY and not self._outbox.push():
                return
        self._response.close()
        self.keeps_alive = not self._response.should_close()
        self._end()
        self.is_over = True

    def _fail(self, error: Exception) -> None:
        has_begun = self.has_begun
        self._end()
        self.is_over, self.has_failed = True, has_begun
        if self._outbox.is_broken:
            self.has_failed = True  # the client has gone
        elif has_begun:
            self._worker.log.error("Error in the middle of an answer", exc_info=error)
        else:
            self._worker.handle_error(self._request, self._outbox, self._client, error)

    def _end(self) -> None:
        """Close the response, and log it."""
        answer, self._answer = self._answer, None
        if self._response is None:
            return
        worker = self._worker
        took = datetime.now() - self._began  # noqa: DTZ005
        if self._response.status is not None:
            worker.log.access(self._response, self._request, self._environ, took)
        try:
            if hasattr(answer, "close"):
                answer.close()
            worker.cfg.post_request(worker, self._request, self._environ, self._response)
        except Exception:
            worker.log.exception("Error at the end of a request")
