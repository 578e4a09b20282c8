"""The demo's tokenizer: WordPiece, trained on the captions of all languages together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordPiece
from tokenizers.processors import TemplateProcessing

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, UNKNOWN, START, END = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
SPECIAL = (PAD, UNKNOWN, START, END, "[MASK]")  # ids 0 to 4
MAX_TOKENS = 32

# Chinese and Japanese have no spaces: each ideograph is a word, and so is each run of katakana or hiragana.
_UNSPACED = r"\p{Han}|[\p{Katakana}ー]+|\p{Hiragana}+"


def learn_tokenizer(captions: Iterable[str], vocabulary: int) -> Tokenizer:
    """Return a tokenizer of at most `vocabulary` pieces that ignores case and accents of Latin letters.

    A word with a letter that no caption has is one unknown token; other new words are split into letters.
    """
    tokenizer = Tokenizer(WordPiece({UNKNOWN: 0}, unk_token=UNKNOWN))
    # Only Latin accents are removed: removing all combining marks would turn が into か. NFC composes Hangul again.
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKD(),
            normalizers.Replace(Regex("[\u0300-\u036f]"), ""),
            normalizers.NFC(),
            normalizers.Lowercase(),
            normalizers.Replace("ß", "ss"),
            normalizers.Replace("œ", "oe"),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.BertPreTokenizer(), pre_tokenizers.Split(Regex(_UNSPACED), behavior="isolated")]
    )
    tokenizer.model = WordPiece(
        _pieces(tokenizer, captions, vocabulary), unk_token=UNKNOWN, max_input_chars_per_word=60
    )
    tokenizer.post_processor = TemplateProcessing(
        single=f"{START} $A {END}",
        special_tokens=[(START, SPECIAL.index(START)), (END, SPECIAL.index(END))],
    )
    return tokenizer


def _pieces(tokenizer: Tokenizer, captions: Iterable[str], vocabulary: int) -> dict[str, int]:
    """Return all letters, as a word's first and as later ones, then the most common words up to `vocabulary`.

    The library's own trainer breaks ties by a hash that differs between runs; here the same captions always give the
    same pieces, in the same order.
    """
    words: Counter[str] = Counter()
    for text in captions:
        normal = tokenizer.normalizer.normalize_str(text)
        words.update(word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal))
    letters = sorted({letter for word in words for letter in word})
    pieces = [*SPECIAL, *letters, *(f"##{letter}" for letter in letters)]
    common = sorted((word for word in words if len(word) > 1), key=lambda word: (-words[word], word))
    pieces += common[: max(0, vocabulary - len(pieces))]
    return {piece: number for number, piece in enumerate(pieces)}


def wrap_tokenizer(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    """Return the tokenizer in the form that transformers saves and loads."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        model_max_length=MAX_TOKENS,
        pad_token=PAD,
        unk_token=UNKNOWN,
        cls_token=START,
        sep_token=END,
        bos_token=START,
        eos_token=END,
        mask_token=SPECIAL[-1],
    )
