"""Checks that a model's image and text towers share one space: sentence-transformers opens others without an error."""

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
    """Vectors of pictures and texts would be unrelated."""


def require_image_tower(model: "SentenceTransformer") -> None:
    """Raise NoCommonSpace for a model whose image vectors are not in a space with texts.

    Such as the last layer of an image tower, averaged by a Pooling module, without a trained projection into a common
    space: BLIP-2, FLAVA, and models of pictures alone.
    """
    way = _ways(model).get("image", {}).get("method")
    if way is None:
        raise NoCommonSpace("it does not encode pictures")
    if way != "get_image_features" or _averages(model):
        raise NoCommonSpace("its picture features do not share a space with texts")


def require_text_tower(model: "SentenceTransformer") -> None:
    """Raise NoCommonSpace for a model with an image tower whose texts are in another space.

    For a text-only model this is unknown: it may have been trained into the space of another model's image tower.
    """
    ways = _ways(model)
    if "image" in ways and (ways.get("text", {}).get("method") != "get_text_features" or _averages(model)):
        raise NoCommonSpace("its vectors of texts and of pictures are in different spaces")


def _ways(model: "SentenceTransformer") -> dict[object, dict[str, object]]:
    ways: dict[object, dict[str, object]] = getattr(model[0], "modality_config", {})
    return ways


def _averages(model: "SentenceTransformer") -> bool:
    """Whether vectors are averages of all patches or tokens, as a tower without a projection returns them."""
    if getattr(model[0], "module_output_name", "") != "sentence_embedding":
        return True
    return any(type(module).__name__ == "Pooling" for module in model)


class _Report(logging.Handler):
    """Collects the weights that transformers initialised because the files lack them."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.missing: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.missing += _MISSING.findall(_COLOURS.sub("", record.getMessage()))


@contextmanager
def all_weights_required() -> Iterator[None]:
    """Context that raises NoCommonSpace if a model opened in it lacks weights of its towers, or of their projections:
    they would be random. A text model may lack what it doesn't use."""
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
