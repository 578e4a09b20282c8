"""The metrics that Prometheus reads at /metrics, and access to them."""

import json
import os
import re
import subprocess
import sys
import uuid
from typing import Any

import pytest
import yaml
from django.conf import settings as project
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from imagesearch.environment import secret
from imagesearch.request_bodies import BodyWanted
from search.ingestion import ingest
from search.ingestion.items import Item
from search.metrics import database_metrics
from search.metrics.requests import Requests
from search.models import OwedDeletion, Run
from search.models.run_log import SILENT_AFTER
from tests.base import an_image, pending_image, picture_bytes, picture_file, the_index

pytestmark = pytest.mark.django_db

TOKEN = "a-token-of-32-characters-or-more-12"


@pytest.fixture(autouse=True)
def _with_metrics(settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN
    database_metrics.forget()


def scrape(client: Client | None = None, token: str = TOKEN) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return the value of each series, by its name and labels."""
    database_metrics.forget()
    answer = (client or Client()).get("/metrics", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


def value(found: dict[Any, float], name: str, **labels: str) -> float:
    return found.get((name, frozenset(labels.items())), 0.0)


def difference(before: dict[Any, float], after: dict[Any, float], name: str, **labels: str) -> float:
    return value(after, name, **labels) - value(before, name, **labels)


# Access


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x"]
)
def test_without_the_token_the_page_is_not_found(client, header):
    answer = client.get("/metrics", headers={"Authorization": header} if header is not None else {})
    assert answer.status_code == 404
    assert b"imagesearch_" not in answer.content


def test_without_a_configured_token_the_page_is_not_found(client, settings):
    settings.METRICS_TOKEN = ""
    for header in ("Bearer ", "Bearer", "Bearer  "):
        assert client.get("/metrics", headers={"Authorization": header}).status_code == 404


def test_with_the_token_any_host_name_and_plain_http_are_accepted(client, settings):
    settings.SECURE_SSL_REDIRECT = True
    answer = client.get("/metrics", headers={"Authorization": f"bearer {TOKEN}", "Host": "10.0.0.7:8000"})
    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]


def test_metrics_are_read_only(client):
    assert client.post("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 405


def test_a_weak_token_stops_the_start_and_is_not_repeated_in_the_error(monkeypatch):
    for token in ("short", "with spaces in it and long enough for it"):
        monkeypatch.setenv("METRICS_TOKEN", token)
        with pytest.raises(ImproperlyConfigured, match="METRICS_TOKEN must have 32") as refusal:
            secret("METRICS_TOKEN")
        assert token not in str(refusal.value)


# Requests


def test_requests_are_counted_by_view_method_and_status(client):
    before = scrape()
    client.get("/search?q=a+red+circle")
    client.get(f"/images/{uuid.uuid4()}/")
    client.post("/search/picture", {"picture": picture_file()})
    after = scrape()
    total = "imagesearch_requests_total"
    assert difference(before, after, total, view="results", method="GET", status="200") == 1
    assert difference(before, after, total, view="image", method="GET", status="404") == 1
    assert difference(before, after, total, view="search-by-picture", method="POST", status="302") == 1
    assert difference(before, after, "imagesearch_request_duration_seconds_count", view="results") == 1
    assert value(after, "imagesearch_requests_in_progress") == 1  # the request for /metrics itself


def test_no_input_of_a_client_becomes_a_label(client):
    made_up = "zzz-never-seen"
    for path in (
        f"/{made_up}",
        f"/search?q={made_up}",
        f"/api/{made_up}",
        f"/static/{made_up}.css",
        f"/admin/{made_up}/",
    ):
        client.generic(made_up, path)
        client.get(path)
    client.get(f"/images/{uuid.uuid4()}/")
    found = scrape()
    assert made_up.lower() not in str(found).lower()
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}", str(found))
    assert value(found, "imagesearch_requests_total", view="none", method="OTHER", status="404") >= 1


def test_a_server_error_is_counted_and_leaves_no_request_in_progress(client, monkeypatch):
    client.raise_request_exception = False
    monkeypatch.setattr("search.views.searching.find", lambda query: 1 / 0)
    before = scrape()
    client.get("/search?q=circle")
    after = scrape()
    assert difference(before, after, "imagesearch_requests_total", view="results", method="GET", status="500") == 1
    assert value(after, "imagesearch_requests_in_progress") == 1


def test_a_request_repeated_with_its_body_is_counted_once(rf, caplog):
    def ask_for_the_body(request: Any) -> Any:
        raise BodyWanted

    before = scrape()
    with pytest.raises(BodyWanted):
        Requests(ask_for_the_body)(rf.post("/upload/"))
    after = scrape()
    assert difference(before, after, "imagesearch_requests_total", view="none", method="POST", status="500") == 0
    assert difference(before, after, "imagesearch_requests_in_progress") == 0
    assert "/upload/" not in caplog.text


def test_an_unavailable_part_is_counted_by_its_name(client, no_model):
    before = scrape()
    assert client.get("/search?q=circle").status_code == 503
    after = scrape()
    assert difference(before, after, "imagesearch_unavailable_total", part="model") == 1


def test_encodings_and_cache_lookups_are_counted(client):
    before = scrape()
    for _ in range(3):
        client.get("/search?q=three+green+stars")
    for _ in range(2):
        client.post("/search/picture", {"picture": picture_file()})
    after = scrape()
    lookups = "imagesearch_cache_lookups_total"
    assert difference(before, after, "imagesearch_encoding_seconds_count", kind="words") == 1
    assert difference(before, after, "imagesearch_encoding_seconds_count", kind="pictures") == 1
    assert difference(before, after, lookups, what="query vectors", result="miss") == 1
    assert difference(before, after, lookups, what="query vectors", result="hit") == 2
    assert difference(before, after, lookups, what="query pictures", result="hit") == 1
    assert value(after, "imagesearch_models_loaded", kind="words", compiled="yes") == 1


def test_storage_failures_are_counted(client, settings):
    before = scrape()
    settings.MEDIA_ROOT.parent.mkdir(exist_ok=True)
    settings.MEDIA_ROOT.write_text("not a folder")
    assert client.get("/readyz").status_code == 503
    assert difference(before, scrape(), "imagesearch_storage_failures_total", where="own") == 1


def test_figures_of_the_server_process_are_reported(monkeypatch):
    said = {"connections": 7, "kept_bytes": 100, "cut_off": 2,
            "lanes": {"search": {"active": 3, "waiting": 4, "done": 9, "refused": 5}}}  # fmt: skip
    before = scrape()
    monkeypatch.setattr("search.metrics.shared_counters._server_status", lambda: said)
    scrape()
    after = scrape()
    assert value(after, "imagesearch_server_connections") == 7
    assert value(after, "imagesearch_server_waiting", lane="search") == 4
    assert difference(before, after, "imagesearch_requests_refused_total", reason="busy: search") == 5
    assert difference(before, after, "imagesearch_requests_refused_total", reason="too slow") == 2


def test_a_failure_to_count_does_not_fail_the_request(client, monkeypatch):
    def no_room(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    from search.monitoring import instruments

    monkeypatch.setattr(instruments.REQUESTS, "labels", no_room)
    monkeypatch.setattr(instruments.ENCODING, "labels", no_room)
    assert client.get("/search?q=four+yellow+rings").status_code == 200


# The collection


def test_the_figures_of_the_collection_come_from_the_database():
    an_image()
    an_image(hidden=True)
    an_image(embedding_model="another/model")
    pending_image()
    pending_image("blue").note_failure("The model gave no numbers.")
    OwedDeletion.objects.create(image_id=uuid.uuid4())
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE search_image")
    found = scrape()
    output = {name: value(found, f"imagesearch_{name}") for name in (
        "pictures_hidden", "pictures_pending", "pictures_failed", "pictures_of_other_models", "owed_deletions",
        "index_present", "index_valid", "index_being_built", "database_up",
    )}  # fmt: skip
    assert output == {
        "pictures_hidden": 1, "pictures_pending": 2, "pictures_failed": 1, "pictures_of_other_models": 1,
        "owed_deletions": 1,
        "index_present": 1, "index_valid": 1, "index_being_built": 0, "database_up": 1,
    }  # fmt: skip
    assert value(found, "imagesearch_index_bytes") > 0
    assert value(found, "imagesearch_database_bytes") > value(found, "imagesearch_table_bytes") > 0


def test_a_missing_index_is_reported():
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX {the_index()}")
    assert value(scrape(), "imagesearch_index_present") == 0


def test_the_database_is_queried_once_for_several_scrapes(client, django_assert_num_queries):
    scrape(client)
    with django_assert_num_queries(0):
        client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})


def test_a_database_too_busy_to_count_is_reported_as_up(monkeypatch):
    monkeypatch.setattr(database_metrics, "_LAST_RUN", "SELECT pg_sleep(9)")
    monkeypatch.setattr(database_metrics, "_PATIENCE", "50ms")
    found = scrape()
    assert value(found, "imagesearch_database_up") == 1
    assert ("imagesearch_pictures", frozenset()) not in found


@pytest.mark.django_db(transaction=True)
def test_without_the_database_the_other_metrics_are_reported(database_down):
    found = scrape()
    assert value(found, "imagesearch_database_up") == 0
    assert value(found, "imagesearch_processes") == 1
    assert ("imagesearch_pictures_pending", frozenset()) not in found


# Ingestion


def an_item(name: str, data: bytes) -> Item:
    return Item(name, lambda: data, size=len(data))


@pytest.mark.django_db(transaction=True)
def test_an_ingestion_run_is_reported_when_it_has_ended():
    ingest([an_item("red.jpg", picture_bytes("red")), an_item("none.jpg", b"no picture")])
    found = scrape()
    pictures = "imagesearch_ingest_last_run_pictures"
    assert value(found, pictures, result="added") == value(found, pictures, result="failed") == 1
    assert value(found, "imagesearch_ingest_last_run_state", state="done") == 1
    assert value(found, "imagesearch_ingest_last_done_seconds") > 1e9


@pytest.mark.django_db(transaction=True)
def test_a_run_in_progress_is_distinguished_from_a_killed_one(monkeypatch):
    monkeypatch.setattr("search.ingestion.run_recording.NOTED_EVERY", 0)
    seen: list[dict[Any, float]] = []
    ingest([an_item("red.jpg", picture_bytes("red"))], progress=lambda report: seen.append(scrape()))
    assert [value(found, "imagesearch_ingest_last_run_state", state="running") for found in seen] == [1] * len(seen)
    Run.objects.update(outcome="", ended=None, noted=timezone.now() - 2 * SILENT_AFTER)
    assert value(scrape(), "imagesearch_ingest_last_run_state", state="killed") == 1


@pytest.mark.django_db(transaction=True)
def test_a_failed_run_is_reported_as_failed(no_model):
    with pytest.raises(Exception, match="model"):
        ingest([an_item("red.jpg", picture_bytes("red"))])
    assert value(scrape(), "imagesearch_ingest_last_run_state", state="failed") == 1


@pytest.mark.django_db(transaction=True)
def test_a_dry_run_is_not_recorded():
    ingest([an_item("red.jpg", picture_bytes("red"))], dry_run=True)
    assert not Run.objects.exists()


# Several processes

SHARED = """
import os, sys, types, django; django.setup()
from search.metrics import shared_counters
from search.monitoring import event_counters
shared_counters.PLACES = (os.environ["TMPDIR"],)
shared_counters.share()
print(shared_counters.folder())

def worker(requests):
    one = types.SimpleNamespace()
    shared_counters.give_slot(one)
    pid = os.fork()
    if not pid:
        shared_counters.take_slot(one)
        event_counters.request_began()
        for _ in range(requests):
            event_counters.request_began()
            event_counters.request_ended("search", "GET", 200, 0.01)
        os._exit(0)
    os.waitpid(pid, 0)
    return one

def told():
    from prometheus_client import CollectorRegistry, multiprocess
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    labels = {"view": "search", "method": "GET", "status": "200"}
    total = registry.get_sample_value("imagesearch_requests_total", labels)
    return total, registry.get_sample_value("imagesearch_requests_in_progress")

first, second = worker(3), worker(4)
print(*told())
shared_counters.free_slot(first)
print(*told())
third = worker(5)
shared_counters.free_slot(second); shared_counters.free_slot(third)
print(*told(), len(os.listdir(shared_counters.folder())) <= 8)
if sys.argv[1:] == ["leaves"]:
    shared_counters.leave()
"""

WITHOUT_DATABASE = {
    "DJANGO_SETTINGS_MODULE": "imagesearch.settings",
    "DATABASE_URL": "postgres://nobody@localhost/none",
    "DEBUG": "on",
    "SECRET_KEY": "unused",
}


def test_processes_share_their_counters_and_reuse_files_of_ended_ones(tmp_path):
    def run(*arguments: str) -> list[str]:
        output = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", SHARED, *arguments],
            cwd=project.BASE_DIR,
            env={**os.environ, **WITHOUT_DATABASE, "METRICS_TOKEN": TOKEN, "TMPDIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        return output.stdout.splitlines()

    folder, *output = run()
    # Each ended process had a request in progress; the next process in its slot continues its counters.
    assert output == ["7.0 2.0", "7.0 1.0", "12.0 0.0 True"]
    assert [str(one) for one in tmp_path.iterdir()] == [folder]
    run("leaves")
    assert list(tmp_path.iterdir()) == [], "The folder of the one that was killed is gone, and that of the last."


# Documentation

DOCS = project.BASE_DIR / "docs"


def metric_names() -> set[str]:
    """The names of all series, those of histograms included."""
    from search.monitoring import instruments

    described = {
        f"{family.name}{suffix}"
        for family in instruments.OWN.collect()
        for suffix in {"counter": ("_total",), "histogram": ("", "_bucket", "_sum", "_count")}.get(family.type, ("",))
    }
    Run.objects.create(outcome="done", ended="2026-11-29T00:00Z")
    return described | {name for name, _labels in scrape() if name.startswith("imagesearch_")}


def metric_names_in(text: str) -> set[str]:
    return set(re.findall(r"imagesearch_[a-z_]*[a-z]", text))


@pytest.mark.parametrize("file", ["dashboard.json", "alerts.yml"])
def test_the_example_dashboard_and_alerts_use_existing_metrics_only(file):
    named = metric_names_in((DOCS / "monitoring" / file).read_text())
    assert len(named) > 5
    assert named <= metric_names()


def test_the_documentation_names_every_metric_and_no_other():
    text = (DOCS / "monitoring.md").read_text()
    families = {re.sub("_(bucket|sum|count)$", "", name) if "seconds_" in name else name for name in metric_names()}
    assert metric_names_in(text) == families


def test_prometheus_and_grafana_can_read_the_examples():
    dashboard = json.loads((DOCS / "monitoring" / "dashboard.json").read_text())
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"]) > 10
    for rule in yaml.safe_load((DOCS / "monitoring" / "alerts.yml").read_text())["groups"][0]["rules"]:
        assert rule["expr"].count("(") == rule["expr"].count(")")
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"]["summary"]
    scrape_config = yaml.safe_load((DOCS / "monitoring" / "prometheus.yml").read_text())["scrape_configs"][0]
    assert scrape_config["metrics_path"] == "/metrics"
