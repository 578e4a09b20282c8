"""People at the site: each has a connection and a browser's cache, looks at a page for a while, and goes on."""

import http.client
import random
import re
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlencode

from reliability.site_under_test import Site, new_search

_THUMBNAIL = re.compile(r'src="(/images/[0-9a-f-]{36}/400\.webp)"')
_IMAGE = re.compile(r'href="(/images/[0-9a-f-]{36}/)')
SEEN_AT_ONCE = 12
"""Thumbnails of a page that are on the screen."""
KNOWN = [
    "/search?" + urlencode({"q": f"{colour} {shape}"})
    for colour in ("red", "blue", "green", "yellow")
    for shape in ("star", "circle", "heart", "ring", "square")
]
"""Searches that have been made before."""


@dataclass
class Times:
    """Seconds of each page that was answered, and how many answers had which status; 0 is for none at all."""

    pages: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def median(self) -> float:
        return statistics.median(self.pages)

    @property
    def nineteen_of_twenty(self) -> float:
        return statistics.quantiles(self.pages, n=20)[-1]

    @property
    def failures(self) -> int:
        return sum(count for status, count in self.statuses.items() if status >= 500 or not status)

    def __str__(self) -> str:
        return (
            f"{len(self.pages)} pages, median {self.median * 1000:.0f} ms, "
            f"95 % within {self.nineteen_of_twenty * 1000:.0f} ms, {self.failures} failures {dict(self.statuses)}"
        )


class Person:
    def __init__(self, site: Site, times: Times, seed: int) -> None:
        self._site, self._times = site, times
        self._rng = random.Random(seed)
        self._have: set[str] = set()
        self._connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=60)

    def look(self, path: str) -> str:
        """Open a page with its thumbnails; return it."""
        start = time.perf_counter()
        status, page = self._get(path)
        if status == 200:
            self._times.pages.append(time.perf_counter() - start)
        self._times.statuses[status] += 1
        for thumbnail in dict.fromkeys(_THUMBNAIL.findall(page)[:SEEN_AT_ONCE]):
            if thumbnail not in self._have:
                self._have.add(thumbnail)
                self._times.statuses[self._get(thumbnail)[0]] += 1
        return page

    def browse(self, searches: Callable[[], str]) -> None:
        """Search, then look at a picture of what was found, or at the next page."""
        page = self.look(searches())
        step = self._rng.random()
        if step < 0.3 and (pictures := _IMAGE.findall(page)):
            self.look(self._rng.choice(pictures))
        elif step < 0.5:
            self.look("/")

    def _get(self, path: str) -> tuple[int, str]:
        for is_last in (False, True):
            try:
                self._connection.request("GET", path)
                answer = self._connection.getresponse()
                return answer.status, answer.read().decode("utf-8", "replace")
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                # The server may close a connection that was kept open, and browsers ask once more.
                self._connection.close()
                if is_last:
                    return 0, ""
            except (OSError, http.client.HTTPException):
                self._connection.close()
                return 0, ""
        return 0, ""


def known_search(rng: random.Random) -> str:
    return rng.choice(KNOWN)


def alone(site: Site, *, pages: int = 100, unseen: bool = False) -> Times:
    """One person who looks at page after page."""
    times = Times()
    person, rng = Person(site, times, 1), random.Random(1)
    for number in range(pages):
        person.look(new_search(number) if unseen else known_search(rng))
    return times


def together(site: Site, people: int, seconds: float, *, looks: float, unseen: bool = False) -> Times:
    """So many people for so long, each of whom looks at a page for about `looks` seconds; they come one by one in the
    first tenth of the time."""
    times, end = Times(), time.monotonic() + seconds

    def live(number: int) -> None:
        rng = random.Random(number)
        person = Person(site, times, number)
        time.sleep(rng.uniform(0, seconds / 10))
        while time.monotonic() < end:
            person.browse(lambda: new_search(rng.randrange(10**6)) if unseen else known_search(rng))
            time.sleep(min(rng.uniform(0.5, 1.5) * looks, max(0.0, end - time.monotonic())))

    run([lambda number=number: live(number) for number in range(people)])
    return times


def run(all_of_them: Sequence[Callable[[], object]]) -> None:
    """Do all at the same time, and wait for the last."""
    threads = [threading.Thread(target=one, daemon=True) for one in all_of_them]
    for thread in threads:
        thread.start()
    for thread in threads:
        with suppress(KeyboardInterrupt):
            thread.join()
