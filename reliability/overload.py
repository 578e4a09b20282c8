"""`python -m reliability.overload`: four times as many searches as the machine does, and what becomes of them.

First it is found out how many it does; then new searches come at four times that rate, each over a connection of its
own, whether others are answered or not; and then it is seen how soon all is as usual.
"""

import statistics
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from reliability import site_under_test as sites
from reliability.slow_clients import told

TIMES = 4
SECONDS = 20.0
AT_MOST = 2.0
"""Seconds for who is served."""
BACK_WITHIN = 10.0
_TOGETHER = 8
_LEAST_HEALTH = 0.5


@dataclass
class Crowd:
    """People who search at a rate that nothing slows down."""

    site: sites.Site
    answers: list[tuple[float, int, float]] = field(default_factory=list)
    """When it was asked, the status, and how long it took."""

    def come(self, rate: float, seconds: float) -> None:
        start = time.monotonic()
        threads = []
        for number in range(int(rate * seconds)):
            time.sleep(max(0.0, start + number / rate - time.monotonic()))
            threads.append(threading.Thread(target=self._ask, args=(number,)))
            threads[-1].start()
        for thread in threads:
            thread.join()

    def _ask(self, number: int) -> None:
        asked = time.monotonic()
        self.answers.append((asked, *self.site.get(sites.new_search(number))))


def capacity(site: sites.Site, seconds: float = 8.0) -> float:
    """Return how many searches a second are answered where some people each ask for one after the other."""
    end, done = time.monotonic() + seconds, []

    def search(first: int) -> None:
        number = first
        while time.monotonic() < end:
            if site.get(sites.new_search(number))[0] == 200:
                done.append(number)
            number += 1

    threads = [threading.Thread(target=search, args=(one * 10_000,)) for one in range(_TOGETHER)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(done) / seconds


def main() -> int:
    with sites.filled() as data, sites.served(data) as site:
        capacity(site, 3.0)
        rate = capacity(site)
        usual = [site.get(sites.new_search(number))[1] for number in range(20)]
        crowd, health = Crowd(site), []
        coming = threading.Thread(target=crowd.come, args=(TIMES * rate, SECONDS))
        coming.start()
        while coming.is_alive():
            health.append(site.get("/healthz"))
            time.sleep(0.1)
        back = _back_after(site, statistics.median(usual))
    by_status = Counter(status for _, status, _ in crowd.answers)
    served = [took for _, status, took in crowd.answers if status == 200]
    refused = [took for _, status, took in crowd.answers if status == 503]
    print(f"{rate:.0f} searches a second are answered; {TIMES * rate:.0f} came: {dict(by_status)}")
    print(told("alone", usual), told("served", served), told("refused", refused or [0]), sep="\n")
    print(told("/healthz", [took for _, took in health]), f"as usual {back:.1f} s after the last one", sep="\n")
    good = (
        set(by_status) <= {200, 503}
        and len(served) / SECONDS > rate / 2
        and max(served) <= AT_MOST
        and all(status == 200 and took < _LEAST_HEALTH for status, took in health)
        and back <= BACK_WITHIN
    )
    print(f"{'Good' if good else 'NOT GOOD'}: who was served waited up to {max(served):.2f} s.")
    return not good


def _back_after(site: sites.Site, usual: float) -> float:
    """Return after how many seconds a search takes no more than twice what it took."""
    start = time.monotonic()
    while time.monotonic() < start + 60:
        status, took = site.get(sites.new_search(int(time.monotonic() * 1000)))
        if status == 200 and took <= 2 * usual:
            break
    return time.monotonic() - start


if __name__ == "__main__":
    sys.exit(main())
