"""From a model of sentence-transformers to one of OpenVINO, of the same precision. Imports torch."""

import sys
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino as ov
import torch
from tokenizers import Tokenizer
from transformers import CLIPModel

from search.embedding.pixels import Window

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class NotExportable(Exception):
    """This model is of a kind that is used as it is. The message says of which."""


class _Seeing(torch.nn.Module):
    """Bytes of cut pictures, shape (count, side, side, 3) -> vectors that are not of unit length yet."""

    def __init__(self, clip: CLIPModel, window: Window) -> None:
        super().__init__()
        self.tower, self.projection = clip.vision_model, clip.visual_projection
        # Rounded once: (byte / 255 - mean) / std.
        std = torch.tensor(window.std, dtype=torch.float64)
        mean = torch.tensor(window.mean, dtype=torch.float64)
        self.scale = (1 / (255 * std)).float().view(1, 3, 1, 1)
        self.shift = (-mean / std).float().view(1, 3, 1, 1)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        values = pixels.permute(0, 3, 1, 2).float() * self.scale + self.shift
        projected: torch.Tensor = self.projection(self.tower(pixel_values=values).pooler_output)
        return projected


class _Reading(torch.nn.Module):
    """Tokens and their mask, shape (count, length) -> vectors that are not of unit length yet."""

    def __init__(self, model: "SentenceTransformer") -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        found = self.model({"input_ids": input_ids, "attention_mask": attention_mask})
        vectors: torch.Tensor = found["sentence_embedding"]
        return vectors


def exported_pictures(model: "SentenceTransformer") -> tuple[ov.Model, Window]:
    """Return what computes the vectors of pictures, and how these are cut for it. Raises NotExportable."""
    clip = getattr(model[0], "model", None)
    if len(model) != 1 or not isinstance(clip, CLIPModel):
        raise NotExportable(f"pictures are encoded by a {type(clip).__name__}, not by a CLIPModel alone")
    window = _window(getattr(model[0].processor, "image_processor", None))
    example = torch.zeros((2, window.side, window.side, 3), dtype=torch.uint8)
    shape = [-1, window.side, window.side, 3]
    return _converted(_Seeing(clip, window), {"pixels": example}, [("pixels", shape, np.uint8)]), window


def exported_texts(model: "SentenceTransformer") -> tuple[ov.Model, Tokenizer]:
    """Return what computes the vectors of words, and their tokenizer. Raises NotExportable."""
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise NotExportable(f"{type(model.tokenizer).__name__} is not a tokenizer of the library tokenizers")
    tokenizer = Tokenizer.from_str(backend.to_str())
    tokenizer.no_padding()
    tokenizer.enable_truncation(model.max_seq_length or 512)
    example = {
        "input_ids": torch.ones((2, 5), dtype=torch.int64),
        "attention_mask": torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]]),
    }
    inputs = [(name, [-1, -1], np.int64) for name in example]
    return _converted(_Reading(model), example, inputs), tokenizer


def _window(processor: Any) -> Window:
    """Return how an image processor cuts pictures. Raises NotExportable for one that does more or less."""
    steps = ("do_resize", "do_center_crop", "do_rescale", "do_normalize")
    usual = (
        type(processor).__name__.startswith("CLIPImageProcessor")
        and all(getattr(processor, step, False) for step in steps)
        and processor.crop_size["height"] == processor.crop_size["width"]
        and abs(processor.rescale_factor * 255 - 1) < 1e-6
    )
    shortest = processor.size["shortest_edge"] if usual and "shortest_edge" in processor.size else None
    if shortest is None:
        raise NotExportable(f"{type(processor).__name__} prepares pictures in another way than CLIP's does")
    return Window(
        shortest=shortest,
        side=processor.crop_size["height"],
        resample=int(processor.resample),
        mean=list(processor.image_mean),
        std=list(processor.image_std),
    )


def _converted(module: torch.nn.Module, example: dict[str, torch.Tensor], inputs: list[Any]) -> ov.Model:
    # The converter tells its maker of each use, where this package is at hand. Ours tells nobody.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what tracing can't follow; the vectors are compared afterwards
            return ov.convert_model(module.eval(), example_input=example, input=inputs)
    except Exception as error:  # torch and OpenVINO raise whatever they meet
        raise NotExportable(f"OpenVINO can't take it ({type(error).__name__}: {error})") from error
