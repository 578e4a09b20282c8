"""Models are loaded late and once; a failure to load is reported within seconds, with what to do."""

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import settings as project
from django.core.management import CommandError, call_command
from PIL import Image as PILImage

from search import demo, embedding
from search.embedding import (
    ModelUnavailable,
    active_model,
    download_models,
    forget_models,
    hub,
    is_demo_model,
    lazy_loading,
    models_available,
    picture_encoder,
    status,
    text_encoder,
    uncompiled_models,
    warm_up,
)
from search.embedding.acceptance_samples import drawing
from search.embedding.acceptance_test import agreement
from search.imaging import cut_out
from tests.s3_servers import free_port

RED = PILImage.new("RGB", (64, 48), "red")


@pytest.fixture
def unloaded(settings: Any) -> Iterator[None]:
    """No model is loaded or compiled yet, and the next test loads its own."""
    settings.COMPILE_MODELS = False
    forget_models()
    yield
    forget_models()


class Clock:
    """The part of `time` that loading uses."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(lazy_loading, "time", clock)
    return clock


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the loaded models, in order."""
    loaded: list[str] = []
    load_model = uncompiled_models.load_model

    def noted(name: str) -> Any:
        loaded.append(name)
        return load_model(name)

    monkeypatch.setattr(uncompiled_models, "load_model", noted)
    return loaded


def without_database(folder: Path) -> dict[str, str]:
    """Environment of a process that needs neither a database nor this machine's models."""
    return {
        "DATABASE_URL": "postgres://nobody@localhost/none",
        "DATA_DIR": str(folder),
        "DEBUG": "on",
        "SECRET_KEY": "unused",
        "EMBEDDING_IMAGE_MODEL": "",
        "EMBEDDING_TEXT_MODEL": "",
        "DJANGO_SETTINGS_MODULE": "imagesearch.settings",
    }


# Late loading


IMPORTED = """
import sys, django
from django.core.management import call_command
from django.urls import resolve
django.setup()
for work in (
    lambda: resolve("/"),
    lambda: call_command("check"),
    lambda: call_command("makemigrations", check=True, dry_run=True),
):
    work()
    heavy = {"torch", "transformers", "sentence_transformers", "huggingface_hub"} & set(sys.modules)
    print("heavy:", *sorted(heavy))
"""


def test_commands_without_vectors_start_without_torch(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IMPORTED],
        check=False,
        cwd=project.BASE_DIR,
        env={**os.environ, **without_database(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert ended.returncode == 0, ended.stderr
    assert [line for line in ended.stdout.splitlines() if line.startswith("heavy:")] == ["heavy:"] * 3


@pytest.mark.usefixtures("unloaded")
def test_a_model_is_loaded_when_the_first_vector_is_needed(loads: list[str]) -> None:
    assert status() == {"pictures": "waiting", "words": "waiting"}

    text_encoder()

    assert status() == {"pictures": "waiting", "words": "ready"}
    assert loads == [str(demo.TEXT_MODEL)]


# Loading once


@pytest.mark.usefixtures("unloaded")
def test_concurrent_callers_get_the_same_model(loads: list[str]) -> None:
    together = threading.Barrier(8)

    def ask(number: int) -> object:
        together.wait(60)
        return picture_encoder() if number % 2 else text_encoder()

    with ThreadPoolExecutor(8) as pool:
        encoders = set(pool.map(ask, range(8)))

    assert len(encoders) == 2
    assert sorted(loads) == sorted([str(demo.IMAGE_MODEL), str(demo.TEXT_MODEL)])


@pytest.mark.usefixtures("unloaded")
def test_the_status_is_loading_while_a_model_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, begun = threading.Event(), threading.Event()
    load_model = uncompiled_models.load_model

    def slow(name: str) -> Any:
        begun.set()
        go_on.wait(60)
        return load_model(name)

    monkeypatch.setattr(uncompiled_models, "load_model", slow)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(text_encoder)
        begun.wait(60)
        seen = status()["words"]
        go_on.set()
        asked.result(60)

    assert (seen, status()["words"]) == ("loading", "ready")


@pytest.mark.usefixtures("unloaded")
def test_warming_up_loads_the_text_model_in_the_background() -> None:
    warm_up()
    for thread in threading.enumerate():
        if thread.name == "model-loading":
            thread.join(60)

    assert status() == {"pictures": "waiting", "words": "ready"}


def test_concurrent_callers_get_the_vectors_of_their_own_texts() -> None:
    texts = ["red star", "blue circle", "three green squares", "노란 별", "a yellow heart at the top"] * 4
    alone = [text_encoder().encode_texts([text])[0] for text in texts]

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda text: text_encoder().encode_texts([text])[0], texts))

    assert np.allclose(alone, together, atol=1e-5)


# Vectors


def test_vectors_keep_the_given_order_whatever_the_batch() -> None:
    colours = ["red", "green", "blue", "white", "black"] * 8
    pictures = [PILImage.new("RGB", (64 + number, 48), colour) for number, colour in enumerate(colours)]

    vectors = picture_encoder().encode_pictures(pictures)

    assert (vectors.shape, vectors.dtype) == ((40, 512), np.float32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(40), abs=1e-5)
    for number in (0, 1, 32, 39):
        assert vectors[number] @ picture_encoder().encode_pictures([pictures[number]])[0] > 0.999


def test_an_empty_input_gives_an_empty_output() -> None:
    assert picture_encoder().encode_pictures([]).shape == (0, 512)
    assert text_encoder().encode_texts([]).shape == (0, 512)


def test_a_picture_of_one_pixel_and_a_text_of_a_thousand_characters_have_vectors() -> None:
    assert picture_encoder().encode_pictures([PILImage.new("RGB", (1, 1))]).shape == (1, 512)
    assert text_encoder().encode_texts(["금붕어 " * 250, ""]).shape == (2, 512)


# Failures


def test_a_folder_without_a_model_is_reported_with_what_to_do(no_model: Path) -> None:
    with pytest.raises(ModelUnavailable) as errors_raised:
        text_encoder()

    for words in (str(no_model), "sentence-transformers", "EMBEDDING_IMAGE_MODEL", "EMBEDDING_TEXT_MODEL"):
        assert words in str(errors_raised.value)
    assert status()["words"] == str(errors_raised.value)
    with pytest.raises(CommandError):
        call_command("download_models")


@pytest.mark.parametrize("folder", ["empty", "missing"])
def test_torch_is_not_imported_for_a_folder_without_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setitem(sys.modules, "search.embedding.torch_encoders", None)  # importing it is an error now

    with pytest.raises(ModelUnavailable, match=folder):
        uncompiled_models.load_model(str(tmp_path / folder))


@pytest.mark.usefixtures("unloaded")
def test_a_model_with_a_broken_file_is_unavailable(settings: Any, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(demo.TEXT_MODEL, broken, copy_function=shutil.copyfile)
    (broken / "model.safetensors").write_bytes(b"not weights")
    settings.EMBEDDING_TEXT_MODEL = str(broken)

    with pytest.raises(ModelUnavailable, match="broken"):
        text_encoder()


@pytest.mark.usefixtures("unloaded")
def test_a_text_model_configured_for_pictures_is_unavailable(settings: Any) -> None:
    settings.EMBEDDING_IMAGE_MODEL = str(demo.TEXT_MODEL)

    with pytest.raises(ModelUnavailable, match="EMBEDDING_IMAGE_MODEL"):
        picture_encoder()


def test_a_failure_is_cached_and_retried_after_a_while(
    no_model: Path,
    settings: Any,
    clock: Clock,
    loads: list[str],
) -> None:
    settings.COMPILE_MODELS = False
    for later in (0, 1, lazy_loading.RETRY_AFTER - 2):
        clock.now += later
        with pytest.raises(ModelUnavailable):
            text_encoder()
    assert loads == [str(no_model)]
    settings.EMBEDDING_TEXT_MODEL = str(demo.TEXT_MODEL)

    clock.now += 2

    assert text_encoder().encode_texts(["red star"]).shape == (1, 512)
    assert loads == [str(no_model), str(demo.TEXT_MODEL)]
    assert status()["words"] == "ready"


def test_a_cached_failure_keeps_no_reference_to_its_callers(no_model: Path) -> None:
    errors_raised = []
    for _ in range(3):
        with pytest.raises(ModelUnavailable) as refused:
            text_encoder()
        errors_raised.append(refused.value)

    # If one exception were raised repeatedly, it would collect the frames of all its requests, and with them the
    # uploads.
    assert len({id(error) for error in errors_raised}) == 3
    assert len({str(error) for error in errors_raised}) == 1


# The hub


@contextmanager
def silent_server() -> Iterator[int]:
    """A port that accepts connections and never responds."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


ASK = """
import contextlib, sys, time, django
django.setup()
from search.embedding import ModelUnavailable, torch_encoders, uncompiled_models
with contextlib.suppress(Exception):  # what is imported at a first use takes its time on a busy machine
    torch_encoders.open_model("nobody/nothing", local_files_only=True)
for line in sys.stdin:
    began = time.monotonic()
    try:
        uncompiled_models.load_model("nobody/no-such-model")
    except ModelUnavailable as error:
        print(f"{time.monotonic() - began:.2f}", *str(error).split(), flush=True)
"""


ENDS = """
import threading, time, django
django.setup()
from django.conf import settings
from search.embedding import background_compiling, compiled_store
settings.COMPILE_MODELS = True
using = threading.Event()
def use(kind, name):
    using.set()
    time.sleep(0.3)
    print("used", name, flush=True)
background_compiling._compiled = lambda options: True
background_compiling.compile_in_background(compiled_store.WORDS, "somebody/some-model", use)
using.wait(60)
print("ends", flush=True)
"""


def test_a_command_waits_for_the_use_of_a_compiled_model_before_it_exits(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ENDS],
        cwd=project.BASE_DIR,
        env={**os.environ, **without_database(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout.splitlines()) == (0, ["ends", "used somebody/some-model"]), ended.stderr


def process_that_loads_a_model(hub: str, folder: Path) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", ASK],
        cwd=project.BASE_DIR,
        env={**environment, **without_database(folder), "HF_ENDPOINT": hub, "HF_HOME": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def told_of_a_load(process: subprocess.Popen[str]) -> str:
    """Have the process load the model; return the seconds that it took and the error."""
    assert process.stdin
    assert process.stdout
    print(file=process.stdin, flush=True)
    return process.stdout.readline()


def test_an_unreachable_hub_is_reported_within_seconds(tmp_path: Path) -> None:
    with silent_server() as port:
        process = process_that_loads_a_model(f"http://127.0.0.1:{port}", tmp_path)
        silent = told_of_a_load(process)
    closed = told_of_a_load(process)
    errors = process.communicate(timeout=120)[1]

    for told in (silent, closed):
        seconds, _, message = told.partition(" ")
        assert seconds, errors
        assert float(seconds) < hub.HUB_PATIENCE + 10  # the hub's library would wait for minutes
        assert "nobody/no-such-model" in message
        assert "download_models" in message


def test_models_are_available_as_folders_or_from_a_reachable_hub(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    with silent_server() as port:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{free_port()}")
        assert models_available()

        settings.EMBEDDING_TEXT_MODEL = "nobody/no-such-model"
        assert not models_available()

        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")
        monkeypatch.setattr(hub, "HUB_PATIENCE", 0.05)
        assert not models_available()


def test_in_offline_mode_the_hub_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    def asked(*args: Any, **options: Any) -> None:
        raise AssertionError("asked")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("urllib.request.urlopen", asked)

    assert not hub.hub_in_reach()


# Precision


class DisagreeingModel:
    """Replaces a model whose bfloat16 vectors differ from those in float32: no available real model has this."""

    def __init__(self, half: Sequence[float]) -> None:
        import torch

        self.device = torch.device("cpu")
        self.half = half

    def eval(self) -> "DisagreeingModel":
        return self

    def __len__(self) -> int:
        return 1

    def __getitem__(self, number: int) -> object:
        return object()

    def encode(self, inputs: Sequence[Any], **options: Any) -> np.ndarray:
        import torch

        first = self.half if torch.is_autocast_enabled("cpu") else [1.0, 0.0]
        return np.array([[*first, *[0.0] * 510]] * len(inputs))


@pytest.fixture
def bfloat16_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processor multiplies bfloat16 natively; otherwise torch computes it in software."""
    from search.embedding import torch_encoders as encoders

    monkeypatch.setattr(encoders, "_has_bfloat16", lambda device: True)
    monkeypatch.setattr(encoders, "least_seconds", lambda ways, budget: {"float32": 2.0, "bfloat16": 1.0})


@pytest.mark.usefixtures("bfloat16_hardware")
def test_bfloat16_is_not_used_if_it_is_slower(monkeypatch: pytest.MonkeyPatch) -> None:
    from search.embedding import torch_encoders as encoders

    monkeypatch.setattr(encoders, "least_seconds", lambda ways, budget: {"float32": 1.0, "bfloat16": 41.0})

    assert not encoders.SentencePictures(DisagreeingModel([1.0, 0.01])).half  # type: ignore[arg-type]
    assert not encoders.SentenceTexts(DisagreeingModel([1.0, 0.01])).half  # type: ignore[arg-type]


@pytest.mark.usefixtures("bfloat16_hardware")
def test_bfloat16_is_used_if_it_agrees() -> None:
    from search.embedding.torch_encoders import SentencePictures, open_model

    encoder = SentencePictures(open_model(str(demo.IMAGE_MODEL), local_files_only=True))
    encoder.half = False
    full = encoder.encode_pictures([RED])
    encoder.half = True
    half = encoder.encode_pictures([RED])

    assert SentencePictures(DisagreeingModel([1.0, 0.01])).half  # type: ignore[arg-type]
    assert float((full * half).sum()) > 0.99
    assert not (full == half).all()
    assert np.linalg.norm(half, axis=1) == pytest.approx([1], abs=1e-5)


@pytest.mark.usefixtures("bfloat16_hardware")
@pytest.mark.parametrize("half", [[0.99, 0.14], [0.0, 1.0], [-1.0, 0.0], [float("nan"), 0.0], [0.0, 0.0]])
def test_float32_is_kept_if_bfloat16_gives_other_vectors(half: list[float]) -> None:
    from search.embedding.torch_encoders import SentencePictures

    encoder = SentencePictures(DisagreeingModel(half))  # type: ignore[arg-type]

    assert not encoder.half
    assert encoder.encode_pictures([RED])[0][0] == 1


@pytest.mark.usefixtures("bfloat16_hardware")
def test_words_are_encoded_in_bfloat16_if_it_agrees_and_else_in_float32() -> None:
    from search.embedding.torch_encoders import SentenceTexts, open_model

    encoder = SentenceTexts(open_model(str(demo.TEXT_MODEL), local_files_only=True))
    assert encoder.half
    encoder.half = False
    full = encoder.encode_texts(["red star"])
    encoder.half = True

    assert float((full * encoder.encode_texts(["red star"])).sum()) > 0.99
    assert not SentenceTexts(DisagreeingModel([0.0, 1.0])).half  # type: ignore[arg-type]


def test_float32_is_kept_on_a_processor_without_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    from search.embedding import torch_encoders as encoders

    monkeypatch.setattr(encoders, "_has_bfloat16", lambda device: False)

    assert not encoders.SentencePictures(DisagreeingModel([1.0, 0.0])).half  # type: ignore[arg-type]


# Pictures cropped in advance


def demo_pictures() -> Any:
    from search.embedding.torch_encoders import SentencePictures, open_model

    return SentencePictures(open_model(str(demo.IMAGE_MODEL), local_files_only=True))


@pytest.mark.parametrize("bfloat16", [True, False])
def test_pictures_cropped_in_advance_have_the_vectors_of_the_library(
    monkeypatch: pytest.MonkeyPatch, bfloat16: bool
) -> None:
    from search.embedding import torch_encoders as encoders

    monkeypatch.setattr(encoders, "_has_bfloat16", lambda device: bfloat16)
    monkeypatch.setattr(encoders, "least_seconds", lambda ways, budget: {"float32": 2.0, "bfloat16": 1.0})
    encoder = demo_pictures()
    drawings = [drawing(seed) for seed in range(200, 240)]
    assert encoder.window
    cut = [cut_out(picture, *encoder.window) for picture in drawings]

    # The library is no longer needed, neither to prepare pictures nor to encode them.
    exact = encoder.exactly(drawings)
    monkeypatch.setattr(encoder.model, "encode", lambda *args, **options: pytest.fail("the library was asked"))
    vectors = encoder.encode_pictures(cut)

    assert len({picture.size for picture in cut}) == 1
    assert encoder.half == bfloat16
    assert agreement(exact, vectors).is_enough
    assert np.allclose(encoder.encode_pictures(drawings), vectors)


def test_the_library_prepares_pictures_if_cropping_in_advance_gives_other_vectors(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from search.embedding.pixels import Window

    # As if a newer library cropped differently from our code.
    monkeypatch.setattr(Window, "cut", lambda window, picture: picture.resize((window.side,) * 2).rotate(90))
    with caplog.at_level("INFO", logger="search"):
        encoder = demo_pictures()
    picture = drawing(1)

    assert encoder.window is None
    assert float((encoder.encode_pictures([picture]) * encoder.exactly([picture])).sum()) > 0.999
    assert "encoding cut pictures is not used: mean cosine" in caplog.text


def test_the_library_prepares_pictures_for_a_model_other_than_clip() -> None:
    from search.embedding.torch_encoders import SentencePictures

    encoder = SentencePictures(DisagreeingModel([1.0, 0.0]))  # type: ignore[arg-type]

    assert encoder.window is None


# Names


def test_the_demo_model_is_known_by_its_folder(settings: Any) -> None:
    assert is_demo_model()
    settings.EMBEDDING_IMAGE_MODEL = "sentence-transformers/clip-ViT-B-32"
    assert not is_demo_model()
    assert active_model() == "sentence-transformers/clip-ViT-B-32"


def test_the_name_of_a_model_folder_depends_on_its_contents_only(settings: Any, tmp_path: Path) -> None:
    copies = [tmp_path / place / demo.IMAGE_MODEL.name for place in ("here", "there", "trained-anew")]
    for copy in copies:
        shutil.copytree(demo.IMAGE_MODEL, copy, copy_function=shutil.copyfile)
    weights = copies[2] / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    here = active_model()

    names = []
    for copy in copies:
        settings.EMBEDDING_IMAGE_MODEL = str(copy)
        names.append(active_model())

    assert names[0] == names[1] == here
    assert names[2] != here
    assert all(name.startswith(f"{demo.IMAGE_MODEL.name}@") for name in names)


def test_download_models_loads_both_and_names_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert download_models() == ([str(demo.IMAGE_MODEL), str(demo.TEXT_MODEL)], "")

    call_command("download_models")

    assert capsys.readouterr().out.count("on this machine") == 2
    assert embedding.status().keys() == {"pictures", "words"}
