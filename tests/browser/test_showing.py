"""Showing a picture, or giving the address of one, in addition to what is searched already."""

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from search.models import Image
from tests.base import picture_bytes
from tests.browser.conftest import OpenPage
from tests.web_servers import Web, answer, web

__all__ = ["web"]

PASTE = """text => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", text);
    const target = document.activeElement;
    target.dispatchEvent(new ClipboardEvent("paste", {clipboardData, bubbles: true, cancelable: true}));
}"""


@pytest.fixture
def address(web: Web, settings) -> str:
    settings.SEARCH_BY_ADDRESS = "on"
    server = web.server({"/cat.jpg": answer(picture_bytes("navy"))})
    return f"http://{server.host}:{server.port}/cat.jpg"


def asked(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


@pytest.mark.parametrize("script", [True, False])
def test_the_address_of_a_picture_is_given(open_page: OpenPage, collection: list[Image], address: str, script: bool):
    page = open_page("/search?q=red+star&sort=newest", java_script_enabled=script)
    page.get_by_title("Search by a picture").click()
    page.get_by_label("Or enter the address of a picture on the web").fill(address)
    page.locator("#by-address").get_by_role("button", name="Search").click()
    page.wait_for_url(re.compile("picture="))
    assert asked(page) | {"picture": []} == {"q": ["red star"], "sort": ["newest"], "picture": []}
    expect(page.get_by_role("img", name="The query picture")).to_be_visible()


def test_a_pasted_address_is_searched_by(open_page: OpenPage, collection: list[Image], address: str):
    page = open_page("/")
    page.evaluate("document.activeElement.blur()")
    page.evaluate(PASTE, f" {address}\n")
    page.wait_for_url(re.compile(r"/search\?picture=[0-9a-f-]{36}$"))
    expect(page.locator("article").first).to_be_visible()


def test_an_address_is_pasted_into_the_box_as_words(open_page: OpenPage, collection: list[Image], address: str):
    page = open_page("/")
    page.locator("#words").focus()
    page.evaluate(PASTE, address)
    expect(page.locator("#waiting")).to_be_empty()
    expect(page.locator("#address")).to_have_value("")


def test_a_refused_address_can_be_mended(open_page: OpenPage, collection: list[Image], address: str):
    page = open_page("/search?q=red+star")
    page.evaluate(PASTE, "http://10.0.0.1/cat.jpg")
    expect(page.get_by_role("alert").first).to_have_text("There is no public web server at this address.")
    page.get_by_title("Search by a picture").click()
    field = page.get_by_label("Or enter the address of a picture on the web")
    expect(field).to_have_value("http://10.0.0.1/cat.jpg")
    field.fill(address)
    field.press("Enter")
    page.wait_for_url(re.compile("q=red"))
    assert set(asked(page)) == {"q", "picture"}


def test_a_picture_is_shown_besides_the_words(open_page: OpenPage, collection: list[Image], files: list[Path]):
    page = open_page("/search?q=red+star")
    page.set_input_files("#by-picture input[type=file]", files[0])
    page.wait_for_url(re.compile("picture="))
    assert asked(page)["q"] == ["red star"]
    page.set_input_files("#by-picture input[type=file]", files[1])
    page.wait_for_url(re.compile("picture=.*picture="))
    expect(page.get_by_role("img", name="The query picture")).to_have_count(2)


def test_what_the_results_have_followed_meanwhile_is_what_is_searched(
    open_page: OpenPage, collection: list[Image], files: list[Path]
):
    page = open_page("/search?q=red+star")
    page.evaluate("history.pushState({}, '', '/search?q=blue&tag=sea')")
    page.set_input_files("#by-picture input[type=file]", files[0])
    page.wait_for_url(re.compile("picture="))
    assert asked(page) | {"picture": []} == {"q": ["blue"], "tag": ["sea"], "picture": []}
