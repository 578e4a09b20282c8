"""Adding pictures in the browser: each file with a card and an outcome of its own."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from search.models import Image
from tests.browser.conftest import OpenPage
from tests.written import a_photo, exif_block

pytestmark = pytest.mark.usefixtures("live_server")


def test_each_file_gets_its_own_words_and_its_own_outcome(open_page: OpenPage, as_alice, alice, files: list[Path]):
    page = open_page("/upload/", as_user=as_alice)
    notes = files[0].with_name("notes.txt")
    notes.write_text("not a picture")
    page.set_input_files("#upload input[type=file]", [files[0], notes])
    cards = page.locator(".card")
    expect(cards).to_have_count(2)
    cards.nth(0).get_by_label("Title").fill("The harbour")
    page.locator("[name=tags]").fill("sea, boats")
    page.locator("#upload").get_by_role("button", name="Add pictures").click()
    expect(cards.nth(0)).to_contain_text("Added")
    expect(cards.nth(1)).to_contain_text("This file is not a picture.")
    expect(page.locator("#progress")).to_have_text("2 of 2 done")
    image = Image.objects.get()
    assert (image.title, image.tags, image.uploader) == ("The harbour", ["sea", "boats"], alice)
    cards.nth(0).get_by_role("link", name="The harbour").click()
    expect(page).to_have_url(re.compile(str(image.id)))


def test_what_is_written_in_a_file_is_offered_and_the_person_decides(open_page: OpenPage, as_alice, files: list[Path]):
    block = exif_block(t40091="Hafen\0".encode("utf-16-le"), t270="Boats", t40094="sea;boats\0".encode("utf-16-le"))
    files[0].write_bytes(a_photo(exif=block))
    page = open_page("/upload/", as_user=as_alice)
    page.set_input_files("#upload input[type=file]", files[0])
    card = page.locator(".card")
    expect(card.get_by_label("Title")).to_have_value("Hafen")
    expect(card).to_contain_text("Written in the file: Title, Description, Tags of this picture")
    card.get_by_label("Title").fill("The harbour")
    card.get_by_role("button", name="Empty these").click()
    expect(card.get_by_label("Title")).to_have_value("The harbour")
    expect(card.get_by_label("Description")).to_have_value("")
    card.get_by_label("Tags of this picture").fill("port")
    page.locator("[name=tags]").fill("trip")
    page.locator("#upload").get_by_role("button", name="Add pictures").click()
    expect(card).to_contain_text("Added")
    image = Image.objects.get()
    assert (image.title, image.description, image.tags) == ("The harbour", "", ["trip", "port"])


def test_a_picture_that_is_here_already_is_shown(open_page: OpenPage, as_alice, files: list[Path]):
    for expected in ("Added", "Already here"):
        page = open_page("/upload/", as_user=as_alice)
        page.set_input_files("#upload input[type=file]", files[1])
        page.locator("#upload").get_by_role("button", name="Add pictures").click()
        expect(page.locator(".card")).to_contain_text(expected)
        expect(page.locator(".card .outcome a")).to_have_attribute("href", re.compile("/images/"))


def test_a_wrong_link_can_be_mended_and_sent_again(open_page: OpenPage, as_alice, files: list[Path]):
    page = open_page("/upload/", as_user=as_alice)
    page.set_input_files("#upload input[type=file]", files[0])
    card = page.locator(".card")
    card.get_by_label("Source link").fill("not a link")
    send = page.locator("#upload").get_by_role("button", name="Add pictures")
    # The browser would stop this one itself; the server must too.
    page.locator("#upload").evaluate("form => form.noValidate = true")
    send.click()
    expect(card).to_contain_text("Enter a valid URL.")
    card.get_by_label("Source link").fill("https://example.org/")
    send.click()
    expect(card).to_contain_text("Added")


def test_a_file_over_the_limit_is_told_before_it_is_sent(open_page: OpenPage, as_alice, files: list[Path], settings):
    settings.UPLOAD_MAX_MB = 1
    files[0].write_bytes(files[0].read_bytes() + bytes(1_250_000))
    page = open_page("/upload/", as_user=as_alice)
    page.set_input_files("#upload input[type=file]", files)
    expect(page.locator(".card").nth(0)).to_contain_text("This file has 1.3 MB; the limit is 1.")
    page.locator("#upload").get_by_role("button", name="Add pictures").click()
    expect(page.locator(".card").nth(1)).to_contain_text("Added")
    expect(page.locator("#progress")).to_have_text("1 of 1 done")


def test_a_card_can_be_removed(open_page: OpenPage, as_alice, files: list[Path]):
    page = open_page("/upload/", as_user=as_alice)
    send = page.locator("#upload").get_by_role("button", name="Add pictures")
    expect(send).to_be_hidden()
    page.set_input_files("#upload input[type=file]", files)
    page.locator(".card").nth(0).get_by_role("button", name="Remove").click()
    expect(page.locator(".card")).to_have_count(1)
    expect(page.locator(".card").get_by_role("button", name="Remove")).to_be_focused()
    page.locator(".card").get_by_role("button", name="Remove").click()
    expect(send).to_be_hidden()


def test_somebody_logged_out_meanwhile_is_told(open_page: OpenPage, as_alice, files: list[Path]):
    page = open_page("/upload/", as_user=as_alice)
    page.set_input_files("#upload input[type=file]", files[0])
    page.context.clear_cookies(name="sessionid")
    page.locator("#upload").get_by_role("button", name="Add pictures").click()
    expect(page.locator(".card")).to_contain_text("You are not logged in any more.")
    assert not Image.objects.exists()


def test_without_a_script_all_files_go_in_one_form(open_page: OpenPage, as_alice, files: list[Path]):
    page = open_page("/upload/", as_user=as_alice, java_script_enabled=False)
    page.set_input_files("#upload input[type=file]", files)
    page.get_by_label("Title").fill("From the trip")
    page.locator("#upload").get_by_role("button", name="Add pictures").click()
    expect(page.locator(".outcome")).to_have_count(2)
    assert [image.title for image in Image.objects.all()] == ["From the trip"] * 2
