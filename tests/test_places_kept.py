"""Places of pictures and serial numbers of cameras are disclosed to no unauthorised user, at any address."""

import json
import uuid
import zipfile
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.http import HttpResponseBase
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from PIL import Image as PILImage

from search.curation import AddToAlbum, change
from search.curation.cleaned_details import Details
from search.ingestion import add_picture
from search.models import Album, ApiToken, Image, PictureSet, QueryPicture, Report, SavedSearch, SignUp
from search.models.image import content_id
from search.query import SearchQuery
from search.query.saved_searches import save_search
from tests.addresses import every_address
from tests.base import a_vector, an_image
from tests.written_metadata import a_photo, exif_block, xmp_packet

pytestmark = pytest.mark.django_db

HAEUNDAE = (35.1587, 129.1604)
SERIAL = "SN8823417Q"
SECRETS = ["35.15", "129.16", "35,15", "129,16", "Busan", "busan", "부산", "South Korea", "대한민국", SERIAL]

QUERIES: dict[str, list[str]] = {
    "search": ["", "filters=open"],
    "results": ["q=boats", "filters=open", "q=boats&filters=open", "sort=nearest", "q=is:undated", "page=2"],
    "suggestions": ["q=bu", "q=town:", "q=country:", "q=country:so", "q=region:bu", "q=b", "q=부"],
    "timeline": ["", "month=2014-07"],
    "search-help": [""],
    "image": ["", "window=1"],
    "feed": ["", "to=99999"],
    "saved-search": ["", "since=2020-01-01T00:00:00Z"],
    "api:search": ["", "q=boats", "sort=nearest", "camera=FUJIFILM+X100V"],
    "api:image": [""],
    "added": [""],
    "share": [""],
    "offline": [""],
    "albums": [""],
    "album": ["", "page=2"],
    "shared-album": [""],
    "api:albums": [""],
    "api:album": [""],
}
ASKED_AS_THEY_ARE = {
    *("manifest", "service-worker", "keep-added"),
    *("robots", "search-by-picture", "search-by-address", "query-picture", "rendition", "download"),
    *("search-by-region", "report", "download-selection", "share-selection", "picture-set", "saved-searches"),
    "saved-search-cover",
    *("save-search", "rename-search", "delete-search", "upload", "read-picture", "account", "sign-up", "login"),
    *("enter-code", "reset-password", "choose-password", "logout", "change-password", "email", "second-factor"),
    *("api-tokens", "revoke-api-token", "set_language", "api:openapi-json", "api:openapi-view", "api:api-root"),
    *("api:search-picture", "api:add-image", "change-selection", "all-results", "undo-change", "decide-tag"),
    *("edit-album", "arrange-album", "choose-cover", "delete-album", "download-album"),
    *("download-shared-album", "renew-album-link"),
    *("map", "map-points", "map-marks", "map-pictures", "map-selection"),
}
"""All addresses except those of the admin are listed here or above: add new ones."""

PROBES = [
    *("q=in:busan", "q=in:nowhere", "q=country:KR", "q=-country:KR", "q=town:busan", "q=-region:busan", "q=has:place"),
    *("country=KR", "country=DE", "region=Busan", "town=Busan", "town=Nowhere", "q=도시:부산", "q=boats+in:busan"),
    *("near={id}", "near={id}&within=1", "q=near:{id}", "near={unknown}", "within=5", "q=within:5"),
]
"""Searches by which a place could be guessed step by step."""


def a_secret_photo(format: str = "JPEG", colour: str = "red") -> bytes:
    block = exif_block(
        taken="2014:07:03 14:22:10", place=HAEUNDAE, t271="FUJIFILM", t272="X100V",
        e42033=SERIAL, e42037=SERIAL,
    )  # fmt: skip
    attributes = f'exif:GPSLatitude="35,9.522N" exif:GPSLongitude="129,9.624E" tiff:SerialNumber="{SERIAL}"'
    return a_photo(format, colour=colour, exif=block, xmp=xmp_packet(attributes=attributes))


def added(data: bytes) -> Image:
    add_picture(BytesIO(data), Details(title="boats", tags=["boats"]), None)
    return Image.objects.get(pk=content_id(data))


@pytest.fixture
def shown() -> Image:
    return added(a_secret_photo())


def contents(answer: HttpResponseBase) -> list[bytes]:
    """The body of a response, the contents of a ZIP file included, and its headers."""
    data = b"".join(answer.streaming_content) if answer.streaming else answer.content  # type: ignore[attr-defined]
    parts = [data, repr(sorted(answer.headers.items())).encode()]
    if data.startswith(b"PK"):
        with zipfile.ZipFile(BytesIO(data)) as archive:
            parts += [archive.read(name) for name in archive.namelist()]
    return parts


def disclosed(answer: HttpResponseBase) -> list[str]:
    """The secrets that a response discloses."""
    parts = contents(answer)
    # JSON may escape letters.
    escaped = {one: json.dumps(one).strip('"').encode() for one in SECRETS}
    found = [one for one in SECRETS if any(one.encode() in part or escaped[one] in part for part in parts)]
    return found + ["a place in a file" for part in parts if has_place(part)]


def has_place(data: bytes) -> bool:
    try:
        with PILImage.open(BytesIO(data)) as picture:
            return bool(picture.getexif().get_ifd(0x8825))
    except (OSError, SyntaxError):
        return False


@pytest.fixture
def values(alice: User, shown: Image) -> dict[str, Any]:
    search, _is_new = save_search(alice, SearchQuery(words="tag:boats"), "boats")
    report = Report.objects.create(image=shown, reason="other", details="x", reporter=alice)
    token = ApiToken.issue(alice, "a")[0]
    picture = QueryPicture.objects.create(
        id=uuid.uuid4(), embedding=a_vector(1), embedding_model="any", rendition=b"x"
    )
    newcomer = SignUp.objects.create(user=User.objects.create_user("newcomer", is_active=False), language="en")
    album = _album_with(shown)
    return {
        "album_id": album.pk, "shared-album.token": album.token, "download-shared-album.token": album.token,
        "image_id": shown.pk, "object_id": shown.pk, "auth_user.object_id": alice.pk, "id": alice.pk,
        "search_report.object_id": report.pk, "pk": report.pk, "search_id": search.pk, "token": picture.pk,
        "auth_group.object_id": 1, "search_signup.object_id": newcomer.pk,
        "set_id": PictureSet.objects.create(id=uuid.uuid4(), images=[shown.pk]).pk, "feed.token": search.token,
        "uidb64": urlsafe_base64_encode(force_bytes(alice.pk)), "token_id": token.pk, "longest": 400,
        "choose-password.token": default_token_generator.make_token(alice), "app_label": "search",
        "content_type_id": 1, "url": "nowhere",
    }  # fmt: skip


def test_no_address_discloses_a_place_to_anonymous_users_or_members(values, client, as_alice, as_carol):
    addresses = every_address(values)
    names = {one.name for one in addresses if not one.is_of_the_admin}
    assert names - {""} == {*QUERIES, *ASKED_AS_THEY_ARE}
    # Responses for curators are not cached for others.
    as_carol.get("/search?filters=open")
    as_carol.get("/search/suggestions?q=bu")
    for visitor in (client, as_alice):
        for one in addresses:
            for query in QUERIES.get(one.name, [""]):
                for language in ("en", "ko"):
                    answer = visitor.get(f"{one.path}?{query}", headers={"Accept-Language": language})
                    assert not disclosed(answer), (one.name, query, language)


def _album_with(image: Image) -> Album:
    album = Album.objects.create(title="boats", visibility="public")
    change([image.pk], AddToAlbum(album))
    return album


def test_responses_to_forms_disclose_no_place(shown, client, as_alice, as_carol):
    forms: list[tuple[str, dict[str, Any]]] = [
        (reverse("download-selection"), {"id": [shown.pk]}),
        (reverse("share-selection"), {"id": [shown.pk]}),
        (reverse("download-album", args=[_album_with(shown).pk]), {}),
        (reverse("search-by-region", args=[shown.pk]), {"left": 0, "top": 0, "width": 1, "height": 1}),
        (reverse("report", args=[shown.pk]), {"reason": "other", "details": "x"}),
    ]
    for visitor in (client, as_alice):
        for address, form in forms:
            assert not disclosed(visitor.post(address, form, follow=True)), address
        refused = visitor.post(reverse("save-search"), {"query": "town=Busan"})
        assert refused.status_code == 400
        assert "A search by location can&#x27;t be saved." in refused.content.decode()
        for address in ("search-by-picture", "read-picture", "api:search-picture", "upload"):
            data = BytesIO(a_secret_photo(colour="blue"))
            data.name = "photo.jpg"
            assert not disclosed(visitor.post(reverse(address), {"picture": data}, follow=True)), address


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_no_download_contains_a_place_or_a_serial_number(client, format):
    data = a_secret_photo(format)
    assert SERIAL.encode() in data
    image = added(data)
    assert image.capture.place.town == "Busan"
    assert not disclosed(client.get(reverse("download", args=[image.pk])))
    for longest in (400, 1600):
        assert not disclosed(client.get(reverse("rendition", args=[image.pk, longest])))


@pytest.mark.parametrize("address", ["/search", "/api/search", "/"])
def test_a_place_can_not_be_guessed_by_searching(shown, client, as_alice, address):
    for visitor in (client, as_alice):
        answers = set()
        for probe in PROBES:
            asked = probe.format(id=shown.pk, unknown=uuid.uuid4())
            answer = visitor.get(f"{address}?{asked}")
            assert answer.status_code == 400, probe
            assert f"/images/{shown.pk}" not in answer.content.decode()
            answers.add("Only curators can search by location here." in answer.content.decode())
            panel = visitor.get(
                f"{address}?{asked}&filters=open", headers={"HX-Request": "true", "HX-Target": "filters-panel"}
            )
            assert panel.status_code == 400
        assert answers == {True}


def test_a_curator_sees_and_searches_all_of_it(shown, as_carol):
    an_image("elsewhere")  # a filter with only one value is not shown
    page = as_carol.get(shown.get_absolute_url()).content.decode()
    for one in ("Busan", "South Korea", "35.15870, 129.16040", "Map: Busan, South Korea", "Open in OpenStreetMap"):
        assert one in page
    assert 'rel="noreferrer' in page
    details = as_carol.get(reverse("api:image", args=[shown.pk])).json()
    assert [details[name] for name in ("country", "region", "town", "place")] == [
        "KR", "Busan", "Busan", "Busan, South Korea",
    ]  # fmt: skip
    for probe in ("q=in:busan", "country=KR", "town=Busan", "q=도시:부산", f"near={shown.pk}"):
        assert as_carol.get(f"/api/search?{probe}").json()["found"] == 1, probe
    assert "Busan" in as_carol.get("/search?filters=open").content.decode()
    assert "Busan" in as_carol.get("/search/suggestions?q=bus").content.decode()
    assert "town:busan" in as_carol.get("/search/help/").content.decode()
    table = contents(as_carol.post(reverse("download-selection"), {"id": [shown.pk]}))[-1].decode("utf-8-sig")
    assert table.splitlines()[0].endswith("country,region,town,latitude,longitude")
    assert table.splitlines()[1].endswith("KR,Busan,Busan,35.158700,129.160400")


def test_the_setting_shows_places_to_everyone_and_hides_them_again(shown, client, as_alice, alice, settings):
    an_image("elsewhere")
    settings.SHOW_PLACES = "everyone"
    for visitor in (client, as_alice):
        assert "Map: Busan, South Korea" in visitor.get(shown.get_absolute_url()).content.decode()
        assert visitor.get("/api/search?town=Busan").json()["found"] == 1
        assert visitor.get(f"/api/images/{shown.pk}").json()["latitude"] == pytest.approx(35.1587)
        assert "Busan" in visitor.get("/search?filters=open").content.decode()
        assert "Busan" in visitor.get("/search/suggestions?q=bus").content.decode()
        assert SERIAL.encode() not in b"".join(contents(visitor.get(reverse("download", args=[shown.pk]))))
    saved, _is_new = save_search(alice, SearchQuery(words="in:busan"))
    feed = reverse("feed", args=[saved.token])
    assert str(shown.pk) in client.get(feed).content.decode()
    settings.SHOW_PLACES = "curators"
    for address in (feed, saved.get_absolute_url(), reverse("saved-searches")):
        answer = as_alice.get(address, follow=True).content.decode()
        assert str(shown.pk) not in answer
        # Texts that she wrote herself are shown to her.
        assert "Busan" not in answer
    assert SavedSearch.objects.filter(pk=saved.pk).exists()
    assert not disclosed(client.get(shown.get_absolute_url()))
    assert not disclosed(client.get("/search?filters=open"))
    assert not disclosed(client.get("/search/suggestions?q=bus"))


def test_a_search_near_a_hidden_picture_is_refused_for_everyone(shown, client, settings):
    settings.SHOW_PLACES = "everyone"
    shown.hide()
    an_image("Another")
    for image_id in (shown.pk, uuid.uuid4()):
        answer = client.get(f"/api/search?near={image_id}")
        assert answer.status_code == 400
        assert "The location of this picture is unknown." in answer.content.decode()
