"""Curation on the search page: the selection bar, the keyboard, all results, and the list of the admin."""

import re

import pytest
from playwright.sync_api import Page, expect

from search.models import Image, Trashed
from tests.browser.conftest import OpenPage
from tests.browser.test_every_page import violations

ADMIN = "/admin/search/image/"


def violations_of_our_parts(page: Page) -> list[str]:
    """What axe finds in the parts that we have added to a page of Django's."""
    return [one for one in violations(page) if "in-place" in one or "list-view" in one or "list-note" in one]


def is_wide(page: Page) -> bool:
    wide: bool = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    return wide


def test_a_selection_is_tagged_and_hidden_after_confirmation_and_both_undone(
    open_page: OpenPage, collection: list[Image], as_carol
):
    page = open_page("/", as_user=as_carol, viewport={"width": 390, "height": 800})
    page.get_by_role("button", name="Select", exact=True).click()
    page.locator("article .tile-frame").nth(0).click()
    page.locator("article .tile-frame").nth(2).click(modifiers=["Shift"])
    bar = page.locator("#selection")
    problems = violations(page)
    assert not is_wide(page)

    bar.get_by_role("button", name="Tag", exact=True).click()
    tags = page.get_by_label("Tags, separated by commas")
    tags.press_sequentially("summer, s")
    expect(page.locator("#curate-known-tags option")).to_have_attribute("value", "summer, sea")
    tags.fill("summer")
    problems += violations(page)
    tags.press("Enter")
    expect(page.locator("#curated")).to_contain_text("3 pictures were tagged.")
    assert Image.objects.filter(tags__contains=["summer"]).count() == 3

    page.keyboard.press("h")
    dialog = page.locator("#curate")
    expect(dialog).to_contain_text("Hide 3 pictures?")
    expect(dialog.locator("img")).to_have_count(3)
    problems += violations(page)
    dialog.get_by_role("button", name="Hide them").click()
    expect(page.locator("article.tile-hidden")).to_have_count(3)
    assert Image.objects.filter(hidden=True).count() == 3

    page.locator("#curated").get_by_role("button", name="Undo").click()
    expect(page.locator("#curated")).to_contain_text("3 pictures were reverted.")
    expect(page.locator("article.tile-hidden")).to_have_count(0)
    assert not Image.objects.filter(hidden=True).exists()
    assert problems + violations(page) == []


def test_the_keyboard_curates_the_picture_in_the_lightbox(open_page: OpenPage, collection: list[Image], as_carol):
    page = open_page("/", as_user=as_carol)
    newest = [image.pk for image in reversed(collection)]
    page.locator("article .tile-link").first.click()
    lightbox = page.locator("#lightbox")
    expect(lightbox).to_be_visible()

    page.keyboard.press("e")
    title = page.locator("#curate").get_by_label("Title", exact=True)
    expect(title).to_have_value(collection[-1].title)
    title.fill("The pier")
    title.press("Enter")
    expect(page.locator("#curated")).to_contain_text("The details of 1 picture were changed.")
    assert Image.objects.get(pk=newest[0]).title == "The pier"

    page.keyboard.press("h")
    expect(lightbox.locator(".is-hidden")).to_have_text("Hidden")
    page.keyboard.press("h")
    expect(lightbox.locator(".is-hidden")).to_have_count(0)

    page.keyboard.press("Delete")
    expect(page.locator("#curated")).to_contain_text("1 picture was deleted.")
    # On to the next picture.
    expect(page).to_have_url(re.compile(f"#image-{newest[1]}$"))
    page.locator("#curated").get_by_role("button", name="Undo").click()
    expect(page.locator("#curated")).to_contain_text("1 picture was reverted.")
    assert not Trashed.objects.exists()
    assert violations(page) == []


def test_without_javascript_all_results_are_changed_on_a_page_that_shows_them(
    open_page: OpenPage, collection: list[Image], as_carol
):
    page = open_page("/search?tag=sea", as_user=as_carol, java_script_enabled=False)
    page.get_by_title("Change several pictures at once").click()
    page.get_by_role("link", name="Change all 5 results").click()
    expect(page.get_by_role("heading", name="Change 5 pictures")).to_be_visible()
    page.get_by_role("button", name="Hide").click()
    expect(page.locator(".message")).to_contain_text("5 pictures are now hidden.")
    assert Image.objects.filter(hidden=True).count() == 5
    page.locator(".message").get_by_role("button", name="Undo").click()
    expect(page.locator(".message")).to_contain_text("5 pictures were reverted.")
    assert not Image.objects.filter(hidden=True).exists()


def test_titles_and_tags_are_edited_in_the_list_by_keyboard(open_page: OpenPage, collection: list[Image], as_carol):
    page = open_page(f"{ADMIN}?o=2&view=grid", as_user=as_carol, expected=r"status of (400|404|409)")
    problems = violations_of_our_parts(page)
    rows = page.locator("#result_list tbody tr")
    rows.nth(0).get_by_role("button", name="Edit the title").focus()
    page.keyboard.press("Enter")
    field = page.locator("input.in-place")
    field.fill("First")
    field.press("Enter")
    # Down the column.
    expect(rows.nth(1).locator("input.in-place")).to_be_focused()
    page.keyboard.press("Escape")
    expect(rows.nth(0).locator(".field-name")).to_contain_text("First")
    assert Image.objects.filter(title="First").count() == 1

    rows.nth(0).get_by_role("button", name="Edit the tags").click()
    Image.objects.filter(title="First").update(tags=["theirs"])
    field.fill("mine")
    field.press("Enter")
    expect(rows.nth(0).get_by_role("alert")).to_contain_text("Someone else has changed this to: theirs")
    expect(field).to_have_value("mine")
    problems += violations_of_our_parts(page)
    field.press("Enter")
    expect(rows.nth(0).locator(".field-tag_links [data-slot]")).to_have_text("mine")
    assert Image.objects.get(title="First").tags == ["mine"]
    assert problems == []


@pytest.mark.parametrize("view", ["list", "grid"])
def test_the_list_and_its_pages_fit_a_phone(open_page: OpenPage, collection: list[Image], as_carol, view: str):
    # axe lays an element with an inline style over a field to measure it.
    expected = r"status of 40[04]|inline style"
    phone = {"width": 360, "height": 700}
    page = open_page(f"{ADMIN}?q=sea&view={view}", as_user=as_carol, viewport=phone, expected=expected)
    assert not is_wide(page)
    for address in (f"{ADMIN}paste/", "/selection/all?tag=sea&all=any", f"/images/{collection[0].pk}/"):
        page.goto(address)
        assert not is_wide(page)
        assert violations(page) == []
