"""One build of the site, driven from outside: run `python page_build.py` in the folder of the build to measure.

Each build has its own process, which answers each line of JSON with one.
"""

import gc
import gzip
import json
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from html import unescape
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlencode

import numpy as np

# Import the build in the current folder, not this file's.
sys.path[0] = "."

# The old build has it by another name.
worlds: Any = import_module(
    f"benchmarks.{'world' if Path('benchmarks/world.py').exists() else 'benchmark_environment'}"
)

from benchmarks.photos import SMALL  # noqa: E402
from benchmarks.photos import photos as photos_of  # noqa: E402

_OF_HTMX = {"HX-Request": "true"}


class _Encoder:
    """A fake model: the same words get the same unit vector in every build."""

    def encode_texts(self, texts: Sequence[str]) -> Any:
        rngs = (np.random.default_rng(list(text.encode())) for text in texts)
        vectors = np.stack([rng.normal(size=512) for rng in rngs]).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class Build:
    """The site through all of its middleware, without a server. Times are processor time of this process."""

    def __init__(self) -> None:
        self._world = worlds.make_world()
        import django  # noqa: PLC0415 - after the settings
        from django.core.management import call_command  # noqa: PLC0415
        from django.test import Client  # noqa: PLC0415

        django.setup()
        call_command("migrate", verbosity=0)
        call_command("collectstatic", verbosity=0, interactive=False)

        self._client = Client(SERVER_NAME="127.0.0.1")

    def fill(self, rows: int, photos: int) -> int:
        """Bring the collection to `rows` rows, with the thumbnails and placeholders of `photos` photos."""
        worlds.fill_up_to(rows, photos_of(self._world.cache, SMALL, photos))
        return rows

    def know(self, queries: Sequence[str]) -> int:
        """Cache a random vector for each of the queries, so that no model is needed."""
        from search.embedding import text_vector  # noqa: PLC0415 - after the settings

        # Older builds have it in a module of another name.
        with mock.patch(f"{text_vector.__module__}.text_encoder", _Encoder):
            for words in queries:
                text_vector(words)
        # As gunicorn's master does before it forks: what is loaded is exempt from garbage collection.
        gc.collect()
        gc.freeze()
        with suppress(ModuleNotFoundError):  # older builds
            import_module("imagesearch.garbage_collection").collect_less()
        return len(queries)

    def times(self, queries: Sequence[str], accept: str) -> dict[str, list[float]]:
        """Return the seconds of each page, by kind of request."""
        times: dict[str, list[float]] = {}
        gc.collect()
        for words, other_words in zip(queries[::2], queries[1::2], strict=True):
            for what, took, _html in self._pages(words, other_words, {"Accept-Encoding": accept}):
                times.setdefault(what, []).append(took)
        return times

    def html(self, words: str, other_words: str) -> dict[str, str]:
        """Return the HTML of two queries, by kind of request."""
        return {what: html for what, _took, html in self._pages(words, other_words, {})}

    def _pages(self, words: str, other_words: str, headers: Mapping[str, str]) -> Iterator[tuple[str, float, str]]:
        """A new search, its next page as by scrolling, and another search by htmx."""
        took, first = self._get("/search?" + urlencode({"q": words}), headers)
        yield "a new query", took, first
        further = re.search(r'hx-get="(/search[^"]*page=[^"]*)"', first)
        assert further, "There is no next page."
        yield "its next page", *self._get(unescape(further[1]), {**headers, **_OF_HTMX, "HX-Target": "more"})
        address = "/search?" + urlencode({"q": other_words})
        yield "a list for htmx", *self._get(address, {**headers, **_OF_HTMX, "HX-Target": "found"})

    def _get(self, address: str, headers: Mapping[str, str]) -> tuple[float, str]:
        took, response = _timed(self._client.get, address, headers=headers)
        assert response.status_code == 200, response.status_code
        body = response.content
        if response.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        text = body.decode()
        assert text.count("<article ") == 24, text
        return took, text


def _timed(action: Any, *args: Any, **named: Any) -> tuple[float, Any]:
    start = time.process_time()
    result = action(*args, **named)
    return time.process_time() - start, result


def main() -> None:
    answers, sys.stdout = sys.stdout, sys.stderr
    build = Build()
    for line in sys.stdin:
        wish = json.loads(line)
        print(json.dumps(getattr(build, wish.pop("do"))(**wish)), file=answers, flush=True)


if __name__ == "__main__":
    main()
