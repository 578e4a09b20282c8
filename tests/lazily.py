"""Modules that take seconds to import, in each process of the tests: imported by the tests that use them."""

from functools import partial
from importlib import import_module
from typing import Any

from django.utils.functional import SimpleLazyObject


def lazily(name: str) -> Any:
    """Return the module of this name, which is imported at its first use."""
    return SimpleLazyObject(partial(import_module, name))
