"""Health checks for load balancers."""

import threading
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from search import embedding
from search.embedding import ModelUnavailable, forget_models, picture_encoder
from search.embedding.compiled_store import PICTURES, WORDS, verdict_on

PARTS = ["database", "storage", "migrations", "static_files", "image_model", "text_model"]
KINDS = (WORDS, PICTURES)


@pytest.fixture
def loaded_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """The models are loaded."""
    embedding.picture_encoder()
    embedding.text_encoder()


def loading_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "model-loading"]


def test_the_liveness_check_uses_no_database(client: Client) -> None:
    # Without the mark that gives a test the database, any query fails.
    answer = client.get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.usefixtures("database_down", "no_model")
def test_the_liveness_check_works_without_database_models_and_storage(client: Client, settings: Any) -> None:
    Path(settings.MEDIA_ROOT).write_text("not a folder")

    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.django_db
def test_answers_are_not_cached_and_open_no_session(client: Client, path: str) -> None:
    answer = client.get(path)

    assert "no-store" in answer.headers["Cache-Control"]
    assert not answer.cookies
    assert client.post(path).status_code == 405
    assert client.head(path).status_code == answer.status_code


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.django_db
def test_requests_by_ip_address_over_plain_http_are_answered(client: Client, settings: Any, path: str) -> None:
    settings.ALLOWED_HOSTS = ["pictures.example.org"]
    settings.SECURE_SSL_REDIRECT = True

    answer = client.get(path, headers={"host": "192.0.2.7:8000"})

    assert answer.json()["status"] in {"ok", "not ready"}


@pytest.mark.usefixtures("loaded_models")
@pytest.mark.django_db
def test_it_is_ready_when_every_part_answers(client: Client) -> None:
    answer = client.get("/readyz")

    assert answer.status_code == 200
    told = answer.json()
    former = {"static files": "static_files", "model for words": "text_model", "model for pictures": "image_model",
              "encoding of words": "text_encoding", "encoding of pictures": "image_encoding"}  # fmt: skip
    assert {old: told.pop(old) for old in former} == {old: told[name] for old, name in former.items()}
    # The backends depend on this machine: on a busy one, torch may have been measured as the fastest.
    assert [told.pop(name) for name in ("text_encoding", "image_encoding")] == [
        str(verdict_on(kind)) for kind in KINDS
    ]
    assert told == {"status": "ok", **dict.fromkeys(PARTS, "ok")}


@pytest.mark.django_db
def test_the_readiness_check_starts_loading_the_models_and_waits_for_them(client: Client) -> None:
    forget_models()
    first = client.get("/readyz")

    for thread in loading_threads():
        thread.join(60)
    second = client.get("/readyz")

    assert first.status_code == 503
    assert first.json()["status"] == "not ready"
    assert {first.json()[part] for part in PARTS[:4]} == {"ok"}
    assert {first.json()[part] for part in PARTS[4:]} <= {"waiting", "loading", "ok"}
    assert second.status_code == 200


@pytest.mark.django_db
def test_a_model_that_can_not_be_loaded_is_reported_with_the_reason(client: Client, no_model: Path) -> None:
    client.get("/readyz")
    for thread in loading_threads():
        thread.join(60)
    with pytest.raises(ModelUnavailable):  # it is loaded with the first picture
        picture_encoder()

    answer = client.get("/readyz")

    assert answer.status_code == 503
    for part in PARTS[4:]:
        assert str(no_model) in answer.json()[part]
        assert "EMBEDDING_IMAGE_MODEL" in answer.json()[part]


@pytest.mark.usefixtures("loaded_models", "database_down")
def test_a_database_that_is_down_is_reported(client: Client) -> None:
    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["database"] == "OperationalError: does not respond"
    assert answer.json()["storage"] == "ok"


@pytest.mark.usefixtures("loaded_models")
@pytest.mark.django_db
def test_a_storage_that_can_not_be_read_is_reported(client: Client, settings: Any) -> None:
    Path(settings.MEDIA_ROOT).write_text("not a folder")

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["storage"] == "StorageUnavailable: does not respond"
    assert answer.json()["database"] == "ok"
