"""A connection: reads what arrives, and hands complete requests to a thread.

Everything but the steps of an exchange runs in the event loop and never blocks.
"""

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from gunicorn.asgi.parser import ParseError
from gunicorn.http.errors import InvalidRequestLine

from imagesearch.base_path import below_base_path
from imagesearch.serving import refusals
from imagesearch.serving.client_deadlines import Pace
from imagesearch.serving.exchange import Exchange
from imagesearch.serving.incoming_bodies import SMALL, Framing, Nothing, Received, framing
from imagesearch.serving.request_heads import More, head, may_be_whole
from imagesearch.serving.response_buffer import IN_MEMORY
from imagesearch.serving.sockets import AT_ONCE, LINGER, LINGER_UNREAD, NEVER, Link, State
from imagesearch.serving.thread_pools import Job, lane_of
from search.http.body_limits import DiskFull

if TYPE_CHECKING:
    from imagesearch.serving.event_loop import Front

_LARGE = 64 * 1024
"""Bytes of a request head that any connection may buffer."""


_TLS = b"\x16\x03"
"""How a client begins that takes this for HTTPS: browsers try that first, and plain HTTP as soon as it has failed."""


class Connection(Link):
    """HTTP over a link: request heads, bodies and responses, one after the other."""

    def __init__(self, front: "Front", sock: socket.socket, client: Any, server: Any) -> None:
        super().__init__(front, sock, client)
        self.server, self.requests = server, 0
        self._buffer = bytearray()
        self._try_at = 1
        self._clear()

    def _clear(self) -> None:
        self._request: Any = None
        self._framing: Framing | None = None
        self._body: Received | None = None
        self._most = 0
        self._exchange: Exchange | None = None
        self._lane = self.front.lanes["files"]
        self._wants_100 = self._is_wanted = self._keeps_alive = False

    @property
    def is_idle(self) -> bool:
        return self.state is State.HEAD and not self._buffer

    @property
    def buffered(self) -> int:
        """Bytes in memory that are not parsed yet."""
        return len(self._buffer)

    @property
    def kept(self) -> int:
        """Bytes in temporary files."""
        return self.outbox.kept + (self._body.on_disk if self._body else 0)

    def arrived(self, data: bytes) -> None:
        if self.state is State.HEAD:
            if not self._buffer and data.startswith(_TLS):
                self._refuse_head(InvalidRequestLine("HTTPS, without a proxy that terminates it"))
                return
            self._buffer += data
            if len(self._buffer) > _LARGE and not self.front.has_room_for_heads():
                self.refuse("busy", is_last=True)
            else:
                self._try_head(len(data))
        elif self.drains:
            self._drain(data)
        elif self.state is State.BODY:
            self._feed(data)

    def overdue(self) -> None:
        """Called when the client was too slow."""
        if not self.is_idle and self.state is not State.LINGERING:
            self.front.cut_off += 1
        if self.state is State.HEAD and self._buffer:
            self.refuse("slow")
        elif self.state is State.BODY:
            self._refuse_body("slow")
        else:
            if self.outbox.waiting:
                self.reset()
            self.close()

    # Request head

    def _try_head(self, count: int) -> None:
        """Parse the head with gunicorn when it may be complete, or when there is much of it, which may be
        malformed."""
        if not may_be_whole(self._buffer, count) and len(self._buffer) < self._try_at:
            return
        try:
            request, rest = head(self.front.cfg, bytes(self._buffer), self.client, self.requests + 1)
        except More:
            self._try_at = max(2 * len(self._buffer), 8192)
            return
        except Exception as error:
            error.head = bytes(self._buffer)  # type: ignore[attr-defined] # for our error page
            self._buffer.clear()
            self._refuse_head(error)
            return
        self._buffer.clear()
        self._try_at = 8192
        self.requests += 1
        self._begin(request, rest)

    def _refuse_head(self, error: Exception) -> None:
        """Answer a malformed request. Rendering our error page takes a thread."""
        self.enter(State.BUSY)
        self.is_stepping = True

        def answer() -> None:
            try:
                self.front.worker.handle_error(None, self.outbox, self.client, error)
            finally:
                self.front.later(self._answered)

        if not self.front.lanes["files"].submit(Job(answer, self.close)):
            self.close()

    def _begin(self, request: Any, rest: bytes) -> None:
        self._request, self._framing = request, framing(request)
        # We send "100 Continue" ourselves, once the application wants the body.
        self._wants_100, request._expected_100_continue = request._expected_100_continue, False
        if self._framing is None:
            self._buffer += rest
            self._run(Nothing())
        elif self._framing.length is not None and self._framing.length <= SMALL:
            self._receive(self._framing.length, rest)
        elif self._framing.is_chunked and not self._wants_100:
            self._receive(SMALL, rest)
        else:
            self._buffer += rest
            self._run(None)

    # Request body

    def _receive(self, most: int, first: bytes = b"") -> None:
        """Receive up to `most` bytes of the body."""
        self._most = most
        if self._body is None:
            self._body = Received(self.front.keep, self.front.folder)
        if self._wants_100:
            self._wants_100 = False
            with suppress(OSError):
                self.outbox.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.outbox.push()
        self.enter(State.BODY, self.front.pace())
        data, self._buffer = first or bytes(self._buffer), bytearray()
        if data:
            self._feed(data)

    def _feed(self, data: bytes) -> None:
        """Buffer the body; when it is complete or exceeds the limit, have it answered."""
        assert self._framing
        assert self._body
        try:
            self._buffer += self._framing.feed(data, self._body.write)
        except ParseError:
            self._refuse_body("cut")
            return
        except DiskFull:
            self._refuse_body("full")
            return
        if self._framing.is_complete:
            self._run(self._body)
        elif self._body and self._body.size >= self._most:
            # Chunked: the length is known only at the end.
            self._run(self._body if self._is_wanted else None)

    def _drain(self, data: bytes) -> None:
        """Read and drop the body that the application left unread."""
        assert self._framing
        try:
            self._buffer += self._framing.feed(data, _drop)
        except ParseError:
            self._keeps_alive = False
        if self._framing.is_complete or not self._keeps_alive:
            self.drains, self._framing = False, None
            self._answered()

    def ended(self) -> None:
        if self.state is State.BODY and self._body:
            # The client may have closed its sending side only.
            self._refuse_body("cut")
        elif self.state is State.SENDING and self.outbox.waiting:
            self.drains = self._keeps_alive = False
            self.wait()
        else:
            self.close()

    # Response

    def _run(self, body: "Received | Nothing | None") -> None:
        """Have a thread answer, with the body or, for None, by the head alone if possible."""
        request, is_last = self._request, self._wants_100
        self.enter(State.BUSY)
        try:
            if isinstance(body, Received):
                body.rewind()
        except DiskFull:
            self._refuse_body("full")
            return
        exchange = Exchange(
            self.front.worker, request, self.outbox, self.client, self.server, is_second_look=self._is_wanted
        )
        self._lane = self.front.lanes[lane_of(request.method, below_base_path(unquote(request.path)))]
        self._exchange = exchange
        self._start(lambda: exchange.step(body, is_last=is_last), self._lane.submit)

    def _start(self, step: Callable[[], None], submit: Callable[[Job], bool | None]) -> None:
        def run() -> None:
            try:
                if self.state is not State.CLOSED:
                    step()
            except BaseException:
                self.front.worker.log.exception("Error in a thread")
                self.outbox.close()
            self.front.later(self._stepped)

        self.is_stepping = True
        if submit(Job(run, self.too_late)) is False:
            self.too_late()

    def too_late(self) -> None:
        """Called when no thread became free in time."""
        self.is_stepping = False
        if self.state is State.CLOSED:
            self.let_go()
        else:
            self.refuse("busy")

    def _stepped(self) -> None:
        """Called after a thread has advanced the exchange as far as possible."""
        self.is_stepping = False
        exchange = self._exchange
        if self.state is State.CLOSED or exchange is None:
            self.let_go()
        elif exchange.wanted is not None:
            self._is_wanted = True
            # One more byte shows that it is too long.
            self._receive(exchange.wanted + 1)
            self.wait()
        elif exchange.is_over:
            self._keeps_alive = exchange.keeps_alive
            if exchange.has_failed:
                self.close()
            else:
                self._answered()
        elif self.outbox.is_broken:
            self.let_go()
            self.close()
        else:
            self.enter(State.BUSY, self.front.pace())
            self.pushed(is_sent=False)  # there may be room again
            self.wait()

    def _answered(self) -> None:
        """The whole response is in the outbox: send it, and drain the rest of the body."""
        self.is_stepping = False
        if self.state is State.CLOSED:
            self.let_go()
            return
        if self._body:
            self._body.close()
        if self.outbox.is_broken:
            self.close()
            return
        is_sent = self.outbox.push()
        if self._keeps_alive and self._framing and not self._framing.is_complete:
            if not self.drains:
                self.drains = True
                self.enter(State.SENDING, Pace(time.monotonic(), LINGER_UNREAD, NEVER))
                data, self._buffer = bytes(self._buffer), bytearray()
                if data:
                    self._drain(data)
            self.wait()
        elif not is_sent:
            self.enter(State.SENDING, self.front.pace())
            self.wait()
        elif self._keeps_alive and (self.front.is_open or self._buffer):
            self._next()
        else:
            is_unread = self._framing is not None and not self._framing.is_complete
            self._clear()
            self._buffer.clear()
            self.linger(LINGER_UNREAD if is_unread else LINGER)

    def pushed(self, is_sent: bool) -> None:
        if self.state is State.SENDING:
            if is_sent:
                self._answered()
        elif self.state is State.BUSY and self._exchange and self.outbox.waiting < IN_MEMORY // 2:
            self.pace = None
            self._start(self._exchange.step, self._lane.resume)

    def _refuse_body(self, why: str) -> None:
        """Refuse a request whose body can't be read to its end."""
        self._framing = None
        self.refuse(why, is_last=True)

    def refuse(self, why: str, *, is_last: bool = False) -> None:
        """Answer at once, without a thread."""
        is_read = self._request is not None and (self._framing is None or self._framing.is_complete)
        # A client that pipelines requests gets one response.
        keeps_alive = not is_last and is_read and not self._buffer and self.front.is_open
        self._keeps_alive = keeps_alive and not self._request.should_close()
        with suppress(OSError):
            self.outbox.sendall(refusals.answer(why, self._request, close=not self._keeps_alive))
        self._exchange = None
        if not self._keeps_alive:
            self._buffer.clear()
        self._answered()
        self.wait()

    def refuse_unanswered(self) -> None:
        """Refuse a request that still has no response when the process ends; its thread is left alone."""
        if self.state is not State.BUSY or self.outbox.waiting or (self._exchange and self._exchange.has_begun):
            return
        with suppress(OSError):
            self.socket.send(refusals.answer("stopping", self._request, close=True), AT_ONCE)
            self.socket.shutdown(socket.SHUT_WR)

    def _next(self) -> None:
        """Wait for the next request, which may be buffered already."""
        self._clear()
        self._try_at = 1
        self.enter(State.HEAD, self.front.pace_of_heads() if self._buffer else self.front.pace_between())
        if self._buffer:
            self._try_head(len(self._buffer))
        self.wait()

    def let_go(self) -> None:
        if self._body:
            self._body.close()
        exchange, self._exchange = self._exchange, None
        if exchange and not exchange.is_over:
            self._lane.resume(Job(exchange.abandon, _nothing))


def _drop(_data: bytes) -> None:
    pass


def _nothing() -> None:
    pass
