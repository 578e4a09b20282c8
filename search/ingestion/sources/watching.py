"""Folders that are being filled: looked at again and again, which works on network mounts too."""

import os
import time
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

from search.ingestion.items import Details
from search.ingestion.sources.files import Found, Walk, items_of, version_of
from search.ingestion.sources.leaving import USUAL, Rules
from search.ingestion.sources.listing import Findings, Listed, Listing

AT_REST = 10.0
"""Seconds since its last change after which a file counts as whole at first sight."""


class FolderWatch:
    """Finds the files in some folders that are whole: as they were at the look before, or long unchanged."""

    def __init__(self, folders: Collection[str], rules: Rules = USUAL, table: Path | None = None) -> None:
        self._folders, self._rules, self._table = folders, rules, table
        # Hashes, since there may be millions.
        self._settled: set[int] = set()
        self._offered: list[int] = []
        self._growing: dict[str, str] = {}
        self._told: set[tuple[str, str]] = set()
        self._sniffed: dict[int, bool] = {}
        self._not_read: Counter[str] = Counter()
        self.problems: list[tuple[str, str]] = []
        """What went wrong at the last look and not at the one before."""
        self.not_read: Counter[str] = Counter()
        """How many files of which kinds have come since then that aren't read."""

    def look(self) -> list[Found]:
        """Return the whole files that were not settled as they are now."""
        findings = Findings()
        walk = Walk(findings, self._rules, self._sniffed)
        if self._table:
            walk.knows(str(self._table))
        self._offered = []
        whole, growing = [], {}
        for folder in self._folders:
            for found in walk.named(folder):
                version, is_at_rest = _state(found.path)
                key = hash((found.resolved, version))
                if key in self._settled:
                    continue
                if is_at_rest or self._growing.get(found.path) == version:
                    whole.append(found)
                    self._offered.append(key)
                else:
                    growing[found.path] = version
        self._growing = growing
        problems = findings.problems + findings.notes
        self.problems = [problem for problem in problems if problem not in self._told]
        self._told = set(problems)
        self.not_read, self._not_read = findings.not_read - self._not_read, findings.not_read
        return whole

    def settle(self) -> None:
        """Don't return again what the last look has returned, as it was then."""
        self._settled.update(self._offered)


def _state(path: str) -> tuple[str, bool]:
    """Return a file's version, and whether it has not changed for a while."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:  # gone again
        return "", False
    return version_of(status), time.time() - status.st_mtime > AT_REST


def watched_source(whole: Collection[Found], details: Mapping[Path, Details]) -> Listed:
    """Return files that a look has found as a source."""
    return Listed([Listing(items_of(whole, details), len(whole))], Findings())
