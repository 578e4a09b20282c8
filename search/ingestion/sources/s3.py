"""`s3://bucket/prefix`: pictures in any bucket, copied or left where they are."""

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

from search import foreign
from search.ingestion.items import Item, Unavailable
from search.ingestion.sources.listing import Findings, Listing
from search.ingestion.sources.names import is_offered, storable

_REASONS = {
    "NoSuchBucket": "There is no such bucket.",
    "NoSuchKey": "There is no such object.",
    "404": "There is no such object.",
    "AccessDenied": "The object storage denies access.",
    "403": "The object storage denies access.",
    "InvalidAccessKeyId": "The object storage doesn't know this access key.",
    "SignatureDoesNotMatch": "The object storage doesn't take this secret key.",
    "InvalidObjectState": "It lies in an archive of the object storage, from which it must be restored first.",
}
_OURS = ("originals/", "renditions/")
_ERRORS = (BotoCoreError, ClientError)
"""What boto3 raises."""


def bucket_listing(place: str, findings: Findings, *, in_place: bool) -> Listing:
    """Return the pictures that `place` names: an object, all below a prefix, or those that match where it has a *."""
    return Listing(_items(place, findings, in_place=in_place))


def _items(place: str, findings: Findings, *, in_place: bool) -> Iterator[Item]:
    bucket, prefix = foreign.split(place)
    count = 0
    try:
        for found in _objects(bucket, prefix):
            count += 1
            where = foreign.location(bucket, found["Key"])
            yield Item(
                where,
                partial(_read, where),
                address=storable(where),
                version=found["ETag"],
                original_location=where if in_place else "",
            )
    except _ERRORS as error:
        findings.problems.append((place, f"The list of objects can't be had. {reason_of(error)}"))
    else:
        if not count:
            findings.problems.append((place, "There is no picture here."))


def _objects(bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    is_wanted = _wanted(prefix)
    pages = foreign.client().get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=bucket, Prefix=prefix.partition("*")[0]):
        for found in page.get("Contents", []):
            if is_wanted.fullmatch(found["Key"]) and _is_picture(bucket, found["Key"], prefix):
                yield found


def _wanted(prefix: str) -> "re.Pattern[str]":
    """Return the pattern of the keys below a prefix: `photos` is a folder, and not the start of `photos-old/`."""
    pattern = ".*".join(re.escape(part) for part in prefix.split("*"))
    if "*" not in prefix:
        pattern += ".*" if prefix.endswith("/") or not prefix else "(/.*)?"
    return re.compile(pattern, re.DOTALL)


def _is_picture(bucket: str, key: str, prefix: str) -> bool:
    if key == prefix:  # named, whatever it is called
        return not key.endswith("/")
    return is_offered(key[len(prefix.partition("*")[0].rpartition("/")[0]) :]) and not _is_ours(bucket, key)


def _is_ours(bucket: str, key: str) -> bool:
    """Whether an object is one of those that we keep for the pictures of the collection."""
    folder = settings.STORAGES["default"].get("OPTIONS", {}).get("location", "").strip("/")
    return bucket == settings.S3_BUCKET and key.startswith(tuple(f"{folder}/{ours}".lstrip("/") for ours in _OURS))


def _read(where: str) -> bytes:
    try:
        return foreign.read(where)
    except _ERRORS as error:
        raise Unavailable(reason_of(error)) from error


def reason_of(error: Exception) -> str:
    """Return what an error of boto3 means, for the operator."""
    if isinstance(error, ClientError):
        return _REASONS.get(error.response.get("Error", {}).get("Code", ""), str(error))
    return f"The object storage does not answer: {error}"
