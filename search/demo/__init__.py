"""The demo, which needs no download: drawn pictures, captions for them, and a small model trained on them.

Imports no other room. Verbs: `draw_collection`, `draw`, `caption`, `example_queries`; `search.demo.trainer` trains the
model.
"""

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
