"""Table rows whose path is no local file: they may name members of archives, or objects in buckets."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from search.curation.cleaned_details import Details
from search.text.normalization import composed


class Elsewhere:
    """Details by a suffix of the picture's path: `a.zip/folder/a.jpg`, `folder/a.jpg` or `a.jpg`.

    The longest suffix in the table wins. A row belongs to one picture; others that match it get nothing, with an entry
    in `notes`. Not thread-safe.
    """

    def __init__(self) -> None:
        self._rows: dict[str, tuple[str, Details]] = {}
        self._owners: dict[str, str] = {}
        self.notes: list[tuple[str, str]] = []

    def add(self, name: str, details: Details) -> bool:
        """Add a row; return whether it replaces an earlier one."""
        key = plain(name)
        is_named_before = key in self._rows
        self._rows[key] = name, details
        return is_named_before

    def details_of(self, *paths: str, shared: Mapping[str, int] = MappingProxyType({})) -> Details:
        """Return the details of a picture; `paths` are the spellings of its full path.

        `shared` has the number of pictures that match each row, as returned by `meant`.
        """
        key = self._key(paths)
        if key is None:
            return Details()
        name, details = self._rows[key]
        owner = self._owners.setdefault(key, paths[0])
        if owner != paths[0] or shared.get(key, 1) > 1:
            self.notes.append(
                (paths[0], f"{name} in the table may also match another picture: it was not applied here.")
            )
            return Details()
        return details

    def meant(self, pictures: Iterable[tuple[str, ...]]) -> "Counter[str]":
        """Count how many of these pictures match each row."""
        return Counter(key for paths in pictures if (key := self._key(paths)) is not None) if self._rows else Counter()

    def missing(self) -> list[str]:
        """Return the table's paths that no picture has matched so far."""
        return [name for key, (name, _) in self._rows.items() if key not in self._owners]

    def _key(self, paths: Iterable[str]) -> str | None:
        if not self._rows:
            return None
        return next((end for path in paths for end in suffixes(plain(path)) if end in self._rows), None)


def plain(path: str) -> str:
    """Return a path with slashes, in Unicode NFC, without a leading `s3://`, `./` or `/`."""
    path = composed(path).replace("\\", "/").removeprefix("s3://")
    while path.startswith("./"):
        path = path[2:].lstrip("/")
    return path.lstrip("/")


def suffixes(path: str) -> Iterator[str]:
    """Yield a path, and its ends after each slash: `a/b/c`, `b/c`, `c`."""
    while path:
        yield path
        path = path.partition("/")[2]
