"""A connection: what arrives is read as it comes, and handed to a thread when a whole request is there.

All of it is done by the loop, but for the steps of an exchange, and nothing waits.
"""

import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Any

from gunicorn.asgi.parser import ParseError
from gunicorn.http.message import Request
from gunicorn.http.unreader import Unreader

from imagesearch.serving import refusals
from imagesearch.serving.exchange import Exchange
from imagesearch.serving.lanes import Job, lane_of
from imagesearch.serving.outbox import IN_MEMORY, Outbox
from imagesearch.serving.pace import Pace
from imagesearch.serving.received import SMALL, Framing, Nothing, Received, framing
from imagesearch.wsgi import below_base_path
from search.uploads import DiskFull

if TYPE_CHECKING:
    from imagesearch.serving.front import Front

_AT_ONCE = getattr(socket, "MSG_DONTWAIT", 0)
_PIECE = 64 * 1024
LINGER, LINGER_UNREAD = 2.0, 10.0
"""Seconds for which what still comes is read after the last answer: to close on a client that is sending tears the
connection off, and the answer is lost with it. The longer for a body that nobody read."""
_NEVER = float("inf")


class State(Enum):
    HEAD = "waits for a head, or for the rest of it"
    BODY = "waits for the rest of a body"
    BUSY = "a thread answers, or will"
    SENDING = "the answer is made, and not all of it is sent, or not all of the body is read"
    LINGERING = "nothing more is answered"
    CLOSED = "closed"


class _More(Exception):
    """The parser wants to read more than there is."""


class _Arrived(Unreader):  # type: ignore[misc]
    """What has arrived, for gunicorn's parser."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = data

    def chunk(self, _size_hint: int | None = None) -> bytes:
        data, self._data = self._data, b""
        if not data:
            raise _More
        return data


class Connection:
    def __init__(self, front: "Front", sock: socket.socket, client: Any, server: Any) -> None:
        self.front, self.socket, self.client, self.server = front, sock, client, server
        self.outbox = Outbox(sock, front.keep, front.folder)
        self.state = State.HEAD
        self.events = 0
        """Of the poller, that are waited for."""
        self.requests = 0
        self.since = time.monotonic()
        """When this state began."""
        self.moved = 0
        """Bytes that came or went since then."""
        self._pace: Pace | None = front.pace_of_heads()
        self._buffer = bytearray()
        self._try_at = 1
        self._clear()

    def _clear(self) -> None:
        self._request: Any = None
        self._framing: Framing | None = None
        self._body: Received | None = None
        self._most = 0
        self._exchange: Exchange | None = None
        self._wants_100 = self._is_wanted = self._can_go_on = self._is_stepping = self._drains = False

    # What the loop tells

    @property
    def is_idle(self) -> bool:
        """Whether nothing is known of what it is for."""
        return self.state is State.HEAD and not self._buffer

    @property
    def deadline(self) -> float:
        return self._pace.deadline if self._pace else _NEVER

    @property
    def kept(self) -> int:
        """Bytes in temporary files."""
        return self._body.on_disk if self._body else 0

    def hurry(self, deadline: float) -> None:
        """Let no client take longer than to that moment."""
        if self._pace:
            self._pace.deadline = min(self._pace.deadline, deadline)

    def on_event(self, is_readable: bool, is_writable: bool) -> None:
        if is_writable and self.outbox.waiting:
            self._push()
        if is_readable and (self.state in {State.HEAD, State.BODY, State.LINGERING} or self._drains):
            self.read()

    def read(self) -> None:
        try:
            data = self.socket.recv(_PIECE, _AT_ONCE)
        except BlockingIOError:
            self._wait()
            return
        except OSError:
            self.close()
            return
        if not data:
            self._on_end()
            return
        self.moved += len(data)
        if self.is_idle:
            self._pace = self.front.pace_of_heads()
        elif self._pace:
            self._pace.moved(time.monotonic(), len(data))
        if self.state is State.HEAD:
            self._buffer += data
            self._try_head(len(data))
        elif self.state is State.BODY or self._drains:
            self._feed(data)
        self._wait()

    def overdue(self) -> None:
        """The client was too slow."""
        self.front.cut_off += 1
        if self.state is State.HEAD and self._buffer:
            self.refuse("slow")
        elif self.state is State.BODY:
            self._refuse_body("slow")
        else:
            if self.state in {State.BUSY, State.SENDING}:
                self._reset()
            self.close()

    # A head

    def _try_head(self, count: int) -> None:
        """Have gunicorn read the head when there may be a whole one, or much of it: some can't become one any more."""
        # A sign of when to look, not of where it ends: that the parser says.
        end = self._buffer.find(b"\n\r\n", max(0, len(self._buffer) - count - 2))
        if end < 0 and b"\n\n" not in self._buffer[-count - 1 :] and len(self._buffer) < self._try_at:
            return
        arrived = _Arrived(bytes(self._buffer))
        try:
            request = Request(self.front.cfg, arrived, self.client, self.requests + 1)
        except _More:
            self._try_at = max(2 * len(self._buffer), 8192)
            return
        except Exception as error:
            self._buffer.clear()
            self._refuse_head(error)
            return
        self._buffer.clear()
        self._try_at = 8192
        self.requests += 1
        self._begin(request, arrived.take_buffered())

    def _refuse_head(self, error: Exception) -> None:
        """Answer what is no request. Our own words for it take a page to be made: a thread's work."""
        self._enter(State.BUSY)
        self._is_stepping = True

        def answer() -> None:
            with suppress(OSError):
                self.front.worker.handle_error(None, self.outbox, self.client, error)
            self.front.later(self._answered)

        self.front.lanes["files"].resume(Job(answer, _nothing))

    def _begin(self, request: Any, rest: bytes) -> None:
        self._request, self._framing = request, framing(request)
        # The answer to it is ours, when the body is wanted.
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

    # A body

    def _receive(self, most: int, first: bytes = b"") -> None:
        """Take in up to `most` bytes of the body."""
        self._most = most
        if self._body is None:
            self._body = Received(self.front.keep, self.front.folder)
        if self._wants_100:
            self._wants_100 = False
            with suppress(OSError):
                self.outbox.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.outbox.push()
        self._enter(State.BODY, self.front.pace())
        data, self._buffer = first or bytes(self._buffer), bytearray()
        if data:
            self._feed(data)

    def _feed(self, data: bytes) -> None:
        """Take what belongs to the body; when it is complete, or more than is taken, have it answered."""
        assert self._framing
        if self._drains:
            self._drain(data)
            return
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
            # Of one in chunks, whose length is known at its end.
            self._run(self._body if self._is_wanted else None)

    def _drain(self, data: bytes) -> None:
        """Read on what nobody wanted."""
        assert self._framing
        try:
            self._buffer += self._framing.feed(data, _drop)
        except ParseError:
            self._can_go_on = False
        if self._framing.is_complete or not self._can_go_on:
            self._drains, self._framing = False, None
            self._answered()

    def _on_end(self) -> None:
        """The client sends nothing more."""
        if self.state is State.BODY and self._body:
            # It is told so, if it listens.
            self._refuse_body("cut")
        elif self.state is State.SENDING and self.outbox.waiting:
            self._drains = self._can_go_on = False
            self._wait()
        else:
            self.close()

    # An answer

    def _run(self, body: "Received | Nothing | None") -> None:
        """Have a thread answer, with the body or, for None, by the head alone, if it can be."""
        request = self._request
        self._enter(State.BUSY)
        is_last = self._wants_100
        try:
            if isinstance(body, Received):
                body.rewind()
        except DiskFull:
            self._refuse_body("full")
            return
        exchange = Exchange(self.front.worker, request, self.outbox, self.client, self.server)
        self._lane = self.front.lanes[lane_of(request.method, below_base_path(request.path))]
        self._exchange = exchange
        self._start(lambda: exchange.step(body, is_last=is_last), self._lane.submit)

    def _start(self, step: Callable[[], None], submit: Callable[[Job], bool | None]) -> None:
        def run() -> None:
            try:
                step()
            except BaseException:
                self.front.worker.log.exception("Error in a thread")
                self.outbox.close()
            self.front.later(self._stepped)

        self._is_stepping = True
        if submit(Job(run, self.too_late)) is False:
            self.too_late()

    def too_late(self) -> None:
        """No thread had time for it."""
        self._is_stepping = False
        if self.state is State.CLOSED:
            self._let_go()
        else:
            self.refuse("busy")

    def _stepped(self) -> None:
        """A thread has gone as far as it could."""
        self._is_stepping = False
        exchange = self._exchange
        if self.state is State.CLOSED or exchange is None:
            self._let_go()
        elif exchange.wanted is not None:
            self._is_wanted = True
            # One more byte tells that it is too long.
            self._receive(exchange.wanted + 1)
            self._wait()
        elif exchange.is_over:
            self._can_go_on = exchange.can_go_on
            if exchange.has_failed:
                self.close()
            else:
                self._answered()
        elif self.outbox.is_broken:
            self._let_go()
            self.close()
        else:
            self._enter(State.BUSY, self.front.pace())
            self._wait()

    def _answered(self) -> None:
        """All of the answer is in the outbox: send it, and read the rest of the body."""
        self._is_stepping = False
        if self.state is State.CLOSED:
            self._let_go()
            return
        if self._body:
            self._body.close()
        if self.outbox.is_broken:
            self.close()
            return
        is_sent = self.outbox.push()
        if self._can_go_on and self._framing and not self._framing.is_complete:
            if not self._drains:
                self._drains = True
                self._enter(State.SENDING, Pace(time.monotonic(), LINGER_UNREAD, _NEVER))
                data, self._buffer = bytes(self._buffer), bytearray()
                if data:
                    self._drain(data)
            self._wait()
        elif not is_sent:
            self._enter(State.SENDING, self.front.pace())
            self._wait()
        elif self._can_go_on and (self.front.is_open or self._buffer):
            self._next()
        else:
            self._linger()

    def _push(self) -> None:
        before = self.outbox.sent
        is_sent = self.outbox.push()
        count = self.outbox.sent - before
        self.moved += count
        if self._pace:
            self._pace.moved(time.monotonic(), count)
        if self.outbox.is_broken:
            self.close()
        elif self.state is State.SENDING:
            if is_sent:
                self._answered()
        elif self.state is State.BUSY and not self._is_stepping and self.outbox.waiting < IN_MEMORY // 2:
            self._pace = None
            exchange = self._exchange
            assert exchange
            self._start(exchange.step, self._lane.resume)
        self._wait()

    def _refuse_body(self, why: str) -> None:
        """Refuse what can't be read to its end."""
        self._framing = None
        self.refuse(why, is_last=True)

    def refuse(self, why: str, *, is_last: bool = False) -> None:
        """Answer at once, without a thread."""
        is_read = self._request is not None and (self._framing is None or self._framing.is_complete)
        self._can_go_on = not is_last and is_read and self.front.is_open and not self._request.should_close()
        with suppress(OSError):
            self.outbox.sendall(refusals.answer(why, self._request, close=not self._can_go_on))
        self._exchange = None
        if not self._can_go_on:
            self._buffer.clear()
        self._answered()
        self._wait()

    # Its end

    def _next(self) -> None:
        """Wait for the next request, which may be there already."""
        self._clear()
        self._try_at = 1
        self._enter(State.HEAD, self.front.pace_of_heads() if self._buffer else self.front.pace_between())
        if self._buffer:
            self._try_head(len(self._buffer))
        self._wait()

    def _linger(self) -> None:
        is_unread = self._framing is not None and not self._framing.is_complete
        self._clear()
        self._buffer.clear()
        self._enter(State.LINGERING, Pace(time.monotonic(), LINGER_UNREAD if is_unread else LINGER, _NEVER))
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
            return
        self._wait()

    def _reset(self) -> None:
        """Have the system forget what it holds for a client that doesn't take it."""
        with suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def close(self) -> None:
        if self.state is State.CLOSED:
            return
        self.front.forget(self)
        self._enter(State.CLOSED)
        self.outbox.close()
        with suppress(OSError):
            self.socket.close()
        if not self._is_stepping:
            self._let_go()

    def _let_go(self) -> None:
        """After its end, give back what was kept for it: no thread is at it any more."""
        if self._body:
            self._body.close()
        exchange, self._exchange = self._exchange, None
        if exchange and not exchange.is_over:
            self._lane.resume(Job(exchange.abandon, _nothing))

    # What it waits for

    def _enter(self, state: State, pace: Pace | None = None) -> None:
        self.state, self._pace = state, pace
        self.since, self.moved = time.monotonic(), 0
        self.front.entered(self)

    def _wait(self) -> None:
        """Have the loop tell what is waited for."""
        reads = self.state in {State.HEAD, State.BODY, State.LINGERING} or self._drains
        writes = bool(self.outbox.waiting) and (
            self.state is State.SENDING or (self.state is State.BUSY and not self._is_stepping)
        )
        self.front.wait_for(self, reads=reads, writes=writes)


def _drop(_data: bytes) -> None:
    pass


def _nothing() -> None:
    pass
