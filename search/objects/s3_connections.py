"""boto3 connections whose waiting caller can shut them down. Imported only with boto3."""

from typing import Any

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)

from search.concurrency.timeouts import Call


class _Interruptible:
    """A connection that registers its socket with the `Call` of its thread."""

    sock: Any

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        Call.uses(self.sock)

    def request(self, *args: Any, **options: Any) -> None:
        Call.uses(self.sock)  # a persistent connection may be in use
        super().request(*args, **options)  # type: ignore[misc]


class _Connection(_Interruptible, AWSHTTPConnection):  # type: ignore[misc]
    pass


class _SecureConnection(_Interruptible, AWSHTTPSConnection):  # type: ignore[misc]
    pass


def use_interruptible_connections() -> None:
    """Make all clients created from now on use these connections."""
    # Here urllib3 defines the connections of a pool.
    AWSHTTPConnectionPool.ConnectionCls = _Connection
    AWSHTTPSConnectionPool.ConnectionCls = _SecureConnection
