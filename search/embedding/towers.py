"""Whether what sees and what reads in a model share one space: sentence-transformers opens others without a word."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_LOADING = "transformers.modeling_utils"
_MISSING = re.compile(r"^\W*([\w.{}, ]+?)\s*\|\s*\W*(?:\x1b\[\d+m)?MISSING", re.MULTILINE)
_TOWERS = re.compile(r"projection|vision_model|text_model|image_model|visual|logit_scale")
_COLOURS = re.compile(r"\x1b\[[\d;]*m")


class NoCommonSpace(Exception):
    """Pictures and words would get vectors that have nothing to do with each other."""


def require_sees(model: "SentenceTransformer") -> None:
    """Raise NoCommonSpace for a model whose vectors of pictures are not those that belong to words.

    Such are the last layers of a tower, averaged by a Pooling module, where no layer into a common space was trained:
    BLIP-2's, FLAVA's, and those of models that see alone.
    """
    way = _ways(model).get("image", {}).get("method")
    if way is None:
        raise NoCommonSpace("it sees no pictures")
    if way != "get_image_features" or _averages(model):
        raise NoCommonSpace("it gives features of pictures that share no space with any words")


def require_reads(model: "SentenceTransformer") -> None:
    """Raise NoCommonSpace for a model that sees too, and reads words into another space.

    Of one that reads alone nothing can be told: it may have been trained into the space of another model that sees.
    """
    ways = _ways(model)
    if "image" in ways and (ways.get("text", {}).get("method") != "get_text_features" or _averages(model)):
        raise NoCommonSpace("it reads words into another space than it sees pictures in")


def _ways(model: "SentenceTransformer") -> dict[object, dict[str, object]]:
    ways: dict[object, dict[str, object]] = getattr(model[0], "modality_config", {})
    return ways


def _averages(model: "SentenceTransformer") -> bool:
    """Whether vectors are made of those of all places of a picture, or of all tokens, as a tower leaves them."""
    if getattr(model[0], "module_output_name", "") != "sentence_embedding":
        return True
    return any(type(module).__name__ == "Pooling" for module in model)


class _Report(logging.Handler):
    """Listens to which weights transformers made up, since the files have none of that name."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.missing: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.missing += _MISSING.findall(_COLOURS.sub("", record.getMessage()))


@contextmanager
def whole() -> Iterator[None]:
    """Raise NoCommonSpace where a model that is opened in the block lacks weights of its towers, or of the layers from
    them into the common space: they would be random. A text model may lack what it makes no use of."""
    report, logger = _Report(), logging.getLogger(_LOADING)
    before = logger.level
    logger.addHandler(report)
    logger.setLevel(min(logger.getEffectiveLevel(), logging.WARNING))
    try:
        yield
    finally:
        logger.removeHandler(report)
        logger.setLevel(before)
    if lacks := [name for name in report.missing if _TOWERS.search(name)]:
        raise NoCommonSpace(f"its files lack weights, which would be random: {', '.join(lacks[:3])}")
