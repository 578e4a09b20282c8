"""The index of the vectors while a collection is filled: left out of a big first load, and never for ever."""

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

from imagesearch.machine import core_count
from search.embedding import active_model
from search.indexing import building
from search.indexing.building import State
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
    return building.index_state(active_set())


def build_index() -> None:
    building.build_index(active_set())


def drop_index() -> None:
    building.drop_index(active_set())


def rebuild_index() -> bool:
    return building.rebuild_index(active_set())


@pytest.fixture(autouse=True)
def _index_afterwards() -> Iterator[None]:
    """The tests share one database: whatever one of them leaves, the index is there for the next."""
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
    """Even 10 rows are a big load."""
    monkeypatch.setattr(index_during_load, "FROM", 10)


def load(photos: Path) -> tuple[Report, list[str]]:
    """Ingest; return the report, and what was told meanwhile beside the count."""
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


def test_a_big_first_load_builds_the_index_at_its_end_and_says_so(photos: Path, few: None) -> None:
    report, told = load(photos)

    assert report.added == 40
    assert told == ["Postponing the vector index until the end", "Building the index of 40 vectors"]
    assert index_state() is State.THERE


def test_the_command_tells_what_it_does_about_the_index(photos: Path, few: None) -> None:
    out = StringIO()

    call_command("ingest", str(photos), stdout=out)

    assert out.getvalue().splitlines()[:3] == [
        "Postponing the vector index until the end ...",
        "Building the index of 40 vectors ...",
        "40 added, 0 already here, 0 failed.",
    ]


def test_an_ingest_whose_index_can_not_be_built_says_so_and_what_to_do(
    photos: Path, few: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OperationalError("could not extend file: No space left on device")
    with monkeypatch.context() as disk:
        disk.setattr(building, "_create", mock.Mock(side_effect=full))
        with pytest.raises(CommandError, match=r"The database failed: .*No space left.*\nFinished work is kept"):
            call_command("ingest", str(photos), stdout=StringIO())
    assert Image.objects.count() == 40

    call_command("ingest", str(photos), stdout=(out := StringIO()))
    assert "Building the index of 40 vectors" in out.getvalue()
    assert index_state() is State.THERE


def test_a_small_load_leaves_the_index_alone(photos: Path) -> None:
    assert load(photos)[1] == []
    assert index_state() is State.THERE


def test_a_load_that_is_small_beside_the_collection_leaves_the_index_alone(
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


def test_an_index_that_is_missing_is_built_by_the_next_load(photos: Path) -> None:
    drop_index()

    assert load(photos)[1] == ["Building the index of 40 vectors"]
    assert index_state() is State.THERE


def test_an_index_that_is_missing_is_built_by_a_load_that_adds_nothing(photos: Path) -> None:
    load(photos)
    drop_index()

    assert load(photos)[1] == ["Building the index of 40 vectors"]
    assert index_state() is State.THERE


def test_an_index_that_was_left_half_built_is_built_anew(photos: Path) -> None:
    many_images(20)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", [the_index()])
    assert index_state() is State.HALF_BUILT

    load(photos)

    assert index_state() is State.THERE
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = %s", [the_index()])
        assert f"ef_construction='{indexing.options['ef_construction']}'" in cursor.fetchone()[0]


def test_an_index_that_somebody_else_builds_is_left_to_them(photos: Path) -> None:
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


def test_where_workers_can_not_share_memory_the_index_is_built_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    many_images(20)
    create, workers = building._create, []

    def fails_once(leaf: str, dimensions: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SHOW max_parallel_maintenance_workers")
            workers.append(cursor.fetchone()[0])
        if len(workers) == 1:
            raise OperationalError("could not resize shared memory segment: No space left on device")
        create(leaf, dimensions)

    drop_index()
    monkeypatch.setattr(building, "_create", fails_once)
    build_index()

    assert workers == [str(core_count() - 1), "0"]
    assert index_state() is State.THERE


def test_in_a_container_the_index_is_built_with_half_of_its_memory_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    create, memory = building._create, []

    def look(leaf: str, dimensions: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SHOW maintenance_work_mem")
            memory.append(cursor.fetchone()[0])
        create(leaf, dimensions)

    monkeypatch.setattr(building, "memory_bytes", lambda: 100 << 20)
    drop_index()
    monkeypatch.setattr(building, "_create", look)
    build_index()

    assert memory == ["50MB"]


def test_with_hardly_any_memory_the_index_is_built_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    many_images(20)
    drop_index()
    monkeypatch.setattr(building, "memory_bytes", lambda: 1 << 16)

    build_index()

    assert index_state() is State.THERE


def test_a_load_that_is_killed_without_the_index_is_made_good_by_the_next(photos: Path, settings) -> None:
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
def test_a_rebuild_that_is_killed_leaves_one_whole_index_and_is_made_good(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    many_images(500)
    with_index = nearest()
    with monkeypatch.context() as killed:
        killed.setattr(building, step, mock.Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            rebuild_index()

    assert True in valid_indexes().values()
    assert nearest() == with_index
    assert rebuild_index() is True
    assert valid_indexes() == {the_index(): True}
    assert nearest() == with_index


@pytest.mark.parametrize("step", ["_drop", "_rename"])
@pytest.mark.parametrize("by", ["load", "rebuild"])
def test_what_a_rebuild_had_made_when_it_was_killed_is_not_made_again(
    photos: Path, step: str, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    many_images(20)
    with monkeypatch.context() as killed:
        killed.setattr(building, step, mock.Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            rebuild_index()
    made = oid_of(f"{the_index()}_ccnew")
    monkeypatch.setattr(building, "_create_as", mock.Mock(side_effect=AssertionError))

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


def test_a_rebuild_that_is_killed_says_nothing_of_the_index_that_is_still_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its parameters were changed before it was built with them, and it passed for a new one."""
    many_images(20)
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER INDEX {the_index()} SET (m = 8)")
    with (
        mock.patch.object(building, "_replace", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        rebuild_index()

    with connection.cursor() as cursor:
        cursor.execute("SELECT reloptions FROM pg_class WHERE relname = %s", [the_index()])
        assert "m=8" in cursor.fetchone()[0]

    assert rebuild_index() is True


def valid_indexes() -> dict[str, bool]:
    """The indexes of the vectors by name, and whether searches can use them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid "
            "WHERE indrelid = %s::regclass AND starts_with(relname, %s)",
            [active_set().table, the_index()],
        )
        return dict(cursor.fetchall())


def test_limits_that_the_database_sets_for_requests_cut_no_build_off() -> None:
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


def test_a_build_that_somebody_ends_is_not_begun_again() -> None:
    def canceled(leaf: str, dimensions: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = '1ms'")
            try:
                cursor.execute("SELECT pg_sleep(60)")
            finally:
                cursor.execute("RESET statement_timeout")

    drop_index()
    with (
        mock.patch.object(building, "_create", side_effect=canceled) as create,
        pytest.raises(OperationalError, match="canceling"),
    ):
        build_index()

    create.assert_called_once()


# Vectors that are given later


def wait_for_vectors(photos: Path) -> None:
    call_command("ingest", str(photos), enqueue=True, stdout=StringIO())


def test_a_big_backlog_is_worked_off_without_the_index_which_is_built_at_its_end(photos: Path, few: None) -> None:
    wait_for_vectors(photos)
    out = StringIO()

    call_command("embed_pending", stdout=out)

    assert out.getvalue().splitlines()[:2] == [
        "Postponing the vector index until the end ...",
        "Building the index of 40 vectors ...",
    ]
    assert index_state() is State.THERE
    assert Image.objects.pending().count() == 0


def test_rows_that_wait_do_not_count_as_vectors_that_are_there(
    photos: Path, few: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_during_load, "AT_MOST", 20)
    wait_for_vectors(photos)

    call_command("embed_pending", stdout=(out := StringIO()))
    assert "Postponing the vector index" in out.getvalue()


@pytest.mark.parametrize("there", [0, 100])
def test_a_backlog_that_is_small_or_small_beside_the_collection_leaves_the_index_alone(
    photos: Path, there: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_during_load, "FROM", 10 if there else 50)
    many_images(there)
    wait_for_vectors(photos)

    call_command("embed_pending", stdout=(out := StringIO()))

    assert "index" not in out.getvalue()
    assert index_state() is State.THERE


def test_of_many_that_share_a_backlog_one_holds_the_index_and_the_last_one_there_builds_it(
    photos: Path, few: None
) -> None:
    """The first is stopped while the second works: it leaves the index, which it had dropped, to that one."""
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


def test_watching_it_builds_the_index_when_the_backlog_is_empty(photos: Path, few: None) -> None:
    wait_for_vectors(photos)
    states: list[State] = []
    worker = Worker(Pending())

    def on_idle() -> None:
        states.append(index_state())
        worker.stop.set()

    worker.watch(on_idle)

    assert states == [State.THERE]


def test_a_limited_run_builds_the_index_that_it_has_dropped(photos: Path, few: None) -> None:
    wait_for_vectors(photos)

    call_command("embed_pending", limit=20, stdout=StringIO())

    assert Image.objects.pending().count() == 20
    assert index_state() is State.THERE


# Sets of vectors


@pytest.fixture
def other_model(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Another model is the active one, of which there is no vector."""
    model = "a model of its own"
    monkeypatch.setattr(index_during_load, "active_model", lambda: model)
    yield model
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM search_vectorset WHERE model = %s", [model])
        for (number,) in cursor.fetchall():
            cursor.execute(f"DROP TABLE search_imagevector_s{number}")
        cursor.execute("DELETE FROM search_vectorset WHERE model = %s", [model])


def test_a_load_whose_set_does_not_exist_yet_leaves_its_index_out_when_it_does(few: None, other_model: str) -> None:
    told: list[str] = []
    load = IndexDuringLoad(told.append)
    load.rows_pending()
    load.finish()
    load.rows_come(10)  # the set comes to be with these
    with connection.cursor() as cursor:
        cursor.execute("SELECT make_vector_set(%s, 512)", [other_model])
    table = current_set(other_model)
    assert table
    assert building.index_state(table) is State.THERE

    load.rows_come(10)
    assert building.index_state(table) is State.MISSING
    load.finish()
    load.let_go()

    assert told == ["Postponing the vector index until the end", "Building the index of 0 vectors"]
    assert building.index_state(table) is State.THERE
    assert not building.is_under_way(table)


def test_of_a_divided_set_each_table_gets_its_index_and_what_is_built_stays(other_model: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT make_vector_set(%s, 512, 3)", [other_model])
    table = current_set(other_model)
    assert table
    built = [oid_of(index_name(leaf)) for leaf in table.leaves]
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX {index_name(table.leaves[1])}")
    assert building.index_state(table) is State.MISSING

    building.build_index(table)
    assert building.index_state(table) is State.THERE
    again = [oid_of(index_name(leaf)) for leaf in table.leaves]
    assert (again[0], again[2]) == (built[0], built[2])

    assert building.rebuild_index(table)
    assert not {oid_of(index_name(leaf)) for leaf in table.leaves} & set(again)
    building.drop_index(table)
    assert building.index_state(table) is State.MISSING


def test_an_index_is_the_same_whoever_makes_it(other_model: str) -> None:
    """A trigger makes the index of a new set, in the database's own words."""
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
