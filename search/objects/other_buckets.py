"""Objects in other buckets, which are read and never written or deleted: pictures that are searched in place.

How a bucket is reached says `S3_SOURCES`; where it says nothing, what is set for our own object storage.
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
"""Seconds for which a bucket is asked without keys because there were none: a machine is told its role a moment after
it has started. Looking for them takes seconds."""

_keys_looked_for = 0.0
_REASONS = {
    "NoSuchBucket": "There is no such bucket.",
    "NoSuchKey": "There is no such object.",
    "404": "There is no such object.",
    "AccessDenied": "The object storage denies access.",
    "403": "The object storage denies access.",
    "InvalidAccessKeyId": "The object storage doesn't know this access key.",
    "SignatureDoesNotMatch": "The object storage doesn't take this secret key.",
    "ExpiredToken": "The session token has expired: AWS_SESSION_TOKEN and its keys must be made anew.",
    "InvalidToken": "The object storage doesn't take this session token.",
    "RequestTimeTooSkewed": "The clock of this machine is wrong.",
    "InvalidObjectState": "It lies in an archive of the object storage, from which it must be restored first.",
}
_NOT_THERE = {"NoSuchBucket", "NoSuchKey", "404"}
_NOT_TO_BE_SEEN = {403, 404}
"""Who may not list a bucket is told 403 of what isn't in it."""
_NO_KEYS = "It was asked without keys, since none are set; buckets whose reader pays want `requester_pays` too."


class TooLarge(Exception):
    """An object has more bytes than are to be read; `size` is how many."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


def location(bucket: str, key: str) -> str:
    """Return how an object is written."""
    return f"{SCHEME}{bucket}/{key}"


def split(location: str) -> tuple[str, str]:
    """Return bucket and key of a location; the key may be empty."""
    bucket, _, key = location.removeprefix(SCHEME).partition("/")
    return bucket, key


def client(bucket: str) -> Any:
    """Return a client for a bucket, that any thread may use."""
    global _keys_looked_for  # noqa: PLW0603 - what this process knows
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
    """Return how a bucket is reached. Another server gets no keys of ours."""
    ours = settings.S3_CONNECTION
    said = settings.S3_SOURCES.get(bucket, {})
    endpoint = said.get("endpoint", ours["endpoint_url"])
    # Boto3 knows Amazon's own servers best, one a region.
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
    import boto3  # noqa: PLC0415 - a tenth of a second, for those who have pictures in buckets
    from botocore import UNSIGNED  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    from search.objects.s3_connections import let_connections_be_cut_off  # noqa: PLC0415

    let_connections_be_cut_off()
    how, wanted = json.loads(connection), json.loads(config)
    if style := how.pop("addressing_style"):
        wanted["s3"] = {**wanted["s3"], "addressing_style": style}
    anonymous = how.pop("anonymous")
    session = boto3.session.Session()
    # Public buckets need no keys, and who has none means them.
    if anonymous or not (how["aws_access_key_id"] or session.get_credentials()):
        wanted["signature_version"] = UNSIGNED
    return session.client("s3", **how, config=Config(**wanted))


def request_options(bucket: str) -> dict[str, str]:
    """Return what goes with each request for a bucket."""
    return {"RequestPayer": "requester"} if settings.S3_SOURCES.get(bucket, {}).get("requester_pays") else {}


def is_anonymous(bucket: str) -> bool:
    """Whether a bucket is asked without keys."""
    return _is_unsigned(client(bucket))


def _is_unsigned(client: Any) -> bool:
    from botocore import UNSIGNED  # noqa: PLC0415

    return client.meta.config.signature_version is UNSIGNED


def version_of(location: str) -> str | None:
    """Return the ETag of an object; None where it is gone, or nobody lets us see it. Raises what botocore raises."""
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
    """Return the bytes of an object. Raises TooLarge before they are read, and what botocore raises."""
    bucket, key = split(location)
    answer = client(bucket).get_object(Bucket=bucket, Key=key, **request_options(bucket))
    # Not `with` alone, which would hand on urllib3's own: that doesn't look whether all came, and has its own errors.
    with closing(answer["Body"]) as body:
        if most_bytes is not None and answer["ContentLength"] > most_bytes:
            raise TooLarge(answer["ContentLength"])
        data: bytes = body.read()
    return data


def head(location: str, count: int) -> bytes:
    """Return the first `count` bytes of an object that has at least one. Raises what botocore raises."""
    return beginning(location, count)[0]


def beginning(location: str, count: int) -> tuple[bytes, str]:
    """Return the same, and the object's ETag."""
    bucket, key = split(location)
    options = request_options(bucket)
    answer = client(bucket).get_object(Bucket=bucket, Key=key, Range=f"bytes=0-{count - 1}", **options)
    with closing(answer["Body"]) as body:
        data: bytes = body.read(count)
    return data, str(answer.get("ETag", ""))


def reason_of(error: Exception, bucket: str) -> str:
    """Return what an error of boto3 means, for the operator."""
    from botocore.exceptions import ClientError, NoCredentialsError, PartialCredentialsError  # noqa: PLC0415

    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "")
        reason = _REASONS.get(code, str(error))
        return f"{reason} {_NO_KEYS}" if code not in _NOT_THERE and is_anonymous(bucket) else reason
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return "Of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY one is missing."
    return f"The object storage does not answer: {error}"
