"""Two models side by side, judged by keyboard."""

from collections.abc import Iterator

import pytest
from django.test import Client
from playwright.sync_api import expect

from search.embedding import Pair, active_pair, forget
from search.embedding.loading import once_of
from search.model_comparison import pairs
from search.models import Image, ImageVector, Judgement
from search.models.vector_sets import drop_set, make_set
from tests.base import a_vector
from tests.browser.conftest import OpenPage, wait_until
from tests.browser.test_every_page import violations
from tests.test_compare_models import OTHER, Words, axis

PAGE = "/admin/search/image/compare/?q=sea"


@pytest.fixture
def compared(collection: list[Image], monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Image]]:
    """Thirty pictures with vectors of two models; "sea" is nearest to the first picture by both."""
    other = make_set(OTHER, 32)
    ImageVector.objects.bulk_create(
        ImageVector(image=image, set_id=other.id, embedding=axis(number)) for number, image in enumerate(collection)
    )
    known = {OTHER: Pair(OTHER, OTHER)}
    monkeypatch.setattr(pairs, "pair_of", lambda model: known.get(model, active_pair()))
    once_of("words").set(Words({"sea": a_vector(0)}, 512))
    once_of("words", OTHER).set(Words({"sea": axis(0)}, 32))
    yield collection
    once_of("words").set(None)
    forget(OTHER)
    drop_set(other)


def test_pictures_are_judged_by_keyboard_in_both_lists_and_without_javascript(
    open_page: OpenPage, compared: list[Image], as_carol: Client
):
    page = open_page(PAGE, as_user=as_carol)
    assert violations(page) == []
    page.keyboard.press("ArrowRight")
    page.keyboard.press("2")
    pressed = page.locator(f'[data-image="{compared[0].pk}"] [aria-pressed="true"]')
    expect(pressed).to_have_count(2)
    expect(pressed.first).to_have_text("Fits")
    assert Judgement.objects.get().grade == 2
    page.keyboard.press("2")
    expect(pressed).to_have_count(0)
    assert not Judgement.objects.exists()

    plain = open_page(PAGE, as_user=as_carol, java_script_enabled=False, viewport={"width": 360, "height": 700})
    plain.get_by_role("button", name="Fits partly").nth(3).click()
    expect(plain.locator('[aria-pressed="true"]').first).to_be_in_viewport()
    assert Judgement.objects.get().grade == 1
    page.set_viewport_size({"width": 360, "height": 700})
    wait_until(page, "html", "node.scrollWidth <= node.clientWidth")
