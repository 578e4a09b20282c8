"""Adding a picture to the search, by its file or its address."""

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


def parameters(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


@pytest.mark.parametrize("script", [True, False])
def test_the_address_of_a_picture_is_entered(open_page: OpenPage, collection: list[Image], address: str, script: bool):
    page = open_page("/search?q=red+star&sort=newest", java_script_enabled=script)
    page.get_by_title("Search by a picture").click()
    page.get_by_label("Or enter the address of a picture on the web").fill(address)
    page.locator("#by-address").get_by_role("button", name="Search").click()
    page.wait_for_url(re.compile("picture="))
    assert parameters(page) | {"picture": []} == {"q": ["red star"], "sort": ["newest"], "picture": []}
    expect(page.get_by_role("img", name="The query picture")).to_be_visible()


def test_a_pasted_address_is_searched_by(open_page: OpenPage, collection: list[Image], address: str):
    page = open_page("/")
    page.evaluate("document.activeElement.blur()")
    page.evaluate(PASTE, f" {address}\n")
    page.wait_for_url(re.compile(r"/search\?picture=[0-9a-f-]{36}$"))
    expect(page.locator("article").first).to_be_visible()


def test_an_address_pasted_into_the_search_box_is_text(open_page: OpenPage, collection: list[Image], address: str):
    page = open_page("/")
    page.locator("#words").focus()
    page.evaluate(PASTE, address)
    expect(page.locator("#waiting")).to_be_empty()
    expect(page.locator("#address")).to_have_value("")


def test_a_refused_address_can_be_corrected(open_page: OpenPage, collection: list[Image], address: str):
    page = open_page("/search?q=red+star")
    page.evaluate(PASTE, "http://10.0.0.1/cat.jpg")
    expect(page.get_by_role("alert").first).to_have_text("There is no public web server at this address.")
    page.get_by_title("Search by a picture").click()
    field = page.get_by_label("Or enter the address of a picture on the web")
    expect(field).to_have_value("http://10.0.0.1/cat.jpg")
    field.fill(address)
    field.press("Enter")
    page.wait_for_url(re.compile("q=red"))
    assert set(parameters(page)) == {"q", "picture"}


def test_a_picture_is_added_to_words(open_page: OpenPage, collection: list[Image], files: list[Path]):
    page = open_page("/search?q=red+star")
    page.set_input_files("#by-picture input[type=file]", files[0])
    page.wait_for_url(re.compile("picture="))
    assert parameters(page)["q"] == ["red star"]
    page.set_input_files("#by-picture input[type=file]", files[1])
    page.wait_for_url(re.compile("picture=.*picture="))
    expect(page.get_by_role("img", name="The query picture")).to_have_count(2)


def test_a_picture_is_added_to_the_search_that_is_shown_now(
    open_page: OpenPage, collection: list[Image], files: list[Path]
):
    page = open_page("/search?q=red+star")
    page.evaluate("history.pushState({}, '', '/search?q=blue&tag=sea')")
    page.set_input_files("#by-picture input[type=file]", files[0])
    page.wait_for_url(re.compile("picture="))
    assert parameters(page) | {"picture": []} == {"q": ["blue"], "tag": ["sea"], "picture": []}
