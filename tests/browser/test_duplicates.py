"""Duplicates side by side in a browser."""

from django.test import Client
from playwright.sync_api import expect

from search.models import DuplicatePair, Image, Trashed
from tests.browser.conftest import OpenPage

PAGE = "/admin/search/image/duplicates/"


def test_a_curator_compares_and_decides_by_keyboard(open_page: OpenPage, collection: list[Image], as_carol: Client):
    images = collection[:4]
    DuplicatePair.objects.create(first=images[0], second=images[1], kind="same", bits=0)
    DuplicatePair.objects.create(first=images[2], second=images[3], kind="same", bits=4)
    page = open_page(PAGE, as_carol)
    expect(page.locator(".duplicate-group")).to_have_count(2)
    page.keyboard.press("j")
    page.keyboard.press("c")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_role("button", name="Flicker or side by side").click()
    expect(page.locator(".duplicate-stage.flickers")).to_be_visible()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("1")
    expect(page.get_by_text("1 picture was moved to the trash")).to_be_visible()
    expect(page.locator(".duplicate-group")).to_have_count(1)
    assert Trashed.objects.count() == 1
