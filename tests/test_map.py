"""The map: similar pictures are close together, new ones are placed beside them, and users see only what they may."""

import base64
import datetime as dt
import threading
import uuid
from collections.abc import Sequence
from io import StringIO
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from search import curation
from search.curation import Hide
from search.mapping import build, is_due, layout, place_new, points
from search.mapping.cluster_names import Name, names_of
from search.mapping.clustering import grouped
from search.models import Arrival, Capture, Image, MapGroup, MapLayout, MapPosition, VocabularyTag, WorkingSet
from search.models.hnsw import indexing
from search.tagging import vocabulary
from search.tagging.vocabulary import PhraseVectors
from tests.base import a_vector, an_image, an_unsaved_image, near
from tests.written_metadata import wall

pytestmark = pytest.mark.django_db

ADDRESSES = ["/map/", "/map/points", "/map/marks?q=sea", "/map/pictures", "/map/selection"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "ROUNDS", (60, 60))
    # It would encode 400 phrases.
    monkeypatch.setattr(vocabulary, "load_if_empty", lambda: 0)


def themed_images(*names: str, each: int = 12) -> dict[str, list[Image]]:
    """Pictures of several themes; those of one theme are similar to each other."""
    made = {}
    for seed, name in enumerate(names):
        some = [
            an_unsaved_image(
                f"{name} {number}", vector=near(a_vector(seed), 0.9, 1000 + 100 * seed + number), tags=[name]
            )
            for number in range(each)
        ]
        made[name] = Image.objects.bulk_create(some)
    return made


def a_map(*groups: Sequence[Image], names: Sequence[str] = ("sea", "wood", "town")) -> MapLayout:
    """A map with groups far from each other; the pictures of a group are close together."""
    made = MapLayout.objects.create(
        model="any", is_current=True, laid_out=sum(map(len, groups)), placed_up_to=_last_arrival()
    )
    for place, images in enumerate(groups):
        x = place * 0.8 - 0.8
        MapGroup.objects.create(
            layout=made, number=place + 1, x=x, y=0.5, name=names[place], samples=[one.pk for one in images]
        )
        MapPosition.objects.bulk_create(
            MapPosition(layout=made, image=one, x=x + number / 1000, y=0.5, number=place + 1)
            for number, one in enumerate(images)
        )
    return made


def _last_arrival() -> int:
    from search.models.arrivals import state

    return state().arrived


def run_build_map(*options: str) -> str:
    out = StringIO()
    call_command("build_map", *options, stdout=out)
    return out.getvalue()


def position_of_each() -> dict[uuid.UUID, tuple[float, float, int]]:
    rows = MapPosition.objects.filter(layout__is_current=True).values_list("image_id", "x", "y", "number")
    return {image_id: (x, y, number) for image_id, x, y, number in rows}


def parse_points(data: bytes) -> dict[uuid.UUID, tuple[float, float, int, int]]:
    count = int.from_bytes(data[4:8], "big")
    assert data[:4] == b"MAP1"
    assert len(data) == 8 + points.POINT * count
    ids = [uuid.UUID(bytes=data[8 + 16 * one : 24 + 16 * one]) for one in range(count)]
    columns = np.frombuffer(data[8 + 16 * count :], dtype=">u2").reshape(4, count)
    xs, ys = (columns[axis].view(">i2") / 32767 for axis in (0, 1))
    return {
        one: (xs[place], ys[place], int(columns[2][place]), int(columns[3][place])) for place, one in enumerate(ids)
    }


def test_similar_pictures_form_groups_named_after_their_tags():
    VocabularyTag.objects.create(name="sea", english="sea", korean="바다")
    there = themed_images("sea", "wood", "town", each=16)
    assert "48 pictures are on the map" in run_build_map()
    found = position_of_each()
    middles = {}
    for name, images in there.items():
        numbers = {found[one.pk][2] for one in images}
        groups = MapGroup.objects.filter(layout__is_current=True, number__in=numbers)
        assert name in {group.name for group in groups}
        middles[name] = np.mean([found[one.pk][:2] for one in images], axis=0)
    for name, images in there.items():
        for one in images:
            far = {other: np.linalg.norm(found[one.pk][:2] - middle) for other, middle in middles.items()}
            assert min(far, key=lambda other: far[other]) == name
    assert MapGroup.objects.get(layout__is_current=True, name="sea").korean_name == "바다"
    assert all(abs(x) <= 1 and abs(y) <= 1 for x, y, _number in found.values())


def test_a_new_layout_looks_like_the_one_before():
    themed_images("sea", "wood", "town", each=16)
    run_build_map()
    before, old = position_of_each(), MapLayout.objects.get()
    assert "0 new pictures" in run_build_map()
    assert "48 pictures" in run_build_map("--again")
    after = position_of_each()
    assert MapLayout.objects.get() != old
    assert {group.layout_id for group in MapGroup.objects.all()} == {MapLayout.objects.get().pk}
    kept = [before[one][2] == after[one][2] for one in before]
    assert np.mean(kept) > 0.7
    flat = [np.array([where[one][:2] for one in sorted(before)]).ravel() for where in (before, after)]
    assert np.corrcoef(*flat)[0, 1] > 0.8


@pytest.mark.parametrize("vectors", [1, 2, 3, 14])
def test_few_or_equal_pictures_have_a_map(vectors: int):
    for number in range(vectors):
        an_image(seed=1 if vectors > 3 else number)
    assert f"{vectors} pictures are on the map" in run_build_map()
    assert all(np.isfinite(place).all() for place in position_of_each().values())


def test_without_pictures_or_without_the_library_the_command_says_what_is_missing(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(CommandError, match="embed_pending"):
        run_build_map()
    an_image(hidden=True)
    with pytest.raises(CommandError, match="embed_pending"):
        run_build_map()
    monkeypatch.setattr(layout, "find_spec", lambda name: None)
    with pytest.raises(CommandError, match=r"pip install -r requirements-map.txt"):
        run_build_map()


def test_a_new_picture_is_placed_beside_similar_ones_and_nothing_else_moves():
    there = themed_images("sea", "wood")
    made = a_map(*there.values())
    before = position_of_each()
    new = an_image("more sea", vector=near(a_vector(0), 0.9, seed=7777))
    hidden = an_image("hidden", vector=near(a_vector(0), 0.9, seed=7778), hidden=True)
    MapLayout.objects.update(model=Image.objects.values_list("embedding_model", flat=True)[0])
    # A new picture becomes visible when its transaction ends, which does not happen in a test.
    _last_arrival()
    assert "1 new pictures were put on the map." in run_build_map()
    after = position_of_each()
    x, y, number = after.pop(new.pk)
    assert after == before
    assert number == 1
    assert abs(x + 0.8) < 0.02
    assert abs(y - 0.5) < 0.01

    revision = MapLayout.objects.get(pk=made.pk).revision
    assert place_new() == 0
    assert MapLayout.objects.get(pk=made.pk).revision == revision
    hidden.hidden = False
    hidden.save()
    _last_arrival()
    assert place_new() == 1
    assert position_of_each()[hidden.pk][2] == 1


def test_a_new_picture_is_placed_even_if_the_index_returns_no_placed_neighbour(monkeypatch):
    there = themed_images("sea", "wood")
    a_map(*there.values())
    new = an_image("more wood", vector=near(a_vector(1), 0.9, seed=7777))
    _last_arrival()
    short = {"hnsw.ef_search": 1, "hnsw.iterative_scan": "off"}
    monkeypatch.setattr(type(indexing), "scan_settings", lambda _self, _width: short)
    assert place_new() == 1
    assert position_of_each()[new.pk][2] == 2


def test_a_new_picture_between_two_groups_is_placed_in_one_of_them():
    there = themed_images("sea", "wood")
    a_map(*there.values())
    middle = a_vector(0) + a_vector(1)
    new = an_image(vector=middle / np.linalg.norm(middle))
    _last_arrival()
    place_new()
    x, _y, number = position_of_each()[new.pk]
    assert abs(x - (-0.8 if number == 1 else 0.0)) < 0.02


def test_a_new_layout_is_due_after_a_fifth_of_new_pictures_or_another_model():
    there = themed_images("sea", "wood")
    assert is_due()
    made = a_map(*there.values())
    assert is_due()  # laid out with another model
    MapLayout.objects.update(model=Image.objects.values_list("embedding_model", flat=True)[0])
    assert not is_due()
    for number in range(6):
        an_image(seed=9000 + number)
    assert Arrival.number_at(timezone.now()) >= made.placed_up_to
    _last_arrival()
    assert is_due()


def test_without_the_library_new_pictures_are_placed_on_an_outdated_map(monkeypatch: pytest.MonkeyPatch):
    a_map(*themed_images("sea").values())
    new = an_image(vector=near(a_vector(0), 0.9, seed=7777))
    _last_arrival()
    monkeypatch.setattr(layout, "find_spec", lambda name: None)
    output = StringIO()
    call_command("build_map", stdout=StringIO(), stderr=output)
    assert "requirements-map.txt" in output.getvalue()
    assert new.pk in position_of_each()


def test_a_stopped_or_killed_layout_leaves_the_map_unchanged():
    there = themed_images("sea", "wood")
    a_map(*there.values())
    before = position_of_each()
    stop = threading.Event()
    stop.set()
    assert build(lambda doing: None, stop) is None
    assert position_of_each() == before

    # A process was killed while writing: its rows are not visible, and the next layout deletes them.
    left = MapLayout.objects.create(model="any", created=timezone.now() - dt.timedelta(hours=3))
    MapPosition.objects.create(layout=left, image=there["sea"][0], x=0, y=0, number=1)
    assert position_of_each() == before
    run_build_map("--again")
    assert list(MapLayout.objects.values_list("is_current", flat=True)) == [True]
    assert MapPosition.objects.count() == 24


def test_groups_are_density_peaks_and_every_picture_belongs_to_one():
    rng = np.random.default_rng(2)
    middles = np.array([(-0.7, -0.7), (0.7, -0.6), (0.0, 0.7)])
    which = np.repeat([0, 1, 2], [60, 40, 20])
    positions = np.clip(middles[which] + rng.normal(scale=0.04, size=(120, 2)), -1, 1)
    labels, tops = grouped(positions)
    # The largest first. One peak may be split into two groups, but two peaks are never joined.
    assert [set(which[labels == group]) for group in range(len(tops))] == [
        {int(which[labels == group][0])} for group in range(len(tops))
    ]
    sizes = np.bincount(labels)
    assert list(sizes) == sorted(sizes, reverse=True)
    assert sizes.sum() == 120
    for group, top in enumerate(tops):
        assert np.linalg.norm(top - middles[which[labels == group][0]]) < 0.3


def test_groups_without_tags_are_named_by_the_model(monkeypatch: pytest.MonkeyPatch):
    tags = [
        VocabularyTag(name=name, english=name, korean=korean) for name, korean in (("sea", "바다"), ("fog", "안개"))
    ]
    VocabularyTag.objects.bulk_create(tags)
    phrases = np.stack([a_vector(0), a_vector(9)])
    monkeypatch.setattr(vocabulary, "vectors", lambda: PhraseVectors(tags, phrases))
    vectors = np.stack([near(a_vector(0), 0.9, 11), near(a_vector(0), 0.9, 12), a_vector(5), a_vector(6)])
    ids = [uuid.uuid4() for _ in vectors]
    first, second = names_of(ids, vectors, np.array([0, 0, 1, 1]))
    assert first == Name("sea", "바다")
    assert second.name != "sea"


def test_a_group_of_two_themes_is_named_after_both_tags():
    VocabularyTag.objects.create(name="wood", english="wood", korean="숲")
    both = [an_image(tags=["sea" if number % 2 else "wood", "seen everywhere"]) for number in range(10)]
    others = [an_image(tags=["town", "seen everywhere"]) for _ in range(30)]
    vectors = np.stack([a_vector(number) for number in range(40)])
    ids = [one.pk for one in (*others, *both)]
    names = names_of(ids, vectors, np.array([0] * 30 + [1] * 10))
    assert names == [Name("town"), Name("sea, wood", "sea, 숲")]


def test_only_curators_see_the_map_unless_the_setting_allows_others(client: Client, as_carol: Client, settings: Any):
    a_map(*themed_images("sea").values())
    for address in ADDRESSES:
        assert client.get(address).status_code == 404
        assert as_carol.get(address).status_code in (200, 302, 400)
    assert client.get("/search?group=1").status_code == 400
    assert 'href="/map/"' not in client.get("/").text
    assert 'href="/map/"' in as_carol.get("/").text
    settings.SHOW_MAP = "everyone"
    assert client.get("/map/").status_code == 200
    assert client.get("/search?group=1").status_code == 200
    assert 'href="/map/"' in client.get("/").text


def test_the_page_lists_the_groups_with_pictures_and_a_search_of_each(as_carol: Client):
    there = themed_images("sea", "wood")
    a_map(*there.values(), names=["sea", ""])
    Image.objects.filter(pk__in=[one.pk for one in there["wood"][1:]]).update(hidden=True)
    page = as_carol.get("/map/").text
    assert page.index('data-group="1"') < page.index('data-group="2"')
    assert "/search?group=1" in page
    assert 'data-label="Group 2"' in page
    assert f"/images/{there['wood'][0].pk}/" in page
    assert str(there["wood"][1].pk) not in page
    found = as_carol.get("/search?group=2").text
    assert "wood 0" in found
    assert "wood 1" not in found
    assert "sea 0" not in found


def test_without_a_map_the_page_says_how_to_build_one(as_carol: Client):
    page = as_carol.get("/map/").text
    assert "manage.py build_map" in page
    assert len(as_carol.get("/map/points").content) == 8


def test_the_points_hold_visible_pictures_only_and_are_cached_until_these_change(as_carol: Client, carol: Any):
    there = themed_images("sea", "wood", each=3)
    a_map(*there.values())
    dated = there["sea"][0]
    Capture.objects.update_or_create(image=dated, defaults={"taken": wall(1900, 1, 11), "taken_from": "exif"})
    answer = as_carol.get("/map/points")
    found = parse_points(answer.content)
    assert found.keys() == {one.pk for some in there.values() for one in some}
    x, y, number, day = found[dated.pk]
    assert (round(x, 3), round(y, 3), number, day) == (-0.8, 0.5, 1, 10)
    assert found[there["wood"][0].pk][3] == 0
    assert "no-cache" in answer["Cache-Control"]
    assert "private" in answer["Cache-Control"]
    tag = {"If-None-Match": answer["ETag"]}
    assert as_carol.get("/map/points", headers=tag).status_code == 304

    curation.change([dated.pk], Hide(), by=carol)
    again = as_carol.get("/map/points", headers=tag)
    assert again.status_code == 200
    assert dated.pk not in parse_points(again.content)


def test_a_search_and_a_tag_highlight_points_by_ids_and_bands(as_carol: Client):
    there = themed_images("sea", "wood", each=3)
    a_map(*there.values())
    tagged = as_carol.get("/map/marks", {"tag": "sea"}).content
    assert (int.from_bytes(tagged[:4], "big"), int.from_bytes(tagged[4:8], "big")) == (3, 0)
    ids = {uuid.UUID(bytes=tagged[start : start + 16]) for start in range(8, len(tagged), 16)}
    assert ids == {one.pk for one in there["sea"]}
    assert as_carol.get("/map/marks", {"q": 'tag:"SEA"'}).content == tagged
    like = as_carol.get("/map/marks", {"like": str(there["wood"][0].pk)}).content
    found = [uuid.UUID(bytes=like[start : start + 16]) for start in range(8, len(like), 16)]
    assert set(found[:2]) == {one.pk for one in there["wood"][1:]}
    for wrong in ({}, {"q": "x" * 2000}, {"like": str(uuid.uuid4())}, {"group": "99"}):
        answer = as_carol.get("/map/marks", wrong)
        assert answer.status_code in (400, 404)
        assert answer.json()["problem"]


def test_a_script_gets_details_of_visible_pictures_only(as_carol: Client):
    there = themed_images("sea", each=3)["sea"]
    Image.objects.filter(pk=there[1].pk).update(hidden=True)
    output = as_carol.get("/map/pictures", {"id": [str(one.pk) for one in there]}).json()["pictures"]
    assert [one["title"] for one in output] == ["sea 0", "sea 2"]
    assert output[0]["page"] == f"/images/{there[0].pk}/"
    assert output[0]["thumbnail"]
    for wrong in ({}, {"id": "x"}):
        assert as_carol.get("/map/pictures", wrong).status_code == 400


def test_a_selection_of_points_is_shown_as_tiles_or_if_it_is_large_as_a_set(
    as_carol: Client, client: Client, settings: Any
):
    there = themed_images("sea", each=3)["sea"]
    tiles = as_carol.post("/map/selection", {"id": [str(there[2].pk), str(there[0].pk)]}).text
    assert tiles.count("<article") == 2
    assert tiles.index("sea 2") < tiles.index("sea 0")

    packed = base64.b64encode(b"".join(one.pk.bytes for one in there)).decode()
    page = as_carol.post("/map/selection", {"packed": packed}).text
    assert "Change 3 pictures" in page
    assert set(WorkingSet.objects.get().images) == {one.pk for one in there}
    for wrong in ("", "?", base64.b64encode(b"too short").decode(), base64.b64encode(uuid.uuid4().bytes).decode()):
        assert as_carol.post("/map/selection", {"packed": wrong}).status_code == 400
    settings.SHOW_MAP = "everyone"
    assert client.post("/map/selection", {"packed": packed}).status_code == 404


def test_a_group_can_be_searched_by_words_and_changed_as_a_whole_by_curators(as_carol: Client, carol: Any):
    there = themed_images("sea", "wood", each=4)
    a_map(*there.values())
    answer = as_carol.get("/api/search", {"group": "2"}).json()
    assert {one["id"] for one in answer["results"]} == {str(one.pk) for one in there["wood"]}
    like = as_carol.get("/api/search", {"group": "2", "like": str(there["sea"][0].pk)}).json()
    assert {one["id"] for one in like["results"]} == {str(one.pk) for one in there["wood"]}
    assert "Change 4 pictures" in as_carol.get("/selection/all?group=2").text
    assert as_carol.get("/search?group=77").status_code == 404
    for wrong in ("x", "-1", "99999999999999999999", "٣"):
        assert as_carol.get("/search", {"group": wrong}).status_code == 400
    refused = as_carol.post("/saved/save", {"query": "group=2"})
    assert "can&#x27;t be saved" in refused.text or "can’t be saved" in refused.text


def test_a_deleted_picture_leaves_the_map():
    there = themed_images("sea", each=3)["sea"]
    a_map(there)
    Image.objects.filter(pk=there[0].pk).delete()
    assert MapPosition.objects.count() == 2
