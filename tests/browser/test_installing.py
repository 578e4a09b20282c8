"""The installed site: offline, after an upgrade, and with shared pictures."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from search.models import Image
from search.views import installed_app
from tests.browser.conftest import OpenPage

PHONE = {"viewport": {"width": 390, "height": 844}}
WITH_WORKER: dict[str, Any] = {"service_workers": "allow"}


def wait_for_worker(page: Page) -> None:
    """Wait until the service worker has filled its cache and controls the page."""
    page.evaluate(
        """() => new Promise((done) => {
            const { serviceWorker } = navigator;
            if (serviceWorker.controller) done();
            else serviceWorker.addEventListener("controllerchange", () => done(), { once: true });
        })"""
    )


def cached_addresses(page: Page) -> dict[str, list[str]]:
    """The addresses in each cache of this site."""
    found: dict[str, list[str]] = page.evaluate(
        """async () => Object.fromEntries(await Promise.all((await caches.keys()).map(async (name) => {
            const keys = await (await caches.open(name)).keys();
            return [name, keys.map(({ url }) => url.replace(location.origin, ""))];
        })))"""
    )
    return found


def share(page: Page, *files: Path) -> None:
    """Do what a phone does with pictures shared with the app."""
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


def test_offline_a_page_says_so(open_page: OpenPage, collection: list[Image]):
    page = open_page("/", expected="ERR_INTERNET_DISCONNECTED|ERR_FAILED", **WITH_WORKER)
    wait_for_worker(page)
    page.context.set_offline(True)
    page.goto(f"/images/{collection[0].id}/")
    expect(page.get_by_role("heading", level=1)).to_have_text("You are offline")
    # It looks like the others, and links to the requested address.
    assert page.evaluate("getComputedStyle(document.querySelector('.button-strong')).display") != "inline"
    page.context.set_offline(False)
    expect(page.get_by_role("heading", level=1)).to_have_text(collection[0].title or re.compile("."))
    expect(page).to_have_url(re.compile(str(collection[0].id)))


def test_only_static_files_and_the_offline_page_are_cached(open_page: OpenPage, collection: list[Image], as_alice):
    page = open_page("/", as_user=as_alice, **WITH_WORKER)
    wait_for_worker(page)
    for path in ("/search?q=red+star", f"/images/{collection[0].id}/", "/account/", "/saved/"):
        page.goto(path)
    (addresses,) = cached_addresses(page).values()
    assert addresses
    assert [one for one in addresses if not re.match("/static/|/offline/", one)] == []


def test_the_cache_of_an_older_version_is_deleted(open_page: OpenPage, collection: list[Image], monkeypatch):
    page = open_page("/", **WITH_WORKER)
    wait_for_worker(page)
    (before,) = cached_addresses(page)
    page.evaluate("() => caches.open('another site')")
    script = installed_app._worker()
    monkeypatch.setattr(installed_app, "_worker", lambda: f"{script}\n// Newer.\n")
    page.evaluate(
        """async (before) => {
            await (await navigator.serviceWorker.ready).update();
            while (await caches.has(before)) await new Promise(requestAnimationFrame);
        }""",
        before,
    )
    after = cached_addresses(page)
    assert len(after) == 2
    assert "another site" in after


@pytest.mark.parametrize("screen", [{}, PHONE], ids=["desktop", "phone"])
def test_a_shared_picture_is_searched_by(open_page: OpenPage, collection, files: list[Path], screen):
    page = open_page("/", **WITH_WORKER, **screen)
    wait_for_worker(page)
    share(page, *files)
    expect(page.locator("#shared img")).to_have_count(2)
    expect(page.get_by_text("The picture did not arrive.")).to_have_count(0)
    page.get_by_role("button", name="Search by this picture").click()
    expect(page).to_have_url(re.compile(r"/search\?picture="))
    expect(page.locator("#found .tile").first).to_be_visible()
    # And is no longer on this device.
    assert not [name for name in cached_addresses(page) if "shared" in name]


def test_shared_pictures_are_added(open_page: OpenPage, collection, files: list[Path], as_alice):
    page = open_page("/", as_user=as_alice, **WITH_WORKER, **PHONE)
    wait_for_worker(page)
    share(page, *files)
    before = Image.objects.count()
    page.get_by_role("button", name="Add pictures").click()
    expect(page.locator(".outcome")).to_have_count(2)
    assert Image.objects.count() == before + 2


def test_without_a_service_worker_the_picture_must_be_chosen_again(open_page: OpenPage, collection, files: list[Path]):
    page = open_page("/", expected="403")
    share(page, files[0])
    expect(page.get_by_role("alert")).to_have_text("The picture did not arrive. Choose it again.")
    page.get_by_label("Picture", exact=True).set_input_files(files[0])
    page.get_by_role("button", name="Search by this picture").click()
    expect(page).to_have_url(re.compile(r"/search\?picture="))
