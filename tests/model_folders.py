"""Model folders in the real formats, small, with random weights, in any number of dimensions."""

import shutil
import string
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing

from tests.libraries import modules_of, pooled_by, sentence_transformers, torch
from tests.libraries import transformers as library

_PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LAYERS = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
SEEING = {**LAYERS, "image_size": 32, "patch_size": 8}


def tokenizer(longest: int = 32, **options: Any) -> Any:
    """A tokenizer of single letters, Latin and some Korean."""
    letters = [*string.ascii_lowercase, *string.digits, *"금붕어빨간별"]
    pieces = [*_PIECES, *letters, *(f"##{letter}" for letter in letters)]
    made = Tokenizer(models.WordPiece({piece: number for number, piece in enumerate(pieces)}, unk_token="[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return library.PreTrainedTokenizerFast(
        tokenizer_object=made, model_max_length=longest, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]", bos_token="[CLS]", eos_token="[SEP]", mask_token="[MASK]", **options,
    )  # fmt: skip


def saved(folder: Path, model: Any, processor: Any, *more: Any) -> Path:
    """Save a transformers model and its processor, followed by the modules `more`, as sentence-transformers does."""
    with tempfile.TemporaryDirectory() as parts:
        model.save_pretrained(parts)
        processor.save_pretrained(parts)
        made = sentence_transformers.SentenceTransformer(modules=[modules_of.Transformer(parts), *more], device="cpu")
        shutil.rmtree(folder, ignore_errors=True)
        made.save(str(folder))
    return folder


def clip_folder(folder: Path, dimensions: int, *, seed: int = 1) -> Path:
    """A CLIP for pictures of 32 pixels and texts."""
    torch.manual_seed(seed)
    words = tokenizer()
    text = {**LAYERS, "vocab_size": len(words), "max_position_embeddings": 32}
    marks = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
    config = library.CLIPConfig(text_config={**text, **marks}, vision_config=SEEING, projection_dim=dimensions)
    cut = library.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    return saved(folder, library.CLIPModel(config), library.CLIPProcessor(image_processor=cut, tokenizer=words))


@cache
def _tokens() -> dict[str, Any]:
    marks = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
    return {**LAYERS, "vocab_size": len(tokenizer()), "max_position_embeddings": 32, **marks}


_SQUARE = {"height": 32, "width": 32}


def siglip(*, mask: bool = True) -> tuple[Any, Any]:
    """SigLIP, or SigLIP 2 of a fixed size: a head with 32 dimensions, pictures resized without cropping."""
    names = ["input_ids", "attention_mask"] if mask else ["input_ids"]
    text = {**_tokens(), "max_position_embeddings": 64, "projection_size": 32}
    model = library.SiglipModel(library.SiglipConfig(text_config=text, vision_config=SEEING))
    cut = library.SiglipImageProcessor(size=_SQUARE)
    return model, library.SiglipProcessor(image_processor=cut, tokenizer=tokenizer(64, model_input_names=names))


def chinese_clip() -> tuple[Any, Any]:
    config = library.ChineseCLIPConfig(text_config=_tokens(), vision_config=SEEING, projection_dim=48)
    cut = library.ChineseCLIPImageProcessor(size=_SQUARE, crop_size=_SQUARE)
    made = library.ChineseCLIPProcessor(image_processor=cut, tokenizer=tokenizer())
    return library.ChineseCLIPModel(config), made


def _cut_as_clip() -> Any:
    return library.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=_SQUARE)


def alt_clip() -> tuple[Any, Any]:
    text = {**_tokens(), "project_dim": 40, "max_position_embeddings": 66}
    config = library.AltCLIPConfig(text_config=text, vision_config=SEEING, projection_dim=48)
    made = library.AltCLIPProcessor(image_processor=_cut_as_clip(), tokenizer=tokenizer())
    return library.AltCLIPModel(config), made


def dual_encoder() -> tuple[Any, Any]:
    towers = library.CLIPVisionConfig(**SEEING), library.BertConfig(**_tokens())
    config = library.VisionTextDualEncoderConfig.from_vision_text_configs(*towers, projection_dim=48)
    made = library.VisionTextDualEncoderProcessor(image_processor=_cut_as_clip(), tokenizer=tokenizer())
    return library.VisionTextDualEncoderModel(config), made


def metaclip_2() -> tuple[Any, Any]:
    config = library.MetaClip2Config(text_config=_tokens(), vision_config=SEEING, projection_dim=48)
    return library.MetaClip2Model(config), library.CLIPProcessor(image_processor=_cut_as_clip(), tokenizer=tokenizer())


def blip_2() -> tuple[Any, Any]:
    """Two towers whose last layers have 32 dimensions each, and nothing else in common."""
    reads = {"model_type": "opt", "hidden_size": 32, "ffn_dim": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    between = {**LAYERS, "vocab_size": _tokens()["vocab_size"], "encoder_hidden_size": 32}
    config = library.Blip2Config(
        vision_config=SEEING,
        qformer_config=between,
        text_config={**reads, "vocab_size": _tokens()["vocab_size"], "word_embed_proj_dim": 32},
        num_query_tokens=4,
        image_token_index=1,
    )
    made = library.Blip2Processor(image_processor=library.BlipImageProcessor(size=_SQUARE), tokenizer=tokenizer())
    return library.Blip2Model(config), made


def dino() -> tuple[Any, Any]:
    """A model of pictures only."""
    cut = library.BitImageProcessor(size={"shortest_edge": 32}, crop_size=_SQUARE)
    return library.Dinov2Model(library.Dinov2Config(**LAYERS, image_size=32, patch_size=8)), cut


def as_downloaded(folder: Path, model: Any, processor: Any) -> Path:
    """Save a model as transformers does: without a list of modules, which sentence-transformers then infers."""
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def words_folder(folder: Path, dimensions: int, *, seed: int = 2) -> Path:
    """A text tower, as the multilingual default: DistilBERT, mean pooling, and a projection into the common space."""
    torch.manual_seed(seed)
    words = tokenizer()
    config = library.DistilBertConfig(vocab_size=len(words), dim=32, hidden_dim=64, n_layers=1, n_heads=2)
    dense = modules_of.Dense(32, dimensions, bias=False, activation_function=torch.nn.Identity())
    return saved(folder, library.DistilBertModel(config), words, pooled_by.Pooling(32), dense)
