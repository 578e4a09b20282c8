"""Searches of several parts, filters, and explanations of results."""

import re

import pytest
from playwright.sync_api import Page, expect

from search.models import Image
from search.relevance.band_thresholds import Scale
from search.retrieval import query_vector
from tests.browser.conftest import OpenPage

PHONE = {"width": 390, "height": 844}


@pytest.fixture
def calibrated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some images of the collection match strongly and some weakly."""
    scale = Scale(mean=0.0, spread=0.02, strong=0.04, related=0.0)
    monkeypatch.setattr(query_vector, "scale_of", lambda vector, *, pictures, whole=False: scale)


def tile_ids(page: Page) -> list[str]:
    ids: list[str] = page.eval_on_selector_all("article", "tiles => tiles.map((tile) => tile.dataset.image)")
    return ids


def test_more_and_less_like_this_are_added_to_the_search(open_page: OpenPage, collection: list[Image]):
    page = open_page("/search?q=red+star")
    first, second = tile_ids(page)[:2]
    page.evaluate("window.stillHere = true")
    page.locator("article").nth(0).hover()
    page.locator("article").nth(0).get_by_role("link", name="More like this").click()
    expect(page).to_have_url(re.compile(rf"\?q=red\+star&like={first}$"))
    expect(page.locator(".chip")).to_have_count(2)
    assert first not in tile_ids(page)
    page.locator(f"[data-image='{second}']").hover()
    page.locator(f"[data-image='{second}']").get_by_role("link", name="Less like this").click()
    expect(page).to_have_url(re.compile(rf"like={first}&unlike={second}$"))
    expect(page.locator(".chip-less")).to_have_count(1)
    assert page.evaluate("window.stillHere")
    page.get_by_role("link", name="Remove Less like this picture").click()
    expect(page).to_have_url(re.compile(rf"\?q=red\+star&like={first}$"))
    page.go_back()
    expect(page.locator(".chip-less")).to_have_count(1)


def test_results_follow_a_slider(open_page: OpenPage, collection: list[Image]):
    page = open_page(f"/search?q=red+star&like={collection[0].id}")
    slider = page.get_by_role("slider", name="More like this picture")
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile(r"like_weight=1.25"))
    expect(page.locator("output").nth(1)).to_have_text("more")
    expect(slider).to_be_focused()
    page.keyboard.press("End")
    expect(page).to_have_url(re.compile(r"like_weight=1.75"))
    expect(slider).to_have_attribute("aria-valuetext", "much more")


def test_typed_words_are_added_to_the_other_parts(open_page: OpenPage, collection: list[Image]):
    page = open_page(f"/search?like={collection[0].id}&colour=grey")
    page.locator("#words").fill("red star")
    expect(page).to_have_url(re.compile(rf"\?q=red\+star&like={collection[0].id}&colour=grey$"))
    expect(page.locator(".chip")).to_have_count(2)


def test_filters_are_ticked_and_removed(open_page: OpenPage, collection: list[Image]):
    page = open_page("/search?q=red+star")
    page.locator("#filters > summary").click()
    page.get_by_role("checkbox", name=re.compile("Portrait")).check()
    expect(page).to_have_url(re.compile("orientation=portrait"))
    expect(page.get_by_role("heading", level=2)).to_have_text("6 pictures, nearest first")
    # The panel stays open, and the focus stays where it was.
    expect(page.get_by_role("checkbox", name=re.compile("Portrait"))).to_be_focused()
    page.get_by_role("checkbox", name=re.compile("sea")).check()
    expect(page).to_have_url(re.compile("tag=sea&orientation=portrait"))
    page.get_by_role("link", name="Remove Orientation: Portrait").click()
    expect(page).to_have_url(re.compile("tag=sea$"))
    expect(page.get_by_role("checkbox", name=re.compile("sea"))).to_be_checked()


def test_filters_are_counted_when_opened_and_retried_after_a_failure(open_page: OpenPage, collection: list[Image]):
    page = open_page("/search?q=red+star", expected="responseError|afterRequest|503")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.headers.get("hx-target", "")))
    page.route("**/*filters=open*", lambda route: route.fulfill(status=503, body="No."))
    page.locator("#filters > summary").click()
    expect(page.get_by_role("link", name="Show the filters")).to_be_visible()
    page.unroute("**/*filters=open*")
    page.locator("#filters > summary").click()
    expect(page.get_by_role("checkbox", name=re.compile("Portrait"))).to_be_hidden()
    page.locator("#filters > summary").click()
    expect(page.get_by_role("checkbox", name=re.compile("Portrait"))).to_be_visible()
    before = len(asked)
    page.locator("#filters > summary").click()
    page.locator("#filters > summary").click()
    expect(page.get_by_role("checkbox", name=re.compile("Portrait"))).to_be_visible()
    assert "filters-panel" not in asked[before:]


def test_opening_the_filters_changes_no_search(open_page: OpenPage, collection: list[Image]):
    page = open_page("/search?q=red+star&tag=sea")
    page.locator("#filters > summary").click()
    expect(page.get_by_role("checkbox", name=re.compile("sea"))).to_be_checked()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.headers.get("hx-target", "")))
    page.locator("#words").press("Enter")
    page.locator("#words").fill("red circle")
    expect(page).to_have_url(re.compile(r"\?q=red\+circle&tag=sea$"))
    assert sent.count("found") == 1
    expect(page.get_by_role("checkbox", name=re.compile("sea"))).to_be_checked()


def test_less_of_some_words_is_entered_in_the_panel(open_page: OpenPage, collection: list[Image]):
    page = open_page("/search?q=red+star")
    page.locator("#filters > summary").click()
    page.get_by_role("textbox", name="What the results should show less of").fill("blue sky")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"not=blue\+sky"))
    expect(page.locator(".chip-less")).to_contain_text("blue sky")


def test_without_results_simpler_searches_are_suggested(open_page: OpenPage, collection: list[Image]):
    page = open_page("/search?q=red+star&tag=sea&tag=nowhere")
    expect(page.get_by_role("heading", level=2)).to_have_text("No pictures found")
    page.get_by_role("link", name="Without the tag “nowhere”").click()
    expect(page.locator("article")).to_have_count(5)


def test_the_heading_of_weaker_matches_appears_once(open_page: OpenPage, collection: list[Image], calibrated: None):
    page = open_page("/search?q=red+star", viewport=PHONE)
    expect(page.get_by_role("heading", level=2)).to_have_text(re.compile(r"\d strong match"))
    shown = page.locator("article:visible")
    rows = page.locator("article.tile-quiet:visible").evaluate_all("tiles => tiles.map((tile) => tile.offsetTop)")
    assert len(set(rows)) == 2
    page.get_by_role("link", name=f"Show {30 - shown.count()} more").click()
    expect(page).to_have_url(re.compile(r"min=any$"))
    page.locator(".site-footer").scroll_into_view_if_needed()
    expect(page.locator("article")).to_have_count(30)
    expect(page.get_by_role("heading", name="Weaker matches")).to_have_count(1)
    bands = page.eval_on_selector_all("article", "tiles => tiles.map((tile) => tile.dataset.band)")
    assert bands == sorted(bands, key=["strong", "related", "weak"].index)


@pytest.mark.parametrize("viewport", [PHONE, {"width": 1200, "height": 800}], ids=["phone", "desktop"])
def test_the_lightbox_continues_beyond_the_first_rows_of_weaker_matches(
    open_page: OpenPage, collection: list[Image], calibrated: None, viewport: dict[str, int]
):
    page = open_page("/search?q=red+star", viewport=viewport)
    count = page.locator("article:visible").count()
    page.locator("article:visible .tile-link").last.click()
    light_box = page.locator("#lightbox")
    expect(light_box.get_by_text(f"{count} of 30")).to_be_visible()
    light_box.get_by_role("button", name="Next result").click()
    expect(light_box.get_by_text(f"{count + 1} of 30")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile(r"\?q=red\+star$"))
    expect(page.locator("article .tile-link").nth(count)).to_be_focused()


@pytest.mark.parametrize("viewport", [PHONE, {"width": 1200, "height": 800}], ids=["phone", "desktop"])
def test_a_result_has_an_explanation(
    open_page: OpenPage, collection: list[Image], calibrated: None, viewport: dict[str, int]
):
    page = open_page("/search?q=red+star", viewport=viewport, has_touch=viewport is PHONE)
    page.get_by_role("button", name="About this result").nth(2).click()
    explanation = page.locator(".about-result:popover-open")
    expect(explanation).to_contain_text(re.compile("A (strong|related|weak) "))
    expect(explanation).to_be_in_viewport(ratio=1)
    expect(explanation.get_by_role("link", name="Less like this")).to_be_visible()
    page.keyboard.press("Escape")
    expect(explanation).to_have_count(0)
    expect(page.get_by_role("button", name="About this result").nth(2)).to_be_focused()


def test_matches_can_be_limited_and_ordered(open_page: OpenPage, collection: list[Image], calibrated: None):
    page = open_page("/search?q=red+star")
    page.locator("#order-menu > summary").click()
    page.get_by_role("combobox", name="Matches to show").select_option("strong")
    expect(page).to_have_url(re.compile("min=strong"))
    expect(page.locator("article:not([data-band=strong])")).to_have_count(0)
    page.get_by_role("combobox", name="Sort by").select_option("oldest")
    expect(page).to_have_url(re.compile("min=strong&sort=oldest"))
    shown = tile_ids(page)
    assert shown == [str(image.id) for image in collection if str(image.id) in shown]


def test_without_javascript_the_form_submits_everything(open_page: OpenPage, collection: list[Image]):
    page = open_page(f"/search?q=red+star&like={collection[0].id}", java_script_enabled=False)
    page.get_by_role("slider", name="More like this picture").press("End")
    page.get_by_role("button", name="Filters").click()
    # The address contains no empty field.
    assert not re.search(r"=(&|#|$)", page.url)
    # Earlier values are kept.
    expect(page.get_by_role("slider", name="More like this picture")).to_have_value("1.75")
    page.get_by_role("checkbox", name=re.compile("Portrait")).check()
    page.get_by_role("radio", name=re.compile("Without a description")).check()
    page.locator("#order-menu > summary").click()
    page.get_by_role("combobox", name="Sort by").select_option("newest")
    page.locator(".filters-panel").get_by_role("button", name="Apply").click()
    page.get_by_role("button", name="Filters").click()
    expect(page.get_by_role("checkbox", name=re.compile("Portrait"))).to_be_checked()
    expect(page.get_by_role("slider", name="More like this picture")).to_have_value("1.75")
    expect(page.locator("#order-menu > summary")).to_contain_text("Newest first")
    expect(page.locator("#words")).to_have_value("red star")
    expect(page.get_by_role("link", name=re.compile("Remove"))).to_have_count(4)
    page.get_by_role("link", name="Remove Orientation: Portrait").click()
    expect(page.get_by_role("slider", name="More like this picture")).to_have_value("1.75")


def test_a_picture_is_added_to_words(open_page: OpenPage, collection: list[Image], files):
    page = open_page("/")
    page.locator("#words").fill("red star")
    expect(page).to_have_url(re.compile("q=red"))
    page.get_by_title("Search by a picture").click()
    page.set_input_files("#by-picture input[type=file]", files[0])
    page.wait_for_url(re.compile(r"/search\?q=red\+star&picture=[0-9a-f-]{36}$"))
    expect(page.locator(".chip")).to_have_count(2)


def test_order_minimum_and_mode_are_all_visible_on_a_phone(
    open_page: OpenPage, collection: list[Image], calibrated: None
):
    page = open_page("/search?q=red+star", viewport=PHONE)
    page.locator("#order-menu > summary").click()
    fields = page.locator(".order-panel select")
    expect(fields).to_have_count(3)
    for field in fields.all():
        expect(field).to_be_in_viewport(ratio=1)
    page.keyboard.press("Escape")
    expect(fields.first).to_be_hidden()


def place(page: Page, selector: str) -> dict[str, float]:
    box: dict[str, float] = page.locator(selector).first.bounding_box()  # type: ignore[assignment]
    return box


@pytest.mark.parametrize("viewport", [PHONE, {"width": 1440, "height": 900}], ids=["phone", "desktop"])
def test_results_stay_visible_while_filters_change(
    open_page: OpenPage, collection: list[Image], viewport: dict[str, int]
):
    page = open_page("/search?q=red+star", viewport=viewport)
    page.locator("#filters > summary").click()
    box = page.get_by_role("checkbox", name=re.compile("Portrait"))
    box.check()
    expect(page).to_have_url(re.compile("orientation=portrait"))
    expect(box).to_be_in_viewport()
    expect(page.locator("article").first).to_be_in_viewport()
    panel, first = place(page, "#filters-panel"), place(page, "article")
    if viewport is PHONE:
        assert panel["y"] > first["y"]
        page.get_by_role("button", name="Done").click()
        expect(page.locator("#filters-panel")).to_be_hidden()
        expect(page.locator("#filters > summary")).to_be_focused()
    else:
        assert panel["x"] + panel["width"] < first["x"]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_first_day_after_the_last_one_is_reported_and_the_results_stay(open_page: OpenPage, collection: list[Image]):
    page = open_page("/search?q=red+star&until=2999-01-31")
    page.locator("#filters > summary").click()
    since = page.locator("#since")
    since.fill("2999-02-01")
    assert since.evaluate("field => field.validity.rangeOverflow")
    expect(page.locator("article")).not_to_have_count(0)
    expect(page).to_have_url(re.compile(r"until=2999-01-31$"))
    since.fill("2001-02-01")
    expect(page).to_have_url(re.compile(r"since=2001-02-01&until=2999-01-31$"))
