"""Compilation of a model: exported, measured and decided about on this machine. `compiled_store` keeps the result."""

from pathlib import Path

from search.embedding.compilation_results import Verdict
from search.embedding.compiled_store import PICTURES, WORDS, decided, folder_of


def compile_pictures(name: str = "") -> Verdict:
    """Compile the image model, unless that was done. Raises ModelUnavailable, and OSError for a full disk."""

    def make(draft: Path) -> Verdict:
        from search.embedding.backend_and_precision_selection import chosen_pictures  # noqa: PLC0415 - imports torch

        return chosen_pictures(draft, name)

    return decided(folder_of(PICTURES, name), make)


def compile_texts(name: str = "") -> Verdict:
    """Compile the text model, unless that was done. Raises ModelUnavailable, and OSError for a full disk."""

    def make(draft: Path) -> Verdict:
        from search.embedding.backend_and_precision_selection import chosen_texts  # noqa: PLC0415 - imports torch

        return chosen_texts(draft, name)

    return decided(folder_of(WORDS, name), make)
