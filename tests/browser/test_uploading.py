"""Adding pictures in the browser: each file has its own card and outcome."""

import re
from pathlib import Path

import pytest
from django.test import Client
from playwright.sync_api import Locator, Page, Route, expect

from search.models import Album, Image, Revision
from tests.base import picture_bytes
from tests.browser.conftest import OpenPage
from tests.written import a_photo, exif_block

pytestmark = pytest.mark.usefixtures("live_server")

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1440, "height": 900}


def choose(page: Page, files: Path | list[Path]) -> Locator:
    """Choose files, and return their cards."""
    page.set_input_files("#upload [name=pictures]", files)
    return page.locator(".card")


def send(page: Page) -> Locator:
    return page.locator("#sending [type=submit]:not([form])")


def unfold(card: Locator) -> Locator:
    card.locator("summary").click()
    return card


@pytest.fixture
def fifty(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"IMG_{1000 + number}.png" for number in range(50)]
    for number, path in enumerate(paths):
        path.write_bytes(picture_bytes(f"#{number:02x}8040", size=(60, 40), format="PNG"))
    return paths


def test_each_file_has_its_own_texts_and_outcome(open_page: OpenPage, as_alice, alice, files: list[Path]):
    page = open_page("/upload/", as_user=as_alice)
    notes = files[0].with_name("notes.txt")
    notes.write_text("not a picture")
    cards = choose(page, [*files, notes])
    expect(cards).to_have_count(3)
    unfold(cards.nth(0)).get_by_label("Title").fill("The harbour")
    expect(cards.nth(0).locator(".card-name")).to_have_text("The harbour")
    unfold(cards.nth(1)).get_by_label("Author of this picture").fill("Bob")
    page.locator("#upload > .upload-all [name=tags]").fill("sea, boats")
    page.locator("#upload > .upload-all [name=author]").fill("Alice")
    send(page).click()
    expect(cards.nth(0)).to_contain_text("Added")
    expect(cards.nth(2)).to_contain_text("This file is not a picture.")
    expect(page.locator("#progress")).to_have_text("3 of 3 done · 1 could not be added")
    # The fields for all files were sent too.
    expect(page.locator("#upload > .upload-all")).to_have_js_property("inert", True)
    by_author = {image.author: image for image in Image.objects.all()}
    assert by_author.keys() == {"Alice", "Bob"}
    image = by_author["Alice"]
    assert (image.title, image.tags, image.uploader) == ("The harbour", ["sea", "boats"], alice)
    cards.nth(0).get_by_role("link", name="The harbour").click()
    expect(page).to_have_url(re.compile(str(image.id)))


@pytest.mark.parametrize(("size", "screens"), [(DESKTOP, 2), (PHONE, 2.25)])
def test_fifty_files_fit_two_screens_with_a_visible_button(
    open_page: OpenPage, as_alice, fifty: list[Path], size: dict[str, int], screens: float
):
    page = open_page("/upload/", as_user=as_alice, viewport=size, has_touch=size is PHONE, is_mobile=size is PHONE)
    expect(choose(page, fifty)).to_have_count(50)
    expect(send(page)).to_be_in_viewport()
    expect(send(page)).to_have_text("Add 50 pictures")
    assert page.evaluate("document.documentElement.scrollHeight") <= screens * size["height"]
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_added_pictures_are_shown_and_tagged_together(
    open_page: OpenPage, as_alice: Client, collection: list[Image], files: list[Path], size: dict[str, int]
):
    page = open_page("/upload/", as_user=as_alice, viewport=size)
    choose(page, files)
    send(page).click()
    expect(page.get_by_role("button", name="See the 2 added")).to_be_visible()
    page.get_by_role("button", name="Tag them").click()
    expect(page.locator("article.tile")).to_have_count(2)
    expect(page.locator("#added-tags")).to_be_focused()
    page.keyboard.type("harbour trip")
    page.keyboard.press("Enter")
    expect(page.locator(".message")).to_contain_text("2 pictures were tagged.")
    expect(page.locator("article.tile")).to_have_count(2)
    assert Image.objects.filter(tags=["harbour trip"]).count() == 2


def test_pictures_are_added_to_a_new_album_at_once(open_page: OpenPage, as_alice: Client, alice, files: list[Path]):
    page = open_page("/upload/", as_user=as_alice)
    choose(page, files)
    page.locator("[name=album]").select_option("new")
    page.get_by_label("Title of the new album").fill("The trip")
    send(page).click()
    expect(page.locator("#told")).to_have_text("2 pictures were added to the album.")
    # Later files are added to the same album.
    expect(page.locator("[name=album]")).to_have_value(str(Album.objects.get(owner=alice).pk))
    assert Album.objects.get().entries.count() == 2
    assert Revision.objects.filter(kind=Revision.Kind.ALBUM).count() == 1


def test_an_upload_can_be_paused_and_continued(open_page: OpenPage, as_alice, fifty: list[Path]):
    page = open_page("/upload/", as_user=as_alice)

    def hold(route: Route) -> None:
        """Send no response."""

    page.route("**/upload/", hold)
    choose(page, fifty[:4])
    send(page).click()
    # The first is in progress, and stays so.
    expect(page.locator(".card progress:not([hidden])")).to_have_count(1)
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#progress")).to_have_text("Paused: 0 of 4 done")
    page.unroute("**/upload/")
    expect(send(page)).to_have_text("Continue")
    send(page).click()
    # The held file may have reached the server nevertheless.
    expect(page.locator("#progress")).to_contain_text("4 of 4 done")
    assert Image.objects.count() == 4


def test_only_failed_files_are_tried_again(open_page: OpenPage, as_alice, files: list[Path]):
    page = open_page("/upload/", as_user=as_alice, expected="status of 500")
    page.route("**/upload/", lambda route: route.fulfill(status=500, body="<p>Bad Gateway</p>"), times=1)
    cards = choose(page, files)
    send(page).click()
    expect(page.locator("#progress")).to_have_text("2 of 2 done · 1 could not be added")
    expect(cards.nth(0)).to_contain_text("This picture could not be sent.")
    expect(send(page)).to_have_text("Try 1 again")
    send(page).click()
    expect(page.locator("#progress")).to_have_text("1 of 1 done")
    expect(page.get_by_role("button", name="See the 2 added")).to_be_visible()


def test_only_the_pictures_of_a_folder_are_taken(open_page: OpenPage, as_alice, files: list[Path]):
    page = open_page("/upload/", as_user=as_alice)
    folder = files[0].parent / "trip"
    (folder / "second day").mkdir(parents=True)
    files[0].rename(folder / files[0].name)
    files[1].rename(folder / "second day" / files[1].name)
    (folder / "notes.txt").write_text("not meant")
    page.set_input_files("#folder", folder)
    expect(page.locator(".card-name")).to_have_text(["harbour.jpg", "garden.png"], use_inner_text=True)


def test_metadata_of_a_file_is_offered_and_can_be_changed(open_page: OpenPage, as_alice, files: list[Path]):
    block = exif_block(t40091="Hafen\0".encode("utf-16-le"), t270="Boats", t40094="sea;boats\0".encode("utf-16-le"))
    files[0].write_bytes(a_photo(exif=block))
    page = open_page("/upload/", as_user=as_alice)
    card = choose(page, files[0])
    expect(card.locator(".card-name")).to_have_text("Hafen")
    unfold(card)
    expect(card.get_by_label("Title")).to_have_value("Hafen")
    expect(card).to_contain_text("Found in the file: Title, Description, Tags of this picture")
    card.get_by_label("Title").fill("The harbour")
    card.get_by_role("button", name="Clear these fields").click()
    expect(card.get_by_label("Title")).to_have_value("The harbour")
    expect(card.get_by_label("Description")).to_have_value("")
    card.get_by_label("Tags of this picture").fill("port")
    page.locator("#upload > .upload-all [name=tags]").fill("trip")
    send(page).click()
    expect(card).to_contain_text("Added")
    image = Image.objects.get()
    assert (image.title, image.description, image.tags) == ("The harbour", "", ["trip", "port"])


def test_a_known_picture_is_shown(open_page: OpenPage, as_alice, files: list[Path]):
    for expected in ("Added", "Already here"):
        page = open_page("/upload/", as_user=as_alice)
        choose(page, files[1])
        send(page).click()
        expect(page.locator(".card")).to_contain_text(expected)
        expect(page.locator(".card .outcome a")).to_have_attribute("href", re.compile("/images/"))
    expect(page.locator("#progress")).to_have_text("1 of 1 done · 1 already here")


def test_an_invalid_link_can_be_corrected_and_sent_again(open_page: OpenPage, as_alice, files: list[Path]):
    page = open_page("/upload/", as_user=as_alice)
    card = choose(page, files[0])
    unfold(card).get_by_label("Source link").fill("not a link")
    # The browser would stop this one itself; the server must too.
    page.locator("#upload").evaluate("form => form.noValidate = true")
    send(page).click()
    expect(card).to_contain_text("Enter a valid URL.")
    card.get_by_label("Source link").fill("https://example.org/")
    send(page).click()
    expect(card).to_contain_text("Added")


def test_a_file_over_the_limit_is_reported_before_it_is_sent(
    open_page: OpenPage, as_alice, files: list[Path], settings
):
    settings.UPLOAD_MAX_MB = 1
    files[0].write_bytes(files[0].read_bytes() + bytes(1_250_000))
    page = open_page("/upload/", as_user=as_alice)
    choose(page, files)
    expect(page.locator(".card").nth(0)).to_contain_text("This file has 1.3 MB; the limit is 1.")
    send(page).click()
    expect(page.locator(".card").nth(1)).to_contain_text("Added")
    expect(page.locator("#progress")).to_have_text("1 of 1 done")


def test_a_card_can_be_removed(open_page: OpenPage, as_alice, files: list[Path]):
    page = open_page("/upload/", as_user=as_alice)
    expect(send(page)).to_be_hidden()
    cards = choose(page, files)
    cards.nth(0).get_by_role("button", name="Remove").click()
    expect(cards).to_have_count(1)
    expect(cards.get_by_role("button", name="Remove")).to_be_focused()
    cards.get_by_role("button", name="Remove").click()
    expect(send(page)).to_be_hidden()


def test_a_user_who_was_logged_out_is_told_so(open_page: OpenPage, as_alice, files: list[Path]):
    page = open_page("/upload/", as_user=as_alice)
    choose(page, files[0])
    page.context.clear_cookies(name="sessionid")
    send(page).click()
    expect(page.locator(".card")).to_contain_text("You are no longer logged in.")
    assert not Image.objects.exists()


def test_without_javascript_all_files_are_sent_by_one_form(open_page: OpenPage, as_alice, files: list[Path]):
    page = open_page("/upload/", as_user=as_alice, java_script_enabled=False)
    page.set_input_files("#upload [name=pictures]", files)
    page.get_by_label("Title", exact=False).first.fill("From the trip")
    page.locator("[name=album]").select_option("new")
    page.get_by_label("Title of the new album").fill("The trip")
    page.locator("#upload").get_by_role("button", name="Add pictures").click()
    expect(page.locator(".outcome")).to_have_count(2)
    assert [image.title for image in Image.objects.all()] == ["From the trip"] * 2
    assert Album.objects.get().entries.count() == 2
    page.get_by_role("link", name="Tag them").click()
    page.get_by_label("Tags for all pictures").fill("sea")
    page.get_by_role("button", name="Add tags").click()
    assert Image.objects.filter(tags=["sea"]).count() == 2
