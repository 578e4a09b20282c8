"""What a load balancer is told."""

import threading
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from search import embedding
from search.embedding import ModelUnavailable, forget_models, picture_encoder
from search.embedding.compiled_store import PICTURES, WORDS, verdict_on

PARTS = ["database", "storage", "migrations", "static files", "model for pictures", "model for words"]
KINDS = (WORDS, PICTURES)


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> None:
    """The models are loaded."""
    embedding.picture_encoder()
    embedding.text_encoder()


def loading_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "model-loading"]


def test_the_process_lives_whatever_else_is_down(client: Client) -> None:
    # Without the mark that opens the database to a test, any query fails.
    answer = client.get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.usefixtures("database_down", "no_model")
def test_the_process_lives_without_database_and_models_and_storage(client: Client, settings: Any) -> None:
    Path(settings.MEDIA_ROOT).write_text("not a folder")

    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.django_db
def test_answers_are_not_kept_and_ask_for_no_session(client: Client, path: str) -> None:
    answer = client.get(path)

    assert "no-store" in answer.headers["Cache-Control"]
    assert not answer.cookies
    assert client.post(path).status_code == 405
    assert client.head(path).status_code == answer.status_code


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.django_db
def test_who_calls_by_address_over_plain_http_is_answered(client: Client, settings: Any, path: str) -> None:
    settings.ALLOWED_HOSTS = ["pictures.example.org"]
    settings.SECURE_SSL_REDIRECT = True

    answer = client.get(path, headers={"host": "192.0.2.7:8000"})

    assert answer.json()["status"] in {"ok", "not ready"}


@pytest.mark.usefixtures("models")
@pytest.mark.django_db
def test_ready_is_said_when_every_part_answers(client: Client) -> None:
    answer = client.get("/readyz")

    assert answer.status_code == 200
    told = answer.json()
    # As it was measured when the tests' models were compiled: on a busy machine torch may have been the fastest.
    assert [told.pop(f"encoding of {kind}") for kind in KINDS] == [str(verdict_on(kind)) for kind in KINDS]
    assert told == {"status": "ok", **dict.fromkeys(PARTS, "ok")}


@pytest.mark.django_db
def test_it_is_not_ready_until_the_models_are_loaded_and_asking_has_them_loaded(client: Client) -> None:
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
def test_a_model_that_can_not_be_loaded_is_told_with_the_reason(client: Client, no_model: Path) -> None:
    client.get("/readyz")
    for thread in loading_threads():
        thread.join(60)
    with pytest.raises(ModelUnavailable):  # it is loaded when the first picture comes
        picture_encoder()

    answer = client.get("/readyz")

    assert answer.status_code == 503
    for part in PARTS[4:]:
        assert str(no_model) in answer.json()[part]
        assert "EMBEDDING_IMAGE_MODEL" in answer.json()[part]


@pytest.mark.usefixtures("models", "database_down")
def test_a_database_that_is_down_is_named(client: Client) -> None:
    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["database"] == "OperationalError: does not respond"
    assert answer.json()["storage"] == "ok"


@pytest.mark.usefixtures("models")
@pytest.mark.django_db
def test_a_storage_that_can_not_be_read_is_named(client: Client, settings: Any) -> None:
    Path(settings.MEDIA_ROOT).write_text("not a folder")

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["storage"] == "StorageUnavailable: does not respond"
    assert answer.json()["database"] == "ok"
