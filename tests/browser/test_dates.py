"""Months are chosen by dragging over them, in the filters and on the scrubber of the timeline."""

import re

from playwright.sync_api import Locator, Page, expect

from search.models import Capture, Image
from tests.browser.conftest import OpenPage


def middle(of: Locator) -> tuple[float, float]:
    box = of.bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page: Page, start: Locator, end: Locator) -> None:
    page.mouse.move(*middle(start))
    page.mouse.down()
    page.mouse.move(*middle(end), steps=8)
    page.mouse.up()


def test_dragging_over_bars_selects_their_months_and_a_click_one(open_page: OpenPage, dated: list[Image]) -> None:
    page = open_page("/search?q=red")
    page.locator("#filters > summary").click()
    bar = page.locator("[data-bars] a")
    expect(bar).to_have_count(len(dated))
    drag(page, bar.nth(5), bar.nth(2))
    expect(page).to_have_url(re.compile("taken_since=2021-03-01&taken_until=2021-06-30"))
    expect(page.locator("article")).to_have_count(4)
    expect(page.locator(".active-filters")).to_contain_text("March 1, 2021 – June 30, 2021")
    expect(page.locator("[data-bars] .chosen")).to_have_count(4)
    bar.nth(0).click()
    expect(page).to_have_url(re.compile("taken_since=2021-01-01&taken_until=2021-01-31"))
    expect(page.locator("article")).to_have_count(1)


def test_the_scrubber_shows_the_month_and_leads_there(open_page: OpenPage, dated: list[Image]) -> None:
    page = open_page("/timeline/", viewport={"width": 1280, "height": 900})
    mark = page.locator(".scrubber [data-month]")
    expect(mark).to_have_count(len(dated))
    last = Capture.objects.order_by("-taken").first()
    assert last
    assert last.taken
    expect(page.locator(".scrubber [aria-current]")).to_have_attribute("data-month", f"{last.taken:%Y-%m}")
    page.mouse.move(*middle(mark.nth(2)))
    page.mouse.down()
    page.mouse.move(*middle(page.locator(".scrubber [data-month='2021-05']")), steps=8)
    expect(page.locator(".scrubber-told")).to_have_text("May 2021")
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"at=2021-05"))
    expect(page.locator("h2.month").first).to_contain_text("May 2021")
    expect(page.locator("article")).to_have_count(5)
    page.get_by_role("link", name="Later: June 2021").click()
    expect(page.locator("article")).to_have_count(6)


def test_a_picture_of_the_timeline_opens_in_the_lightbox_with_its_neighbours(
    open_page: OpenPage, dated: list[Image]
) -> None:
    page = open_page("/timeline/?at=2021-03")
    page.locator("article .tile-link").first.click()
    box = page.locator("#lightbox")
    expect(box.locator(".facts")).to_contain_text("March 15, 2021")
    expect(box.locator(".facts")).to_contain_text("Camera 0")
    page.keyboard.press("ArrowRight")
    expect(box.locator("[data-slot=position]")).to_have_text("Result 2")
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()
