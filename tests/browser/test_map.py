"""The map in a browser: hovering, opening and lasso selection, by mouse, keyboard and touch."""

import re
from typing import Any

from playwright.sync_api import Page, expect

from search.models import Image
from tests.browser.conftest import OpenPage
from tests.browser.test_curating import is_wide
from tests.browser.test_every_page import violations
from tests.test_map import a_map


def place_of(page: Page, x: float, y: float) -> tuple[float, float]:
    """The position on the page of a point of the map."""
    box = page.locator("#map canvas").bounding_box()
    assert box
    scale = min(box["width"], box["height"]) / 2.12
    return box["x"] + box["width"] / 2 + x * scale, box["y"] + box["height"] / 2 - y * scale


def any_of(images: list[Image]) -> re.Pattern[str]:
    """Matches the name of any of these images; which of several at one point is hovered depends on their ids."""
    return re.compile(rf"^\s*({'|'.join(re.escape(one.name) for one in images)})\s*$")


def draw_around(page: Page, x: float, y: float) -> None:
    page.get_by_role("button", name="Select by drawing").click()
    corners = [place_of(page, x + right, y + up) for right, up in ((-0.2, 0.2), (0.2, 0.2), (0.2, -0.2), (-0.2, -0.2))]
    page.mouse.move(*corners[0])
    page.mouse.down()
    for corner in (*corners[1:], corners[0]):
        page.mouse.move(*corner)
    page.mouse.up()


def test_points_are_hovered_coloured_and_selected_by_a_lasso(open_page: OpenPage, collection: list[Image], as_carol):
    a_map(collection[:10], collection[10:30])
    page = open_page("/map/", as_user=as_carol, viewport={"width": 1200, "height": 900})
    expect(page.locator("#map[data-ready='30']")).to_be_visible()
    problems = violations(page)
    expect(page.locator(".map-labels span", has_text="sea")).to_be_visible()

    page.mouse.move(*place_of(page, -0.8, 0.5))
    card = page.locator(".map-card")
    expect(card).to_have_text(any_of(collection[:10]))

    page.get_by_label("Colour by").select_option("tag")
    words = page.get_by_label("What to colour")
    words.press_sequentially("se")
    expect(page.locator("#map-known-tags option")).to_have_attribute("value", "sea")
    words.fill("Sea")
    page.get_by_role("button", name="Colour", exact=True).click()
    tagged = Image.objects.filter(tags__contains=["sea"]).count()
    expect(page.locator("#map-legend")).to_contain_text(f"{tagged} pictures with this tag")

    draw_around(page, -0.8, 0.5)
    expect(page.locator("#found article")).to_have_count(10)
    bar = page.locator("#selection")
    expect(bar).to_contain_text("10 selected")
    bar.get_by_role("button", name="Tag", exact=True).click()
    page.get_by_label("Tags, separated by commas").fill("from the map")
    page.keyboard.press("Enter")
    expect(page.locator("#curated")).to_contain_text("10 pictures were tagged.")
    assert Image.objects.filter(tags__contains=["from the map"]).count() == 10
    assert problems + violations(page) == []


def test_a_lasso_around_more_than_a_selection_leads_curators_to_a_page_of_all(
    open_page: OpenPage, collection: list[Image], as_carol, monkeypatch: Any
):
    monkeypatch.setattr("search.views.mapping.MOST", 3)
    a_map(collection[:10], collection[10:30])
    page = open_page("/map/", as_user=as_carol)
    expect(page.locator("#map[data-ready]")).to_be_visible()
    draw_around(page, -0.8, 0.5)
    expect(page.locator("#map-picked")).to_contain_text(
        "You selected 10 pictures by drawing. The first 3 are shown here."
    )
    expect(page.locator("#found article")).to_have_count(3)
    page.get_by_role("button", name="Change all of them").click()
    expect(page.locator("h1")).to_have_text("Change 10 pictures")


def test_the_keyboard_moves_the_map_and_opens_the_picture_in_its_centre(
    open_page: OpenPage, collection: list[Image], as_carol
):
    a_map(collection[:10], collection[10:20], collection[20:])
    page = open_page("/map/", as_user=as_carol, reduced_motion="reduce")
    expect(page.locator("#map[data-ready]")).to_be_visible()
    page.get_by_role("button", name="On the map wood").click()
    canvas = page.locator("#map canvas")
    expect(canvas).to_be_focused()
    canvas.press("+")
    expect(page.locator("#announcements")).to_have_text(any_of(collection[10:20]))
    canvas.press("0")
    canvas.press("Enter")
    page.wait_for_url("**/images/**")
    # The centre of the map is nearest to the second group.
    assert any(f"/images/{one.pk}/" in page.url for one in collection[10:20])


def test_on_a_phone_a_tap_shows_a_picture_and_a_second_one_opens_it(
    open_page: OpenPage, collection: list[Image], settings: Any
):
    settings.SHOW_MAP = "everyone"
    a_map(collection[:10], collection[10:])
    page = open_page(
        "/map/",
        viewport={"width": 390, "height": 800},
        locale="ko-KR",
        has_touch=True,
        is_mobile=True,
        color_scheme="dark",
    )
    expect(page.locator("#map[data-ready]")).to_be_visible()
    expect(page.locator("h1")).to_have_text("지도")
    assert not is_wide(page)
    assert violations(page) == []
    page.locator("#map").scroll_into_view_if_needed()
    page.touchscreen.tap(*place_of(page, -0.8, 0.5))
    card = page.locator(".map-card")
    expect(card).to_be_visible()
    card.tap()
    page.wait_for_url("**/images/**")


def test_without_javascript_the_groups_are_listed(open_page: OpenPage, collection: list[Image], as_carol):
    a_map(collection[:10], collection[10:])
    page = open_page("/map/", as_user=as_carol, java_script_enabled=False)
    expect(page.locator("#map")).to_be_hidden()
    page.get_by_role("link", name="wood").click()
    expect(page.locator("article.tile")).to_have_count(20)
