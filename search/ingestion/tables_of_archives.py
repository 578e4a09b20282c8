"""Rows of a table whose path is no file on the disk: they may mean members of archives, or objects in buckets."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from search.curation.details import Details
from search.text.normalization import composed


class Elsewhere:
    """What a table says of such pictures, by the end of their path: `a.zip/folder/a.jpg`, `folder/a.jpg` or `a.jpg`.

    The longest end that the table names counts. It belongs to one picture: others of that name get nothing, and
    `notes` says so. Used by one thread.
    """

    def __init__(self) -> None:
        self._rows: dict[str, tuple[str, Details]] = {}
        self._owners: dict[str, str] = {}
        self.notes: list[tuple[str, str]] = []

    def add(self, name: str, details: Details) -> None:
        self._rows[_plain(name)] = name, details

    def details_of(self, *paths: str, shared: Mapping[str, int] = MappingProxyType({})) -> Details:
        """Return what the table says of a picture, whose whole path is written in one of these ways.

        `shared` tells of the rows, as `meant` counts them, how many pictures they may mean.
        """
        key = self._key(paths)
        if key is None:
            return Details()
        name, details = self._rows[key]
        owner = self._owners.setdefault(key, paths[0])
        if owner != paths[0] or shared.get(key, 1) > 1:
            self.notes.append((paths[0], f"{name} in the table may mean another picture too: it was left out here."))
            return Details()
        return details

    def meant(self, pictures: Iterable[tuple[str, ...]]) -> "Counter[str]":
        """Count how many of these pictures each row may mean."""
        return Counter(key for paths in pictures if (key := self._key(paths)) is not None) if self._rows else Counter()

    def missing(self) -> list[str]:
        """Return the paths that no picture had so far, as the table writes them."""
        return [name for key, (name, _) in self._rows.items() if key not in self._owners]

    def _key(self, paths: Iterable[str]) -> str | None:
        if not self._rows:
            return None
        return next((end for path in paths for end in _ends(_plain(path)) if end in self._rows), None)


def _plain(path: str) -> str:
    """Return a path with slashes, in one of the forms of Unicode, and without what stands for its beginning."""
    path = composed(path).replace("\\", "/").removeprefix("s3://")
    while path.startswith("./"):
        path = path[2:].lstrip("/")
    return path.lstrip("/")


def _ends(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.partition("/")[2]
