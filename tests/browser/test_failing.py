"""Failed requests for results: a message, a button to retry, and automatic retries."""

import re
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from search.models import Image
from tests.browser.conftest import OpenPage

NEXT = "**/search?page=2*"
"""The address of the second page of the newest pictures."""
FAILURES = r"sendError|responseError|timeout|afterRequest|ERR_|status of (4|5)|Response Status Error Code"
UNREACHABLE = "The search does not respond. Check your connection and try again."


def scroll_on(page: Page) -> None:
    page.locator(".site-footer").scroll_into_view_if_needed()


def fulfil(answer: dict[str, Any], route: Route) -> None:
    route.fulfill(**answer)


def failing(page: Page, answer: str, **fulfilled: Any) -> list[Route]:
    """Have requests for the next page of results fail, and record them."""
    noted: list[Route] = []

    def fail(route: Route) -> None:
        noted.append(route)
        if answer == "fulfilled":
            route.fulfill(**fulfilled)
        elif answer == "lost":
            route.abort("connectionrefused")

    page.route(NEXT, fail)
    return noted


def test_a_page_that_failed_to_load_is_reported_and_retried_by_a_button(open_page: OpenPage, collection: list[Image]):
    page = open_page("/", expected=FAILURES, viewport={"width": 390, "height": 700})
    alert = page.locator(".more-failed").get_by_role("alert")
    again = page.locator(".more-failed").get_by_role("button", name="Try again")
    failing(page, "lost")
    scroll_on(page)
    expect(alert).to_have_text(UNREACHABLE)
    for answer, message in (
        ({"status": 502, "body": "<h1>Bad Gateway</h1>"}, "The search is not available right now (error 502)."),
        ({"status": 200, "body": "<main>Log in to this network</main>"}, UNREACHABLE),
        ({"status": 502, "body": ""}, "(error 502)"),
        ({"status": 204}, UNREACHABLE),
        ({"status": 503, "body": "<main><h1>The database does not respond.</h1></main>"}, "The database does not"),
    ):
        page.unroute(NEXT)
        failing(page, "fulfilled", **answer)
        again.click()
        expect(alert).to_contain_text(message)
    expect(page.locator("article")).to_have_count(24)
    expect(page.get_by_role("link", name="Next")).to_be_visible()
    page.unroute(NEXT)
    again.click()
    expect(page.locator("article")).to_have_count(30)
    expect(page.locator(".more-failed")).to_have_count(0)


def test_a_hanging_server_times_out_after_half_a_minute(open_page: OpenPage, collection: list[Image]):
    page = open_page("/", expected=FAILURES)
    assert page.evaluate("htmx.config.timeout") == 30_000
    page.evaluate("htmx.config.timeout = 300")
    held = failing(page, "held")
    scroll_on(page)
    expect(page.locator(".more-failed")).to_contain_text("The search is taking too long.")
    assert len(held) == 1
    page.unroute(NEXT)
    page.evaluate("htmx.config.timeout = 30000")
    page.locator(".more-failed").get_by_role("button", name="Try again").click()
    expect(page.locator("article")).to_have_count(30)


def test_a_page_is_retried_when_the_network_is_back(open_page: OpenPage, collection: list[Image]):
    page = open_page("/", expected=FAILURES)
    page.context.set_offline(True)
    scroll_on(page)
    expect(page.locator(".more-failed")).to_contain_text(UNREACHABLE)
    page.context.set_offline(False)
    expect(page.locator("article")).to_have_count(30)


@pytest.mark.parametrize("status", [503, 429])
def test_a_page_is_retried_after_the_time_given_by_the_server_a_few_times(
    open_page: OpenPage, collection: list[Image], status: int
):
    page = open_page("/", expected=FAILURES)
    page.clock.install()
    noted = failing(page, "fulfilled", status=status, headers={"Retry-After": "5"}, body="")
    scroll_on(page)
    expect(page.locator(".more-failed")).to_contain_text(f"(error {status})")
    for _ in range(8):
        asked = len(noted)
        page.clock.run_for(5_000)
        expect(page.locator(".more-failed")).to_be_visible()
        assert len(noted) <= asked + 1
    assert len(noted) == 6
    page.unroute(NEXT)
    page.locator(".more-failed").get_by_role("button", name="Try again").click()
    expect(page.locator("article")).to_have_count(30)


def test_the_lightbox_reports_a_failed_page_and_continues_after_a_retry(open_page: OpenPage, collection: list[Image]):
    page = open_page("/", expected=FAILURES)
    requests = failing(page, "lost")
    page.locator("article .tile-link").nth(23).click()
    box = page.locator("#lightbox")
    expect(box.locator("[data-slot=position]")).to_have_text("24 of 30")
    page.keyboard.press("ArrowRight")
    expect(box.get_by_role("alert")).to_have_text(UNREACHABLE)
    # The page behind the lightbox retries by itself when it is scrolled to the end.
    before = len(requests)
    with page.expect_event("requestfailed"):
        page.evaluate("htmx.trigger(document.querySelector('.more-ahead'), 'revealed')")
    assert len(requests) > before
    expect(box.get_by_role("alert")).to_have_text(UNREACHABLE)
    expect(box.locator("[data-slot=position]")).to_have_text("24 of 30")
    # A request in progress fails like those before it: a response would remove the button.
    page.unroute_all(behavior="wait")
    box.get_by_role("button", name="Try again").click()
    expect(box.locator("[data-slot=position]")).to_have_text("25 of 30")
    expect(box.get_by_role("alert")).to_have_count(0)


def test_a_failed_search_is_repeated_by_the_box_and_by_a_link(open_page: OpenPage, collection: list[Image]):
    page = open_page("/", expected=FAILURES)
    page.route("**/search?*", lambda route: route.abort("connectionrefused"))
    again = page.locator("#ask-again")
    page.locator("#words").fill("red star")
    expect(page.locator("#failure")).to_have_text(UNREACHABLE)
    page.unroute("**/search?*")
    again.click()
    expect(page.locator("#found")).to_have_attribute("data-words", "red star")
    expect(again).to_be_hidden()
    page.route("**/search?*", lambda route: route.fulfill(status=500, body=""))
    page.locator("article .more-like-this").first.click()
    expect(page.locator("#failure")).to_contain_text("(error 500)")
    page.unroute("**/search?*")
    again.click()
    expect(page).to_have_url(re.compile("like="))
    expect(page.locator("#failure")).to_be_empty()


def test_a_hanging_search_is_reported_and_retried_after_the_time_given_by_the_server(
    open_page: OpenPage, collection: list[Image]
):
    page = open_page("/", expected=FAILURES)
    page.evaluate("htmx.config.timeout = 300")
    page.route("**/search?*", lambda route: None)
    page.locator("#words").fill("red")
    expect(page.locator("#failure")).to_have_text("The search is taking too long. Try again in a moment.")
    page.unroute("**/search?*")
    page.evaluate("htmx.config.timeout = 30000")
    page.clock.install()
    busy: dict[str, Any] = {
        "status": 503,
        "headers": {"Retry-After": "5"},
        "body": "<main><h1>Many are searching.</h1></main>",
    }
    page.route("**/search?*", partial(fulfil, busy))
    page.locator("#words").press("Enter")
    expect(page.locator("#failure")).to_have_text("Many are searching.")
    page.unroute("**/search?*")
    page.clock.run_for(5_000)
    expect(page.locator("#found")).to_have_attribute("data-words", "red")


def test_an_upload_without_a_valid_response_is_reported(open_page: OpenPage, as_alice, files, live_server):
    page = open_page("/upload/", as_user=as_alice, expected=FAILURES + "|status of 4")
    page.set_input_files("#upload [name=pictures]", files)
    send = page.locator("#sending [type=submit]:not([form])")
    outcomes = page.locator(".card-outcome")
    answers = [
        ({"status": 413, "body": "<h1>413 Request Entity Too Large</h1>"}, "rejects files of this size"),
        ({"status": 403, "body": "<main><h1>This form has expired.</h1></main>"}, "This form has expired."),
        ({"status": 200, "body": "<p>Log in to this network</p>"}, "This picture could not be sent."),
    ]
    for answer, message in answers:
        page.route("**/upload/", partial(fulfil, answer))
        send.click()
        expect(outcomes.nth(1)).to_contain_text(message)
        page.unroute("**/upload/")
    page.route("**/upload/", lambda route: route.abort("connectionrefused"))
    send.click()
    expect(outcomes.nth(0)).to_contain_text("The server does not respond.")
    # The second file is not tried in vain, and waits.
    expect(page.locator("#progress")).to_have_text("Paused: 0 of 2 done")
    page.unroute("**/upload/")
    send.click()
    expect(page.locator(".outcome")).to_have_count(2)
