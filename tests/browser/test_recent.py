"""Recent searches, stored in the browser."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from search.models import Image
from tests.browser.conftest import OpenPage
from tests.browser.test_every_page import violations

NAME = "recent-searches"


def panel(page: Page) -> Locator:
    return page.locator("#recent")


def names(page: Page) -> list[str]:
    return panel(page).get_by_role("link").all_inner_texts()


def store_searches(page: Page, *searches: str) -> None:
    """Store these searches, the newest first."""
    page.evaluate("([name, searches]) => localStorage.setItem(name, JSON.stringify(searches))", [NAME, searches])
    page.reload()


def test_the_start_page_lists_recent_searches_newest_first(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    expect(panel(page)).to_be_hidden()
    for words in ("red star", "blue circle", "red star"):
        page.goto("/search?q=" + words.replace(" ", "+"))
    expect(panel(page)).to_be_hidden()
    page.goto("/")
    assert names(page) == ["red star", "blue circle"]
    panel(page).get_by_role("link", name="blue circle").click()
    expect(page).to_have_url(re.compile(r"/search\?q=blue\+circle$"))


def test_the_empty_search_box_lists_them_while_it_is_focused(open_page: OpenPage, collection: list[Image]):
    page = open_page(f"/search?like={collection[0].id}")
    store_searches(page, "q=red+star", "q=sea")
    expect(panel(page)).to_be_hidden()
    box = page.locator("#words")
    box.focus()
    expect(panel(page)).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(panel(page).get_by_role("link", name="red star")).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(box).to_be_focused()
    box.press_sequentially("d")
    expect(panel(page)).to_be_hidden()
    box.press("Backspace")
    expect(panel(page)).to_be_visible()
    page.keyboard.press("Escape")
    expect(panel(page)).to_be_hidden()


def test_a_query_picture_is_listed_with_its_thumbnail(open_page: OpenPage, collection: list[Image], files: list[Path]):
    page = open_page()
    page.get_by_title("Search by a picture").click()
    page.set_input_files("#by-picture input[type=file]", files[0])
    page.wait_for_url(re.compile(r"/search\?picture="))
    asked = page.url
    page.goto("/")
    link = panel(page).get_by_role("link", name="By picture")
    expect(link.locator("img")).to_have_js_property("complete", True)
    assert link.locator("img").evaluate("picture => picture.naturalWidth") > 0
    link.click()
    expect(page).to_have_url(asked)


def test_an_expired_query_picture_is_not_listed(open_page: OpenPage, collection: list[Image]):
    page = open_page()
    store_searches(page, "picture=6f2a1f9e-1111-4222-8333-444455556666", "q=sea")
    expect(panel(page).get_by_role("listitem")).to_have_count(1)
    assert names(page) == ["sea"]


def test_filters_order_and_pages_are_not_stored(open_page: OpenPage, collection: list[Image]):
    page = open_page("/search?q=red+star&page=2")
    page.goto("/")
    expect(panel(page).get_by_role("link", name="red star")).to_have_attribute("href", "/search?q=red+star")


def test_a_failed_search_is_not_stored(open_page: OpenPage, collection: list[Image]):
    page = open_page("/search?like=mistyped")
    page.goto("/")
    expect(panel(page)).to_be_hidden()


def test_at_most_twelve_are_stored(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    store_searches(page, *(f"q=word{number}" for number in range(12)))
    page.goto("/search?q=red+star")
    page.goto("/")
    assert names(page) == ["red star", *(f"word{number}" for number in range(11))]


def test_each_can_be_removed_and_all_cleared(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    store_searches(page, "q=one", "q=two", "q=three")
    panel(page).get_by_role("button", name="Remove “two”").press("Enter")
    assert names(page) == ["one", "three"]
    expect(panel(page).get_by_role("button", name="Remove “three”")).to_be_focused()
    page.reload()
    assert names(page) == ["one", "three"]
    panel(page).get_by_role("button", name="Clear").click()
    expect(panel(page)).to_be_hidden()
    page.reload()
    expect(panel(page)).to_be_hidden()


@pytest.mark.parametrize(
    "garbage", ["{", "7", '{"q": 1}', '[null, 3, "", "q=", "page=2", {"a": 1}, "<b>", "q=sea"]', "null"]
)
def test_invalid_stored_data_is_ignored(open_page: OpenPage, collection: list[Image], garbage: str):
    page = open_page("/")
    page.evaluate("([name, garbage]) => localStorage.setItem(name, garbage)", [NAME, garbage])
    page.goto("/search?q=red+star")
    page.goto("/")
    assert names(page) == ["red star", "sea"] if "sea" in garbage else ["red star"]


def test_searching_works_if_the_browser_forbids_local_storage(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } });"
    )
    page.goto("/search?q=red+star")
    page.goto("/")
    expect(panel(page)).to_be_hidden()
    page.locator("article .tile-link").first.click()
    expect(page.locator("#lightbox")).to_be_visible()


def test_markup_in_words_is_escaped(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    store_searches(page, "q=%3Cimg+src%3Dx+onerror%3Dalert%281%29%3E", "q=%EB%B0%94%EB%8B%A4&not=%EB%B0%B0")
    assert names(page) == ["<img src=x onerror=alert(1)>", "바다 −배"]


def test_the_results_do_not_move_when_the_list_appears(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    store_searches(page, "q=sea")
    expect(panel(page)).to_be_visible()
    page.wait_for_load_state("networkidle")
    shift = page.evaluate(
        """() => new Promise((resolve) => {
            let sum = 0;
            const observer = new PerformanceObserver((list) => list.getEntries().forEach((one) => (sum += one.value)));
            observer.observe({type: "layout-shift", buffered: true});
            requestAnimationFrame(() => requestAnimationFrame(() => resolve(sum)));
        })"""
    )
    assert shift < 0.01


def test_axe_finds_nothing_in_the_list(open_page: OpenPage, collection: list[Image]):
    page = open_page("/", viewport={"width": 390, "height": 844})
    store_searches(page, *(f"q=a+longer+search+number+{number}" for number in range(8)), f"like={collection[0].id}")
    assert violations(page) == []
    page.goto(f"/search?like={collection[0].id}")
    page.locator("#words").focus()
    expect(panel(page)).to_be_visible()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_after_a_refused_picture_the_list_stays_closed(open_page: OpenPage, collection: list[Image], tmp_path: Path):
    page = open_page("/search?q=red+star")
    page.goto("/search?q=blue+circle")
    no_picture = tmp_path / "notes.txt"
    no_picture.write_text("Not a picture.")
    page.set_input_files("#by-picture input[type=file]", no_picture)
    expect(page.locator(".problem", has_text="not a picture")).to_be_visible()
    expect(page.locator("#recent")).to_be_hidden()
