"""Text in the search box is always encoded as words: no address in it is fetched and no file opened, by any kind of
model."""

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.cache import cache
from django.test import Client
from PIL import Image as PILImage

from search import demo
from search.embedding import compile_texts, forget_models, picture_encoder, text_encoder
from search.models.vector_values import Vectors
from tests.base import an_image, picture_bytes, write_picture
from tests.web_servers import PUBLIC, Server, answer

KINDS = {"reads words": demo.TEXT_MODEL, "sees pictures": demo.IMAGE_MODEL}
"""Text encoders: a text model, and a CLIP."""


@pytest.fixture
def web() -> Server:
    """A server on loopback that serves a picture."""
    return Server(PUBLIC, {f"/x.{ending}": answer(picture_bytes()) for ending in ("jpg", "png", "mp4", "mp3")})


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders in which each kind of model is compiled."""
    return {kind: tmp_path_factory.mktemp("models") for kind in KINDS}


@pytest.fixture(params=["compiled", "as it is"])
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=list(KINDS))
def words(settings: Any, request: pytest.FixtureRequest, compiled: dict[str, Path], variant: str) -> Iterator[Path]:
    """Each kind of model, encoding words compiled and not compiled."""
    settings.EMBEDDING_TEXT_MODEL = str(KINDS[request.param])
    settings.MODELS_DIR, settings.COMPILE_MODELS = compiled[request.param], variant == "compiled"
    if variant == "compiled":
        compile_texts()
    forget_models()
    cache.clear()
    assert text_encoder().backend.startswith("openvino" if variant == "compiled" else "torch")
    yield KINDS[request.param]
    forget_models()


def vectors_by_transformers(folder: Path, texts: list[str]) -> Vectors:
    """What transformers encodes from each text alone, without sentence-transformers."""
    import torch
    from safetensors.torch import load_file
    from transformers import AutoTokenizer, CLIPModel, DistilBertModel

    tokenizer = AutoTokenizer.from_pretrained(folder)
    vectors = []
    with torch.inference_mode():
        for text in texts:
            tokens = tokenizer([text], return_tensors="pt", truncation=True, max_length=32)
            if folder == demo.IMAGE_MODEL:
                features = (
                    CLIPModel.from_pretrained(folder)
                    .eval()
                    .get_text_features(tokens["input_ids"], tokens["attention_mask"])
                )
                vector = getattr(features, "pooler_output", features)
            else:
                bert = DistilBertModel.from_pretrained(folder).eval()
                hidden = bert(tokens["input_ids"], tokens["attention_mask"]).last_hidden_state
                (dense,) = folder.glob("*_Dense/model.safetensors")
                vector = hidden.mean(1) @ load_file(dense)["linear.weight"].T
            vectors.append(torch.nn.functional.normalize(vector, dim=-1)[0].numpy())
    return np.stack(vectors)


def test_addresses_and_paths_of_pictures_are_encoded_as_words(words: Path, web: Server, tmp_path: Path) -> None:
    file = write_picture(tmp_path / "red.jpg", "red")
    inline = base64.b64encode(picture_bytes(format="PNG")).decode()
    texts = [
        *(f"http://{PUBLIC}:{web.port}/x.{ending}" for ending in ("jpg", "png", "mp4", "mp3")),
        "https://[[bad/x.jpg",
        str(file),
        f"data:image/png;base64,{inline}",
        "data:image/jpeg;base64,no picture",
        "red.jpg",
    ]

    vectors = np.stack([text_encoder().encode_texts([text])[0] for text in texts])
    together = text_encoder().encode_texts(texts)

    assert (vectors * vectors_by_transformers(words, texts)).sum(axis=1).min() > 0.999
    assert (vectors * together).sum(axis=1).min() > 0.999
    assert web.requests == []


def test_addresses_do_not_change_the_vectors_of_other_texts_in_the_batch(words: Path, web: Server) -> None:
    texts = ["red star", f"http://{PUBLIC}:{web.port}/x.jpg", "blue circle", ""]

    vectors = text_encoder().encode_texts(texts)

    alone = np.stack([text_encoder().encode_texts([text])[0] for text in texts])
    assert (vectors * alone).sum(axis=1).min() > 0.999
    assert web.requests == []


@pytest.mark.parametrize("variant", ["as it is"], indirect=True)
def test_special_tokens_and_long_texts_have_vectors(words: Path) -> None:
    texts = [
        "<|endoftext|> red <|startoftext|>",
        "[PAD] [CLS] [SEP] [MASK]",
        "word " * 400,
        "🐶",
        " \t ",
        "<image>",
        "x" * 1000,
    ]

    assert text_encoder().encode_texts(texts).shape == (len(texts), 512)
    for text in texts:
        assert text_encoder().encode_texts([text]).shape == (1, 512)


@pytest.mark.django_db
@pytest.mark.parametrize("variant", ["as it is"], indirect=True)
def test_searching_for_an_address_sends_no_request_and_a_bad_file_is_no_error(
    words: Path, client: Client, web: Server, tmp_path: Path
) -> None:
    an_image("holiday")
    address = f"http://{PUBLIC}:{web.port}/x.jpg"
    file = write_picture(tmp_path / "red.jpg", "red")
    broken = tmp_path / "broken.png"
    broken.write_text("no picture")
    for text in (address, f"{address}?no", str(file), str(broken), "data:image/png;base64,AAAA", "http://[::1/x.jpg"):
        for path in ("/search", "/api/search"):
            for asked in ({"q": text}, {"q": f"red -{text}"}, {"q": f"red {text}"}):
                assert client.get(path, asked).status_code == 200, (path, asked)
    assert web.requests == []


def test_pictures_are_encoded_as_pictures() -> None:
    red, blue = (PILImage.new("RGB", (64, 48), colour) for colour in ("red", "blue"))
    vectors = picture_encoder().encode_pictures([red, blue, red])
    assert float(vectors[0] @ vectors[2]) > float(vectors[0] @ vectors[1])


# Other kinds of models


@pytest.fixture
def use_model(settings: Any) -> Iterator[Callable[[Path], None]]:
    def use_model(folder: Path) -> None:
        settings.EMBEDDING_TEXT_MODEL, settings.COMPILE_MODELS = str(folder), False
        forget_models()

    yield use_model
    forget_models()


def test_a_model_that_accepts_only_strings_reads_them_as_words(
    use_model: Callable[[Path], None], web: Server, tmp_path: Path
) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(demo.TEXT_MODEL / "tokenizer.json"))
    static = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=512)], device="cpu")
    static.save(str(tmp_path / "static"))
    texts = [f"http://{PUBLIC}:{web.port}/x.jpg", str(write_picture(tmp_path / "red.jpg")), "red star"]

    use_model(tmp_path / "static")

    vectors = text_encoder().encode_texts(texts)
    assert (vectors * (raw := static.encode(texts))).sum(axis=1) == pytest.approx(
        np.linalg.norm(raw, axis=1), rel=1e-3
    )
    assert web.requests == []


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The architecture of SigLIP, with random weights."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from transformers import AutoTokenizer, SiglipConfig, SiglipModel, SiglipProcessor
    from transformers.models.siglip import SiglipImageProcessor, SiglipTextConfig, SiglipVisionConfig

    torch.manual_seed(3)
    tokenizer = AutoTokenizer.from_pretrained(demo.IMAGE_MODEL, model_max_length=64)
    sizes = {"hidden_size": 512, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4}
    marks = {f"{mark}_token_id": getattr(tokenizer, f"{mark}_token_id") for mark in ("pad", "bos", "eos")}
    text = SiglipTextConfig(
        vocab_size=len(tokenizer), max_position_embeddings=64, projection_size=512, **sizes, **marks
    )
    vision = SiglipVisionConfig(image_size=32, patch_size=16, **sizes)
    base, folder = tmp_path_factory.mktemp("parts"), tmp_path_factory.mktemp("siglip")
    SiglipModel(SiglipConfig(text_config=text.to_dict(), vision_config=vision.to_dict())).save_pretrained(base)
    processor = SiglipImageProcessor(size={"height": 32, "width": 32})
    SiglipProcessor(processor, tokenizer).save_pretrained(base)
    SentenceTransformer(modules=[Transformer(str(base))], device="cpu").save(str(folder))
    return folder


def test_siglip_encodes_addresses_as_words_and_equally_alone_and_in_a_batch(
    use_model: Callable[[Path], None], siglip: Path, web: Server
) -> None:
    import torch
    from transformers import AutoTokenizer, SiglipModel

    texts = ["red star", f"http://{PUBLIC}:{web.port}/x.jpg", "a yellow heart at the top " * 20]
    tokens = AutoTokenizer.from_pretrained(siglip)(
        texts, padding="max_length", max_length=64, truncation=True, return_tensors="pt"
    )
    with torch.inference_mode():
        features = SiglipModel.from_pretrained(siglip).eval().get_text_features(**tokens)
        right = torch.nn.functional.normalize(getattr(features, "pooler_output", features), dim=-1).numpy()

    use_model(siglip)

    assert (text_encoder().encode_texts(texts) * right).sum(axis=1).min() > 0.999
    alone = np.stack([text_encoder().encode_texts([text])[0] for text in texts])
    assert (alone * right).sum(axis=1).min() > 0.999
    assert web.requests == []


def test_a_tokenizer_without_a_limit_is_truncated_to_the_positions_of_the_model(
    use_model: Callable[[Path], None], settings: Any, tmp_path: Path
) -> None:
    settings.MODELS_DIR = tmp_path / "models"
    folder = shutil.copytree(demo.IMAGE_MODEL, tmp_path / "endless", copy_function=shutil.copyfile)
    written = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**written, "model_max_length": 10**30}))

    use_model(folder)

    assert text_encoder().encode_texts(["word " * 400, "red star"]).shape == (2, 512)
    compile_texts()
