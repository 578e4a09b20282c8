"""Object lists of backups, processed shard by shard, so that one of 256 is in memory."""

import gzip
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import groupby
from types import TracebackType
from typing import IO, NamedTuple, Self

from search.backup.manifest import BackupError, Manifest, manifests, read_manifest
from search.backup.targets import IN_MEMORY, Target
from search.objects.inventory import ORIGINALS, SHARDS, THUMBNAILS

OBJECTS = "objects/"
"""Prefix of the objects in a backup; their own keys follow."""
_UNFINISHED = "unfinished/"
"""Prefix of the shard lists of a running backup, for continuing after it was killed."""


class Listed(NamedTuple):
    """An object of a backup: its key in our storage, its bytes, and their SHA-256; "" for an original, whose key
    contains its hash."""

    key: str
    size: int
    sha256: str

    @property
    def line(self) -> bytes:
        return f"{self.key}\t{self.size}\t{self.sha256}\n".encode("ascii")


class ListWriter:
    """Writes a list in the order of the shards."""

    def __init__(self, file: IO[bytes]) -> None:
        self._zip = gzip.GzipFile(fileobj=file, mode="wb", mtime=0)
        self.count = self.bytes = 0

    def add(self, one: Listed) -> None:
        self._zip.write(one.line)
        self.count, self.bytes = self.count + 1, self.bytes + one.size

    def close(self) -> None:
        self._zip.close()


def listed(file: IO[bytes]) -> Iterator[tuple[str, list[Listed]]]:
    """Yield each shard with its objects. Raises BackupError if the list is truncated or damaged."""
    try:
        with gzip.GzipFile(fileobj=file, mode="rb") as lines:
            for shard, ones in groupby(map(_read, lines), lambda one: _shard_of(one.key)):
                yield shard, list(ones)
    except (OSError, EOFError, ValueError) as error:
        raise BackupError(f"A list of objects is damaged: {error}") from error


def _read(line: bytes) -> Listed:
    key, size, sha256 = line.decode("ascii").rstrip("\n").split("\t")
    return Listed(key, int(size), sha256)


def _shard_of(key: str) -> str:
    return key.rpartition("/")[2][:2]


class Lists:
    """Lists of several backups, read in parallel. Shards must be requested in order."""

    def __init__(self, target: Target, these: Iterable[Manifest]) -> None:
        self._stack = ExitStack()
        self._lists: list[Iterator[tuple[str, list[Listed]]]] = []
        self._next: list[tuple[str, list[Listed]] | None] = []
        for manifest in these:
            file = self._stack.enter_context(tempfile.SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115
            target.read_into(manifest.list, file)
            file.seek(0)
            self._lists.append(listed(file))
            self._next.append(next(self._lists[-1], None))

    def of_shard(self, shard: str) -> dict[str, Listed]:
        """Return the objects of a shard; the last list has precedence."""
        found: dict[str, Listed] = {}
        for number, ones in enumerate(self._lists):
            while (at := self._next[number]) and at[0] <= shard:
                if at[0] == shard:
                    found |= {one.key: one for one in at[1]}
                self._next[number] = next(ones, None)
        return found

    def close(self) -> None:
        self._stack.close()


class Known:
    """Objects that a backup has already: from the latest backup, and from an unfinished one."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def __enter__(self) -> Self:
        there = manifests(self._target)
        try:
            self._latest = Lists(self._target, [read_manifest(self._target, there[-1])] if there else [])
        except (BackupError, FileNotFoundError):  # damaged: check all objects
            self._latest = Lists(self._target, [])
        self._unfinished = self._target.sizes(_UNFINISHED)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._latest.close()

    def of_shard(self, shard: str) -> dict[str, Listed]:
        found = self._latest.of_shard(shard)
        if f"{_UNFINISHED}{shard}" in self._unfinished:
            with tempfile.SpooledTemporaryFile(IN_MEMORY) as file:
                self._target.read_into(f"{_UNFINISHED}{shard}", file)
                file.seek(0)
                found |= {one.key: one for one in map(_read, file)}
        return found

    def note(self, shard: str, listed: Iterable[Listed]) -> None:
        """Record the objects of a shard, for continuing a killed backup."""
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as file:
            file.writelines(one.line for one in listed)
            file.seek(0)
            self._target.write_from(f"{_UNFINISHED}{shard}", file)

    def forget(self) -> None:
        """Delete the records: the backup is finished."""
        self._target.delete(self._target.sizes(_UNFINISHED))


def remove_unnamed(target: Target, keep: int | None) -> None:
    """Remove dumps and lists without a manifest; with `keep`, all but that many of the latest backups, and the objects
    that only these had."""
    there = manifests(target)
    gone = there[: -max(1, keep)] if keep is not None else []
    target.delete(Manifest(made).key for made in gone)
    left = [made for made in there if made not in gone]
    named = {name for made in left for name in (Manifest(made).dump, Manifest(made).list)}
    target.delete(key for folder in ("database/", "lists/") for key in target.sizes(folder) if key not in named)
    if not gone:
        return
    lists = Lists(target, [read_manifest(target, made) for made in left])
    try:
        for shard in SHARDS:
            wanted = {OBJECTS + key for key in lists.of_shard(shard)}
            for place in (ORIGINALS, THUMBNAILS):
                target.delete(key for key in target.sizes(f"{OBJECTS}{place}{shard}/") if key not in wanted)
    finally:
        lists.close()
