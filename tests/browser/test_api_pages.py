"""The interactive documentation of the API, and the page of tokens."""

import re
from pathlib import Path

import pytest
from django.test import Client
from playwright.sync_api import Locator, Page, expect

from search.models import ApiToken, Image
from tests.browser.conftest import OpenPage
from tests.browser.test_every_page import violations


def try_out(page: Page, operation: str) -> Locator:
    """Unfold an operation and press "Try it out"."""
    block = page.locator(f"#operations-{operation}")
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Try it out").click()
    return block


def test_a_search_can_be_tried_out(open_page: OpenPage, collection: list[Image]):
    block = try_out(open_page("/api/docs"), "search-search")
    block.get_by_role("button", name="Execute").click()
    expect(block.locator(".live-responses-table .response > .response-col_status")).to_contain_text("200")
    expect(block.locator(".live-responses-table")).to_contain_text('"found": 30')


def test_a_picture_is_added_from_the_page_without_a_token(
    open_page: OpenPage, collection: list[Image], as_alice: Client, files: list[Path]
):
    block = try_out(open_page("/api/docs", as_user=as_alice), "images-add_image")
    block.locator("input[type=file]").set_input_files(files[0])
    block.get_by_role("button", name="Execute").click()
    expect(block.locator(".live-responses-table .response > .response-col_status")).to_contain_text("201")
    assert Image.objects.filter(uploader__username="alice").count() == 1


def test_axe_finds_nothing_in_an_operation_that_was_tried_out(
    open_page: OpenPage, collection: list[Image], as_alice: Client
):
    page = open_page("/api/docs", as_user=as_alice, viewport={"width": 360, "height": 700})
    block = try_out(page, "search-search")
    block.get_by_role("button", name="Execute").click()
    expect(block.locator(".live-responses-table")).to_contain_text('"found": 30')
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert violations(page) == []


@pytest.mark.parametrize("script", [True, False])
def test_a_token_is_created_and_revoked(open_page: OpenPage, collection: list[Image], as_alice: Client, script: bool):
    page = open_page("/account/tokens/", as_user=as_alice, java_script_enabled=script)
    page.get_by_label("name").fill("laptop")
    page.get_by_role("button", name="Create a token").click()
    expect(page.locator("[data-secret]")).to_have_text(re.compile("^pix_"))
    if script:
        assert violations(page) == []
    page.get_by_role("button", name="Revoke “laptop”").click()
    expect(page.get_by_text("“laptop” was revoked")).to_be_visible()
    expect(page.locator("[data-secret]")).to_have_count(0)
    assert not ApiToken.objects.exists()


def test_without_javascript_the_page_links_to_the_schema(open_page: OpenPage, collection: list[Image]):
    page = open_page("/api/docs", java_script_enabled=False)
    expect(page.get_by_text("The OpenAPI file describes them without scripts.")).to_be_visible()
    page.get_by_role("link", name="OpenAPI").click()
    expect(page.locator("body")).to_contain_text("/api/search/picture")
