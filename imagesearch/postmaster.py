"""Which server runs over a data folder: what `postmaster.pid` says of it, and whether that can still be true."""

import time
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
from django.core.exceptions import ImproperlyConfigured


def is_there(folder: Path, info_class: Any) -> Any:
    """Return the wheel's facts of the server over `folder`, None where none runs."""
    info = _noted(folder, info_class)
    return info if info and info.is_running() and _works_in(info, folder) else None


def _noted(folder: Path, info_class: Any) -> Any:
    """Return what stands in `postmaster.pid`, None where that is nothing whole."""
    try:
        return info_class.read_from_pgdata(folder)
    except (AssertionError, ValueError, FileNotFoundError):  # it is being written, or removed
        return None


def _works_in(info: Any, folder: Path) -> bool:
    """Whether the process that `postmaster.pid` of `folder` names is a server over this very folder.

    The file may have been copied with the folder, and its number may have been given to another process since.
    """
    try:
        return Path(info.process.cwd()).samefile(folder)
    except psutil.NoSuchProcess:
        return False
    except (psutil.Error, OSError):  # of another user, who need not tell: a folder may have been renamed since
        return _is_of(info, folder) or not Path(info.pgdata).exists()


def _is_of(info: Any, folder: Path) -> bool:
    try:
        return Path(info.pgdata).samefile(folder)
    except OSError:
        return False


def remove_left_number(folder: Path, info_class: Any) -> None:
    """Remove a `postmaster.pid` whose number is another process's by now: PostgreSQL would not start beside that.

    Raises ImproperlyConfigured for a copy of a folder over which a server runs.
    """
    info = _noted(folder, info_class)
    if not info or info.process is None or _works_in(info, folder):
        return
    if info.is_running() and not _is_of(info, folder) and _works_in(info, info.pgdata):
        raise ImproperlyConfigured(
            f"{folder} is a copy that was made while PostgreSQL ran over {info.pgdata}, and its parts may not fit "
            f"together. Stop everything that uses {info.pgdata}, remove {folder}, and copy it again."
        )
    (folder / "postmaster.pid").unlink(missing_ok=True)


def remove_left_locks(sockets: Path, folder: Path) -> None:
    """Remove the locks of sockets that a server over `folder` has left which no more runs.

    PostgreSQL takes a process that nobody has buried yet for one that runs, and in a container that may be for ever.
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
    """Whether a process is a PostgreSQL that lives: one that nobody has buried yet still has its name and number."""
    try:
        is_dead = process.status() in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}
        return bool(not is_dead and process.is_running() and process.name().startswith("postgres"))
    except psutil.Error:
        return False


def wait_for_orphans(folder: Path, seconds: float) -> None:
    """Wait until the processes over `folder` have ended whose server was killed: none starts beside them."""
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
