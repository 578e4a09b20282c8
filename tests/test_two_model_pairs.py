"""Two pairs of models in one process: each is loaded and reported by its name, and its memory is freed."""

import gc
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PILImage

from search import demo
from search.embedding import (
    ModelUnavailable,
    active_encoders,
    active_model,
    background_compiling,
    encoders_of,
    forget,
    forget_models,
    identity_of,
    loading,
    picture_encoder,
    status,
    text_encoder,
)
from search.embedding.compiled_store import PICTURES, WORDS
from tests.model_folders import clip_folder, words_folder

RED = PILImage.new("RGB", (64, 48), "red")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A pair other than the active one."""
    base = tmp_path_factory.mktemp("pair")
    return str(clip_folder(base / "clip", 64)), str(words_folder(base / "words", 64))


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    yield
    forget_models()


def test_two_pairs_encode_independently(pair: tuple[str, str]) -> None:
    others = encoders_of(*pair)

    assert others.status() == {PICTURES: "waiting", WORDS: "waiting"}
    assert others.pictures().encode_pictures([RED]).shape == (1, 64)
    assert others.texts().encode_texts(["red star"]).shape == (1, 64)
    assert picture_encoder().encode_pictures([RED]).shape == (1, 512)
    assert text_encoder().encode_texts(["red star"]).shape == (1, 512)
    assert others.status() == active_encoders().status() == {PICTURES: "ready", WORDS: "ready"}
    assert (others.model, active_encoders().model) == (identity_of(pair[0]), active_model())
    assert others.model != active_model()


def test_a_model_loaded_for_the_second_pair_is_reused_when_it_becomes_active(
    pair: tuple[str, str], settings: Any
) -> None:
    loaded = encoders_of(*pair).pictures()

    settings.EMBEDDING_IMAGE_MODEL = pair[0]

    assert picture_encoder() is loaded


def test_a_second_pair_that_fails_does_not_affect_the_active_one(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    broken = encoders_of(str(tmp_path / "none"), str(demo.TEXT_MODEL))

    with pytest.raises(ModelUnavailable):
        broken.pictures()

    assert "none" in broken.status()[PICTURES]
    assert picture_encoder().encode_pictures([RED]).shape == (1, 512)
    assert status()[PICTURES] == "ready"


def test_a_forgotten_model_is_freed_at_once_and_others_stay(pair: tuple[str, str]) -> None:
    encoder = encoders_of(*pair).pictures()
    encoder.encode_pictures([RED])  # in its own thread, which keeps a reference
    gone = weakref.ref(encoder.encoder.model)  # type: ignore[attr-defined]
    kept = picture_encoder()
    threads = [thread for thread in threading.enumerate() if thread.name == "encoding"]
    del encoder

    forget(pair[0])

    for thread in threads:
        thread.join(10)
    gc.collect()
    assert gone() is None
    assert encoders_of(*pair).status()[PICTURES] == "waiting"
    assert picture_encoder() is kept


def test_a_forgotten_model_can_be_used_by_those_who_still_have_it(pair: tuple[str, str]) -> None:
    encoder = encoders_of(*pair).texts()
    forget(pair[1])

    assert encoder.encode_texts(["red star"]).shape == (1, 64)


def test_the_second_pair_is_compiled_once_by_its_name_and_then_used(
    pair: tuple[str, str], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    class Compiling:
        returncode = 0

        def __init__(self, command: list[str], **options: Any) -> None:
            commands.append(command[2:])

        def communicate(self) -> tuple[None, str]:
            return None, ""

    class Compiled:
        backend, dimensions = "openvino float32", 64

    monkeypatch.undo()  # of the patch that keeps tests from compiling
    settings.COMPILE_MODELS, settings.EMBEDDING_TEXT_MODEL = True, str(demo.TEXT_MODEL)
    monkeypatch.setattr(background_compiling, "_compiler", None)
    monkeypatch.setattr(background_compiling.subprocess, "Popen", Compiling)
    monkeypatch.setattr(background_compiling, "verdict_on", lambda kind, name: None)
    monkeypatch.setattr(loading, "compiled_texts", lambda name="": Compiled() if commands else None)

    others = encoders_of(*pair)
    assert others.texts().backend.startswith("torch ")
    for thread in threading.enumerate():
        if thread.name == "model-compiling":
            thread.join(60)

    assert commands == [["compile_models", "--text-model", pair[1]]]
    assert others.texts().backend == "openvino float32"
