"""A small world that the product can be tried in without any download: drawn pictures and a model trained on them."""

from __future__ import annotations

from pathlib import Path

from search.demo.captions import LANGUAGES, Language, caption, example_queries
from search.demo.collection import draw_collection
from search.demo.drawing import draw
from search.demo.scenes import Scene, Statement

IMAGE_MODEL = Path(__file__).parent / "models" / "image"
TEXT_MODEL = Path(__file__).parent / "models" / "text"

__all__ = [
    "IMAGE_MODEL",
    "LANGUAGES",
    "TEXT_MODEL",
    "Language",
    "Scene",
    "Statement",
    "caption",
    "draw",
    "draw_collection",
    "example_queries",
]
