"""How pictures are taken."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from search.curation.details import Details
from search.ingestion.sources.exclusions import USUAL, Rules
from search.ingestion.tables_of_archives import Elsewhere

WIDTH = 1600
"""Pixels that servers which offer pictures in any width are asked for: as wide as our pages show them."""


@dataclass(frozen=True)
class Choices:
    """`details` by resolved path, and `elsewhere` of what is no file, come from `table`. `width` 0 asks servers for
    pictures as wide as they are.
    """

    details: Mapping[Path, Details] = field(default_factory=dict)
    elsewhere: Elsewhere = field(default_factory=Elsewhere)
    table: Path | None = None
    rules: Rules = USUAL
    in_place: bool = False
    width: int = WIDTH
    private_addresses: bool = False


AS_USUAL = Choices()
