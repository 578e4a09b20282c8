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

from django.conf import settings
from django.db import connection
from django.test import Client

from benchmarks.ingestion import forget
from benchmarks.report import table
from search.curation.cleaned_details import Details
from search.decoding.decoder_client import MODEL_SIDE
from search.imaging import decoder_tasks
from search.ingestion.adding import embed, prepare, window_for_models
from search.ingestion.pipeline.rows import known, staging
from search.ingestion.pipeline.steps import BATCH
from search.models.image import content_id
from search.objects.deletion import deletions_blocked
from search.objects.storage import THUMBNAIL

_OF_A_PICTURE = {
    "search.decoding.prepared_picture": "ask the decoder process",
    "search.objects.storage.put": "store original and thumbnail",
}
_OF_A_DECODER = {
    "read_picture": "decode",
    "reduced": "reduce",
    "greys": "perceptual hash",
    "dominant_colour": "dominant colour",
    "colours_of": "colours",
    "placeholder": "placeholder",
    "_hash": "hash of the pixels",
    "thumbnail": "thumbnail",
    "cut_out": "pixels for the model",
    "read_file": "metadata",
}
"""Names in `search.imaging.decoder_tasks`."""
_OF_A_PAGE = {
    "search.retrieval.query_vector.text_vector": "encode",
    "jinja2.Template.render": "render",
}
_MEMORY = 1 << 30


class Stopwatch:
    """Seconds by step, summed over everything that ran under it; of processor time with that `clock`."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.seconds: dict[str, float] = {}
        self._clock = clock

    def timed(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with self.step(step):
                return function(*args, **kwargs)

        return run

    @contextmanager
    def step(self, step: str) -> Iterator[None]:
        start = self._clock()
        try:
            yield
        finally:
            self.seconds[step] = self.seconds.get(step, 0.0) + self._clock() - start

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
    """Return tables of one batch, step after step in one thread; a real run decodes and encodes concurrently."""
    ours, decoder = Stopwatch(time.process_time), Stopwatch(time.process_time)
    for _ in range(2):  # the first time loads the model
        ours.seconds.clear()
        with ours.on(_OF_A_PICTURE):
            _one_batch(paths[:BATCH], ours)
        forget()
    ours.seconds["describe"] = ours.seconds.pop("prepare") - ours.seconds["ask the decoder process"]
    names = {f"search.imaging.decoder_tasks.{name}": step for name, step in _OF_A_DECODER.items()}
    with decoder.step("all"), decoder.on(names):
        for path in paths[:BATCH]:
            _in_a_decoder(path.read_bytes())
    decoder.seconds["around it"] = decoder.seconds.pop("all") - sum(decoder.seconds.values())
    return "\n\n".join(
        [
            _table(
                "Processor time of an ingested picture, without its decoder and the database",
                ours.seconds,
                BATCH,
            ),
            _table("In the decoder process", decoder.seconds, BATCH),
        ]
    )


def _one_batch(paths: Sequence[Path], watch: Stopwatch) -> None:
    with watch.step("read, hash, look up"):
        contents = [path.read_bytes() for path in paths]
        ids = [content_id(data) for data in contents]
        assert not known(ids)
    window = window_for_models()
    with watch.step("prepare"):
        prepared = [
            prepare(data, Details(), image_id=image_id, window=window)
            for data, image_id in zip(contents, ids, strict=True)
        ]
    with staging() as rows:
        with watch.step("locks"), deletions_blocked(ids):
            pass
        for one in prepared:
            one.store()
        with watch.step("encode"):
            embed(prepared)
        with watch.step("rows"):
            rows.write([one.image for one in prepared])


def _in_a_decoder(data: bytes) -> None:
    """Do what a decoder process does for a new picture."""
    decoder_tasks.picture(
        data,
        _MEMORY,
        max_pixels=settings.UPLOAD_MAX_MEGAPIXELS * 1_000_000,
        at_least=MODEL_SIDE,
        longer_at_least=THUMBNAIL,
        longest=THUMBNAIL,
        window=window_for_models(),
        copy=THUMBNAIL,
        parts=["greys", "colours", "hash", "copy", "written", "pixels", "windows"],
    )


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
