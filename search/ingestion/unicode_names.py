"""Files found by names that are the same text in other bytes: a Mac decomposes (NFD) what tables have composed."""

import os
from pathlib import Path

from search.text.normalization import composed


class Spellings:
    """What the folders hold, read once each, when a name isn't there as it is written."""

    def __init__(self) -> None:
        self._folders: dict[Path, dict[str, str]] = {}

    def found(self, folder: Path, name: str) -> Path | None:
        """Return what `name`, a path with slashes below `folder`, leads to in another spelling; None for nothing."""
        path = folder
        for part in Path(name).parts:
            there = path / part
            if part in {"..", os.sep} or os.path.lexists(there):
                path = there
                continue
            spelled = self._names(path).get(composed(part))
            if spelled is None:
                return None
            path /= spelled
        return path

    def _names(self, folder: Path) -> dict[str, str]:
        """Names that can be spelled in several ways, by their composed form."""
        if folder not in self._folders:
            try:
                names = os.listdir(folder)
            except (OSError, ValueError):
                names = []
            self._folders[folder] = {composed(name): name for name in names if not name.isascii()}
        return self._folders[folder]
