"""Paths as typed on a command line -> the files to look at."""

import glob
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from search.ingestion.items import Details, Item, Source

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".avif", ".heic", ".heif", ".hif"})


@dataclass
class Files:
    """The files found, in order, and what was named but isn't there or can't be read, with the reason."""

    paths: list[Path] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)


def find_files(patterns: Iterable[str]) -> Files:
    """Return the files that `patterns` name: files as they are, folders and globs with all that is below them.

    Below a folder only names that end like a picture's count. Hidden names, sockets, pipes and devices are left
    alone, and a folder that symbolic links lead to again is visited once.
    """
    files = Files()
    seen: set[tuple[int, int]] = set()
    for pattern in patterns:
        path = Path(pattern).expanduser()
        matches = [path] if os.path.lexists(path) else [Path(match) for match in sorted(_expanded(path))]
        if not matches:
            files.problems.append((pattern, "There is no such file or folder."))
        for match in matches:
            files.paths.extend(_below(match, seen, files.problems, named=match == path))
    files.paths = list(dict.fromkeys(files.paths))
    return files


def _expanded(path: Path) -> list[str]:
    return glob.glob(str(path), recursive=True) if glob.has_magic(str(path)) else []  # noqa: PTH207 - may be absolute


def _below(path: Path, seen: set[tuple[int, int]], problems: list[tuple[str, str]], *, named: bool) -> Iterator[Path]:
    try:
        status = path.stat()
        if stat.S_ISREG(status.st_mode):
            if named or path.suffix.lower() in SUFFIXES:
                yield path
            return
        if not stat.S_ISDIR(status.st_mode):
            if named:
                problems.append((str(path), "This is neither a file nor a folder."))
            return
        if (status.st_dev, status.st_ino) in seen:
            return
        seen.add((status.st_dev, status.st_ino))
        names = sorted(name for name in os.listdir(path) if not name.startswith((".", "@eaDir")))
    except OSError as error:
        if named or not path.is_symlink():  # a dangling link below a folder is nothing that was asked for
            problems.append((str(path), error.strerror or str(error)))
        return
    for name in names:
        yield from _below(path / name, seen, problems, named=False)


class _FilesSource:
    def __init__(self, files: Files, details: Mapping[Path, Details]) -> None:
        self._paths = files.paths
        self._details = details
        self.problems = files.problems

    def __iter__(self) -> Iterator[Item]:
        return (_item(path, self._details) for path in self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def _item(path: Path, details: Mapping[Path, Details]) -> Item:
    resolved = path.resolve()
    try:
        status = path.stat()
    except OSError:  # reading it will tell why
        return Item(str(path), path.read_bytes)
    return Item(
        str(path),
        path.read_bytes,
        details.get(resolved, Details()),
        address=str(resolved),
        version=f"{status.st_size} {status.st_mtime_ns}",
    )


def files_source(patterns: Iterable[str], details: Mapping[Path, Details] | None = None) -> Source:
    """Return the files that `patterns` name, as `find_files` does, with the details of each by its resolved path."""
    return _FilesSource(find_files(patterns), details or {})
