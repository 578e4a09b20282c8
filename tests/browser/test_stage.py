"""The picture view of the picture's page and of the lightbox: neighbours, zoom, full screen, slide show, actions."""

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from search.models import Image
from tests.browser.conftest import OpenPage
from tests.browser.test_every_page import violations

DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


def result_address(page: Page, number: int) -> str:
    return str(page.locator("article .tile-link").nth(number).get_attribute("href"))


def open_on(open_page: OpenPage, where: str, **options: Any) -> Page:
    """The second result of a search, on its page or in the lightbox."""
    page = open_page("/search?q=red+star", **options)
    if where == "page":
        page.goto(result_address(page, 1))
    else:
        page.locator("article .tile-link").nth(1).click()
    expect(page.locator(".one:visible .acts").first).to_be_visible()
    return page


def stage(page: Page) -> Locator:
    return page.locator(".one:visible")


def scale(page: Page) -> float:
    drawn: float = (
        stage(page)
        .locator(".stage-picture")
        .evaluate("picture => picture.getBoundingClientRect().width / picture.offsetWidth")
    )
    return drawn


@pytest.mark.parametrize("script", [True, False])
def test_the_page_links_to_the_neighbours_in_its_search(open_page: OpenPage, collection: list[Image], script: bool):
    page = open_page("/search?q=red+star", java_script_enabled=script)
    addresses = [result_address(page, number) for number in range(24)]
    page.goto(addresses[22])
    expect(page.get_by_text("23 of 30")).to_be_visible()
    for number in (24, 25):
        page.get_by_role("link", name="Next picture").click()
        expect(page.get_by_text(f"{number} of 30")).to_be_visible()
    assert page.url.split("/images/")[1][:36] not in "".join(addresses)
    page.get_by_role("link", name="Previous picture").click()
    expect(page).to_have_url(re.compile(re.escape(addresses[23])))
    page.get_by_role("link", name="Results").click()
    expect(page).to_have_url(re.compile(r"/search\?q=red\+star$"))


def test_arrow_keys_open_the_neighbours_of_a_picture(open_page: OpenPage, collection: list[Image]):
    page = open_page(f"/images/{collection[-1].pk}/")
    expect(page.locator(".stage-previous")).to_have_count(0)
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile(f"/images/{collection[-2].pk}/$"))
    page.wait_for_load_state()  # with its scripts, which handle the keys
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(re.compile(f"/images/{collection[-1].pk}/$"))


@pytest.mark.parametrize("where", ["page", "light-box"])
def test_all_actions_are_visible(open_page: OpenPage, collection: list[Image], as_carol, where: str):
    page = open_on(open_page, where, as_user=as_carol, viewport=DESKTOP)
    acts = stage(page).locator(".act")
    assert acts.count() > 9
    for number in range(acts.count()):
        expect(acts.nth(number)).to_be_in_viewport(ratio=1)
    expect(stage(page).locator(".stage-picture")).to_be_in_viewport(ratio=1)
    assert violations(page) == []


@pytest.mark.parametrize("where", ["page", "light-box"])
def test_on_a_phone_the_details_begin_below_the_picture_and_scroll_over_it(
    open_page: OpenPage, collection: list[Image], where: str
):
    page = open_on(open_page, where, viewport=PHONE)
    # The page has the header above it.
    stage(page).locator(".stage").evaluate("stage => stage.scrollIntoView()")
    for name in ("More like this", "Less like this", "Search a part"):
        expect(stage(page).locator(".act", has_text=name)).to_be_in_viewport(ratio=1)
    expect(stage(page).locator(".stage-picture")).to_be_in_viewport(ratio=1)
    stage(page).locator(".facts").scroll_into_view_if_needed()
    stage(page).locator("#similar").evaluate("last => last.scrollIntoView()")
    assert stage(page).locator(".stage").bounding_box()["y"] == pytest.approx(0, abs=1)  # type: ignore[index]
    assert violations(page) == []


@pytest.mark.parametrize("where", ["page", "light-box"])
def test_wheel_double_click_and_keys_zoom_and_the_mouse_pans(open_page: OpenPage, collection: list[Image], where: str):
    page = open_on(open_page, where)
    picture = stage(page).locator(".stage-picture")
    box = picture.bounding_box()
    assert box
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert scale(page) == pytest.approx(1, abs=0.01)
    page.mouse.move(*middle)
    page.mouse.wheel(0, -600)
    expect(stage(page)).to_have_class(re.compile("is-zoomed"))
    assert scale(page) > 1.5
    page.mouse.wheel(0, 5000)
    expect(stage(page)).not_to_have_class(re.compile("is-zoomed"))
    page.mouse.dblclick(*middle)
    assert scale(page) == pytest.approx(2.5, abs=0.01)
    before = picture.bounding_box()
    page.mouse.down()
    page.mouse.move(middle[0] + 60, middle[1] + 20, steps=4)
    page.mouse.up()
    moved = picture.bounding_box()
    assert before
    assert moved
    assert moved["x"] - before["x"] == pytest.approx(60, abs=2)
    # The drag panned, and drew no region.
    expect(page.locator("#region")).not_to_have_attribute("open", "")
    page.keyboard.press("z")
    assert scale(page) == pytest.approx(1, abs=0.01)


def test_pinching_zooms(open_page: OpenPage, collection: list[Image]):
    page = open_on(open_page, "light-box", viewport=PHONE, has_touch=True)
    touch = page.context.new_cdp_session(page)

    def fingers(kind: str, *places: int) -> None:
        points = [{"x": x, "y": 250, "id": number} for number, x in enumerate(places)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    fingers("touchStart", 170, 220)
    for apart in (40, 60, 90):
        fingers("touchMove", 195 - apart, 195 + apart)
    fingers("touchEnd")
    assert scale(page) > 2


@pytest.mark.parametrize("where", ["page", "light-box"])
def test_a_slide_show_advances_by_itself_and_stays_in_full_screen(
    open_page: OpenPage, collection: list[Image], where: str
):
    page = open_page("/search?q=red+star")
    shown = [result_address(page, number).split("/")[2] for number in range(4)]
    page = open_on(open_page, where)
    page.clock.install()
    page.keyboard.press("f")
    expect(page.get_by_role("button", name="Full screen")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("p")
    expect(page.get_by_role("button", name="Slide show")).to_have_attribute("aria-pressed", "true")
    for image_id in shown[2:]:
        page.locator(".one:visible .stage-picture").evaluate("picture => picture.decode()")
        page.clock.run_for(5100)
        expect(page.locator(".one:visible .stage-picture")).to_have_attribute("src", f"/images/{image_id}/1600.webp")
        expect(page).to_have_url(re.compile(image_id))
    assert page.evaluate("document.fullscreenElement.className").startswith("one")
    page.keyboard.press("p")
    page.clock.run_for(20_000)
    expect(page).to_have_url(re.compile(shown[3]))


def test_the_copied_link_does_not_contain_the_search(open_page: OpenPage, collection: list[Image]):
    page = open_on(open_page, "light-box", permissions=["clipboard-read", "clipboard-write"])
    image_id = page.url.partition("#image-")[2]
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Link copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").endswith(f"/images/{image_id}/")


def test_the_picture_is_shown_although_its_details_can_not_be_loaded(open_page: OpenPage, collection: list[Image]):
    page = open_page("/search?q=red+star", expected="Failed to load resource")
    page.route("**/images/*/?q=*", lambda route: route.abort())
    page.locator("article .tile-link").first.click()
    expect(page.locator("#lightbox").get_by_text("The details of this picture")).to_be_visible()
    page.unroute_all()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#lightbox").get_by_role("link", name="Download")).to_be_visible()


def test_the_edges_of_the_picture_view_align_with_the_header(open_page: OpenPage, collection: list[Image]):
    page = open_page(f"/images/{collection[0].pk}/", viewport={"width": 2560, "height": 1300})
    left, right, inner = page.evaluate(
        """() => [
            document.querySelector(".brand").getBoundingClientRect().left,
            document.querySelector(".site-header").getBoundingClientRect().right,
            [".stage-bar", ".panel"].map((one) => {
                const [box, style] = [document.querySelector(one), getComputedStyle(document.querySelector(one))];
                const {left, right} = box.getBoundingClientRect();
                return [left + parseFloat(style.paddingLeft), right - parseFloat(style.paddingRight)];
            }),
        ]"""
    )
    assert inner[0][0] == pytest.approx(left, abs=1)
    assert right - inner[1][1] == pytest.approx(left, abs=1)
