"""Checks that a model's tokenizer is whole: without its files the library makes one that knows no words, or takes them
differently, and the vectors of all texts would be wrong without an error."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_TEXTS = "a red boat on the sea", "two dogs and a cat"


class IncompleteTokenizer(Exception):
    """Files of the tokenizer are missing, as after an interrupted download."""


def require_tokenizer(model: "SentenceTransformer", name: str) -> None:
    """Raise IncompleteTokenizer if `model`, opened from the folder or hub id `name`, can't read words as trained."""
    from transformers import PreTrainedTokenizerBase

    tokenizer = getattr(model[0], "tokenizer", None)
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        return
    for tokens in Path(name).rglob("tokenizer.json") if Path(name).is_dir() else ():
        # It says how words are prepared, such as their case; saved together with the other.
        if not (options := tokens.with_name("tokenizer_config.json")).is_file():
            raise IncompleteTokenizer(f"{options.relative_to(name)} is missing: download the model again")
    one, other = ({*tokenizer(text)["input_ids"]} - {*tokenizer.all_special_ids} for text in _TEXTS)
    if not one or not other or one == other:
        raise IncompleteTokenizer("its tokenizer knows no words: files are missing; download the model again")
