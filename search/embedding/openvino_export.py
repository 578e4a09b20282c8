"""Export of a sentence-transformers model to OpenVINO, in the same precision, without computation that can be saved.
Imports torch."""

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino as ov
import torch
from openvino.tools.ovc import convert_model
from tokenizers import Tokenizer

from search.embedding.model_modules import TextTower, UnknownModel, image_tower
from search.embedding.openvino_patch_embedding import multiply_patches
from search.embedding.openvino_unused_tokens import skip_unused_tokens
from search.embedding.pixels import Window
from search.embedding.torch_encoders import as_words, padded_length

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


_TEXTS = [
    "two red stars",
    "Two RED Stars, at NIGHT!",
    "  a  blue\tcircle. ",
    "빨간 별 두 개",
    "红色的星星",
    "l'été",
    "",
]
"""Texts that tokenizers treat differently: capitals, punctuation, spaces, other scripts, nothing."""


def exported_pictures(model: "SentenceTransformer") -> tuple[ov.Model, Window]:
    """Return the image tower, and its crop of pictures. Raises UnknownModel."""
    module, window = image_tower(model)
    example = torch.zeros((2, window.side, window.side, 3), dtype=torch.uint8)
    shape = [-1, window.side, window.side, 3]
    exported = _converted(module, {"pixels": example}, [("pixels", shape, np.uint8)])
    multiply_patches(exported)
    skip_unused_tokens(exported)
    return exported, window


def exported_texts(model: "SentenceTransformer") -> tuple[ov.Model, Tokenizer]:
    """Return the text tower, and its tokenizer. Raises UnknownModel."""
    tokenizer, length = _tokenizer_of(model)
    given = model.preprocess([as_words(model, "a word")])
    example = {
        "input_ids": torch.ones((2, length or 5), dtype=torch.int64),
        "attention_mask": torch.ones((2, length or 5), dtype=torch.int64),
    }
    example["attention_mask"][1, -1] = 0
    # Some tokenizers return no mask, and with one the vectors would differ.
    example = {name: values for name, values in example.items() if name in given}
    inputs = [(name, [-1, length or -1], np.int64) for name in example]
    return _converted(TextTower(model), example, inputs), tokenizer


def _tokenizer_of(model: "SentenceTransformer") -> tuple[Tokenizer, int]:
    """Return the tokenizer of a model, truncating and padding as the library does, and the length to which all texts
    are padded, 0 if they are not. Raises UnknownModel."""
    own = model.tokenizer
    backend = getattr(own, "backend_tokenizer", None)
    if backend is None:
        raise UnknownModel(f"{type(own).__name__} is not a tokenizer of the library tokenizers")
    tokenizer = Tokenizer.from_str(backend.to_str())
    length = padded_length(model)
    tokenizer.enable_truncation(length or model.max_seq_length or 512)
    if length:
        tokenizer.enable_padding(
            length=length, direction=own.padding_side, pad_id=own.pad_token_id, pad_token=own.pad_token
        )
    else:
        tokenizer.no_padding()
    for text in [*_TEXTS, "a long text " * 400]:
        tokens, given = tokenizer.encode(text), model.preprocess([as_words(model, text)])
        for name, numbers in (("input_ids", tokens.ids), ("attention_mask", tokens.attention_mask)):
            if name in given and given[name][0].tolist() != numbers:
                raise UnknownModel(f"{type(own).__name__} processes texts in ways that are not in its tokenizer.json")
    return tokenizer, length


def _converted(module: torch.nn.Module, example: dict[str, torch.Tensor], inputs: list[Any]) -> ov.Model:
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about what tracing can't follow; the vectors are compared afterwards
            return convert_model(module.eval(), example_input=example, input=inputs)
    except Exception as error:  # torch and OpenVINO raise anything
        raise UnknownModel(f"OpenVINO can't convert it ({type(error).__name__}: {error})") from error
