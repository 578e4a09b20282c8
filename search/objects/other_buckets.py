"""Objects in other buckets, which are only read: pictures that are searched in place.

`S3_SOURCES` configures access to a bucket; by default the settings of our own storage apply.
"""

import json
import time
from contextlib import closing
from functools import lru_cache
from typing import Any

from django.conf import settings

SCHEME = "s3://"
_AMAZON = "https://s3.amazonaws.com"
_WITHOUT_KEYS = 60.0
"""Seconds for which a bucket is accessed without keys after none were found: a machine gets its role's keys a moment
after it has started, but looking for them takes seconds."""

_keys_looked_for = 0.0
_REASONS = {
    "NoSuchBucket": "There is no such bucket.",
    "NoSuchKey": "There is no such object.",
    "404": "There is no such object.",
    "AccessDenied": "The object storage denies access.",
    "403": "The object storage denies access.",
    "InvalidAccessKeyId": "The object storage doesn't know this access key.",
    "SignatureDoesNotMatch": "The object storage rejects this secret key.",
    "ExpiredToken": "The session token has expired: AWS_SESSION_TOKEN and its keys must be renewed.",
    "InvalidToken": "The object storage rejects this session token.",
    "RequestTimeTooSkewed": "The clock of this machine is wrong.",
    "InvalidObjectState": "It is in an archive tier of the object storage, and must be restored first.",
}
_NOT_THERE = {"NoSuchBucket", "NoSuchKey", "404"}
_NOT_TO_BE_SEEN = {403, 404}
"""Without the right to list a bucket, a missing object gives 403."""
_NO_KEYS = "It was accessed without keys, since none are set; requester-pays buckets also need `requester_pays`."


class TooLarge(Exception):
    """An object of `size` bytes is over the limit."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


def location(bucket: str, key: str) -> str:
    """Return the location of an object, "s3://bucket/key"."""
    return f"{SCHEME}{bucket}/{key}"


def split(location: str) -> tuple[str, str]:
    """Return bucket and key of a location; the key may be empty."""
    bucket, _, key = location.removeprefix(SCHEME).partition("/")
    return bucket, key


def client(bucket: str) -> Any:
    """Return a client for a bucket, which is thread-safe."""
    global _keys_looked_for  # noqa: PLW0603 - state of this process
    how = _connection(bucket)
    connection, config = (json.dumps(one, sort_keys=True) for one in (how, settings.S3_CLIENT))
    found = _client(connection, config)
    is_old = time.monotonic() - _keys_looked_for > _WITHOUT_KEYS
    if is_old and _is_unsigned(found) and not how["anonymous"]:
        _keys_looked_for = time.monotonic()
        _client.cache_clear()
        found = _client(connection, config)
    return found


def _connection(bucket: str) -> dict[str, Any]:
    """Return the connection settings of a bucket. Our keys are never sent to another server."""
    ours = settings.S3_CONNECTION
    said = settings.S3_SOURCES.get(bucket, {})
    endpoint = said.get("endpoint", ours["endpoint_url"])
    # boto3 knows Amazon's own servers best, one per region.
    endpoint = None if endpoint == _AMAZON else endpoint
    is_elsewhere = endpoint != ours["endpoint_url"]
    has_own_keys = "access_key" in said or is_elsewhere
    return {
        "endpoint_url": endpoint,
        "region_name": said.get("region", None if is_elsewhere else ours["region_name"]),
        "aws_access_key_id": said.get("access_key") if has_own_keys else ours["access_key"],
        "aws_secret_access_key": said.get("secret_key") if has_own_keys else ours["secret_key"],
        "aws_session_token": said.get("session_token") if has_own_keys else ours["security_token"],
        "anonymous": said.get("anonymous", is_elsewhere and "access_key" not in said),
        "addressing_style": said.get("addressing_style", _style(endpoint) if is_elsewhere else ""),
    }


def _style(endpoint: str | None) -> str:
    return "path" if endpoint else "auto"


@lru_cache(maxsize=32)
def _client(connection: str, config: str) -> Any:
    import boto3  # noqa: PLC0415 - takes 0.1 s, only needed with pictures in buckets
    from botocore import UNSIGNED  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    from search.objects.s3_connections import use_interruptible_connections  # noqa: PLC0415

    use_interruptible_connections()
    how, wanted = json.loads(connection), json.loads(config)
    if style := how.pop("addressing_style"):
        wanted["s3"] = {**wanted["s3"], "addressing_style": style}
    anonymous = how.pop("anonymous")
    session = boto3.session.Session()
    # Public buckets need no keys; without any keys, assume that they are meant.
    if anonymous or not (how["aws_access_key_id"] or session.get_credentials()):
        wanted["signature_version"] = UNSIGNED
    return session.client("s3", **how, config=Config(**wanted))


def request_options(bucket: str) -> dict[str, str]:
    """Return the additional parameters of each request to a bucket."""
    return {"RequestPayer": "requester"} if settings.S3_SOURCES.get(bucket, {}).get("requester_pays") else {}


def is_anonymous(bucket: str) -> bool:
    """Whether a bucket is accessed without keys."""
    return _is_unsigned(client(bucket))


def _is_unsigned(client: Any) -> bool:
    from botocore import UNSIGNED  # noqa: PLC0415

    return client.meta.config.signature_version is UNSIGNED


def version_of(location: str) -> str | None:
    """Return the ETag of an object; None if it is gone or not accessible. Raises botocore's errors."""
    from botocore.exceptions import ClientError  # noqa: PLC0415

    bucket, key = split(location)
    try:
        version: str = client(bucket).head_object(Bucket=bucket, Key=key, **request_options(bucket))["ETag"]
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] in _NOT_TO_BE_SEEN:
            return None
        raise
    return version


def read(location: str, most_bytes: int | None = None) -> bytes:
    """Return the content of an object. Raises TooLarge before reading it, and botocore's errors."""
    bucket, key = split(location)
    answer = client(bucket).get_object(Bucket=bucket, Key=key, **request_options(bucket))
    # Not `with` on the body itself, which would yield urllib3's object: that doesn't check the length, and has its own
    # errors.
    with closing(answer["Body"]) as body:
        if most_bytes is not None and answer["ContentLength"] > most_bytes:
            raise TooLarge(answer["ContentLength"])
        data: bytes = body.read()
    return data


def head(location: str, count: int) -> bytes:
    """Return the first `count` bytes of an object that has at least one. Raises botocore's errors."""
    return beginning(location, count)[0]


def beginning(location: str, count: int) -> tuple[bytes, str]:
    """Return the first `count` bytes of an object, and its ETag."""
    bucket, key = split(location)
    options = request_options(bucket)
    answer = client(bucket).get_object(Bucket=bucket, Key=key, Range=f"bytes=0-{count - 1}", **options)
    with closing(answer["Body"]) as body:
        data: bytes = body.read(count)
    return data, str(answer.get("ETag", ""))


def bucket_refusal(code: str) -> str:
    """Return what this code means as the answer to a request for the bucket itself."""
    return _REASONS["NoSuchBucket"] if code == "404" else _REASONS.get(code, f"The object storage refuses ({code}).")


def reason_of(error: Exception, bucket: str) -> str:
    """Return what an error of boto3 means, for the operator."""
    from botocore.exceptions import (  # noqa: PLC0415
        ClientError,
        NoCredentialsError,
        ParamValidationError,
        PartialCredentialsError,
    )

    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "")
        reason = _REASONS.get(code, str(error))
        return f"{reason} {_NO_KEYS}" if code not in _NOT_THERE and is_anonymous(bucket) else reason
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return "One of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is missing."
    if isinstance(error, ParamValidationError):
        return f"{bucket!r} is no name of a bucket."
    return f"The object storage does not respond: {error}"
