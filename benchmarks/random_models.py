"""Random models with the shapes of the two defaults: as slow as the real ones, without a download."""

import shutil
from collections.abc import Callable, Iterator
from itertools import chain, islice, product
from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordPiece
from tokenizers.processors import TemplateProcessing

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SEED = 20
WORD_PIECES = 119_547
"""The vocabulary size of distilbert-base-multilingual-cased."""
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_LETTERS = [chr(code) for code in range(33, 127)]
_SYLLABLES = [consonant + vowel for consonant, vowel in product("bdfghklmnprstvz", "aeiou")]
_SMALLEST_PIECES = [*_SPECIAL, *_LETTERS, *(f"##{letter}" for letter in _LETTERS), *_SYLLABLES]


def picture_model(cache: Path) -> Path:
    """Return the folder of a CLIP with a vision tower like ViT-B/32, made if it doesn't exist yet."""
    return _made_once(cache / "clip-vit-b-32", _make_clip)


def text_model(cache: Path) -> Path:
    """Return the folder of a DistilBERT of the multilingual shape with a dense layer, made if it doesn't exist yet."""
    return _made_once(cache / "distilbert-multilingual", _make_distilbert)


def words() -> Iterator[str]:
    """The three-syllable words in the text model's vocabulary: each is one piece."""
    return islice(_words(), WORD_PIECES - len(_SMALLEST_PIECES))


def _words() -> Iterator[str]:
    return ("".join(syllables) for syllables in product(_SYLLABLES, repeat=3))


def _made_once(folder: Path, make: Callable[[Path, Path], None]) -> Path:
    """Make a model in a draft folder that is renamed when complete: an interrupted run leaves no partial model."""
    if not folder.is_dir():
        draft, parts = folder.with_suffix(".draft"), folder.with_suffix(".parts")
        for leftover in (draft, parts):
            shutil.rmtree(leftover, ignore_errors=True)
        parts.mkdir(parents=True)
        make(parts, draft)
        shutil.rmtree(parts)
        draft.rename(folder)
    return folder


def _make_clip(parts: Path, folder: Path) -> None:
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTextConfig, CLIPVisionConfig

    torch.manual_seed(SEED)
    tokenizer = _tokenizer(pieces=1_000, longest=77)
    vision = CLIPVisionConfig(
        image_size=224, patch_size=32, hidden_size=768, intermediate_size=3072, num_hidden_layers=12,
        num_attention_heads=12,
    )  # fmt: skip
    # Text goes to the other model: this text tower is never used, and small.
    text = CLIPTextConfig(
        vocab_size=1_000, hidden_size=64, intermediate_size=128, num_hidden_layers=1, num_attention_heads=2,
        pad_token_id=0, bos_token_id=2, eos_token_id=3,
    )  # fmt: skip
    config = CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=512)
    CLIPModel(config).save_pretrained(parts)
    processor = CLIPProcessor(image_processor=CLIPImageProcessor(), tokenizer=tokenizer)  # type: ignore[no-untyped-call]
    processor.save_pretrained(parts)
    SentenceTransformer(modules=[Transformer(str(parts))], device="cpu").save(str(folder))


def _make_distilbert(parts: Path, folder: Path) -> None:
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import DistilBertConfig, DistilBertModel

    torch.manual_seed(SEED)
    config = DistilBertConfig(vocab_size=WORD_PIECES, dim=768, n_heads=12, n_layers=6, hidden_dim=3072)
    DistilBertModel(config).save_pretrained(parts)
    _tokenizer(pieces=WORD_PIECES, longest=128).save_pretrained(parts)
    dense = Dense(768, 512, bias=False, activation_function=torch.nn.Identity())
    modules = [Transformer(str(parts)), Pooling(768, pooling_mode="mean"), dense]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder))


def _tokenizer(pieces: int, longest: int) -> "PreTrainedTokenizerFast":
    """A WordPiece tokenizer with `pieces` pieces: single letters and made-up words."""
    from transformers import PreTrainedTokenizerFast

    known = islice(chain(_SMALLEST_PIECES, _words()), pieces)
    vocabulary = {piece: number for number, piece in enumerate(known)}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, model_max_length=longest, pad_token="[PAD]", unk_token="[UNK]",
        cls_token="[CLS]", sep_token="[SEP]", bos_token="[CLS]", eos_token="[SEP]", mask_token="[MASK]",
    )  # fmt: skip
