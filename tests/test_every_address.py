"""Checks of all addresses of the site: permissions, no changes without CSRF token, no stored XSS, no server errors."""

import re
import uuid
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.contrib.auth.tokens import default_token_generator
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from search.curation import AddToAlbum, change
from search.models import (
    Album,
    ApiToken,
    Image,
    PictureSet,
    QueryPicture,
    Report,
    Run,
    RunFile,
    SavedSearch,
    SignUp,
    TagSuggestion,
    VocabularyTag,
    WorkingSet,
)
from tests.addresses import Address, every_address
from tests.base import a_vector, stored_image

pytestmark = pytest.mark.django_db

ATTACK = "\"'><img src=x onerror=alert(1) class=pwned></script><script>alert(1)</script>{{7*7}}javascript:alert(1)"
ROLES = ["a stranger", "alice", "bob", "a helper", "carol", "the administrator"]
"""Alice owns the images, the search and the set; bob has an account; the helper is staff without permissions."""


class World:
    """One object of every kind; all text of users is an attack."""

    def __init__(self) -> None:
        self.alice = User.objects.create_user("alice", password="alice's secret", first_name=ATTACK[:150])
        self.users: dict[str, User | None] = {
            "a stranger": None,
            "alice": self.alice,
            "bob": User.objects.create_user("bob"),
            "a helper": User.objects.create_user("helper", is_staff=True),
            "carol": User.objects.create_user("carol", is_staff=True),
            "the administrator": User.objects.create_superuser("root"),
        }
        self.users["carol"].user_permissions.set(  # type: ignore[union-attr]
            Permission.objects.filter(content_type__app_label="search")
        )
        said = {"description": ATTACK, "author": ATTACK, "licence": ATTACK, "tags": [ATTACK[:60], "plain"]}
        self.shown = stored_image("red", title=ATTACK, uploader=self.alice, **said)
        self.hidden = stored_image("blue", title=f"hidden {ATTACK}", hidden=True, uploader=self.alice, **said)
        self.album = Album.objects.create(
            title=ATTACK[:200], description=ATTACK, owner=self.alice, visibility="public"
        )
        self.revision = change([self.shown.pk, self.hidden.pk], AddToAlbum(self.album))
        self.report = Report.objects.create(image=self.shown, reason="other", details=ATTACK, reporter=self.alice)
        self.search = SavedSearch.objects.create(user=self.alice, name=ATTACK[:60], query="q=red")
        self.set = PictureSet.objects.create(id=uuid.uuid4(), images=[self.shown.pk])
        newcomer = User.objects.create_user("newcomer", first_name=ATTACK[:150], is_active=False)
        self.sign_up = SignUp.objects.create(user=newcomer, language="en")
        self.group = Group.objects.create(name=ATTACK)
        self.run = Run.objects.create(
            outcome="failed", places=[ATTACK], account=ATTACK, machine=ATTACK, problem=ATTACK
        )
        RunFile.objects.create(run=self.run, kind="failed", name=ATTACK, reason=ATTACK)
        self.tag = VocabularyTag.objects.create(name=ATTACK[:60], phrase=ATTACK, aliases=[ATTACK[1:61]])
        TagSuggestion.objects.create(tag=self.tag, image=self.shown, similarity=0.5)
        self.token = ApiToken.issue(self.alice, ATTACK[:60])[0]
        self.picture = QueryPicture.objects.create(
            id=uuid.uuid4(), embedding=a_vector(1), embedding_model="any", rendition=b"x"
        )
        self.added = WorkingSet.keep(self.alice, [self.shown.pk])
        self.values: dict[str, Any] = {
            "added.set_id": self.added.pk,
            "album_id": self.album.pk, "shared-album.token": self.album.token,
            "download-shared-album.token": self.album.token,
            "image_id": self.shown.pk, "object_id": self.shown.pk, "auth_user.object_id": self.alice.pk,
            "id": self.alice.pk, "auth_group.object_id": self.group.pk, "search_report.object_id": self.report.pk,
            "search_vocabularytag.pk": self.tag.pk, "search_vocabularytag.object_id": self.tag.pk,
            "pk": self.report.pk, "search_id": self.search.pk, "set_id": self.set.pk, "token": self.picture.pk,
            "feed.token": self.search.token, "search_signup.object_id": self.sign_up.pk,
            "search_revision.pk": self.revision.pk, "search_revision.object_id": self.revision.pk,
            "search_run.object_id": self.run.pk, "search_run.pk": self.run.pk,
            "uidb64": urlsafe_base64_encode(force_bytes(self.alice.pk)),
            "choose-password.token": default_token_generator.make_token(self.alice),
            "token_id": self.token.pk, "longest": 400, "app_label": "search", "content_type_id": 1, "url": "nowhere",
        }  # fmt: skip

    def addresses(self, **other: Any) -> list[Address]:
        return every_address({**self.values, **other})

    def client(self, role: str, **options: Any) -> Client:
        client = Client(**options)
        if user := self.users[role]:
            client.force_login(user)
        return client


@pytest.fixture
def world() -> World:
    return World()


def test_the_addresses_of_the_site_are_found(world: World):
    names = {address.name for address in world.addresses()}
    assert len(names) > 60
    assert {"results", "image", "saved-search", "feed", "api:search", "admin:search_image_change"} <= names


# Permissions


@pytest.mark.parametrize("role", ROLES)
def test_no_address_is_a_server_error_for_any_role(world: World, role: str):
    client = world.client(role)
    for address in world.addresses():
        for method in ("GET", "POST") if role != "the administrator" else ("GET", "POST", "HEAD", "PUT", "OPTIONS"):
            if "logout" not in address.name:
                assert client.generic(method, address.path).status_code < 500, (address, method)


@pytest.mark.parametrize("role", ["a stranger", "alice", "bob"])
def test_only_staff_enter_the_admin(world: World, role: str):
    client = world.client(role)
    for address in world.addresses():
        if address.is_of_the_admin and address.name not in {"admin:login", "admin:logout", "admin:jsi18n"}:
            answer = client.get(address.path)
            assert answer.status_code in {302, 403, 404}, address
            assert answer.status_code != 302 or "/login/" in answer.headers["Location"], address


BY_THE_LIST = {"search_signup_delete"}
"""Pages of the admin without a page of their own; the list does their work."""
FOR_ALL_STAFF = {"index", "login", "logout", "password_change", "password_change_done", "jsi18n", "view_on_site"}


@pytest.mark.parametrize(
    ("role", "may"),
    [("a helper", "nothing"), ("carol", "search"), ("the administrator", "auth search")],
)
def test_staff_see_only_permitted_parts_of_the_admin(world: World, role: str, may: str):
    client = world.client(role)
    for address in world.addresses():
        table = address.name.removeprefix("admin:")
        if address.is_of_the_admin and table.partition("_")[0] in {"auth", "search"}:
            answer = client.get(address.path)
            if table.partition("_")[0] in may.split():
                assert answer.status_code in {200, 302, 405} or table.endswith("_add") or table in BY_THE_LIST, address
            else:
                assert answer.status_code in {403, 405}, address


@pytest.mark.parametrize(("role", "may"), [(role, role in {"carol", "the administrator"}) for role in ROLES])
def test_only_curators_see_hidden_images(world: World, role: str, may: bool):
    client = world.client(role)
    name = "hidden &quot;"
    for address in world.addresses(image_id=world.hidden.pk):
        if address.is_of_the_admin or str(world.hidden.pk) not in address.path:
            continue
        answer = client.get(address.path)
        assert answer.status_code == 404 or may or answer.status_code == 405, address
        assert may or name not in answer.content.decode("utf-8", "replace")
    for path in ("/", "/search?q=hidden", "/api/search?q=hidden"):
        assert str(world.hidden.pk) not in client.get(path).content.decode()


OF_SAVED_SEARCHES = {"saved-search", "saved-search-cover", "rename-search", "delete-search"}


@pytest.mark.parametrize("role", ["a stranger", "bob", "a helper", "carol"])
def test_users_can_not_change_searches_and_tokens_of_others(world: World, role: str):
    client = world.client(role)
    for address in world.addresses():
        if address.name in {*OF_SAVED_SEARCHES, "revoke-api-token"}:
            for method in ("GET", "POST"):
                answer = client.generic(method, address.path, "name=taken", "application/x-www-form-urlencoded")
                assert answer.status_code in {302, 403, 404, 405}, (address, method)
    world.search.refresh_from_db()
    world.token.refresh_from_db()
    assert world.search.name == ATTACK[:60]


# CSRF


def test_no_form_of_another_site_changes_any_row(world: World):
    client = world.client("the administrator", enforce_csrf_checks=True)
    for address in world.addresses():
        for origin in ({}, {"Origin": "https://evil.example"}):
            with CaptureQueriesContext(
                connection,
            ) as queries:
                answer = client.post(address.path, {"name": "taken", "post": "yes", "hide": "1"}, headers=origin)
            assert answer.status_code in {401, 403, 404, 405}, address
            written = [one["sql"] for one in queries if re.match("INSERT|UPDATE|DELETE", one["sql"])]
            assert not written, (address, written)
    assert client.get("/account/").status_code == 200, "Nobody was logged out."


# Stored XSS


class Markup(HTMLParser):
    """Parses a page as a browser would; `wrong` lists markup and scripts that are not ours."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self._in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        # The admin of Django has no inline handlers: its scripts attach listeners.
        handlers = [name for name in told if name.startswith("on")]
        links = [told[name] for name in ("href", "src", "action", "formaction") if name in told]
        if handlers or "pwned" in told.get("class", ""):
            self.wrong.append(f"<{tag} {told}>")
        if any(re.match(r"\s*(javascript|data:text|vbscript)", link, re.IGNORECASE) for link in links):
            self.wrong.append(f"<{tag} {links}>")
        self._in_script = tag == "script" and "src" not in told and told.get("type") != "application/json"

    def handle_data(self, data: str) -> None:
        if self._in_script and data.strip():
            self.wrong.append(data)
        self._in_script = False


def pages(world: World, client: Client) -> Iterator[tuple[str, Any]]:
    asked = quote(ATTACK)
    for address in world.addresses():
        if "logout" not in address.name:
            yield address.path, client.get(address.path)
    for path in ("/", "/search", "/account/", "/upload/", "/admin/search/image/", "/admin/search/report/", "/saved/"):
        for name in ("q", "tag", "licence", "author", "next", "sort", "page", "problem"):
            yield path, client.get(f"{path}?{name}={asked}")
    yield "reported", client.post(f"/images/{world.shown.pk}/report/", {"reason": ATTACK, "details": ATTACK})
    yield "uploaded", client.post("/upload/", {"title": ATTACK, "tags": ATTACK})
    yield "logged in", Client().post("/accounts/login/", {"username": ATTACK, "password": ATTACK, "next": ATTACK})
    yield "signed up", Client().post("/accounts/sign-up/", {"username": ATTACK, "password1": ATTACK})


@pytest.mark.parametrize("role", ["alice", "the administrator"])
def test_no_text_of_users_is_executed_on_any_page(world: World, role: str):
    shown = 0
    for path, answer in pages(world, world.client(role)):
        kind = answer.headers.get("Content-Type", "")
        if answer.status_code in {301, 302}:
            assert "alert" not in answer.headers["Location"].partition("?")[0]
        elif kind.startswith("text/html"):
            page = answer.content.decode()
            shown += "pwned" in page
            markup = Markup()
            markup.feed(page)
            assert not markup.wrong, path
            assert "49javascript" not in page, path
        elif not answer.streaming and "xml" in kind:
            assert b"<img" not in answer.content, path
    assert shown > 10, "What people write is on these pages."


# Invalid input


NONSENSE = [
    "", " ", "\x00", "a\x00b", "\ud800", "\udcff", "\ufeff", "\u202e", "\u2028", "👩‍👩‍👧‍👦" * 30, "𝒳", "ﷺ" * 200,
    "İ", "ß", "٣", "-1", "0", "9" * 40, "1e400", "NaN", "Infinity", "0x1F", "2026-02-30", "0000-00-00", "99999-01-01",
    "' OR 1=1 --", "%", "_", "\\", "%s%n", "{{7*7}}", "${7*7}", "../../etc/passwd", "file:///etc/passwd", "<script>",
    "null", "[]", '{"a": [', "true", "x" * 20_000, "a\r\nSet-Cookie: x=y", "\x1b[31m", "-" * 500, '"' * 99,
]  # fmt: skip
FIELDS = [
    "q", "page", "seen", "sort", "tag", "colour", "format", "size", "orientation", "licence", "uploader", "described",
    "from", "to", "picture", "like", "part", "weight", "without", "x", "y", "w", "h", "left", "top", "right", "bottom",
    "url", "next", "name", "query", "ids", "id", "image", "images", "title", "description", "reason", "details",
    "username", "password", "language", "action", "_selected_action", "post", "index", "select_across", "o", "p", "e",
    "limit", "offset", "csrfmiddlewaretoken",
]  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_value_of_any_parameter_is_a_server_error(world: World, method: str):
    client = world.client("the administrator")
    longest = 3_000 if method == "GET" else None
    forms = {}  # forms by value: encoded once for all addresses
    for nonsense in NONSENSE:
        value = quote(nonsense.encode("utf-8", "surrogatepass")[:longest])
        forms[nonsense] = "&".join(f"{name}={value}" for name in FIELDS)
    for number, address in enumerate(world.addresses()):
        if "logout" in address.name:
            continue
        # Each address gets a part of the values, and each value goes to many addresses.
        for nonsense in NONSENSE[number % 6 :: 6]:
            if method == "GET":
                answer = client.get(f"{address.path}?{forms[nonsense]}")
            else:
                answer = client.generic(method, address.path, forms[nonsense], "application/x-www-form-urlencoded")
            assert answer.status_code < 500, (address, nonsense)
    assert Image.objects.count() == 2 or method == "POST"


def test_no_value_in_a_path_or_header_is_a_server_error(client: Client):
    for nonsense in NONSENSE:
        value = quote(nonsense.encode("utf-8", "surrogatepass")[:2_000], safe="")
        for place in ("/{}", "/images/{}/", "/images/{}/400.webp", "/sets/{}/", "/feeds/{}.atom", "/saved/{}/",
                      "/search/picture/{}.webp", "/api/images/{}", "/static/{}", "/admin/{}/"):  # fmt: skip
            assert client.get(place.format(value)).status_code < 500, (place, nonsense)
        header = nonsense.encode("utf-8", "replace").decode("latin-1").replace("\n", "").replace("\r", "")[:2_000]
        names = ("Accept", "Accept-Language", "Authorization", "Content-Type", "Cookie", "HX-Target", "If-None-Match",
                 "If-Modified-Since", "Range", "Referer", "User-Agent", "X-Forwarded-For", "X-Request-ID")  # fmt: skip
        for path in ("/", "/search?q=red", "/api/search?q=red"):
            assert client.get(path, headers=dict.fromkeys(names, header)).status_code < 500, nonsense
