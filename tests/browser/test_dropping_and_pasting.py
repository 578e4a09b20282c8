"""Dropped and pasted content: words are searched as words, and a picture by its file or its address."""

import base64
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from search.models import Image
from tests.base import picture_bytes
from tests.browser.conftest import OpenPage

READ = """async (given) => {
    const { readGiven } = await import("/static/js/dropped_content.js");
    return given.map(({ data = {}, files = [] }) => {
        const carrier = new DataTransfer();
        for (const [kind, value] of Object.entries(data)) carrier.setData(kind, value);
        for (const name of files) carrier.items.add(new File(["x"], name, {type: "image/png"}));
        const { words, files: found, addresses } = readGiven(carrier);
        return [words, found.length, addresses];
    });
}"""

EXCEL = "<html><head><style>td {color: red}</style></head><body><table><td>Rome</td><td>12</td></table></body></html>"
LINKED = '<a href="https://a.example/page"><img src="https://a.example/cat.jpg" alt="A cat"></a>'

TWO = ["https://a.example/1.jpg", "https://a.example/2.jpg"]

GIVE = """([kind, where, {data = {}, files = [], own = false}]) => {
    const carrier = new DataTransfer();
    for (const [type, value] of Object.entries(data)) carrier.setData(type, value);
    for (const [name, type] of files) carrier.items.add(new File([name], name, {type}));
    const target = document.querySelector(where);
    if (own) target.dispatchEvent(new DragEvent("dragstart", {bubbles: true}));
    const event = kind === "paste"
        ? new ClipboardEvent("paste", {clipboardData: carrier, bubbles: true, cancelable: true})
        : new DragEvent(kind, {dataTransfer: carrier, bubbles: true, cancelable: true});
    return !target.dispatchEvent(event);
}"""


def paste_or_drop(page: Page, kind: str, where: str = "body", **given: Any) -> bool:
    """Paste or drop; return whether the page has handled it, rather than the browser."""
    taken: bool = page.evaluate(GIVE, [kind, where, given])
    return taken


def test_dropped_and_pasted_content_is_classified(open_page: OpenPage, collection: list[Image]):
    page = open_page()
    cases: list[tuple[dict[str, Any], list[Any]]] = [
        # Word and Excel add a picture of the copied text.
        ({"data": {"text/plain": "Rome\t12", "text/html": EXCEL}, "files": ["image.png"]}, ["Rome\t12", 1, []]),
        ({"data": {"text/html": EXCEL}, "files": ["image.png"]}, ["Rome12", 1, []]),
        ({"data": {"text/plain": "  "}, "files": ["image.png"]}, ["", 1, []]),
        ({"data": {"text/html": LINKED}, "files": ["image.png"]}, ["", 1, ["https://a.example/cat.jpg"]]),
        # File managers add the names of copied files.
        ({"data": {"text/plain": "cat 1.png"}, "files": ["cat 1.png"]}, ["", 1, []]),
        ({"data": {"text/plain": "/home/a/a.png\n/home/a/b.png"}, "files": ["a.png", "b.png"]}, ["", 2, []]),
        ({"data": {"text/plain": "file:///home/a/cat%201.png"}, "files": ["cat 1.png"]}, ["", 1, []]),
        ({"data": {"text/plain": "a cat"}, "files": ["cat.png"]}, ["a cat", 1, []]),
        # Without the files, which the browser may not read.
        (
            {"data": {"text/uri-list": "file:///home/a/cat%201.png", "text/plain": "/home/a/cat 1.png"}},
            ["", 0, ["file:///home/a/cat%201.png"]],
        ),
        # A picture from another window: in Chromium, in a link, and in Firefox.
        (
            {"data": {"text/uri-list": "https://a.example/page", "text/html": LINKED}},
            ["", 0, ["https://a.example/cat.jpg", "https://a.example/page"]],
        ),
        (
            {"data": {"text/uri-list": "# from a\r\nhttps://a.example/1.jpg", "text/plain": "https://a.example/1.jpg"}},
            ["", 0, ["https://a.example/1.jpg"]],
        ),
        (
            {"data": {"text/uri-list": f"{TWO[0]}\r\n{TWO[1]}\r\n", "text/plain": f"{TWO[0]}\n{TWO[1]}"}},
            ["", 0, TWO],
        ),
        ({"data": {"text/html": '<img srcset="https://a.example/2.jpg 2x">'}}, ["", 0, ["https://a.example/2.jpg"]]),
        ({"data": {"text/html": '<img src="/relative.jpg">'}}, ["", 0, []]),
        ({"data": {"text/html": "<p>Rome <img src='https://a.example/3.jpg'>"}}, ["Rome", 0, ["https://a.example/3.jpg"]]),
        ({"data": {}}, ["", 0, []]),
    ]  # fmt: skip
    assert page.evaluate(READ, [given for given, _ in cases]) == [right for _, right in cases]


def test_copied_text_with_a_picture_of_itself_is_searched_as_text(open_page: OpenPage, collection: list[Image]):
    page = open_page()
    cells = {"data": {"text/plain": "red\tstar\n", "text/html": EXCEL}, "files": [["image.png", "image/png"]]}
    # The search box handles it itself, as any text.
    assert not paste_or_drop(page, "paste", "#words", **cells)
    assert paste_or_drop(page, "paste", "body", **cells)
    expect(page.locator("#found")).to_have_attribute("data-words", "red star")
    expect(page).to_have_url(re.compile(r"/search\?q=red\+star$"))
    assert paste_or_drop(page, "drop", "main", data={"text/plain": "blue\ncircle"})
    expect(page.locator("#found")).to_have_attribute("data-words", "blue circle")
    assert not paste_or_drop(page, "dragover", "#words", data={"text/plain": "blue"})


def test_a_picture_without_text_is_searched_even_if_the_box_has_the_focus(
    open_page: OpenPage, collection: list[Image]
):
    page = open_page()
    page.route("**/search/picture", lambda route: route.fulfill(body="searched", content_type="text/plain"))
    page.locator("#words").focus()
    with page.expect_request("**/search/picture") as request:
        assert paste_or_drop(page, "paste", "#words", files=[["notes.txt", "text/plain"], ["cat.png", "image/png"]])
    assert b'filename="cat.png"' in (request.value.post_data_buffer or b"")


def test_a_picture_with_only_an_address_is_searched_by_it(open_page: OpenPage, collection: list[Image], settings):
    settings.SEARCH_BY_ADDRESS = "on"
    page = open_page("/search?q=red+star")
    page.route("**/search/address", lambda route: route.fulfill(body="searched", content_type="text/plain"))
    dragged = {"text/uri-list": "https://a.example/page", "text/html": LINKED}
    assert paste_or_drop(page, "dragover", "#words", data=dragged)
    with page.expect_request("**/search/address") as request:
        assert paste_or_drop(page, "drop", "#words", data=dragged)
    sent = parse_qs(request.value.post_data or "")
    assert (sent["url"], sent["q"]) == (["https://a.example/cat.jpg"], ["red star"])


def test_a_picture_in_a_data_url_is_sent_as_a_file(open_page: OpenPage, collection: list[Image]):
    pixels = base64.b64encode(picture_bytes(format="PNG")).decode()
    page = open_page()
    paste_or_drop(page, "drop", data={"text/html": f'<img src="data:image/png;base64,{pixels}">'})
    expect(page).to_have_url(re.compile(r"/search\?picture="))


@pytest.mark.parametrize(
    ("setting", "message"),
    [("off", "Search by address is disabled on this site."), ("members", "Log in to search by")],
)
def test_if_searching_by_address_is_not_allowed_a_message_says_what_to_do(
    open_page: OpenPage, collection: list[Image], settings, setting: str, message: str
):
    settings.SEARCH_BY_ADDRESS = setting
    page = open_page()
    for kind, data in (("drop", {"text/html": LINKED}), ("paste", {"text/plain": "https://a.example/cat.jpg"})):
        paste_or_drop(page, kind, data=data)
        expect(page.locator("#failure")).to_contain_text(message)
    for unreachable in ("file:///home/a/cat.jpg", "blob:https://a.example/1", "data:image/png;base64,%%%"):
        paste_or_drop(page, "drop", data={"text/uri-list": unreachable})
        expect(page.locator("#failure")).to_contain_text("Save it, then drop the file here.")


def test_a_picture_of_the_page_is_searched_if_dropped_on_the_box_and_ignored_elsewhere(
    open_page: OpenPage, collection: list[Image], settings
):
    settings.SEARCH_BY_ADDRESS = "off"
    page = open_page("/search?q=red+star&page=2")
    link = page.locator("article .tile-link").first.evaluate("link => link.href")
    image = urlsplit(link).path.split("/")[2]
    assert not paste_or_drop(page, "drop", "main", data={"text/uri-list": link}, own=True)
    assert paste_or_drop(page, "drop", "#words", data={"text/uri-list": link})
    expect(page).to_have_url(re.compile(rf"/search\?q=red\+star&like={image}$"))


def test_files_of_a_folder_are_added_and_pictures_without_a_file_refused_with_a_message(
    open_page: OpenPage, collection: list[Image], as_alice
):
    page = open_page("/upload/", as_user=as_alice)
    # Only a real drop has entries, so the folder is simulated.
    page.evaluate(
        """() => {
            const file = (name, type) => ({name, file: (done) => done(new File([name], name, {type}))});
            const folder = (name, entries) => ({name, isDirectory: true, createReader: () => {
                const ahead = [entries, []];
                return {readEntries: (done) => done(ahead.shift())};
            }});
            const below = folder("below", [file("c.JPG", "image/jpeg"), file("d.heic", "")]);
            const seen = [file("a.png", "image/png"), file("notes.txt", "text/plain")];
            const entries = [...seen, file(".b.png", "image/png"), below];
            const items = [{webkitGetAsEntry: () => folder("photos", entries)}];
            const event = new Event("drop", {bubbles: true, cancelable: true});
            const files = [new File([""], "photos")];
            event.dataTransfer = {types: ["Files"], items, files, getData: () => ""};
            document.body.dispatchEvent(event);
        }"""
    )
    expect(page.locator(".card-name")).to_have_text(["a.png", "c.JPG", "d.heic"])
    paste_or_drop(page, "drop", data={"text/html": LINKED})
    expect(page.locator("#told")).to_have_text("Only files can be added. Save the picture, then drop the file.")
    paste_or_drop(
        page, "paste", data={"text/plain": "words", "text/html": "words"}, files=[["image.png", "image/png"]]
    )
    expect(page.locator(".card")).to_have_count(3)
