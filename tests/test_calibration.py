"""Calibration of the relevance bands: when it is due, concurrency, and what remains after a failure."""

import datetime as dt
import threading
from collections.abc import Sequence
from io import StringIO
from unittest import mock

import numpy as np
import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from search.embedding import ModelUnavailable, active_model
from search.embedding.identity import forget_identities
from search.indexing.query_plan import Plan
from search.models import Calibration, Image
from search.models.vector_values import Vector, Vectors
from search.relevance import (
    background_calibration,
    band_thresholds,
    calibrate,
    calibrate_if_due,
    calibrate_soon_if_due,
    calibration,
    is_due,
)
from search.relevance.band_thresholds import scale_of
from search.relevance.bank_vectors import bank_vectors, queries
from tests.base import a_vector, in_another_thread, locked_elsewhere, near, picture_file

pytestmark = pytest.mark.django_db

GIVES_UP = Plan("SET LOCAL enable_sort = off; SET LOCAL hnsw.iterative_scan = off; SET LOCAL hnsw.ef_search = 1")
"""An HNSW search that looks at a single row."""


def fill(count: int, first: int = 0, vector: Vector | None = None) -> None:
    """Rows with random vectors, or all with one vector."""
    numbers = range(first, first + count)
    put([a_vector(number) if vector is None else vector for number in numbers], first)


def put(vectors: Sequence[Vector], first: int = 0, model: str = "") -> None:
    Image.objects.bulk_create(
        Image(
            id=f"00000000-0000-8000-8000-{number:012}",
            embedding=vector,
            embedding_model=model or active_model(),
            format="JPEG",
            width=640,
            height=480,
            byte_size=1000,
            dominant_colour="#aabbcc",
            placeholder="data:image/webp;base64,UklGRg==",
        )
        for number, vector in enumerate(vectors, start=first)
    )


def test_the_query_bank_has_as_many_queries_in_every_language():
    bank = queries()
    assert {"en", "ko", "ja", "zh", "de", "fr", "es"} <= set(bank)
    assert len({len(own) for own in bank.values()}) == 1
    assert all(text == text.strip() and text for own in bank.values() for text in own)
    assert len(set(bank["en"])) == len(bank["en"]) >= 100


def test_without_a_calibration_there_is_no_scale():
    fill(40)
    assert scale_of(a_vector(1), pictures=0) is None


def test_after_a_calibration_every_query_has_a_scale():
    fill(40)
    report = calibrate()
    assert (report.pictures, report.model) == (40, active_model())
    for share in (0, 0.5, 1):
        scale = scale_of(a_vector(1), pictures=share)
        assert scale is not None
        assert scale.mean < scale.related < scale.strong
    assert scale_of(a_vector(1), pictures=1).band(1.0) == "strong"


@pytest.mark.parametrize("count", [0, 1, 29])
def test_an_empty_or_tiny_collection_is_not_calibrated(count: int):
    fill(count)
    assert not is_due()
    assert calibrate_if_due() is False
    assert calibrate().words is None
    assert scale_of(a_vector(1), pictures=0) is None
    assert not Calibration.objects.exists()


def test_a_collection_that_became_tiny_loses_its_calibration():
    fill(40)
    calibrate()
    Image.objects.filter(id__gte="00000000-0000-8000-8000-000000000010").delete()
    assert calibrate_if_due() is True
    assert scale_of(a_vector(1), pictures=0) is None
    assert calibrate_if_due() is False


def test_calibration_works_if_the_index_returns_a_single_row(monkeypatch):
    fill(60)
    fill(40, first=60, vector=a_vector(1))
    calibrate()
    exact = Calibration.objects.get()
    monkeypatch.setattr(calibration, "EXACT_BELOW", 50)
    monkeypatch.setattr(calibration, "plan_for", lambda matching, rows: GIVES_UP)
    calibrate()
    measured = Calibration.objects.get()
    # That row is near, but not always the nearest: HNSW graphs are built randomly.
    assert measured.words_match == pytest.approx(exact.words_match, abs=0.05)
    assert measured.pictures_match == pytest.approx(exact.pictures_match, abs=0.05)


def test_hidden_images_and_those_of_another_model_do_not_count():
    fill(40)
    Image.objects.filter(id__lt="00000000-0000-8000-8000-000000000006").update(hidden=True)
    Image.objects.filter(id__gte="00000000-0000-8000-8000-000000000035").update(embedding_model="another")
    assert not is_due()


def test_it_is_due_at_first_and_after_a_tenth_was_added_or_deleted():
    fill(50)
    assert calibrate_if_due() is True
    assert calibrate_if_due() is False
    fill(4, first=50)
    assert calibrate_if_due() is False
    fill(1, first=54)
    assert calibrate_if_due() is True
    Image.objects.filter(id__lt="00000000-0000-8000-8000-000000000006").delete()
    assert calibrate_if_due() is True


def test_it_is_due_after_additions_and_deletions_that_keep_the_count():
    fill(40)
    calibrate()
    Image.objects.filter(id__lt="00000000-0000-8000-8000-000000000002").delete()
    fill(1, first=40)
    assert not is_due()
    fill(1, first=41)
    assert is_due()
    calibrate()
    assert not is_due()
    Image.objects.update(hidden=True)
    fill(40, first=100)
    assert is_due()


def test_it_is_due_when_a_model_has_changed(settings, tmp_path, monkeypatch):
    fill(40)
    calibrate()
    monkeypatch.setattr(calibration, "bank_vectors", mock.Mock(return_value=bank_vectors()))
    settings.EMBEDDING_TEXT_MODEL = "somebody/another-model-for-words"
    assert is_due()
    assert scale_of(a_vector(1), pictures=0) is None  # measured with another text model
    calibrate()
    assert scale_of(a_vector(1), pictures=0) is not None
    settings.EMBEDDING_IMAGE_MODEL = "somebody/another-model"
    assert not is_due()  # no image has a vector of it
    Image.objects.update(embedding_model="somebody/another-model")
    assert is_due()
    assert scale_of(a_vector(1), pictures=0) is None


def test_it_is_due_when_the_folder_of_the_text_model_has_other_weights(settings, tmp_path, monkeypatch):
    fill(40)
    monkeypatch.setattr(calibration, "bank_vectors", mock.Mock(return_value=bank_vectors()))
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"as they were")
    settings.EMBEDDING_TEXT_MODEL = str(tmp_path)
    calibrate()
    assert not is_due()

    weights.write_bytes(b"trained on")
    forget_identities()  # as in a new process
    assert is_due()
    assert scale_of(a_vector(1), pictures=0) is None


def test_the_calibration_of_an_earlier_version_is_used_until_the_next(settings):
    fill(40)
    calibrate()
    Calibration.objects.update(text_model=settings.EMBEDDING_TEXT_MODEL)  # the name of the folder without a digest
    band_thresholds.look_again()
    assert scale_of(a_vector(1), pictures=0) is not None
    assert is_due()


def test_a_new_calibration_replaces_the_last_one():
    fill(40)
    calibrate()
    before = scale_of(a_vector(1), pictures=1)
    fill(40, first=40, vector=near(a_vector(1), 0.6))
    calibrate()
    assert Calibration.objects.get().pictures == 80
    assert scale_of(a_vector(1), pictures=1) != before


def test_a_calibration_of_another_process_is_noticed():
    fill(40)
    calibrate()
    before = scale_of(a_vector(1), pictures=1)
    Calibration.objects.update(measured=timezone.now(), pictures_match=0.123)
    with mock.patch.object(band_thresholds.cache, "get", return_value=None):  # as if the entry had expired
        after = scale_of(a_vector(1), pictures=1)
    assert before.strong != after.strong == pytest.approx(0.123, abs=0.1)


def test_a_calibration_replaced_during_a_search_is_missed_only_once():
    fill(40)
    calibrate()
    band_thresholds.cache.set(band_thresholds._cache_key(), timezone.now())
    assert scale_of(a_vector(1), pictures=0) is None
    assert scale_of(a_vector(1), pictures=0) is not None


def test_a_search_seldom_queries_the_database(django_assert_num_queries):
    fill(40)
    calibrate()
    with django_assert_num_queries(2):  # the newest calibration, and once per process the sample
        scale_of(a_vector(1), pictures=0)
    with django_assert_num_queries(0):
        scale_of(a_vector(2), pictures=1)
    band_thresholds.look_again()
    with django_assert_num_queries(1):
        scale_of(a_vector(3), pictures=0)


def test_a_collection_of_identical_images_can_be_calibrated():
    fill(40, vector=a_vector(7))
    calibrate()
    for query in (a_vector(7), a_vector(8)):
        scale = scale_of(query, pictures=1)
        assert scale.spread > 0
        assert np.isfinite([scale.mean, scale.strong, scale.related]).all()


def test_pairs_of_copies_do_not_raise_the_threshold():
    for number in range(40):
        fill(2, first=2 * number, vector=a_vector(number))
    calibrate()
    assert Calibration.objects.get().pictures_match < 0.5


@pytest.mark.parametrize("exact_below", [5_000, 100])
def test_many_copies_of_one_image_do_not_raise_the_threshold(exact_below: int, monkeypatch):
    monkeypatch.setattr(calibration, "EXACT_BELOW", exact_below)
    monkeypatch.setattr(calibration, "bank_vectors", lambda: np.stack([a_vector(seed) for seed in range(900, 920)]))
    fill(200)
    calibrate()
    before = Calibration.objects.get().pictures_match
    fill(60, first=200, vector=a_vector(7))
    calibrate()
    assert Calibration.objects.get().pictures_match == pytest.approx(before, abs=0.03)


def test_rows_of_another_model_do_not_hide_the_others_from_the_calibration(monkeypatch):
    """The HNSW search may give up among them, as while a collection is embedded for another model."""
    bank = np.stack([near(a_vector(0), 0.9, seed) for seed in range(1, 20)])
    monkeypatch.setattr(calibration, "bank_vectors", lambda: bank)
    put([near(a_vector(0), 0.1, seed) for seed in range(1, 121)])
    calibrate()
    whole = Calibration.objects.get()
    put([near(a_vector(0), 0.95, seed) for seed in range(200, 300)], first=200, model="another")
    monkeypatch.setattr(calibration, "EXACT_BELOW", 100)
    monkeypatch.setattr(calibration, "plan_for", lambda matching, rows: GIVES_UP)
    calibrate()
    by_index = Calibration.objects.get()
    for level in ("words_least", "words_match"):
        assert getattr(by_index, level) == pytest.approx(getattr(whole, level), abs=0.01)


def test_a_large_collection_is_calibrated_with_the_index(monkeypatch):
    fill(300)
    calibrate()
    whole = Calibration.objects.get()
    monkeypatch.setattr(calibration, "EXACT_BELOW", 100)
    calibrate()
    by_index = Calibration.objects.get()
    for level in ("words_least", "words_match", "pictures_match"):
        assert getattr(by_index, level) == pytest.approx(getattr(whole, level), abs=0.01)


def test_a_killed_calibration_keeps_the_last_result_and_the_next_one_succeeds(monkeypatch):
    fill(40)
    calibrate()
    before = Calibration.objects.values().get()
    fill(20, first=40)
    with monkeypatch.context() as killed:
        killed.setattr(calibration, "measure", mock.Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            calibrate_if_due()
    assert Calibration.objects.values().get() == before
    assert calibrate_if_due() is True
    assert Calibration.objects.get().pictures == 60


@pytest.mark.django_db(transaction=True)
def test_two_concurrent_calibrations_leave_one_result():
    fill(40)
    bank_vectors()
    together, failures = threading.Barrier(2), []

    def run() -> None:
        together.wait()
        try:
            calibrate()
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert Calibration.objects.get().pictures == 40


@pytest.mark.django_db(transaction=True)
def test_it_does_nothing_while_another_process_calibrates():
    fill(40)
    with locked_elsewhere(calibration._LOCK):
        assert calibrate_if_due() is False
    assert calibrate_if_due() is True


@pytest.mark.django_db(transaction=True)
def test_images_added_by_another_process_during_a_calibration_are_included(monkeypatch):
    fill(40)
    left: list[bool] = []

    def add_more() -> Vectors:
        if not left:
            fill(20, first=40)
            in_another_thread(lambda: left.append(calibrate_if_due())).join(30)
        return bank_vectors()

    monkeypatch.setattr(calibration, "bank_vectors", add_more)
    assert calibrate_if_due() is True
    assert left == [False]
    assert Calibration.objects.get().pictures == 60
    assert not is_due()


def test_a_wrong_clock_does_not_make_it_due():
    fill(40)
    with mock.patch("django.utils.timezone.now", return_value=timezone.now() - dt.timedelta(hours=1)):
        calibrate()
    assert not is_due()


def test_the_command_prints_what_it_measured():
    fill(40)
    out = StringIO()
    call_command("calibrate", stdout=out)
    assert "40 pictures" in out.getvalue()
    assert "strong from" in out.getvalue()


def test_the_command_reports_too_few_images():
    fill(3)
    out = StringIO()
    call_command("calibrate", stdout=out)
    assert "3 pictures are too few to measure" in out.getvalue()


def test_ingest_calibrates_when_it_is_due(tmp_path):
    fill(40)
    picture_file(colour="red").open()
    (tmp_path / "red.jpg").write_bytes(picture_file(colour="red").read())
    out = StringIO()
    call_command("ingest", str(tmp_path), stdout=out)
    assert "Measured the thresholds for strong matches" in out.getvalue()
    assert Calibration.objects.get().pictures == 41
    out = StringIO()
    call_command("ingest", str(tmp_path), stdout=out)
    assert "Measured" not in out.getvalue()


def test_a_dry_run_does_not_calibrate(tmp_path):
    fill(40)
    (tmp_path / "red.jpg").write_bytes(picture_file(colour="red").read())
    call_command("ingest", str(tmp_path), dry_run=True, stdout=StringIO())
    assert not Calibration.objects.exists()


def test_ingest_succeeds_without_the_text_model(tmp_path, monkeypatch):
    fill(40)
    (tmp_path / "red.jpg").write_bytes(picture_file(colour="red").read())
    monkeypatch.setattr(calibration, "bank_vectors", mock.Mock(side_effect=ModelUnavailable("No words today.")))
    out, complaints = StringIO(), StringIO()
    call_command("ingest", str(tmp_path), stdout=out, stderr=complaints)
    assert "1 added" in out.getvalue()
    assert "No words today." in complaints.getvalue()
    assert "manage.py calibrate" in complaints.getvalue()


def test_reembedding_calibrates_for_the_new_model():
    fill(40)
    call_command("reembed", stdout=StringIO())
    assert Calibration.objects.get().model == active_model()


@pytest.mark.django_db(transaction=True)
def test_an_upload_calibrates_in_the_background(as_alice: Client, settings, monkeypatch):
    settings.CALIBRATE_AFTER_UPLOADS = True
    fill(40)
    started = []
    start = background_calibration.calibrate_soon_if_due
    monkeypatch.setattr("search.views.uploading.calibrate_soon_if_due", lambda: started.append(start()))
    assert as_alice.post("/upload/", {"pictures": [picture_file()]}).status_code == 200
    started[0].join()
    assert started[0].daemon
    assert Calibration.objects.get().pictures == 41
    as_alice.post("/upload/", {"pictures": [picture_file()]})  # known already: nothing has changed
    assert len(started) == 1


def test_calibration_after_uploads_can_be_switched_off():
    fill(40)
    assert calibrate_soon_if_due() is None


@pytest.mark.django_db(transaction=True)
def test_a_failure_in_the_background_is_logged_and_retried_by_the_next_upload(settings, monkeypatch, caplog):
    settings.CALIBRATE_AFTER_UPLOADS = True
    failing = mock.Mock(side_effect=RuntimeError("broken"))
    with monkeypatch.context() as broken:
        broken.setattr(background_calibration, "calibrate_if_due", failing)
        calibrate_soon_if_due().join()
    assert "Not calibrated" in caplog.text
    fill(40)
    calibrate_soon_if_due().join()
    assert Calibration.objects.get().pictures == 40


def test_one_background_run_at_a_time(settings):
    settings.CALIBRATE_AFTER_UPLOADS = True
    with background_calibration._running:
        assert calibrate_soon_if_due() is None


def test_adding_an_image_by_the_api_calibrates_too(as_alice: Client, monkeypatch):
    soon = mock.Mock()
    monkeypatch.setattr("search.api.images.calibrate_soon_if_due", soon)
    token = as_alice.get("/upload/").context["csrf_token"]
    for status in (201, 200):
        answer = as_alice.post("/api/images", {"picture": picture_file()}, headers={"X-CSRFToken": str(token)})
        assert answer.status_code == status
    soon.assert_called_once_with()
