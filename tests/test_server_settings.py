"""Settings of the embedded PostgreSQL for small machines, large machines and containers."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from django.db import connection

from imagesearch import memory_and_cores
from imagesearch.embedded_postgres_settings import forget_server_settings, server_settings, write_server_settings

MB = 1 << 20
GB = 1 << 30


def settings_for(**facts: int | None) -> dict[str, str]:
    return server_settings(
        **{"data": 0, "memory": 16 * GB, "cores": 8, "shared_memory": 8 * GB, "disk": 100 * GB} | facts
    )  # type: ignore[arg-type]


def test_a_machine_of_half_a_gigabyte_keeps_the_defaults_of_postgresql() -> None:
    settings = settings_for(memory=512 * MB, cores=1, data=10 * GB, disk=2 * GB)

    assert settings["shared_buffers"] == "128MB"
    assert settings["maintenance_work_mem"] == "64MB"
    assert settings["max_parallel_maintenance_workers"] == "0"
    assert settings["max_wal_size"] == "1024MB"


def test_memory_grows_with_the_collection_up_to_a_quarter_of_the_machine() -> None:
    assert settings_for(data=0)["shared_buffers"] == "512MB"
    assert settings_for(data=1 * GB)["shared_buffers"] == "2048MB"
    assert settings_for(data=50 * GB)["shared_buffers"] == "4096MB"


def test_many_cores_leave_workers_for_others() -> None:
    assert settings_for(cores=64)["max_parallel_maintenance_workers"] == "6"


@pytest.mark.parametrize(("shared_memory", "kind"), [(64 * MB, "sysv"), (8 * GB, None), (None, None)])
def test_in_a_container_with_little_shared_memory_sysv_is_used(shared_memory: int | None, kind: str | None) -> None:
    assert settings_for(shared_memory=shared_memory).get("dynamic_shared_memory_type") == kind


def test_an_existing_data_folder_gets_the_settings_once_and_keeps_its_configuration(tmp_path: Path) -> None:
    conf = tmp_path / "postgresql.conf"
    conf.write_text("# mine\nshared_buffers = 128MB\n")

    write_server_settings(tmp_path)
    write_server_settings(tmp_path)

    assert conf.read_text() == "# mine\nshared_buffers = 128MB\n\ninclude_if_exists = 'machine.conf'\n"
    assert "shared_buffers = '" in (tmp_path / "machine.conf").read_text()
    forget_server_settings(tmp_path)
    assert "shared_buffers" not in (tmp_path / "machine.conf").read_text()


@pytest.mark.django_db
def test_the_server_runs_with_these_settings() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, setting FROM pg_settings WHERE sourcefile LIKE '%machine.conf'")
        settings = dict(cursor.fetchall())

    assert {"shared_buffers", "effective_cache_size", "maintenance_work_mem"} <= set(settings)
    assert settings.get("recovery_init_sync_method", "syncfs") == "syncfs"
    assert int(settings["shared_buffers"]) * 8192 <= max(128 * MB, psutil.virtual_memory().total)


class ControlGroups:
    """The control groups of a process, in a folder."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.membership = folder / "own"
        monkeypatch.setattr(memory_and_cores, "_CGROUPS", folder)
        monkeypatch.setattr(memory_and_cores, "_OWN_CGROUPS", self.membership)

    def limit(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ControlGroups]:
    monkeypatch.setattr(memory_and_cores.os, "sched_getaffinity", lambda _process: set(range(8)), raising=False)
    memory_and_cores.core_count.cache_clear()
    yield ControlGroups(tmp_path, monkeypatch)
    memory_and_cores.core_count.cache_clear()


def test_limits_of_parent_groups_apply_too(groups: ControlGroups) -> None:
    groups.membership.write_text("0::/services.slice/search.service\n")
    groups.limit("services.slice/search.service/memory.max", "max")
    groups.limit("services.slice/memory.max", str(300 * MB))
    groups.limit("services.slice/cpu.max", "250000 100000")

    assert memory_and_cores.memory_bytes() == 300 * MB
    assert memory_and_cores.core_count() == 2


def test_limits_of_cgroups_v1_in_a_container_apply(groups: ControlGroups) -> None:
    # The path is the one of the host, of which the container sees only the end.
    groups.membership.write_text("5:memory:/docker/1234\n4:cpu,cpuacct:/docker/1234\n0::/\n")
    groups.limit("memory/memory.limit_in_bytes", str(200 * MB))
    groups.limit("cpu,cpuacct/cpu.cfs_quota_us", "50000")
    groups.limit("cpu,cpuacct/cpu.cfs_period_us", "100000")

    assert memory_and_cores.memory_bytes() == 200 * MB
    assert memory_and_cores.core_count() == 1


def test_without_limits_the_resources_of_the_machine_apply(groups: ControlGroups) -> None:
    assert memory_and_cores.memory_bytes() == psutil.virtual_memory().total
    assert memory_and_cores.core_count() == 8
