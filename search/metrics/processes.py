"""How the processes of a server share what they count: each has files in one folder, which whoever is asked reads.

A process has a number, its slot, which the next one takes over when it has ended, with the counters in its files:
named by process ids, files would become more with each process that ever lived.
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
"""In memory where there is such a place, and not beside what strangers send: who writes to a file of which the disk
has no more room, as these are written to, is ended by the system."""
EVERY = 5.0
"""Seconds after which a process notes anew how it does."""
_PREFIX = "imagesearch-metrics-"
_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which prometheus_client knows the folder."""

_slots: dict[int, Any] = {}
"""Which worker has each slot; known to the parent."""
_slot = "parent"
_held: list[int] = []
"""Locked as long as the server lives, which tells its folder from those that were left behind."""
_cpu_noted = 0.0
_counted: dict[str, int] = {}
_noting = threading.Lock()


def share() -> None:
    """Prepare, in the parent and before any process is started, a folder for what the processes count."""
    if not settings.METRICS_TOKEN:
        return
    import fcntl  # noqa: PLC0415 - which only servers have that start processes

    place = next(one for one in PLACES if os.access(one, os.W_OK))
    _remove_left_behind(place)
    folder = tempfile.mkdtemp(prefix=_PREFIX, dir=place)
    _held.append(os.open(folder, os.O_RDONLY))
    fcntl.flock(_held[-1], fcntl.LOCK_EX)
    os.environ[_FOLDER] = folder
    from prometheus_client import values  # noqa: PLC0415

    values.ValueClass = values.MultiProcessValue(lambda: _slot)  # type: ignore[no-untyped-call]
    from search.monitoring import instruments  # noqa: F401, PLC0415 - once, for all


def _remove_left_behind(place: str) -> None:
    """Remove the folders of servers that were killed."""
    import fcntl  # noqa: PLC0415 - see above

    for folder in Path(place).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # somebody else's, or in use
            number = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(number)


def folder() -> str | None:
    """Where the processes of this server share what they count; None where there is one process."""
    return os.environ.get(_FOLDER)


def give_slot(worker: Any) -> None:
    """In the parent, before `worker` is started."""
    slot = next(number for number in range(len(_slots) + 1) if number not in _slots)
    _slots[slot] = worker


def take_slot(worker: Any) -> None:
    """In the process of `worker`, when it starts."""
    global _slot  # noqa: PLW0603 - what this process is
    _slot = next((str(number) for number, one in _slots.items() if one is worker), _slot)
    while _held:  # the parent's lock, which would last until the last process has closed it
        os.close(_held.pop())
    if settings.METRICS_TOKEN:
        threading.Thread(target=_note_for_ever, name="metrics", daemon=True).start()


def free_slot(worker: Any) -> None:
    """In the parent, when `worker` has ended: what it was doing is not done any more."""
    for slot in [number for number, one in _slots.items() if one is worker]:
        del _slots[slot]
        if folder():
            from prometheus_client import multiprocess  # noqa: PLC0415

            multiprocess.mark_process_dead(slot)  # type: ignore[no-untyped-call]


def leave() -> None:
    """In the parent, at its end."""
    if _held and (shared := folder()):
        shutil.rmtree(shared, ignore_errors=True)


def _note_for_ever() -> None:
    while True:
        try:
            note()
        except Exception:  # whatever it is, the next time it may do
            logger.warning("What this process does can't be noted", exc_info=True)
        time.sleep(EVERY)


def note() -> None:
    """Note how this process does: its connections, models, memory and processor time."""
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
    """Return what the server says of this process, where it is one that says something."""
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
    """Add to a counter what has come since it was noted last, of a number that grows while the process lives."""
    counter.inc(max(0, total - _counted.get(name, 0)))
    _counted[name] = total


def _note_cpu(on: Any) -> None:
    global _cpu_noted  # noqa: PLW0603 - of this process
    now = time.process_time()
    on.CPU.inc(max(0.0, now - _cpu_noted))
    _cpu_noted = now


def _memory() -> int:
    """Bytes of this process, its part of what is shared; 0 where the system does not tell."""
    with suppress(OSError):
        for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
