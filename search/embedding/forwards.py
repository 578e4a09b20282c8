"""What of a sentence-transformers model computes its vectors, as plain modules of torch: from bytes, and from tokens.

Whoever runs these, be it torch or what was converted from them, prepares pictures and words by itself, in threads.
"""

from typing import TYPE_CHECKING, Any

import torch
from transformers import CLIPModel

from search.embedding.pixels import Window

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class UnknownModel(Exception):
    """This model is of a kind that is used as it is. The message says of which."""


class Seeing(torch.nn.Module):
    """Bytes of cut pictures, shape (count, side, side, 3) -> vectors that are not of unit length yet."""

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, clip: CLIPModel, window: Window) -> None:
        super().__init__()
        self.tower, self.projection = clip.vision_model, clip.visual_projection
        # Rounded once: (byte / 255 - mean) / std.
        std = torch.tensor(window.std, dtype=torch.float64)
        mean = torch.tensor(window.mean, dtype=torch.float64)
        for name, values in (("scale", 1 / (255 * std)), ("shift", -mean / std)):
            self.register_buffer(name, values.float().view(1, 3, 1, 1).to(clip.device), persistent=False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        values = pixels.permute(0, 3, 1, 2).float() * self.scale + self.shift
        projected: torch.Tensor = self.projection(self.tower(pixel_values=values).pooler_output)
        return projected


class Reading(torch.nn.Module):
    """Tokens and their mask, shape (count, length) -> vectors that are not of unit length yet."""

    def __init__(self, model: "SentenceTransformer") -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        found = self.model({"input_ids": input_ids, "attention_mask": attention_mask})
        vectors: torch.Tensor = found["sentence_embedding"]
        return vectors


def seeing(model: "SentenceTransformer") -> tuple[Seeing, Window]:
    """Return what computes the vectors of pictures, and how these are cut for it. Raises UnknownModel."""
    clip = getattr(model[0], "model", None)
    if len(model) != 1 or not isinstance(clip, CLIPModel):
        raise UnknownModel(f"pictures are encoded by a {type(clip).__name__}, not by a CLIPModel alone")
    window = _window(getattr(model[0].processor, "image_processor", None))
    return Seeing(clip, window).eval(), window


def _window(processor: Any) -> Window:
    """Return how an image processor cuts pictures. Raises UnknownModel for one that does more or less."""
    steps = ("do_resize", "do_center_crop", "do_rescale", "do_normalize")
    usual = (
        type(processor).__name__.startswith("CLIPImageProcessor")
        and all(getattr(processor, step, False) for step in steps)
        and processor.crop_size["height"] == processor.crop_size["width"]
        and abs(processor.rescale_factor * 255 - 1) < 1e-6
    )
    shortest = processor.size["shortest_edge"] if usual and "shortest_edge" in processor.size else None
    if shortest is None:
        raise UnknownModel(f"{type(processor).__name__} prepares pictures in another way than CLIP's does")
    return Window(
        shortest=shortest,
        side=processor.crop_size["height"],
        resample=int(processor.resample),
        mean=list(processor.image_mean),
        std=list(processor.image_std),
    )
