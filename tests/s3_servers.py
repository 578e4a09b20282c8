"""Real S3 servers on this machine: rclone, which checks signatures and keeps its data when killed, and moto."""

import os
import runpy
import socket
import subprocess
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
import botocore.session
from botocore.config import Config
from django.conf import settings

BUCKET = "pictures"
UNUSED_KEY = "unused, and as long and varied as a key has to be"
"""A `SECRET_KEY` for short-lived processes."""
ACCESS_KEY, SECRET_KEY = "the-access-key", "the-secret-key"
LISTED_AT_ONCE = 100
"""Objects that moto lists in one answer; S3 lists 1,000."""
PATIENCE = 60.0
"""Timeout in seconds of a server's start."""

_BIN = Path(sys.executable).parent

# botocore's S3 definitions, a megabyte of JSON, are read once and not for each client.
botocore.session.create_loader = cache(botocore.session.create_loader)


def free_port() -> int:
    """A port of this machine that no process listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class S3Server:
    """A server in a separate process, with one bucket."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "MOTO_S3_DEFAULT_MAX_KEYS": str(LISTED_AT_ONCE)},
            )
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(0.02)
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"No S3 server: {(self.folder / 'log').read_text()}")

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def kill(self) -> None:
        """Kill it as `kill -9` does: without a clean shutdown."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def client(self) -> Any:
        """A separate client, to check what the product has stored."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required"),
        )

    def stored(self) -> list[str]:
        """The keys of all objects in the bucket."""
        return [found["Key"] for found in self.client().list_objects_v2(Bucket=BUCKET).get("Contents", [])]

    def content(self, key: str) -> bytes:
        data: bytes = self.client().get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return data

    def empty(self) -> None:
        for key in self.stored():
            self.client().delete_object(Bucket=BUCKET, Key=key)


class Rclone(S3Server):
    """Objects are files below `folder/data`."""

    def command(self) -> list[str]:
        (self.folder / "data" / BUCKET).mkdir(parents=True, exist_ok=True)
        address, keys = f"127.0.0.1:{self.port}", f"{ACCESS_KEY},{SECRET_KEY}"
        rclone = [str(_BIN / "rclone"), "serve", "s3", "--config", "", "--addr", address, "--auth-key", keys]
        return [*rclone, str(self.folder / "data")]


class Moto(S3Server):
    """Objects are kept in memory."""

    def command(self) -> list[str]:
        return [str(_BIN / "moto_server"), "-H", "127.0.0.1", "-p", str(self.port)]

    def start(self) -> None:
        super().start()
        self.client().create_bucket(Bucket=BUCKET)


def configured(**environment: str) -> dict[str, Any]:
    """The namespace of imagesearch/settings.py with these environment variables."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "S3_"))}
    unused = {"DATABASE_URL": "postgres://nobody@localhost/none", "DEBUG": "on", "SECRET_KEY": UNUSED_KEY}
    with mock.patch.dict(os.environ, {**others, **unused, **environment}, clear=True):
        return runpy.run_path(str(settings.BASE_DIR / "imagesearch" / "settings.py"))


def use_s3(settings: Any, server: S3Server, **environment: str) -> None:
    """Have the product store its objects in `server`, as these variables would."""
    made = configured(
        **{
            "AWS_STORAGE_BUCKET_NAME": BUCKET,
            "AWS_S3_ENDPOINT_URL": server.url,
            "AWS_S3_REGION_NAME": "us-east-1",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            **environment,
        }
    )
    settings.STORAGES = {**settings.STORAGES, "default": made["STORAGES"]["default"]}
    for name in ("S3_BUCKET", "S3_ENDPOINT_URL", "S3_CONNECTION", "S3_CLIENT", "S3_PUBLIC_BASE_URL"):
        setattr(settings, name, made[name])
