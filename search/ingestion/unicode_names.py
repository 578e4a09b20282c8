"""Find files whose names differ in Unicode normalisation only: macOS decomposes (NFD) what tables have composed."""

import os
from pathlib import Path

from search.text.normalization import composed


class Spellings:
    """Directory listings, each read once, for names that don't exist as written."""

    def __init__(self) -> None:
        self._folders: dict[Path, dict[str, str]] = {}

    def found(self, folder: Path, name: str) -> Path | None:
        """Return the path of `name`, with slashes, below `folder` in any normal form; None if there is none."""
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
        """Return the non-ASCII names of a folder by their composed form."""
        if folder not in self._folders:
            try:
                names = os.listdir(folder)
            except (OSError, ValueError):
                names = []
            self._folders[folder] = {composed(name): name for name in names if not name.isascii()}
        return self._folders[folder]
