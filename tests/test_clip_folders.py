"""CLIP folders as on the hub since 2021, and as saved today: both load, and give the same vectors."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PILImage
from tokenizers import Tokenizer, models, pre_tokenizers

from search.embedding import ModelUnavailable, forget_models, picture_encoder, text_encoder, text_vector
from search.models.vector_values import Vectors
from tests import libraries

PICTURES = [PILImage.effect_mandelbrot((320, 240), (-2, -1.5, 1, 1.5), quality).convert("RGB") for quality in (20, 90)]
PICTURES.append(PILImage.linear_gradient("L").convert("RGB"))
TEXTS = ["a red star", "two green squares", "금붕어"]

BEGIN, END = "<|startoftext|>", "<|endoftext|>"
MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=2), "utf-8")


def modules(*types_and_paths: tuple[str, str]) -> list[dict[str, Any]]:
    return [
        {"idx": index, "name": str(index), "path": path, "type": kind}
        for index, (kind, path) in enumerate(types_and_paths)
    ]


@pytest.fixture
def use(settings: Any) -> Any:
    """Has the product embed with other folders; unloads them afterwards."""

    def use(**folders: Path) -> None:
        for name, folder in folders.items():
            setattr(settings, f"EMBEDDING_{name.upper()}_MODEL", str(folder))
        forget_models()

    yield use
    forget_models()


@pytest.fixture
def float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without bfloat16, in which vectors are less precise."""
    from search.embedding import torch_encoders

    monkeypatch.setattr(torch_encoders, "_has_bfloat16", lambda device: False)


# Pictures


def letters() -> dict[str, int]:
    """CLIP's vocabulary without merges: every byte, and every byte at the end of a word."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*alphabet, *(f"{letter}</w>" for letter in alphabet), BEGIN, END]
    return {piece: number for number, piece in enumerate(pieces)}


@pytest.fixture(scope="module")
def clip() -> Any:
    """The architecture of ViT-B/32, a quarter as wide, with random weights and a smaller text tower."""
    libraries.torch.manual_seed(7)
    pieces = letters()
    vision = libraries.transformers.CLIPVisionConfig(
        hidden_size=192,
        intermediate_size=768,
        num_hidden_layers=12,
        num_attention_heads=12,
        patch_size=32,
        image_size=224,
        projection_dim=512,
    )
    text = libraries.transformers.CLIPTextConfig(
        vocab_size=len(pieces),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        projection_dim=512,
        bos_token_id=pieces[BEGIN],
        eos_token_id=pieces[END],
        pad_token_id=1,
    )
    return libraries.transformers.CLIPModel(
        libraries.transformers.CLIPConfig(
            text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=512
        )
    ).eval()


@pytest.fixture(scope="module")
def old_clip(clip: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `sentence-transformers/clip-ViT-B-32` on the hub: everything in `0_CLIPModel`, including the tokenizer."""
    folder = tmp_path_factory.mktemp("old-clip")
    inner = folder / "0_CLIPModel"
    write(folder / "modules.json", modules(("sentence_transformers.models.CLIPModel", "0_CLIPModel")))
    versions = {"sentence_transformers": "2.0.0", "transformers": "4.6.1", "pytorch": "1.9.0"}
    write(folder / "config_sentence_transformers.json", {"__version__": versions})
    config = clip.config.to_dict()
    tower_names = ("text_config", "vision_config")
    towers = {f"{name}_dict": None for name in tower_names} | {name: config[name] for name in tower_names}
    plain = {"architectures": ["CLIPModel"], "model_type": "clip", "initializer_factor": 1.0, "projection_dim": 512}
    write(inner / "config.json", {**plain, "logit_scale_init_value": 2.6592, "transformers_version": None, **towers})
    sizes = {"size": 224, "crop_size": 224, "resample": 3, "image_mean": MEAN, "image_std": STD}
    steps = {"do_resize": True, "do_center_crop": True, "do_normalize": True}
    write(inner / "preprocessor_config.json", {**sizes, **steps, "feature_extractor_type": "CLIPFeatureExtractor"})
    special = {"bos_token": BEGIN, "eos_token": END, "unk_token": END, "pad_token": END}
    added = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": True}
    tokens = {name: {"content": token, **added} for name, token in special.items() if name != "pad_token"}
    write(inner / "special_tokens_map.json", {**tokens, "pad_token": END})
    typed = {name: {**token, "__type": "AddedToken"} for name, token in tokens.items()}
    tokenizer = {"errors": "replace", "add_prefix_space": False, "do_lower_case": True, "model_max_length": 77}
    write(
        inner / "tokenizer_config.json", {**typed, "pad_token": END, **tokenizer, "tokenizer_class": "CLIPTokenizer"}
    )
    write(inner / "vocab.json", letters())
    write(inner / "merges.txt", "#version: 0.2\n")
    # Old versions of transformers saved the position ids as weights.
    weights: dict[str, Any] = dict(clip.state_dict())
    weights["text_model.embeddings.position_ids"] = libraries.torch.arange(77).unsqueeze(0)
    weights["vision_model.embeddings.position_ids"] = libraries.torch.arange(50).unsqueeze(0)
    libraries.torch.save(weights, inner / "pytorch_model.bin")
    return folder


@pytest.fixture(scope="module")
def new_clip(clip: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the current sentence-transformers saves it."""
    base = tmp_path_factory.mktemp("transformers-clip")
    clip.save_pretrained(base)
    write(base / "vocab.json", letters())
    write(base / "merges.txt", "#version: 0.2\n")
    tokenizer = libraries.transformers.CLIPTokenizer.from_pretrained(base, model_max_length=77)
    libraries.transformers.CLIPProcessor(
        image_processor=libraries.transformers.CLIPImageProcessor(), tokenizer=tokenizer
    ).save_pretrained(base)
    folder = tmp_path_factory.mktemp("new-clip")
    libraries.sentence_transformers.SentenceTransformer(
        modules=[libraries.modules_of.Transformer(str(base))], device="cpu"
    ).save(str(folder))
    return folder


def picture_vectors_of(clip: Any) -> Vectors:
    """The vectors that transformers itself computes, with CLIP's own preprocessing."""
    pixels = libraries.transformers.CLIPImageProcessor()(PICTURES, return_tensors="pt")["pixel_values"]
    with libraries.torch.inference_mode():
        pooled = clip.vision_model(pixel_values=pixels).pooler_output
        vectors = libraries.torch.nn.functional.normalize(clip.visual_projection(pooled), dim=-1)
    return vectors.numpy()


def test_both_folders_of_a_clip_give_the_vectors_of_its_weights(
    use: Callable[..., None], clip: Any, old_clip: Path, new_clip: Path
) -> None:
    wanted = picture_vectors_of(clip)

    for folder in (old_clip, new_clip):
        use(image=folder)
        vectors = picture_encoder().encode_pictures(PICTURES)
        assert vectors.shape == (3, 512)
        # In bfloat16, if the processor has it, they are less precise.
        assert (vectors * wanted).sum(axis=1).min() > 0.999
    assert (wanted @ wanted.T)[~np.eye(3, dtype=bool)].max() < 0.999


@pytest.mark.usefixtures("float32")
def test_both_folders_give_the_same_vectors_of_texts(use: Callable[..., None], old_clip: Path, new_clip: Path) -> None:
    vectors = []
    for folder in (old_clip, new_clip):
        use(text=folder)
        vectors.append(text_encoder().encode_texts(TEXTS))

    assert np.allclose(vectors[0], vectors[1], atol=1e-5)
    assert (vectors[0] @ vectors[0].T)[~np.eye(3, dtype=bool)].max() < 0.9999


# Text models


@pytest.fixture(scope="module")
def words() -> tuple[Any, Any, list[str]]:
    """A small DistilBERT, the projection into the common space, and a vocabulary of letters."""
    libraries.torch.manual_seed(8)
    characters = sorted(set("".join(TEXTS)) - {" "})
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters, *(f"##{letter}" for letter in characters)]
    config = libraries.transformers.DistilBertConfig(
        vocab_size=len(pieces), dim=64, hidden_dim=128, n_layers=2, n_heads=4
    )
    dense = libraries.modules_of.Dense(64, 512, bias=False, activation_function=libraries.torch.nn.Identity())
    return libraries.transformers.DistilBertModel(config).eval(), dense, pieces


@pytest.fixture(scope="module", params=["pytorch_model.bin", "model.safetensors"])
def old_words(
    words: tuple[Any, Any, list[str]],
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """As `sentence-transformers/clip-ViT-B-32-multilingual-v1` on the hub."""
    bert, dense, pieces = words
    folder = tmp_path_factory.mktemp("old-words")
    types = [f"sentence_transformers.models.{name}" for name in ("Transformer", "Pooling", "Dense")]
    write(folder / "modules.json", modules(*zip(types, ["", "1_Pooling", "2_Dense"], strict=True)))
    write(folder / "sentence_bert_config.json", {"max_seq_length": 128, "do_lower_case": False})
    config = bert.config.to_dict()
    write(folder / "config.json", {**config, "architectures": ["DistilBertModel"], "transformers_version": "4.1.1"})
    write(folder / "vocab.txt", "\n".join(pieces) + "\n")
    tokenizer = {"do_lower_case": False, "tokenize_chinese_chars": True, "strip_accents": None}
    special = {"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]"}
    write(folder / "tokenizer_config.json", {**tokenizer, **special, "mask_token": "[MASK]", "model_max_length": 512})
    write(folder / "special_tokens_map.json", {**special, "mask_token": "[MASK]"})
    pooling = {f"pooling_mode_{mode}": False for mode in ("cls_token", "max_tokens", "mean_sqrt_len_tokens")}
    write(
        folder / "1_Pooling" / "config.json",
        {"word_embedding_dimension": 64, **pooling, "pooling_mode_mean_tokens": True},
    )
    identity = "torch.nn.modules.linear.Identity"
    write(
        folder / "2_Dense" / "config.json",
        {"in_features": 64, "out_features": 512, "bias": False, "activation_function": identity},
    )
    for weights, place in ((bert.state_dict(), folder), (dense.state_dict(), folder / "2_Dense")):
        if request.param.endswith(".bin"):
            libraries.torch.save(dict(weights), place / request.param)
        else:
            libraries.safetensors.save_file(weights, place / request.param, metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def new_words(words: tuple[Any, Any, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the current sentence-transformers saves it."""
    bert, dense, pieces = words
    base = tmp_path_factory.mktemp("transformers-words")
    bert.save_pretrained(base)
    write(base / "vocab.txt", "\n".join(pieces) + "\n")
    libraries.transformers.BertTokenizer(str(base / "vocab.txt"), do_lower_case=False).save_pretrained(base)
    folder = tmp_path_factory.mktemp("new-words")
    libraries.sentence_transformers.SentenceTransformer(
        modules=[libraries.modules_of.Transformer(str(base)), libraries.pooled_by.Pooling(64), dense], device="cpu"
    ).save(str(folder))
    return folder


def text_vectors_of(words: tuple[Any, Any, list[str]]) -> Vectors:
    """The vectors that transformers itself computes: the mean over the tokens, then the projection."""
    bert, dense, pieces = words
    numbers = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    vectors = []
    with libraries.torch.inference_mode():
        for text in TEXTS:
            ids = [numbers["[CLS]"], *tokenizer.encode(text).ids, numbers["[SEP]"]]
            tokens = bert(input_ids=libraries.torch.tensor([ids])).last_hidden_state
            vectors.append(libraries.torch.nn.functional.normalize(dense.linear(tokens.mean(1)), dim=-1)[0])
    return libraries.torch.stack(vectors).numpy()


@pytest.mark.usefixtures("float32")
def test_the_old_folder_of_a_text_model_gives_the_vectors_of_its_weights(
    use: Callable[..., None], words: tuple[Any, Any, list[str]], old_words: Path
) -> None:
    use(text=old_words)

    vectors = text_encoder().encode_texts(TEXTS)

    assert vectors == pytest.approx(text_vectors_of(words), abs=1e-4)
    assert (vectors @ vectors.T)[~np.eye(3, dtype=bool)].max() < 0.999


@pytest.mark.usefixtures("float32")
def test_the_new_folder_of_a_text_model_gives_the_same_vectors(
    use: Callable[..., None], words: tuple[Any, Any, list[str]], new_words: Path
) -> None:
    use(text=new_words)

    assert text_encoder().encode_texts(TEXTS) == pytest.approx(text_vectors_of(words), abs=1e-4)


@pytest.mark.django_db
def test_a_model_with_other_dimensions_is_refused_before_anything_is_stored(
    use: Callable[..., None], words: tuple[Any, Any, list[str]], new_words: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "without-dense"
    full = libraries.sentence_transformers.SentenceTransformer(str(new_words), device="cpu")
    libraries.sentence_transformers.SentenceTransformer(modules=[full[0], full[1]], device="cpu").save(str(folder))
    use(text=folder)

    # The vector table of the image model exists.
    with pytest.raises(ModelUnavailable, match=r"64 dimensions"):
        text_vector("red")
