"""The event loop of a worker: it accepts connections, reads requests and sends responses in one thread, and hands
complete requests to the thread pool of their lane."""

import errno
import ipaddress
import logging
import selectors
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from django.conf import settings
from gunicorn.workers.gthread import PollableMethodQueue

from imagesearch.serving import refusals
from imagesearch.serving.client_deadlines import Pace
from imagesearch.serving.connection import Connection
from imagesearch.serving.connection_capacity import room_for
from imagesearch.serving.sockets import Link, State
from imagesearch.serving.thread_pools import Job, Lane

logger = logging.getLogger(__name__)

_ACCEPTED = 8
"""Connections accepted in a row: other processes may be less busy."""
_BACKLOG = 2048
"""Size of the listen backlog."""
_TICK, _FINE_TICK = 0.25, 0.05
"""Seconds between checks for timeouts; the shorter while requests wait for a thread."""
_YOUNG = 2.0
"""Minimum age in seconds of a connection that is cut off to free space."""
_UNSENT = 128 * 1024
"""Bytes of a response that the kernel buffers unsent: with more, the client's pace couldn't be measured."""
_HEADS = 32_000_000
"""Maximum bytes of memory for incomplete heads, enforced where one of them is large."""
_NO_ROOM = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_TRIED_AGAIN = {errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED, errno.EINTR}


class Front:
    def __init__(self, worker: Any) -> None:
        self.worker, self.cfg = worker, worker.cfg
        self.folder: str | None = settings.FILE_UPLOAD_TEMP_DIR
        # Lane: threads, seconds within which a request is answered, maximum length of the queue.
        self.lanes = {
            "alive": Lane(1, 5.0, 64, self._late),
            "ready": Lane(1, 5.0, 16, self._late),
            "files": Lane(2, 5.0, 512, self._late),
            "searches": Lane(self.cfg.threads, settings.SEARCH_WITHIN_SECONDS, 512, self._late),
            "work": Lane(3, 30.0, 64, self._late),
        }
        self.connections: set[Connection] = set()
        self._heads: dict[Connection, None] = {}
        """Connections waiting for a head, longest first."""
        self._most, self._most_of_one = room_for(self.cfg.worker_connections)
        self._by_network: Counter[str] = Counter()
        self.cut_off = self.kept = 0
        self._keeping = threading.Lock()
        # Two requests of the maximum size fit in any case.
        kept_mb = max(settings.UPLOADS_KEPT_MB // max(1, self.cfg.workers), 2 * settings.UPLOAD_MAX_REQUEST_MB)
        self._most_kept = kept_mb * 1_000_000
        self._poller = selectors.DefaultSelector()
        self._calls = PollableMethodQueue()
        self._calls.init()
        self._poller.register(self._calls.fileno(), selectors.EVENT_READ, None)
        self._listeners: list[Any] = []
        self._paused: list[Any] = []
        """Listeners that are paused until there are file descriptors again."""
        self._next_look = 0.0

    @property
    def is_open(self) -> bool:
        """Whether connections are kept alive for another request."""
        return bool(self.worker.alive and self.cfg.keepalive)

    def status(self) -> dict[str, Any]:
        """Return counts of this process: connections, clients that were too slow, and each lane's."""
        lanes = {name: lane.status() for name, lane in self.lanes.items()}
        return {
            "connections": len(self.connections),
            "cut_off": self.cut_off,
            "kept_bytes": self.kept,
            "lanes": lanes,
        }

    # Paces, from the settings

    def pace(self) -> Pace:
        return Pace(time.monotonic(), settings.CLIENT_STALL_SECONDS, settings.CLIENT_LEAST_KB * 1000)

    def pace_of_heads(self) -> Pace:
        return Pace(time.monotonic(), settings.CLIENT_HEAD_SECONDS, settings.CLIENT_LEAST_KB * 1000)

    def pace_between(self) -> Pace:
        return Pace(time.monotonic(), self.cfg.keepalive if self.worker.alive else 1.0, float("inf"))

    # The loop

    def listen(self, listeners: Iterable[Any]) -> None:
        for listener in listeners:
            listener.setblocking(False)
            if hasattr(socket, "TCP_NOTSENT_LOWAT") and listener.sock.family != socket.AF_UNIX:
                with suppress(OSError):
                    listener.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)
            self._poller.register(listener, selectors.EVENT_READ, listener)
            self._listeners.append(listener)

    def stop_listening(self) -> None:
        """Accept what is in the backlog, and close the listeners."""
        for listener in self._listeners:
            if listener not in self._paused:
                self._poller.unregister(listener)
            for _ in range(_BACKLOG):
                if not self._accept(listener, beyond=True):
                    break
            listener.close()
        self._listeners.clear()
        self._paused.clear()

    def later(self, call: Callable[..., None], *args: Any) -> None:
        """Schedule a call in the loop. Thread-safe."""
        self._calls.defer(self._safely, call, *args)

    def turn(self) -> None:
        """Wait for events, a quarter of a second at most, and handle them."""
        waits = any(lane.has_waiting for lane in self.lanes.values())
        try:
            events = self._poller.select(_FINE_TICK if waits else _TICK)
        except InterruptedError:
            return
        listeners = []
        for key, mask in events:
            if key.data is None:
                self._calls.run_callbacks(None)
            elif isinstance(key.data, Connection):
                reads, writes = mask & selectors.EVENT_READ, mask & selectors.EVENT_WRITE
                self._safely(key.data.on_event, bool(reads), bool(writes))
            else:
                listeners.append(key.data)
        for listener in listeners:
            self._accept_some(listener)
        self._look()

    def _safely(self, call: Callable[..., Any], *args: Any) -> None:
        """Make a call that concerns one connection; its failure must not end all others."""
        try:
            call(*args)
        except Exception:
            logger.exception("A connection is given up")
            connection = getattr(call, "__self__", None)
            if isinstance(connection, Connection):
                connection.close()

    def _look(self) -> None:
        """Handle timeouts."""
        for lane in self.lanes.values():
            for job in lane.expired():
                self._safely(job.refuse)
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _TICK
        for listener in self._paused:
            self._poller.register(listener, selectors.EVENT_READ, listener)
        self._paused.clear()
        for connection in [one for one in self.connections if one.deadline < now]:
            self._safely(connection.overdue)
        if self.kept > self._most_kept:
            self._give_up_a_keeper(now)

    def _late(self, job: Job) -> None:
        self.later(job.refuse)

    # Connections

    def _accept_some(self, listener: Any) -> None:
        for _ in range(_ACCEPTED):
            if not self._accept(listener) or self.lanes["searches"].is_full:
                return

    def _accept(self, listener: Any, *, beyond: bool = False) -> bool:
        """Accept a connection; False when there is none. `beyond`: even above the limit."""
        try:
            sock, client = listener.accept()
        except OSError as error:
            if error.errno in _NO_ROOM:
                self._give_up_the_idlest()
                if not beyond:
                    self._poller.unregister(listener)
                    self._paused.append(listener)
            elif error.errno not in _TRIED_AGAIN:
                raise
            return False
        if not beyond and not self._make_room(client):
            self._refuse(sock)
            return True
        connection = Connection(self, sock, client, listener.getsockname())
        self.connections.add(connection)
        self._by_network[network_of(client)] += 1
        self.entered(connection)
        # Mostly the request has arrived already.
        self._safely(connection.read)
        return True

    def _make_room(self, client: Any) -> bool:
        """Make room for a connection, closing an idle one at the limit. False where none is idle."""
        network = network_of(client)
        if network and self._by_network[network] >= self._most_of_one and not self._give_up_the_idlest(network):
            return False
        return len(self.connections) < self._most or self._give_up_the_idlest()

    def _give_up_the_idlest(self, network: str = "") -> bool:
        for connection in self._heads:
            if not network or network_of(connection.client) == network:
                connection.close()
                return True
        oldest = min(
            (one for one in self.connections if one.state is State.LINGERING),
            key=lambda one: one.since,
            default=None,
        )
        if oldest and not network:
            oldest.close()
        return bool(oldest and not network)

    def _refuse(self, sock: socket.socket) -> None:
        with suppress(OSError), sock:
            sock.send(refusals.answer("busy", None, close=True), socket.MSG_DONTWAIT)
            sock.shutdown(socket.SHUT_WR)

    def _give_up_a_keeper(self, now: float) -> None:
        """Cut off the slowest of those that fill the temporary folder."""
        keepers = [one for one in self.connections if one.kept and now - one.since > _YOUNG]
        if keepers:
            slowest = min(keepers, key=lambda one: one.moved / (now - one.since))
            logger.warning("The buffered request bodies exceed the available space: closing the slowest connection.")
            self._safely(slowest.overdue)

    # Called by connections

    def keep(self, count: int) -> None:
        """Count bytes in temporary files; negative when they are freed."""
        with self._keeping:
            self.kept += count

    def has_room_for_heads(self) -> bool:
        return sum(one.buffered for one in self._heads) < _HEADS

    def entered(self, connection: Link) -> None:
        assert isinstance(connection, Connection)
        self._heads.pop(connection, None)
        if connection.state is State.HEAD:
            self._heads[connection] = None

    def wait_for(self, connection: Link, *, reads: bool, writes: bool) -> None:
        wanted = selectors.EVENT_READ * reads | selectors.EVENT_WRITE * writes
        if connection.state is State.CLOSED or wanted == connection.events:
            return
        if not wanted:
            self._poller.unregister(connection.socket)
        elif connection.events:
            self._poller.modify(connection.socket, wanted, connection)
        else:
            self._poller.register(connection.socket, wanted, connection)
        connection.events = wanted

    def forget(self, connection: Link) -> None:
        if connection.events:
            with suppress(KeyError, ValueError, OSError):
                self._poller.unregister(connection.socket)
            connection.events = 0
        assert isinstance(connection, Connection)
        self._heads.pop(connection, None)
        self.connections.discard(connection)
        network = network_of(connection.client)
        self._by_network[network] -= 1
        if self._by_network[network] <= 0:
            del self._by_network[network]

    # Stopping

    def hurry(self, deadline: float) -> None:
        for connection in list(self.connections):
            if connection.is_idle or connection.state is State.LINGERING:
                connection.hurry(deadline)

    def refuse_unanswered(self) -> None:
        """Refuse the requests in progress that have no response yet: the process is about to end."""
        for connection in list(self.connections):
            self._safely(connection.refuse_unanswered)

    def close(self) -> None:
        for connection in list(self.connections):
            connection.close()
        self._poller.close()
        self._calls.close()


def network_of(client: Any) -> str:
    """Return the key by which a client's connections are counted: its address, for IPv6 its /64 network.

    "" for those that are not counted: Unix sockets, and private addresses, where proxies are.
    """
    if not isinstance(client, tuple):
        return ""
    try:
        address = ipaddress.ip_address(client[0].partition("%")[0])
    except ValueError:
        return ""
    address = getattr(address, "ipv4_mapped", None) or address
    if not address.is_global or any(address in network for network in getattr(settings, "TRUSTED_PROXIES", ())):
        return ""
    return str(address) if address.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))
