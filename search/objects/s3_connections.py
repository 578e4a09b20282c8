"""Connections of boto3 that can be cut off by whoever waits for what they bring. Imported where boto3 is."""

from typing import Any

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)

from search.concurrency.timeouts import Call


class _Cuttable:
    """A connection that tells the call of its thread which socket is waited for."""

    sock: Any

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        Call.uses(self.sock)

    def request(self, *args: Any, **options: Any) -> None:
        Call.uses(self.sock)  # of a connection that was kept open
        super().request(*args, **options)  # type: ignore[misc]


class _Connection(_Cuttable, AWSHTTPConnection):  # type: ignore[misc]
    pass


class _SecureConnection(_Cuttable, AWSHTTPSConnection):  # type: ignore[misc]
    pass


def let_connections_be_cut_off() -> None:
    """Have all clients that are made from now on use these."""
    # Where urllib3 says which connections a pool makes.
    AWSHTTPConnectionPool.ConnectionCls = _Connection
    AWSHTTPSConnectionPool.ConnectionCls = _SecureConnection
