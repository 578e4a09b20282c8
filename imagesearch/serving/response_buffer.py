"""The send buffer of a connection. Writers never wait for the client: unsent bytes are kept in memory up to a page's
size and in a temporary file beyond, and sent whenever there is room."""

import os
import socket
import tempfile
import threading
from collections import deque
from collections.abc import Callable
from typing import IO, Any

_PIECE = 64 * 1024
IN_MEMORY = 128 * 1024
"""Maximum bytes in memory for one connection."""
_AT_ONCE = getattr(socket, "MSG_DONTWAIT", 0) | getattr(socket, "MSG_NOSIGNAL", 0)


class _File:
    """A part of a file; its descriptor is closed at the end where it is `ours`."""

    __slots__ = ("at", "fd", "left", "ours")

    def __init__(self, fd: int, at: int, left: int, *, ours: bool) -> None:
        self.fd, self.at, self.left, self.ours = fd, at, left, ours

    def close(self) -> None:
        if self.ours:
            os.close(self.fd)


class Outbox:
    """The part of a socket's interface that gunicorn writes to. Any thread may write and push."""

    def __init__(self, sock: socket.socket, keep: Callable[[int], None], folder: str | None) -> None:
        """`keep` is called with the bytes written to `folder`, negative when they are freed."""
        self._socket, self._keep, self._folder = sock, keep, folder
        self._lock = threading.Lock()
        self._pieces: deque[bytearray | _File] = deque()
        self._offset = 0
        """Bytes of the first piece that are sent, where it is bytes."""
        self._in_memory = 0
        self._spilled: IO[bytes] | None = None
        self.waiting = 0
        """Bytes not sent yet."""
        self.sent = 0
        self.kept = 0
        """Bytes in the temporary file."""
        self.is_broken = False
        """Whether the client has gone: nothing is buffered from then on."""

    # Called by gunicorn

    def sendall(self, data: bytes | bytearray | memoryview) -> None:
        if not data:
            return
        with self._lock:
            if self.is_broken:
                raise BrokenPipeError
            last = self._pieces[-1] if self._pieces else None
            if isinstance(last, bytearray) and len(last) < _PIECE:
                last += data
            else:
                self._pieces.append(bytearray(data))
            self._in_memory += len(data)
            self.waiting += len(data)
            is_much = self._in_memory >= _PIECE
        if is_much:
            self.push()

    def send(self, data: bytes) -> int:
        self.sendall(data)
        return len(data)

    def sendfile(self, file: IO[bytes], offset: int = 0, count: int | None = None) -> int:
        """Send `count` bytes of a file, which may be closed at once."""
        fd = os.dup(file.fileno())
        length = os.fstat(fd).st_size - offset if count is None else count
        with self._lock:
            self._pieces.append(_File(fd, offset, length, ours=True))
            self.waiting += length
        return length

    def shutdown(self, _how: int) -> None:
        """Does nothing: the connection does it."""

    def gettimeout(self) -> float:
        """Return 0: nothing here blocks."""
        return 0.0

    # Called by the server

    def push(self) -> bool:
        """Send what there is room for, and return whether that was all."""
        with self._lock:
            try:
                while self._pieces and not self.is_broken:
                    if not self._send_some():
                        self._spill()
                        return False
            except OSError:
                self._drop()
            return True

    def close(self) -> None:
        with self._lock:
            self._drop()

    def _send_some(self) -> bool:
        """Send part of the first piece. False when there is no room for more."""
        piece = self._pieces[0]
        if isinstance(piece, _File):
            data: Any = os.pread(piece.fd, min(_PIECE, piece.left), piece.at)
            if not data:
                raise BrokenPipeError("A file became shorter while it was sent.")
        else:
            data = memoryview(piece)[self._offset : self._offset + _PIECE]
        try:
            count = self._socket.send(data, _AT_ONCE)
        except BlockingIOError:
            return False
        finally:
            if isinstance(data, memoryview):
                data.release()
        self.sent += count
        self.waiting -= count
        self._move(piece, count)
        return count == len(data) if isinstance(piece, _File) else True

    def _move(self, piece: bytearray | _File, count: int) -> None:
        if isinstance(piece, _File):
            piece.at += count
            piece.left -= count
            if not piece.left:
                self._pieces.popleft()
                piece.close()
                self._shrink()
            return
        self._offset += count
        self._in_memory -= count
        if self._offset == len(piece):
            self._pieces.popleft()
            self._offset = 0

    def _spill(self) -> None:
        """Move the buffer to a file when it is too large for memory."""
        if self._in_memory <= IN_MEMORY:
            return
        if self._spilled is None:
            self._spilled = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed by _drop
        end = self._spilled.seek(0, os.SEEK_END)
        kept: deque[bytearray | _File] = deque()
        for piece in self._pieces:
            if isinstance(piece, _File):
                kept.append(piece)
                continue
            written = len(piece) - self._offset
            self._spilled.write(memoryview(piece)[self._offset :])
            kept.append(_File(self._spilled.fileno(), end, written, ours=False))
            self._keep(written)
            self.kept += written
            end, self._offset = end + written, 0
        self._spilled.flush()
        self._pieces, self._in_memory = kept, 0

    def _shrink(self) -> None:
        """Close the temporary file once all of it is sent."""
        if self._spilled and not any(isinstance(piece, _File) and not piece.ours for piece in self._pieces):
            self._keep(-self.kept)
            self._spilled.close()
            self._spilled, self.kept = None, 0

    def _drop(self) -> None:
        self.is_broken = True
        for piece in self._pieces:
            if isinstance(piece, _File):
                piece.close()
        self._pieces.clear()
        self.waiting = self._in_memory = self._offset = 0
        self._shrink()
