"""Ctrl-C while ingestion holds a lock: the signal handler, which runs in the main thread, waits for no lock."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from types import FrameType
from typing import Any

import pytest
from django.core.management.base import OutputWrapper

from imagesearch.interrupts import keep_interrupts
from search.ingestion.pipeline.steps import Pipeline
from search.ingestion.pipeline.stopping import Stop, stopping_in_order
from search.management.embedding_commands import stopped_by_signals


@contextmanager
def no_longer_than(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the main thread, even if it waits for a lock."""

    def give_up(number: int, frame: FrameType | None) -> None:
        raise TimeoutError("It hangs.")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def open_pipeline() -> Iterator[Pipeline]:
    pipeline = Pipeline([], [], dry=True, enqueue=True)
    yield pipeline
    pipeline.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_locks_are_held_stops_the_pipeline(open_pipeline: Pipeline, number: int) -> None:
    # The main thread is in `Pipeline.finish`, where it spends most of the time if pictures are known.
    with no_longer_than(10), stopping_in_order(open_pipeline.stop):
        with open_pipeline._room._cond, open_pipeline._file_bytes._changed, open_pipeline._picture_bytes._changed:
            os.kill(os.getpid(), number)
        assert open_pipeline.is_stopping


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_seen_by_waiting_and_by_later_callers(number: int) -> None:
    out = StringIO()
    with no_longer_than(10), stopped_by_signals(OutputWrapper(out)) as stop:
        assert not stop.wait(0.001)
        with stop._cond:  # the lock that Python's own event holds during a wait
            os.kill(os.getpid(), number)
        assert stop.is_set()
        assert stop.wait()
        assert stop.wait(0.001)
    assert out.getvalue() == "Stopping after the batch in progress.\n"


def test_a_signal_wakes_the_waiting_main_thread() -> None:
    with no_longer_than(10), stopped_by_signals(OutputWrapper(StringIO())) as stop:
        threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT)).start()
        assert stop.wait()


def test_an_interruption_in_a_callback_is_repeated() -> None:
    class Dropped:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    before, hook = signal.getsignal(signal.SIGTERM), sys.unraisablehook
    try:
        keep_interrupts()
        dropped = Dropped()
        del dropped  # where Python only reports an exception
        with pytest.raises(KeyboardInterrupt):
            threading.Event().wait(20)
    finally:
        signal.signal(signal.SIGTERM, before)
        sys.unraisablehook = hook


def test_every_waiting_thread_is_woken() -> None:
    stop, woken = Stop(), threading.Barrier(4)

    def wait() -> None:
        stop.wait()
        woken.wait(10)

    threads = [threading.Thread(target=wait, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    stop.set()
    woken.wait(10)


def test_a_signal_is_handled_although_stderr_is_closed() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as gone, no_longer_than(10), stopped_by_signals(OutputWrapper(gone)) as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.is_set()


def test_a_signal_during_a_write_to_the_same_file_is_reported(tmp_path: Any) -> None:
    with (tmp_path / "log").open("w") as log, stopped_by_signals(OutputWrapper(log)) as stop:
        write = log.write
        write("before ")
        os.kill(os.getpid(), signal.SIGINT)
        write("after")
        assert stop.is_set()
    assert sorted((tmp_path / "log").read_text().split("\n")) == sorted(
        ["Stopping after the batch in progress.", "before after"]
    )
