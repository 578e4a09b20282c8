"""The browser contexts of these tests: one serves several tests, and tells none of them of another."""

from typing import Any

import pytest
from playwright.sync_api import Page

from search.models import Image
from tests.browser.contexts import Contexts

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


def after(contexts: Contexts, page: Page, usual: dict[str, Any]) -> Page:
    """The page of the test that follows the one of `page`."""
    contexts.take_back([page.context])
    return contexts.new_page(**usual)


def test_a_context_that_served_a_test_is_as_new(contexts: Contexts, usual: dict[str, Any], answered: None):
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


def test_what_the_site_may_answer_otherwise_is_asked_for_again(
    contexts: Contexts, usual: dict[str, Any], answered: None
):
    fetch = "async () => { await (await fetch('/manifest.webmanifest')).text(); }"
    page = contexts.new_page(**usual)
    page.goto("/")
    before = contexts.answers.outdated
    page.evaluate(fetch)
    page.evaluate(fetch)
    assert contexts.answers.outdated == before + 1

    following = after(contexts, page, usual)

    following.goto("/")
    following.evaluate(fetch)
    assert contexts.answers.outdated == before + 2
    contexts.take_back([following.context])


def test_a_context_whose_clock_was_set_serves_no_other_test(contexts: Contexts, usual: dict[str, Any], answered: None):
    page = contexts.new_page(**usual)
    page.clock.install()

    following = after(contexts, page, usual)

    assert following.context != page.context
    contexts.take_back([following.context])
