"""A simple profile: milliseconds by step, of ingesting a picture and of rendering a page."""

import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from pkgutil import resolve_name
from typing import Any
from unittest import mock
from urllib.parse import urlencode

from django.db import connection
from django.test import Client

from benchmarks.ingestion import forget
from benchmarks.report import table
from search.curation.details import Details
from search.ingestion.adding import embed, prepare
from search.ingestion.pipeline.rows import known, staging
from search.ingestion.pipeline.steps import BATCH
from search.models.image import content_id
from search.objects.deletion import deletions_blocked

_OF_A_PICTURE = {
    "search.ingestion.adding.read_for_model": "decode",
    "search.ingestion.adding.thumbnail": "thumbnail",
    "search.ingestion.adding.dominant_colour": "dominant colour",
    "search.ingestion.adding.placeholder": "placeholder",
    "search.objects.storage.put": "store original and thumbnail",
    "sentence_transformers.base.model.BaseModel.preprocess": "encode: pixels for the model",
    "sentence_transformers.base.model.BaseModel.forward": "encode: the model",
    "search.embedding.torch_encoders.SentencePictures.encode_pictures": "encode",
}
_OF_A_PAGE = {
    "search.embedding.torch_encoders.SentenceTexts.encode_texts": "encode",
    "django.template.backends.django.Template.render": "render",
}


class Stopwatch:
    """Seconds by step, summed over everything that ran under it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def timed(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with self.step(step):
                return function(*args, **kwargs)

        return run

    @contextmanager
    def step(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - start

    def sql(self, execute: Callable[..., Any], *args: Any) -> Any:
        """Django's execute_wrapper."""
        with self.step("SQL"):
            return execute(*args)

    @contextmanager
    def on(self, functions: Mapping[str, str]) -> Iterator[None]:
        """Time the functions with these names wherever they are called."""
        with ExitStack() as stack:
            for name, step in functions.items():
                stack.enter_context(mock.patch(name, self.timed(step, resolve_name(name))))
            yield


def profile_ingestion(paths: Sequence[Path]) -> str:
    """Return a table of one batch, step after step in one thread; a real run decodes and encodes concurrently."""
    watch = Stopwatch()
    for _ in range(2):  # the first time loads the model
        watch.seconds.clear()
        with watch.on(_OF_A_PICTURE):
            _one_batch(paths[:BATCH], watch)
        forget()
    took = watch.seconds
    encode = took.pop("encode")
    took["encode: around it"] = encode - took["encode: pixels for the model"] - took["encode: the model"]
    return _table("A picture that is ingested, one thread", took, BATCH)


def _one_batch(paths: Sequence[Path], watch: Stopwatch) -> None:
    with watch.step("read, hash, look up"):
        contents = [path.read_bytes() for path in paths]
        ids = [content_id(data) for data in contents]
        assert not known(ids)
    prepared = [prepare(data, Details(), image_id=image_id) for data, image_id in zip(contents, ids, strict=True)]
    with staging() as rows:
        with watch.step("locks"), deletions_blocked(ids):
            pass
        for one in prepared:
            one.store()
        embed(prepared)
        with watch.step("rows"):
            rows.write([one.image for one in prepared])


def profile_page(queries: Sequence[str], rows: int) -> str:
    """Return a table of a page for a new query, through all middleware but without a server."""
    watch = Stopwatch()
    client = Client(SERVER_NAME="127.0.0.1")
    warm_up = len(queries) // 4
    for part in (queries[:warm_up], queries[warm_up:]):
        watch.seconds.clear()
        with watch.on(_OF_A_PAGE), connection.execute_wrapper(watch.sql):
            for words in part:
                with watch.step("page"):
                    assert client.get("/search?" + urlencode({"q": words})).status_code == 200
    took = watch.seconds
    took["middleware and the rest"] = took.pop("page") - sum(took.values())
    return _table(f"A page for a new query, {rows:,} rows", took, len(queries) - warm_up)


def _table(what: str, seconds: Mapping[str, float], count: int) -> str:
    whole = sum(seconds.values())
    rows = [[step, f"{took / count * 1000:.2f}", f"{took / whole:.0%}"] for step, took in seconds.items()]
    return table([what, "ms", "share"], [*rows, ["together", f"{whole / count * 1000:.2f}", "100%"]])
