"""Memory and cores available to this process: the machine's, or less in a container."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import psutil

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")


def memory_bytes() -> int:
    """Bytes of memory, within the limits of the container or service."""
    limits = [int(text) for text in _values("memory.max", "memory.limit_in_bytes") if text.isdecimal()]
    return min([int(psutil.virtual_memory().total), *limits])


@cache
def core_count() -> int:
    """Number of cores, at least 1, within the limits of the container or service."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    older = zip(_values("cpu.cfs_quota_us"), _values("cpu.cfs_period_us"), strict=False)
    shares = [text.split() for text in (*_values("cpu.max"), *map(" ".join, older))]
    limits = [int(quota) // int(period) for quota, period in shares if quota.isdecimal()]
    return max(1, min([cores, *limits]))


def _values(*names: str) -> Iterator[str]:
    """Yield the contents of the files `names` in this process's control group and its parents."""
    for folder in _folders():
        for name in names:
            try:
                yield (folder / name).read_text(encoding="ascii").strip()
            except OSError:
                continue


def _folders() -> Iterator[Path]:
    try:
        lines = _OWN_CGROUPS.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        # "0::/path" in version 2, "4:memory:/path" in version 1, where each controller has its own folder. In a
        # container the path may be that of the host, of which only the root is visible.
        _number, controllers, path = line.split(":", 2)
        root = _CGROUPS / controllers
        own = root / path.lstrip("/")
        yield own
        yield from (parent for parent in own.parents if parent.is_relative_to(root))
