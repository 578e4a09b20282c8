"""Contexts of the browser that serve one test after another, and are as new for each: a new one has to fetch and
compile all scripts again."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.server import Answers

OF_PAGES = ("viewport", "color_scheme", "reduced_motion")
"""Options that each page can have of its own."""
SPOILS = (
    "add_init_script", "expose_binding", "expose_function", "grant_permissions", "route", "route_from_har",
    "route_web_socket", "set_extra_http_headers", "set_geolocation",
)  # fmt: skip
SPOILS_BY_CLOCK = ("install", "pause_at", "set_fixed_time", "set_system_time")
"""What can't be taken back from a context: one that was told so serves no other test. Pages have its clock."""


class Contexts:
    """Those of one browser. Each serves one test at a time, with the options that it was made with."""

    def __init__(self, browser: Browser, answers: Answers) -> None:
        self._browser, self.answers = browser, answers
        self._free: defaultdict[str, list[BrowserContext]] = defaultdict(list)
        self._kinds: dict[BrowserContext, str] = {}
        self._emptied: dict[BrowserContext, int] = {}

    def new_page(self, **options: Any) -> Page:
        """Return an empty page in a context that no other page is in; `options` are those of Browser.new_context."""
        own = {name: options.pop(name) for name in OF_PAGES if name in options}
        kind = repr(sorted(options.items()))
        free = self._free[kind]
        page = self._as_new(free.pop()) if free else self._make(kind, options).new_page()
        if size := own.pop("viewport", None):
            page.set_viewport_size(size)
        if own:
            page.emulate_media(**own)
        return page

    def _make(self, kind: str, options: dict[str, Any]) -> BrowserContext:
        context = self._browser.new_context(**options)
        # The first search loads the model, which takes a busy machine its time.
        context.set_default_navigation_timeout(90_000)
        if options.get("service_workers") != "allow" and "permissions" not in options:
            self._kinds[context] = kind
            self._emptied[context] = self.answers.outdated
        for thing, names in ((context, SPOILS), (context.clock, SPOILS_BY_CLOCK)):
            _mark(thing, names, lambda: self._kinds.pop(context, None))
        return context

    def _as_new(self, context: BrowserContext) -> Page:
        """Forget all that the last test has left but files that are the same for every test."""
        context.set_offline(False)
        context.clear_cookies()
        page = context.new_page()
        devtools = context.new_cdp_session(page)
        devtools.send("Storage.clearDataForOrigin", {"origin": self.answers.origin, "storageTypes": "all"})
        if self._emptied[context] != self.answers.outdated:
            self._emptied[context] = self.answers.outdated
            devtools.send("Network.clearBrowserCache")
        devtools.detach()
        return page

    def take_back(self, contexts: Iterable[BrowserContext]) -> None:
        """End the pages of `contexts`, and keep those that can be made as new."""
        for context in contexts:
            if kind := self._kinds.get(context):
                for page in context.pages:
                    page.close()
                self._free[kind].append(context)
            else:
                context.close()


def _mark(thing: object, names: Iterable[str], tell: Callable[[], object]) -> None:
    for name in names:
        setattr(thing, name, _telling(getattr(thing, name), tell))


def _telling(method: Callable[..., Any], tell: Callable[[], object]) -> Callable[..., Any]:
    @wraps(method)
    def call(*values: Any, **options: Any) -> Any:
        tell()
        return method(*values, **options)

    return call
