"""Search while typing."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, Request, Route, expect

from search.models import Image
from tests.browser.conftest import OpenPage


def record_searches(page: Page) -> list[str]:
    """Record the words that are searched from now on without opening a page."""
    noted: list[str] = []

    def note(request: Request) -> None:
        if request.headers.get("hx-target") == "found":
            noted.append(parse_qs(urlsplit(request.url).query)["q"][0])

    page.on("request", note)
    return noted


def wait_for_results(page: Page, words: str) -> None:
    """Wait for the results of these words."""
    expect(page.locator("#found")).to_have_attribute("data-words", words)


def test_results_follow_typing(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    box = page.locator("#words")
    box.press_sequentially("red star")
    wait_for_results(page, "red star")
    expect(page.locator("#announcements")).to_have_text("30 pictures, nearest first")
    expect(page.get_by_role("heading", level=1)).to_have_text("Pictures for “red star”")
    expect(page).to_have_url(re.compile(r"/search\?q=red\+star$"))
    expect(page).to_have_title(re.compile(r"^\s*red star\s+· Picture search\s*$"))
    expect(box).to_be_focused()
    box.fill("")
    wait_for_results(page, "")
    expect(page.locator("#found-title")).to_have_text("Newest pictures")
    expect(page).to_have_url(re.compile(r"/$"))


@pytest.mark.parametrize("width", [390, 1440])
def test_the_box_does_not_move_when_the_first_results_arrive(open_page: OpenPage, collection: list[Image], width: int):
    page = open_page("/", viewport={"width": width, "height": 900})
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(re.compile(r"/search\?"), hold)
    box = page.locator("#box")
    before = box.bounding_box()
    with page.expect_request(re.compile(r"/search\?q=r")):
        page.locator("#words").press("r")
    typed = box.bounding_box()
    assert typed["y"] < before["y"]
    held[0].continue_()
    wait_for_results(page, "r")
    assert box.bounding_box() == typed


def test_typing_makes_one_history_entry(open_page: OpenPage, collection: list[Image]):
    page = open_page("/accounts/login/")
    page.goto("/")
    box = page.locator("#words")
    for words in ("red", "red st", "red star"):
        box.fill(words)
        wait_for_results(page, words)
    page.go_back()
    wait_for_results(page, "")
    expect(box).to_have_value("")
    expect(page).to_have_url(re.compile(r"/$"))
    page.go_forward()
    wait_for_results(page, "red star")
    expect(box).to_have_value("red star")
    page.go_back()
    page.go_back()
    expect(page).to_have_url(re.compile("/accounts/login/"))


def test_back_returns_to_a_submitted_search(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    box = page.locator("#words")
    box.fill("red star")
    box.press("Enter")
    wait_for_results(page, "red star")
    box.fill("blue circle")
    wait_for_results(page, "blue circle")
    page.go_back()
    wait_for_results(page, "red star")
    expect(page).to_have_title(re.compile("red star"))


def test_back_returns_to_a_search_whose_results_were_opened(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    box = page.locator("#words")
    box.fill("red star")
    wait_for_results(page, "red star")
    page.locator("article .tile-link").first.click()
    expect(page.locator("#lightbox")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#lightbox")).to_be_hidden()
    box.fill("blue circle")
    wait_for_results(page, "blue circle")
    page.go_back()
    wait_for_results(page, "red star")
    expect(box).to_have_value("red star")


def pause_clock(page: Page) -> None:
    """Time in the page passes only as the test advances it, however slowly this machine types."""
    page.clock.pause_at(page.evaluate("Date.now() / 1000 + 10"))


def test_an_unchanged_query_is_not_sent_again(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    page.clock.install()
    sent = record_searches(page)
    box = page.locator("#words")
    box.press_sequentially("red star")
    page.clock.run_for(1000)
    wait_for_results(page, "red star")
    pause_clock(page)
    box.press_sequentially(" s")
    box.press("Backspace")
    page.clock.run_for(1000)
    box.press("Enter")
    page.clock.run_for(1000)
    assert sent == ["red star"]


def test_typing_cancels_the_previous_request(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/search?q=red", hold)
    box = page.locator("#words")
    with page.expect_event("requestfailed", lambda request: request.url.endswith("q=red")):
        with page.expect_request("**/search?q=red"):
            box.fill("red")
        expect(page.locator("#box")).to_have_class(re.compile("htmx-request"))
        expect(page.locator("#found")).to_have_attribute("aria-busy", "true")
        box.fill("red star")
    wait_for_results(page, "red star")
    expect(page.locator("#box")).not_to_have_class(re.compile("htmx-request"))
    expect(page.locator("#found")).not_to_have_attribute("aria-busy", "true")
    held[0].abort()


def test_a_syllable_is_searched_when_it_is_complete(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    page.clock.install()
    sent = record_searches(page)
    page.locator("#words").focus()
    pause_clock(page)
    keyboard = page.context.new_cdp_session(page)
    for syllable in ("ㅂ", "벼", "별"):
        keyboard.send("Input.imeSetComposition", {"text": syllable, "selectionStart": 1, "selectionEnd": 1})
        page.clock.run_for(500)
    assert sent == []
    page.clock.run_for(500)
    page.clock.resume()
    wait_for_results(page, "별")
    keyboard.send("Input.insertText", {"text": "별"})
    page.clock.run_for(1000)
    assert sent == ["별"]


def test_an_invalid_search_is_reported_in_the_page(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    box = page.locator("#words")
    box.evaluate("box => box.removeAttribute('maxlength')")
    box.fill("a" * 1001)
    expect(page.locator("#chips").get_by_role("alert")).to_contain_text("1,001 characters")
    expect(page.locator("article")).to_have_count(0)
    box.fill("red star")
    wait_for_results(page, "red star")
    expect(page.get_by_role("alert").filter(has_text=re.compile("."))).to_have_count(0)


def test_an_outage_is_reported_and_the_search_can_be_repeated(open_page: OpenPage, collection: list[Image]):
    page = open_page("/", expected="503")
    body = "<main><h1>The database does not respond.</h1></main>"
    page.route("**/search?q=red", lambda route: route.fulfill(status=503, body=body))
    box = page.locator("#words")
    box.fill("red")
    expect(page.get_by_role("alert")).to_have_text("The database does not respond.")
    page.unroute("**/search?q=red")
    box.press("Enter")
    wait_for_results(page, "red")
    expect(page.locator("#failure")).to_be_empty()


def test_a_lost_connection_is_reported(open_page: OpenPage, collection: list[Image]):
    page = open_page("/", expected="sendError|afterRequest|ERR_INTERNET_DISCONNECTED")
    page.context.set_offline(True)
    page.locator("#words").fill("red")
    expect(page.get_by_role("alert")).to_contain_text("The search does not respond.")


def test_switching_the_language_keeps_the_typed_text(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    page.locator("#words").fill("red star")
    wait_for_results(page, "red star")
    page.get_by_role("button", name="한국어").click()
    expect(page.locator("html")).to_have_attribute("lang", "ko")
    expect(page.locator("#words")).to_have_value("red star")
    expect(page.get_by_role("link", name="로그인")).to_have_attribute("href", re.compile("red%2Bstar"))
