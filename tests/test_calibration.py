"""Measuring the collection: when, by whom, and what is left when something goes wrong."""

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
    background,
    bands,
    calibrate,
    calibrate_if_due,
    calibrate_soon_if_due,
    calibration,
    is_due,
)
from search.relevance.bands import scale_of
from search.relevance.bank_vectors import bank_vectors, queries
from tests.base import a_vector, in_another_thread, locked_elsewhere, near, picture_file

pytestmark = pytest.mark.django_db

GIVES_UP = Plan("SET LOCAL enable_sort = off; SET LOCAL hnsw.iterative_scan = off; SET LOCAL hnsw.ef_search = 1")
"""A walk that looks at a single row."""


def fill(count: int, first: int = 0, vector: Vector | None = None) -> None:
    """Rows in directions of their own, or all in one."""
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


def test_the_bank_says_the_same_in_every_language():
    bank = queries()
    assert {"en", "ko", "ja", "zh", "de", "fr", "es"} <= set(bank)
    assert len({len(own) for own in bank.values()}) == 1
    assert all(text == text.strip() and text for own in bank.values() for text in own)
    assert len(set(bank["en"])) == len(bank["en"]) >= 100


def test_before_anything_is_measured_nothing_is_claimed():
    fill(40)
    assert scale_of(a_vector(1), pictures=0) is None


def test_after_calibrating_every_query_has_a_scale():
    fill(40)
    report = calibrate()
    assert (report.pictures, report.model) == (40, active_model())
    for share in (0, 0.5, 1):
        scale = scale_of(a_vector(1), pictures=share)
        assert scale is not None
        assert scale.mean < scale.related < scale.strong
    assert scale_of(a_vector(1), pictures=1).band(1.0) == "strong"


@pytest.mark.parametrize("count", [0, 1, 29])
def test_an_empty_or_tiny_collection_can_not_be_measured(count: int):
    fill(count)
    assert not is_due()
    assert calibrate_if_due() is False
    assert calibrate().words is None
    assert scale_of(a_vector(1), pictures=0) is None
    assert not Calibration.objects.exists()


def test_a_collection_that_became_tiny_is_measured_no_longer():
    fill(40)
    calibrate()
    Image.objects.filter(id__gte="00000000-0000-8000-8000-000000000010").delete()
    assert calibrate_if_due() is True
    assert scale_of(a_vector(1), pictures=0) is None
    assert calibrate_if_due() is False


def test_a_walk_that_brings_one_row_is_no_reason_to_fail(monkeypatch):
    fill(60)
    fill(40, first=60, vector=a_vector(1))
    calibrate()
    exact = Calibration.objects.get()
    monkeypatch.setattr(calibration, "EXACT_BELOW", 50)
    monkeypatch.setattr(calibration, "plan_for", lambda matching, rows: GIVES_UP)
    calibrate()
    measured = Calibration.objects.get()
    # That row is a near one, but not always the nearest: graphs are built by chance.
    assert measured.words_match == pytest.approx(exact.words_match, abs=0.05)
    assert measured.pictures_match == pytest.approx(exact.pictures_match, abs=0.05)


def test_hidden_pictures_and_those_of_another_model_do_not_count():
    fill(40)
    Image.objects.filter(id__lt="00000000-0000-8000-8000-000000000006").update(hidden=True)
    Image.objects.filter(id__gte="00000000-0000-8000-8000-000000000035").update(embedding_model="another")
    assert not is_due()


def test_it_is_due_at_first_and_when_a_tenth_has_come_or_gone():
    fill(50)
    assert calibrate_if_due() is True
    assert calibrate_if_due() is False
    fill(4, first=50)
    assert calibrate_if_due() is False
    fill(1, first=54)
    assert calibrate_if_due() is True
    Image.objects.filter(id__lt="00000000-0000-8000-8000-000000000006").delete()
    assert calibrate_if_due() is True


def test_it_is_due_when_as_many_pictures_have_gone_as_have_come():
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
    assert scale_of(a_vector(1), pictures=0) is None  # what was measured for other words holds for these no more
    calibrate()
    assert scale_of(a_vector(1), pictures=0) is not None
    settings.EMBEDDING_IMAGE_MODEL = "somebody/another-model"
    assert not is_due()  # no picture has a vector of it
    Image.objects.update(embedding_model="somebody/another-model")
    assert is_due()
    assert scale_of(a_vector(1), pictures=0) is None


def test_it_is_due_when_a_folder_holds_another_model_for_words(settings, tmp_path, monkeypatch):
    fill(40)
    monkeypatch.setattr(calibration, "bank_vectors", mock.Mock(return_value=bank_vectors()))
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"as they were")
    settings.EMBEDDING_TEXT_MODEL = str(tmp_path)
    calibrate()
    assert not is_due()

    weights.write_bytes(b"trained on")
    forget_identities()  # as in a process that starts
    assert is_due()
    assert scale_of(a_vector(1), pictures=0) is None


def test_what_an_earlier_version_measured_is_used_until_it_is_measured_anew(settings):
    fill(40)
    calibrate()
    Calibration.objects.update(text_model=settings.EMBEDDING_TEXT_MODEL)  # the folder alone
    bands.look_again()
    assert scale_of(a_vector(1), pictures=0) is not None
    assert is_due()


def test_a_new_measurement_takes_the_place_of_the_last_one():
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
    with mock.patch.object(bands.cache, "get", return_value=None):  # as when the time has passed
        after = scale_of(a_vector(1), pictures=1)
    assert before.strong != after.strong == pytest.approx(0.123, abs=0.1)


def test_a_measurement_that_was_replaced_this_very_moment_is_missed_once_only():
    fill(40)
    calibrate()
    bands.cache.set(bands._cache_key(), timezone.now())
    assert scale_of(a_vector(1), pictures=0) is None
    assert scale_of(a_vector(1), pictures=0) is not None


def test_a_search_asks_the_database_once_in_a_while_only(django_assert_num_queries):
    fill(40)
    calibrate()
    with django_assert_num_queries(2):  # which is the newest, and once in a process the sample
        scale_of(a_vector(1), pictures=0)
    with django_assert_num_queries(0):
        scale_of(a_vector(2), pictures=1)
    bands.look_again()
    with django_assert_num_queries(1):
        scale_of(a_vector(3), pictures=0)


def test_pictures_that_are_all_the_same_are_measured_too():
    fill(40, vector=a_vector(7))
    calibrate()
    for query in (a_vector(7), a_vector(8)):
        scale = scale_of(query, pictures=1)
        assert scale.spread > 0
        assert np.isfinite([scale.mean, scale.strong, scale.related]).all()


def test_copies_do_not_raise_what_pictures_must_score():
    for number in range(40):
        fill(2, first=2 * number, vector=a_vector(number))
    calibrate()
    assert Calibration.objects.get().pictures_match < 0.5


@pytest.mark.parametrize("exact_below", [5_000, 100])
def test_a_page_that_is_there_many_times_does_not_raise_what_pictures_must_score(exact_below: int, monkeypatch):
    monkeypatch.setattr(calibration, "EXACT_BELOW", exact_below)
    monkeypatch.setattr(calibration, "bank_vectors", lambda: np.stack([a_vector(seed) for seed in range(900, 920)]))
    fill(200)
    calibrate()
    before = Calibration.objects.get().pictures_match
    fill(60, first=200, vector=a_vector(7))
    calibrate()
    assert Calibration.objects.get().pictures_match == pytest.approx(before, abs=0.03)


def test_rows_that_no_search_finds_do_not_hide_the_others_from_the_measurement(monkeypatch):
    """A walk through the index may give up among them, as while a collection is embedded anew for another model."""
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


def test_a_collection_too_large_to_hold_is_measured_by_the_index(monkeypatch):
    fill(300)
    calibrate()
    whole = Calibration.objects.get()
    monkeypatch.setattr(calibration, "EXACT_BELOW", 100)
    calibrate()
    by_index = Calibration.objects.get()
    for level in ("words_least", "words_match", "pictures_match"):
        assert getattr(by_index, level) == pytest.approx(getattr(whole, level), abs=0.01)


def test_killed_midway_the_last_result_stays_and_the_next_try_succeeds(monkeypatch):
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
def test_two_at_once_leave_one_result():
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
def test_while_another_process_is_at_it_nothing_is_done_twice():
    fill(40)
    with locked_elsewhere(calibration._LOCK):
        assert calibrate_if_due() is False
    assert calibrate_if_due() is True


@pytest.mark.django_db(transaction=True)
def test_what_another_process_adds_meanwhile_and_leaves_to_this_one_is_measured_too(monkeypatch):
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


def test_the_clock_of_this_machine_does_not_count():
    fill(40)
    with mock.patch("django.utils.timezone.now", return_value=timezone.now() - dt.timedelta(hours=1)):
        calibrate()
    assert not is_due()


def test_the_command_tells_what_it_measured():
    fill(40)
    out = StringIO()
    call_command("calibrate", stdout=out)
    assert "40 pictures" in out.getvalue()
    assert "strong from" in out.getvalue()


def test_the_command_tells_when_there_are_too_few():
    fill(3)
    out = StringIO()
    call_command("calibrate", stdout=out)
    assert "3 pictures are too few to measure" in out.getvalue()


def test_ingesting_calibrates_by_itself_when_it_is_due(tmp_path):
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


def test_a_dry_run_measures_nothing(tmp_path):
    fill(40)
    (tmp_path / "red.jpg").write_bytes(picture_file(colour="red").read())
    call_command("ingest", str(tmp_path), dry_run=True, stdout=StringIO())
    assert not Calibration.objects.exists()


def test_ingesting_succeeds_without_the_model_for_words(tmp_path, monkeypatch):
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
def test_an_upload_has_the_collection_measured_beside_it(as_alice: Client, settings, monkeypatch):
    settings.CALIBRATE_AFTER_UPLOADS = True
    fill(40)
    started = []
    start = background.calibrate_soon_if_due
    monkeypatch.setattr("search.views.uploading.calibrate_soon_if_due", lambda: started.append(start()))
    assert as_alice.post("/upload/", {"pictures": [picture_file()]}).status_code == 200
    started[0].join()
    assert started[0].daemon
    assert Calibration.objects.get().pictures == 41
    as_alice.post("/upload/", {"pictures": [picture_file()]})  # known: nothing has changed
    assert len(started) == 1


def test_nothing_runs_beside_an_upload_where_the_settings_say_no():
    fill(40)
    assert calibrate_soon_if_due() is None


@pytest.mark.django_db(transaction=True)
def test_a_failure_beside_an_upload_is_logged_and_the_next_one_tries_again(settings, monkeypatch, caplog):
    settings.CALIBRATE_AFTER_UPLOADS = True
    failing = mock.Mock(side_effect=RuntimeError("broken"))
    with monkeypatch.context() as broken:
        broken.setattr(background, "calibrate_if_due", failing)
        calibrate_soon_if_due().join()
    assert "Not calibrated" in caplog.text
    fill(40)
    calibrate_soon_if_due().join()
    assert Calibration.objects.get().pictures == 40


def test_one_background_run_at_a_time(settings):
    settings.CALIBRATE_AFTER_UPLOADS = True
    with background._running:
        assert calibrate_soon_if_due() is None


def test_a_program_that_adds_a_picture_has_the_collection_measured_too(as_alice: Client, monkeypatch):
    soon = mock.Mock()
    monkeypatch.setattr("search.api.images.calibrate_soon_if_due", soon)
    token = as_alice.get("/upload/").context["csrf_token"]
    for status in (201, 200):
        answer = as_alice.post("/api/images", {"picture": picture_file()}, headers={"X-CSRFToken": str(token)})
        assert answer.status_code == status
    soon.assert_called_once_with()
