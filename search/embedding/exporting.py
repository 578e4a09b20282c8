"""From a model of sentence-transformers to one of OpenVINO, of the same precision. Imports torch."""

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino as ov
import torch
from tokenizers import Tokenizer

from search.embedding.forwards import Reading, UnknownModel, seeing
from search.embedding.pixels import Window

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def exported_pictures(model: "SentenceTransformer") -> tuple[ov.Model, Window]:
    """Return what computes the vectors of pictures, and how these are cut for it. Raises UnknownModel."""
    module, window = seeing(model)
    example = torch.zeros((2, window.side, window.side, 3), dtype=torch.uint8)
    shape = [-1, window.side, window.side, 3]
    return _converted(module, {"pixels": example}, [("pixels", shape, np.uint8)]), window


def exported_texts(model: "SentenceTransformer") -> tuple[ov.Model, Tokenizer]:
    """Return what computes the vectors of words, and their tokenizer. Raises UnknownModel."""
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise UnknownModel(f"{type(model.tokenizer).__name__} is not a tokenizer of the library tokenizers")
    if getattr(model[0], "processing_kwargs", {}).get("text", {}).get("padding") == "max_length":
        raise UnknownModel("its texts are padded to one length")
    tokenizer = Tokenizer.from_str(backend.to_str())
    tokenizer.no_padding()
    tokenizer.enable_truncation(model.max_seq_length or 512)
    example = {
        "input_ids": torch.ones((2, 5), dtype=torch.int64),
        "attention_mask": torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]]),
    }
    inputs = [(name, [-1, -1], np.int64) for name in example]
    return _converted(Reading(model), example, inputs), tokenizer


def _converted(module: torch.nn.Module, example: dict[str, torch.Tensor], inputs: list[Any]) -> ov.Model:
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what tracing can't follow; the vectors are compared afterwards
            return ov.convert_model(module.eval(), example_input=example, input=inputs)
    except Exception as error:  # torch and OpenVINO raise whatever they meet
        raise UnknownModel(f"OpenVINO can't take it ({type(error).__name__}: {error})") from error
