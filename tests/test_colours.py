"""The colours of images: named, stored as palettes, and searched by."""

import random
import re
import uuid
from collections import Counter
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from PIL import Image as PILImage

from search.curation.details import Details
from search.demo.drawing import draw
from search.demo.scenes import COLOURS, Colour, random_scene
from search.imaging import colours_of
from search.ingestion.adding import add_picture
from search.ingestion.palettes import count_unread, read_portions, write_palettes
from search.models import Image, Palette
from search.objects import storage
from search.query import Filters, SearchQuery
from search.query.typed_filters import TERM, read_term
from search.retrieval import find, query_vector
from tests.base import a_vector, an_image, picture_bytes, stored_image

CALLED = {"turquoise": "teal"}
"""Colours of the drawings that have another name in the palette."""


def called(colour: str) -> str:
    return CALLED.get(colour, colour)


def halves(*colours: str) -> PILImage.Image:
    """Vertical stripes of equal width."""
    picture = PILImage.new("RGB", (120, 60))
    width = picture.width // len(colours)
    for number, colour in enumerate(colours):
        picture.paste(colour, (number * width, 0, (number + 1) * width, picture.height))
    return picture


@pytest.mark.parametrize("colour", COLOURS)
def test_the_colour_of_large_shapes_is_detected(colour: Colour):
    rng = random.Random(7)
    for seed in range(6):
        # Two or three large shapes cover at least 15 % of the picture.
        scene = random_scene(rng, colour, "circle")
        while scene.size != "large" or scene.count < 2:
            scene = random_scene(rng, colour, "circle")
        assert called(colour) in colours_of(draw(scene, seed, 400)).some, scene


def test_no_absent_colour_is_detected():
    rng, wrong = random.Random(8), Counter[str]()
    for seed in range(24):
        scene = random_scene(rng, "red")
        if scene.background in ("white", "black"):
            found = set(colours_of(draw(scene, seed, 400)).some)
            wrong.update(found - {"red", scene.background, "grey"})
    assert not wrong


def test_a_small_vivid_area_in_grey_is_detected():
    picture = PILImage.new("RGB", (100, 100), "#8a8a8a")
    picture.paste("#d02020", (0, 0, 20, 20))
    found = colours_of(picture)
    assert (found.some, found.mostly) == (("red", "grey"), ("grey",))
    assert [(one.name, one.share) for one in found.swatches if one.name == "red"] == [("red", 4)]


def test_palettes_have_up_to_five_swatches_with_their_shares():
    many = ["#d03030", "#4f9a45", "#3a67c4", "#f0d43c", "#7d4bb0", "#ec8a26"]
    swatches = colours_of(halves(*many)).swatches
    assert len(swatches) == 5
    assert all(15 <= one.share <= 18 for one in swatches)
    # Light and dark parts of one colour are separate swatches.
    assert len(colours_of(halves("#17244f", "#3a67c4", "#a9c8ea")).swatches) == 3
    assert [one.share for one in colours_of(PILImage.new("RGB", (5, 5), "red")).swatches] == [100]


def test_a_picture_of_any_size_has_colours():
    for size in ((1, 1), (1, 4000), (4000, 1)):
        assert colours_of(PILImage.new("RGB", size, "#00ff00")).names == ["green", "mostly-green"]


# Storing and searching


@pytest.fixture
def _fixed_query_vector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_vector, "text_vector", lambda words: a_vector(1))


def coloured(title: str, *colours: str, **fields: Any) -> Image:
    image = an_image(title, **fields)
    write_palettes({image.pk: colours_of(halves(*colours))})
    return image


def found(**filters: Any) -> set[str]:
    page = find(SearchQuery(words="x", filters=Filters(**filters)))
    assert page.found == len(page.images)
    return {image.title for image in page.images}


def counts(**filters: Any) -> dict[str, int]:
    facets = find(SearchQuery(words="x", filters=Filters(**filters))).facets
    (facet,) = (one for one in facets if one.name == "colour")
    return {choice.value: choice.count for choice in facet.choices}


@pytest.mark.django_db
@pytest.mark.usefixtures("_fixed_query_vector")
def test_filters_by_colour_mostly_colour_and_colours_together_find_and_count():
    coloured("flag", "red", "white", "blue")
    coloured("rose", "red", "red", "green")
    coloured("sea", "blue")
    assert found(colours=("red",)) == {"flag", "rose"}
    assert found(colours=("mostly-red",)) == {"rose"}
    assert found(colours=("mostly-red", "mostly-blue")) == {"rose", "sea"}
    assert found(colours=("red", "blue"), together=True) == {"flag"}
    assert found(colours=("mostly-red", "green"), together=True) == {"rose"}
    wanted = {"red": 2, "green": 1, "blue": 2, "white": 1, "mostly-red": 1, "mostly-blue": 1}
    assert counts() == counts(colours=("green",)) == wanted
    # If all must be in one image, other colours are counted among the current results.
    assert counts(colours=("red", "blue"), together=True) == {"red": 1, "blue": 1, "white": 1}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "filters"),
    [
        ("colour:red", Filters(colours=("red",))),
        ('colour:"mostly red"', Filters(colours=("mostly-red",))),
        ("color:mostly-red", Filters(colours=("mostly-red",))),
        ("colour:red+Blue", Filters(colours=("red", "blue"), together=True)),
        ("colour:red+ultraviolet", None),
    ],
)
def test_colours_can_be_typed_in_the_search_box(text: str, filters: Filters | None):
    match = TERM.search(text)
    assert match
    typed = read_term(match)
    assert (typed and typed.filters) == filters


@pytest.mark.django_db
@pytest.mark.usefixtures("_fixed_query_vector")
def test_a_minus_excludes_images_with_any_of_a_colour():
    coloured("flag", "red", "white")
    coloured("sea", "blue")
    assert {image.title for image in find(SearchQuery(words="x -colour:red")).images} == {"sea"}


@pytest.mark.django_db
def test_an_uploaded_picture_has_its_colours_from_the_first_search_on(client: Client):
    image = add_picture(picture_bytes("red", size=(96, 96)), Details(title="Red"), None).image
    assert image.palette.names == ["red", "mostly-red"]
    page = client.get(image.get_absolute_url()).text
    assert "100%" in page
    assert "colour=red" in page
    details = client.get(f"/api/images/{image.pk}").json()
    assert [(one["name"], one["share"]) for one in details["colours"]] == [("red", 100)]


@pytest.mark.django_db
def test_older_images_are_found_by_their_dominant_colour_until_find_colours_runs(client: Client):
    image = stored_image("blue", dominant_colour="#0000fe")
    storage.put(
        storage.rendition_key(image.pk, storage.THUMBNAIL), thumbnail("blue", "yellow", "yellow"), "image/webp"
    )
    lost = stored_image("red", dominant_colour="#ff0000")
    assert names() == {image.pk: ["blue", "mostly-blue"], lost.pk: ["red", "mostly-red"]}
    before = found_by("blue", client)
    out, errors = StringIO(), StringIO()
    with pytest.raises(SystemExit):
        call_command("find_colours", jobs=1, stdout=out, stderr=errors)
    assert "its thumbnail is missing" in errors.getvalue()
    assert names() == {image.pk: ["yellow", "blue", "mostly-yellow"], lost.pk: ["red", "mostly-red"]}
    # The counts of before are not cached.
    assert (before, found_by("yellow", client)) == (1, 1)
    assert read_portions() == 0
    storage.put(storage.rendition_key(lost.pk, storage.THUMBNAIL), thumbnail("red"), "image/webp")
    call_command("find_colours", jobs=1, again=True, stdout=out)
    assert (count_unread(), Palette.objects.filter(reader=1).count()) == (0, 2)


def names() -> dict[uuid.UUID, list[str]]:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
    return dict(Palette.objects.values_list("pk", "names"))


def thumbnail(*colours: str) -> bytes:
    return encoded(halves(*colours), "WEBP")


def encoded(picture: PILImage.Image, format: str) -> bytes:
    output = BytesIO()
    picture.save(output, format, lossless=True)
    return output.getvalue()


def found_by(colour: str, client: Client) -> int:
    return int(client.get(f"/api/search?colour={colour}").json()["found"])


@pytest.mark.django_db
def test_older_links_work_and_unknown_colours_are_refused(client: Client):
    coloured("flag", "red", "white", "blue")
    assert found_by("red", client) == found_by("red&colour=green", client) == 1
    assert found_by("red&colour=green&colours=together", client) == 0
    assert found_by("red&colour=blue&colours=together", client) == 1
    assert client.get("/api/search?colour=mostly-ultraviolet").status_code == 400
    assert client.get("/search?colour=red&colours=many").status_code == 400


def test_the_evaluation_reports_on_drawings_and_on_a_folder(tmp_path: Path):
    (tmp_path / "flag.png").write_bytes(encoded(halves("red", "white"), "PNG"))
    (tmp_path / "notes.txt").write_text("no picture")
    out = StringIO()
    call_command("evaluate_colours", str(tmp_path), pictures=30, stdout=out)
    assert re.search(r"^red .*100.0% of \d+$", out.getvalue(), re.MULTILINE)
    assert "1 pictures: some" in out.getvalue()
    assert re.search(r"^white +1 +1$", out.getvalue(), re.MULTILINE)
