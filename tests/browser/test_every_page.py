"""Rules for every page: no accessibility violations, no horizontal scrolling, both languages."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from search.curation import AddToAlbum, change
from search.curation.metadata_import import write_captures
from search.example_searches.measuring import measure
from search.metadata import PhotoMetadata
from search.models import (
    Album,
    DuplicatePair,
    Image,
    PictureSet,
    SavedSearch,
    TagSuggestion,
    VocabularyTag,
    WorkingSet,
)
from tests.browser.conftest import OpenPage
from tests.browser.server import AXE


def addresses(collection: list[Image], saved: SavedSearch) -> list[str]:
    image = collection[0]
    album = Album.objects.create(title="Summer", description="Sea", owner=saved.user, visibility="link").pk
    change([one.pk for one in collection[:5]], AddToAlbum(Album.objects.get(pk=album)))
    return [
        "/",
        "/search?q=red+star",
        "/search?q=red+star&page=9",
        f"/search?like={image.id}",
        f"/search?q=red+star&like={image.id}&not=sky&unlike={collection[1].id}&colour=grey&until=2999-12-31",
        "/search?q=red+star&tag=sea&tag=no+such+tag",
        "/search?q=red+star&mode=words",
        "/search?like=mistyped",
        "/search?q=red+camera:0+taken:2021..+taken:soon&filters=open&sort=taken",
        "/search/help/",
        "/timeline/",
        "/timeline/?at=2022-02",
        f"/images/{image.id}/",
        f"/images/{collection[2].id}/",
        f"/search?near={collection[2].id}&sort=nearest&filters=open",
        f"/images/{image.id}/report/",
        "/upload/",
        "/share/",
        "/offline/",
        "/accounts/password/",
        "/account/tokens/",
        "/account/second-factor/",
        "/account/email/",
        "/api/docs",
        "/account/",
        "/saved/",
        f"{saved.get_absolute_url()}?since=2026-01-01T00:00:00Z",
        f"/sets/{PictureSet.keep([one.id for one in collection[:5]], None).pk}/",
        "/albums/",
        *(f"/albums/{album}/{page}" for page in ("", "edit", "arrange", "delete")),
        f"/search?album={album}&filters=open",
        f"/upload/added/{WorkingSet.keep(saved.user, [one.id for one in collection[:3]]).pk}/",
        "/no/such/page/",
    ]


def show_places(collection: list[Image], settings: Any) -> None:
    """Give one picture a place, visible to everyone."""
    settings.SHOW_PLACES = "everyone"
    write_captures({collection[2].pk: PhotoMetadata.of(latitude=35.1587, longitude=129.1604)})


def for_anonymous_users() -> list[str]:
    return ["/", "/accounts/login/?next=/upload/", "/accounts/sign-up/", "/accounts/reset/", "/accounts/reset/a/b-c/"]


def unfold(page: Page) -> None:
    """Open all folded parts, except menus that cover other elements."""
    for summary in page.locator("details:not([data-closes]):not([open]) > summary:visible").element_handles():
        summary.click()


# Scripts get the theme one frame after the browser.
END_TRANSITIONS = """async (theme) => {
    const frame = () => new Promise(requestAnimationFrame);
    while (!matchMedia(`(prefers-color-scheme: ${theme})`).matches) await frame();
    await frame();
    await frame();
    document.getAnimations().forEach((one) => one instanceof CSSTransition && one.finish());
}"""


def run_axe(page: Page, **options: Any) -> list[dict[str, Any]]:
    """The rules that the page violates in its current theme."""
    if not page.evaluate("'axe' in window"):
        page.add_script_tag(url=AXE)
    # Passed rules are not reported in detail: that takes longer than the check.
    options = {"resultTypes": ["violations"], **options}
    found: list[dict[str, Any]] = page.evaluate("async (options) => (await axe.run(options)).violations", options)
    return found


RULES: dict[str, dict[str, Any]] = {"light": {}, "dark": {"runOnly": ["color-contrast"]}}


def violations(page: Page) -> list[str]:
    """What axe finds on this page: all rules in the light theme, contrasts in the dark one."""
    found: list[dict[str, Any]] = []
    is_dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    # The current theme first, as the whole page is drawn again in the other one.
    for theme in sorted(RULES, reverse=not is_dark):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        # Django's own pages animate the colours of links even with reduced motion.
        page.evaluate(END_TRANSITIONS, theme)
        found += run_axe(page, **RULES[theme])
    return [f"{page.url}: {one['id']}: {node['html']}" for one in found for node in one["nodes"]]


def test_axe_reports_violations(open_page: OpenPage, collection: list[Image]):
    page = open_page("/accounts/login/")
    page.locator("main").evaluate("main => main.insertAdjacentHTML('beforeend', '<input name=\"unlabelled\">')")
    # By hand, since the security policy forbids a <style> in a page.
    page.evaluate(
        """() => {
            const sheet = new CSSStyleSheet();
            sheet.replaceSync("@media (prefers-color-scheme: dark) { h1 { color: #333; } }");
            document.adoptedStyleSheets.push(sheet);
        }"""
    )
    assert [one.split(": ")[1] for one in violations(page)] == ["label", "color-contrast"]


def test_axe_finds_nothing(
    open_page: OpenPage, dated: list[Image], saved: SavedSearch, as_alice, files: list[Path], settings
):
    settings.SENDS_MAIL = True
    show_places(dated, settings)
    measure()
    problems: list[str] = []
    page = open_page("/", as_user=as_alice)
    for address in addresses(dated, saved):
        page.goto(address)
        unfold(page)
        problems += violations(page)
    page.goto("/")
    for folded in (
        page.get_by_title("Search by a picture"),
        page.locator(".menu summary"),
        page.locator(".save-search summary"),
    ):
        folded.click()
        problems += violations(page)
    page.goto("/search?q=red+star")
    page.get_by_role("button", name="About this result").first.click()
    problems += violations(page)
    page.goto("/upload/")
    page.set_input_files("#upload [name=pictures]", files)
    unfold(page)
    problems += violations(page)
    page.get_by_role("button", name="Add 2 pictures").click()
    expect(page.locator(".outcome")).to_have_count(2)
    problems += violations(page)
    page = open_page("/", locale="ko-KR")
    for address in for_anonymous_users():
        page.goto(address)
        problems += violations(page)
    assert problems == []


def test_no_page_is_wider_than_a_small_phone(
    open_page: OpenPage, dated: list[Image], saved: SavedSearch, as_alice, settings
):
    settings.SENDS_MAIL = True
    show_places(dated, settings)
    measure()
    too_wide = []
    for client, paths, language in (
        (as_alice, addresses(dated, saved), "ko-KR"),
        (None, for_anonymous_users(), "en-US"),
    ):
        page = open_page("/", as_user=client, viewport={"width": 360, "height": 700}, locale=language)
        for path in paths:
            page.goto(path)
            unfold(page)
            if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
                too_wide.append(path)
    assert too_wide == []


MOTION = """() => [...document.querySelectorAll("*")].flatMap((one) => {
    const { transitionDuration, animationDuration } = getComputedStyle(one);
    return `${transitionDuration}, ${animationDuration}`.split(", ").map(parseFloat);
})"""
"""The durations of all transitions and animations on a page, in seconds."""


def test_opening_is_animated_briefly_and_not_at_all_with_reduced_motion(
    open_page: OpenPage, collection: list[Image], as_alice
):
    longest = {}
    for wanted in ("no-preference", "reduce"):
        page = open_page("/albums/", as_user=as_alice, reduced_motion=wanted)
        page.locator(".menu summary").click()
        longest[wanted] = max(page.evaluate(MOTION))
    assert 0.12 <= longest["no-preference"] <= 0.2
    assert longest["reduce"] == 0


@pytest.mark.parametrize("size", [{"width": 1440, "height": 900}, {"width": 390, "height": 844}])
def test_the_404_page_has_a_search_box(open_page: OpenPage, collection: list[Image], size: dict[str, int]):
    page = open_page("/no/such/page/", viewport=size)
    expect(page.get_by_role("heading", name="This page does not exist.")).to_be_in_viewport()
    page.keyboard.press("/")
    page.keyboard.type("red star")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/search\?q=red\+star"))
    expect(page.locator("article.tile").first).to_be_visible()


def pages_for_curators(collection: list[Image]) -> list[str]:
    """Pages of the admin that are entirely ours, each with some content."""
    for first, second, kind in ((0, 1, "same"), (2, 3, "same"), (4, 5, "similar")):
        DuplicatePair.objects.create(first=collection[first], second=collection[second], kind=kind, bits=4)
    tag = VocabularyTag.objects.create(name="harbour", korean="항구", phrase="a harbour")
    for image, state in zip(collection, ("pending", "pending", "rejected"), strict=False):
        TagSuggestion.objects.create(tag=tag, image=image, state=state, similarity=0.3)
    tags = "/admin/search/vocabularytag/"
    duplicates = "/admin/search/image/duplicates/"
    return [
        tags,
        *(f"{tags}{tag.pk}/{page}" for page in ("suggestions/", "suggestions/?state=rejected", "merge/")),
        f"{tags}import/",
        "/admin/state/",
        duplicates,
        f"{duplicates}?kind=similar",
        f"{duplicates}exact/",
    ]


def test_axe_finds_nothing_on_pages_for_curators_and_they_fit_a_phone(
    open_page: OpenPage, collection: list[Image], as_carol
):
    problems: list[str] = []
    # axe lays an element with an inline style over a field to measure it.
    expected = r"status of 40[04]|inline style"
    page = open_page("/", as_user=as_carol, viewport={"width": 1440, "height": 900}, expected=expected)
    paths = pages_for_curators(collection)
    for path in paths:
        page.goto(path)
        problems += violations(page)
    page = open_page("/", as_user=as_carol, viewport={"width": 360, "height": 700}, locale="ko-KR")
    for path in paths:
        page.goto(path)
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            problems.append(f"{path} is too wide")
    assert problems == []


@pytest.mark.parametrize("script", [True, False])
def test_switching_the_language_stays_on_the_page(open_page: OpenPage, collection: list[Image], script: bool):
    page = open_page("/search?q=red+star&page=2", java_script_enabled=script)
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.get_by_role("button", name="한국어").click()
    expect(page.locator("html")).to_have_attribute("lang", "ko")
    expect(page).to_have_url(re.compile(r"/search\?q=red\+star&page=2$"))
    expect(page.get_by_role("heading", level=2)).to_have_text("이미지 30장, 가까운 순")
    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_the_first_language_is_that_of_the_browser(open_page: OpenPage, collection: list[Image]):
    page = open_page("/", locale="ko-KR")
    expect(page).to_have_title(re.compile("이미지 검색"))


def test_the_first_tab_stop_skips_to_the_content(open_page: OpenPage, collection: list[Image]):
    page = open_page("/")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_a_report_is_sent_from_the_page_of_the_picture(open_page: OpenPage, collection: list[Image]):
    image = collection[0]
    page = open_page(f"/images/{image.id}/")
    page.get_by_title("Report this picture").click()
    page.get_by_label("Broken or empty").check()
    page.get_by_role("button", name="Send report").click()
    expect(page.locator(".message")).to_have_text("Thank you. A curator will review this picture.")
    assert image.reports.get().reason == "broken"


def test_the_menu_has_a_button_to_log_out(open_page: OpenPage, collection: list[Image], as_alice):
    page = open_page("/", as_user=as_alice, java_script_enabled=False)
    page.locator(".menu summary").click()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("link", name="Log in")).to_be_visible()


def test_a_curator_selects_all_of_a_list_and_sorts_it_on_a_phone(
    open_page: OpenPage, collection: list[Image], as_carol
):
    page = open_page("/admin/search/image/", as_user=as_carol, viewport={"width": 360, "height": 700})
    page.locator("#result_list thead").get_by_role("link", name="Title").click()
    expect(page).to_have_url(re.compile(r"[?&]o=2"))

    page.locator("#action-toggle").check()

    expect(page.locator("#result_list tbody input.action-select:checked")).to_have_count(len(collection))
    assert not page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
