"""Find new and changed files in folders by scanning them repeatedly, which works on network mounts too.
`search.management.ingest_watch` adds them."""

import os
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from search.curation.cleaned_details import Details
from search.ingestion.sources.exclusions import USUAL, Rules
from search.ingestion.sources.listing import Findings, Listed, Listing
from search.ingestion.sources.local_files import Found, Walk, items_of, sidecars_of_files, version_of
from search.ingestion.sources.sidecars import last_changed

AT_REST = 10.0
"""Seconds since its last change after which a file is considered complete at first sight."""


FIRST_WAIT, LONGEST_WAIT = 15.0, 900.0
"""First and longest delay in seconds before an unreadable, unchanged file is offered again."""


@dataclass(frozen=True, slots=True)
class _State:
    """The state of a file. `version` is that of its bytes; `whole` also changes with its permissions and inode."""

    version: str = ""
    whole: str = ""
    bytes_changed: float = 0.0
    changed: float = 0.0


@dataclass(frozen=True, slots=True)
class _Failure:
    """A failed file and its state at that time; offered again when the state changes.

    One that could not be read at all, as on a drive that hangs, is also retried at `again_at` (monotonic).
    """

    state: _State
    reason: str
    wait: float = FIRST_WAIT
    again_at: float | None = None

    def is_past(self, state: _State) -> bool:
        """Whether it is time to retry."""
        return state.whole != self.state.whole or (self.again_at is not None and time.monotonic() >= self.again_at)


class FolderWatch:
    """Finds the complete files in some folders: unchanged since the last scan, or for AT_REST seconds."""

    def __init__(self, folders: Collection[str], rules: Rules = USUAL, table: Path | None = None) -> None:
        self._folders, self._rules, self._table = folders, rules, table
        # Hashes to save memory: there may be millions.
        self._settled: set[int] = set()
        self._offered: dict[str, tuple[int, _State]] = {}
        self._failures: dict[str, _Failure] = {}
        self._growing: dict[str, str] = {}
        self._known_problems: set[tuple[str, str]] = set()
        self._sniffed: dict[int, bool] = {}
        self._not_read: Counter[str] = Counter()
        self.problems: list[tuple[str, str]] = []
        """New problems of the last scan."""
        self.not_read: Counter[str] = Counter()
        """How many unsupported files of which kinds are new in the last scan."""

    def look(self) -> list[Found]:
        """Scan; return the complete files that are not settled in their present state, or whose retry is due."""
        findings = Findings()
        walk = Walk(findings, self._rules, self._sniffed)
        if self._table:
            walk.knows(str(self._table))
        self._offered = {}
        whole, growing = [], {}
        finder = sidecars_of_files(findings)
        for folder in self._folders:
            for found in walk.named(folder):
                its = finder.of(*os.path.split(found.path))  # these don't count as not read
                state, failure = _state(found.path), self._failures.get(found.path)
                key = hash((found.resolved, state.version, last_changed(its.values())))
                if key in self._settled and not (failure and failure.is_past(state)):
                    continue
                # A file may get its modification time before its last bytes; that only matters once it has failed.
                changed = state.changed if failure else state.bytes_changed
                earlier = {self._growing.get(found.path), failure.state.whole if failure else None}
                if time.time() - changed > AT_REST or state.whole in earlier:
                    whole.append(found)
                    self._offered[found.path] = key, state
                else:
                    growing[found.path] = state.whole
        self._growing = growing
        problems = findings.problems + findings.notes
        self.problems = [problem for problem in problems if problem not in self._known_problems]
        self._known_problems = set(problems)
        self.not_read, self._not_read = findings.not_read - self._not_read, findings.not_read
        return whole

    def settle(self, failed: Sequence[tuple[str, str]] = (), unread: Collection[str] = ()) -> list[tuple[str, str]]:
        """Settle the files returned by the last scan: they are not returned again unless they change.

        Those in `failed`, with the reason, are returned when their state changes; those also in `unread` after a delay
        too. Returns the failures that are new.
        """
        reasons = dict(failed)
        for path, (key, state) in self._offered.items():
            self._settled.add(key)
            before = self._failures.pop(path, None)
            if path not in reasons:
                continue
            same = before is not None and before.state.version == state.version
            wait = min(2 * before.wait, LONGEST_WAIT) if before and same else FIRST_WAIT
            again_at = time.monotonic() + wait if path in unread else None
            self._failures[path] = _Failure(state, reasons[path], wait, again_at)
            if before and same and before.reason == reasons[path]:
                del reasons[path]
        return list(reasons.items())


def _state(path: str) -> _State:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:  # gone again, or without permission
        return _State()
    version = version_of(status)
    whole = f"{version} {status.st_ctime_ns} {status.st_dev} {status.st_ino}"
    return _State(version, whole, status.st_mtime, max(status.st_mtime, status.st_ctime))


def watched_source(whole: Collection[Found], details: Mapping[Path, Details]) -> Listed:
    """Return files found by a scan as a source."""
    findings = Findings()
    return Listed([Listing(items_of(whole, details, findings), len(whole))], findings)
