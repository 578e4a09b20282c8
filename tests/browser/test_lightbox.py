"""The lightbox: opened, navigated and closed by mouse, keyboard, touch and the browser's back button."""

import re

from playwright.sync_api import Locator, Page, Route, expect

from search.models import Image
from tests.browser.conftest import OpenPage
from tests.browser.test_every_page import violations


def lightbox(page: Page) -> Locator:
    return page.locator("#lightbox")


def picture(page: Page) -> Locator:
    return lightbox(page).locator(".stage-picture")


def results(page: Page) -> list[str]:
    found: list[str] = page.eval_on_selector_all("article", "tiles => tiles.map((tile) => tile.dataset.image)")
    return found


def open_result(page: Page, number: int) -> None:
    page.locator("article .tile-link").nth(number).click()
    expect(lightbox(page)).to_be_visible()


def expect_shown(page: Page, image_id: str) -> None:
    expect(picture(page)).to_have_attribute("src", f"/images/{image_id}/1600.webp")
    expect(page).to_have_url(re.compile(f"#image-{image_id}$"))


def test_a_click_opens_the_picture_with_its_details_and_actions(open_page: OpenPage, collection: list[Image]):
    page = open_page("/search?q=red+star")
    titles = page.locator("article .tile-title").all_inner_texts()
    open_result(page, 1)
    image_id = results(page)[1]
    expect_shown(page, image_id)
    expect(lightbox(page).get_by_role("heading").first).to_have_text(titles[1])
    expect(lightbox(page).locator(".similarity")).to_have_text(page.locator("article .similarity").nth(1).inner_text())
    expect(lightbox(page).get_by_text("2 of 30")).to_be_visible()
    for name, address in (
        ("More like this", f"/search\\?q=red\\+star&like={image_id}"),
        ("Less like this", f"/search\\?q=red\\+star&unlike={image_id}"),
        ("Download", f"/images/{image_id}/download$"),
        (titles[1], f"/images/{image_id}/$"),
    ):
        expect(lightbox(page).get_by_role("link", name=name)).to_have_attribute("href", re.compile(address))


def test_the_picture_is_uncropped_and_fits_the_screen(open_page: OpenPage, collection: list[Image]):
    for size in ({"width": 390, "height": 844}, {"width": 1440, "height": 900}, {"width": 844, "height": 390}):
        page = open_page("/", viewport=size)
        open_result(page, 0)
        for _ in range(5):
            shape = picture(page).evaluate(
                """picture => {
                    const {left, top, right, bottom, width, height} = picture.getBoundingClientRect();
                    const inside = left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight;
                    return [inside, width / height / (picture.getAttribute("width") / picture.getAttribute("height"))];
                }"""
            )
            assert shape[0]
            assert abs(shape[1] - 1) < 0.02
            page.keyboard.press("ArrowRight")


def test_buttons_and_arrow_keys_move_to_the_neighbours(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    ids = results(page)
    open_result(page, 0)
    expect(lightbox(page).get_by_role("button", name="Previous")).to_be_disabled()
    lightbox(page).get_by_role("button", name="Next").click()
    expect_shown(page, ids[1])
    page.keyboard.press("ArrowRight")
    expect_shown(page, ids[2])
    lightbox(page).get_by_role("button", name="Previous").click()
    page.keyboard.press("ArrowLeft")
    expect_shown(page, ids[0])
    # The pressed button is now disabled, and the focus has moved to the other.
    expect(lightbox(page).get_by_role("button", name="Next")).to_be_focused()


def test_a_swipe_moves_to_the_neighbours(open_page: OpenPage, collection: list[Image]):
    page = open_page("/", viewport={"width": 390, "height": 844}, has_touch=True)
    ids = results(page)
    open_result(page, 0)
    touch = page.context.new_cdp_session(page)

    def swipe(*places: int) -> None:
        touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": places[0], "y": 350}]})
        for place in places[1:]:
            touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": place, "y": 352}]})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    swipe(300, 250, 120)
    expect_shown(page, ids[1])
    swipe(200, 190, 175)
    expect_shown(page, ids[1])
    swipe(100, 160, 280)
    expect_shown(page, ids[0])


def test_it_loads_further_results_at_the_end(open_page: OpenPage, collection: list[Image]):
    page = open_page("/", viewport={"width": 1440, "height": 400})
    open_result(page, 18)
    newest_first = [str(image.id) for image in reversed(collection)]
    for number in range(19, 30):
        page.keyboard.press("ArrowRight")
        expect_shown(page, newest_first[number])
    assert results(page) == newest_first
    expect(lightbox(page).get_by_role("button", name="Next")).to_be_disabled()
    page.keyboard.press("ArrowRight")
    expect_shown(page, newest_first[29])


def test_on_a_later_page_the_position_is_counted_from_the_first_result(open_page: OpenPage, collection: list[Image]):
    page = open_page("/search?q=red+star&page=2")
    open_result(page, 1)
    expect(lightbox(page).get_by_text("26 of 30", exact=True)).to_be_visible()


def test_at_the_last_loaded_result_it_waits_for_the_next(open_page: OpenPage, collection: list[Image]):
    page = open_page("/", viewport={"width": 1440, "height": 400})
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/search?*page=2*", hold)
    open_result(page, 18)
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    expect(lightbox(page).get_by_text("Loading more results…")).to_be_visible()
    held[0].continue_()
    expect_shown(page, str(collection[5].id))
    expect(lightbox(page).get_by_text("Loading more results…")).to_be_hidden()


def test_back_closes_it_and_keeps_the_scroll_position(open_page: OpenPage, collection: list[Image]):
    page = open_page("/search?q=red+star", viewport={"width": 1440, "height": 500})
    open_result(page, 9)
    place = page.evaluate("scrollY")
    assert place > 0
    page.go_back()
    expect(lightbox(page)).to_be_hidden()
    expect(page).to_have_url(re.compile(r"q=red\+star$"))
    assert page.evaluate("scrollY") == place
    expect(page.locator("article .tile-link").nth(9)).to_be_focused()
    page.go_forward()
    expect_shown(page, results(page)[9])


def test_escape_closes_it_at_the_last_opened_result(open_page: OpenPage, collection: list[Image]):
    page = open_page("/", viewport={"width": 1440, "height": 500})
    entries = page.evaluate("history.length")
    open_result(page, 0)
    for _ in range(16):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    expect(lightbox(page)).to_be_hidden()
    expect(page).to_have_url(re.compile(r"/$"))
    expect(page.locator("article .tile-link").nth(16)).to_be_focused()
    expect(page.locator("article .tile-frame").nth(16)).to_be_in_viewport()
    # It is one entry of the history, however many pictures were opened.
    assert page.evaluate("history.length") == entries + 1


def test_a_click_beside_the_picture_closes_it(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    open_result(page, 1)
    picture(page).click()
    expect(lightbox(page)).to_be_visible()
    lightbox(page).locator(".stage-view").click(position={"x": 5, "y": 5})
    expect(lightbox(page)).to_be_hidden()


def test_reloading_opens_it_again(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    open_result(page, 2)
    page.reload()
    expect_shown(page, results(page)[2])
    page.keyboard.press("Escape")
    expect(lightbox(page)).to_be_hidden()
    expect(page).to_have_url(re.compile(r"/$"))


def test_an_unknown_picture_in_the_address_is_ignored(open_page: OpenPage, collection: list[Image]):
    page = open_page("/#image-nonsense")
    expect(page).to_have_url(re.compile(r"/$"))
    expect(lightbox(page)).to_be_hidden()


def test_a_key_searches_for_more_like_this_and_back_returns(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    open_result(page, 3)
    shown = results(page)[3]
    page.keyboard.press("s")
    expect(page).to_have_url(re.compile(f"like={shown}"))
    page.go_back()
    expect_shown(page, shown)


def test_with_ctrl_or_without_javascript_the_page_of_the_picture_opens(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    first = results(page)[0]
    with page.context.expect_page() as opened:
        page.locator("article .tile-link").first.click(modifiers=["Control"])
    expect(opened.value).to_have_url(re.compile(f"/images/{first}/$"))
    expect(lightbox(page)).to_be_hidden()
    page = open_page("/", java_script_enabled=False)
    page.locator("article .tile-link").first.click()
    expect(page).to_have_url(re.compile(f"/images/{first}/$"))


def test_a_picture_without_a_large_rendition_is_shown_by_its_small_one(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    page.route("**/1600.webp", lambda route: route.fulfill(status=404))
    open_result(page, 0)
    expect(picture(page)).to_have_attribute("src", re.compile("400.webp"))


def test_axe_finds_nothing_in_it(open_page: OpenPage, collection: list[Image]):
    page = open_page("/search?q=red+star")
    open_result(page, 1)
    assert violations(page) == []


def test_pictures_of_a_shared_set_are_navigated(open_page: OpenPage, shared_set: str):
    page = open_page(shared_set)
    open_result(page, 0)
    expect(lightbox(page).get_by_text("1 of 3")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect_shown(page, results(page)[1])
    page.keyboard.press("Escape")
    # Closing it goes back in the history, which would abort a navigation in progress.
    expect(page).to_have_url(re.compile(f"{shared_set}$"))
    expect(lightbox(page)).to_be_hidden()
    page.goto(str(page.locator("article .tile-link").nth(1).get_attribute("href")))
    page.get_by_role("link", name="Next picture").click()
    expect(page.get_by_text("3 of 3")).to_be_visible()
    page.get_by_role("link", name="Shared pictures").click()
    expect(page).to_have_url(re.compile(f"{shared_set}$"))
