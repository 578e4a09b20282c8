"""A pool of browser contexts. A reused context has the static files in its cache, and compiled scripts."""

from collections import Counter
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.server import Responses

PAGE_OPTIONS = ("viewport", "color_scheme", "reduced_motion")
"""Options of a context that can be set for a single page."""
DEFAULTS = {"java_script_enabled": True, "has_touch": False, "is_mobile": False}
IRREVERSIBLE = (
    "add_init_script", "expose_binding", "expose_function", "grant_permissions", "route", "route_from_har",
    "route_web_socket", "set_extra_http_headers", "set_geolocation",
)  # fmt: skip
IRREVERSIBLE_FOR_CLOCK = ("install", "pause_at", "set_fixed_time", "set_system_time")
"""Methods of a context and of its clock, which its pages share. A context on which one was called is not reused."""
MOST_FREE = 2
"""Contexts that are kept: each has up to six connections to the live server, and each of those one to the database."""


class ContextPool:
    """Contexts of one browser; each serves one test at a time, and only tests with the same options."""

    def __init__(self, browser: Browser, responses: Responses) -> None:
        self._browser, self.responses = browser, responses
        self._free: list[BrowserContext] = []  # the last one used is the last
        self._uses: Counter[str] = Counter()
        self._reusable: dict[BrowserContext, str] = {}
        self._stale_when_emptied: dict[BrowserContext, int] = {}

    def new_page(self, **options: Any) -> Page:
        """Return an empty page that is alone in its context; `options` are those of Browser.new_context."""
        of_page = {name: options.pop(name) for name in PAGE_OPTIONS if name in options}
        options = {name: value for name, value in options.items() if DEFAULTS.get(name) != value}
        key = repr(sorted(options.items()))
        self._uses[key] += 1
        free = next((one for one in reversed(self._free) if self._reusable[one] == key), None)
        page = self._reset(free) if free else self._create(key, options).new_page()
        if size := of_page.pop("viewport", None):
            page.set_viewport_size(size)
        if of_page:
            page.emulate_media(**of_page)
        return page

    def _create(self, key: str, options: dict[str, Any]) -> BrowserContext:
        context = self._browser.new_context(**options)
        # The first search loads the model, which takes a while on a busy machine.
        context.set_default_navigation_timeout(90_000)
        if options.get("service_workers") != "allow" and "permissions" not in options:
            self._reusable[context] = key
            self._stale_when_emptied[context] = self.responses.may_be_stale
        for thing, names in ((context, IRREVERSIBLE), (context.clock, IRREVERSIBLE_FOR_CLOCK)):
            _call_before(thing, names, lambda: self._reusable.pop(context, None))
        return context

    def _reset(self, context: BrowserContext) -> Page:
        """Remove everything that the last test left, except cached responses that are still right."""
        self._free.remove(context)
        context.set_offline(False)
        context.clear_cookies()
        (page,) = context.pages
        devtools = context.new_cdp_session(page)
        devtools.send("Storage.clearDataForOrigin", {"origin": self.responses.origin, "storageTypes": "all"})
        if self._stale_when_emptied[context] != self.responses.may_be_stale:
            self._stale_when_emptied[context] = self.responses.may_be_stale
            devtools.send("Network.clearBrowserCache")
        devtools.detach()
        return page

    def take_back(self, contexts: Iterable[BrowserContext]) -> None:
        """Close the pages of `contexts`; keep the contexts that can be reset, and close the others."""
        for context in contexts:
            if context in self._reusable:
                used = context.pages
                # The page of the next test, opened while there are others, is in their process.
                context.new_page()
                for page in used:
                    page.close()
                self._free.append(context)
            else:
                context.close()
        self._keep(MOST_FREE)

    def close(self) -> None:
        """Close all contexts that are kept."""
        self._keep(0)

    def _keep(self, most: int) -> None:
        while len(self._free) > most:
            # A new context has an empty cache: the usual one stays, and of the others the last ones.
            usual = max(self._free, key=lambda context: self._uses[self._reusable[context]])
            closed = next((one for one in self._free if one != usual), usual)
            self._free.remove(closed)
            del self._reusable[closed], self._stale_when_emptied[closed]
            closed.close()


def _call_before(thing: object, names: Iterable[str], callback: Callable[[], object]) -> None:
    for name in names:
        setattr(thing, name, _with_callback(getattr(thing, name), callback))


def _with_callback(method: Callable[..., Any], callback: Callable[[], object]) -> Callable[..., Any]:
    @wraps(method)
    def call(*values: Any, **options: Any) -> Any:
        callback()
        return method(*values, **options)

    return call
