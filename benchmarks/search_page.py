"""Response times of the search page: gunicorn as deployed, over loopback, and the plain loop, in turns."""

import html
import http.client
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from types import MappingProxyType
from urllib.parse import urlencode

from benchmarks.plain_loop import PER_PAGE, PlainLoop
from benchmarks.report import Pairs, table

_PATIENCE = 120
WARM_UP = 24


class Visitor:
    """A browser with a persistent connection, without scripts, cookies and pictures."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)

    def get(self, path: str, headers: Mapping[str, str] = MappingProxyType({})) -> tuple[int, bytes]:
        try:
            return self._get(path, headers)
        except (http.client.HTTPException, ConnectionError):  # the server closed an idle connection
            self._connection.close()
            return self._get(path, headers)

    def _get(self, path: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        self._connection.request("GET", path, headers=dict(headers))
        response = self._connection.getresponse()
        return response.status, response.read()

    def search(self, words: str) -> None:
        """Request the first page of results, a full one though no filler is a strong match for random words."""
        self._results("/search?" + urlencode({"q": words, "min": "any"}))

    def scroll(self) -> None:
        """Request the next page of the last search, as by scrolling."""
        self._results(self._next, {"HX-Request": "true", "HX-Target": "more"})

    def _results(self, path: str, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        status, body = self.get(path, headers)
        assert status == 200, status
        # Without results it would measure something else.
        assert body.count(b"<article ") == PER_PAGE, body
        link = re.search(r'hx-get="(/search[^"]*page=[^"]*)"', body.decode())
        self._next = html.unescape(link[1]) if link else ""


@dataclass
class Pages:
    """Measurements at one number of rows, in seconds, in turns."""

    new: Pairs
    next: Pairs
    again: list[float]
    encoding: list[float]
    """`SentenceTransformer.encode` of the same words alone."""

    def shares_row(self, rows: int) -> list[str]:
        page, encoding = median(self.new.ours), median(self.encoding)
        faster = [f"{page / median(times):.1f}" for times in (self.again, self.next.ours)]
        return [
            f"{rows:,} rows",
            f"{1000 * page:.1f}",
            f"{1000 * encoding:.1f}",
            f"**{page / encoding:.2f}**",
            *faster,
        ]


def measure(visitor: Visitor, plain: PlainLoop, rows: int, queries: Sequence[str]) -> Pages:
    """Search for each query for the first time, scroll, and search again; each in both ways, in turns."""
    pages = Pages(Pairs(f"{rows:,} rows, new query"), Pairs(f"{rows:,} rows, its next page"), [], [])
    for words in queries[:WARM_UP]:
        visitor.search(words)
        plain.search(words, 1)
    for number, words in enumerate(queries[WARM_UP:]):
        # In alternating order: neither always profits from the other's caching.
        for ours in (True, False) if number % 2 == 0 else (False, True):
            if ours:
                pages.new.ours.append(_timed(partial(visitor.search, words)))
                pages.next.ours.append(_timed(visitor.scroll))
                pages.again.append(_timed(partial(visitor.search, words)))
            else:
                pages.new.plain.append(_timed(partial(plain.search, words, 1)))
                pages.next.plain.append(_timed(partial(plain.search, words, 2)))
                pages.encoding.append(_timed(partial(plain.encode, words)))
    return pages


def shares_table(measured: Mapping[int, Pages]) -> str:
    header = ["The search page, ms", "new query", "one plain encode", "of it", "again: × faster", "next: × faster"]
    return table(header, [pages.shares_row(rows) for rows, pages in measured.items()])


def _timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
