"""A non-blocking socket in the loop, with its state and deadline."""

import socket
import struct
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Any

from imagesearch.serving.client_deadlines import Pace
from imagesearch.serving.response_buffer import Outbox

if TYPE_CHECKING:
    from imagesearch.serving.event_loop import Front

LINGER, LINGER_UNREAD = 2.0, 10.0
"""Seconds for which input is drained after the last response: closing the connection while the client sends resets
it, and the response is lost. Longer for an unread body."""
NEVER = float("inf")
AT_ONCE = getattr(socket, "MSG_DONTWAIT", 0)
_PIECE = 64 * 1024


class State(Enum):
    HEAD = "waits for a head, or for the rest of it"
    BODY = "waits for the rest of a body"
    BUSY = "a thread answers, or will, or what it has made is being sent"
    SENDING = "the answer is made, and not all of it is sent, or not all of the body is read"
    LINGERING = "nothing more is answered"
    CLOSED = "closed"


_READING = {State.HEAD, State.BODY, State.LINGERING}


class Link(ABC):
    def __init__(self, front: "Front", sock: socket.socket, client: Any) -> None:
        self.front, self.socket, self.client = front, sock, client
        self.outbox = Outbox(sock, front.keep, front.folder)
        self.state = State.HEAD
        self.events = 0
        """The poller's events that are registered."""
        self.since = time.monotonic()
        """When this state began, in monotonic seconds."""
        self.moved = 0
        """Bytes sent and received since then."""
        self.pace: Pace | None = front.pace_of_heads()
        self.is_stepping = False
        """Whether a thread runs a step of the exchange, or will."""
        self.drains = False
        """Whether the unread rest of a body is being drained."""

    # Implemented by Connection

    @property
    @abstractmethod
    def is_idle(self) -> bool:
        """Whether no byte of a request has arrived."""

    @abstractmethod
    def arrived(self, data: bytes) -> None:
        """The client has sent `data`."""

    @abstractmethod
    def ended(self) -> None:
        """The client sends nothing more."""

    @abstractmethod
    def pushed(self, is_sent: bool) -> None:
        """More of the response was sent, or all of it."""

    @abstractmethod
    def let_go(self) -> None:
        """Release resources after the end, when no thread uses them any more."""

    # Called by the loop

    @property
    def deadline(self) -> float:
        return self.pace.deadline if self.pace else NEVER

    def hurry(self, deadline: float) -> None:
        """Bring the deadline forward to `deadline`."""
        if self.pace:
            self.pace.deadline = min(self.pace.deadline, deadline)

    def on_event(self, is_readable: bool, is_writable: bool) -> None:
        if is_writable and self.outbox.waiting:
            self._push()
        if is_readable and (self.state in _READING or self.drains):
            self.read()

    def read(self) -> None:
        try:
            data = self.socket.recv(_PIECE, AT_ONCE)
        except BlockingIOError:
            self.wait()
            return
        except OSError:
            self.close()
            return
        if not data:
            self.ended()
            return
        self.moved += len(data)
        if self.is_idle:
            self.pace = self.front.pace_of_heads()
        elif self.pace:
            self.pace.moved(time.monotonic(), len(data))
        self.arrived(data)
        self.wait()

    def _push(self) -> None:
        before = self.outbox.sent
        is_sent = self.outbox.push()
        count = self.outbox.sent - before
        self.moved += count
        if self.pace:
            self.pace.moved(time.monotonic(), count)
        if self.outbox.is_broken:
            self.close()
        else:
            self.pushed(is_sent)
        self.wait()

    # State and end

    def enter(self, state: State, pace: Pace | None = None) -> None:
        self.state, self.pace = state, pace
        self.since, self.moved = time.monotonic(), 0
        self.front.entered(self)

    def wait(self) -> None:
        """Register the events that this state waits for."""
        is_to_be_sent = self.state is State.SENDING or (self.state is State.BUSY and not self.is_stepping)
        reads = self.state in _READING or self.drains
        self.front.wait_for(self, reads=reads, writes=is_to_be_sent and self.outbox.waiting > 0)

    def linger(self, seconds: float) -> None:
        """Close the sending side, and drain input for a while."""
        self.enter(State.LINGERING, Pace(time.monotonic(), seconds, NEVER))
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
            return
        self.wait()

    def reset(self) -> None:
        """Have the kernel drop what it buffers for a client that doesn't receive it."""
        with suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def close(self) -> None:
        if self.state is State.CLOSED:
            return
        self.front.forget(self)
        self.enter(State.CLOSED)
        self.outbox.close()
        with suppress(OSError):
            self.socket.close()
        if not self.is_stepping:
            self.let_go()
