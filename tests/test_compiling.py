"""Compiled models: made from the downloaded ones, used only where their vectors agree, shared by forked workers."""

import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from PIL import Image as PILImage

from search import demo, embedding
from search.embedding import (
    Busy,
    agreement,
    compile_pictures,
    compile_texts,
    compiling,
    forget_models,
    hardware,
    loading,
    picture_encoder,
    text_encoder,
    waiting,
)
from search.embedding.agreement import Agreement
from search.embedding.pixels import Window
from search.embedding.samples import drawing, sample_pictures, sample_texts
from search.ingestion import Details, add_picture
from search.vectors import Vectors, unit_vectors
from tests.base import picture_bytes


@pytest.fixture
def fresh(settings: Any, tmp_path: Path) -> Iterator[Path]:
    """Nothing is compiled yet; what is goes to the folder that this returns, and no model is loaded."""
    settings.MODELS_DIR = tmp_path / "models"
    forget_models()
    yield settings.MODELS_DIR
    forget_models()


@pytest.fixture
def compiled(settings: Any, fresh: Path) -> Path:
    """A copy of the compiled demo models, which may be broken."""
    from tests.conftest import MODELS

    shutil.copytree(MODELS, fresh)
    return fresh


def random_vectors(count: int, seed: int = 1) -> Vectors:
    return unit_vectors(np.random.default_rng(seed).normal(size=(count, 512)), count=count, dimensions=512)


# Agreement


def test_equal_vectors_agree_and_others_do_not() -> None:
    vectors = random_vectors(40)
    assert agreement.agreement(vectors, vectors) == Agreement(pytest.approx(1.0), 1.0)
    assert agreement.agreement(vectors, vectors).is_enough
    assert not agreement.agreement(vectors, random_vectors(40, seed=2)).is_enough


def test_vectors_that_lose_their_neighbours_do_not_agree_however_near_each_is() -> None:
    assert agreement.agreement(random_vectors(200), random_vectors(200, seed=2)).overlap < 0.2
    assert not Agreement(cosine=0.9999, overlap=0.97).is_enough
    assert Agreement(cosine=0.9991, overlap=0.981).is_enough


def test_a_neighbour_that_is_as_near_as_the_tenth_counts_as_kept() -> None:
    copies = np.repeat(random_vectors(1), 30, axis=0)
    assert agreement.agreement(copies, copies).overlap == 1


# Compiling


@pytest.mark.django_db
def test_both_models_are_compiled_and_give_the_vectors_of_the_downloaded_ones(fresh: Path, settings: Any) -> None:
    texts, pictures = compile_texts(), compile_pictures()
    assert texts.precision
    assert pictures.precision
    words, drawings = sample_texts(40), [drawing(seed) for seed in range(100, 140)]
    assert text_encoder().backend == f"openvino {texts.precision}"
    assert picture_encoder().backend == f"openvino {pictures.precision}"
    fast = text_encoder().encode_texts(words), picture_encoder().encode_pictures(drawings)

    settings.COMPILE_MODELS = False
    forget_models()
    exact = loading.torch_texts().exactly(words), loading.torch_pictures().exactly(drawings)

    for quick, right in zip(fast, exact, strict=True):
        assert agreement.agreement(right, quick).cosine > agreement.LEAST_COSINE
    assert [path.name.partition("-")[0] for path in sorted(fresh.iterdir())] == ["lock", "pictures", "words"]


@pytest.mark.django_db
def test_what_was_decided_is_not_decided_anew(compiled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "load_model", lambda name: pytest.fail("loaded again"))
    assert compile_texts().precision
    assert compile_pictures().precision


@pytest.mark.django_db
def test_a_precision_that_does_not_agree_is_passed_over_and_the_reason_is_kept(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = iter([Agreement(0.99, 1.0), Agreement(1.0, 0.97), Agreement(1.0, 1.0)])
    monkeypatch.setattr(compiling, "agreement", lambda exact, other: next(outcomes))
    monkeypatch.setattr(hardware, "multiplies_int8", lambda: True)
    monkeypatch.setattr(hardware, "multiplies_bfloat16", lambda: True)

    verdict = compile_texts()

    assert verdict.precision == "float32"
    assert "int8 does not agree with float32: mean cosine 0.99000" in verdict.why
    assert "bfloat16 does not agree with float32: mean cosine 1.00000, neighbours 0.970" in verdict.why
    assert text_encoder().backend == "openvino float32"


@pytest.mark.django_db
def test_where_nothing_agrees_the_model_is_used_as_it_is(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "agreement", lambda exact, other: Agreement(0.5, 0.5))

    assert compile_texts().precision == ""

    assert text_encoder().backend.startswith("torch ")
    assert not list(fresh.rglob("model.bin"))


@pytest.mark.django_db
def test_another_model_is_compiled_anew_and_the_old_one_goes(compiled: Path, settings: Any, tmp_path: Path) -> None:
    before = {path.name for path in compiled.glob("words-*")}
    other = shutil.copytree(demo.TEXT_MODEL, tmp_path / "other", copy_function=shutil.copyfile)
    (other / "config.json").write_text((other / "config.json").read_text() + "\n")
    settings.EMBEDDING_TEXT_MODEL = str(other)

    compile_texts()

    after = {path.name for path in compiled.glob("words-*")}
    assert len(after) == 1
    assert after.isdisjoint(before)


@pytest.mark.parametrize("damage", ["model.xml", "about.json", "tokenizer.json"])
def test_a_damaged_compiled_model_is_thrown_away_and_the_downloaded_one_used(compiled: Path, damage: str) -> None:
    (folder,) = compiled.glob("words-*")
    (folder / damage).write_text("no such thing")

    assert text_encoder().backend.startswith("torch ")
    assert not folder.exists()


def test_a_model_of_another_kind_is_used_as_it_is(fresh: Path, settings: Any) -> None:
    settings.EMBEDDING_IMAGE_MODEL = str(demo.IMAGE_MODEL)

    class Other:
        def __len__(self) -> int:
            return 2

        def __getitem__(self, number: int) -> object:
            return object()

    from search.embedding.exporting import exported_pictures
    from search.embedding.forwards import UnknownModel

    with pytest.raises(UnknownModel):
        exported_pictures(Other())  # type: ignore[arg-type]


@pytest.mark.django_db
def test_the_collection_is_what_backends_are_compared_on() -> None:
    add_picture(picture_bytes("red"), Details(), None)
    first, second = sample_pictures(2)
    assert first.getpixel((5, 5))[0] > 200  # type: ignore[index]
    assert second.size == drawing(0).size


@pytest.mark.django_db
def test_the_command_tells_what_is_used(compiled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("compile_models")

    told = capsys.readouterr().out
    assert "The model for words ... compiled (" in told
    assert "agrees with float32: mean cosine" in told


def test_the_command_says_what_stands_in_the_way(fresh: Path, no_model: Path) -> None:
    with pytest.raises(CommandError, match="EMBEDDING_TEXT_MODEL"):
        call_command("compile_models")


def test_a_verdict_that_is_cut_off_is_none(tmp_path: Path) -> None:
    (tmp_path / "verdict.json").write_text(json.dumps({"precision": "int8"}))
    assert compiling.Verdict.read(tmp_path) is None


# Pictures


def test_a_picture_is_cut_as_the_models_own_processor_does() -> None:
    window = Window(shortest=96, side=96, resample=3, mean=[0, 0, 0], std=[1, 1, 1])
    from transformers import CLIPImageProcessor

    own = CLIPImageProcessor(
        size={"shortest_edge": 96}, crop_size={"height": 96, "width": 96}, do_normalize=False, do_rescale=False
    )
    for size in ((320, 240), (240, 320), (97, 401), (96, 96), (50, 61)):
        picture = PILImage.effect_mandelbrot(size, (-2, -1.5, 1, 1.5), 40).convert("RGB")
        expected = np.asarray(own(picture)["pixel_values"][0]).transpose(1, 2, 0)
        assert np.abs(np.asarray(window.cut(picture)).astype(int) - expected).max() <= 1


def test_a_cut_picture_stays_as_it_is() -> None:
    encoder = picture_encoder()
    once = encoder.fitted(drawing(3))
    assert np.array_equal(np.asarray(encoder.fitted(once)), np.asarray(once))
    assert np.allclose(encoder.encode_pictures([once]), encoder.encode_pictures([drawing(3)]))


# Serving


@pytest.mark.usefixtures("_as_many_threads_as_before")
def test_forked_workers_encode_with_the_model_of_their_parent() -> None:
    done: list[str] = []
    loading.load_before_forking(meanwhile=lambda: done.append("pages"))
    assert done == ["pages"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("model-loading")]
    right = text_encoder().encode_texts(["red star"])
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        same = np.allclose(text_encoder().encode_texts(["red star"]), right)
        os.write(writing, b"1" if same else b"0")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 1) == b"1"


@pytest.fixture
def _as_many_threads_as_before() -> Iterator[None]:
    yield
    hardware._one_each.clear()
    forget_models()


@pytest.fixture
def bounded() -> Iterator[None]:
    """Nobody waits for long, as in a web worker."""
    waiting.bound_waiting()
    yield
    waiting._bounded.clear()


@pytest.mark.usefixtures("bounded")
def test_only_so_many_wait_for_a_model_and_the_next_is_told_to_come_again() -> None:
    turn = waiting.Turn(most_waiting=1)
    with turn.taken():
        waiter = threading.Thread(target=lambda: turn.taken().__enter__())
        waiter.start()
        while not turn._waiting:  # until it does
            waiter.join(0.01)
        with pytest.raises(Busy), turn.taken():
            pass
    waiter.join(30)
    assert not waiter.is_alive()


@pytest.mark.usefixtures("bounded")
def test_nobody_waits_longer_than_people_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "PATIENCE", 0.01)
    turn = waiting.Turn()
    with turn.taken(), pytest.raises(Busy), turn.taken():
        pass


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "kind"), [("/search", "text/html"), ("/api/search", "application/problem+json")])
def test_a_search_that_would_wait_too_long_is_told_when_to_come_again(
    client: Client, monkeypatch: pytest.MonkeyPatch, path: str, kind: str
) -> None:
    def busy(text: str) -> None:
        raise Busy

    monkeypatch.setattr("search.querying.aiming.text_vector", busy)

    answer = client.get(path, {"q": "red star"})

    assert answer.status_code == 503
    assert answer["Retry-After"] == "5"
    assert answer["Content-Type"].startswith(kind)
    assert "Many people are searching at this moment." in answer.content.decode()


def test_the_models_are_compiled_meanwhile_and_used_from_then_on(
    compiled: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # of what keeps other tests from compiling
    away = compiled.rename(compiled.with_name("away"))
    settings.MODELS_DIR, settings.COMPILE_MODELS = compiled, True
    settings.EMBEDDING_TEXT_MODEL = str(demo.TEXT_MODEL)

    def run(command: list[str], **options: Any) -> Any:
        assert command[-1] == "compile_models"
        away.rename(compiled)
        return type("Done", (), {"returncode": 0})

    monkeypatch.setattr(loading.subprocess, "run", run)
    assert text_encoder().backend.startswith("torch ")
    for thread in threading.enumerate():
        if thread.name == "model-compiling":
            thread.join(60)
    assert text_encoder().backend.startswith("openvino ")
    assert embedding.status()["words"] == "ready"
