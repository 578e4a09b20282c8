"""Models that hang, are slow, raise, or return invalid vectors: reported in time, and nothing is stored."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import settings as project
from django.core.management import call_command
from django.test import Client
from safetensors.numpy import load_file, save_file

from search import demo
from search.curation.cleaned_details import Details
from search.embedding import (
    Busy,
    ModelUnavailable,
    active_model,
    forget_models,
    guarded_encoders,
    load_shedding,
    loading,
    picture_encoder,
    status,
    text_encoder,
)
from search.embedding import lazy_loading as once_module
from search.embedding.compiled_store import PICTURES, WORDS
from search.embedding.errors import Loading
from search.ingestion import add_picture, ingest
from search.ingestion.items import Item
from search.models import Image, OwedDeletion, QueryPicture
from search.models.vector_values import WrongVectors
from tests.base import pending_image, picture_bytes, picture_file
from tests.conftest import wait_for_models

VECTORS = np.ones((1, 512), dtype=np.float32)


def raising(error: BaseException) -> Callable[[int], Any]:
    def work(count: int) -> Any:
        raise error

    return work


SOON = 15.0
"""Seconds on the busiest machine; a hanging model here hangs for twice as long."""
POISONS: dict[str, Callable[[int], Any]] = {
    "NaN": lambda count: np.full((count, 512), np.nan),
    "infinity": lambda count: np.full((count, 512), -np.inf),
    "zero": lambda count: np.zeros((count, 512)),
    "wrong dimension": lambda count: np.ones((count, 768)),
    "one too few": lambda count: np.ones((max(0, count - 1), 512)),
    "one too many": lambda count: np.ones((count + 1, 512)),
    "one axis": lambda count: np.ones(512),
    "text": lambda count: np.full((count, 512), "a"),
    "complex": lambda count: np.full((count, 512), 1j),
    "objects": lambda count: np.full((count, 512), None),
    "ragged": lambda count: [[1.0], [1.0, 2.0]],
    "nothing": lambda count: None,
    "an error": raising(RuntimeError("Could not execute the primitive")),
    "no memory": raising(MemoryError()),
    "no memory of a GPU": raising(RuntimeError("CUDA out of memory. Tried to allocate 20 GiB")),
    "an exit": raising(SystemExit(3)),
}


class PoisonedEncoder:
    """An encoder that does the given work instead of encoding."""

    def __init__(self, work: Callable[[int], Any]) -> None:
        self.work = work

    backend = "openvino int8 with bfloat16"
    dimensions = 512

    window = None

    def encode_pictures(self, pictures: Sequence[Any]) -> Any:
        return self.work(len(pictures))

    def encode_texts(self, texts: Sequence[str]) -> Any:
        return self.work(len(texts))


@pytest.fixture
def poison() -> Iterator[Callable[[Callable[[int], Any]], None]]:
    """Replace both models by poisoned ones."""

    def put(work: Callable[[int], Any]) -> None:
        loading.once_of(PICTURES).set(PoisonedEncoder(work))
        loading.once_of(WORDS).set(PoisonedEncoder(work))

    yield put
    forget_models()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """As in a server process with a short timeout; the signals that it has sent to itself."""
    sent: list[int] = []
    monkeypatch.setattr(guarded_encoders.os, "kill", lambda process, number: sent.append(number))
    monkeypatch.setattr(guarded_encoders, "WAIT", 0.3)
    monkeypatch.setattr(guarded_encoders, "SLOW", {"words": 0.1, "pictures": 0.1})
    load_shedding.bound_waiting()
    yield sent
    load_shedding._bounded.clear()


@pytest.fixture
def hanging(poison: Callable[[Callable[[int], Any]], None]) -> Iterator[threading.Event]:
    """Both models hang until this event is set."""
    end = threading.Event()

    def hang(count: int) -> Any:
        end.wait(30)
        return np.ones((count, 512))

    poison(hang)
    yield end
    end.set()


# Invalid vectors


@pytest.mark.parametrize("name", POISONS)
def test_invalid_vectors_raise_an_error(poison: Any, name: str) -> None:
    poison(POISONS[name])

    with pytest.raises(WrongVectors):
        text_encoder().encode_texts(["red star"])
    with pytest.raises(WrongVectors):
        picture_encoder().encode_pictures([None])  # type: ignore[list-item]


@pytest.mark.django_db
@pytest.mark.parametrize("name", POISONS)
def test_searches_and_uploads_get_503_and_nothing_is_stored(poison: Any, as_alice: Client, name: str) -> None:
    poison(POISONS[name])
    file = {"picture": picture_file(size=(90, 60))}

    answers = [
        as_alice.get("/search", {"q": "red star"}),
        as_alice.get("/api/search", {"q": "red star"}),
        as_alice.post("/search/picture", file),
        as_alice.post("/upload/", {"pictures": [picture_file()]}),
        as_alice.post("/api/images", {"picture": picture_file()}),
    ]

    assert [answer.status_code for answer in answers] == [503] * len(answers)
    assert all(answer.headers["Retry-After"] for answer in answers)
    assert not Image.objects.exists()
    assert not QueryPicture.objects.exists()
    assert stored_files() == []


def stored_files() -> list[Path]:
    return [path for path in Path(project.MEDIA_ROOT).rglob("*") if path.is_file()]


def test_a_vector_of_another_length_is_normalised(poison: Any) -> None:
    poison(lambda count: np.full((count, 512), 7, dtype=np.int64))

    vectors = text_encoder().encode_texts(["red star"])

    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors) == pytest.approx(1)


# Hanging and slow models


@pytest.mark.django_db
def test_a_hanging_model_is_reported_in_time_and_named_by_readiness(
    served: list[int], hanging: threading.Event, as_alice: Client
) -> None:
    for ask in (
        lambda: as_alice.get("/search", {"q": "red star"}),
        lambda: as_alice.post("/upload/", {"pictures": [picture_file()]}),
    ):
        start = time.monotonic()
        answer = ask()
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        assert time.monotonic() - start < SOON
    assert not Image.objects.exists()

    ready = as_alice.get("/readyz")

    assert ready.status_code == 503
    assert ready.json()["text_model"].startswith("stuck: at one encoding for ")
    assert ready.json()["image_model"].startswith("stuck: ")
    hanging.set()


def test_requests_during_a_hang_are_refused_at_once(served: list[int], hanging: threading.Event) -> None:
    raised = []

    def ask() -> None:
        with pytest.raises(ModelUnavailable) as failure:
            text_encoder().encode_texts(["red star"])
        raised.append(failure.type)

    askers = [threading.Thread(target=ask) for _ in range(8)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(SOON)

    assert sorted(one.__name__ for one in raised) == ["Busy"] * 7 + [
        "ModelUnavailable"
    ]  # the one whose encoding hangs
    with pytest.raises(Busy):
        text_encoder().encode_texts(["blue star"])


def test_a_slow_model_is_used_again_when_it_has_finished(served: list[int], hanging: threading.Event) -> None:
    with pytest.raises(ModelUnavailable):
        text_encoder().encode_texts(["red star"])
    hanging.set()

    for _ in range(500):
        try:
            assert text_encoder().encode_texts(["red star"]).shape == (1, 512)
            break
        except Busy:
            time.sleep(0.01)
    assert status()["words"] == "ready"
    assert served == []


def test_a_server_process_with_a_permanently_hanging_model_ends_itself(
    served: list[int], hanging: threading.Event, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(guarded_encoders, "HOPELESS", 0.5)

    with pytest.raises(ModelUnavailable):
        text_encoder().encode_texts(["red star"])
    for thread in threading.enumerate():
        if thread.name == "encoding-watch":
            thread.join(10)

    assert served == [guarded_encoders.signal.SIGTERM]
    assert "this process ends, to be replaced" in caplog.text


def test_a_command_waits_longer_and_then_fails(hanging: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded_encoders, "COMMANDS_WAIT", 0.2)

    with pytest.raises(ModelUnavailable, match=r"has not responded for 0\.2 seconds"):
        picture_encoder().encode_pictures([None])  # type: ignore[list-item]


def test_a_model_that_hangs_while_loading_delays_requests_by_the_timeout_only(
    served: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    end = threading.Event()
    monkeypatch.setattr(load_shedding, "PATIENCE", 0.1)
    once: once_module.Once[Any] = once_module.Once(lambda: end.wait(30))

    start = time.monotonic()
    with pytest.raises(Loading):
        once.get()

    assert time.monotonic() - start < SOON
    end.set()
    wait_for_models()
    assert once.get() is True


# Ingestion and pending pictures


@pytest.mark.django_db(transaction=True)
def test_ingestion_continues_with_the_others_and_reports_the_failed_one(poison: Any) -> None:
    forget_models()
    own = picture_encoder().encoder  # type: ignore[attr-defined]
    poison(lambda count: None)

    def encode(pictures: Sequence[Any]) -> Any:
        vectors = own.encode_pictures(pictures)
        for number, picture in enumerate(pictures):
            if picture.getpixel((1, 1))[2] > 200:  # the blue one
                vectors[number] = np.nan
        return vectors

    loading.once_of(PICTURES).loaded.encoder.encode_pictures = encode  # type: ignore[union-attr]
    colours = ("red", "blue", "green", "yellow")

    report = ingest(Item(colour, lambda colour=colour: picture_bytes(colour, size=(300, 200))) for colour in colours)

    assert (report.added, [name for name, _reason in report.failed]) == (3, ["blue"])
    assert "NaN" in report.failed[0][1]
    assert Image.objects.count() == 3
    assert len(stored_files()) == 6
    assert not OwedDeletion.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_pending_picture_shows_the_reason_until_it_has_its_vector(
    poison: Any, as_carol: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    image = pending_image("red")
    poison(POISONS["an error"])

    with pytest.raises(SystemExit):
        call_command("embed_pending")

    image.refresh_from_db()
    assert image.is_pending
    assert "Could not execute the primitive" in image.embedding_failure
    assert ", 1 failed." in capsys.readouterr().out
    page = as_carol.get(f"/admin/search/image/{image.pk}/change/").content.decode()
    assert "Could not execute the primitive" in page
    listed = as_carol.get("/admin/search/image/?model=failed").content.decode()
    assert str(image.pk) in listed

    forget_models()
    call_command("embed_pending")

    image.refresh_from_db()
    assert (image.embedding_model, image.embedding_failure) == (active_model(), "")
    assert "embedding failed" not in as_carol.get("/admin/search/image/").content.decode()


# Poisoned weights


@pytest.mark.django_db
def test_a_model_with_nan_weights_is_refused_when_it_is_loaded(settings: Any, tmp_path: Path) -> None:
    folder = tmp_path / "poisoned"
    shutil.copytree(demo.IMAGE_MODEL, folder)
    (weights,) = folder.rglob("model.safetensors")
    weights.chmod(0o644)
    tensors = {name: np.full_like(tensor, np.nan) for name, tensor in load_file(weights).items()}
    save_file(tensors, weights, metadata={"format": "pt"})
    settings.EMBEDDING_IMAGE_MODEL, settings.COMPILE_MODELS = str(folder), False
    forget_models()
    try:
        with pytest.raises(ModelUnavailable, match="NaN or an infinity"):
            picture_encoder()
        with pytest.raises(ModelUnavailable):
            add_picture(picture_bytes("red"), Details(), None)
    finally:
        forget_models()
    assert not Image.objects.exists()
    assert stored_files() == []
