"""The one door: what was typed -> the source that it means."""

import glob
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby
from pathlib import Path

from search.ingestion.items import Details
from search.ingestion.sources.files import Found, Walk, files
from search.ingestion.sources.listing import Findings, Listed, Listing
from search.ingestion.sources.manifest import address_listing, is_table, manifest
from search.ingestion.sources.tars import is_tar, tar_listing
from search.ingestion.sources.zips import is_zip, zip_listing
from search.ingestion.spelling import Spellings

_OTHER_FILES = re.compile(r"\.(zip|tar|tgz|tbz2?|txz|tsv|csv|jsonl)[^/]*$", re.IGNORECASE)
_FOREIGN_ARCHIVES = (".7z", ".rar", ".tar.zst", ".tar.lz", ".tzst")
WIDTH = 1600
"""Pixels that servers which offer pictures in any width are asked for: as wide as our pages show them."""


@dataclass(frozen=True)
class Choices:
    """How pictures are taken. `width` 0 asks for them as wide as they are."""

    details: Mapping[Path, Details] = field(default_factory=dict)
    in_place: bool = False
    width: int = WIDTH
    private_addresses: bool = False


def open_source(
    places: Iterable[str], choices: Choices = Choices(), *, every: int = 1, limit: int | None = None
) -> Listed:
    """Return what `places` name, in order: files, folders and globs; ZIP and tar archives; tables of addresses of the
    web, and single ones; `s3://bucket/prefix`. Of that each `every`-th picture, and at most `limit`.
    """
    door = _Door(choices)
    listings: list[Listing] = []
    for is_file, group in groupby(door.expanded(places), key=lambda one: isinstance(one, _Files)):
        if is_file:
            found = chain.from_iterable(one.found for one in group if isinstance(one, _Files))
            listings.append(files(found, choices.details))
        else:
            listings.extend(one for one in group if isinstance(one, Listing))
    return Listed(listings, door.findings, every=every, limit=limit)


def files_source(patterns: Sequence[str] | Iterable[str], details: Mapping[Path, Details] | None = None) -> Listed:
    """Return the files that `patterns` name, with the details of each by its resolved path."""
    return open_source(patterns, Choices(details=details or {}))


@dataclass
class _Files:
    found: Iterator[Found]


class _Door:
    def __init__(self, choices: Choices) -> None:
        self.findings = Findings()
        self._choices = choices
        self._walk = Walk(self.findings)
        # Imports httpx2: 0.06 s, which no process needs but one that ingests.
        from search.fetching.downloads import Downloads  # noqa: PLC0415

        self._downloads = Downloads(private_addresses=choices.private_addresses)

    def expanded(self, places: Iterable[str]) -> Iterator[_Files | Listing]:
        for place in places:
            if place.startswith("s3://"):
                from search.ingestion.sources.s3 import bucket_listing  # noqa: PLC0415 - imports botocore

                yield bucket_listing(place, self.findings, in_place=self._choices.in_place)
            elif place.startswith(("http://", "https://")):
                yield address_listing(place, self._downloads, width=self._choices.width)
            else:
                yield from self._local(os.path.expanduser(place))  # noqa: PTH111 - it stays as it was typed

    def _local(self, pattern: str) -> Iterator[_Files | Listing]:
        if not os.path.lexists(pattern):
            pattern = str(Spellings().found(Path(), pattern) or pattern)
        if os.path.lexists(pattern):
            yield self._named(pattern)
            return
        matches = sorted(glob.glob(pattern, recursive=True)) if glob.has_magic(pattern) else []  # noqa: PTH207
        if not matches:
            self.findings.problems.append((pattern, "There is no such file or folder."))
        elif _OTHER_FILES.search(pattern):
            yield from map(self._named, matches)
        else:
            yield _Files(chain.from_iterable(self._walk.matched(match) for match in matches))

    def _named(self, path: str) -> _Files | Listing:
        if not os.path.isfile(path):  # noqa: PTH113
            return _Files(self._walk.named(path))
        return self._file(path)

    def _file(self, path: str) -> _Files | Listing:
        if is_zip(path):
            return zip_listing(path, self.findings, self._downloads, width=self._choices.width)
        if is_tar(path):
            return tar_listing(path, self.findings)
        if is_table(path):
            return manifest(path, self.findings, self._downloads, width=self._choices.width)
        if path.lower().endswith(_FOREIGN_ARCHIVES):
            self.findings.problems.append((path, "Archives of this kind are not read: unpack it."))
            return Listing([], 0)
        return _Files(self._walk.named(path))
