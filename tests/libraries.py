"""Libraries that take seconds to import, imported at their first use in each test process.

Tests use them as attributes of this module: pytest inspects all names in a test module, and would import them.
"""

from functools import partial
from importlib import import_module
from typing import Any

from django.utils.functional import SimpleLazyObject


def _lazily(name: str) -> Any:
    return SimpleLazyObject(partial(import_module, name))


torch = _lazily("torch")
transformers = _lazily("transformers")
sentence_transformers = _lazily("sentence_transformers")
modules_of = _lazily("sentence_transformers.base.modules")
pooled_by = _lazily("sentence_transformers.sentence_transformer.modules")
safetensors = _lazily("safetensors.torch")

# Our own modules that need these libraries.
choosing = _lazily("search.embedding.backend_and_precision_selection")
compiled = _lazily("search.embedding.openvino_encoders")
