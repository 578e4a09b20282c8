"""Open the sources given on the command line."""

import glob
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, groupby, takewhile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from search.curation.cleaned_details import Details
from search.ingestion.sources.file_names import is_of_another_kind, is_picture_name, suffix_of
from search.ingestion.sources.listing import Findings, Listed, Listing
from search.ingestion.sources.local_files import Found, Walk, files
from search.ingestion.sources.options import AS_USUAL, Choices
from search.ingestion.sources.sniffing import head_of, is_picture
from search.ingestion.sources.tars import is_tar, tar_listing
from search.ingestion.sources.url_tables import address_listing, is_table, manifest
from search.ingestion.sources.zips import is_zip, zip_listing
from search.ingestion.unicode_names import Spellings
from search.ingestion.unread_files import FOREIGN_ARCHIVES, HEAD, advice_on, kind_of_archive, misnamed

_OTHER_FILES = re.compile(r"\.(zip|tar|tgz|tbz2?|txz|tsv|csv|jsonl)[^/]*$", re.IGNORECASE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_DOWNLOAD_IT = "Only single pictures are read from an address: download this archive or table, and name the file."
_OTHER_SCHEME = (
    "Addresses of this kind are not read: name a file or folder, or an address with s3://, http:// or https://."
)


def open_source(
    places: Iterable[str], choices: Choices = AS_USUAL, *, every: int = 1, limit: int | None = None
) -> Listed:
    """Return the pictures of `places`, in order: files, folders and globs; ZIP and tar archives; tables of web
    addresses, and single ones; `s3://bucket/prefix`. Only every `every`-th picture is offered, and at most `limit`."""
    door = _Opener(choices)
    listings: list[Listing] = []
    for is_file, group in groupby(door.expanded(places), key=lambda one: isinstance(one, _Files)):
        if is_file:
            found = chain.from_iterable(one.found for one in group if isinstance(one, _Files))
            listings.append(files(found, choices.details, door.findings))
        else:
            listings.extend(one for one in group if isinstance(one, Listing))
    return Listed(listings, door.findings, every=every, limit=limit)


def files_source(patterns: Sequence[str] | Iterable[str], details: Mapping[Path, Details] | None = None) -> Listed:
    """Return the files that match `patterns`; `details` by resolved path."""
    return open_source(patterns, Choices(details=details or {}))


@dataclass
class _Files:
    found: Iterator[Found]


class _Opener:
    def __init__(self, choices: Choices) -> None:
        self.findings = Findings()
        self._choices = choices
        self._walk = Walk(self.findings, choices.rules)
        if choices.table:
            self._walk.knows(str(choices.table))
        # Imports httpx2 (0.06 s), which only ingestion needs.
        from search.fetching.downloads import Downloads  # noqa: PLC0415

        self._archives: list[Any] = []
        self._downloads = Downloads(private_addresses=choices.private_addresses)

    def expanded(self, places: Iterable[str]) -> Iterator[_Files | Listing]:
        for place in places:
            if place.startswith("s3://"):
                from search.ingestion.sources.s3 import bucket_listing  # noqa: PLC0415 - imports botocore

                yield bucket_listing(place, self._choices, self.findings)
            elif place.startswith(("http://", "https://")):
                if is_container(path := _path_in(place)) and not is_picture_name(path):
                    self.findings.problems.append((place, _DOWNLOAD_IT))
                else:
                    yield address_listing(place, self._downloads, width=self._choices.width)
            elif _SCHEME.match(place):
                self.findings.problems.append((place, _OTHER_SCHEME))
            else:
                yield from self._local(os.path.expanduser(place))  # noqa: PTH111 - names are shown as typed

    def _local(self, pattern: str) -> Iterator[_Files | Listing]:
        if not os.path.lexists(pattern):
            pattern = str(Spellings().found(Path(), pattern) or pattern)
        if os.path.lexists(pattern):
            yield self._named(pattern)
            return
        matches = self._matches(pattern) if glob.has_magic(pattern) else {}
        if not matches:
            self.findings.problems.append((pattern, "There is no such file or folder."))
        elif _OTHER_FILES.search(pattern):
            yield from map(self._named, matches)
        else:
            found = (self._walk.matched(match, root) for match, root in matches.items())
            yield _Files(chain.from_iterable(found))

    def _matches(self, pattern: str) -> dict[str, str]:
        """Return what a glob matches in either Unicode form, in order, with the folders before its wildcards."""
        hidden = self._choices.rules.include_hidden
        matches: dict[str, str] = {}
        for one in dict.fromkeys((pattern, *(unicodedata.normalize(form, pattern) for form in ("NFC", "NFD")))):
            found = glob.glob(one, recursive=True, include_hidden=hidden)  # noqa: PTH207
            matches |= dict.fromkeys(found, before_magic(one))
        return dict(sorted(matches.items()))

    def _named(self, path: str) -> _Files | Listing:
        if not os.path.isfile(path):  # noqa: PTH113
            return _Files(self._walk.named(path))
        return self._file(path)

    def _file(self, path: str) -> _Files | Listing:
        if self._choices.rules.excludes(path):
            return _Files(self._walk.named(path))
        if is_zip(path) or is_tar(path):
            suffix = kind_of_archive(_beginning(path))
            if suffix and (suffix == ".zip") != is_zip(path):
                self.findings.problems.append((path, misnamed(suffix)))
                return Listing([], 0)
        if is_zip(path):
            return zip_listing(path, self._choices, self.findings, self._downloads, self._archives)
        if is_tar(path):
            return tar_listing(path, self._choices, self.findings, self._archives)
        if is_table(path):
            return manifest(path, self.findings, self._downloads, width=self._choices.width)
        if reason := _why_not_read(path):
            self.findings.problems.append((path, reason))
            return Listing([], 0)
        return _Files(self._walk.named(path))


def _why_not_read(path: str) -> str:
    """Return why a file, named by the user, is no source; "" for pictures, and for what must be looked at."""
    if is_picture_name(path) or is_picture(head_of(path)):
        return ""
    if reason := advice_on(path):
        return reason
    suffix = kind_of_archive(_beginning(path))
    # Documents, too, begin as ZIP archives do.
    is_document = suffix == ".zip" and is_of_another_kind(suffix_of(path))
    return misnamed(suffix) if suffix and not is_document else ""


def _beginning(path: str) -> bytes:
    return head_of(path)[:HEAD]


def _path_in(address: str) -> str:
    """Return the path in a web address; "" for an invalid one, which the download reports."""
    with suppress(ValueError):
        return urlsplit(address).path
    return ""


def is_container(path: str) -> bool:
    """Whether a path has the name of an archive or a table."""
    return bool(_OTHER_FILES.search(path)) or path.lower().endswith(FOREIGN_ARCHIVES)


def before_magic(pattern: str) -> str:
    """Return the leading folders of a glob, up to the first that has a wildcard."""
    folders = pattern.split("/")[:-1]
    plain = takewhile(lambda name: not glob.has_magic(name), folders)
    return "/".join(plain) or ("/" if pattern.startswith("/") else "")
