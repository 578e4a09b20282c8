"""The context pool of the browser tests: a reused context keeps nothing of the test before."""

from typing import Any

import pytest
from playwright.sync_api import Page

from search.models import Image
from tests.browser.contexts import ContextPool

LEAVE = """async () => {
    document.cookie = "left=1; path=/";
    localStorage.setItem("left", "1");
    sessionStorage.setItem("left", "1");
    await caches.open("left");
    await new Promise((done) => { indexedDB.open("left").onsuccess = done; });
}"""
FOUND = """async () => ({
    cookie: document.cookie.includes("left"),
    local: localStorage.getItem("left"),
    session: sessionStorage.getItem("left"),
    caches: await caches.has("left"),
    databases: (await indexedDB.databases()).length,
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    width: innerWidth,
})"""


@pytest.fixture
def usual(live_server, collection: list[Image]) -> dict[str, Any]:
    return {"base_url": live_server.url, "service_workers": "block"}


def after(contexts: ContextPool, page: Page, usual: dict[str, Any]) -> Page:
    """Return the page of the next test."""
    contexts.take_back([page.context])
    return contexts.new_page(**usual)


def test_a_reused_context_has_no_data_and_settings_of_the_test_before(
    contexts: ContextPool, usual: dict[str, Any], responses_finished: None
):
    page = contexts.new_page(**usual, viewport={"width": 390, "height": 844}, color_scheme="dark")
    page.goto("/")
    page.evaluate(LEAVE)
    left = {"cookie": True, "local": "1", "session": "1", "caches": True, "databases": 1, "dark": True, "width": 390}
    assert page.evaluate(FOUND) == left
    page.context.set_offline(True)

    following = after(contexts, page, usual)

    assert following.context == page.context
    following.goto("/")
    new = {"cookie": False, "local": None, "session": None, "caches": False, "databases": 0, "dark": False}
    assert following.evaluate(FOUND) == {**new, "width": 1280}
    contexts.take_back([following.context])


def test_cacheable_responses_of_the_test_before_are_requested_again(
    contexts: ContextPool, usual: dict[str, Any], responses_finished: None
):
    fetch = "async () => { await (await fetch('/manifest.webmanifest')).text(); }"
    page = contexts.new_page(**usual)
    page.goto("/")
    before = contexts.responses.may_be_stale
    page.evaluate(fetch)
    page.evaluate(fetch)
    assert contexts.responses.may_be_stale == before + 1

    following = after(contexts, page, usual)

    following.goto("/")
    following.evaluate(fetch)
    assert contexts.responses.may_be_stale == before + 2
    contexts.take_back([following.context])


def test_a_context_with_a_fake_clock_is_not_reused(
    contexts: ContextPool, usual: dict[str, Any], responses_finished: None
):
    page = contexts.new_page(**usual)
    page.clock.install()

    following = after(contexts, page, usual)

    assert following.context != page.context
    contexts.take_back([following.context])
