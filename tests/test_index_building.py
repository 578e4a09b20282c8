"""The HNSW index while a collection is filled: dropped for a large first load, and always built again."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from imagesearch.memory_and_cores import core_count
from search.embedding import active_model
from search.indexing import index_building
from search.indexing.index_building import State
from search.indexing.query_plan import index_scan, planned
from search.ingestion import Pending, Report, Worker, files_source, ingest
from search.ingestion.pipeline import index_during_load
from search.ingestion.pipeline.index_during_load import IndexDuringLoad
from search.models import Image
from search.models.hnsw import indexing
from search.models.vector_sets import current_set, index_name
from tests.base import a_vector, active_set, in_another_thread, many_images, the_index, write_picture

pytestmark = pytest.mark.django_db(transaction=True)


def index_state() -> State:
    return index_building.index_state(active_set())


def build_index() -> None:
    index_building.build_index(active_set())


def drop_index() -> None:
    index_building.drop_index(active_set())


def rebuild_index() -> bool:
    return index_building.rebuild_index(active_set())


@pytest.fixture(autouse=True)
def _index_afterwards() -> Iterator[None]:
    """All tests share one database: the index must exist for the next test."""
    yield
    if index_state() is not State.THERE:
        build_index()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(40):
        write_picture(tmp_path / "photos" / f"{number:02}.png", f"#{number:02x}4080", size=(32, 32), format="PNG")
    return tmp_path / "photos"


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat 10 rows as a large load."""
    monkeypatch.setattr(index_during_load, "FROM", 10)


def load(photos: Path) -> tuple[Report, list[str]]:
    """Ingest; return the report and the progress messages."""
    told: list[str] = []
    report = ingest(
        files_source([str(photos)]), progress=lambda report: told.append(report.doing) if report.doing else None
    )
    return report, told


def nearest(count: int = 20) -> list[object]:
    with planned(index_scan(count, rows=500)):
        return list(
            Image.objects.searchable(active_model())
            .nearest_to(a_vector(7), active_set(), by_index=True)
            .values_list("pk", flat=True)[:count]
        )


def test_a_large_first_load_builds_the_index_at_its_end_and_says_so(photos: Path, few: None) -> None:
    report, told = load(photos)

    assert report.added == 40
    assert told == ["Postponing the vector index until the end", "Building the index of 40 vectors"]
    assert index_state() is State.THERE


def test_the_command_prints_what_it_does_with_the_index(photos: Path, few: None) -> None:
    out = StringIO()

    call_command("ingest", str(photos), stdout=out)

    assert out.getvalue().splitlines()[:3] == [
        "Postponing the vector index until the end ...",
        "Building the index of 40 vectors ...",
        "40 added, 0 already here, 0 failed.",
    ]


def test_if_the_index_can_not_be_built_ingest_fails_with_instructions(
    photos: Path, few: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OperationalError("could not extend file: No space left on device")
    with monkeypatch.context() as disk:
        disk.setattr(index_building, "_create", mock.Mock(side_effect=full))
        with pytest.raises(CommandError, match=r"The database failed: .*No space left.*\nFinished work is kept"):
            call_command("ingest", str(photos), stdout=StringIO())
    assert Image.objects.count() == 40

    call_command("ingest", str(photos), stdout=(out := StringIO()))
    assert "Building the index of 40 vectors" in out.getvalue()
    assert index_state() is State.THERE


def test_a_small_load_keeps_the_index(photos: Path) -> None:
    assert load(photos)[1] == []
    assert index_state() is State.THERE


def test_a_load_that_is_small_relative_to_the_collection_keeps_the_index(
    photos: Path, few: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    many_images(100)

    assert load(photos)[1] == []


def test_searches_find_the_same_without_the_index() -> None:
    many_images(500)
    with_index = nearest()
    drop_index()

    assert index_state() is State.MISSING
    assert nearest() == with_index


def test_a_missing_index_is_built_by_the_next_load(photos: Path) -> None:
    drop_index()

    assert load(photos)[1] == ["Building the index of 40 vectors"]
    assert index_state() is State.THERE


def test_a_missing_index_is_built_by_a_load_that_adds_nothing(photos: Path) -> None:
    load(photos)
    drop_index()

    assert load(photos)[1] == ["Building the index of 40 vectors"]
    assert index_state() is State.THERE


def test_an_invalid_index_is_built_again(photos: Path) -> None:
    many_images(20)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", [the_index()])
    assert index_state() is State.HALF_BUILT

    load(photos)

    assert index_state() is State.THERE
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = %s", [the_index()])
        assert f"ef_construction='{indexing.options['ef_construction']}'" in cursor.fetchone()[0]


def test_an_index_locked_by_another_process_is_not_built(photos: Path) -> None:
    drop_index()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [the_index()])
    told: list[str] = []

    try:
        in_another_thread(lambda: told.extend(load(photos)[1])).join(30)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock_all()")

    assert told == []
    assert Image.objects.count() == 40
    assert index_state() is State.MISSING


def test_the_index_is_built_without_parallel_workers_if_they_can_not_share_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    many_images(20)
    create, workers = index_building._create, []

    def fails_once(leaf: str, dimensions: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SHOW max_parallel_maintenance_workers")
            workers.append(cursor.fetchone()[0])
        if len(workers) == 1:
            raise OperationalError("could not resize shared memory segment: No space left on device")
        create(leaf, dimensions)

    drop_index()
    monkeypatch.setattr(index_building, "_create", fails_once)
    build_index()

    assert workers == [str(core_count() - 1), "0"]
    assert index_state() is State.THERE


def test_building_the_index_uses_at_most_half_of_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    create, memory = index_building._create, []

    def look(leaf: str, dimensions: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SHOW maintenance_work_mem")
            memory.append(cursor.fetchone()[0])
        create(leaf, dimensions)

    monkeypatch.setattr(index_building, "memory_bytes", lambda: 100 << 20)
    drop_index()
    monkeypatch.setattr(index_building, "_create", look)
    build_index()

    assert memory == ["50MB"]


def test_the_index_is_built_with_very_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    many_images(20)
    drop_index()
    monkeypatch.setattr(index_building, "memory_bytes", lambda: 1 << 16)

    build_index()

    assert index_state() is State.THERE


def test_a_load_killed_after_dropping_the_index_is_repaired_by_the_next(photos: Path, settings) -> None:
    script = (
        "import os, signal, sys, django; django.setup()\n"
        "from search.ingestion import files_source, ingest\n"
        "from search.ingestion.pipeline import index_during_load\n"
        "index_during_load.FROM = 10\n"
        "def killed(table): os.kill(os.getpid(), signal.SIGKILL)\n"
        "index_during_load.build_index = killed\n"
        "ingest(files_source([sys.argv[1]]))\n"
    )
    killed = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, str(photos)],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.killed_settings",
            "TEST_DATABASE": django_settings.DATABASES["default"]["NAME"],
            "TEST_MEDIA": str(settings.MEDIA_ROOT),
            "EMBEDDING_IMAGE_MODEL": settings.EMBEDDING_IMAGE_MODEL,
            "EMBEDDING_TEXT_MODEL": settings.EMBEDDING_TEXT_MODEL,
        },
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert index_state() is State.MISSING

    report, told = load(photos)

    assert (report.added, report.known) == (0, 40)
    assert told == ["Building the index of 40 vectors"]
    assert index_state() is State.THERE


@pytest.mark.parametrize("step", ["_create_as", "_drop", "_rename"])
def test_a_killed_rebuild_leaves_a_valid_index_and_can_be_repeated(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    many_images(500)
    with_index = nearest()
    with monkeypatch.context() as killed:
        killed.setattr(index_building, step, mock.Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            rebuild_index()

    assert True in valid_indexes().values()
    assert nearest() == with_index
    assert rebuild_index() is True
    assert valid_indexes() == {the_index(): True}
    assert nearest() == with_index


@pytest.mark.parametrize("step", ["_drop", "_rename"])
@pytest.mark.parametrize("by", ["load", "rebuild"])
def test_an_index_completed_by_a_killed_rebuild_is_reused(
    photos: Path, step: str, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    many_images(20)
    with monkeypatch.context() as killed:
        killed.setattr(index_building, step, mock.Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            rebuild_index()
    made = oid_of(f"{the_index()}_ccnew")
    monkeypatch.setattr(index_building, "_create_as", mock.Mock(side_effect=AssertionError))

    if by == "load":
        drop_index()
        load(photos)
    else:
        rebuild_index()

    assert valid_indexes() == {the_index(): True}
    assert oid_of(the_index()) == made


def oid_of(index: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::regclass::oid", [index])
        return int(cursor.fetchone()[0])


def test_a_killed_rebuild_does_not_change_the_options_of_the_old_index(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Regression: the options were changed before the build, so that the old index passed for a new one."""
    many_images(20)
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER INDEX {the_index()} SET (m = 8)")
    with (
        mock.patch.object(index_building, "_replace", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        rebuild_index()

    with connection.cursor() as cursor:
        cursor.execute("SELECT reloptions FROM pg_class WHERE relname = %s", [the_index()])
        assert "m=8" in cursor.fetchone()[0]

    assert rebuild_index() is True


def valid_indexes() -> dict[str, bool]:
    """The HNSW indexes by name, and whether they are valid."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid "
            "WHERE indrelid = %s::regclass AND starts_with(relname, %s)",
            [active_set().table, the_index()],
        )
        return dict(cursor.fetchall())


def test_timeouts_for_requests_do_not_apply_to_building_the_index() -> None:
    many_images(20)
    limits: list[tuple[str, ...]] = []

    def look(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        if str(sql).startswith(("DROP INDEX", "CREATE INDEX")):
            asked = "SELECT current_setting('statement_timeout'), current_setting('lock_timeout')"
            limits.append(context["connection"].connection.execute(asked).fetchone())
        return execute(sql, params, many, context)

    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = '1h'; SET lock_timeout = '1h'")
    with connection.execute_wrapper(look):
        drop_index()
        build_index()

    assert limits
    assert set(limits) == {("0", "0")}


def test_a_cancelled_build_is_not_retried() -> None:
    def canceled(leaf: str, dimensions: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = '1ms'")
            try:
                cursor.execute("SELECT pg_sleep(60)")
            finally:
                cursor.execute("RESET statement_timeout")

    drop_index()
    with (
        mock.patch.object(index_building, "_create", side_effect=canceled) as create,
        pytest.raises(OperationalError, match="canceling"),
    ):
        build_index()

    create.assert_called_once()


# Pending vectors


def wait_for_vectors(photos: Path) -> None:
    call_command("ingest", str(photos), enqueue=True, stdout=StringIO())


def test_a_large_backlog_is_embedded_without_the_index_which_is_built_at_its_end(photos: Path, few: None) -> None:
    wait_for_vectors(photos)
    out = StringIO()

    call_command("embed_pending", stdout=out)

    assert out.getvalue().splitlines()[:2] == [
        "Postponing the vector index until the end ...",
        "Building the index of 40 vectors ...",
    ]
    assert index_state() is State.THERE
    assert Image.objects.pending().count() == 0


def test_pending_rows_do_not_count_as_vectors(photos: Path, few: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_during_load, "AT_MOST", 20)
    wait_for_vectors(photos)

    call_command("embed_pending", stdout=(out := StringIO()))
    assert "Postponing the vector index" in out.getvalue()


@pytest.mark.parametrize("there", [0, 100])
def test_a_small_backlog_keeps_the_index(photos: Path, there: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_during_load, "FROM", 10 if there else 50)
    many_images(there)
    wait_for_vectors(photos)

    call_command("embed_pending", stdout=(out := StringIO()))

    assert "index" not in out.getvalue()
    assert index_state() is State.THERE


def test_of_several_workers_one_locks_the_index_and_the_last_one_builds_it(photos: Path, few: None) -> None:
    """The first is stopped while the second works, which then builds the index that the first dropped."""
    wait_for_vectors(photos)
    told: dict[str, list[str]] = {"first": [], "second": []}

    def note(name: str, report: Report) -> None:
        if report.doing:
            told[name].append(report.doing)

    def first_has_some(report: Report) -> None:
        note("first", report)
        if report.added:
            first.stop.set()
            in_another_thread(second.work).join(60)

    second = Worker(Pending(), batch=4, progress=lambda report: note("second", report))
    first = Worker(Pending(), batch=4, progress=first_has_some)
    first.work()
    assert told["first"] == ["Postponing the vector index until the end"]
    assert told["second"] == []  # the first held the lock
    assert index_state() is State.MISSING

    Worker(Pending(), progress=lambda report: note("second", report)).work()

    assert told["second"] == ["Building the index of 40 vectors"]
    assert Image.objects.pending().count() == 0
    assert index_state() is State.THERE


def test_a_watching_worker_builds_the_index_when_the_backlog_is_empty(photos: Path, few: None) -> None:
    wait_for_vectors(photos)
    states: list[State] = []
    worker = Worker(Pending())

    def on_idle() -> None:
        states.append(index_state())
        worker.stop.set()

    worker.watch(on_idle)

    assert states == [State.THERE]


def test_a_limited_run_builds_the_index_that_it_dropped(photos: Path, few: None) -> None:
    wait_for_vectors(photos)

    call_command("embed_pending", limit=20, stdout=StringIO())

    assert Image.objects.pending().count() == 20
    assert index_state() is State.THERE


# Vector sets


@pytest.fixture
def other_model(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Another model is active, which has no vectors."""
    model = "a model of its own"
    monkeypatch.setattr(index_during_load, "active_model", lambda: model)
    yield model
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM search_vectorset WHERE model = %s", [model])
        for (number,) in cursor.fetchall():
            cursor.execute(f"DROP TABLE search_imagevector_s{number}")
        cursor.execute("DELETE FROM search_vectorset WHERE model = %s", [model])


def test_a_load_that_creates_its_vector_set_drops_the_new_index(few: None, other_model: str) -> None:
    told: list[str] = []
    load = IndexDuringLoad(told.append)
    load.rows_pending()
    load.finish()
    load.rows_come(10)  # these rows create the vector set
    with connection.cursor() as cursor:
        cursor.execute("SELECT make_vector_set(%s, 512)", [other_model])
    table = current_set(other_model)
    assert table
    assert index_building.index_state(table) is State.THERE

    load.rows_come(10)
    assert index_building.index_state(table) is State.MISSING
    load.finish()
    load.let_go()

    assert told == ["Postponing the vector index until the end", "Building the index of 0 vectors"]
    assert index_building.index_state(table) is State.THERE
    assert not index_building.is_under_way(table)


def test_each_partition_gets_its_index_and_existing_ones_are_kept(other_model: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT make_vector_set(%s, 512, 3)", [other_model])
    table = current_set(other_model)
    assert table
    built = [oid_of(index_name(leaf)) for leaf in table.leaves]
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX {index_name(table.leaves[1])}")
    assert index_building.index_state(table) is State.MISSING

    index_building.build_index(table)
    assert index_building.index_state(table) is State.THERE
    again = [oid_of(index_name(leaf)) for leaf in table.leaves]
    assert (again[0], again[2]) == (built[0], built[2])

    assert index_building.rebuild_index(table)
    assert not {oid_of(index_name(leaf)) for leaf in table.leaves} & set(again)
    index_building.drop_index(table)
    assert index_building.index_state(table) is State.MISSING


def test_the_trigger_and_the_product_create_the_same_index(other_model: str) -> None:
    """A trigger in SQL creates the index of a new set."""
    with connection.cursor() as cursor:
        asked = "SELECT indexdef FROM pg_indexes WHERE indexname = %s"
        cursor.execute("SELECT make_vector_set(%s, 768)", [other_model])
        [number] = cursor.fetchone()
        name = f"search_imagevector_s{number}_hnsw"
        cursor.execute(asked, [name])
        by_trigger = cursor.fetchone()
        cursor.execute(f"DROP INDEX {name}")
        cursor.execute(indexing.create_sql(f"search_imagevector_s{number}", 768, name))
        cursor.execute(asked, [name])
        assert cursor.fetchone() == by_trigger
