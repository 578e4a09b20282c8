"""How a worker of gunicorn serves: slow clients hold no thread, and who would wait too long for one is refused.

`Front` is the loop, one a process; `status` is for who watches it.
"""

from typing import Any

_fronts: list[Any] = []


def started(front: Any) -> None:
    """Note the loop of this process."""
    _fronts[:] = [front]


def status() -> dict[str, Any]:
    """Return counts of this process; empty where it is no worker.

    `connections` and `kept_bytes` (of bodies and answers, in temporary files) are of this moment, `cut_off` those that
    were too slow so far; for each of `lanes`: `active`, `waiting`, `done`, `refused`.
    """
    return dict(_fronts[0].status()) if _fronts else {}
