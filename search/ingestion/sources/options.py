"""Options for opening sources."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from search.curation.cleaned_details import Details
from search.ingestion.sources.exclusions import USUAL, Rules
from search.ingestion.tables_of_archives import Elsewhere

WIDTH = 1600
"""Width in pixels requested from servers that resize pictures: the widest that our pages show."""


@dataclass(frozen=True)
class Choices:
    """`details` by resolved path, and `elsewhere` for paths that are no files, come from `table`. `width` 0 requests
    pictures in full width."""

    details: Mapping[Path, Details] = field(default_factory=dict)
    elsewhere: Elsewhere = field(default_factory=Elsewhere)
    table: Path | None = None
    rules: Rules = USUAL
    in_place: bool = False
    width: int = WIDTH
    private_addresses: bool = False


AS_USUAL = Choices()
