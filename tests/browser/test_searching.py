"""Searching in the browser."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from search.example_searches.measuring import measure
from search.models import Image
from tests.browser.conftest import OpenPage


def results(page: Page) -> list[str]:
    return [article.get_attribute("data-image") or "" for article in page.locator("article[data-image]").all()]


def test_words_find_pictures_with_their_similarity(open_page: OpenPage, collection: list[Image]):
    page = open_page()
    page.locator("#words").fill("red star")
    page.locator("#words").press("Enter")
    expect(page).to_have_url(re.compile(r"/search\?q=red(\+|%20)star$"))
    expect(page.get_by_role("heading", level=2)).to_have_text("30 pictures, nearest first")
    assert len(set(results(page)[:24])) == 24
    similarities = [
        float(article.get_attribute("data-similarity") or "nan") for article in page.locator("article").all()[:24]
    ]
    assert similarities == sorted(similarities, reverse=True)
    expect(page.locator(".similarity").first).to_contain_text(f"{similarities[0]:.2f}")


@pytest.mark.parametrize("script", [True, False])
def test_an_example_of_the_collection_can_be_searched(open_page: OpenPage, collection: list[Image], script: bool):
    measure()
    page = open_page(viewport={"width": 390, "height": 844}, java_script_enabled=script)
    thing = page.get_by_role("region", name="Things in this collection").get_by_role("link").first
    expect(thing.locator("img")).to_have_js_property("complete", True)
    words = thing.inner_text()
    thing.click()
    expect(page.locator("#words")).to_have_value(words.lower())
    expect(page.locator("article").first).to_be_visible()
    expect(page.locator(".things")).to_have_count(0)


def test_a_chosen_picture_leads_to_the_address_of_its_search(
    open_page: OpenPage, collection: list[Image], files: list[Path]
):
    page = open_page()
    page.get_by_title("Search by a picture").click()
    page.set_input_files("#by-picture input[type=file]", files[0])
    page.wait_for_url(re.compile(r"/search\?picture=[0-9a-f-]{36}$"))
    expect(page.get_by_role("img", name="The query picture")).to_be_visible()
    expect(page.locator("article").first).to_be_visible()
    page.get_by_role("link", name="Remove More like this picture").click()
    expect(page.locator("#found-title")).to_have_text("Newest pictures")


def test_a_pasted_picture_is_searched(open_page: OpenPage, collection: list[Image]):
    page = open_page()
    page.evaluate(
        """async () => {
            const canvas = new OffscreenCanvas(60, 40);
            canvas.getContext("2d").fillRect(0, 0, 30, 40);
            const picture = new File([await canvas.convertToBlob()], "pasted.png", {type: "image/png"});
            const clipboardData = new DataTransfer();
            clipboardData.items.add(picture);
            document.dispatchEvent(new ClipboardEvent("paste", {clipboardData, bubbles: true}));
        }"""
    )
    page.wait_for_url(re.compile(r"/search\?picture="))
    expect(page.locator("article").first).to_be_visible()


def test_a_dropped_file_that_is_no_picture_is_refused_with_a_message(open_page: OpenPage, collection: list[Image]):
    page = open_page()
    page.evaluate(
        """() => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File(["not a picture"], "notes.txt", {type: "text/plain"}));
            const event = (name) => new DragEvent(name, {dataTransfer, bubbles: true, cancelable: true});
            document.body.dispatchEvent(event("dragenter"));
            window.veilWasShown = !document.getElementById("veil").hidden;
            document.body.dispatchEvent(event("drop"));
        }"""
    )
    expect(page.get_by_role("alert")).to_have_text("This file is not a picture.")
    # The search can be continued, and the address of the POST redirects.
    expect(page.locator("#words")).to_be_visible()
    page.get_by_role("button", name="한국어").click()
    expect(page).to_have_url(re.compile(r"/$"))


def test_scrolling_loads_the_next_page(open_page: OpenPage, collection: list[Image]):
    page = open_page("/", viewport={"width": 390, "height": 700})
    expect(page.locator("article")).to_have_count(24)
    page.locator(".site-footer").scroll_into_view_if_needed()
    expect(page.locator("article")).to_have_count(30)
    assert results(page) == [str(image.id) for image in reversed(collection)]
    expect(page.locator("#announcements")).to_have_text("Page 2 of 2 loaded")
    expect(page.get_by_role("link", name="Next")).to_have_count(0)
    expect(page).to_have_url(re.compile(r"/$"))


def test_without_javascript_pages_are_linked(open_page: OpenPage, collection: list[Image]):
    page = open_page("/", java_script_enabled=False)
    first = results(page)
    assert len(first) == 24
    page.get_by_role("link", name="Next").click()
    expect(page).to_have_url(re.compile(r"/search\?page=2&seen=\d+&after=\d+_[0-9a-f]{32}$"))
    second = results(page)
    assert first + second == [str(image.id) for image in reversed(collection)]
    page.get_by_role("link", name="Previous").click()
    expect(page).to_have_url(re.compile(r"/$|/search$"))
    expect(page.locator("article")).to_have_count(24)
    assert results(page) == first


def test_without_javascript_a_picture_is_sent_by_a_button(
    open_page: OpenPage, collection: list[Image], files: list[Path]
):
    page = open_page("/", java_script_enabled=False)
    page.get_by_title("Search by a picture").click()
    page.set_input_files("#by-picture input[type=file]", files[0])
    page.get_by_role("button", name="Search by this picture").click()
    expect(page).to_have_url(re.compile(r"/search\?picture="))
    expect(page.locator("article")).to_have_count(24)


def test_more_like_this_shows_the_others(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    asked = results(page)[0]
    page.locator("article").first.get_by_role("link", name="More like this").click()
    expect(page).to_have_url(re.compile(f"like={asked}"))
    expect(page.get_by_role("heading", level=2)).to_have_text("29 pictures, nearest first")
    assert asked not in results(page)


@pytest.mark.parametrize("path", ["/", "/search?q=red+star", "/accounts/login/"])
def test_slash_focuses_the_search_box(open_page: OpenPage, collection: list[Image], path: str):
    page = open_page(path)
    if path.startswith("/accounts"):
        page.locator("h1").click()
        page.keyboard.press("Tab")
        page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    expect(page.locator("#words")).to_be_focused()
    page.keyboard.type("a/b")
    expect(page.locator("#words")).to_have_value("a/b")


def test_escape_closes_a_menu_and_returns_the_focus(open_page: OpenPage, collection: list[Image], as_alice):
    page = open_page("/", as_user=as_alice)
    page.locator(".menu summary").click()
    page.get_by_role("link", name="Account").focus()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Account")).to_be_hidden()
    expect(page.locator(".menu summary")).to_be_focused()
