"""A decoder process as seen by its parent: its answers are untrusted, and it is ended at its deadline."""

import fcntl
import json
import math
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeAlias

import PIL
from django.conf import settings

from search.decoding.errors import NoDecoder
from search.imaging import Reason, UnreadableImage

Source: TypeAlias = bytes | IO[bytes]
"""A file: its bytes, or an open file, which is read from its beginning while a decoder takes it."""

BASE = 16 << 20
"""Bytes that a decoder takes without a picture."""
_STARTING = 60.0
"""Seconds that a loaded machine may take to start a process, usually 0.1 s."""
_READY = b"ready\n"
_PIECE = 1 << 18
_PIPE = 1 << 20
_LONGEST_LINE = 1 << 16
_MOST_BYTES = 4_000_000_000
_F_SETPIPE_SZ = 1031


@dataclass(frozen=True, slots=True)
class Job:
    """A decoder's job: a task of search.imaging.decoder_tasks with its options, within `memory` bytes and `seconds`.

    `processor_seconds` is enforced by the kernel, even if the parent is gone.
    """

    task: str
    options: Mapping[str, object]
    memory: int
    seconds: float
    processor_seconds: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a job. `needs` is the memory it would take in bytes, if that is more than its limit; else 0."""

    facts: Mapping[str, Any]
    blobs: list[bytes] = field(repr=False)
    needs: int = 0


class Decoder:
    """A process that decodes one file at a time, for one thread at a time."""

    def __init__(self) -> None:
        """Start the process. Raises NoDecoder."""
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-I", "-S", "-c", _START, *_paths(), settings.DECODER, str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
                cwd="/",
                bufsize=0,
                start_new_session=True,  # Ctrl-C in a terminal is for the parent
            )
        except OSError as error:
            raise NoDecoder(f"The process that opens pictures can't be started: {error}") from error
        assert self._process.stdin
        assert self._process.stdout
        self._jobs, self._answers = self._process.stdin.fileno(), self._process.stdout.fileno()
        for pipe in (self._jobs, self._answers):
            os.set_blocking(pipe, False)
            with suppress(OSError):  # not on macOS, nor beyond the user's limit
                fcntl.fcntl(pipe, _F_SETPIPE_SZ, _PIPE)
        self.last_used = time.monotonic()
        try:
            reader = _Reader(self._answers, time.monotonic() + _STARTING)
            if reader.line() != _READY:
                raise EOFError
        except (EOFError, TimeoutError):
            self.end()
            raise NoDecoder(
                f"The process that opens pictures ends as soon as it is started ({self._end_in_words()})."
            ) from None

    def work(self, job: Job, source: Source) -> Answer:
        """Run the job; afterwards the decoder is either idle or ended. Raises UnreadableImage."""
        deadline = time.monotonic() + job.seconds
        try:
            self._send(job, source, deadline)
            answer, blobs = self._receive(deadline)
            if answer.get("ends"):
                self.end()
            return _checked(answer, blobs)
        except UnreadableImage:
            raise  # a refused file doesn't cost the process
        except TimeoutError:
            self.end()
            raise UnreadableImage(Reason.TOO_SLOW) from None
        except (EOFError, BrokenPipeError):
            self.end()
            raise UnreadableImage(self._reason()) from None
        except BaseException:
            self.end()  # interrupted, in an unknown state
            raise
        finally:
            self.last_used = time.monotonic()

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def end(self) -> None:
        """End the process, whatever it is doing."""
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()
        if self._process.stdout and not self._process.stdout.closed:
            self._process.stdout.close()
        # If it died by itself, wait for its exit status, which says why.
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0.2)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def forget(self) -> None:
        """Close this process's copies of the pipes: after a fork, the decoder is the parent's."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
        self._process.returncode = 0  # not a child of this process

    def _send(self, job: Job, source: Source, deadline: float) -> None:
        head = {
            "task": job.task,
            "options": job.options,
            "memory": job.memory,
            "seconds": job.processor_seconds,
            "size": size_of(source),
        }
        with selectors.DefaultSelector() as selector:
            selector.register(self._jobs, selectors.EVENT_WRITE)
            for piece in (json.dumps(head).encode() + b"\n", *_pieces(source)):
                left = memoryview(piece)
                while left:
                    if not selector.select(max(0.0, deadline - time.monotonic())):
                        raise TimeoutError
                    left = left[os.write(self._jobs, left) :]

    def _receive(self, deadline: float) -> tuple[dict[str, Any], list[bytes]]:
        reader = _Reader(self._answers, deadline)
        try:
            answer = json.loads(reader.line())
            sizes = [int(size) for size in answer.pop("sizes")]
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            raise EOFError from error
        if min(sizes, default=0) < 0 or sum(sizes) > _MOST_BYTES:
            raise EOFError
        return answer, [reader.blob(size) for size in sizes]

    def _reason(self) -> Reason:
        """Return why a file that ended the decoder is refused, from its exit status."""
        status = self._process.returncode
        if status == -signal.SIGKILL:  # by the kernel, out of memory
            return Reason.NO_MEMORY
        return Reason.TOO_SLOW if status == -signal.SIGXCPU else Reason.BROKE_OFF

    def _end_in_words(self) -> str:
        status = self._process.returncode or 0
        return signal.strsignal(-status) or f"signal {-status}" if status < 0 else f"exit status {status}"


_START = """
import sys
sys.path[:0] = sys.argv[1:-2]
from importlib import import_module
import_module(sys.argv[-2]).main(int(sys.argv[-1]))
"""


def _paths() -> list[str]:
    """Return the decoder's module search path: our code, and the packages beside Pillow."""
    return [str(settings.BASE_DIR), str(Path(PIL.__file__).parent.parent)]


class _Reader:
    """Reads a non-blocking pipe up to a deadline. Raises TimeoutError, and EOFError if the pipe is closed."""

    def __init__(self, pipe: int, deadline: float) -> None:
        self._pipe, self._deadline = pipe, deadline
        self._ahead = b""

    def line(self) -> bytes:
        while b"\n" not in self._ahead:
            if len(self._ahead) > _LONGEST_LINE:
                raise EOFError
            self._ahead += self._piece(_LONGEST_LINE)
        line, _, self._ahead = self._ahead.partition(b"\n")
        return line + b"\n"

    def blob(self, size: int) -> bytes:
        found = bytearray(self._ahead[:size])
        self._ahead = self._ahead[size:]
        while len(found) < size:
            found += self._piece(size - len(found))
        return bytes(found)

    def _piece(self, most: int) -> bytes:
        while True:
            try:
                piece = os.read(self._pipe, min(most, _PIPE))
            except BlockingIOError:
                self._wait()
                continue
            if not piece:
                raise EOFError
            return piece

    def _wait(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._pipe, selectors.EVENT_READ)
            if not selector.select(max(0.0, self._deadline - time.monotonic())):
                raise TimeoutError


def size_of(source: Source) -> int:
    """Return the size of a file in bytes."""
    return len(source) if isinstance(source, bytes) else source.seek(0, os.SEEK_END)


def _pieces(source: Source) -> Iterator[bytes | memoryview]:
    if isinstance(source, bytes):
        yield memoryview(source)
        return
    source.seek(0)
    while piece := source.read(_PIECE):
        yield piece


def _checked(answer: dict[str, Any], blobs: list[bytes]) -> Answer:
    """Return a decoder's answer. Raises UnreadableImage if it refuses the file, EOFError if the answer is invalid."""
    if "refused" in answer:
        try:
            refused = UnreadableImage(
                Reason(answer["refused"]), **{str(name): str(value) for name, value in answer["figures"].items()}
            )
            str(refused)
        except (ValueError, KeyError, AttributeError) as error:
            raise EOFError from error
        raise refused
    needs = answer.get("needs", 0)
    if not isinstance(needs, int | float) or not math.isfinite(needs) or needs < 0:
        raise EOFError
    return Answer(answer, blobs, int(needs))
