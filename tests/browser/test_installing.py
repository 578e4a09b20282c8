"""The installed site in the browser: without a connection, after an upgrade, and with pictures that are shared."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from search.models import Image
from search.views import installing
from tests.browser.conftest import OpenPage

PHONE = {"viewport": {"width": 390, "height": 844}}
WITH_WORKER: dict[str, Any] = {"service_workers": "allow"}


def controlled(page: Page) -> None:
    """Wait until the worker has what it keeps, and answers for the page."""
    page.evaluate(
        """() => new Promise((done) => {
            const { serviceWorker } = navigator;
            if (serviceWorker.controller) done();
            else serviceWorker.addEventListener("controllerchange", () => done(), { once: true });
        })"""
    )


def kept(page: Page) -> dict[str, list[str]]:
    """The addresses in each cache of this site."""
    found: dict[str, list[str]] = page.evaluate(
        """async () => Object.fromEntries(await Promise.all((await caches.keys()).map(async (name) => {
            const keys = await (await caches.open(name)).keys();
            return [name, keys.map(({ url }) => url.replace(location.origin, ""))];
        })))"""
    )
    return found


def share(page: Page, *files: Path) -> None:
    """Do what a phone does with pictures that are shared with the app."""
    page.evaluate(
        """() => {
            const form = document.createElement("form");
            form.method = "post"; form.enctype = "multipart/form-data"; form.id = "phone";
            form.action = "/share/";
            form.innerHTML = '<input type="file" name="picture" multiple>';
            document.body.append(form);
        }"""
    )
    page.set_input_files("#phone input", files)
    page.locator("#phone").evaluate("form => form.submit()")
    expect(page.get_by_role("heading", level=1)).to_have_text("What do you want to do with the picture?")


def test_without_a_connection_there_is_a_page_that_says_so(open_page: OpenPage, collection: list[Image]):
    page = open_page("/", expected="ERR_INTERNET_DISCONNECTED|ERR_FAILED", **WITH_WORKER)
    controlled(page)
    page.context.set_offline(True)
    page.goto(f"/images/{collection[0].id}/")
    expect(page.get_by_role("heading", level=1)).to_have_text("You are offline")
    # It looks like the others, and leads to what was asked for.
    assert page.evaluate("getComputedStyle(document.querySelector('.button-strong')).display") != "inline"
    page.context.set_offline(False)
    expect(page.get_by_role("heading", level=1)).to_have_text(collection[0].title or re.compile("."))
    expect(page).to_have_url(re.compile(str(collection[0].id)))


def test_nothing_is_kept_but_static_files_and_the_offline_page(open_page: OpenPage, collection: list[Image], as_alice):
    page = open_page("/", as_user=as_alice, **WITH_WORKER)
    controlled(page)
    for path in ("/search?q=red+star", f"/images/{collection[0].id}/", "/account/", "/saved/"):
        page.goto(path)
    (addresses,) = kept(page).values()
    assert addresses
    assert [one for one in addresses if not re.match("/static/|/offline/", one)] == []


def test_what_an_older_version_has_kept_goes(open_page: OpenPage, collection: list[Image], monkeypatch):
    page = open_page("/", **WITH_WORKER)
    controlled(page)
    (before,) = kept(page)
    page.evaluate("() => caches.open('another site')")
    script = installing._worker()
    monkeypatch.setattr(installing, "_worker", lambda: f"{script}\n// Newer.\n")
    page.evaluate(
        """async (before) => {
            await (await navigator.serviceWorker.ready).update();
            while (await caches.has(before)) await new Promise(requestAnimationFrame);
        }""",
        before,
    )
    after = kept(page)
    assert len(after) == 2
    assert "another site" in after


@pytest.mark.parametrize("screen", [{}, PHONE], ids=["desktop", "phone"])
def test_a_picture_that_is_shared_is_searched_by(open_page: OpenPage, collection, files: list[Path], screen):
    page = open_page("/", **WITH_WORKER, **screen)
    controlled(page)
    share(page, *files)
    expect(page.locator("#shared img")).to_have_count(2)
    expect(page.get_by_text("The picture did not arrive.")).to_have_count(0)
    page.get_by_role("button", name="Search by this picture").click()
    expect(page).to_have_url(re.compile(r"/search\?picture="))
    expect(page.locator("#found .tile").first).to_be_visible()
    # And is on this device no longer.
    assert not [name for name in kept(page) if "shared" in name]


def test_pictures_that_are_shared_are_added(open_page: OpenPage, collection, files: list[Path], as_alice):
    page = open_page("/", as_user=as_alice, **WITH_WORKER, **PHONE)
    controlled(page)
    share(page, *files)
    before = Image.objects.count()
    page.get_by_role("button", name="Add pictures").click()
    expect(page.locator(".outcome")).to_have_count(2)
    assert Image.objects.count() == before + 2


def test_without_a_worker_the_picture_is_chosen_once_more(open_page: OpenPage, collection, files: list[Path]):
    page = open_page("/", expected="403")
    share(page, files[0])
    expect(page.get_by_role("alert")).to_have_text("The picture did not arrive. Choose it again.")
    page.get_by_label("Picture", exact=True).set_input_files(files[0])
    page.get_by_role("button", name="Search by this picture").click()
    expect(page).to_have_url(re.compile(r"/search\?picture="))
