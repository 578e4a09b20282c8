"""A browser, and a collection of pictures to test pages with."""

import datetime as dt
import re
import shutil
import threading
import uuid
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.core.signals import request_finished, request_started
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from search.models import Capture, Image, PictureSet, SavedSearch
from search.objects import storage
from tests.base import an_unsaved_image, picture_bytes
from tests.browser.contexts import ContextPool
from tests.browser.server import Responses
from tests.written_metadata import wall

HERE = Path(__file__).parent
POOL = pytest.StashKey[ContextPool]()
COLOURS = ("crimson", "goldenrod", "seagreen", "steelblue", "orchid")
SIZES = ((640, 480), (480, 640), (900, 300), (500, 500), (1200, 800))
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # Two processes less, which save 6 % of the processor time. The other two features are those of Playwright.
    "--in-process-gpu",
    # Pages of a context share one process, so that a test doesn't start any.
    "--process-per-site",
    "--renderer-process-limit=1",
    "--disable-site-isolation-trials",
    "--enable-features=NetworkServiceInProcess2,CDPScreenshotNewSurface,SkipListAccountsWithoutGaiaCookies",
)

EXPECTED = r"responded with a status of (400|404)|htmx:(sendAbort|afterRequest)"
"""A page with an error message has such a status, which the browser logs; htmx logs a search cancelled by typing."""


def wait_until(page: Page, selector: str, condition: str) -> None:
    """Wait until `condition`, an expression about `node`, is true for the first matching element.

    Page.wait_for_function polls with `eval`, which our content security policy forbids.
    """
    look = f"() => {condition} ? done() : requestAnimationFrame(look)"
    page.locator(selector).first.evaluate(f"node => new Promise(done => {{ const look = {look}; look(); }})")


def delay_keys_until_loaded(page: Page) -> None:
    """Delay each key until the current page has loaded: its scripts handle the key, and a page reached by a key or a
    link has its address before its scripts."""
    press = page.keyboard.press

    def press_when_loaded(key: str, **options: Any) -> None:
        page.wait_for_load_state()
        press(key, **options)

    page.keyboard.press = press_when_loaded  # type: ignore[method-assign]


class OpenPage(Protocol):
    def __call__(self, path: str = "/", as_user: Client | None = None, *, expected: str = "", **options: Any) -> Page:
        """Open an address, logged in as a user or anonymously; `options` are those of Browser.new_context.

        Console errors that match the pattern `expected` are part of the test.
        """


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    # The shell has no windows, menus and internal pages, which take most of the time of a short test.
    names = ("chromium-headless-shell", "chromium", "chromium-browser")
    executable = next(filter(None, map(shutil.which, names)), None)
    if executable is None:
        pytest.skip("chromium is not installed")
    with pytest.MonkeyPatch.context() as environment, sync_playwright() as playwright:
        # Playwright runs an event loop in this thread, which makes Django refuse blocking code.
        environment.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        expect.set_options(timeout=60_000)
        browser = playwright.chromium.launch(executable_path=executable, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def contexts(chromium: Browser, live_server, request: pytest.FixtureRequest) -> Iterator[ContextPool]:
    server = live_server.thread.httpd
    responses = Responses(server.get_app(), live_server.url)
    server.set_app(responses)
    pool = request.config.stash[POOL] = ContextPool(chromium, responses)
    yield pool
    pool.close()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Close the browser's connections before other tests, which need the connections to the database."""
    pool = item.config.stash.get(POOL, None)
    if pool and nextitem and HERE not in nextitem.path.parents:
        pool.close()


@pytest.fixture
def responses_finished(live_server) -> Iterator[None]:
    """At the end, wait until the server has answered all requests of browsers.

    Browsers prefetch what they may show next; the tables are truncated after the test and must not be in use.
    """
    change = threading.Condition()
    under_way = 0

    def begin(**_: Any) -> None:
        nonlocal under_way
        with change:
            under_way += 1

    def end(**_: Any) -> None:
        nonlocal under_way
        with change:
            under_way -= 1
            change.notify_all()

    request_started.connect(begin)
    request_finished.connect(end)
    yield
    with change:
        change.wait_for(lambda: under_way <= 0, timeout=60)
    request_started.disconnect(begin)
    request_finished.disconnect(end)


@pytest.fixture
def open_page(contexts: ContextPool, live_server, responses_finished: None) -> Iterator[OpenPage]:
    """Opens pages; at the end, checks that none of them had an error in its console."""
    used: list[BrowserContext] = []
    problems: list[str] = []

    def open_page(path: str = "/", as_user: Client | None = None, *, expected: str = "", **options: Any) -> Page:
        def note(message: Any) -> None:
            if message.type == "error" and not re.search(expected or EXPECTED, message.text):
                problems.append(message.text)

        # A service worker would answer instead of the routes of a test; tests of the worker allow it.
        usual = {"base_url": live_server.url, "locale": "en-US", "service_workers": "block"}
        page = contexts.new_page(**usual | options)
        context = page.context
        used.append(context)
        if as_user:
            session = as_user.cookies[django_settings.SESSION_COOKIE_NAME].value
            context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
        delay_keys_until_loaded(page)
        page.on("console", note)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(path)
        return page

    yield open_page
    contexts.take_back(used)
    assert problems == []


@pytest.fixture
def collection(live_server) -> list[Image]:
    """Thirty images, two pages of results, wide, tall and square; the newest is last."""
    return _shown_images(30)


@pytest.fixture
def dated(collection: list[Image]) -> list[Image]:
    """The same images, taken one a month by one of two cameras."""
    for number, image in enumerate(collection):
        month = wall(2021 + number // 12, number % 12 + 1, 15)
        Capture.objects.create(image=image, taken=month, taken_from="camera", camera=f"Camera {number % 2}", rating=3)
    return collection


@pytest.fixture
def large_collection(live_server) -> list[Image]:
    """A hundred images, five pages of results; the newest is last."""
    return _shown_images(100)


@pytest.fixture
def shared_set(collection: list[Image]) -> str:
    """The address of a set of three pictures."""
    return PictureSet.keep([image.id for image in collection[:3]], None).get_absolute_url()


@pytest.fixture
def saved(collection: list[Image], alice: User) -> SavedSearch:
    """A search saved by Alice, with a name that is long for a phone."""
    name = "Evenings at the sea, seen from the pier of a town with a very long name"
    return SavedSearch.objects.create(
        user=alice, name=name, query="tag=sea", last_seen=dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    )


def _shown_images(count: int) -> list[Image]:
    return Image.objects.bulk_create(_shown_image(number, count) for number in range(count))


def _shown_image(number: int, count: int) -> Image:
    width, height = SIZES[number % len(SIZES)]
    added = timezone.now() - dt.timedelta(milliseconds=count - number)
    details: dict[str, Any] = {"width": width, "height": height, "seed": number, "created": added}
    if number % 7 == 0:
        details |= {"author": "Bob", "licence": "CC BY 4.0", "source_link": "https://example.org/a?b=c"}
        details |= {"tags": ["sea", "evening"], "description": "Seen from the pier."}
    # The same ids in each test, so that browsers need not load the pictures again.
    details["id"] = uuid.uuid5(uuid.NAMESPACE_URL, str(number))
    image = an_unsaved_image(f"Picture {number}" if number % 5 else "", **details)
    colour = COLOURS[number % len(COLOURS)]
    for longest in storage.WIDTHS:
        storage.put(storage.rendition_key(image.id, longest), _small(colour, width, height), "image/webp")
    return image


@cache
def _small(colour: str, width: int, height: int) -> bytes:
    return picture_bytes(colour, size=(width // 20, height // 20), format="WEBP")


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two picture files on the user's device."""
    paths = [tmp_path / "harbour.jpg", tmp_path / "garden.png"]
    paths[0].write_bytes(picture_bytes("navy", size=(320, 200)))
    paths[1].write_bytes(picture_bytes("olive", size=(200, 320), format="PNG"))
    return paths
