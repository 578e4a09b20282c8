"""gunicorn's worker: an event loop in front of thread pools. Slow clients hold no thread; requests that would wait too
long for one are refused.

May import `search` and the rest of `imagesearch`; only `imagesearch.gunicorn_worker` and `gunicorn.conf.py` start it.
`Front` is the loop, one per process; `status` is for monitoring.
"""

from typing import Any

_fronts: list[Any] = []


def started(front: Any) -> None:
    """Register the loop of this process."""
    _fronts[:] = [front]


def status() -> dict[str, Any]:
    """Return counts of this process; empty where it is no worker.

    `connections` and `kept_bytes` (bodies and responses in temporary files) are current values, `cut_off` counts
    clients that were too slow; for each of `lanes`: `active`, `waiting`, `done`, `refused`.
    """
    return dict(_fronts[0].status()) if _fronts else {}
