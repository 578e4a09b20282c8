"""Measurements in a file that is written atomically, so that an interrupted run can resume."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Kept:
    """Figures by name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._figures: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def __contains__(self, what: str) -> bool:
        return what in self._figures

    def once(self, what: str, measure: Callable[[], Any]) -> Any:
        """Return the result of `measure`, from now or an earlier run: anything that JSON can represent."""
        if what not in self._figures:
            self._figures[what] = measure()
            draft = self._path.with_suffix(".draft")
            draft.write_text(json.dumps(self._figures, indent=1), encoding="utf-8")
            draft.replace(self._path)
        return self._figures[what]

    def forget(self) -> None:
        self._figures = {}
        self._path.unlink(missing_ok=True)
