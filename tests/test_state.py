"""The state of things: what there is, what waits and what is wrong, each with when it was looked at."""

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
from search.models.runs import SILENT_AFTER
from search.objects import storage
from search.query import Mode, SearchQuery
from search.retrieval import find
from search.state import outliers, periodic_checks, registry, searches
from search.state.growth_plot import plot_of
from search.state.sections import sections
from tests.admin_pages import IMAGES, log_in_staff, rows, said, titles
from tests.base import a_vector, an_image, many_images, near, stored_image

pytestmark = pytest.mark.django_db

STATE, RUNS = "/admin/state/", "/admin/search/run/"


@pytest.fixture(autouse=True)
def _nothing_counted():
    searches._days.clear()


def figures() -> dict[str, Any]:
    return {figure.name: figure.value for section in sections() for figure in section.figures}


def wrong() -> dict[str, str]:
    """What needs somebody, each with its fix."""
    return {figure.name: figure.fix for section in sections() for figure in section.wrong}


def state(*arguments: str) -> tuple[str, int]:
    """Run the command; return what it prints, and its exit status."""
    out = StringIO()
    try:
        call_command("state", *arguments, stdout=out)
    except SystemExit as end:
        return out.getvalue(), int(end.code or 0)
    return out.getvalue(), 0


def looked_at_all() -> None:
    """As if all had been looked at just now, and nothing was wrong."""
    periodic_checks.look("counts")
    periodic_checks.keep("storage", {"objects": 0, "left": {}}, 0.1)
    periodic_checks.keep("outliers", {"measured": 0, "left": 0, "outliers": 0, "fence": None}, 0.1)
    index = {"searchable": 1, "pictures_recall": None, "words_recall": None, "has_words": True, "index": None}
    periodic_checks.keep("index", {**index, "advice": []}, 0.1)


# What nobody has looked at


def test_nothing_is_well_that_was_not_looked_at():
    an_image()
    assert figures()["pictures"] is None
    assert figures()["original missing"] is None
    text, status = state()
    assert status == 2
    assert "All is well" not in text
    assert "NOT KNOWN, not checked lately: Pictures, " in text


def test_a_look_of_long_ago_says_nothing_of_today():
    looked_at_all()
    assert state()[1] == 0
    Measurement.objects.filter(name="storage").update(measured=timezone.now() - timedelta(days=4))
    text, status = state()
    assert status == 2
    assert "NOT KNOWN, not checked lately: Files" in text


def test_a_look_that_failed_keeps_what_was_found_before_and_says_why(monkeypatch):
    looked_at_all()

    def away() -> dict[str, Any]:
        raise storage.StorageUnavailable("The bucket is away.")

    monkeypatch.setitem(periodic_checks.CHECKS, "storage", periodic_checks.Check(away))
    periodic_checks.look("storage")
    text, status = state()
    assert "the last check failed: The bucket is away." in text
    assert (figures()["original missing"], status) == (0, 2)


# What is counted


def test_what_there_is_and_what_it_lacks_is_counted_without_the_trash():
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


def test_each_number_leads_to_the_pictures_that_it_counts(as_carol: Client):
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
def test_what_has_changed_a_moment_ago_is_counted_where_that_takes_no_time(as_carol: Client, seconds, shown):
    an_image("A")
    periodic_checks.look("counts")
    Measurement.objects.update(seconds=seconds)
    an_image("B")
    assert f'<a href="/admin/search/image/">{shown}</a>' in as_carol.get(STATE).content.decode()


def test_a_room_adds_a_number_of_its_own(monkeypatch, as_carol: Client):
    monkeypatch.setattr(registry, "counts", {})
    registry.count("suggestions", "Tag suggestions", lambda: 7, "admin:search_image_changelist", "lacks=tags")
    periodic_checks.look("counts")
    assert figures()["suggestions"] == 7
    assert '<a href="/admin/search/image/?lacks=tags">7</a>' in as_carol.get(STATE).content.decode()


def test_groups_that_wait_for_somebody_are_counted_and_not_pairs():
    first, second, third = (an_image(title) for title in "ABC")
    for one, other in ((first, second), (second, third)):
        DuplicatePair.objects.create(first=one, second=other, kind="same")
    periodic_checks.look("counts")
    assert figures()["duplicates_same"] == 1


def test_vectors_of_another_model_need_somebody():
    an_image("A")
    an_image("B", embedding_model="another")
    periodic_checks.look("counts")
    assert figures()["other_models"] == figures()["vectors of another"] == 1
    assert wrong()["other_models"] == "manage.py reembed"


def test_a_picture_that_waits_for_long_or_failed_needs_attention():
    image = an_image("A")
    Image.objects.filter(pk=image.pk).update(embedding=None, embedding_model="")
    assert (figures()["pending"], figures()["poisoned"]) == (1, 0)
    assert "pending" not in wrong()
    Image.objects.filter(pk=image.pk).update(created=timezone.now() - timedelta(hours=2))
    assert wrong()["pending"] == "manage.py embed_pending"
    Image.objects.filter(pk=image.pk).update(embedding_failure="It has no vector.")
    assert (figures()["pending"], figures()["poisoned"]) == (0, 1)
    assert wrong()["poisoned"] == "manage.py embed_pending"


# Files


def test_a_look_through_the_storage_names_the_pictures_and_mending_takes_them_off(as_carol: Client):
    whole, no_original = stored_image("red", title="Whole"), stored_image("blue", title="Lost")
    for image in (whole, no_original):
        Image.objects.filter(pk=image.pk).update(
            byte_size=storage.size_of(storage.original_key(image.pk)), id=image.pk
        )
        storage.put(storage.rendition_key(image.pk, storage.THUMBNAIL), b"thumbnail", "image/webp")
    storage.delete([storage.original_key(no_original.pk)])
    periodic_checks.look("storage")
    assert [figures()[name] for name in ("objects", "original missing", "thumbnail missing")] == [3, 1, 0]
    assert wrong()["original missing"] == "manage.py reconcile --repair"
    assert titles(as_carol.get(f"{IMAGES}?lacks=original")) == {"Lost"}
    assert titles(as_carol.get(f"{IMAGES}?lacks=thumbnail")) == set()
    storage.put(
        storage.original_key(no_original.pk), b"x" * Image.objects.get(pk=no_original.pk).byte_size, "image/jpeg"
    )
    periodic_checks.look("storage")
    assert figures()["original missing"] == 0
    assert not LostObject.objects.exists()


def test_reconcile_is_such_a_look_and_a_run_of_the_ledger():
    image = stored_image("red")
    storage.delete([storage.original_key(image.pk)])
    with pytest.raises(SystemExit):
        call_command("reconcile", stdout=StringIO(), stderr=StringIO())
    run = Run.objects.get()
    assert (run.kind, run.known, run.outcome) == (Run.Kind.RECONCILE, 1, "done")
    assert run.failed == 2  # its thumbnail is not there either
    assert {(one.name, one.reason.partition(" (")[0]) for one in run.files.all()} == {
        (str(image.pk), "original missing"),
        (str(image.pk), "thumbnail missing"),
    }
    assert figures()["original missing"] == figures()["thumbnail missing"] == 1


def test_files_are_repaired_in_the_background_by_who_may_delete(monkeypatch, client: Client):
    started: list[tuple[str, ...]] = []
    monkeypatch.setattr("search.concurrency.commands.start_command", lambda *command: started.append(command))
    dora = log_in_staff(client, "change_image")
    assert client.post(f"{STATE}look/", {"repair": "1"}).status_code == 403
    client.logout()
    dora.user_permissions.clear()
    dora.delete()
    carol = log_in_staff(client, "change_image", "delete_image")
    client.post(f"{STATE}look/", {"repair": "1"})
    assert started == [("reconcile", "--repair", "--asked-by", str(carol.pk))]


def test_looking_now_counts_at_once_and_starts_what_takes_long(monkeypatch, as_carol: Client):
    started: list[tuple[str, ...]] = []
    monkeypatch.setattr("search.concurrency.commands.start_command", lambda *command: started.append(command))
    an_image()
    response = as_carol.post(f"{STATE}look/", follow=True)
    assert figures()["pictures"] == 1
    assert started == [("state", "--check", "storage", "index", "outliers", "--quiet")]
    assert "Counts are up to date" in said(response)


# Outliers


def test_a_picture_far_from_all_others_is_an_outlier_until_something_like_it_comes(as_carol: Client):
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


def test_of_few_pictures_nothing_is_called_an_outlier():
    many_images(20)
    periodic_checks.look("outliers")
    assert figures()["outliers"] is None
    assert "not enough pictures" in state()[0]


def test_what_one_look_does_not_come_to_the_next_one_does(monkeypatch):
    monkeypatch.setattr(outliers, "PER_CHECK", 6)
    many_images(10)
    assert [periodic_checks.look("outliers").found["left"] for _ in range(2)] == [4, 0]
    assert Isolation.objects.count() == 10


# When looks are taken


def test_a_look_is_taken_when_it_is_due_by_one_process_alone(monkeypatch):
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
    # Somebody else is at it.
    Measurement.objects.update(measured=timezone.now() - timedelta(days=2), tried=timezone.now())
    assert periodic_checks.check_if_due(quick=False) == []
    Measurement.objects.update(tried=timezone.now() - timedelta(hours=2))
    assert periodic_checks.check_if_due(quick=False) == list(periodic_checks.CHECKS)


def test_with_no_hours_set_only_what_is_quick_is_looked_at(settings, monkeypatch):
    settings.LOOK_HOURS = 0
    for name, one in periodic_checks.CHECKS.items():
        monkeypatch.setitem(periodic_checks.CHECKS, name, periodic_checks.Check(dict, one.quick))
    assert periodic_checks.check_if_due(quick=False) == ["counts"]


# Searches


def searched(words: str) -> None:
    query = SearchQuery(words=words)
    with searches.counted(query) as timed:
        timed.results = find(query)


def test_searches_are_counted_by_the_day_and_no_word_is_kept(client: Client):
    an_image("harbour")
    client.get("/search", {"q": "harbour"})
    client.get("/search", {"q": "harbour", "page": "2"})
    client.get("/")
    client.get(reverse("api:search"), {"q": "mountain"})
    client.get("/search", {"q": "is:untagged"})
    searches.write()
    day = SearchDay.objects.get()
    assert (day.searches, day.unmeasured, day.nothing_strong) == (3, 1, 0)
    assert 0 < day.slowest <= day.seconds
    assert not UnansweredWords.objects.exists()
    assert figures()["searches_today"] == 3


def test_words_that_found_nothing_strong_are_kept_where_that_is_wanted(settings, as_carol: Client):
    settings.KEEP_UNANSWERED = True
    an_image("harbour")
    for words in ("hippo", "hippopotamus", "hippopotamus", "harbour"):
        query = SearchQuery(words=words, mode=Mode.WORDS)
        with searches.counted(query) as timed:
            timed.results = find(query)
    searches.write()
    assert list(UnansweredWords.objects.values_list("words", "count")) == [("hippopotamus", 2)]
    page = as_carol.get(STATE).content.decode()
    assert '<a href="/search?q=hippopotamus" dir="auto">hippopotamus</a>' in page
    settings.KEEP_UNANSWERED = False
    assert "hippopotamus" not in as_carol.get(STATE).content.decode()
    searches.forget_some()
    assert not UnansweredWords.objects.exists()


def test_what_could_not_be_written_is_counted_the_next_time(monkeypatch):
    an_image("harbour")
    searched("harbour")

    def broken(*_given: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(searches, "_write", broken)
        with pytest.raises(RuntimeError):
            searches.write()
    searched("harbour")
    searches.write()
    searches.write()
    assert SearchDay.objects.get().searches == 2


# Runs


def test_a_run_that_broke_off_needs_attention_and_says_what_to_run():
    looked_at_all()
    run = Run.objects.create(noted=timezone.now() - 2 * SILENT_AFTER, places=["/photos"])
    assert figures()["run ingest"] == Run.INTERRUPTED
    assert wrong() == {"run ingest": f"manage.py ingest --retry {run.pk}"}
    Run.objects.create(outcome="done", refused=3)
    assert wrong() == {}


# The page


def test_the_page_is_for_curators_and_the_menu_leads_them_there(client: Client, as_alice: Client, as_carol: Client):
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


def test_the_page_asks_few_questions(as_carol: Client):
    for number in range(3):
        an_image(f"{number}")
        Run.objects.create(outcome="done", kind=list(Run.Kind)[number])
    looked_at_all()
    # Of a large collection, which is not counted while somebody waits.
    Measurement.objects.filter(name="counts").update(seconds=1)
    as_carol.get(STATE)
    with CaptureQueriesContext(connection) as queries:
        as_carol.get(STATE)
    assert 5 < len(queries) <= 20


def test_growth_is_drawn_and_told_as_a_table(as_carol: Client):
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


# The ledger's pages


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


def test_a_run_is_tried_again_from_the_admin_where_its_files_are_in_reach(monkeypatch, as_carol, carol, tmp_path):
    started: list[tuple[str, ...]] = []
    monkeypatch.setattr("search.concurrency.commands.start_command", lambda *command: started.append(command))
    away, here = a_run(places=["/nowhere/photos"]), a_run(places=[str(tmp_path / "*.jpg")])
    page = as_carol.get(f"{RUNS}{away.pk}/change/").content.decode()
    told = "The files are on attic, in /nowhere/photos, which this server can&#x27;t access. Run this command there:"
    assert f"{told} manage.py ingest --retry {away.pk}" in page
    as_carol.post(f"{RUNS}{away.pk}/retry/")
    assert not started
    assert "Retry the files that were not added" in as_carol.get(f"{RUNS}{here.pk}/change/").content.decode()
    response = as_carol.post(f"{RUNS}{here.pk}/retry/", follow=True)
    assert started == [("ingest", "--retry", str(here.pk), "--asked-by", str(carol.pk))]
    assert f"Run {here.pk} is being retried." in said(response)
    assert as_carol.get(f"{RUNS}{here.pk}/retry/").status_code == 405


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"kind": "upload"}, "were uploaded"),
        ({"kind": "reembed"}, "manage.py reembed"),
        ({"outcome": ""}, "still in progress"),
        ({"places": []}, "earlier version"),
    ],
)
def test_a_run_that_can_not_be_tried_again_says_why(as_carol: Client, fields: dict[str, Any], told: str):
    run = a_run(**fields)
    assert told in as_carol.get(f"{RUNS}{run.pk}/change/").content.decode()


def test_a_retry_that_the_admin_starts_names_who_asked_for_it(carol, tmp_path, monkeypatch):
    monkeypatch.setattr("os.nice", lambda _by: 0)
    with pytest.raises(SystemExit):
        call_command("ingest", str(tmp_path / "gone.jpg"), stdout=StringIO(), stderr=StringIO())
    with pytest.raises(SystemExit):
        call_command("ingest", retry=Run.objects.get().pk, asked_by=carol.pk, stdout=StringIO(), stderr=StringIO())
    run = Run.objects.first()
    assert run
    assert (run.by, run.door) == (carol, Run.Door.ADMIN)


# The command


def test_the_command_tells_the_same_to_programs():
    an_image("A")
    looked_at_all()
    text, status = state("--json")
    told = json.loads(text)
    assert (told["status"], status) == ("well", 0)
    assert told["sections"]["pictures"]["figures"]["pictures"] == 1
    assert told["sections"]["pictures"]["measured"]
    Image.objects.update(embedding=None, embedding_model="", embedding_failure="It has no vector.")
    text, status = state("--json")
    told = json.loads(text)
    assert (told["status"], status) == ("needs attention", 1)
    assert told["needs_attention"][0]["run"] == "manage.py embed_pending"
    assert (
        "NEEDS ATTENTION: Without a vector, because embedding failed: 1\n  Run: manage.py embed_pending" in state()[0]
    )


def test_the_command_is_silent_where_all_is_well_and_that_is_wanted():
    looked_at_all()
    assert state("--quiet") == ("", 0)
    assert state()[0].endswith("All is well.\n")


@pytest.mark.parametrize("option", ["--check", "--look"])  # the second as earlier versions spelled it
def test_the_command_looks_anew_at_what_is_named(option: str):
    an_image("A")
    assert "Pictures: 1" in state(option, "counts")[0]
    assert set(Measurement.objects.values_list("name", flat=True)) == {"counts"}


def test_a_storage_that_does_not_answer_needs_attention(settings, monkeypatch):
    looked_at_all()

    def away() -> None:
        raise storage.StorageUnavailable("The folder is away.")

    monkeypatch.setattr(storage, "check", away)
    text, status = state()
    assert status == 1
    assert "NEEDS ATTENTION: The storage: The folder is away." in text


def test_a_lost_object_and_how_isolated_a_picture_is_follow_its_id():
    image = an_image("A")
    LostObject.objects.create(image=image, kind="original")
    Isolation.objects.create(image=image, set_id=1, similarity=0.5)
    other = uuid.uuid4()
    Image.objects.filter(pk=image.pk).update(id=other)
    assert LostObject.objects.get().image_id == Isolation.objects.get().image_id == other
    Image.objects.filter(pk=other).delete()
    assert not LostObject.objects.exists()
