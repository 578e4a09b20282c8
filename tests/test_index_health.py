"""`manage.py index_health` reports problems of the HNSW index, and repairs them."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from search.curation import Trash, change
from search.embedding import active_model, text_model
from search.indexing import partitioning, query_plan
from search.models import Calibration, Image, ImageVector, Private, VectorSet
from search.models.vector_sets import drop_set, make_set
from search.query import SearchQuery
from search.retrieval import find
from search.state.index_health import index_health
from tests.base import a_vector, active_set, an_image, locked_elsewhere, many_images, the_index

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _use_the_index_for_small_collections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_plan, "EXACT_BELOW", 0)
    monkeypatch.setattr(query_plan, "ROW_SCANNED", 10**12)


def run(*arguments: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("index_health", *arguments, stdout=out)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    return 0, out.getvalue()


def measured(pictures: int) -> None:
    """The collection was calibrated with this number of images."""
    Calibration.objects.create(
        model=active_model(),
        text_model=text_model(),
        measured=timezone.now(),
        pictures=pictures,
        dimensions=512,
        words_least=0,
        words_match=0.5,
        pictures_match=0.5,
        sample=b"",
    )


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def make_index(name: str, options: str = "") -> None:
    indexed = "(embedding::halfvec(512)) halfvec_cosine_ops"
    sql(f"CREATE INDEX {name} ON {active_set().table} USING hnsw ({indexed}) {options}")


@pytest.fixture
def _index_comes_back():
    yield
    call_command("index_health", "--rebuild", stdout=StringIO())


def test_a_new_collection_has_no_problems() -> None:
    many_images(600)
    measured(600)
    status, told = run("--vacuum")

    assert (status, "All is well." in told) == (0, True)
    health = index_health()
    assert health.searchable == 600
    assert health.pictures_recall == pytest.approx(1, abs=0.02)
    assert health.words_recall == pytest.approx(1, abs=0.02)


def test_recall_and_counts_are_right_after_deleting_a_third() -> None:
    images = many_images(900)
    run("--vacuum")
    Image.objects.filter(pk__in=[image.pk for image in images[::3]]).delete()

    health = index_health()
    assert health.searchable == 600
    assert health.pictures_recall == pytest.approx(1, abs=0.02)
    page = find(SearchQuery(words="red circle"))
    assert (page.found, len(page.images)) == (600, 24)

    run("--vacuum")
    assert index_health().pictures_recall == pytest.approx(1, abs=0.02)
    assert len(find(SearchQuery(words="red circle", page=25)).images) == 24


@pytest.mark.usefixtures("_index_comes_back")
def test_a_missing_index_is_reported_and_built() -> None:
    many_images(50)
    measured(50)
    sql(f"DROP INDEX {the_index()}")

    status, told = run("--vacuum")
    assert status == 1
    assert "The index is missing" in told
    assert "Run: manage.py index_health --rebuild" in told

    assert run("--rebuild")[0] == 0
    assert Image.objects.count() == 50


@pytest.mark.usefixtures("_index_comes_back")
def test_an_index_with_other_parameters_is_reported_and_rebuilt() -> None:
    many_images(50)
    measured(50)
    sql(f"DROP INDEX {the_index()}")
    make_index(the_index(), "WITH (m = 8)")

    status, told = run("--vacuum")
    assert status == 1
    assert "The index was built with m 8; this version wants m" in told

    assert run("--rebuild")[0] == 0


@pytest.mark.usefixtures("_index_comes_back")
def test_an_invalid_index_and_leftovers_of_an_interrupted_rebuild_are_replaced() -> None:
    many_images(50)
    measured(50)
    make_index(f"{the_index()}_ccnew")
    for name in (the_index(), f"{the_index()}_ccnew"):
        sql(f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{name}'::regclass")

    status, told = run("--vacuum")
    assert status == 1
    assert "The index is invalid" in told

    assert run("--rebuild")[0] == 0
    assert [index for index in indexes() if index.startswith(the_index())] == [the_index()]


@pytest.mark.usefixtures("_index_comes_back")
def test_leftovers_of_an_interrupted_rebuild_are_reported_and_removed() -> None:
    many_images(50)
    measured(50)
    make_index(f"{the_index()}_ccnew")
    sql(f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{the_index()}_ccnew'::regclass")

    status, told = run("--vacuum")
    assert status == 1
    assert "A rebuild was interrupted: the invalid index that it left slows down new rows." in told

    assert run("--rebuild")[0] == 0
    assert [index for index in indexes() if index.startswith(the_index())] == [the_index()]


def test_an_hnsw_search_that_gives_up_does_not_count_as_lost_recall(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may give up among rows that no search finds; searches then scan."""
    many_images(60)
    gives_up = "SET LOCAL enable_sort = off; SET LOCAL hnsw.iterative_scan = off; SET LOCAL hnsw.ef_search = 1"
    monkeypatch.setattr("search.state.index_health.plan_for", lambda matching, rows: query_plan.Plan(gives_up))

    health = index_health()

    assert health.pictures_recall == pytest.approx(1, abs=0.02)
    assert health.words_recall == pytest.approx(1, abs=0.02)


@pytest.mark.usefixtures("_index_comes_back")
def test_a_missing_index_during_a_load_is_no_reason_to_rebuild() -> None:
    many_images(50)
    measured(50)
    sql(f"DROP INDEX {the_index()}")
    with locked_elsewhere(the_index()):
        status, told = run("--vacuum")

    assert (status, "A load or rebuild is working on the index" in told, "--rebuild" in told) == (1, True, False)
    assert "Run: manage.py index_health --rebuild" in run()[1]


def indexes() -> list[str]:
    with connection.cursor() as cursor:
        return list(connection.introspection.get_constraints(cursor, active_set().table))


def test_many_dead_rows_are_reported_and_removed() -> None:
    many_images(500)
    measured(500)
    sql("ALTER TABLE search_image SET (autovacuum_enabled = off)")
    try:
        for _ in range(3):
            Image.objects.update(title="another")
        sql("SELECT pg_stat_force_next_flush()")
        status, told = run()
        assert status == 1
        assert "deleted or changed rows are still in the table" in told

        assert run("--vacuum")[0] == 0
    finally:
        sql("ALTER TABLE search_image RESET (autovacuum_enabled)")


def test_after_many_deletions_the_index_is_rebuilt_before_vacuum() -> None:
    images = many_images(1_300)
    sql(f"ALTER TABLE {active_set().table} SET (autovacuum_enabled = off)")
    try:
        Image.objects.filter(pk__in=[image.pk for image in images[600:]]).delete()
        sql("SELECT pg_stat_force_next_flush()")
        assert "deleted or changed rows are still in the tables" in run()[1]
        executed: list[str] = []

        def note(execute: Any, statement: Any, *rest: Any) -> Any:
            executed.append(str(statement))
            return execute(statement, *rest)

        with connection.execute_wrapper(note):
            run("--vacuum")
        created = next(n for n, one in enumerate(executed) if one.startswith("CREATE INDEX CONCURRENTLY"))
        assert any(active_set().table in one and "VACUUM" in one for one in executed[created:])
        assert not any(active_set().table in one and "VACUUM" in one for one in executed[:created])
        health = index_health()
        assert (health.vectors, health.dead_vectors) == (600, 0)
        assert indexes().count(the_index()) == 1
    finally:
        sql(f"ALTER TABLE {active_set().table} RESET (autovacuum_enabled)")


def test_vectors_that_differ_from_the_images_are_reported_and_repaired() -> None:
    images = many_images(60)
    measured(60)
    lost, changed, gone, of_another = (image.pk for image in images[:4])
    sql("ALTER TABLE search_image DISABLE TRIGGER USER")
    sql(f"DELETE FROM search_imagevector WHERE image_id = '{lost}'")
    Image.objects.filter(pk=changed).update(embedding=a_vector(1))
    Image.objects.filter(pk=of_another).update(embedding_model="another")
    sql(f"DELETE FROM search_imagewords WHERE image_id = '{gone}'")
    sql(f"DELETE FROM search_arrival WHERE image_id = '{gone}'")
    sql(f"DELETE FROM search_image WHERE id = '{gone}'")
    sql("ALTER TABLE search_image ENABLE TRIGGER USER")

    status, told = run("--vacuum")
    assert status == 1
    assert (
        "differ from those of the pictures: 1 are missing, 2 belong to no searchable picture, and 1 have other values"
        in told
    )
    assert "Run: manage.py index_health --rebuild" in told

    assert "Vectors repaired: 4." in run("--rebuild")[1]
    stored = {row.image_id: row.embedding for row in ImageVector.objects.filter(set_id=active_set().id)}
    searchable = Image.objects.searchable(active_model())
    assert set(stored) == set(searchable.values_list("pk", flat=True))
    assert all(stored[image.pk] == image.embedding for image in searchable)
    assert not index_health().differs


def test_lost_vectors_of_windows_are_reported_and_become_pending() -> None:
    wide, whole, *_ = many_images(30)
    measured(30)
    both = Image.objects.filter(pk__in=[wide.pk, whole.pk])
    both.update(width=2000, height=400, windows=[0, 0, 2000, 10_000, 8000, 0, 10_000, 10_000])
    table = active_set()
    for image, number in ((wide, 1), (whole, 1), (whole, 2)):
        ImageVector.objects.create(image_id=image.pk, set_id=table.id, window_index=number, embedding=a_vector(number))

    assert "1 wide or tall pictures lack windows" in run("--vacuum")[1]
    status, told = run("--rebuild")
    assert "whose windows are pending now: 1." in told
    assert (status, "Run: manage.py embed_pending --windows" in told) == (1, True)
    wide.refresh_from_db()
    whole.refresh_from_db()
    assert (wide.windows, len(whole.windows or [])) == (None, 8)
    assert not index_health().differs


def test_the_old_set_of_a_killed_partitioning_is_reported_and_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitioning, "STILL_SEARCHED", 0)
    many_images(30)
    measured(30)
    old = make_set(active_model(), 512, 2, current=False)
    assert f"Unused vectors take space: those of {old.table}." in run("--vacuum")[1]
    assert "Dropping what an interrupted partitioning has left" in run("--rebuild")[1]
    assert not VectorSet.objects.filter(pk=old.id).exists()
    assert run()[0] == 0


def test_vectors_of_an_unused_model_are_reported_and_dropped() -> None:
    many_images(30)
    measured(30)
    sql("SELECT make_vector_set('unused', 8)")
    assert "Unused vectors take space: those of unused." in run("--vacuum")[1]
    assert "Dropping the vectors of unused" in run("--rebuild")[1]
    assert not VectorSet.objects.filter(model="unused").exists()
    assert run()[0] == 0


@pytest.fixture
def _table_comes_back():
    """Restore the single table of the small model for other tests."""
    yield
    Image.objects.all().delete()
    drop_set(active_set())
    make_set(active_model(), 512)


@pytest.mark.usefixtures("_table_comes_back")
def test_a_vector_set_that_is_too_large_is_reported_and_partitioned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitioning, "MOST_IN_ONE", 100)
    monkeypatch.setattr(partitioning, "PART", 60)
    monkeypatch.setattr(partitioning, "STILL_SEARCHED", 0)
    many_images(200)
    measured(200)
    status, told = run("--vacuum")
    assert status == 1
    assert "the table should be partitioned" in told

    status, told = run("--rebuild", "--vacuum")
    assert "Partitioning the vectors into 4 parts" in told
    assert (status, active_set().partitions) == (0, 4)
    assert ImageVector.objects.filter(set_id=active_set().id).count() == 200


def test_an_empty_collection_is_reported() -> None:
    status, told = run("--vacuum")

    assert (status, "All is well" in told) == (1, False)
    assert "There are no pictures: searches find nothing, and nothing could be measured." in told
    assert "Run: manage.py ingest FOLDER" in told


@pytest.mark.parametrize(
    ("state", "reason", "command"),
    [
        ({"embedding": None, "embedding_model": ""}, "3 pictures have pending vectors", "manage.py embed_pending"),
        ({"embedding_model": "another"}, "3 pictures have vectors of another model", "manage.py reembed"),
        ({"hidden": True}, "All 3 pictures are hidden", "show some of them in the admin"),
    ],
)
@pytest.mark.parametrize("others", [0, 20])
def test_images_that_no_search_finds_are_reported(
    state: dict[str, object], reason: str, command: str, others: int
) -> None:
    Image.objects.filter(pk__in=[an_image().pk for _ in range(3)]).update(**state)
    many_images(others)
    status, told = run("--vacuum")

    # Some hidden images are normal.
    is_told = not (state == {"hidden": True} and others)
    assert (status, reason in told, command in told) == (int(is_told), is_told, is_told), told
    assert f"Pictures that can be found: {others}" in told


def test_pictures_in_the_trash_are_not_said_to_be_hidden() -> None:
    change([an_image().pk, an_image().pk], Trash())
    status, told = run("--vacuum")

    assert (status, "hidden" in told.replace("Hidden: 0", "")) == (1, False)
    assert "All 2 pictures are in the trash: searches find nothing." in told
    Private.objects.create(image=an_image(hidden=True), visibility="own", hidden=False)
    assert "All 1 pictures are hidden, 1 of them because they are private" in run("--vacuum")[1]


def test_vectors_without_a_table_that_is_searched_are_reported_and_put_into_one() -> None:
    many_images(40)
    measured(40)
    table = active_set()
    drop_set(table)
    status, told = run("--vacuum")

    assert (status, "All is well" in told) == (1, False)
    assert "The vectors of 40 pictures are in no table that is searched." in told
    status, told = run("--rebuild", "--vacuum")
    assert (status, "All is well." in told) == (0, True), told
    assert ImageVector.objects.filter(set_id=active_set().id).count() == 40


def test_a_missing_calibration_is_reported_except_for_a_small_collection() -> None:
    many_images(29)
    assert run("--vacuum")[0] == 0
    many_images(1)
    status, told = run("--vacuum")
    assert (status, "Run: manage.py calibrate" in told) == (1, True)
    measured(30)
    assert run("--vacuum")[0] == 0
    many_images(4)
    assert "Run: manage.py calibrate" in run("--vacuum")[1]


@pytest.mark.usefixtures("no_model")
def test_a_missing_text_model_is_reported() -> None:
    many_images(20)
    status, told = run("--vacuum")
    assert status == 1
    assert "text searches don't work, and none was measured" in told
