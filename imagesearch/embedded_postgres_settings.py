"""Settings of the embedded PostgreSQL for this machine: its defaults suit a machine with 1 GB.

They are written to a file in the data folder before each start, so that they fit the machine it is on now.
`ALTER SYSTEM` overrides them.
"""

import shutil
import sys
from pathlib import Path

from imagesearch.memory_and_cores import core_count, memory_bytes

_MB = 1 << 20
SETTINGS_FILE = "machine.conf"
_INCLUDE = f"include_if_exists = '{SETTINGS_FILE}'"
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - asked for its size


def server_settings(*, data: int, memory: int, cores: int, shared_memory: int | None, disk: int) -> dict[str, str]:
    """Return PostgreSQL's settings for `data` bytes of tables and indexes on a machine with `memory` bytes,
    `shared_memory` of them in /dev/shm (None where there is no such limit), and `disk` bytes free.

    At most a quarter of the memory is PostgreSQL's own: models and decoded pictures need some too.
    """
    build = _within(64 * _MB, memory // 8, 4096 * _MB)
    # The data may double before the next start. Not all the memory: each GB takes 20 MB at once.
    buffers = min(max(512 * _MB, 2 * data), memory // 4, 8192 * _MB)
    settings = {
        "shared_buffers": _megabytes(max(128 * _MB, buffers)),
        "effective_cache_size": _megabytes(_within(256 * _MB, memory // 2, memory)),
        # Building an index takes several times as long in less memory than it needs, 1.5 kB a row.
        "maintenance_work_mem": _megabytes(build),
        # PostgreSQL starts 8 workers at most, and autovacuum and others need some.
        "max_parallel_maintenance_workers": str(_within(0, cores - 1, 6)),
        # Write-ahead log of a bulk load; more means fewer checkpoints within the load.
        "max_wal_size": _megabytes(_within(1024 * _MB, disk // 20, 4096 * _MB)),
    }
    if sys.platform == "linux":
        # After a kill each of a thousand files would be synced first, a second or more.
        settings["recovery_init_sync_method"] = "syncfs"
    if shared_memory is not None and shared_memory < build:
        # A container has 64 MB of /dev/shm by default, shared by all workers that build an index.
        settings["dynamic_shared_memory_type"] = "sysv"
    return settings


def write_server_settings(data: Path) -> None:
    """Write the settings for this machine for the next start over `data`."""
    lines = [f"{name} = '{value}'" for name, value in _of_this_machine(data).items()]
    _write(data, "# Written before each start, for this machine. ALTER SYSTEM takes precedence.", *lines)


def forget_server_settings(data: Path) -> None:
    """Have the next start use PostgreSQL's defaults."""
    _write(data, "# This machine gave less memory than PostgreSQL asked for.")


def _of_this_machine(data: Path) -> dict[str, str]:
    return server_settings(
        data=sum(file.stat().st_size for file in (data / "base").rglob("*") if file.is_file()),
        memory=memory_bytes(),
        cores=core_count(),
        shared_memory=shutil.disk_usage(_SHARED_MEMORY).total if _SHARED_MEMORY.is_dir() else None,
        disk=shutil.disk_usage(data).free,
    )


def _write(data: Path, *lines: str) -> None:
    file = data / SETTINGS_FILE
    file.write_text("\n".join(lines) + "\n", encoding="ascii")
    # PostgreSQL does not run as root, and this process may.
    file.chmod(0o644)
    conf = data / "postgresql.conf"
    if _INCLUDE not in conf.read_text(encoding="utf-8"):
        with conf.open("a", encoding="utf-8") as appended:
            appended.write(f"\n{_INCLUDE}\n")


def _within(least: int, value: int, most: int) -> int:
    return max(least, min(value, most))


def _megabytes(size: int) -> str:
    return f"{size // _MB}MB"
