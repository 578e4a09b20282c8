"""`s3://bucket/prefix`: pictures in any bucket, copied or indexed in place."""

import posixpath
import re
import unicodedata
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import chain, groupby
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

from search.ingestion.items import Item, Unavailable
from search.ingestion.sources.byte_limits import expected, most_bytes, no_memory, refuse_if_large
from search.ingestion.sources.exclusions import Rules
from search.ingestion.sources.file_names import redundant_raws, storable
from search.ingestion.sources.listing import Findings, Listing
from search.ingestion.sources.member_selection import Members
from search.ingestion.sources.options import Choices
from search.ingestion.sources.sidecars import Sidecars, read_sidecars
from search.ingestion.sources.sniffing import HEAD
from search.metadata import LONGEST_SIDECAR
from search.objects import other_buckets
from search.objects.other_buckets import reason_of

_OURS = ("originals/", "renditions/")
ERRORS = (BotoCoreError, ClientError)
"""Exceptions of boto3."""
_SNIFFERS = 16
"""Concurrent requests for the first bytes of objects."""


def bucket_listing(place: str, choices: Choices, findings: Findings) -> Listing:
    """Return the pictures of `place`: an object, all below a prefix, or those that match it if it has a *."""
    return Listing(_items(place, choices, findings))


def _items(place: str, choices: Choices, findings: Findings) -> Iterator[Item]:
    # Keys differ in Unicode normalisation, too: those from a Mac are decomposed.
    spellings = dict.fromkeys([place, *(unicodedata.normalize(form, place) for form in ("NFC", "NFD"))])
    why_none = ""
    for spelling in spellings:
        bucket, prefix = other_buckets.split(spelling)
        objects = _Objects(bucket, prefix, choices.rules, findings)
        is_any = False
        try:
            for item in _items_of(bucket, objects, choices, findings):
                is_any = True
                yield item
        except ERRORS as error:
            findings.problems.append((place, f"The objects can't be listed. {reason_of(error, bucket)}"))
            return
        if is_any:
            return
        why_none = why_none or objects.why_none()
    findings.problems.append((place, why_none))


def _items_of(bucket: str, objects: "_Objects", choices: Choices, findings: Findings) -> Iterator[Item]:
    finder = Sidecars(findings, objects.names_in)
    for found in objects.pictures():
        paths = finder.of(*_split(found["Key"]))
        sidecars = partial(read_sidecars, paths, partial(_beginning, bucket), findings)
        of_folder = partial(finder.of_folder, _split(found["Key"])[0], partial(_beginning, bucket))
        item = _item(other_buckets.location(bucket, found["Key"]), found, choices, sidecars)
        yield replace(item, of_folder=of_folder)


def _split(key: str) -> tuple[str, str]:
    folder, slash, name = key.rpartition("/")
    return folder + slash, name


def _beginning(bucket: str, key: str) -> bytes:
    try:
        return other_buckets.head(other_buckets.location(bucket, key), LONGEST_SIDECAR + 1)
    except ERRORS as error:
        raise Unavailable(reason_of(error, bucket)) from error


def _item(where: str, found: dict[str, Any], choices: Choices, sidecars: Callable[[], Mapping[str, bytes]]) -> Item:
    return Item(
        where,
        partial(_read, where, found["Size"]),
        choices.elsewhere.details_of(where),
        address=storable(where),
        version=found["ETag"],
        original_location=where if choices.in_place else "",
        size=expected(found["Size"]),
        sidecars=sidecars,
    )


class _Objects:
    """Lists a bucket, in the order of the keys."""

    def __init__(self, bucket: str, prefix: str, rules: Rules, findings: Findings) -> None:
        self._bucket, self._prefix = bucket, prefix
        # Folders that the user named are never skipped.
        self._folder = prefix.partition("*")[0].rpartition("/")[0]
        root = other_buckets.location(bucket, self._folder).rstrip("/")
        self._rules, self._members = rules, Members(root, rules, findings)
        self._findings, self._left_before = findings, findings.left_alone
        self._seen = 0
        # Names by folder, for folders that are complete within one of the last two pages of the list.
        self._folders: deque[dict[str, list[str]]] = deque(maxlen=2)

    def names_in(self, folder: str) -> list[str]:
        """Return the names of the objects in a folder; none if the bucket can't be listed."""
        for folders in self._folders:
            if folder in folders:
                return folders[folder]
        pages = other_buckets.client(self._bucket).get_paginator("list_objects_v2")
        options = other_buckets.request_options(self._bucket)
        names: list[str] = []
        with suppress(*ERRORS):  # listing the pictures reports it
            for page in pages.paginate(Bucket=self._bucket, Prefix=folder, Delimiter="/", **options):
                names += [one["Key"][len(folder) :] for one in page.get("Contents", [])]
        return names

    def pictures(self) -> Iterator[dict[str, Any]]:
        """Yield the list entry of each picture. Raises what boto3 raises."""
        for group in self._groups():
            doubles = redundant_raws(found["Key"] for found in group)
            for found in group:
                if found["Key"] in doubles:
                    self._members.passes_raw(found["Key"])
                else:
                    yield found

    def why_none(self) -> str:
        if self._findings.left_alone > self._left_before:
            return "All pictures here are skipped, as in recycle bins: --include-hidden reads them."
        if self._seen or not self._prefix or self._prefix.endswith("/") or "*" in self._prefix:
            return "There is no picture here."
        return "There is no picture here: there is no such object, and nothing below it."

    def _groups(self) -> Iterator[list[dict[str, Any]]]:
        """Yield the pictures with one name, up to the suffix, as a group: they are consecutive."""
        objects = chain.from_iterable(self._pages())
        for _, group in groupby(objects, lambda found: posixpath.splitext(found["Key"])[0]):
            yield list(group)

    def _pages(self) -> Iterator[list[dict[str, Any]]]:
        is_wanted = _wanted(self._prefix)
        pages = other_buckets.client(self._bucket).get_paginator("list_objects_v2")
        options = other_buckets.request_options(self._bucket)
        prefix, is_first = self._prefix.partition("*")[0], True
        with ThreadPoolExecutor(_SNIFFERS, thread_name_prefix="sniff") as pool:
            for page in pages.paginate(Bucket=self._bucket, Prefix=prefix, **options):
                self._folders.append(_whole_folders(page, prefix, is_first=is_first))
                is_first = False
                found = [one for one in page.get("Contents", []) if is_wanted.fullmatch(one["Key"])]
                self._seen += len(found)
                yield self._taken([one for one in found if not self._is_nothing(one["Key"])], pool)

    def _taken(self, found: list[dict[str, Any]], pool: ThreadPoolExecutor) -> list[dict[str, Any]]:
        """Return the pictures of a page; for inconclusive names their first bytes are requested concurrently."""
        known = {one["Key"]: self._is_picture(one["Key"]) for one in found}
        unknown = [one for one in found if known[one["Key"]] is None]
        for one, head in zip(unknown, pool.map(self._head, unknown), strict=True):
            known[one["Key"]] = self._members.takes_unknown(one["Key"], head)
        return [one for one in found if known[one["Key"]]]

    def _is_nothing(self, key: str) -> bool:
        """Whether an object is a folder marker, or one of our own."""
        return key.endswith("/") or _is_ours(self._bucket, key)

    def _is_picture(self, key: str) -> bool | None:
        if key == self._prefix:  # named by the user, whatever its suffix
            return not self._rules.excludes(other_buckets.location(self._bucket, key))
        return self._members.wants(key[len(self._folder) :])

    def _head(self, found: dict[str, Any]) -> bytes:
        try:
            return (
                other_buckets.head(other_buckets.location(self._bucket, found["Key"]), HEAD) if found["Size"] else b""
            )
        except ERRORS:  # as for an archived object: counted as not read
            return b""


def _whole_folders(page: Mapping[str, Any], prefix: str, *, is_first: bool) -> dict[str, list[str]]:
    """Return the names in the folders that are complete within a page; keys are in order."""
    keys = [one["Key"] for one in page.get("Contents", [])]
    # Their folders may continue from the page before, or on the next one.
    open_ended = [*([] if is_first else keys[:1]), *(keys[-1:] if page.get("IsTruncated") else [])]
    folders: dict[str, list[str]] = {}
    for folder, name in map(_split, keys):
        folders.setdefault(folder, []).append(name)
    return {
        folder: names
        for folder, names in folders.items()
        if folder.startswith(prefix) and not any(key.startswith(folder) for key in open_ended)
    }


def _wanted(prefix: str) -> "re.Pattern[str]":
    """Return a pattern for the keys below a prefix: `photos` is a folder, not the beginning of `photos-old/`."""
    pattern = ".*".join(re.escape(part) for part in prefix.split("*"))
    if "*" not in prefix:
        pattern += ".*" if prefix.endswith("/") or not prefix else "(/.*)?"
    return re.compile(pattern, re.DOTALL)


def _is_ours(bucket: str, key: str) -> bool:
    """Whether an object belongs to our own storage."""
    folder = settings.STORAGES["default"].get("OPTIONS", {}).get("location", "").strip("/")
    return bucket == settings.S3_BUCKET and key.startswith(tuple(f"{folder}/{ours}".lstrip("/") for ours in _OURS))


def _read(where: str, size: int) -> bytes:
    refuse_if_large(size)
    try:
        return other_buckets.read(where, most_bytes())
    except other_buckets.TooLarge as error:  # it was replaced meanwhile
        refuse_if_large(error.size)
        raise
    except MemoryError:
        raise no_memory() from None
    except ERRORS as error:
        raise Unavailable(reason_of(error, other_buckets.split(where)[0])) from error
