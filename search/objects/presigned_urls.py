"""Presigned URLs of objects in our bucket, for browsers: the same in all processes, and made without a request.

Imported with the first object, as `our_bucket`.
"""

import datetime as dt
import json
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import boto3
from botocore.auth import SIGV4_TIMESTAMP, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials


class Signing(NamedTuple):
    """The parameters of presigned URLs."""

    bucket: str
    folder: str
    endpoint: str | None
    region: str | None
    config: str


@lru_cache(maxsize=8)
def address_before(signing: Signing) -> tuple[str, str]:
    """Return the part of boto3's URLs before the key, which may have the bucket in the host, and the region to sign
    for. Sends no request. Raises BotoCoreError for an invalid bucket name."""
    client = boto3.session.Session().client(
        "s3",
        region_name=signing.region,
        endpoint_url=signing.endpoint or None,
        config=Config(**json.loads(signing.config)),
        aws_access_key_id="any",
        aws_secret_access_key="any",  # noqa: S106 - signs nothing that is used
    )
    key = "/".join(filter(None, [signing.folder, "key"]))
    address = urlsplit(client.generate_presigned_url("get_object", Params={"Bucket": signing.bucket, "Key": key}))
    region = parse_qs(address.query)["X-Amz-Credential"][0].split("/")[2]
    return f"{address.scheme}://{address.netloc}{address.path.removesuffix('key')}", region


class _FromMoment(S3SigV4QueryAuth):  # type: ignore[misc]
    """Signs with a past time that all processes agree on, so that a picture keeps its URL for a while, and browsers
    cache it."""

    def __init__(self, keys: ReadOnlyCredentials, region: str, since: int, seconds: int) -> None:
        super().__init__(keys, "s3", region, expires=seconds)
        self._since = dt.datetime.fromtimestamp(since, dt.UTC).strftime(SIGV4_TIMESTAMP)

    def _modify_request_before_signing(self, request: AWSRequest) -> None:
        # Everything signed takes the time from here, where `add_auth` has just put the current one.
        request.context["timestamp"] = self._since
        super()._modify_request_before_signing(request)


@lru_cache(maxsize=20_000)
def signed(address: str, region: str, keys: ReadOnlyCredentials, since: int, seconds: int) -> str:
    """Return the presigned URL of an object at `address`, valid for `seconds` from `since`, a Unix timestamp."""
    # The content of an image never changes, but who may see it does.
    kept = {"response-cache-control": f"private, max-age={seconds}, immutable"}
    request = AWSRequest("GET", address, params=kept)
    _FromMoment(keys, region, since, seconds).add_auth(request)
    url: str = request.url
    return url
