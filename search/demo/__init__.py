"""The demo, which needs no download: drawn pictures, captions for them, and a small model trained on them.

Imports no other room. Verbs: `draw_collection`, `draw`, `caption`, `example_queries`; `search.demo.trainer` trains the
model.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_MODULES = {
    "captions": ("LANGUAGES", "Language", "caption", "example_queries"),
    "collection": ("draw_collection",),
    "drawing": ("draw",),
    "scenes": ("Scene", "Statement"),
}


def __getattr__(name: str) -> Any:
    """Import what is asked for: every process asks for the path of the model, and few for a drawing."""
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
