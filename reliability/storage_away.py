"""`python -m reliability.storage_away`: the object storage goes away in each way that networks know, and every door
that touches it is tried, while somebody searches beside.

A real gunicorn, PostgreSQL and S3 server (rclone), with a small proxy between that hangs, trickles, breaks off and
refuses. Prints a table, and ends with status 1 where something that is promised was not kept. Takes about six minutes.
"""

import http.client
import os
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from io import BytesIO
from pathlib import Path
from urllib.parse import urlencode

from PIL import Image

from reliability.site_under_test import Site, filled, manage, new_search, served
from tests.proxies import Behaviour, Proxy
from tests.s3_servers import ACCESS_KEY, BUCKET, SECRET_KEY, Rclone, free_port

AT_ONCE = 16
"""Renditions that are asked for at once."""
LONGEST = 7.0
"""Seconds within which whatever needs the storage is answered: S3_WAIT_SECONDS and a little."""
BACK_WITHIN = 5.0
SEARCHES = 60
UNAFFECTED = {"start", "search", "image page", "API", "feed", "admin list", "/healthz"}
MAY_BE_SERVED = {"/readyz", "API upload", "deletion"}
"""What touches no body of an answer, which some kinds of failure leave alone; a deletion is owed."""


class Person:
    """A curator's browser, without scripts."""

    def __init__(self, site: Site) -> None:
        self.site, self.cookies = site, SimpleCookie()

    def ask(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.site.port, timeout=60)
        headers["Cookie"] = "; ".join(f"{name}={value.value}" for name, value in self.cookies.items())
        if body is not None and "csrftoken" in self.cookies:
            headers["X-CSRFToken"] = self.cookies["csrftoken"].value
        try:
            connection.request("GET" if body is None else "POST", path, body, headers)
            answer = connection.getresponse()
            for cookie in answer.headers.get_all("Set-Cookie") or []:
                self.cookies.load(cookie)
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def send(self, path: str, **form: str) -> tuple[int, bytes]:
        form_type = "application/x-www-form-urlencoded"
        return self.ask(path, urlencode(form).encode(), **{"Content-Type": form_type})

    def upload(self, number: int) -> tuple[int, bytes]:
        file = BytesIO()
        Image.new("RGB", (60 + number, 50), "teal").save(file, "JPEG")
        mark, picture = "a-boundary", file.getvalue()
        head = f'--{mark}\r\nContent-Disposition: form-data; name="picture"; filename="a.jpg"\r\n\r\n'
        body = head.encode() + picture + f"\r\n--{mark}--\r\n".encode()
        return self.ask("/api/images", body, **{"Content-Type": f"multipart/form-data; boundary={mark}"})

    def log_in(self) -> None:
        self.ask("/accounts/login/")
        status, _ = self.send("/accounts/login/", username="curator", password=os.environ["DJANGO_SUPERUSER_PASSWORD"])
        assert status == 302, status


@dataclass
class Row:
    """How it went while the storage was away in one way."""

    how: str
    doors: dict[str, tuple[int, float]] = field(default_factory=dict)
    renditions: list[tuple[int, float]] = field(default_factory=list)
    usual: float = 0.0
    beside: list[float] = field(default_factory=list)
    back: float | None = None

    def faults(self) -> Iterator[str]:
        for name, (status, seconds) in self.doors.items():
            right = {200} if name in UNAFFECTED else {200, 201, 302, 503} if name in MAY_BE_SERVED else {200, 503}
            if status not in right:
                yield f"{name} {status}"
            elif status in {0, 500, 502, 504} or seconds > (2 if name in UNAFFECTED else LONGEST):
                yield f"{name} {status} after {seconds:.1f} s"
        if slow := [seconds for _, seconds in self.renditions if seconds > LONGEST]:
            yield f"{len(slow)} renditions held for up to {max(slow):.1f} s"
        if statistics.median(self.beside) > 3 * self.usual + 0.05 or max(self.beside) > 2.5:
            yield f"searches took {statistics.median(self.beside):.2f}, up to {max(self.beside):.1f} s"
        if self.back is not None and self.back > BACK_WITHIN:
            yield f"good again only after {self.back:.1f} s"

    def line(self) -> str:
        held = sorted(seconds for _, seconds in self.renditions)
        refused = sum(status == 503 for status, _ in self.renditions)
        answers: dict[int, list[str]] = {}
        for name, (status, _) in self.doors.items():
            answers.setdefault(status, []).append(name)
        told = "; ".join(f"{status}: {', '.join(names)}" for status, names in sorted(answers.items()))
        slowest = max(seconds for _, seconds in self.doors.values())
        back = "" if self.back is None else f"{self.back:.1f}"
        return (
            f"| {self.how} | {told} | {slowest:.1f} | {refused} of {len(held)}: {statistics.median(held):.2f},"
            f" {held[-1]:.1f} | {1000 * self.usual:.0f} | {1000 * statistics.median(self.beside):.0f},"
            f" {1000 * max(self.beside):.0f} | {back} |"
        )


HEAD = (
    "| the storage | doors by their answers | slowest door, s | 503 of renditions at once: median, longest, s |"
    " a search before, ms | beside: median, longest, ms | good again after, s |\n|---|---|---|---|---|---|---|"
)


class Trial:
    """Tries one site."""

    def __init__(self, site: Site, images: list[str], feed: str) -> None:
        self.site, self.images, self.feed, self.number = site, images, feed, 0
        self.person = Person(site)
        self.person.log_in()

    def fresh(self) -> str:
        """Return the path of an image whose larger copies nobody has asked for."""
        self.number += 1
        return f"/images/{self.images.pop()}"

    def rendition(self, size: int = 800) -> tuple[int, bytes]:
        return self.person.ask(f"{self.fresh()}/{size}.webp")

    def doors(self) -> dict[str, Callable[[], tuple[int, bytes]]]:
        ask, send, fresh = self.person.ask, self.person.send, self.fresh
        return {
            "start": lambda: ask("/"),
            "search": lambda: ask(new_search(self.number)),
            "image page": lambda: ask(f"{fresh()}/"),
            "API": lambda: ask("/api/search?q=red"),
            "feed": lambda: ask(self.feed),
            "admin list": lambda: ask("/admin/search/image/"),
            "/healthz": lambda: ask("/healthz"),
            "rendition": self.rendition,
            "thumbnail by the site": lambda: self.rendition(400),
            "original": lambda: ask(f"{fresh()}/download"),
            "ZIP": lambda: send("/selection/download", id=fresh().rpartition("/")[2]),
            "API upload": lambda: self.person.upload(self.number),
            "deletion": lambda: send(f"/admin/search/image/{fresh().rpartition('/')[2]}/delete/", post="yes"),
            "/readyz": lambda: ask("/readyz"),
        }

    def timed(self, ask: Callable[[], tuple[int, bytes]]) -> tuple[int, float]:
        start = time.perf_counter()
        status, _ = ask()
        return status, time.perf_counter() - start

    def search_seconds(self) -> float:
        """Ask as a stranger would, over a connection of its own."""
        self.number += 1
        status, seconds = self.site.get(new_search(self.number))
        return seconds if status == 200 else 60.0

    def row(self, how: str) -> Row:
        """Try all while the storage is away: 16 renditions at once with searches beside, then each door."""
        row = Row(how)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            asked = [pool.submit(self.timed, self.rendition) for _ in range(AT_ONCE)]
            while not all(one.done() for one in asked) or len(row.beside) < SEARCHES:
                row.beside.append(self.search_seconds())
            row.renditions = [one.result() for one in asked]
        for name, ask in self.doors().items():
            row.doors[name] = self.timed(ask)
        return row

    def usual(self) -> float:
        return statistics.median(self.search_seconds() for _ in range(SEARCHES))

    def seconds_until_good(self) -> float:
        """Ask for renditions until both processes serve them again."""
        start, good = time.perf_counter(), 0
        while good < 6 and time.perf_counter() - start < 60:
            good = good + 1 if self.rendition()[0] == 200 else 0
            last = time.perf_counter()
            time.sleep(0.1 if good else 0.2)
        return last - start - 0.1 * good


@contextmanager
def filled_bucket(data: Path) -> Iterator[Rclone]:
    """Serve the pictures of a filled site by S3."""
    folder = data / "s3"
    (folder / "data").mkdir(parents=True, exist_ok=True)
    if not (folder / "data" / BUCKET).exists():
        (data / "media").rename(folder / "data" / BUCKET)
    server = Rclone(folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def settings_for(url: str, **more: str) -> dict[str, str]:
    return {
        "AWS_STORAGE_BUCKET_NAME": BUCKET,
        "AWS_S3_ENDPOINT_URL": url,
        "AWS_S3_REGION_NAME": "us-east-1",
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "UPLOAD_LOGIN_REQUIRED": "off",
        **more,
    }


def otherwise(proxy: Proxy) -> dict[str, dict[str, str]]:
    """Ways to be away that lie in the settings."""
    return {
        "bad keys": settings_for(proxy.url, AWS_SECRET_ACCESS_KEY="mistyped"),
        "missing bucket": settings_for(proxy.url, AWS_STORAGE_BUCKET_NAME="mistyped"),
        "a name nobody knows": settings_for(f"http://storage.invalid:{free_port()}"),
        "no TLS where TLS is asked for": settings_for(proxy.url.replace("http:", "https:")),
    }


def images_and_feed(trial_site: Site) -> tuple[list[str], str]:
    """Return the ids of many images, and the address of a feed that is made."""
    person, ids, page = Person(trial_site), [], 1
    while page < 40:
        _, body = person.ask(f"/api/search?page={page}")
        found = re.findall(rb'"id":\s*"([0-9a-f-]{36})"', body)
        if not found:
            break
        ids += [one.decode() for one in found]
        page += 1
    person.log_in()
    person.send("/saved/save", query="q=red", name="red")
    _, body = person.ask("/saved/")
    feed = re.search(rb"/feeds/[0-9a-f-]{36}\.atom", body)
    if not feed:
        raise RuntimeError("No search could be saved.")
    return list(dict.fromkeys(ids)), feed.group().decode()


def main() -> None:
    os.environ["DJANGO_SUPERUSER_PASSWORD"] = "a curator's long secret"
    rows = []
    with filled(1500) as data, filled_bucket(data) as server:
        proxy = Proxy(server.port)
        if not (data / "curator").exists():
            manage(data, "createsuperuser", "--noinput", "--username", "curator", "--email", "curator@example.org")
            (data / "curator").touch()
        with served(data, **settings_for(proxy.url)) as site:
            images, feed = images_and_feed(site)
            trial = Trial(site, images, feed)
            usual = trial.usual()
            for how in Behaviour:
                with proxy.behaving(how):
                    row = trial.row(str(how))
                row.usual, row.back = usual, trial.seconds_until_good() if how is not Behaviour.PASSES else None
                print(row.line() if rows else f"{HEAD}\n{row.line()}", flush=True)
                rows.append(row)
        for how, configured in otherwise(proxy).items():
            with served(data, ready="/search?q=red", **configured) as site:
                trial = Trial(site, images, feed)
                row = trial.row(how)
                row.usual = usual
                print(row.line(), flush=True)
                rows.append(row)
        proxy.close()
    faults = [f"{row.how}: {fault}" for row in rows for fault in row.faults()]
    print("\n".join(faults) or "Whatever the storage did, searches went on and everybody else was told soon.")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
