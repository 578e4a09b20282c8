"""Colours: ticked in the filters, combined, and shown on the page of a picture."""

import re

import pytest
from playwright.sync_api import expect

from search.imaging import Colours, Swatch
from search.ingestion.palettes import write_palettes
from search.models import Image
from tests.browser.conftest import OpenPage

FLAG = Colours(("red", "white"), ("red",), (Swatch("red", "#c81e1e", 66), Swatch("white", "#f8f8f8", 34)))
ROSE = Colours(("red", "green"), (), (Swatch("green", "#3a7d34", 45), Swatch("red", "#c81e1e", 40)))


@pytest.fixture
def coloured(collection: list[Image]) -> list[Image]:
    write_palettes({image.pk: FLAG if number % 2 else ROSE for number, image in enumerate(collection)})
    return collection


@pytest.mark.parametrize("size", [{"width": 1440, "height": 900}, {"width": 390, "height": 844}])
def test_two_ticked_colours_can_be_required_together(open_page: OpenPage, coloured: list[Image], size: dict[str, int]):
    page = open_page("/search?q=red+star")
    page.set_viewport_size(size)
    page.locator("#filters > summary").click()
    together = page.get_by_role("checkbox", name="All of these colours")
    page.locator("label[for='colour-white']").click()
    expect(page).to_have_url(re.compile(r"colour=white$"))
    expect(together).to_be_hidden()
    page.locator("#colour-green").focus()
    page.keyboard.press("Space")
    expect(page).to_have_url(re.compile(r"colour=green&colour=white$"))
    expect(page.get_by_role("heading", level=2)).to_have_text(f"{len(coloured)} pictures, nearest first")
    together.check()
    expect(page).to_have_url(re.compile("colours=together"))
    expect(page.locator("article")).to_have_count(0)
    page.get_by_role("link", name="Remove Colour: All of these colours").click()
    expect(page.get_by_role("heading", level=2)).to_have_text(f"{len(coloured)} pictures, nearest first")


def test_a_colour_of_a_picture_links_to_others_with_it(open_page: OpenPage, coloured: list[Image]):
    page = open_page(coloured[1].get_absolute_url())
    palette = page.get_by_role("listitem").filter(has_text="%")
    expect(palette).to_have_text([re.compile(r"Red\s+66%"), re.compile(r"White\s+34%")])
    page.get_by_role("link", name=re.compile("White")).click()
    expect(page).to_have_url(re.compile(r"/search\?colour=white$"))
