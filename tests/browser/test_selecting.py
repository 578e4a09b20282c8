"""Selecting results, and actions on the selection."""

import re
from zipfile import ZipFile

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Locator, Page, expect

from search.models import Album, Image
from search.objects import storage
from tests.base import picture_bytes
from tests.browser.conftest import OpenPage
from tests.browser.test_every_page import violations


def start(page: Page) -> None:
    page.get_by_role("button", name="Select", exact=True).click()
    expect(page.locator("#selection")).to_be_visible()


def tile(page: Page, number: int) -> Locator:
    return page.locator("article .tile-frame").nth(number)


def selected(page: Page) -> list[int]:
    numbers: list[int] = page.eval_on_selector_all(
        ".tile-check input", "checks => checks.flatMap((check, number) => (check.checked ? [number] : []))"
    )
    return numbers


def results(page: Page) -> list[str]:
    found: list[str] = page.eval_on_selector_all("article", "tiles => tiles.map((tile) => tile.dataset.image)")
    return found


def expect_count(page: Page, text: str) -> None:
    expect(page.locator("#selection [role=status]")).to_have_text(text)


def test_clicks_select_and_shift_selects_a_range(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    start(page)
    expect_count(page, "0 selected")
    tile(page, 1).click()
    tile(page, 4).click(modifiers=["Shift"])
    assert selected(page) == [1, 2, 3, 4]
    tile(page, 2).click(modifiers=["Control"])
    tile(page, 0).click()
    assert selected(page) == [0, 1, 3, 4]
    expect_count(page, "4 selected")
    expect(page.locator("#lightbox")).to_be_hidden()
    assert len(page.context.pages) == 1


def test_space_selects_and_enter_still_opens_the_lightbox(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    start(page)
    page.locator("article .tile-link").nth(1).focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+Space")
    assert selected(page) == [1, 2, 3]
    page.keyboard.press("Space")
    assert selected(page) == [1, 2]
    page.keyboard.press("Enter")
    expect(page.locator("#lightbox")).to_be_visible()


def test_every_result_has_a_labelled_checkbox(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    start(page)
    title = collection[29].name
    page.get_by_role("checkbox", name=f"Select “{title}”").check()
    expect_count(page, "1 selected")
    assert selected(page) == [0]


def test_results_loaded_later_can_be_selected_too(open_page: OpenPage, collection: list[Image]):
    page = open_page("/", viewport={"width": 390, "height": 700})
    start(page)
    tile(page, 0).click()
    page.locator(".site-footer").scroll_into_view_if_needed()
    expect(page.locator("article")).to_have_count(30)
    expect(page.locator("#selection")).to_be_in_viewport()
    tile(page, 29).click()
    assert selected(page) == [0, 29]
    tile(page, 25).click(modifiers=["Shift"])
    expect_count(page, "6 selected")


def test_a_button_selects_all_strong_matches(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    for number, band in enumerate(("strong", "strong", "related", "weak")):
        page.locator("article").nth(number).evaluate("(tile, band) => { tile.dataset.band = band; }", band)
    start(page)
    page.get_by_role("button", name="All strong matches").click()
    assert selected(page) == [0, 1]
    page.get_by_role("button", name="Clear", exact=True).click()
    assert selected(page) == []
    expect(page.get_by_role("button", name="Copy links")).to_be_disabled()
    expect(page.get_by_role("button", name="Stop selecting")).to_be_focused()


def test_without_strong_matches_the_button_is_hidden(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    page.eval_on_selector_all("article", "tiles => tiles.forEach((tile) => delete tile.dataset.band)")
    start(page)
    expect(page.get_by_role("button", name="All strong matches")).to_be_hidden()


@pytest.mark.parametrize("has_clipboard", [True, False])
def test_links_are_copied_one_per_line(open_page: OpenPage, collection: list[Image], has_clipboard: bool):
    page = open_page("/", permissions=["clipboard-read", "clipboard-write"])
    if not has_clipboard:
        # As over plain http.
        page.evaluate("navigator.clipboard.writeText = undefined")
    start(page)
    tile(page, 0).click()
    tile(page, 2).click()
    page.get_by_role("button", name="Copy links").click()
    expect_count(page, "Links copied")
    ids = results(page)
    base = page.url.rstrip("/")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.split() == [f"{base}/images/{ids[0]}/", f"{base}/images/{ids[2]}/"]


def test_the_form_sends_the_selection_with_similarities(open_page: OpenPage, collection: list[Image]):
    page = open_page("/search?q=red+star")
    start(page)
    tile(page, 1).click()
    tile(page, 3).click()
    ids = results(page)
    sent = page.locator("#selection").evaluate("form => [...new FormData(form)]")
    similarities = [page.locator("article").nth(number).get_attribute("data-similarity") for number in (1, 3)]
    assert [value for name, value in sent if name == "id"] == [ids[1], ids[3]]
    assert [f"similarity-{ids[1]}", similarities[0]] in sent
    assert [f"similarity-{ids[3]}", similarities[1]] in sent
    assert [name for name, _ in sent].count("csrfmiddlewaretoken") == 1


def test_stopping_clears_the_selection(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    start(page)
    tile(page, 1).click()
    page.get_by_role("button", name="Stop selecting").click()
    expect(page.locator("#selection")).to_be_hidden()
    expect(page.get_by_role("button", name="Select", exact=True)).to_be_focused()
    expect(page.get_by_role("checkbox")).to_have_count(0)
    tile(page, 1).click()
    expect(page.locator("#lightbox")).to_be_visible()


def test_without_javascript_there_is_no_selection_bar(open_page: OpenPage, collection: list[Image]):
    page = open_page("/", java_script_enabled=False)
    expect(page.locator("article").first).to_be_visible()
    expect(page.locator(".result-tools")).to_be_hidden()
    expect(page.locator("#selection")).to_be_hidden()


def test_axe_finds_nothing_while_selecting(open_page: OpenPage, collection: list[Image]):
    page = open_page("/search?q=red+star", viewport={"width": 390, "height": 844})
    start(page)
    tile(page, 0).click()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_a_selection_is_downloaded_as_a_zip(open_page: OpenPage, collection: list[Image]):
    for image in collection:
        storage.put(storage.original_key(image.id), picture_bytes("navy"), "image/jpeg")
    page = open_page("/search?q=red+star")
    start(page)
    tile(page, 0).click()
    tile(page, 2).click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as ZIP").click()
    with ZipFile(download.value.path()) as archive:
        assert len(archive.namelist()) == 3
    # The page stays as it is, for the next action.
    expect_count(page, "2 selected")


def test_a_selection_is_shared_as_a_link(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    start(page)
    tile(page, 3).click()
    tile(page, 1).click()
    ids = results(page)
    page.get_by_role("button", name="Share as a link").click()
    expect(page).to_have_url(re.compile(r"/sets/[0-9a-f-]{36}/$"))
    assert results(page) == [ids[1], ids[3]]


def test_a_button_copies_the_link_of_an_album(open_page: OpenPage, as_alice: Client, alice: User):
    album = Album.objects.create(title="Summer", owner=alice, visibility="link")
    allowed = ["clipboard-read", "clipboard-write"]
    page = open_page(album.get_absolute_url(), as_user=as_alice, permissions=allowed)
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Link copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.get_by_label("Link of the album").input_value()
    assert copied.endswith(album.shared_url())


def test_back_from_a_shared_link_restores_the_selection(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    start(page)
    tile(page, 3).click()
    tile(page, 1).click()
    page.get_by_role("button", name="Share as a link").click()
    expect(page).to_have_url(re.compile(r"/sets/"))
    page.go_back()
    expect_count(page, "2 selected")
    assert selected(page) == [1, 3]
    page.get_by_role("button", name="Stop selecting").click()
    expect(page.locator(".tile-check")).to_have_count(0)
