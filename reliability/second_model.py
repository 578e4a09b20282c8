"""A second pair of models: those for drawn pictures with other random last layers, and vectors of another length."""

import shutil
from pathlib import Path
from typing import NamedTuple

from search.demo import IMAGE_MODEL, TEXT_MODEL

DIMENSIONS = 96


class Pair(NamedTuple):
    image: str
    text: str


def second_models(folder: Path) -> Pair:
    """Write both into `folder`, unless they are there, and return them. They see what the first ones see, and order
    it in another way."""
    image, text = folder / "second-image", folder / "second-text"
    if not (folder / "whole").exists():
        _pictures(image)
        _words(text)
        (folder / "whole").touch()
    return Pair(str(image), str(text))


def _pictures(folder: Path) -> None:
    import torch
    from transformers import CLIPModel

    _copy(IMAGE_MODEL, folder)
    clip = CLIPModel.from_pretrained(folder)
    torch.manual_seed(11)
    config = clip.config
    config.projection_dim = config.text_config.projection_dim = config.vision_config.projection_dim = DIMENSIONS
    other = CLIPModel(config)
    kept = {name: value for name, value in clip.state_dict().items() if "projection" not in name}
    other.load_state_dict(kept, strict=False)
    other.save_pretrained(folder)


def _words(folder: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense
    from torch import nn

    model = SentenceTransformer(str(TEXT_MODEL), device="cpu")
    last = model[2]
    dense = Dense(last.linear.in_features, DIMENSIONS, bias=False, activation_function=nn.Identity())
    shutil.rmtree(folder, ignore_errors=True)
    SentenceTransformer(modules=[model[0], model[1], dense], device="cpu").save(str(folder), create_model_card=False)


def _copy(source: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
