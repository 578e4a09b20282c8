"""What search engines may crawl, and what robots.txt excludes; the direction of user text."""

import re
import urllib.robotparser
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import pytest
from django.test import Client
from django.urls import set_script_prefix

from search.models import Image, PictureSet, Report, VocabularyTag
from search.retrieval import PER_PAGE
from tests.base import many_images

pytestmark = pytest.mark.django_db

SITE = "http://testserver"


class Links(HTMLParser):
    """The links of a page that a crawler follows."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.followed: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag == "a" and given.get("href") and "nofollow" not in (given.get("rel") or ""):
            self.followed.append(urljoin(SITE + "/", given["href"]))


def followed(client: Client, address: str) -> list[str]:
    return Links(client.get(address).text).followed


def may_fetch(client: Client) -> urllib.robotparser.RobotFileParser:
    rules = urllib.robotparser.RobotFileParser()
    rules.parse(client.get("/robots.txt").text.splitlines())
    return rules


@pytest.fixture
def images(db) -> list[Image]:
    return many_images(PER_PAGE * 3, tags=lambda number: ["sea"])


def test_robots_txt_excludes_searches_but_not_images(client: Client, images: list[Image]):
    answer = client.get("/robots.txt")
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    rules, image = may_fetch(client), images[0]
    for address in ("/", f"/images/{image.id}/", f"/images/{image.id}/400.webp", "/static/css/site.css"):
        assert rules.can_fetch("*", SITE + address)
    shared = PictureSet.keep([image.id], None).get_absolute_url()
    for address in (
        "/search?q=red",
        "/search",
        shared,
        "/feeds/x.atom",
        "/admin/",
        "/api/search",
        "/accounts/login/",
        "/share/",
    ):
        assert not rules.can_fetch("*", SITE + address)
    # The parser of the standard library supports no wildcards.
    assert "Disallow: /images/*/download\n" in answer.text


def test_the_rules_include_the_base_path(client: Client):
    set_script_prefix("/pictures/")
    try:
        answer = client.get("/robots.txt")
    finally:
        set_script_prefix("/")
    assert "Disallow: /pictures/search\n" in answer.text


def test_no_link_to_a_search_is_followed_by_crawlers(client: Client, images: list[Image]):
    for address in (
        "/",
        "/search?q=red&page=2",
        f"/search?q=red&like={images[0].id}&tag=sea&tag=none&not=blue",
        "/search?q=red&page=99",
        f"/images/{images[0].id}/",
    ):
        searches = [link for link in followed(client, address) if urlsplit(link).path == "/search"]
        assert (address, searches) == (address, [])


def test_a_crawler_that_obeys_robots_txt_terminates(client: Client, images: list[Image]):
    rules, seen, ahead = may_fetch(client), set(), [SITE + "/"]
    while ahead:
        address = ahead.pop().partition("#")[0]
        if address in seen or not address.startswith(SITE) or not rules.can_fetch("*", address):
            continue
        seen.add(address)
        if len(seen) < 12:
            ahead += followed(client, address.removeprefix(SITE))
    assert [
        one for one in seen if not re.fullmatch(r"/(albums/|images/[-0-9a-f]{36}/(report/)?)?", urlsplit(one).path)
    ] == []
    assert len(seen) > PER_PAGE


def test_user_text_has_its_own_text_direction(client: Client, as_alice: Client, images: list[Image]):
    image = images[0]
    Image.objects.filter(pk=image.pk).update(title="מגדלור", description="منارة", tags=["بحر"], author="דנה")
    results, page = client.get("/search?q=מגדלור").text, client.get(f"/images/{image.pk}/").text
    assert re.search(r'<input type="search"[^>]*dir="auto"', results)
    assert re.search(r'<input type="search"[^>]*dir="auto"', page)
    assert re.search(r'<h3 class="tile-title[^>]*dir="auto"><mark>מגדלור</mark>', results)
    assert "<bdi>מגדלור</bdi>" in results
    for written in ("מגדלור", "<p>منارة", "بحر", "דנה"):
        assert re.search(rf'dir="auto"[^>]*>\s*{written}', page)
    upload = as_alice.get("/upload/").text
    for name in ("title", "description", "tags"):
        assert re.search(rf'name="{name}"[^>]*dir="auto"', upload)


def test_user_text_in_the_admin_has_its_own_text_direction(as_carol: Client, images: list[Image]):
    Image.objects.filter(pk=images[0].pk).update(title="מגדלור", tags=["بحر"])
    listed = as_carol.get("/admin/search/image/?q=מגדלור").text
    form = as_carol.get(f"/admin/search/image/{images[0].pk}/change/").text
    assert re.search(r"<bdi[^>]*>מגדלור</bdi>", listed)
    assert re.search(r'dir="auto"[^>]*>بحر', listed)
    for name in ("title", "description", "tags", "author"):
        assert re.search(rf'name="{name}"[^>]*dir="auto"', form)


WITHOUT_WORDS = re.compile(
    r'type="(?!text|search)|name="(capture-\S+-taken_.|place|language|username)"|class="v(Date|Time)Field"'
)
"""Fields of the admin for files, choices, dates and names of accounts."""


def test_every_field_for_text_in_the_admin_has_its_own_text_direction(admin_client: Client, images: list[Image]):
    tag, report = VocabularyTag.objects.create(name="sea"), Report.objects.create(image=images[0], reason="other")
    found = []
    for address in (
        "search/vocabularytag/add/", f"search/vocabularytag/{tag.pk}/change/", f"search/vocabularytag/{tag.pk}/merge/",
        f"search/report/{report.pk}/change/", f"search/image/{images[0].pk}/change/", "search/image/paste/",
        "search/image/compare/", "auth/group/", "auth/group/add/", "auth/user/", "search/report/", "search/revision/",
    ):  # fmt: skip
        answer = admin_client.get(f"/admin/{address}")
        assert answer.status_code == 200, address
        fields = re.findall(r"<(?:input|textarea)\b[^>]*>", answer.text)
        found += [one for one in fields if not WITHOUT_WORDS.search(one)]
    assert len(found) > 20
    assert [one for one in found if 'dir="auto"' not in one] == []
