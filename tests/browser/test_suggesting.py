"""Suggestions below the search box, chosen by keyboard or mouse, or ignored."""

from playwright.sync_api import Page, expect

from search.models import Image
from tests.browser.conftest import OpenPage


def suggestion_labels(page: Page) -> list[str]:
    expect(page.get_by_role("listbox", name="Suggestions")).to_be_visible()
    return page.locator("#suggestions .suggestion-label").all_inner_texts()


def test_suggestions_are_chosen_by_keyboard_or_mouse_or_ignored(open_page: OpenPage, collection: list[Image]) -> None:
    Image.objects.filter(pk=collection[0].pk).update(tags=["holiday", "two words"])
    Image.objects.filter(pk=collection[1].pk).update(tags=["holiday"])
    page = open_page("/")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/suggestions" in request.url else None)
    box = page.get_by_role("combobox", name="Describe a picture")
    expect(box).to_have_attribute("aria-expanded", "false")
    box.focus()
    assert asked == []

    # Ignored: Enter searches the typed text.
    box.press_sequentially("hol")
    assert suggestion_labels(page) == ["holiday"]
    expect(box).to_have_attribute("aria-expanded", "true")
    box.press("Enter")
    expect(page.locator("#suggestions")).to_be_hidden()
    expect(page.locator("#found")).to_have_attribute("data-words", "hol")

    # Down past the last one and back to the box; Escape closes the list, and then leaves the box.
    box.press_sequentially("i")
    assert suggestion_labels(page) == ["holiday"]
    box.press("ArrowDown")
    expect(page.locator("#suggestions [aria-selected=true]")).to_contain_text("2 pictures")
    expect(box).to_have_attribute("aria-activedescendant", "suggestion-1")
    box.press("ArrowDown")
    expect(box).not_to_have_attribute("aria-activedescendant", "suggestion-1")
    box.press("ArrowUp")
    box.press("Enter")
    expect(box).to_have_value("tag:holiday ")
    expect(page.locator("#found")).to_have_attribute("data-words", "tag:holiday")
    box.press_sequentially("two")
    assert suggestion_labels(page) == ["two words"]
    box.press("Escape")
    expect(page.locator("#suggestions")).to_be_hidden()
    expect(box).to_be_focused()

    # By mouse, with text after the cursor.
    box.fill("wo sea")
    box.evaluate("node => { node.setSelectionRange(2, 2); node.dispatchEvent(new Event('input')); }")
    assert suggestion_labels(page) == ["two words"]
    page.locator("#suggestions li").click()
    expect(box).to_have_value('tag:"two words" sea')
    expect(box).to_be_focused()
