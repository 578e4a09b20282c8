"""What strangers may do how often, against a real gunicorn; and what many who log in at once cost those who search.

`python -m reliability.floods`, two minutes. It ends with a sentence, and with 1 where something is not as promised.
"""

import http.client
import http.cookiejar
import io
import re
import statistics
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

from PIL import Image as PILImage

from reliability.site_under_test import Site, filled, manage, new_search, served

TRIES = 60
LOGINS = 16
PASSWORD = "a quiet harbour 47"
SEARCHES, ROUNDS = 80, 6
MAKE_PEOPLE = (
    "from django.contrib.auth.models import User\n"
    "from search.models import Image, Report\n"
    "User.objects.filter(username__startswith='swimmer').delete(); Report.objects.all().delete()\n"
    f"[User.objects.create_user(f'swimmer{{n}}', password={PASSWORD!r}) for n in range({LOGINS})]\n"
)


class Visitor:
    """A browser without a screen, at an address of its own behind a proxy that is trusted."""

    def __init__(self, site: Site, address: str) -> None:
        self.site, self.address = site, address
        jar = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar), _NoRedirect())
        self.token = ""

    def ask(self, path: str, data: bytes | None = None, kind: str = "") -> tuple[int, str, dict[str, str]]:
        headers = {"X-Forwarded-For": self.address, **({"Content-Type": kind} if kind else {})}
        request = urllib.request.Request(f"http://127.0.0.1:{self.site.port}{path}", data, headers)
        try:
            with self._opener.open(request, timeout=60) as answer:
                return answer.status, answer.read().decode("utf-8", "replace"), dict(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode("utf-8", "replace"), dict(error.headers)

    def prepare(self) -> "Visitor":
        """Load a page, whose forms can be sent then."""
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.ask("/accounts/login/")[1])
        assert found
        self.token = found[1]
        return self

    def send(self, path: str, **fields: str) -> tuple[int, str, dict[str, str]]:
        body = urlencode({"csrfmiddlewaretoken": self.token, **fields}).encode()
        return self.ask(path, body, "application/x-www-form-urlencoded")

    def show(self, number: int) -> tuple[int, str, dict[str, str]]:
        buffer = io.BytesIO()
        PILImage.new("RGB", (64, 64), (number % 256, number // 256, 40)).save(buffer, "PNG")
        edge = b"----edge"
        head = b'Content-Disposition: form-data; name="picture"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
        body = b"--" + edge + b"\r\n" + head + buffer.getvalue() + b"\r\n--" + edge + b"--\r\n"
        return self.ask("/api/search/picture", body, "multipart/form-data; boundary=" + edge.decode())


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def tried(name: str, act: Callable[[int], tuple[int, str, dict[str, str]]], least: int) -> bool:
    """Do something TRIES times, as fast as eight at once can; tell what was answered."""
    start = time.perf_counter()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(act, range(TRIES)))
    seconds = time.perf_counter() - start
    found = Counter(status for status, _text, _headers in answers)
    refused = [headers for status, _text, headers in answers if status == 429]
    is_told = all(int(headers.get("Retry-After", 0)) > 0 for headers in refused)
    good = len(refused) >= least and is_told and not any(status >= 500 for status in found if status != 503)
    print(f"{'ok ' if good else 'BAD'} {TRIES} {name} in {seconds:.1f} s: {dict(sorted(found.items()))}")
    return good


def floods(site: Site) -> bool:
    """Each kind from an address of its own. Half the site's 503 for a crowd of logins counts as refused too."""
    page = Visitor(site, "192.0.2.1").ask("/")[1]
    image = re.search(r"/images/((?!0{8})[0-9a-f-]{36})/", page)
    assert image
    thief, reporter, sharer, shower = (Visitor(site, f"192.0.2.{n}").prepare() for n in (10, 11, 12, 13))
    good = [
        tried("wrong logins", lambda n: thief.send("/accounts/login/", username="swimmer0", password=f"no{n}"), 20),
        tried(
            "wrong logins at the admin", lambda n: thief.send("/admin/login/", username="swimmer0", password="x"), 59
        ),
        tried("reports", lambda n: reporter.send(f"/images/{image[1]}/report/", reason="broken"), 50),
        tried("sets", lambda n: sharer.send("/selection/share", id=image[1]), 40),
        tried("query pictures", shower.show, 30),
    ]
    status = _log_in(0, Visitor(site, "192.0.2.99").prepare())
    print(f"{'ok ' if status == 302 else 'BAD'} whoever has the right password, elsewhere, is let in: {status}")
    return all(good) and status == 302


def searches(site: Site, count: int, until: threading.Event | None = None) -> list[float]:
    """Seconds of searches, one after the other, each with words that nobody has searched for."""
    seconds = []
    while len(seconds) < count or (until is not None and not until.is_set()):
        status, took = site.get(new_search(len(seconds)))
        assert status == 200, status
        seconds.append(took)
    return seconds


def logins_beside_searches(site: Site) -> bool:
    """LOGINS people log in at once while others search, in ROUNDS. Their pages were loaded before."""
    searches(site, 20)
    usual = searches(site, SEARCHES)
    answers, beside = Counter[int](), []
    for round_ in range(ROUNDS):
        people = [Visitor(site, f"198.51.{100 + round_}.{number}") for number in range(LOGINS)]
        for person in people:
            person.prepare()
        over, found = threading.Event(), []
        searcher = threading.Thread(target=lambda found=found, over=over: found.extend(searches(site, 1, over)))
        searcher.start()
        with ThreadPoolExecutor(LOGINS) as pool:
            answers.update(pool.map(_log_in, range(LOGINS), people))
        over.set()
        searcher.join()
        beside += found
    ratio = statistics.median(beside) / statistics.median(usual)
    for name, seconds in (("usual", usual), ("beside", beside)):
        p95 = statistics.quantiles(seconds, n=20)[-1]
        print(f"    searches {name}: median {statistics.median(seconds):.3f} s, p95 {p95:.3f} s, of {len(seconds)}")
    print(f"{'ok ' if ratio <= 2 else 'BAD'} {LOGINS} logins at once, {ROUNDS} times: {dict(answers)}; x {ratio:.2f}")
    return ratio <= 2


def _log_in(number: int, person: Visitor) -> int:
    return person.send("/accounts/login/", username=f"swimmer{number}", password=PASSWORD)[0]


def main() -> int:
    with filled() as data:
        for step in ("migrate", "collectstatic"):  # a folder that stays may be of an older version
            manage(data, step, "--noinput", "--verbosity", "0")
        manage(data, "shell", "--command", MAKE_PEOPLE)
        with served(data, TRUSTED_PROXIES="127.0.0.1") as site:
            good = [floods(site), logins_beside_searches(site)]
    print("Floods are refused, and others go on searching." if all(good) else "Not all is as promised.")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
