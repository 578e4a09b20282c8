"""Saves the trained models as folders for `SentenceTransformer(folder)`."""

from __future__ import annotations

import shutil
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING

from search.demo.trainer.training_data import PIXELS

if TYPE_CHECKING:
    from torch import nn
    from transformers import CLIPModel, DistilBertModel, PreTrainedTokenizerFast

_README = """# {title}

{text}

Trained from scratch by `python -m search.demo.trainer.training` on drawings and captions that the same package makes;
its figures are in `search/demo/trainer/figures.json`. It knows shapes, colours, counts, sizes, places and backgrounds
and nothing else: it is there to try and to test the product without a download, and says nothing about real photos.
Licence: that of this repository.
"""


def save_image_model(clip: CLIPModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write a CLIP folder: pictures in, vectors out."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Transformer
    from transformers import CLIPImageProcessor, CLIPProcessor

    side = {"height": PIXELS, "width": PIXELS}
    # A processor writes its class into its tokenizer; the text model's must stay unchanged, or it is loaded as a CLIP.
    pictures = CLIPImageProcessor(size={"shortest_edge": PIXELS}, crop_size=side)
    processor = CLIPProcessor(pictures, deepcopy(tokenizer))  # type: ignore[no-untyped-call]
    with tempfile.TemporaryDirectory() as plain:
        clip.save_pretrained(plain)
        processor.save_pretrained(plain)
        _write(SentenceTransformer(modules=[Transformer(plain)], device="cpu"), folder)
    text = "A small CLIP: pictures (and short captions) to vectors of 512 numbers."
    (folder / "README.md").write_text(_README.format(title="Demo image model", text=text))


def save_text_model(bert: DistilBertModel, dense: nn.Linear, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write a DistilBERT folder with mean pooling and a dense layer: words in, vectors of the same space out."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Pooling, Transformer
    from torch import nn

    with tempfile.TemporaryDirectory() as plain:
        bert.save_pretrained(plain)
        tokenizer.save_pretrained(plain)
        last = Dense(dense.in_features, dense.out_features, bias=False, activation_function=nn.Identity())
        last.linear.weight = dense.weight
        modules = [Transformer(plain), Pooling(dense.in_features, "mean"), last]
        _write(SentenceTransformer(modules=modules, device="cpu"), folder)
    text = "A small DistilBERT: captions in seven languages to vectors in the demo image model's space."
    (folder / "README.md").write_text(_README.format(title="Demo text model", text=text))


def _write(model: object, folder: Path) -> None:
    """Replace the whole folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    model.save(str(folder), create_model_card=False)  # type: ignore[attr-defined]
