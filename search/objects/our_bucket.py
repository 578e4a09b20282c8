"""Our bucket: one client for all threads, requests that have an end, and addresses that all processes sign alike.

Imported when the first object is asked for: botocore takes a tenth of a second, which nobody needs whose pictures are
files.
"""

import datetime as dt
import json
import threading
import time
from collections.abc import Callable
from contextlib import closing
from functools import lru_cache
from io import BytesIO
from typing import IO, Any, NamedTuple, TypeVar
from urllib.parse import parse_qs, urlsplit

import boto3
from botocore.auth import SIGV4_TIMESTAMP, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import (
    BotoCoreError,
    ConnectionClosedError,
    ConnectTimeoutError,
    IncompleteReadError,
    NoCredentialsError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from django.conf import settings
from django.core.files.base import File
from storages.backends.s3 import S3Storage

from search.concurrency.timeouts import TimedOut, gate
from search.objects.s3_connections import let_connections_be_cut_off

T = TypeVar("T")

_IN_ONE = 64_000_000
"""Bytes up to which an object is sent in one request; larger ones in parts, several at once."""
_WITHOUT_KEYS = 10.0
"""Seconds for which nobody looks for keys to sign with after there were none."""
_CUT_SHORT = (ConnectionClosedError, IncompleteReadError, ResponseStreamingError)
"""What breaks off, as a connection does that a server has closed while nobody used it."""


class _Open(File):  # type: ignore[type-arg]
    """An open file that stays open: s3transfer closes what it has sent."""

    def close(self) -> None:
        pass


class Bucket(S3Storage):  # type: ignore[misc]
    """Objects by their whole names. Whatever asks the server raises what botocore does, and NoAnswer."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._making, self._finding = threading.Lock(), threading.Lock()
        self._client: Any = None
        self._keys: Any = None
        self._look_again = 0.0
        self._place = f"{self.endpoint_url or 'amazonaws.com'}/{self.bucket_name}"

    @property
    def client(self) -> Any:
        """A client that all threads share: each would take 50 ms and connections of its own."""
        with self._making:
            if self._client is None:
                let_connections_be_cut_off()
                self._client = self._create_session().client(
                    "s3", region_name=self.region_name, endpoint_url=self.endpoint_url, config=self.client_config
                )
            return self._client

    def forget_keys(self) -> None:
        """Have the next request look for keys again. A client that was made without, as on a machine that is just
        starting and is not told its role yet, would never have any."""
        with self._making, self._finding:
            self._client = self._keys = None

    def read_object(self, key: str, size: int = 0, *, first: int | None = None) -> bytes:
        """Return an object, of which there are about `size` bytes; no more than the `first` of them, if that is
        given."""
        part = {} if first is None else {"Range": f"bytes=0-{first - 1}"}

        def read() -> bytes:
            # Closed this way: `with` would hand on urllib3's own, which doesn't look whether all of it came.
            with closing(self.client.get_object(**self._named(key), **part)["Body"]) as body:
                data: bytes = body.read()
            return data

        return self._asked(read, size)

    def put_object(self, key: str, data: bytes | IO[bytes], size: int, content_type: str) -> None:
        """Store `data`, `size` bytes; a file stays open."""

        def put() -> None:
            named = self._named(key)
            body = BytesIO(data) if isinstance(data, bytes) else _Open(data)
            body.seek(0)
            if size <= _IN_ONE:
                self.client.put_object(**named, Body=body, ContentType=content_type)
            else:
                self.client.upload_fileobj(body, *named.values(), ExtraArgs={"ContentType": content_type})

        self._asked(put, size)

    def size_of_object(self, key: str) -> int:
        return int(self._asked(lambda: self.client.head_object(**self._named(key))["ContentLength"]))

    def delete_object(self, key: str) -> None:
        self._asked(lambda: self.client.delete_object(**self._named(key)))

    def look(self) -> None:
        """Ask for the bucket itself."""
        self._asked(lambda: self.client.head_bucket(Bucket=self.bucket_name))

    def _named(self, key: str) -> dict[str, str]:
        return {"Bucket": self.bucket_name, "Key": self._normalize_name(key)}

    def _asked(self, ask: Callable[[], T], size: int = 0) -> T:
        def ask_again() -> T:
            for _ in range(1 if settings.STORAGE_WAIT else 3):
                try:
                    return ask()
                except _CUT_SHORT:
                    pass
            return ask()

        try:
            return gate(self._place).call(ask_again, size=size)
        except (TimedOut, ConnectTimeoutError, ReadTimeoutError):
            # Connections that were kept open may lead nowhere now, and each would take its time to tell.
            self.client.close()
            raise

    def signed_addresses(self, keys: list[str]) -> list[str]:
        """Return where browsers read objects, for a while. Asks no server but, where there are no keys of ours, the
        one that hands them out. Raises BotoCoreError and NoAnswer."""
        before, region = address_before(self._signing_for())
        own, (since, seconds) = self._present_keys(), self.validity()
        return [_signed(before + key, region, own, since, seconds) for key in keys]

    @staticmethod
    def validity() -> tuple[int, int]:
        """Return since when the present addresses are valid, in seconds since 1970, and for how many seconds. When
        the first half is over there are others: when it is given out, each is valid for a half at least."""
        seconds = 60 * settings.S3_ADDRESS_MINUTES
        half = seconds // 2
        return int(time.time()) // half * half, seconds

    def origin(self) -> str:
        """Return where the addresses lead; "" for a name that no bucket can have."""
        try:
            parts = urlsplit(address_before(self._signing_for())[0])
        except BotoCoreError:  # whatever reads or writes will tell
            return ""
        return f"{parts.scheme}://{parts.netloc}"

    def _present_keys(self) -> ReadOnlyCredentials:
        if self.access_key:
            return ReadOnlyCredentials(self.access_key, self.secret_key, self.security_token)
        found = None
        if time.monotonic() >= self._look_again:
            found = gate("keys").call(self._found_keys)
        if found is None:
            raise NoCredentialsError
        return found

    def _found_keys(self) -> ReadOnlyCredentials | None:
        with self._finding:
            if self._keys is None:
                self._keys = self._create_session().get_credentials()
            # Those of a machine's role are fetched anew some minutes before they end.
            frozen: ReadOnlyCredentials | None = self._keys and self._keys.get_frozen_credentials()
            if frozen is None:  # it takes seconds to find that there are none, and each page asks
                self._look_again = time.monotonic() + _WITHOUT_KEYS
            return frozen

    def _signing_for(self) -> "Signing":
        config = json.dumps(settings.S3_CLIENT, sort_keys=True)
        return Signing(self.bucket_name, self.location.strip("/"), self.endpoint_url, self.region_name, config)


class Signing(NamedTuple):
    """What addresses are signed for."""

    bucket: str
    folder: str
    endpoint: str | None
    region: str | None
    config: str


@lru_cache(maxsize=8)
def address_before(signing: Signing) -> tuple[str, str]:
    """Return what comes before a key in an address as boto3 writes it, which may name the bucket in the host, and the
    region that boto3 signs for. Asks nobody. Raises BotoCoreError for a name that no bucket can have."""
    client = boto3.session.Session().client(
        "s3",
        region_name=signing.region,
        endpoint_url=signing.endpoint or None,
        config=Config(**json.loads(signing.config)),
        aws_access_key_id="any",
        aws_secret_access_key="any",  # noqa: S106 - which signs nothing that is used
    )
    key = "/".join(filter(None, [signing.folder, "key"]))
    address = urlsplit(client.generate_presigned_url("get_object", Params={"Bucket": signing.bucket, "Key": key}))
    region = parse_qs(address.query)["X-Amz-Credential"][0].split("/")[2]
    return f"{address.scheme}://{address.netloc}{address.path.removesuffix('key')}", region


class _FromMoment(S3SigV4QueryAuth):  # type: ignore[misc]
    """Signs as if it was a moment ago that all processes agree on: one picture has one address for a while, and
    browsers keep it."""

    def __init__(self, keys: ReadOnlyCredentials, region: str, since: int, seconds: int) -> None:
        super().__init__(keys, "s3", region, expires=seconds)
        self._since = dt.datetime.fromtimestamp(since, dt.UTC).strftime(SIGV4_TIMESTAMP)

    def _modify_request_before_signing(self, request: AWSRequest) -> None:
        # All that is signed takes the time from here, where `add_auth` has just put the present.
        request.context["timestamp"] = self._since
        super()._modify_request_before_signing(request)


@lru_cache(maxsize=20_000)
def _signed(address: str, region: str, keys: ReadOnlyCredentials, since: int, seconds: int) -> str:
    # The content of an image never changes, but who may see it does.
    kept = {"response-cache-control": f"private, max-age={seconds}, immutable"}
    request = AWSRequest("GET", address, params=kept)
    _FromMoment(keys, region, since, seconds).add_auth(request)
    url: str = request.url
    return url
