"""Going back returns to the same results at the same position, including those loaded by scrolling."""

import re

from playwright.sync_api import Locator, Page, expect

from search.models import Image
from tests.browser.conftest import OpenPage

PHONE = {"width": 390, "height": 700}


def tiles(page: Page) -> list[str]:
    found: list[str] = page.eval_on_selector_all("article", "tiles => tiles.map((tile) => tile.dataset.image)")
    return found


def scroll_to_page(page: Page, number: int) -> None:
    """Scroll until this number of pages of results is loaded."""
    for there in range(2, number + 1):
        page.locator(".site-footer").scroll_into_view_if_needed()
        expect(page.locator("article")).to_have_count(24 * there)


def follow_without_click(link: Locator) -> None:
    """Follow a link to its page without the click handlers of scripts."""
    link.focus()
    link.evaluate("link => location.assign(link.href)")


def top(page: Page) -> float:
    place: float = page.evaluate("scrollY")
    return place


def test_back_from_a_picture_returns_to_the_same_position_on_the_third_page(
    open_page: OpenPage, large_collection: list[Image]
):
    page = open_page("/search?q=red+star", viewport=PHONE)
    scroll_to_page(page, 3)
    opened = page.locator("article").nth(50)
    opened.scroll_into_view_if_needed()
    before, place = tiles(page), top(page)
    assert place > 3000
    follow_without_click(opened.locator(".tile-link"))
    expect(page).to_have_url(re.compile("/images/"))
    page.go_back()
    expect(page.locator("article")).to_have_count(72)
    assert tiles(page) == before
    assert top(page) == place
    expect(opened.locator(".tile-link")).to_be_focused()


def test_after_going_back_scrolling_loads_further_pages(open_page: OpenPage, large_collection: list[Image]):
    page = open_page("/", viewport=PHONE)
    scroll_to_page(page, 2)
    follow_without_click(page.locator("article .tile-link").nth(20))
    expect(page).to_have_url(re.compile("/images/"))
    page.go_back()
    expect(page.locator("article")).to_have_count(48)
    page.locator(".site-footer").scroll_into_view_if_needed()
    expect(page.locator("article")).to_have_count(72)
    assert len(set(tiles(page))) == 72


def test_back_between_searches_returns_to_the_same_position(open_page: OpenPage, large_collection: list[Image]):
    page = open_page("/", viewport=PHONE)
    scroll_to_page(page, 2)
    page.evaluate("scrollTo(0, 1500)")
    before, place = tiles(page), top(page)
    # Filled without keys, which would scroll the box into view first.
    page.locator("#words").evaluate("box => { box.value = 'red star'; box.dispatchEvent(new InputEvent('input')); }")
    expect(page.locator("#found")).to_have_attribute("data-words", "red star")
    page.go_back()
    expect(page.locator("article")).to_have_count(48)
    assert tiles(page) == before
    assert top(page) == place
    page.go_forward()
    expect(page.locator("#found")).to_have_attribute("data-words", "red star")
    expect(page.locator("article")).to_have_count(24)


def test_reloading_shows_fresh_results(open_page: OpenPage, large_collection: list[Image]):
    page = open_page("/", viewport=PHONE)
    newest = tiles(page)[0]
    Image.objects.filter(pk=newest).update(hidden=True)
    page.reload()
    assert newest not in tiles(page)


def test_going_back_works_without_session_storage(open_page: OpenPage, collection: list[Image]):
    page = open_page("/accounts/login/")
    page.add_init_script("Storage.prototype.setItem = () => { throw new DOMException('full'); };")
    page.goto("/")
    page.locator("#words").fill("red star")
    expect(page.locator("#found")).to_have_attribute("data-words", "red star")
    page.go_back()
    expect(page.locator("#found")).to_have_attribute("data-words", "")
    expect(page.locator("#words")).to_have_value("")
