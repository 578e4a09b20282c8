"""Compiled models: made from the downloaded ones, used only if their vectors agree, shared by forked workers."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from PIL import Image as PILImage

from search import demo, embedding
from search.curation.cleaned_details import Details
from search.embedding import (
    Busy,
    Loading,
    acceptance_test,
    backend_timing,
    background_compiling,
    compile_pictures,
    compile_texts,
    compiled_store,
    forget_models,
    hardware,
    load_shedding,
    loading,
    picture_encoder,
    text_encoder,
    uncompiled_models,
)
from search.embedding import lazy_loading as once_module
from search.embedding.acceptance_samples import drawing, sample_pictures, sample_texts
from search.embedding.acceptance_test import Agreement
from search.embedding.compilation_results import Verdict
from search.embedding.model_identity import forget_identities
from search.embedding.pixels import Window
from search.imaging import cut_out
from search.ingestion import add_picture
from search.models.vector_values import Vectors, unit_vectors
from tests import libraries
from tests.base import picture_bytes


@pytest.fixture
def fresh(settings: Any, tmp_path: Path) -> Iterator[Path]:
    """Nothing is compiled and no model is loaded; returns the folder for compiled models."""
    settings.MODELS_DIR = tmp_path / "models"
    forget_models()
    yield settings.MODELS_DIR
    forget_models()


@pytest.fixture
def compiled(settings: Any, fresh: Path) -> Path:
    """The folder for this kind of machine, with a copy of the compiled demo models that tests may damage."""
    from tests.conftest import MODELS

    shutil.copytree(MODELS, fresh)
    return compiled_store.folder_of("words").parent


def random_vectors(count: int, seed: int = 1) -> Vectors:
    return unit_vectors(np.random.default_rng(seed).normal(size=(count, 512)), count=count, dimensions=512)


# Numerical agreement


def test_equal_vectors_agree_and_others_do_not() -> None:
    vectors = random_vectors(40)
    assert acceptance_test.agreement(vectors, vectors) == Agreement(pytest.approx(1.0), 1.0)
    assert acceptance_test.agreement(vectors, vectors).is_enough
    assert not acceptance_test.agreement(vectors, random_vectors(40, seed=2)).is_enough


def test_vectors_need_the_same_neighbours_besides_a_high_cosine() -> None:
    assert acceptance_test.agreement(random_vectors(200), random_vectors(200, seed=2)).overlap < 0.2
    assert not Agreement(cosine=0.9999, overlap=0.97).is_enough
    assert Agreement(cosine=0.9991, overlap=0.981).is_enough


def test_ties_with_the_tenth_neighbour_count_as_overlap() -> None:
    copies = np.repeat(random_vectors(1), 30, axis=0)
    assert acceptance_test.agreement(copies, copies).overlap == 1


# Compiling


@pytest.mark.django_db
def test_both_models_are_compiled_and_agree_with_the_downloaded_ones(fresh: Path, settings: Any) -> None:
    texts, pictures = compile_texts(), compile_pictures()
    assert texts.precision
    assert pictures.precision
    words, drawings = sample_texts(40), [drawing(seed) for seed in range(100, 140)]
    assert text_encoder().backend == f"openvino {texts.precision}"
    assert picture_encoder().backend == f"openvino {pictures.precision}"
    fast = text_encoder().encode_texts(words), picture_encoder().encode_pictures(drawings)

    settings.COMPILE_MODELS = False
    forget_models()
    exact = uncompiled_models.torch_texts().exactly(words), uncompiled_models.torch_pictures().exactly(drawings)

    for quick, right in zip(fast, exact, strict=True):
        assert acceptance_test.agreement(right, quick).cosine > acceptance_test.LEAST_COSINE
    (machine,) = fresh.iterdir()
    assert [path.name.partition("-")[0] for path in sorted(machine.iterdir())] == ["lock", "pictures", "words"]
    (folder,) = machine.glob("words-*")
    assert {path.name for path in folder.iterdir()} == {
        "model.xml", "model.bin", "about.json", "tokenizer.json", "trial.npy", "verdict.json",
    }  # fmt: skip


@pytest.mark.django_db
def test_a_verdict_is_not_computed_again(compiled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uncompiled_models, "load_model", lambda name: pytest.fail("loaded again"))
    assert compile_texts().precision
    assert compile_pictures().precision


@pytest.fixture
def fake_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace compiling, which takes long, where the test is about the stored files."""

    def chosen_texts(draft: Path, name: str) -> Verdict:
        (draft / "model.bin").write_bytes(b"weights")
        return Verdict("float32", "made for a test")

    monkeypatch.setattr("search.embedding.backend_and_precision_selection.chosen_texts", chosen_texts)


@pytest.fixture
def speeds(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Seconds that each backend takes, on an imaginary machine; 1 for those that aren't set."""
    seconds: dict[str, float] = {}

    def least_seconds(ways: Mapping[str, Any], budget: float = 0) -> dict[str, float]:
        return {name: seconds.get(name, 1.0) for name in ways}

    monkeypatch.setattr("search.embedding.backend_and_precision_selection.sample_texts", lambda: sample_texts(24))
    monkeypatch.setattr("search.embedding.backend_and_precision_selection.least_seconds", least_seconds)
    monkeypatch.setattr("search.embedding.torch_encoders.least_seconds", least_seconds)
    monkeypatch.setattr("search.embedding.torch_encoders._has_bfloat16", lambda device: True)
    monkeypatch.setattr(hardware, "multiplies_bfloat16", lambda: True)
    return seconds


@pytest.mark.django_db
@pytest.mark.parametrize("fastest", ["int8 with float32", "bfloat16"])
def test_the_fastest_measured_backend_is_used(fresh: Path, speeds: dict[str, float], fastest: str) -> None:
    speeds[fastest] = 0.5

    verdict = compile_texts()

    assert verdict.precision == fastest
    assert verdict.why.startswith("62.5 ms a query, where torch ")
    assert text_encoder().backend == f"openvino {fastest}"
    assert {figure.way for figure in verdict.figures} == {*libraries.compiled.WAYS, "torch float32", "torch bfloat16"}
    assert verdict.figures[0].way == fastest
    assert all(figure.milliseconds and "agrees with float32" in figure.agreement for figure in verdict.figures)
    (folder,) = fresh.glob("*/words-*")
    assert Verdict.read(folder) == verdict


@pytest.mark.django_db
def test_a_backend_that_does_not_agree_is_rejected_with_a_reason(
    fresh: Path, speeds: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    speeds |= {"int8 with bfloat16": 0.3, "int8 with float32": 0.4, "bfloat16": 0.5}
    outcomes = iter([Agreement(0.99, 1.0), Agreement(1.0, 0.97), *[Agreement(1.0, 1.0)] * 4])
    monkeypatch.setattr(
        "search.embedding.backend_and_precision_selection.agreement", lambda exact, other: next(outcomes)
    )

    verdict = compile_texts()

    assert verdict.precision == "bfloat16"
    told = {figure.way: figure for figure in verdict.figures}
    assert told["int8 with bfloat16"].agreement.startswith("does not agree with float32: mean cosine 0.99000")
    assert told["int8 with float32"].agreement.endswith("mean cosine 1.00000, neighbours 0.970")
    assert told["int8 with float32"].milliseconds is None
    assert text_encoder().backend == "openvino bfloat16"


@pytest.mark.django_db
def test_a_much_slower_backend_is_not_tested_for_agreement(fresh: Path, speeds: dict[str, float]) -> None:
    speeds |= {"int8 with bfloat16": 41.0, "bfloat16": 41.0}

    told = {figure.way: figure for figure in compile_texts().figures}

    assert told["bfloat16"].agreement == "is not tried further: 41 times as slow as the fastest"
    assert told["bfloat16"].milliseconds is None
    assert told["float32"].milliseconds


@pytest.mark.django_db
def test_emulated_precisions_are_not_tried(
    fresh: Path, speeds: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "multiplies_bfloat16", lambda: False)
    speeds |= {"int8 with bfloat16": 0.1, "int8 with float32": 0.4}

    verdict = compile_texts()

    assert verdict.precision == "int8 with float32"
    emulated = {figure.way for figure in verdict.figures if figure.agreement == libraries.choosing.EMULATED}
    assert emulated == {"int8 with bfloat16", "bfloat16"}


@pytest.mark.django_db
def test_a_backend_with_invalid_vectors_is_rejected(
    fresh: Path, speeds: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = libraries.compiled.CompiledTexts._encoded

    def nothing(self: Any, text: str) -> Any:
        vectors = encode(self, text)
        return vectors[:0] if self.about.precision == "int8 with bfloat16" else vectors

    monkeypatch.setattr(libraries.compiled.CompiledTexts, "_encoded", nothing)
    speeds |= {"int8 with bfloat16": 0.1, "float32": 0.4}

    verdict = compile_texts()

    assert verdict.precision == "float32"
    (told,) = [figure.agreement for figure in verdict.figures if figure.way == "int8 with bfloat16"]
    assert told == "can't be used here: The model returned vectors of shape (0, 512), not (1, 512)."


@pytest.mark.django_db
def test_torch_is_used_if_it_is_clearly_the_fastest(fresh: Path, speeds: dict[str, float]) -> None:
    speeds["torch float32"] = 0.95  # not enough to outweigh its memory
    assert compile_texts().precision
    shutil.rmtree(fresh)
    speeds["torch float32"] = 0.5

    verdict = compile_texts()

    assert verdict.precision == ""
    assert verdict.why == "torch float32 takes 62.5 ms a query, compiled 125.0"
    assert text_encoder().backend.startswith("torch ")
    assert not list(fresh.rglob("model.bin"))
    assert compiled_store.verdict_on("words") == verdict


@pytest.mark.django_db
def test_torch_is_used_if_no_backend_agrees(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "search.embedding.backend_and_precision_selection.agreement", lambda exact, other: Agreement(0.5, 0.5)
    )

    verdict = compile_texts()

    assert verdict.precision == ""
    assert "does not agree with float32: mean cosine 0.50000" in verdict.why
    assert text_encoder().backend.startswith("torch ")
    assert not list(fresh.rglob("model.bin"))


def test_backends_are_timed_in_turns_and_the_minimum_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    spent, turns = [0.0], []
    monkeypatch.setattr(backend_timing.time, "process_time", lambda: spent[0])
    costs = {
        "steady": iter([9, *[2.0] * 99]),
        "disturbed": iter([9, 7, 1, *[8.0] * 99]),
        "hopeless": iter([90.0] * 99),
    }

    def way(name: str) -> Callable[[], None]:
        def run() -> None:
            turns.append(name)
            spent[0] += next(costs[name])

        return run

    assert backend_timing.least_seconds({name: way(name) for name in costs}) == {
        "steady": 2,
        "disturbed": 1,
        "hopeless": 90,
    }
    assert turns[:6] == [*costs, *costs]
    assert turns.count("hopeless") == 3
    assert turns.count("steady") == 1 + backend_timing.ROUNDS


# What is kept


@pytest.mark.usefixtures("fake_compiling")
@pytest.mark.parametrize("kind", ["another processor", "another library", "another format"])
def test_models_are_compiled_again_for_another_kind_of_machine(
    compiled: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    (before,) = compiled.glob("words-*")
    if kind == "another processor":
        monkeypatch.setattr(hardware, "_processor", lambda: {"model name": "Fast One", "flags": "fpu avx512_vnni"})
    elif kind == "another library":
        monkeypatch.setattr(compiled_store, "_versions", lambda: ["99.0"])
    else:
        monkeypatch.setattr(compiled_store, "FORMAT", compiled_store.FORMAT + 1)
    assert not compiled_store.is_decided()

    compile_texts()

    # Machines that share the folder keep separate models; one machine keeps one of each.
    assert before.exists() == (kind == "another processor")
    assert compiled_store.folder_of("words").is_dir()
    assert len(list(compiled_store.folder_of("words").parent.glob("words-*"))) == 1


def test_the_kind_of_machine_depends_on_the_processor_but_not_on_its_current_clock(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def told(text: str) -> str:
        (tmp_path / "cpuinfo").write_text(text)
        hardware._processor.cache_clear()
        return hardware.kind()

    monkeypatch.setattr(hardware, "_CPUINFO", tmp_path / "cpuinfo")
    one = "processor : 0\nmodel name : Fast One\ncpu MHz : 2100.1\nflags : fpu avx512_vnni\n\nprocessor : 1\n"
    try:
        first = told(one)
        assert not hardware.multiplies_bfloat16()
        assert hardware.processor_name() == "Fast One"
        assert told(one.replace("2100.1", "3500.0") + "processor : 2\n") == first
        assert told(one.replace("avx512_vnni", "avx512_vnni avx512_bf16")) != first
        assert hardware.multiplies_bfloat16()
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_VNNI")
        assert not hardware.multiplies_bfloat16()
        told(one)
        assert hardware.kind() != first
    finally:
        hardware._processor.cache_clear()


@pytest.mark.usefixtures("fake_compiling")
def test_leftovers_of_killed_runs_and_older_versions_are_removed(compiled: Path) -> None:
    leftovers = [compiled / "draft-killed", compiled.parent / "words-0123456789abcdef"]
    for folder in leftovers:
        folder.mkdir()
        (folder / "model.bin").write_bytes(b"weights")
    shutil.rmtree(compiled_store.folder_of("words"))
    compiled_store.folder_of("words").write_text("no folder at all")

    compile_texts()

    assert not any(folder.exists() for folder in leftovers)
    assert compiled_store.folder_of("words").is_dir()


@pytest.mark.django_db
def test_a_model_with_a_changed_tokenizer_is_compiled_again(compiled: Path, settings: Any, tmp_path: Path) -> None:
    other = shutil.copytree(demo.TEXT_MODEL, tmp_path / demo.TEXT_MODEL.name, copy_function=shutil.copyfile)
    settings.EMBEDDING_TEXT_MODEL = str(other)
    assert compiled_store.verdict_on("words")
    (other / "tokenizer_config.json").write_text((other / "tokenizer_config.json").read_text() + "\n")
    forget_identities()

    assert not compiled_store.verdict_on("words")


@pytest.mark.usefixtures("fake_compiling")
def test_several_compiled_models_are_kept_and_the_least_recently_used_is_removed(
    compiled: Path, settings: Any, tmp_path: Path
) -> None:
    folders = [compiled_store.folder_of("words")]
    os.utime(folders[0] / "verdict.json", (1000, 1000))
    for number in range(compiled_store.MOST_MODELS):
        other = shutil.copytree(demo.TEXT_MODEL, tmp_path / f"other-{number}", copy_function=shutil.copyfile)
        (other / "config.json").write_text((other / "config.json").read_text() + "\n" * (number + 1))
        settings.EMBEDDING_TEXT_MODEL = str(other)
        compile_texts()
        folders.append(compiled_store.folder_of("words"))
        os.utime(folders[-1] / "verdict.json", (2000 + number, 2000 + number))

    assert set(compiled.glob("words-*")) == set(folders[1:])


@pytest.mark.usefixtures("fake_compiling")
def test_a_model_is_compiled_and_removed_by_its_name(
    compiled: Path, settings: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = shutil.copytree(demo.TEXT_MODEL, tmp_path / "other", copy_function=shutil.copyfile)
    (other / "config.json").write_text((other / "config.json").read_text() + "\n")
    before = set(compiled.iterdir())

    call_command("compile_models", text_model=str(other))

    assert capsys.readouterr().out.startswith("The model for words ... compiled (float32)")
    assert compiled_store.verdict_on("words", str(other))
    assert compiled_store.verdict_on("words")
    assert set(compiled.iterdir()) > before
    compiled_store.forget_compiled(str(other))
    assert set(compiled.iterdir()) == before


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def overwritten(path: Path) -> None:
    path.write_text("no such thing")


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def gone(path: Path) -> None:
    path.unlink()


FILES = ["model.xml", "model.bin", "about.json", "tokenizer.json", "trial.npy"]


@pytest.mark.django_db
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", [cut_short, overwritten, zeroed, gone])
def test_a_damaged_compiled_model_is_removed(compiled: Path, damage: Callable[[Path], None], name: str) -> None:
    (folder,) = compiled.glob("words-*")
    damage(folder / name)

    assert compiled_store.compiled_texts() is None

    assert not folder.exists()
    assert not compiled_store.is_decided()


@pytest.mark.django_db
def test_the_downloaded_model_is_used_until_a_damaged_one_is_compiled_again(compiled: Path) -> None:
    (folder,) = compiled.glob("words-*")
    zeroed(folder / "model.bin")

    assert text_encoder().backend.startswith("torch ")

    compile_texts()
    forget_models()
    assert text_encoder().backend.startswith("openvino ")


@pytest.mark.parametrize(
    "written",
    [
        "",
        "{",
        "[]",
        "null",
        '"int8"',
        '{"precision": "int8"}',
        '{"precision": 1, "why": "", "figures": [], "machine": ""}',
        '{"precision": "", "why": "", "figures": [1], "machine": ""}',
        '{"precision": "", "why": "", "figures": null, "machine": ""}',
    ],
)
def test_an_invalid_verdict_is_ignored(tmp_path: Path, written: str) -> None:
    (tmp_path / "verdict.json").write_text(written)
    assert Verdict.read(tmp_path) is None


@pytest.mark.django_db
def test_the_server_does_not_share_a_damaged_model(compiled: Path) -> None:
    (folder,) = compiled.glob("words-*")
    zeroed(folder / "model.bin")

    loading._share_texts()  # as the server does before it forks

    assert not loading.backends()["words"]


def test_a_model_of_an_unknown_architecture_is_not_exported(fresh: Path, settings: Any) -> None:
    settings.EMBEDDING_IMAGE_MODEL = str(demo.IMAGE_MODEL)

    class Other:
        def __len__(self) -> int:
            return 2

        def __getitem__(self, number: int) -> object:
            return object()

    from search.embedding.model_modules import UnknownModel
    from search.embedding.openvino_export import exported_pictures

    with pytest.raises(UnknownModel):
        exported_pictures(Other())  # type: ignore[arg-type]


@pytest.mark.django_db
def test_backends_are_compared_on_images_of_the_collection() -> None:
    add_picture(picture_bytes("red"), Details(), None)
    first, second = sample_pictures(2)
    assert first.getpixel((5, 5))[0] > 200  # type: ignore[index]
    assert second.size == drawing(0).size


@pytest.mark.django_db
def test_the_command_prints_the_backends_and_their_measurements(
    compiled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("compile_models")

    told = capsys.readouterr().out
    assert "The model for words ... compiled (" in told
    assert "agrees with float32: mean cosine" in told
    assert "Milliseconds of processor time" in told
    for way in (*libraries.compiled.WAYS, "torch float32"):
        assert told.count(f"    {way} ") == 2


def test_the_command_reports_a_missing_model(fresh: Path, no_model: Path) -> None:
    with pytest.raises(CommandError, match="EMBEDDING_TEXT_MODEL"):
        call_command("compile_models")


# Pictures


def test_a_picture_is_cropped_like_the_models_own_processor_does() -> None:
    window = Window(shortest=96, side=96, resample=3, mean=[0, 0, 0], std=[1, 1, 1])
    from transformers import CLIPImageProcessor

    own = CLIPImageProcessor(
        size={"shortest_edge": 96}, crop_size={"height": 96, "width": 96}, do_normalize=False, do_rescale=False
    )
    for size in ((320, 240), (240, 320), (97, 401), (96, 96), (50, 61)):
        picture = PILImage.effect_mandelbrot(size, (-2, -1.5, 1, 1.5), 40).convert("RGB")
        expected = np.asarray(own(picture)["pixel_values"][0]).transpose(1, 2, 0)
        assert np.abs(np.asarray(window.cut(picture)).astype(int) - expected).max() <= 1


def test_cropping_a_cropped_picture_changes_nothing() -> None:
    encoder = picture_encoder()
    assert encoder.window
    once = cut_out(drawing(3), *encoder.window)
    assert np.array_equal(np.asarray(cut_out(once, *encoder.window)), np.asarray(once))
    assert np.allclose(encoder.encode_pictures([once]), encoder.encode_pictures([drawing(3)]))


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 5, 40])
def test_pictures_encoded_at_once_by_several_threads_have_their_own_vectors(
    compiled: Path, threads: int, count: int
) -> None:
    (folder,) = compiled.glob("pictures-*/")
    drawings = [drawing(seed) for seed in range(count)]
    encoder = libraries.compiled.CompiledPictures(folder, threads=threads)

    vectors = encoder.encode_pictures(drawings)

    assert vectors.shape == (count, encoder.dimensions)
    for one, vector in zip(drawings, vectors, strict=True):
        assert encoder.encode_pictures([one])[0] @ vector > 0.999


def test_a_picture_that_cannot_be_encoded_leaves_the_threads_free_for_the_next(compiled: Path) -> None:
    (folder,) = compiled.glob("pictures-*/")
    encoder = libraries.compiled.CompiledPictures(folder, threads=2)
    right = encoder.encode_pictures([drawing(3)])
    pixels = np.zeros((1, 8, 8, 3), dtype=np.uint8)
    good = {"pixels": np.asarray(encoder.about.window.cut(drawing(3)))[None]}

    with pytest.raises(RuntimeError):
        encoder._computed([good, good, {"pixels": pixels, "nothing": pixels}])

    assert np.allclose(encoder.encode_pictures([drawing(3)]), right, atol=1e-3)


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
    """Waiting for a model is limited, as in a web worker."""
    load_shedding.bound_waiting()
    yield
    load_shedding._bounded.clear()


@pytest.mark.usefixtures("bounded")
def test_the_number_of_requests_waiting_for_a_model_is_limited() -> None:
    turn = load_shedding.BoundedLock(most_waiting=1)
    with turn.taken():
        waiter = threading.Thread(target=lambda: turn.taken().__enter__())
        waiter.start()
        while not turn._waiting:  # until the thread waits
            waiter.join(0.01)
        with pytest.raises(Busy), turn.taken():
            pass
    waiter.join(30)
    assert not waiter.is_alive()


@pytest.mark.usefixtures("bounded")
def test_waiting_for_a_model_has_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_shedding, "PATIENCE", 0.01)
    turn = load_shedding.BoundedLock()
    with turn.taken(), pytest.raises(Busy), turn.taken():
        pass


@pytest.mark.usefixtures("bounded")
def test_waiting_for_a_model_that_is_being_loaded_has_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_shedding, "PATIENCE", 0.01)
    begun, end = threading.Event(), threading.Event()

    def load() -> object:
        begun.set()
        end.wait(10)
        return object()

    once = once_module.Once(load)
    first = threading.Thread(target=once.get)
    first.start()
    assert begun.wait(10)
    with pytest.raises(Loading):
        once.get()
    end.set()
    first.join()
    assert once.get()


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "kind"), [("/search", "text/html"), ("/api/search", "application/problem+json")])
@pytest.mark.parametrize(
    ("reason", "told"), [(Busy, "Too many people are searching right now."), (Loading, "Search is starting.")]
)
def test_a_search_that_would_wait_too_long_is_503_with_retry_after(
    client: Client, monkeypatch: pytest.MonkeyPatch, path: str, kind: str, reason: type[Busy], told: str
) -> None:
    def busy(text: str) -> None:
        raise reason

    monkeypatch.setattr("search.retrieval.query_vector.text_vector", busy)

    answer = client.get(path, {"q": "red star"})

    assert answer.status_code == 503
    assert answer["Retry-After"] == "5"
    assert answer["Content-Type"].startswith(kind)
    assert told in answer.content.decode()


def test_openvino_sends_no_telemetry() -> None:
    told = (
        "import sys, search.embedding, openvino\n"
        "from openvino.tools.ovc import telemetry_utils\n"
        "print(telemetry_utils.tm.__name__, sys.modules['openvino_telemetry'])"
    )

    done = subprocess.run(
        [sys.executable, "-c", f"import django; django.setup()\n{told}"], capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == ["openvino.tools.ovc.telemetry_stub", "None"]


def test_models_are_compiled_in_the_background_and_used_afterwards(
    compiled: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # of the fixture that keeps other tests from compiling
    away = compiled.rename(compiled.with_name("away"))
    settings.MODELS_DIR, settings.COMPILE_MODELS = compiled.parent, True
    settings.EMBEDDING_TEXT_MODEL = str(demo.TEXT_MODEL)

    class Compiling:
        returncode = 0

        def __init__(self, command: list[str], **options: Any) -> None:
            assert command[-1] == "compile_models"

        def communicate(self) -> tuple[None, str]:
            away.rename(compiled)
            return None, ""

    monkeypatch.setattr(background_compiling, "_compiler", None)
    monkeypatch.setattr(background_compiling.subprocess, "Popen", Compiling)
    assert text_encoder().backend.startswith("torch ")
    for thread in threading.enumerate():
        if thread.name == "model-compiling":
            thread.join(60)
    assert text_encoder().backend.startswith("openvino ")
    assert embedding.status()["words"] == "ready"
