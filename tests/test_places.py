"""Countries, regions and towns of coordinates, and searches by place and by distance."""

import math
import random
import uuid
from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils.translation import override

from search import checks
from search.completion import suggest
from search.curation.metadata_import import note_edits, write_captures
from search.curation.place_lookup import count_unplaced
from search.facets import facets_of
from search.ingestion.edits_of_changed_files import copy_edits
from search.metadata import PhotoMetadata
from search.models import Capture, Image, Place
from search.places.coastlines import is_land
from search.places.countries import country_name, country_named
from search.places.location_map import HEIGHT, WIDTH, map_around
from search.places.towns import towns
from search.query import BadQuery, SearchQuery
from search.query.filter_parameters import read_kilometres
from search.query.filters import Filters
from search.query.nearby import around
from search.query.typed_filter_parser import NAMES
from search.retrieval import find
from search.retrieval.search_scope import Scope
from tests.base import an_image, many_images

BUSAN, SEOUL, YEONGWOL, PARIS = (35.1587, 129.1604), (37.4979, 127.0276), (37.18, 128.46), (48.8584, 2.2945)
WEST_OF_THE_DATE_LINE, EAST_OF_IT = (-16.85, 179.99), (-16.85, -179.99)


def taken_at(latitude: float, longitude: float, image: Image | None = None, **fields: object) -> Image:
    image = image or an_image(**fields)  # type: ignore[arg-type]
    write_captures({image.pk: PhotoMetadata.of(latitude=latitude, longitude=longitude)})
    return image


def place_of(image: Image) -> str:
    return str(Capture.objects.get(pk=image.pk).place)


def found(words: str = "", **params: str) -> set[str]:
    query = SearchQuery.from_params({"q": [words], **{name: [value] for name, value in params.items()}})
    return {image.title for image in find(query).images}


@pytest.fixture
def collection(db) -> dict[str, Image]:
    places = {"busan": BUSAN, "seoul": SEOUL, "yeongwol": YEONGWOL, "paris": PARIS, "sea": (0, -150)}
    return {"nowhere": an_image("nowhere")} | {name: taken_at(*at, title=name) for name, at in places.items()}


# The table of towns


@pytest.mark.parametrize(
    ("at", "country", "region", "town"),
    [
        ((35.075, 129.09), "KR", "Busan", "Busan"),  # two kilometres off its coast
        ((35.1587, 129.1604), "KR", "Busan", "Busan"),  # one of its beaches, 13 kilometres from the centre
        ((37.5034, 126.766), "KR", "Gyeonggi-do", "Bucheon-si"),  # not Seoul
        ((22.505, 114.127), "HK", "North", "Fanling"),  # not Shenzhen, which is larger
        ((40.7, -73.95), "US", "New York", "New York City"),
        ((78.22, 15.65), "SJ", "Svalbard", "Longyearbyen"),
        ((-16.85, -179.97), "FJ", "Northern", ""),  # the towns of its island are beyond the antimeridian
    ],
)
def test_the_town_is_the_one_that_people_would_name(at, country, region, town):
    located = towns().locate([at])[0]
    assert located is not None
    assert located[:3] == (country, region, town)


@pytest.mark.parametrize("at", [(0, -150), (30, -40), (-90, 0), (90, 10), (72, -40), (23, 10), (-17.8, 179.99)])
def test_the_open_sea_the_poles_and_deserts_have_no_town(at):
    assert towns().locate([at]) == [None]


def test_land_is_recognised_on_both_sides_of_the_antimeridian():
    assert is_land(66.5, 179.5)
    assert is_land(66.5, -175)
    assert is_land(-85, 100)
    assert not is_land(0, 180)
    assert not is_land(30, -40)


def test_countries_are_recognised_by_code_and_by_names_in_several_languages():
    for name in ("KR", "kr", "South Korea", "대한민국", "한국", "KOREA"):
        assert country_named(name) == "KR"
    for name in ("Germany", "독일", "Deutschland", "deutschland"):
        assert country_named(name) == "DE"
    assert country_named("Atlantis") == country_named("") == ""
    assert (country_name("KR"), country_name("KR", "ko"), country_name("ZZ")) == (
        "South Korea",
        "대한민국",
        "Unknown Region",
    )


# Places of pictures


@pytest.mark.django_db
def test_the_place_follows_the_coordinates_whatever_writes_them(as_carol):
    image = taken_at(*BUSAN)
    place = Capture.objects.get(pk=image.pk).place
    assert place is not None
    assert (place.country, place.region, place.town, place.korean_town) == ("KR", "Busan", "Busan", "부산")
    Capture.objects.filter(pk=image.pk).update(reader=0)
    taken_at(*PARIS, image)
    assert place_of(image) == "Paris, Île-de-France, FR"
    form = {
        "title": "", "tags": "", "capture-TOTAL_FORMS": "1", "capture-INITIAL_FORMS": "1",
        "capture-0-image": str(image.pk), "capture-0-latitude": str(SEOUL[0]), "capture-0-longitude": str(SEOUL[1]),
    }  # fmt: skip
    assert as_carol.post(reverse("admin:search_image_change", args=[image.pk]), form).status_code == 302
    assert place_of(image) == "Seoul, Seoul, KR"
    other = an_image("other")
    write_captures({other.pk: PhotoMetadata.of(camera="X")})
    note_edits([image.pk], ["latitude"])
    copy_edits(other.pk, image.pk)
    assert place_of(other) == "Seoul, Seoul, KR"
    Capture.objects.filter(pk=image.pk).update(latitude=None, longitude=None)
    assert place_of(image) == "None"


@pytest.mark.django_db
def test_the_place_is_cleared_when_coordinates_change():
    image = taken_at(*BUSAN)
    Capture.objects.filter(pk=image.pk).update(latitude=PARIS[0], longitude=PARIS[1])  # in any way
    assert place_of(image) == "None"
    assert count_unplaced() == 1
    out = StringIO()
    call_command("find_places", stdout=out)
    assert out.getvalue().endswith("1 looked up, 0 pending, 0 failed.\n")
    assert place_of(image).startswith("Paris")
    out = StringIO()
    call_command("find_places", stdout=out)
    assert out.getvalue().endswith("0 looked up, 0 pending, 0 failed.\n")
    call_command("find_places", again=True, stdout=out)
    assert out.getvalue().endswith("1 looked up, 0 pending, 0 failed.\n")


@pytest.mark.django_db
def test_a_place_is_stored_once_for_many_pictures():
    for number in range(3):
        taken_at(BUSAN[0] + number / 1000, BUSAN[1])
    assert Place.objects.count() == 1


# Filters


@pytest.mark.parametrize(
    ("words", "titles"),
    [
        ("country:KR", {"busan", "seoul", "yeongwol"}),
        ('country:"South Korea"', {"busan", "seoul", "yeongwol"}),
        ("나라:대한민국", {"busan", "seoul", "yeongwol"}),
        ("country:France", {"paris"}),
        ("-country:KR", {"paris", "sea", "nowhere"}),
        ("region:강원", {"yeongwol"}),
        ("지역:gangwon", {"yeongwol"}),
        ("town:busan", {"busan"}),
        ("city:Pusan", {"busan"}),
        ("도시:부산", {"busan"}),
        ("town:영월", {"yeongwol"}),
        ("town:busan town:paris", {"busan", "paris"}),
        ("-town:busan country:KR", {"seoul", "yeongwol"}),
        ("in:korea", {"busan", "seoul", "yeongwol"}),
        ("in:paris", {"paris"}),
        ("곳:강원도", {"yeongwol"}),
        ('place:"ile-de-france"', {"paris"}),
        ("-in:korea", {"paris", "sea", "nowhere"}),
        ("in:atlantis", set()),
    ],
)
def test_typed_filters_find_pictures_by_country_region_and_town(collection, words, titles):
    assert found(words) == titles
    # As in the address of a further page.
    query = SearchQuery(words=words)
    assert query.all_filters.is_by_place
    assert Filters().and_also(query.all_filters) == query.all_filters


@pytest.mark.django_db
def test_parameters_filter_by_place_too(collection):
    assert found(country="KR") == found(country="대한민국") == {"busan", "seoul", "yeongwol"}
    assert found(region="Busan") == found(town="Busan", country="KR") == {"busan"}
    assert found(town="Busan", country="FR") == set()
    for wrong in ({"country": "Atlantis"}, {"within": "0"}, {"within": "x"}, {"near": "x"}, {"town": "x" * 201}):
        with pytest.raises(BadQuery):
            found(**wrong)


@pytest.mark.django_db
def test_an_unknown_country_is_searched_as_words_and_reported(collection):
    assert SearchQuery(words="country:atlantis").box.unread == ("country:atlantis",)


@pytest.mark.django_db
def test_facets_count_each_place_regardless_of_the_selected_one(collection):
    def counted(**params: str) -> dict[str, list[tuple[str, str, int, bool]]]:
        query = SearchQuery.from_params({name: [value] for name, value in params.items()})
        return {
            facet.name: [(one.value, one.label, one.count, one.chosen) for one in facet.choices]
            for facet in facets_of(query, Scope(query, private=True).counts, places=True)
            if facet.name in ("country", "region", "town")
        }

    plain = counted()
    assert plain["country"] == [("KR", "South Korea", 3, False), ("FR", "France", 1, False)]
    assert len(plain["town"]) == 4
    chosen = counted(country="KR")
    assert chosen["country"] == [("KR", "South Korea", 3, True), ("FR", "France", 1, False)]
    assert {value for value, *_rest in chosen["town"]} == {"Busan", "Seoul", "Neietsu"}
    assert counted(town="Busan", country="FR")["town"][0] == ("Busan", "Busan", 0, True)
    with override("ko"):
        assert ("Busan", "부산", 1, False) in counted()["town"]
        assert counted()["country"][0][1] == "대한민국"
    everything = facets_of(SearchQuery(), Scope(SearchQuery(), private=True).counts)
    assert not [facet for facet in everything if facet.name in ("country", "region", "town")]


@pytest.mark.django_db
def test_places_are_suggested_in_either_language(collection):
    assert [one.text for one in suggest("부", places=True)] == ["region:부산", "town:부산"]
    assert 'country:"South Korea"' in [one.text for one in suggest("country:", places=True)]
    assert suggest("부") == suggest("country:") == []
    taken_at(*BUSAN)
    assert suggest("town:부", places=True)[0].value.count == 2


# Distance to a picture


def test_kilometres_are_read_with_and_without_their_unit():
    assert [read_kilometres(text) for text in ("10", "10km", "10 KM", "20000")] == [10, 10, 10, 20000]
    assert [read_kilometres(text) for text in ("0", "-1", "1.5", "20001", "", "km", "１０", "1e3")] == [None] * 8


def kilometres(one: tuple[float, float], other: tuple[float, float]) -> float:
    (north, east), (other_north, other_east) = (tuple(map(math.radians, at)) for at in (one, other))
    cosine = math.sin(north) * math.sin(other_north) + math.cos(north) * math.cos(other_north) * math.cos(
        east - other_east
    )
    return 6371.0088 * math.acos(max(-1.0, min(1.0, cosine)))


@pytest.mark.django_db
def test_pictures_within_a_distance_match_the_great_circle_distance():
    rng = random.Random(7)
    middles = [BUSAN, WEST_OF_THE_DATE_LINE, EAST_OF_IT, (89.95, 40.0), (-89.9, -170.0), (71.2, 25.8), (0.0, 0.0)]
    points = [
        (max(-90, min(90, north + rng.uniform(-3, 3))), (east + rng.uniform(-9, 9) + 180) % 360 - 180)
        for north, east in middles
        for _ in range(30)
    ]
    points += [(90.0, 0.0), (-90.0, 0.0), (0.0, 180.0), (0.0, -180.0)]
    images = many_images(len(points))
    Capture.objects.bulk_create(
        Capture(image=image, latitude=north, longitude=east)
        for image, (north, east) in zip(images, points, strict=True)
    )
    for middle in middles:
        for most in (1, 10, 100, 300, 10_000, 20_000):
            passing = Filters().values._replace(near=around(*middle, most)).apply(Image.objects.all())
            expected = {image.pk for image, at in zip(images, points, strict=True) if kilometres(middle, at) <= most}
            assert set(passing.values_list("pk", flat=True)) == expected, (middle, most)


@pytest.mark.django_db
def test_the_nearest_come_first_and_each_is_on_one_page():
    middle = taken_at(*BUSAN, title="middle")
    places = {image: BUSAN[0] + number / 2000 for number, image in enumerate(many_images(50), start=1)}
    Capture.objects.bulk_create(Capture(image=image, latitude=at, longitude=BUSAN[1]) for image, at in places.items())
    params = {"near": [str(middle.pk)], "sort": ["nearest"], "within": ["100"]}
    pages = [find(SearchQuery.from_params({**params, "page": [str(page)]})) for page in (1, 2, 3)]
    assert [page.found for page in pages] == [51] * 3
    assert [image.pk for page in pages for image in page.images] == [middle.pk, *(image.pk for image in places)]
    assert find(SearchQuery.from_params({**params, "within": ["1"]})).found == 18
    assert find(SearchQuery(words=f"near:{middle.pk} within:1km")).found == 18
    assert find(SearchQuery(words=f"근처:{middle.pk} 거리:1")).found == 18


@pytest.mark.django_db
def test_a_search_near_a_picture_without_a_place_is_refused(collection):
    for image_id in (collection["nowhere"].pk, uuid.uuid4()):
        with pytest.raises(BadQuery, match="The location of this picture is unknown"):
            find(SearchQuery(filters=Filters(near=image_id)))


@pytest.mark.django_db
def test_the_results_page_keeps_the_picture_and_the_distance(collection, as_carol: Client):
    page = as_carol.get(f"/search?near={collection['busan'].pk}&sort=nearest&filters=open").content.decode()
    assert "1 picture" in page
    assert "Near this picture: within 10 km" in page
    assert f'<input type="hidden" form="by-words" name="near" value="{collection["busan"].pk}">' in page
    assert f"near={collection['busan'].pk}&amp;within=100" in page
    assert '<option value="nearest" selected>' in page


# The map


def test_a_map_shows_land_and_the_largest_towns_around():
    drawn = map_around(*BUSAN)
    assert {"Daegu", "Ulsan", "Fukuoka"} <= {label.name for label in drawn.labels}
    assert drawn.scale == 100
    assert all(0 < label.at.x < WIDTH and 0 < label.at.y < HEIGHT for label in drawn.labels)
    assert len(drawn.land) < 40_000


@pytest.mark.parametrize(
    "at", [(90, 0), (-90, 0), (0, -150), WEST_OF_THE_DATE_LINE, EAST_OF_IT, (0, 180), (46.2, 6.15)]
)
def test_a_map_can_be_drawn_for_any_place_on_earth(at):
    drawn = map_around(*at)
    assert 0 < drawn.bar < WIDTH


def test_both_sides_of_the_antimeridian_are_on_one_map():
    one, other = map_around(*WEST_OF_THE_DATE_LINE), map_around(*EAST_OF_IT)
    assert len(one.land) == pytest.approx(len(other.land), rel=0.1)
    assert len({label.name for label in one.labels} & {label.name for label in other.labels}) > 3


def test_names_of_typed_filters_are_unique():
    aliases = [alias for called in NAMES.values() for alias in called]
    assert len(aliases) == len(set(aliases))


@pytest.mark.django_db
def test_the_system_check_reports_coordinates_without_a_place():
    image = taken_at(*BUSAN)
    assert checks.places_are_known(None, databases=["default"]) == []
    Capture.objects.filter(pk=image.pk).update(is_placed=False)
    (warning,) = checks.places_are_known(None, databases=["default"])
    assert warning.hint is not None
    assert "manage.py find_places" in warning.hint
