"""Keyboard navigation of the results."""

import re

import pytest
from playwright.sync_api import Page, expect

from search.models import Image
from tests.browser.conftest import OpenPage
from tests.browser.test_every_page import violations


def focused(page: Page) -> int:
    """The index of the focused result; -1 for none."""
    number: int = page.evaluate(
        "[...document.querySelectorAll('article')].indexOf(document.activeElement.closest('article'))"
    )
    return number


def middles(page: Page) -> list[tuple[float, float]]:
    """The positions of the results' frames: horizontal centre, and top."""
    places: list[tuple[float, float]] = page.eval_on_selector_all(
        "article .tile-frame",
        """frames => frames.map((frame) => {
            const {left, width, top} = frame.getBoundingClientRect();
            return [left + width / 2, top + scrollY];
        })""",
    )
    return places


def test_right_and_left_follow_the_order(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    page.keyboard.press("ArrowRight")
    assert focused(page) == 0
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert focused(page) == 2
    page.keyboard.press("ArrowLeft")
    assert focused(page) == 1
    assert page.evaluate("document.activeElement.matches(':focus-visible')")


@pytest.mark.parametrize("width", [390, 1440])
def test_down_and_up_move_to_the_nearest_in_the_next_row(open_page: OpenPage, collection: list[Image], width: int):
    page = open_page("/", viewport={"width": width, "height": 900})
    places = middles(page)
    start = 1
    page.locator("article .tile-link").nth(start).focus()
    page.keyboard.press("ArrowDown")
    below = min({top for _, top in places if top > places[start][1] + 4})
    row = [number for number, (_, top) in enumerate(places) if abs(top - below) < 4]
    nearest = min(row, key=lambda number: abs(places[number][0] - places[start][0]))
    assert focused(page) == nearest
    page.keyboard.press("ArrowUp")
    assert abs(places[focused(page)][1] - places[start][1]) < 4


def test_without_a_focused_result_down_scrolls(open_page: OpenPage, collection: list[Image]):
    page = open_page("/", viewport={"width": 1440, "height": 400})
    for _ in range(5):
        page.keyboard.press("ArrowDown")
    expect(page.locator(".brand")).not_to_be_in_viewport()
    assert focused(page) == -1


def test_enter_opens_the_lightbox_and_s_searches_for_more_like_it(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("#lightbox")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#lightbox")).to_be_hidden()
    asked = page.locator("article").first.get_attribute("data-image")
    page.keyboard.press("s")
    expect(page).to_have_url(re.compile(f"like={asked}"))


def test_keys_work_with_a_korean_keyboard_layout(open_page: OpenPage, collection: list[Image]):
    page = open_page("/", locale="ko-KR")
    page.locator("article .tile-link").first.focus()
    asked = page.locator("article").first.get_attribute("data-image")
    page.evaluate(
        """document.activeElement.dispatchEvent(
            new KeyboardEvent("keydown", {key: "ㄴ", code: "KeyS", bubbles: true, cancelable: true}))"""
    )
    expect(page).to_have_url(re.compile(f"like={asked}"))


@pytest.mark.parametrize("modifier", ["Control", "Alt", "Meta"])
def test_keys_with_a_modifier_are_left_to_the_browser(open_page: OpenPage, collection: list[Image], modifier: str):
    page = open_page("/")
    page.locator("article .tile-link").first.focus()
    prevented = page.evaluate(
        """(modifier) => ["s", "?", "ArrowDown", "ArrowRight"].map((key) => !document.activeElement.dispatchEvent(
            new KeyboardEvent("keydown", {key, [modifier]: true, bubbles: true, cancelable: true})))""",
        {"Control": "ctrlKey", "Alt": "altKey", "Meta": "metaKey"}[modifier],
    )
    assert prevented == [False] * 4
    expect(page).to_have_url(re.compile(r"/$"))


def test_in_the_search_box_keys_are_typed(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    box = page.locator("#words")
    box.press_sequentially("s?/")
    page.keyboard.press("ArrowLeft")
    expect(box).to_have_value("s?/")
    expect(box).to_be_focused()
    expect(page.locator("#keys-help")).to_be_hidden()


def test_escape_leaves_the_search_box_and_keeps_its_text(open_page: OpenPage, collection: list[Image]):
    page = open_page("/search?q=red+star")
    page.keyboard.press("/")
    expect(page.locator("#words")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#words")).not_to_be_focused()
    expect(page.locator("#words")).to_have_value("red star")
    page.keyboard.press("ArrowRight")
    assert focused(page) == 0


def test_the_help_lists_the_keys(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    page.keyboard.press("?")
    expect(dialog).to_contain_text("More like this result")
    assert violations(page) == []
    page.keyboard.press("ArrowRight")
    assert focused(page) == -1
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Keyboard shortcuts").click()
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name="Keyboard shortcuts")).to_be_focused()
