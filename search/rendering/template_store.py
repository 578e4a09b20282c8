"""A store of compiled templates: compiling those of the search page takes a starting server a third of its time.

A template contains what its constant calls returned when it was compiled: texts, addresses, icons. They are stored
beside it, made again when it is read, and compared, so that no other translation, style sheet or site name can bring a
stale page.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any, TypeAlias

from jinja2.bccache import Bucket, BytecodeCache

Call: TypeAlias = tuple[str, Sequence[Any]]
"""The name of a function, and its arguments."""


def made_by(*modules: Path) -> str:
    """Return a key of what compiles templates: Jinja, and our modules."""
    digest = hashlib.sha256(version("jinja2").encode())
    for module in modules:
        digest.update(module.read_bytes())
    return digest.hexdigest()


class TemplateStore(BytecodeCache):
    """The compiled templates of one environment, a file each in `folder`, which need not be writable."""

    def __init__(self, folder: Path, compiler: str, functions: Mapping[str, Callable[..., Any]]) -> None:
        """`compiler` is the key of what compiles them, `functions` those whose constant calls are evaluated."""
        self._folder, self._compiler, self._functions = folder, compiler, functions
        self.evaluated: dict[str, list[Call]] = {}
        """The constant calls of templates that were compiled and not stored yet."""

    def get_cache_key(self, name: str, filename: str | None = None) -> str:
        return name

    def load_bytecode(self, bucket: Bucket) -> None:
        try:
            head, _newline, code = self._file(bucket.key).read_bytes().partition(b"\n")
            told = json.loads(head)
            is_whole = told["code"] == hashlib.sha256(code).hexdigest()  # damaged code could crash Python
            if is_whole and told["compiler"] == self._compiler and told["results"] == self._results(told["calls"]):
                bucket.load_bytecode(BytesIO(code))
        except Exception:  # missing, unreadable, or damaged in any way: it is compiled
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        calls = self.evaluated.pop(bucket.key, None)
        if calls is None:
            return
        file = BytesIO()
        bucket.write_bytecode(file)
        code = file.getvalue()
        told = {
            "compiler": self._compiler,
            "calls": calls,
            "results": self._results(calls),
            "code": hashlib.sha256(code).hexdigest(),
        }
        with suppress(OSError, TypeError):  # a full or read-only disk
            _write(self._file(bucket.key), json.dumps(told).encode() + b"\n" + code)

    def _file(self, name: str) -> Path:
        return self._folder / f"{name.replace('/', '.')}.compiled"

    def _results(self, calls: Sequence[Call]) -> str:
        """Return a hash of what the calls return now."""
        digest = hashlib.sha256()
        for name, given in calls:
            try:
                result = self._functions[name](*given)
            except Exception as error:  # the call was left for rendering
                result = type(error)
            digest.update(f"{hasattr(result, '__html__')} {result!s}\n".encode())
        return digest.hexdigest()


def _write(path: Path, data: bytes) -> None:
    """Write a file that appears only when complete. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    number, draft = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(data)
        Path(draft).replace(path)
    except OSError:
        Path(draft).unlink(missing_ok=True)
        raise
