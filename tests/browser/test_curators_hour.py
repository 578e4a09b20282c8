"""An hour of a curator's work: a theme is tagged, copies are merged, suggestions accepted, reports answered, a change
undone, a picture restored, and the result downloaded."""

import zipfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from PIL import Image as PILImage
from playwright.sync_api import expect

from search.demo import collection
from search.demo.collection import METADATA, draw_collection
from search.demo.drawing import draw
from search.models import DuplicatePair, Image, Report, Revision, Trashed, VocabularyTag
from search.relevance.band_thresholds import look_again
from search.tagging.suggesting import suggest
from search.tagging.suggestion_decisions import waiting
from search.tagging.vocabulary import encode_missing
from tests.browser.conftest import OpenPage
from tests.browser.test_every_page import violations

DRAWN, COPIED = 180, 8
DESKTOP = {"width": 1440, "height": 900}
AXE = "inline style"
"""axe lays an element with an inline style over a field to measure it."""
TAGS = "/admin/search/vocabularytag/"


@pytest.fixture
def drawings(live_server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sequence[Image]:
    """Small drawings without tags, some of them twice, with duplicates and tag suggestions computed."""
    folder = tmp_path / "drawings"
    monkeypatch.setattr(collection, "draw", partial(draw, long_side=320))
    draw_collection(folder, DRAWN)
    (folder / METADATA).unlink()
    files = sorted(folder.iterdir())
    for path in files[:COPIED]:
        PILImage.open(path).convert("RGB").resize((240, 240)).save(folder / f"copy-{path.stem}.jpg", quality=60)
    call_command("ingest", str(folder), verbosity=0)
    look_again()
    for shape in ("star", "fish"):
        VocabularyTag.objects.create(name=shape, phrase=f"a {shape}", korean="")
    encode_missing()
    suggest()
    call_command("find_duplicates", "--jobs", "1", verbosity=0)
    return list(Image.objects.order_by("pk"))


def test_a_curator_works_through_all_tasks(
    open_page: OpenPage, drawings: Sequence[Image], alice: User, as_carol: Client, tmp_path: Path
):
    page = open_page("/search?q=fish", as_user=as_carol, viewport=DESKTOP, expected=AXE)
    problems = violations(page)

    # A theme, from a search: all strong matches.
    page.locator(".change-all summary").click()
    page.locator(".change-all a").first.click()
    page.get_by_label("Tags", exact=True).fill("theme")
    page.get_by_role("button", name="Add tags").click()
    expect(page.locator(".message")).to_contain_text("tagged")
    themed = Image.objects.filter(tags__contains=["theme"])
    assert themed.exists()

    # Copies, by keyboard: the first of each group, which is the suggested one, is kept.
    copies = DuplicatePair.objects.filter(kind="same").count()
    assert copies >= COPIED - 2
    page.goto("/admin/search/image/duplicates/")
    problems += violations(page)
    groups = page.locator(".duplicate-group")
    expect(groups).to_have_count(copies)
    page.keyboard.press("j")
    for left in range(copies - 1, -1, -1):
        page.keyboard.press("1")
        expect(groups).to_have_count(left)
    assert Trashed.objects.count() == copies
    assert not DuplicatePair.objects.filter(state="pending", kind="same").exists()

    # Suggestions: all of a page except one.
    star = VocabularyTag.objects.get(name="star")
    count = waiting(star).count()
    assert count > 3
    page.goto(TAGS)
    page.locator("tr").filter(has_text="star").get_by_role("link", name=str(count), exact=True).click()
    problems += violations(page)
    reject = page.get_by_role("button", name="Reject: ").last
    rejected = reject.get_attribute("value")
    reject.click()
    # Equally dissimilar pictures are no longer suggested either.
    expect(page.locator("[data-waiting]")).not_to_have_text(str(count))
    page.get_by_role("button", name="Accept all").first.click()
    expect(page.locator(".messagelist")).to_be_visible()
    tagged = Image.objects.filter(tags__contains=["star"])
    assert count / 2 <= tagged.count() < count
    assert not tagged.filter(pk=rejected).exists()

    # Reports: two pictures are hidden.
    shown = list(Image.objects.filter(hidden=False).order_by("pk")[:2])
    for image in shown:
        Report.objects.create(image=image, reason="broken", reporter=alice)
    page.goto("/admin/search/report/")
    page.locator("#action-toggle").check()
    page.get_by_label("Action:").select_option("hide_selected")
    page.get_by_role("button", name="Go", exact=True).click()
    expect(page.locator(".messagelist")).to_be_visible()
    assert not Report.objects.filter(resolved=None).exists()
    assert Image.objects.filter(pk__in=[image.pk for image in shown], hidden=True).count() == 2

    # In the history, the tagging of the theme is undone.
    page.goto("/admin/search/revision/?kind__exact=tag")
    page.locator("#result_list tbody tr").last.get_by_role("button", name="Undo").click()
    expect(page.locator(".messagelist")).to_contain_text("reverted")
    assert not themed.exists()

    # A picture is restored from the trash.
    page.goto("/admin/search/trashed/")
    page.locator("#result_list tbody tr").first.locator("input[type=checkbox]").check()
    page.get_by_label("Action:").select_option("restore")
    page.get_by_role("button", name="Go", exact=True).click()
    expect(page.locator(".messagelist")).to_be_visible()
    assert Trashed.objects.count() == copies - 1

    # And the result is downloaded.
    page.goto("/search?tag=star")
    page.get_by_role("button", name="Select", exact=True).click()
    bar = page.locator("#selection")
    bar.get_by_role("button", name="All on this page").click()
    with page.expect_download() as download:
        bar.get_by_role("button", name="Download as ZIP").click()
    download.value.save_as(tmp_path / "stars.zip")
    with zipfile.ZipFile(tmp_path / "stars.zip") as archive:
        assert len(archive.namelist()) > 3
    assert Revision.objects.filter(by__username="carol").count() >= copies + 3
    assert problems == []
