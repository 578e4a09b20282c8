"""Models other than CLIP: which are supported, equal vectors of a text from every backend, and which are refused."""

import json
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import call_command
from PIL import Image as PILImage
from safetensors.numpy import load_file, save_file

from search.embedding import ModelUnavailable, forget_models, text_model, text_vector
from search.embedding.acceptance_samples import drawing
from search.embedding.compiled_metadata import About
from search.embedding.model_identity import fingerprint_of, forget_identities
from search.embedding.uncompiled_models import load_model, torch_pictures, torch_texts
from search.imaging import cut_out, decoder_tasks
from search.models.vector_values import Vectors
from tests import model_folders
from tests.model_folders import as_downloaded, clip_folder, saved, words_folder

TEXTS = ["red star", "b", "Two RED stars, at NIGHT. " * 2, "", "금붕어", "a long text " * 60]
KINDS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "SigLIP": model_folders.siglip,
    "SigLIP without a mask": lambda: model_folders.siglip(mask=False),
    "Chinese-CLIP": model_folders.chinese_clip,
    "AltCLIP": model_folders.alt_clip,
    "a dual encoder": model_folders.dual_encoder,
    "MetaCLIP 2": model_folders.metaclip_2,
}


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes the folder of each kind once."""
    import torch

    base, made = tmp_path_factory.mktemp("kinds"), {}

    def folder(kind: str) -> Path:
        if kind not in made:
            torch.manual_seed(5)
            model, processor = KINDS[kind]()
            with torch.no_grad():  # with initial weights, some kinds give nearly equal vectors for all texts
                for weights in model.parameters():
                    weights.mul_(5 if weights.dim() > 1 else 1)
            made[kind] = saved(base / kind.replace(" ", "-"), model, processor)
        return made[kind]

    return folder


@pytest.fixture(autouse=True)
def _float32(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The processor has no bfloat16, in which vectors differ slightly more."""
    monkeypatch.setattr("search.embedding.torch_encoders._has_bfloat16", lambda device: False)
    yield
    forget_models()


def nearly_equal(one: Vectors, other: Vectors) -> bool:
    """Whether vectors are the same to numerical precision."""
    return one.shape == other.shape and bool(np.abs(one - other).max() < 1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_has_one_vector_alone_in_a_batch_and_compiled(
    folder_of: Callable[[str], Path], tmp_path: Path, kind: str
) -> None:
    from search.embedding.openvino_encoders import CompiledTexts, save
    from search.embedding.openvino_export import exported_texts

    encoder = torch_texts(str(folder_of(kind)))

    together = encoder.exactly(TEXTS)
    model, tokenizer = exported_texts(encoder.model)
    save(model, "float32", tmp_path)
    About("float32", encoder.dimensions, None).write(tmp_path)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    compiled = CompiledTexts(tmp_path)

    assert nearly_equal(together, np.concatenate([encoder.encode_texts([text]) for text in TEXTS]))
    assert nearly_equal(together, compiled.encode_texts(TEXTS))
    assert (together @ together.T)[~np.eye(len(TEXTS), dtype=bool)].max() < 0.9999


def test_siglip_texts_are_padded_to_64_and_keep_the_attention_mask_of_the_tokenizer(
    folder_of: Callable[[str], Path],
) -> None:
    import torch

    vectors = {}
    for kind in ("SigLIP", "SigLIP without a mask"):
        model = load_model(str(folder_of(kind)))
        inputs = model[0].processor.tokenizer("red star", padding="max_length", max_length=64, return_tensors="pt")
        assert inputs["input_ids"].shape == (1, 64)
        with torch.inference_mode():
            wanted = model[0].model.get_text_features(**inputs).pooler_output.numpy()
        vectors[kind] = wanted / np.linalg.norm(wanted)

        assert nearly_equal(torch_texts(str(folder_of(kind))).encode_texts(["red star"]), vectors[kind])

    assert not nearly_equal(*vectors.values())


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_cropped_in_advance_have_the_vectors_of_the_library(
    folder_of: Callable[[str], Path], tmp_path: Path, kind: str
) -> None:
    from search.embedding.openvino_encoders import CompiledPictures, save
    from search.embedding.openvino_export import exported_pictures

    encoder = torch_pictures(str(folder_of(kind)))
    drawings = [drawing(seed) for seed in range(6)]
    drawings[0] = drawings[0].resize((300, 90))
    window = encoder.window
    assert window

    exact = encoder.exactly(drawings)
    model, cut = exported_pictures(encoder.model)
    save(model, "float32", tmp_path)
    About("float32", encoder.dimensions, cut).write(tmp_path)
    pictures = [cut_out(picture, *window) for picture in drawings]

    assert {picture.size for picture in pictures} == {(32, 32)}
    assert (window[0] == 0) == (kind in {"SigLIP", "SigLIP without a mask", "Chinese-CLIP"})
    assert (exact * encoder.encode_pictures(pictures)).sum(axis=1).min() > 0.9999
    assert (exact * CompiledPictures(tmp_path).encode_pictures(pictures)).sum(axis=1).min() > 0.9999
    assert [cut_out(picture, *window).tobytes() for picture in pictures] == [one.tobytes() for one in pictures]


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_have_the_same_vectors_without_the_computation_that_is_saved(
    folder_of: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    from search.embedding import openvino_encoders, openvino_export

    exported = load_model(str(folder_of(kind)))
    fewer, _ = openvino_export.exported_pictures(exported)
    for rewrite in ("multiply_patches", "skip_unused_tokens"):
        monkeypatch.setattr(openvino_export, rewrite, lambda model: None)
    whole, _ = openvino_export.exported_pictures(exported)

    pixels = np.random.default_rng(3).integers(0, 256, size=(3, 32, 32, 3), dtype=np.uint8)
    precision = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = [openvino_encoders.core().compile_model(model, "CPU", precision) for model in (whole, fewer)]
    one, other = (model(pixels)[0] for model in compiled)
    assert nearly_equal(one / np.linalg.norm(one), other / np.linalg.norm(one))
    operations = [[node.get_type_name() for node in model.get_ordered_ops()] for model in (whole, fewer)]
    assert [("Convolution" in names, "Slice" in names) for names in operations] == [(True, False), (False, True)]


def test_activations_are_quantised_in_the_largest_groups_that_fill_their_width() -> None:
    from openvino import Model
    from openvino import opset13 as ops

    from search.embedding.quantization import group_size

    def multiplied(*widths: int) -> Model:
        inputs = [ops.parameter([-1, width], np.float32) for width in widths]
        weights = (ops.constant(np.ones((8, width), dtype=np.float32)) for width in widths)
        return Model([ops.matmul(one, other, False, True) for one, other in zip(inputs, weights, strict=True)], inputs)

    assert [group_size(multiplied(*widths)) for widths in ([768, 64], [192, 128], [100])] == [128, 64, 128]


@pytest.mark.parametrize(("shortest", "squeezed"), [(32, False), (0, True)])
def test_the_middle_of_a_wide_picture_is_an_extra_window_if_the_model_squeezes_pictures(
    shortest: int, squeezed: bool
) -> None:
    data = BytesIO()
    PILImage.effect_noise((256, 128), 90).convert("RGB").save(data, "PNG")

    facts, _ = decoder_tasks.picture(
        data.getvalue(),
        10**9,
        max_pixels=10**6,
        at_least=64,
        longer_at_least=320,
        window=(shortest, 32, 3),
        parts=["pixels", "windows"],
    )

    assert len(facts["window_sizes"]) > 1
    assert (None in facts["window_sizes"]) != squeezed


@pytest.mark.django_db
def test_words_are_encoded_again_after_a_change_of_the_tokenizer(
    settings: Any, folder_of: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of("SigLIP")
    settings.EMBEDDING_IMAGE_MODEL = settings.EMBEDDING_TEXT_MODEL = str(folder)
    settings.COMPILE_MODELS = False
    before, known, name = text_vector("red star"), fingerprint_of(str(folder)), text_model()
    config = folder / "tokenizer_config.json"
    kept = config.read_text()
    assert '"attention_mask"' in kept
    config.write_text(kept.replace(',\n    "attention_mask"', ""))
    try:
        forget_identities(), forget_models()

        assert not nearly_equal(text_vector("red star"), before)
        assert fingerprint_of(str(folder)) != known
        assert text_model() == name  # stored vectors of pictures stay valid
    finally:
        config.write_text(kept)
        forget_identities()


# Refused models


def expect_refusal(load: Callable[[str], Any], folder: Path, reason: str) -> None:
    with pytest.raises(ModelUnavailable, match=reason):
        load(str(folder))


@pytest.mark.parametrize("save_as", [as_downloaded, saved])
def test_a_model_without_a_shared_space_is_refused(tmp_path: Path, save_as: Callable[..., Path]) -> None:
    folder = save_as(tmp_path / "blip-2", *model_folders.blip_2())

    expect_refusal(torch_pictures, folder, "its picture features do not share a space with texts")
    expect_refusal(torch_texts, folder, "its vectors of texts and of pictures are in different spaces")


@pytest.mark.parametrize(
    ("dimensions", "doubt"), [(512, "were probably not trained for one space"), (64, "64 dimensions for texts")]
)
def test_download_models_warns_about_a_pair_without_a_shared_space(
    settings: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], dimensions: int, doubt: str
) -> None:
    settings.EMBEDDING_TEXT_MODEL = str(words_folder(tmp_path / "words", dimensions))

    call_command("download_models")

    output = capsys.readouterr()
    assert output.out.count("on this machine") == 2
    assert doubt in output.err


def test_a_model_with_code_of_its_own_is_refused_without_running_it(tmp_path: Path) -> None:
    own = {"AutoConfig": "own.Config", "AutoModel": "own.Model"}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "own", "auto_map": own}))
    (tmp_path / "own.py").write_text(f"open({str(tmp_path / 'was-run')!r}, 'w')")
    with pytest.raises(ModelUnavailable, match="program code of its own, and code from a model is not run"):
        load_model(str(tmp_path))
    assert not (tmp_path / "was-run").exists()


def test_an_image_model_without_text_is_refused(tmp_path: Path) -> None:
    expect_refusal(
        torch_pictures,
        as_downloaded(tmp_path / "dino", *model_folders.dino()),
        "do not share a space",
    )


def test_a_text_model_is_accepted_for_words_and_refused_for_pictures(tmp_path: Path) -> None:
    folder = words_folder(tmp_path / "words", 64)

    assert torch_texts(str(folder)).dimensions == 64
    expect_refusal(torch_pictures, folder, "it does not encode pictures")


@pytest.mark.parametrize(
    "missing", ["visual_projection.weight", "text_projection.weight", "vision_model.post_layernorm.bias"]
)
def test_a_model_with_missing_weights_is_refused(tmp_path: Path, missing: str) -> None:
    folder = clip_folder(tmp_path / "clip", 64)
    weights = load_file(folder / "model.safetensors")
    del weights[missing]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    expect_refusal(torch_pictures, folder, f"lack weights, which would be random: {missing}")
