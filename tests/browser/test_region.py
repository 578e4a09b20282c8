"""Searching by a region of a picture, drawn on it or entered in numbers."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from search.curation.cleaned_details import Details
from search.ingestion import add_picture
from search.models import Image, QueryPicture
from tests.browser.conftest import OpenPage, wait_until
from tests.browser.test_every_page import run_axe
from tests.pictures import corners, encoded

SIDES = ("From the left", "From the top", "Width", "Height")


@pytest.fixture
def image(live_server) -> Image:
    return add_picture(encoded(corners((480, 320)), "PNG"), Details(title="Corners"), None).image


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag the mouse between positions in percent of the picture."""
    box = page.locator(".stage-picture").bounding_box()
    assert box
    places = [(box["x"] + box["width"] * x / 100, box["y"] + box["height"] * y / 100) for x, y in (start, end)]
    page.mouse.move(*places[0])
    page.mouse.down()
    page.mouse.move(*places[1], steps=5)
    page.mouse.up()


def fields(page: Page) -> list[Locator]:
    return [page.get_by_label(side, exact=True) for side in SIDES]


def numbers(page: Page) -> list[float]:
    return [float(field.input_value()) for field in fields(page)]


def outline_position(page: Page) -> list[float]:
    """The position of the outline, in percent of the picture."""
    outer, inner = page.locator(".stage-picture").bounding_box(), page.locator(".region-outline").bounding_box()
    assert outer
    assert inner
    across, down = 100 / outer["width"], 100 / outer["height"]
    left, top = (inner["x"] - outer["x"]) * across, (inner["y"] - outer["y"]) * down
    return [left, top, inner["width"] * across, inner["height"] * down]


def test_a_rectangle_is_drawn_on_the_picture_and_searched_by(open_page: OpenPage, image: Image):
    page = open_page(f"/images/{image.id}/")
    expect(page.locator(".region-outline")).to_be_hidden()
    drag(page, (2, 98), (32, 68))
    assert numbers(page) == pytest.approx([2, 68, 30, 30], abs=0.5)
    assert outline_position(page) == pytest.approx(numbers(page), abs=0.5)
    page.locator(".region-go").click()
    page.wait_for_url(re.compile(r"/search\?picture=[0-9a-f-]{36}$"))
    expect(page.get_by_role("img", name="The query picture")).to_be_visible()
    assert QueryPicture.objects.count() == 1


def test_a_rectangle_begins_at_the_start_of_the_drag_in_the_middle_too(open_page: OpenPage, image: Image):
    page = open_page(f"/images/{image.id}/")
    page.locator("#region summary").click()
    # The proposed rectangle is there, and is neither moved nor resized.
    for start, end in (((50, 50), (70, 80)), ((25, 25), (40, 45))):
        page.reload()
        page.locator("#region summary").click()
        drag(page, start, end)
        assert numbers(page) == pytest.approx([*start, end[0] - start[0], end[1] - start[1]], abs=0.7)
    expect(page.get_by_role("button", name="Search by this part")).to_have_count(1)


def test_an_offered_region_is_searched_with_one_click(open_page: OpenPage, image: Image):
    page = open_page(f"/images/{image.id}/")
    page.locator("#region summary").click()
    page.get_by_role("button", name="Search by part 1").click()
    page.wait_for_url(re.compile(r"/search\?picture="))
    expect(page.locator(".chip-label")).to_contain_text("Part of “Corners”")


def test_the_rectangle_can_be_moved_and_resized(open_page: OpenPage, image: Image):
    page = open_page(f"/images/{image.id}/")
    drag(page, (20, 20), (60, 60))
    drag(page, (40, 40), (50, 30))
    assert numbers(page) == pytest.approx([30, 10, 40, 40], abs=0.7)
    drag(page, (70, 50), (90, 90))
    assert numbers(page) == pytest.approx([30, 10, 60, 80], abs=0.7)
    drag(page, (60, 50), (99, 99))
    assert numbers(page) == pytest.approx([40, 20, 60, 80], abs=0.7)
    drag(page, (10, 90), (30, 99))
    assert numbers(page) == pytest.approx([10, 90, 20, 9], abs=0.7)


def test_the_button_of_the_rectangle_is_always_inside_the_picture(open_page: OpenPage, image: Image):
    page = open_page(f"/images/{image.id}/", viewport={"width": 390, "height": 700})
    for start, end in (((1, 1), (10, 10)), ((90, 90), (99, 99)), ((1, 1), (99, 99))):
        drag(page, start, end)
        expect(page.locator(".region-go")).to_be_in_viewport(ratio=1)
        picture, button = page.locator(".stage-picture").bounding_box(), page.locator(".region-go").bounding_box()
        assert picture
        assert button
        assert picture["x"] <= button["x"]
        assert button["x"] + button["width"] <= picture["x"] + picture["width"]
        assert button["y"] + button["height"] <= picture["y"] + picture["height"]


def test_a_drag_beyond_the_picture_ends_at_its_edge(open_page: OpenPage, image: Image):
    page = open_page(f"/images/{image.id}/")
    drag(page, (50, 50), (150, -20))
    assert numbers(page) == pytest.approx([50, 0, 50, 50], abs=0.5)


def test_a_click_on_the_picture_starts_no_region(open_page: OpenPage, image: Image):
    page = open_page(f"/images/{image.id}/")
    page.locator(".stage-picture").click()
    expect(page.locator(".region-outline")).to_be_hidden()


def test_the_form_can_be_used_by_keyboard_only(open_page: OpenPage, image: Image):
    page = open_page(f"/images/{image.id}/")
    page.locator("#region summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".region-outline")).to_be_visible()
    for value in (0, 0, 30, 30):
        page.keyboard.press("Tab")
        page.keyboard.type(str(value))
    assert outline_position(page) == pytest.approx([0, 0, 30, 30], abs=0.5)
    page.keyboard.press("Escape")
    expect(page.locator(".region-outline")).to_be_hidden()
    expect(page.locator("#region summary")).to_be_focused()
    page.keyboard.press("Enter")
    fields(page)[0].press("Enter")
    page.wait_for_url(re.compile(r"/search\?picture="))


def test_touch_draws_after_the_form_is_opened_and_scrolls_before(open_page: OpenPage, image: Image):
    page = open_page(f"/images/{image.id}/", has_touch=True, is_mobile=True, viewport={"width": 390, "height": 700})
    touches = """(picture) => {
        const box = picture.getBoundingClientRect();
        const at = (name, x, y) => picture.dispatchEvent(new PointerEvent(name, {
            pointerId: 1, isPrimary: true, pointerType: "touch", bubbles: true,
            clientX: box.left + box.width * x, clientY: box.top + box.height * y,
        }));
        picture.setPointerCapture = () => {};
        at("pointerdown", 0.05, 0.1);
        at("pointermove", 0.5, 0.6);
        at("pointerup", 0.5, 0.6);
    }"""
    page.locator(".stage-picture").evaluate(touches)
    expect(page.locator(".region-outline")).to_be_hidden()
    page.locator("#region summary").tap()
    page.locator(".region-overlay").evaluate(touches)
    assert numbers(page) == pytest.approx([5, 10, 45, 50], abs=0.5)
    assert page.locator(".region-overlay").evaluate("one => getComputedStyle(one).touchAction") == "none"


def test_the_outline_stays_in_place_when_the_window_is_resized(open_page: OpenPage, image: Image):
    page = open_page(f"/images/{image.id}/", viewport={"width": 1300, "height": 900})
    drag(page, (10, 10), (60, 60))
    page.set_viewport_size({"width": 420, "height": 800})
    wait_until(page, ".region-overlay", "node.offsetWidth <= 420")
    assert outline_position(page) == pytest.approx([10, 10, 50, 50], abs=0.7)


def test_without_javascript_the_numbers_can_be_entered(open_page: OpenPage, image: Image):
    page = open_page(f"/images/{image.id}/", java_script_enabled=False)
    page.locator("#region summary").click()
    for field, value in zip(fields(page), ("60", "0", "50", "30"), strict=True):
        field.fill(value)
    page.get_by_role("button", name="Search by this part").click()
    expect(page.locator("#region .errorlist")).to_have_text(
        "The region must be inside the picture, and have a width and a height."
    )
    assert numbers(page) == [60, 0, 50, 30]
    fields(page)[2].fill("30.5")
    page.get_by_role("button", name="Search by this part").click()
    page.wait_for_url(re.compile(r"/search\?picture="))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_the_open_form(open_page: OpenPage, image: Image, theme: str):
    page = open_page(f"/images/{image.id}/", color_scheme=theme, reduced_motion="reduce")
    page.locator("#region summary").click()
    assert [one["id"] for one in run_axe(page)] == []
