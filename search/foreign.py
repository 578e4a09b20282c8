"""Objects in other buckets, which are read and never written or deleted: pictures that are searched in place."""

from functools import lru_cache
from typing import Any

from django.conf import settings

SCHEME = "s3://"


def location(bucket: str, key: str) -> str:
    """Return how an object is written."""
    return f"{SCHEME}{bucket}/{key}"


def split(location: str) -> tuple[str, str]:
    """Return bucket and key of a location; the key may be empty."""
    bucket, _, key = location.removeprefix(SCHEME).partition("/")
    return bucket, key


def client() -> Any:
    """Return a client, with the settings of our own object storage, that any thread may use."""
    names = ("endpoint_url", "region_name", "access_key", "secret_key")
    return _client(*(settings.S3_CONNECTION[name] for name in names))


@lru_cache(maxsize=4)
def _client(endpoint_url: str | None, region: str | None, access_key: str | None, secret_key: str | None) -> Any:
    import boto3  # noqa: PLC0415 - a tenth of a second, for those who have pictures in buckets
    from botocore.config import Config  # noqa: PLC0415

    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=region,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(**settings.S3_CLIENT),
    )


def version_of(location: str) -> str | None:
    """Return the ETag of an object; None where it is gone, or nobody lets us see it. Raises what botocore raises."""
    from botocore.exceptions import ClientError  # noqa: PLC0415

    bucket, key = split(location)
    try:
        version: str = client().head_object(Bucket=bucket, Key=key)["ETag"]
    except ClientError:
        return None
    return version


def read(location: str) -> bytes:
    """Return the bytes of an object. Raises what botocore raises."""
    bucket, key = split(location)
    data: bytes = client().get_object(Bucket=bucket, Key=key)["Body"].read()
    return data
