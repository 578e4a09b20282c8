"""The state page and command: counts, pending work and problems, each with the time of its last check."""

import json
import re
import uuid
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from search.models import (
    Capture,
    DuplicatePair,
    Image,
    Isolation,
    LostObject,
    Measurement,
    Report,
    Run,
    RunFile,
    SearchDay,
    Trashed,
    UnansweredWords,
)
from search.models.run_log import SILENT_AFTER
from search.objects import storage
from search.query import Mode, SearchQuery
from search.retrieval import find
from search.state import outliers, periodic_checks, registry, search_statistics
from search.state.all_sections import sections
from search.state.growth_plot import plot_of
from tests.admin_pages import IMAGES, log_in_staff, rows, said, titles
from tests.base import a_vector, an_image, many_images, near, stored_image

pytestmark = pytest.mark.django_db

STATE, RUNS = "/admin/state/", "/admin/search/run/"


@pytest.fixture(autouse=True)
def _no_searches_counted():
    search_statistics._days.clear()


def figures() -> dict[str, Any]:
    return {figure.name: figure.value for section in sections() for figure in section.figures}


def problems() -> dict[str, str]:
    """The figures that need attention, each with its fix."""
    return {figure.name: figure.fix for section in sections() for figure in section.wrong}


def state(*arguments: str) -> tuple[str, int]:
    """Run the command; return its output and its exit status."""
    out = StringIO()
    try:
        call_command("state", *arguments, stdout=out)
    except SystemExit as end:
        return out.getvalue(), int(end.code or 0)
    return out.getvalue(), 0


def checked_all() -> None:
    """As if everything had just been checked without findings."""
    periodic_checks.look("counts")
    periodic_checks.keep("storage", {"objects": 0, "left": {}}, 0.1)
    periodic_checks.keep("outliers", {"measured": 0, "left": 0, "outliers": 0, "fence": None}, 0.1)
    index = {"searchable": 1, "pictures_recall": None, "words_recall": None, "has_words": True, "index": None}
    periodic_checks.keep("index", {**index, "advice": []}, 0.1)


# Missing checks


def test_unchecked_figures_are_not_reported_as_well():
    an_image()
    assert figures()["pictures"] is None
    assert figures()["original missing"] is None
    text, status = state()
    assert status == 2
    assert "All is well" not in text
    assert "NOT KNOWN, not checked lately: Pictures, " in text


def test_a_check_of_long_ago_counts_as_missing():
    checked_all()
    assert state()[1] == 0
    Measurement.objects.filter(name="storage").update(measured=timezone.now() - timedelta(days=4))
    text, status = state()
    assert status == 2
    assert "NOT KNOWN, not checked lately: Files" in text


def test_a_failed_check_keeps_the_previous_findings_and_shows_the_error(monkeypatch):
    checked_all()

    def away() -> dict[str, Any]:
        raise storage.StorageUnavailable("The bucket is away.")

    monkeypatch.setitem(periodic_checks.CHECKS, "storage", periodic_checks.Check(away))
    periodic_checks.look("storage")
    text, status = state()
    assert "the last check failed: The bucket is away." in text
    assert (figures()["original missing"], status) == (0, 2)


# Counts


def test_pictures_and_missing_fields_are_counted_without_the_trash():
    an_image("A", tags=["sea"], description="The sea.", byte_size=10)
    an_image("B", hidden=True, byte_size=20)
    an_image(byte_size=30)
    trashed = an_image("C", byte_size=5, hidden=True)
    Trashed.objects.create(image=trashed, was_hidden=False)
    dated = an_image("D", tags=["sea"], byte_size=40)
    Capture.objects.create(image=dated, taken=timezone.now(), taken_from="camera")
    periodic_checks.look("counts")
    found = figures()
    assert [found[name] for name in ("pictures", "hidden", "bytes", "trashed")] == [4, 1, 100, 1]
    assert [found[f"without_{name}"] for name in ("tags", "title", "description", "date")] == [2, 1, 3, 3]


def test_each_count_links_to_the_counted_pictures(as_carol: Client):
    an_image("A", tags=["sea"], description="The sea.")
    an_image("B", hidden=True)
    an_image("", tags=["sea"])
    periodic_checks.look("counts")
    Report.objects.create(image=Image.objects.get(title="A"), reason="other")
    periodic_checks.look("counts")
    page = as_carol.get(STATE).content.decode()
    links = re.findall(r'<a href="(/admin/search/image/\?[^"]+)">([\d,]+)</a>', page)
    assert {link.partition("?")[2].partition("=")[0] for link, _count in links} >= {"hidden", "lacks", "reported"}
    for link, count in links:
        assert as_carol.get(link.replace("&amp;", "&")).context["cl"].result_count == int(count), link


@pytest.mark.parametrize(("seconds", "shown"), [(0.01, 2), (1, 1)])
def test_recent_changes_are_counted_at_once_if_counting_is_fast(as_carol: Client, seconds, shown):
    an_image("A")
    periodic_checks.look("counts")
    Measurement.objects.update(seconds=seconds)
    an_image("B")
    assert f'<a href="/admin/search/image/">{shown}</a>' in as_carol.get(STATE).content.decode()


def test_a_package_can_register_its_own_count(monkeypatch, as_carol: Client):
    monkeypatch.setattr(registry, "counts", {})
    registry.count("suggestions", "Tag suggestions", lambda: 7, "admin:search_image_changelist", "lacks=tags")
    periodic_checks.look("counts")
    assert figures()["suggestions"] == 7
    assert '<a href="/admin/search/image/?lacks=tags">7</a>' in as_carol.get(STATE).content.decode()


def test_duplicate_groups_are_counted_and_not_pairs():
    first, second, third = (an_image(title) for title in "ABC")
    for one, other in ((first, second), (second, third)):
        DuplicatePair.objects.create(first=one, second=other, kind="same")
    periodic_checks.look("counts")
    assert figures()["duplicates_same"] == 1


def test_vectors_of_another_model_need_attention():
    an_image("A")
    an_image("B", embedding_model="another")
    periodic_checks.look("counts")
    assert figures()["other_models"] == figures()["vectors of another"] == 1
    assert problems()["other_models"] == "manage.py reembed"


def test_a_picture_pending_for_long_or_failed_needs_attention():
    image = an_image("A")
    Image.objects.filter(pk=image.pk).update(embedding=None, embedding_model="")
    assert (figures()["pending"], figures()["poisoned"]) == (1, 0)
    assert "pending" not in problems()
    Image.objects.filter(pk=image.pk).update(created=timezone.now() - timedelta(hours=2))
    assert problems()["pending"] == "manage.py embed_pending"
    Image.objects.filter(pk=image.pk).update(embedding_failure="It has no vector.")
    assert (figures()["pending"], figures()["poisoned"]) == (0, 1)
    assert problems()["poisoned"] == "manage.py embed_pending"


# Files


def test_a_storage_check_lists_pictures_and_repairing_removes_them_from_the_list(as_carol: Client):
    whole, no_original = stored_image("red", title="Whole"), stored_image("blue", title="Lost")
    for image in (whole, no_original):
        Image.objects.filter(pk=image.pk).update(
            byte_size=storage.size_of(storage.original_key(image.pk)), id=image.pk
        )
        storage.put(storage.rendition_key(image.pk, storage.THUMBNAIL), b"thumbnail", "image/webp")
    storage.delete([storage.original_key(no_original.pk)])
    periodic_checks.look("storage")
    assert [figures()[name] for name in ("objects", "original missing", "thumbnail missing")] == [3, 1, 0]
    assert problems()["original missing"] == "manage.py reconcile --repair"
    assert titles(as_carol.get(f"{IMAGES}?lacks=original")) == {"Lost"}
    assert titles(as_carol.get(f"{IMAGES}?lacks=thumbnail")) == set()
    storage.put(
        storage.original_key(no_original.pk), b"x" * Image.objects.get(pk=no_original.pk).byte_size, "image/jpeg"
    )
    periodic_checks.look("storage")
    assert figures()["original missing"] == 0
    assert not LostObject.objects.exists()


def test_reconcile_counts_as_a_storage_check_and_is_recorded_as_a_run():
    image = stored_image("red")
    storage.delete([storage.original_key(image.pk)])
    with pytest.raises(SystemExit):
        call_command("reconcile", stdout=StringIO(), stderr=StringIO())
    run = Run.objects.get()
    assert (run.kind, run.known, run.outcome) == (Run.Kind.RECONCILE, 1, "done")
    assert run.failed == 2  # its thumbnail is missing too
    assert {(one.name, one.reason.partition(" (")[0]) for one in run.files.all()} == {
        (str(image.pk), "original missing"),
        (str(image.pk), "thumbnail missing"),
    }
    assert figures()["original missing"] == figures()["thumbnail missing"] == 1


def test_files_are_repaired_in_the_background_for_users_who_may_delete(monkeypatch, client: Client):
    started: list[tuple[str, ...]] = []
    monkeypatch.setattr("search.concurrency.command_processes.start_command", lambda *command: started.append(command))
    dora = log_in_staff(client, "change_image")
    assert client.post(f"{STATE}look/", {"repair": "1"}).status_code == 403
    client.logout()
    dora.user_permissions.clear()
    dora.delete()
    carol = log_in_staff(client, "change_image", "delete_image")
    client.post(f"{STATE}look/", {"repair": "1"})
    assert started == [("reconcile", "--repair", "--asked-by", str(carol.pk))]


def test_checking_now_counts_at_once_and_starts_slow_checks_in_the_background(monkeypatch, as_carol: Client):
    started: list[tuple[str, ...]] = []
    monkeypatch.setattr("search.concurrency.command_processes.start_command", lambda *command: started.append(command))
    an_image()
    response = as_carol.post(f"{STATE}look/", follow=True)
    assert figures()["pictures"] == 1
    assert started == [("state", "--check", "storage", "index", "outliers", "--quiet")]
    assert "Counts are up to date" in said(response)


# Outliers


def test_an_isolated_picture_is_an_outlier_until_a_similar_one_is_added(as_carol: Client):
    centre = a_vector(1)
    for number in range(120):
        an_image(f"near {number}", vector=near(centre, 0.9 + 0.0003 * number, seed=1_000 + number))
    lonely = an_image("lonely", vector=-centre)
    periodic_checks.look("outliers")
    assert (figures()["outliers"], figures()["outliers_measured"]) == (1, 121)
    assert titles(as_carol.get(f"{IMAGES}?outliers=yes")) == {"lonely"}
    an_image("alike", vector=near(-centre, 0.99))
    periodic_checks.look("outliers")
    assert figures()["outliers"] == 0
    assert Isolation.objects.get(image=lonely).similarity > 0.9


def test_with_few_pictures_no_outliers_are_reported():
    many_images(20)
    periodic_checks.look("outliers")
    assert figures()["outliers"] is None
    assert "not enough pictures" in state()[0]


def test_a_check_continues_where_the_previous_one_ended(monkeypatch):
    monkeypatch.setattr(outliers, "PER_CHECK", 6)
    many_images(10)
    assert [periodic_checks.look("outliers").found["left"] for _ in range(2)] == [4, 0]
    assert Isolation.objects.count() == 10


# When checks run


def test_a_due_check_is_run_by_one_process_only(monkeypatch):
    taken: list[str] = []
    for name, one in periodic_checks.CHECKS.items():
        monkeypatch.setitem(
            periodic_checks.CHECKS, name, periodic_checks.Check(lambda name=name: taken.append(name) or {}, one.quick)
        )
    assert periodic_checks.check_if_due(quick=True) == ["counts"]
    assert periodic_checks.check_if_due(quick=False) == ["storage", "index", "outliers"]
    assert periodic_checks.check_if_due(quick=False) == []
    Measurement.objects.update(measured=timezone.now() - timedelta(hours=1), tried=timezone.now() - timedelta(hours=1))
    assert periodic_checks.check_if_due(quick=False) == ["counts"]
    # Another process is running it.
    Measurement.objects.update(measured=timezone.now() - timedelta(days=2), tried=timezone.now())
    assert periodic_checks.check_if_due(quick=False) == []
    Measurement.objects.update(tried=timezone.now() - timedelta(hours=2))
    assert periodic_checks.check_if_due(quick=False) == list(periodic_checks.CHECKS)


def test_without_an_interval_only_quick_checks_run(settings, monkeypatch):
    settings.LOOK_HOURS = 0
    for name, one in periodic_checks.CHECKS.items():
        monkeypatch.setitem(periodic_checks.CHECKS, name, periodic_checks.Check(dict, one.quick))
    assert periodic_checks.check_if_due(quick=False) == ["counts"]


# Searches


def searched(words: str) -> None:
    query = SearchQuery(words=words)
    with search_statistics.counted(query) as timed:
        timed.results = find(query)


def test_searches_are_counted_by_day_and_no_query_is_stored(client: Client):
    an_image("harbour")
    client.get("/search", {"q": "harbour"})
    client.get("/search", {"q": "harbour", "page": "2"})
    client.get("/")
    client.get(reverse("api:search"), {"q": "mountain"})
    client.get("/search", {"q": "is:untagged"})
    search_statistics.write()
    day = SearchDay.objects.get()
    assert (day.searches, day.unmeasured, day.nothing_strong) == (3, 1, 0)
    assert 0 < day.slowest <= day.seconds
    assert not UnansweredWords.objects.exists()
    assert figures()["searches_today"] == 3


def test_queries_without_strong_matches_are_stored_if_the_setting_allows_it(settings, as_carol: Client):
    settings.KEEP_UNANSWERED = True
    an_image("harbour")
    for words in ("hippo", "hippopotamus", "hippopotamus", "harbour"):
        query = SearchQuery(words=words, mode=Mode.WORDS)
        with search_statistics.counted(query) as timed:
            timed.results = find(query)
    search_statistics.write()
    assert list(UnansweredWords.objects.values_list("words", "count")) == [("hippopotamus", 2)]
    page = as_carol.get(STATE).content.decode()
    assert '<a href="/search?q=hippopotamus" dir="auto">hippopotamus</a>' in page
    settings.KEEP_UNANSWERED = False
    assert "hippopotamus" not in as_carol.get(STATE).content.decode()
    search_statistics.forget_some()
    assert not UnansweredWords.objects.exists()


def test_counts_that_could_not_be_written_are_written_the_next_time(monkeypatch):
    an_image("harbour")
    searched("harbour")

    def broken(*_given: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(search_statistics, "_write", broken)
        with pytest.raises(RuntimeError):
            search_statistics.write()
    searched("harbour")
    search_statistics.write()
    search_statistics.write()
    assert SearchDay.objects.get().searches == 2


# Runs


def test_a_failed_run_needs_attention_and_names_the_command_to_retry():
    checked_all()
    run = Run.objects.create(noted=timezone.now() - 2 * SILENT_AFTER, places=["/photos"])
    assert figures()["run ingest"] == Run.INTERRUPTED
    assert problems() == {"run ingest": f"manage.py ingest --retry {run.pk}"}
    Run.objects.create(outcome="done", refused=3)
    assert problems() == {}


# The page


def test_the_page_and_its_menu_entry_are_for_curators(client: Client, as_alice: Client, as_carol: Client):
    assert client.get(STATE).status_code == 302
    assert as_alice.get(STATE).status_code == 302
    reader = Client()
    log_in_staff(reader, "view_image")
    assert reader.get(STATE).status_code == 403
    assert reader.get(RUNS).status_code == 403
    assert STATE not in reader.get("/admin/").content.decode()
    assert as_carol.post(STATE).status_code == 405
    assert f'href="{STATE}"' in as_carol.get("/admin/").content.decode()
    assert f'href="{STATE}"' in as_carol.get("/").content.decode()
    assert STATE not in as_alice.get("/").content.decode()


def test_the_page_takes_few_queries(as_carol: Client):
    for number in range(3):
        an_image(f"{number}")
        Run.objects.create(outcome="done", kind=list(Run.Kind)[number])
    checked_all()
    # As in a large collection, which is not counted during a request.
    Measurement.objects.filter(name="counts").update(seconds=1)
    as_carol.get(STATE)
    with CaptureQueriesContext(connection) as queries:
        as_carol.get(STATE)
    assert 5 < len(queries) <= 20


def test_growth_is_shown_as_a_chart_and_as_a_table(as_carol: Client):
    for days, title in ((0, "A"), (1, "B"), (400, "C")):
        image = an_image(title)
        Image.objects.filter(pk=image.pk).update(created=timezone.now() - timedelta(days=days))
    periodic_checks.look("counts")
    page = as_carol.get(STATE).content.decode()
    assert '<path class="line" d="M' in page
    found = Measurement.objects.get(name="counts").found
    assert found["growth"]["by"] == "month"
    assert found["growth"]["points"][-1][1:] == [3, 3000]
    plot = plot_of({"by": "day", "points": [["2026-11-01", 5, 100], ["2026-11-30", 12, 300]]})
    assert plot
    assert [label.text for label in plot.up] == ["0", "10", "20"]
    assert [row[:2] for row in plot.rows] == [("2026-11-30", "12"), ("2026-11-01", "5")]


# The pages of runs


def a_run(**fields: Any) -> Run:
    run = Run.objects.create(**{"outcome": "done", "places": ["/photos"], "machine": "attic", **fields})
    for kind, name in (("failed", "lost.jpg"), ("refused", "=bad.jpg"), ("left", "film.mov")):
        RunFile.objects.create(run=run, kind=kind, name=name, reason="It is so.")
    return run


def test_runs_are_listed_with_their_state_and_found_by_a_file(as_carol: Client):
    done, killed = a_run(), a_run(outcome="", noted=timezone.now() - 2 * SILENT_AFTER)
    running = Run.objects.create(kind=Run.Kind.REEMBED)
    assert rows(as_carol.get(RUNS)) == [running, killed, done]
    assert rows(as_carol.get(f"{RUNS}?state=interrupted")) == [killed]
    assert rows(as_carol.get(f"{RUNS}?state=running")) == [running]
    assert rows(as_carol.get(f"{RUNS}?kind__exact=reembed")) == [running]
    assert rows(as_carol.get(f"{RUNS}?q=lost.jpg")) == [killed, done]
    assert as_carol.get(f"{RUNS}?state=nonsense").status_code == 400


def test_the_page_of_a_run_lists_its_files_by_kind_and_as_a_table(as_carol: Client):
    run = a_run(failed=1, refused=1, by=None)
    page = as_carol.get(f"{RUNS}{run.pk}/change/").content.decode()
    assert "lost.jpg" in page
    assert "film.mov" in page
    page = as_carol.get(f"{RUNS}{run.pk}/change/?kind=refused&p=nonsense").content.decode()
    assert "=bad.jpg" in page
    assert "lost.jpg" not in page
    table = b"".join(as_carol.get(f"{RUNS}{run.pk}/files.csv"))
    assert table.decode("utf-8-sig").splitlines() == [
        "what,name,reason,address",
        "failed,lost.jpg,It is so.,",
        "refused,'=bad.jpg,It is so.,",
        "left,film.mov,It is so.,",
    ]
    assert len(b"".join(as_carol.get(f"{RUNS}{run.pk}/files.csv?kind=left")).splitlines()) == 2
    assert len(b"".join(as_carol.get(f"{RUNS}{run.pk}/files.csv?kind=nonsense")).splitlines()) == 4
    for number in (10**8, 10**30):
        assert as_carol.get(f"{RUNS}{number}/change/").status_code == 302
        assert as_carol.post(f"{RUNS}{number}/retry/").status_code == 302
    assert "no longer exists" in said(as_carol.get(f"{RUNS}{run.pk + 1}/files.csv", follow=True))


def test_a_run_can_be_retried_from_the_admin_if_its_files_are_reachable(monkeypatch, as_carol, carol, tmp_path):
    started: list[tuple[str, ...]] = []
    monkeypatch.setattr("search.concurrency.command_processes.start_command", lambda *command: started.append(command))
    away, here = a_run(places=["/nowhere/photos"]), a_run(places=[str(tmp_path / "*.jpg")])
    page = as_carol.get(f"{RUNS}{away.pk}/change/").content.decode()
    message = (
        "The files are on attic, in /nowhere/photos, which this server can&#x27;t access. Run this command there:"
    )
    assert f"{message} manage.py ingest --retry {away.pk}" in page
    as_carol.post(f"{RUNS}{away.pk}/retry/")
    assert not started
    assert "Retry the files that were not added" in as_carol.get(f"{RUNS}{here.pk}/change/").content.decode()
    response = as_carol.post(f"{RUNS}{here.pk}/retry/", follow=True)
    assert started == [("ingest", "--retry", str(here.pk), "--asked-by", str(carol.pk))]
    assert f"Run {here.pk} is being retried." in said(response)
    assert as_carol.get(f"{RUNS}{here.pk}/retry/").status_code == 405


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "upload"}, "were uploaded"),
        ({"kind": "reembed"}, "manage.py reembed"),
        ({"outcome": ""}, "still in progress"),
        ({"places": []}, "earlier version"),
    ],
)
def test_a_run_that_can_not_be_retried_says_why(as_carol: Client, fields: dict[str, Any], message: str):
    run = a_run(**fields)
    assert message in as_carol.get(f"{RUNS}{run.pk}/change/").content.decode()


def test_a_retry_from_the_admin_records_the_user(carol, tmp_path, monkeypatch):
    monkeypatch.setattr("os.nice", lambda _by: 0)
    with pytest.raises(SystemExit):
        call_command("ingest", str(tmp_path / "gone.jpg"), stdout=StringIO(), stderr=StringIO())
    with pytest.raises(SystemExit):
        call_command("ingest", retry=Run.objects.get().pk, asked_by=carol.pk, stdout=StringIO(), stderr=StringIO())
    run = Run.objects.first()
    assert run
    assert (run.by, run.door) == (carol, Run.Door.ADMIN)


# The command


def test_the_command_prints_the_same_as_json():
    an_image("A")
    checked_all()
    text, status = state("--json")
    answer = json.loads(text)
    assert (answer["status"], status) == ("well", 0)
    assert answer["sections"]["pictures"]["figures"]["pictures"] == 1
    assert answer["sections"]["pictures"]["measured"]
    Image.objects.update(embedding=None, embedding_model="", embedding_failure="It has no vector.")
    text, status = state("--json")
    answer = json.loads(text)
    assert (answer["status"], status) == ("needs attention", 1)
    assert answer["needs_attention"][0]["run"] == "manage.py embed_pending"
    assert (
        "NEEDS ATTENTION: Without a vector, because embedding failed: 1\n  Run: manage.py embed_pending" in state()[0]
    )


def test_with_quiet_the_command_prints_nothing_if_all_is_well():
    checked_all()
    assert state("--quiet") == ("", 0)
    assert state()[0].endswith("All is well.\n")


@pytest.mark.parametrize("option", ["--check", "--look"])  # the second was the spelling of earlier versions
def test_the_command_repeats_the_named_checks(option: str):
    an_image("A")
    assert "Pictures: 1" in state(option, "counts")[0]
    assert set(Measurement.objects.values_list("name", flat=True)) == {"counts"}


def test_an_unavailable_storage_needs_attention(settings, monkeypatch):
    checked_all()

    def away() -> None:
        raise storage.StorageUnavailable("The folder is away.")

    monkeypatch.setattr(storage, "check", away)
    text, status = state()
    assert status == 1
    assert "NEEDS ATTENTION: The storage: The folder is away." in text


def test_lost_objects_and_isolation_follow_the_id_of_a_picture():
    image = an_image("A")
    LostObject.objects.create(image=image, kind="original")
    Isolation.objects.create(image=image, set_id=1, similarity=0.5)
    other = uuid.uuid4()
    Image.objects.filter(pk=image.pk).update(id=other)
    assert LostObject.objects.get().image_id == Isolation.objects.get().image_id == other
    Image.objects.filter(pk=other).delete()
    assert not LostObject.objects.exists()
