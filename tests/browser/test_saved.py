"""Saved searches with new matches, and a shared set."""

import re

import pytest
from playwright.sync_api import expect

from search.models import Image, SavedSearch
from tests.base import an_image
from tests.browser.conftest import OpenPage


@pytest.mark.parametrize("script", [True, False])
def test_a_search_is_saved_and_opened_with_new_matches(
    open_page: OpenPage, collection: list[Image], as_alice, script: bool
):
    page = open_page("/search?tag=sea", as_user=as_alice, java_script_enabled=script)
    page.get_by_text("Save this search").click()
    page.get_by_label("Name").fill("At the sea")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page).to_have_url(re.compile(r"/search\?tag=sea$"))
    expect(page.locator(".message")).to_contain_text("Saved as “At the sea”")
    an_image("Just come", tags=["sea"])
    page.locator(".menu summary").click()
    page.get_by_role("link", name="Saved searches").click()
    expect(page.locator(".saved")).to_contain_text("1 new")
    page.get_by_role("link", name="At the sea", exact=True).click()
    expect(page.locator(".tile-title")).to_have_text(["Just come"])
    page.reload()
    expect(page.locator(".tile-title")).to_have_text(["Just come"])
    page.get_by_role("link", name="All saved searches").click()
    expect(page.locator(".saved")).to_contain_text("Nothing new")


def test_the_form_to_save_a_search_causes_no_layout_shift_and_closes(
    open_page: OpenPage, collection: list[Image], as_alice
):
    page = open_page("/search?q=red+star", as_user=as_alice)
    first = page.locator("article").first
    place = first.bounding_box()
    summary = page.locator(".save-search summary")
    here = summary.bounding_box()
    summary.click()
    expect(page.get_by_label("Name")).to_be_visible()
    assert (first.bounding_box(), summary.bounding_box()) == (place, here)
    page.keyboard.press("Escape")
    expect(page.get_by_label("Name")).to_be_hidden()


def test_a_search_is_renamed_and_deleted(open_page: OpenPage, collection: list[Image], as_alice, alice):
    SavedSearch.objects.create(user=alice, name="Old name", query="tag=sea")
    page = open_page("/saved/", as_user=as_alice)
    page.get_by_text("Change: Old name").click()
    page.get_by_label("Name").fill("New name")
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_role("heading", name="New name")).to_be_visible()
    page.get_by_text("Change: New name").click()
    page.get_by_role("button", name="Delete this search and its feed").click()
    expect(page.get_by_text("You have no saved searches yet.")).to_be_visible()


def test_all_pictures_of_a_set_are_downloaded(open_page: OpenPage, shared_set: str):
    page = open_page(shared_set)
    expect(page.locator(".tile")).to_have_count(3)
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download all").click()
    assert re.fullmatch(r"pictures-\d{4}-\d\d-\d\d\.zip", downloading.value.suggested_filename)
