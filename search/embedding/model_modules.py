"""The modules of a sentence-transformers model that compute its vectors, as plain torch modules: from pixels, and from
tokens.

Their callers, torch or the export from it, do the preprocessing themselves, in threads.
"""

from typing import TYPE_CHECKING, Any

import PIL.Image
import torch

from search.embedding.pixels import Window

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class UnknownModel(Exception):
    """This kind of model can only be used through its library. The message says why."""


class ImageTower(torch.nn.Module):
    """The image tower. Bytes of cropped pictures, shape (count, side, side, 3) -> vectors, not normalised."""

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, model: "SentenceTransformer", window: Window) -> None:
        super().__init__()
        self.model = model
        # Combined and rounded once: (byte / 255 - mean) / std.
        std = torch.tensor(window.std, dtype=torch.float64)
        mean = torch.tensor(window.mean, dtype=torch.float64)
        for name, values in (("scale", 1 / (255 * std)), ("shift", -mean / std)):
            self.register_buffer(name, values.float().view(1, 3, 1, 1).to(model.device), persistent=False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        values = pixels.permute(0, 3, 1, 2).float() * self.scale + self.shift
        found = self.model({"pixel_values": values, "modality": "image"})
        vectors: torch.Tensor = found["sentence_embedding"]
        return vectors


class TextTower(torch.nn.Module):
    """The text tower. Tokens, and their mask if the tokenizer returns one, shape (count, length) -> vectors, not
    normalised."""

    def __init__(self, model: "SentenceTransformer") -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        given = {"input_ids": input_ids, "attention_mask": attention_mask}
        found = self.model({name: values for name, values in given.items() if values is not None})
        vectors: torch.Tensor = found["sentence_embedding"]
        return vectors


def image_tower(model: "SentenceTransformer") -> tuple[ImageTower, Window]:
    """Return the image tower, and its crop of pictures. Raises UnknownModel."""
    first: Any = model[0]
    processor = getattr(getattr(first, "processor", None), "image_processor", None)
    if processor is None:
        raise UnknownModel(f"pictures are preprocessed by a {type(getattr(first, 'processor', first)).__name__}")
    window = _window(processor)
    given = set(first.preprocess([PIL.Image.new("RGB", (window.side, window.side))])) - {"modality"}
    if given != {"pixel_values"}:
        raise UnknownModel(f"{type(processor).__name__} returns more than pixels: {', '.join(sorted(given))}")
    return ImageTower(model, window).eval(), window


def _window(processor: Any) -> Window:
    """Return how an image processor crops pictures. Raises UnknownModel for one that works differently."""
    side, shortest = _square(processor)
    always = all(getattr(processor, step, False) for step in ("do_resize", "do_rescale", "do_normalize"))
    rest = any(getattr(processor, step, False) for step in ("do_pad", "do_image_splitting", "do_thumbnail"))
    if not side or not always or rest or abs(getattr(processor, "rescale_factor", 0) * 255 - 1) >= 1e-6:
        raise UnknownModel(f"{type(processor).__name__} preprocesses pictures in an unsupported way")
    return Window(
        shortest=shortest,
        side=side,
        resample=int(processor.resample),
        mean=list(processor.image_mean),
        std=list(processor.image_std),
    )


def _square(processor: Any) -> tuple[int, int]:
    """Return the side of a model's input square, and the length to which the shorter side of a picture is scaled
    before the crop: 0 if the whole picture is squeezed into the square. The side is 0 if it is neither."""
    size = dict(getattr(processor, "size", None) or {})
    fixed = size.get("height") if size.get("height") == size.get("width") else None
    if not getattr(processor, "do_center_crop", False):
        return (int(fixed), 0) if fixed else (0, 0)
    crop = dict(getattr(processor, "crop_size", None) or {})
    side = crop.get("height") if crop.get("height") == crop.get("width") else None
    if side and size.get("shortest_edge") and not size.get("longest_edge"):
        return int(side), int(size["shortest_edge"])
    return (int(side), 0) if side and side == fixed else (0, 0)
