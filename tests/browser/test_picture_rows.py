"""The rows of pictures: none cropped, no layout shift, and no more pixels than the screen shows."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from search.models import Image
from tests.base import an_image
from tests.browser.conftest import OpenPage, wait_until

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1440, "height": 900}

SHIFTS = """() => new Promise((resolve) => {
    let sum = 0;
    const observer = new PerformanceObserver((list) => list.getEntries().forEach((one) => (sum += one.value)));
    observer.observe({type: "layout-shift", buffered: true});
    requestAnimationFrame(() => requestAnimationFrame(() => resolve(sum)));
})"""

FRAMES = """() => [...document.querySelectorAll("article.tile")].map((tile) => {
    const frame = tile.querySelector("img").getBoundingClientRect();
    const {width, height} = tile.dataset;
    return {top: frame.top, left: frame.left, right: frame.right, width: frame.width, height: frame.height,
            aspect: width / height};
})"""


def rows(page: Page) -> list[list[dict[str, float]]]:
    """The frames of the pictures, row by row."""
    tops: dict[int, list[dict[str, float]]] = {}
    for frame in page.evaluate(FRAMES):
        tops.setdefault(round(frame["top"]), []).append(frame)
    return list(tops.values())


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_nothing_moves_while_pictures_load_slowly(
    open_page: OpenPage, collection: list[Image], viewport: dict[str, int]
):
    page = open_page("/accounts/login/", viewport=viewport)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(re.compile(r"/\d+\.webp$"), hold)
    page.goto("/", wait_until="domcontentloaded")
    expect(page.locator("article")).to_have_count(24)
    before = page.evaluate(FRAMES)
    while held:
        held.pop().continue_()
        page.evaluate("() => new Promise(requestAnimationFrame)")
    wait_until(page, "article img", "node.complete")
    assert page.evaluate(SHIFTS) == 0
    assert page.evaluate(FRAMES) == before


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_rows_fill_the_width_at_one_height_without_cropping(
    open_page: OpenPage, collection: list[Image], viewport: dict[str, int]
):
    page = open_page("/", viewport=viewport)
    *full, last = rows(page)
    assert len(full) > 1
    width = page.locator(".tiles").bounding_box()["width"]  # type: ignore[index]
    for row in full:
        assert row[-1]["right"] - row[0]["left"] == pytest.approx(width, abs=1)
        for frame in row:
            assert frame["height"] == pytest.approx(row[0]["height"], abs=1)
            assert frame["width"] / frame["height"] == pytest.approx(min(frame["aspect"], 2.5), rel=0.02)
    if len(last) < len(full[0]):
        assert last[-1]["right"] - last[0]["left"] < width


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_extreme_proportions_are_shown_whole_and_can_be_clicked(
    open_page: OpenPage, live_server, viewport: dict[str, int]
):
    for width, height in ((4000, 40), (40, 4000), (640, 480), (640, 480)):
        an_image(width=width, height=height)
    page = open_page("/", viewport=viewport)
    for row in rows(page):
        for frame in row:
            assert frame["width"] >= 44
            assert frame["height"] >= 44
            assert frame["right"] <= viewport["width"]
    assert page.locator("article img").first.evaluate("image => getComputedStyle(image).objectFit") == "contain"


def loaded_widths(page: Page) -> set[str]:
    page.wait_for_load_state("networkidle")
    found = page.eval_on_selector_all("article img", "images => images.map((image) => image.currentSrc)")
    return {address.rsplit("/", 1)[1] for address in found if address}


def test_only_a_dense_screen_gets_larger_pictures(open_page: OpenPage, collection: list[Image]):
    plain = open_page("/", viewport=PHONE)
    assert loaded_widths(plain) == {"400.webp"}
    dense = open_page("/", viewport=DESKTOP, device_scale_factor=2)
    assert "800.webp" in loaded_widths(dense)


def test_thumbnails_with_expired_addresses_are_loaded_from_the_site(
    open_page: OpenPage, collection: list[Image], settings
):
    """As of a storage that signed addresses with keys that have expired since."""
    settings.S3_PUBLIC_BASE_URL = "http://127.0.0.1:9"
    page = open_page("/", expected="ERR_|Content Security Policy")
    thumbnails = page.locator(".tile img")
    expect(thumbnails).to_have_count(24)
    for number in (0, 23):
        thumbnails.nth(number).scroll_into_view_if_needed()
        expect(thumbnails.nth(number)).to_have_js_property("complete", True)
        expect(thumbnails.nth(number)).not_to_have_js_property("naturalWidth", 0)


@pytest.mark.parametrize("path", ["/", "/search?q=red+star"])
def test_pictures_begin_high_on_the_page_and_close_together(open_page: OpenPage, collection: list[Image], path: str):
    page = open_page(path, viewport=DESKTOP)
    first, *_, last = rows(page)
    # The banner of the demo model is not part of a normal site.
    banner = page.locator(".banner").bounding_box()
    assert first[0]["top"] - (banner["height"] + 12 if banner else 0) <= (480 if path == "/" else 220)
    second = rows(page)[1]
    assert second[0]["top"] - (first[0]["top"] + first[0]["height"]) == pytest.approx(12, abs=1)
    assert last[0]["left"] == pytest.approx(page.locator(".brand").bounding_box()["x"], abs=1)  # type: ignore[index]


def test_a_title_is_shown_on_its_picture_on_hover_focus_or_long_press(open_page: OpenPage, collection: list[Image]):
    page = open_page("/", viewport=DESKTOP)
    name = page.locator("article", has_text=collection[-1].title).locator(".tile-title").first
    expect(name).to_have_css("opacity", "0")
    page.locator("article", has_text=collection[-1].title).first.hover()
    expect(name).to_have_css("opacity", "1")
    phone = open_page("/", viewport=PHONE, has_touch=True)
    tile = phone.locator("article", has_text=collection[-1].title).first
    link = tile.locator(".tile-link")
    link.dispatch_event("pointerdown", {"pointerType": "touch", "bubbles": True})
    expect(tile.locator(".tile-title")).to_have_css("opacity", "1")
    # Lifting the finger opens nothing; the next tap does.
    link.dispatch_event("click")
    expect(phone.locator("#lightbox")).to_be_hidden()
    link.click()
    expect(phone.locator("#lightbox")).to_be_visible()


def test_details_below_the_pictures_stay_switched_on_and_are_fully_visible(
    open_page: OpenPage, collection: list[Image]
):
    page = open_page("/search?q=red+star", viewport=DESKTOP)
    page.get_by_role("button", name="Details").click()
    page.goto("/search?q=red+circle")
    expect(page.get_by_role("button", name="Details")).to_have_attribute("aria-pressed", "true")
    below = """tiles => tiles.map((tile) => {
        const place = (selector) => tile.querySelector(selector).getBoundingClientRect();
        const [frame, told] = [place(".tile-frame"), place(".similarity")];
        return told.top >= frame.bottom && told.right <= tile.getBoundingClientRect().right && told.width > 8;
    })"""
    assert all(page.eval_on_selector_all("article", below))
    assert page.evaluate(SHIFTS) == 0
    page.get_by_role("button", name="Details").click()
    page.reload()
    expect(page.get_by_role("button", name="Details")).to_have_attribute("aria-pressed", "false")
