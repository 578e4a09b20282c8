"""Which server runs over a data folder: what `postmaster.pid` says, and whether it can still be true."""

import time
from pathlib import Path
from typing import Any

import psutil
from django.core.exceptions import ImproperlyConfigured


def is_there(folder: Path, info_class: Any) -> Any:
    """Return the wheel's info on the server over `folder`, None where none runs."""
    info = _info_of(folder, info_class)
    return info if info and info.is_running() and _works_in(info, folder) else None


def _info_of(folder: Path, info_class: Any) -> Any:
    """Return the contents of `postmaster.pid`, None where it is missing or incomplete."""
    try:
        return info_class.read_from_pgdata(folder)
    except (AssertionError, ValueError, FileNotFoundError):  # being written or removed
        return None


def _works_in(info: Any, folder: Path) -> bool:
    """Whether the process in `postmaster.pid` of `folder` is a server over this very folder.

    The file may have been copied with the folder, and its PID may have been reused since.
    """
    try:
        return Path(info.process.cwd()).samefile(folder)
    except psutil.NoSuchProcess:
        return False
    except (psutil.Error, OSError):  # another user's process, whose cwd is hidden: the folder may have been renamed
        return _is_of(info, folder) or not Path(info.pgdata).exists()


def _is_of(info: Any, folder: Path) -> bool:
    try:
        return Path(info.pgdata).samefile(folder)
    except OSError:
        return False


def remove_left_number(folder: Path, info_class: Any) -> None:
    """Remove a `postmaster.pid` whose PID belongs to another process by now: PostgreSQL would refuse to start.

    Raises ImproperlyConfigured for a copy of a folder over which a server runs.
    """
    info = _info_of(folder, info_class)
    if not info or info.process is None or _works_in(info, folder):
        return
    if info.is_running() and not _is_of(info, folder) and _works_in(info, info.pgdata):
        raise ImproperlyConfigured(
            f"{folder} is a copy that was made while PostgreSQL ran over {info.pgdata}, and its parts may not fit "
            f"together. Stop everything that uses {info.pgdata}, remove {folder}, and copy it again."
        )
    (folder / "postmaster.pid").unlink(missing_ok=True)


def remove_left_locks(sockets: Path, folder: Path) -> None:
    """Remove the socket locks of a server over `folder` that is no longer running.

    PostgreSQL takes a zombie process for a running one, and in a container a zombie may stay for ever.
    """
    for lock in sockets.glob(".s.PGSQL.*.lock"):
        try:
            number, of_folder = lock.read_text().splitlines()[:2]
            is_ours = Path(of_folder).samefile(folder)
        except (OSError, ValueError):
            continue
        if is_ours and not _is_alive(int(number), folder):
            lock.unlink(missing_ok=True)


def _is_alive(number: int, folder: Path) -> bool:
    try:
        process = psutil.Process(number)
    except psutil.Error:
        return False
    return is_postgres(process) and _is_in(process, folder)


def is_postgres(process: Any) -> bool:
    """Whether a process is a running PostgreSQL; a zombie still has its name and PID."""
    try:
        is_dead = process.status() in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}
        return bool(not is_dead and process.is_running() and process.name().startswith("postgres"))
    except psutil.Error:
        return False


def wait_for_orphans(folder: Path, seconds: float) -> None:
    """Wait until the child processes of a killed server over `folder` have exited: no server starts beside them."""
    ends = time.monotonic() + seconds
    while (folder / "postmaster.pid").exists() and _orphans(folder) and time.monotonic() < ends:
        time.sleep(0.1)


def _orphans(folder: Path) -> bool:
    return any(is_postgres(process) and _is_in(process, folder) for process in psutil.process_iter())


def _is_in(process: Any, folder: Path) -> bool:
    try:
        return Path(process.cwd()).samefile(folder)
    except (psutil.Error, OSError):
        return False
