"""Share counters between the processes of a server: each writes files in one folder, which any of them can read.

A process has a slot number, which the next one inherits together with the counters in its files: with process ids in
the names, files would accumulate.
"""

import logging
import os
import shutil
import tempfile
import threading
import time
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connections

from search import embedding

logger = logging.getLogger(__name__)

PLACES = ("/dev/shm", tempfile.gettempdir())  # noqa: S108 - a folder of its own is made there
"""In memory where possible, and not on the disk of uploads: the files are memory-mapped, and writing to one on a full
disk kills the process (SIGBUS)."""
EVERY = 5.0
"""Seconds between two updates of a process's gauges."""
_PREFIX = "imagesearch-metrics-"
_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable from which prometheus_client reads the folder."""

_slots: dict[int, Any] = {}
"""Workers by slot; known to the parent."""
_slot = "parent"
_held: list[int] = []
"""Locked as long as the server lives, which distinguishes its folder from abandoned ones."""
_cpu_noted = 0.0
_counted: dict[str, int] = {}
_noting = threading.Lock()


def share() -> None:
    """Create the shared folder; in the parent, before any worker is started."""
    if not settings.METRICS_TOKEN:
        return
    import fcntl  # noqa: PLC0415 - only available where workers exist

    place = next(one for one in PLACES if os.access(one, os.W_OK))
    _remove_left_behind(place)
    folder = tempfile.mkdtemp(prefix=_PREFIX, dir=place)
    _held.append(os.open(folder, os.O_RDONLY))
    fcntl.flock(_held[-1], fcntl.LOCK_EX)
    os.environ[_FOLDER] = folder
    from prometheus_client import values  # noqa: PLC0415

    values.ValueClass = values.MultiProcessValue(lambda: _slot)  # type: ignore[no-untyped-call]
    from search.monitoring import instruments  # noqa: F401, PLC0415 - created once, before forking


def _remove_left_behind(place: str) -> None:
    """Remove the folders of killed servers."""
    import fcntl  # noqa: PLC0415 - see above

    for folder in Path(place).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # not ours, or in use
            number = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(number)


def folder() -> str | None:
    """Return the shared folder; None with a single process."""
    return os.environ.get(_FOLDER)


def give_slot(worker: Any) -> None:
    """Call in the parent, before `worker` is started."""
    slot = next(number for number in range(len(_slots) + 1) if number not in _slots)
    _slots[slot] = worker


def take_slot(worker: Any) -> None:
    """Call in the process of `worker`, when it starts."""
    global _slot  # noqa: PLW0603 - what this process is
    _slot = next((str(number) for number, one in _slots.items() if one is worker), _slot)
    while _held:  # inherited: it would keep the parent's lock alive
        os.close(_held.pop())
    if settings.METRICS_TOKEN:
        threading.Thread(target=_update_forever, name="metrics", daemon=True).start()


def free_slot(worker: Any) -> None:
    """Call in the parent when `worker` has ended: resets its gauges."""
    for slot in [number for number, one in _slots.items() if one is worker]:
        del _slots[slot]
        if folder():
            from prometheus_client import multiprocess  # noqa: PLC0415

            multiprocess.mark_process_dead(slot)  # type: ignore[no-untyped-call]


def leave() -> None:
    """Remove the folder; call in the parent at its end."""
    if _held and (shared := folder()):
        shutil.rmtree(shared, ignore_errors=True)


def _update_forever() -> None:
    while True:
        try:
            note()
        except Exception:  # retry next time, whatever it was
            logger.warning("The metrics of this process could not be updated", exc_info=True)
        time.sleep(EVERY)


def note() -> None:
    """Update the gauges of this process: connections, models, memory and processor time."""
    from search.monitoring import instruments as on  # noqa: PLC0415

    with _noting:
        on.PROCESSES.set(1)
        _note_pool(on)
        _note_server(on, _server_status())
        loaded = {"words": "", "pictures": "", **embedding.backends()}
        for kind, backend in loaded.items():
            for compiled in (True, False):
                is_so = bool(backend) and backend.startswith("openvino") is compiled
                on.MODELS.labels(kind, "yes" if compiled else "no").set(is_so)
        if memory := _memory():
            on.MEMORY.set(memory)
        _note_cpu(on)


def _note_pool(on: Any) -> None:
    for pool in getattr(connections["default"], "_connection_pools", {}).values():
        stats = pool.get_stats()
        on.POOL_SIZE.set(stats.get("pool_size", 0))
        on.POOL_FREE.set(stats.get("pool_available", 0))
        on.POOL_MOST.set(stats.get("pool_max", 0))
        on.POOL_WAITING.set(stats.get("requests_waiting", 0))


def _server_status() -> dict[str, Any]:
    """Return the status of our server for this process; empty under another server."""
    if find_spec("imagesearch.serving") is None:
        return {}
    status: dict[str, Any] = import_module("imagesearch.serving").status()
    return status


def _note_server(on: Any, status: dict[str, Any]) -> None:
    on.SERVER_CONNECTIONS.set(status.get("connections", 0))
    on.SERVER_KEPT.set(status.get("kept_bytes", 0))
    _count_to(on.REFUSED.labels("too slow"), "too slow", status.get("cut_off", 0))
    for lane, does in status.get("lanes", {}).items():
        on.SERVER_ACTIVE.labels(lane).set(does["active"])
        on.SERVER_WAITING.labels(lane).set(does["waiting"])
        _count_to(on.REFUSED.labels(f"busy: {lane}"), lane, does["refused"])


def _count_to(counter: Any, name: str, total: int) -> None:
    """Increase a counter to `total`, a number that only grows while the process lives."""
    counter.inc(max(0, total - _counted.get(name, 0)))
    _counted[name] = total


def _note_cpu(on: Any) -> None:
    global _cpu_noted  # noqa: PLW0603 - of this process
    now = time.process_time()
    on.CPU.inc(max(0.0, now - _cpu_noted))
    _cpu_noted = now


def _memory() -> int:
    """Return the bytes of this process (PSS); 0 if unknown."""
    with suppress(OSError):
        for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
