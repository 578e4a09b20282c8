"""Folders of models in the real formats, small, with random weights: as wide as they are asked to be."""

# Models are built here, not only used.
# ruff: noqa: TID253

import shutil
import string
import tempfile
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPProcessor,
    DistilBertConfig,
    DistilBertModel,
    PreTrainedTokenizerFast,
)

_PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LAYERS = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
SEEING = {**LAYERS, "image_size": 32, "patch_size": 8}


def tokenizer(longest: int = 32, **options: Any) -> PreTrainedTokenizerFast:
    """Of single letters, Latin and some Korean."""
    letters = [*string.ascii_lowercase, *string.digits, *"금붕어빨간별"]
    pieces = [*_PIECES, *letters, *(f"##{letter}" for letter in letters)]
    made = Tokenizer(models.WordPiece({piece: number for number, piece in enumerate(pieces)}, unk_token="[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return PreTrainedTokenizerFast(
        tokenizer_object=made, model_max_length=longest, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]", bos_token="[CLS]", eos_token="[SEP]", mask_token="[MASK]", **options,
    )  # fmt: skip


def saved(folder: Path, model: Any, processor: Any, *more: Any) -> Path:
    """Save a model of transformers and its processor, with `more` modules after it, as sentence-transformers does."""
    with tempfile.TemporaryDirectory() as parts:
        model.save_pretrained(parts)
        processor.save_pretrained(parts)
        made = SentenceTransformer(modules=[Transformer(parts), *more], device="cpu")
        shutil.rmtree(folder, ignore_errors=True)
        made.save(str(folder))
    return folder


def clip_folder(folder: Path, dimensions: int, *, seed: int = 1) -> Path:
    """A CLIP that sees pictures of 32 pixels, and reads words."""
    torch.manual_seed(seed)
    words = tokenizer()
    text = {**LAYERS, "vocab_size": len(words), "max_position_embeddings": 32}
    marks = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
    config = CLIPConfig(text_config={**text, **marks}, vision_config=SEEING, projection_dim=dimensions)
    cut = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    return saved(folder, CLIPModel(config), CLIPProcessor(image_processor=cut, tokenizer=words))


def words_folder(folder: Path, dimensions: int, *, seed: int = 2) -> Path:
    """What reads words alone, as the multilingual default: DistilBERT, the mean, and a layer into the common space."""
    torch.manual_seed(seed)
    words = tokenizer()
    config = DistilBertConfig(vocab_size=len(words), dim=32, hidden_dim=64, n_layers=1, n_heads=2)
    dense = Dense(32, dimensions, bias=False, activation_function=torch.nn.Identity())
    return saved(folder, DistilBertModel(config), words, Pooling(32), dense)
