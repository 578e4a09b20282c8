"""Our bucket: one client for all threads, and requests with time limits. `presigned_urls` signs its URLs for browsers.

Imported with the first object: botocore takes 0.1 s, which is not needed if pictures are files.
"""

import json
import threading
import time
from collections.abc import Callable
from contextlib import closing
from io import BytesIO
from typing import IO, Any, TypeVar
from urllib.parse import urlsplit

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
from search.objects.presigned_urls import Signing, address_before, signed
from search.objects.s3_connections import use_interruptible_connections

T = TypeVar("T")

_IN_ONE = 64_000_000
"""Bytes up to which an object is sent in one request; larger ones are multipart, several parts at once."""
_WITHOUT_KEYS = 10.0
"""Seconds for which no keys are looked for after none were found."""
_CUT_SHORT = (ConnectionClosedError, IncompleteReadError, ResponseStreamingError)
"""Errors of broken connections, such as persistent ones that the server has closed."""


class _Open(File):  # type: ignore[type-arg]
    """An open file that can't be closed: s3transfer closes what it has sent."""

    def close(self) -> None:
        pass


class Bucket(S3Storage):  # type: ignore[misc]
    """Objects by their full names. Whatever sends a request raises botocore's errors, and NoAnswer."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._making, self._finding = threading.Lock(), threading.Lock()
        self._client: Any = None
        self._keys: Any = None
        self._look_again = 0.0
        self._place = f"{self.endpoint_url or 'amazonaws.com'}/{self.bucket_name}"

    @property
    def client(self) -> Any:
        """The client that all threads share: each of their own would take 50 ms, and connections."""
        with self._making:
            if self._client is None:
                use_interruptible_connections()
                self._client = self._create_session().client(
                    "s3", region_name=self.region_name, endpoint_url=self.endpoint_url, config=self.client_config
                )
            return self._client

    def forget_keys(self) -> None:
        """Make the next request look for keys again. A client created without keys, as on a machine that has just
        started and has no role yet, would never get any."""
        with self._making, self._finding:
            self._client = self._keys = None

    def read_object(self, key: str, size: int = 0, *, first: int | None = None) -> bytes:
        """Return an object of about `size` bytes, or only its `first` bytes."""
        part = {} if first is None else {"Range": f"bytes=0-{first - 1}"}

        def read() -> bytes:
            # Not `with` on the body itself, which would yield urllib3's object: that doesn't check the length.
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
        """Check that the bucket is accessible."""
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
            # Persistent connections may be dead now, and each would take its time to fail.
            self.client.close()
            raise

    def signed_addresses(self, keys: list[str]) -> list[str]:
        """Return presigned URLs for browsers, valid for a while. Sends no request, except for temporary keys. Raises
        BotoCoreError and NoAnswer."""
        before, region = address_before(self._signing_for())
        own, (since, seconds) = self._present_keys(), self.validity()
        return [signed(before + key, region, own, since, seconds) for key in keys]

    @staticmethod
    def validity() -> tuple[int, int]:
        """Return since when the current presigned URLs are valid, as a Unix timestamp, and for how many seconds. They
        change at half of that time, so each is valid for at least half of it when given out."""
        seconds = 60 * settings.S3_ADDRESS_MINUTES
        half = seconds // 2
        return int(time.time()) // half * half, seconds

    def origin(self) -> str:
        """Return the origin of the URLs; "" for an invalid bucket name."""
        try:
            parts = urlsplit(address_before(self._signing_for())[0])
        except BotoCoreError:  # reads and writes report it
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
            # A role's temporary keys are renewed some minutes before they expire.
            frozen: ReadOnlyCredentials | None = self._keys and self._keys.get_frozen_credentials()
            if frozen is None:  # finding none takes seconds, and each page needs them
                self._look_again = time.monotonic() + _WITHOUT_KEYS
            return frozen

    def _signing_for(self) -> Signing:
        config = json.dumps(settings.S3_CLIENT, sort_keys=True)
        return Signing(self.bucket_name, self.location.strip("/"), self.endpoint_url, self.region_name, config)
