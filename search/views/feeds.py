"""A saved search as an Atom feed, for feed readers: its URL is secret, and needs no password."""

import datetime as dt
import hashlib
import re
import uuid
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.feedgenerator import Atom1Feed
from django.utils.http import http_date
from django.utils.translation import get_language
from django.views.decorators.cache import cache_control
from django.views.decorators.http import conditional_page

from search.http.methods import require_safe
from search.http.site_name import site_name
from search.models import FormerId, Image, SavedSearch
from search.objects import storage
from search.query import BadQuery
from search.query.saved_searches import read_query
from search.retrieval.new_matches import News, Window, new_matches
from search.templatetags.pictures import search_url
from search.text.numbers import whole_number

ENTRIES = 50
_NONE = News([], None)
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class _AtomFeed(Atom1Feed):
    def latest_post_date(self) -> dt.datetime:
        modified: dt.datetime = self.feed["modified"]
        return modified

    def add_root_elements(self, handler: Any) -> None:
        super().add_root_elements(handler)
        if self.feed["next"]:  # RFC 5005, section 3
            handler.addQuickElement("link", "", {"rel": "next", "href": self.feed["next"]})


@require_safe
@cache_control(private=True, max_age=300)
@conditional_page
def feed(request: HttpRequest, token: uuid.UUID) -> HttpResponse:
    """The matches that arrived last; no entries where there are none, or the search is no longer valid.

    A link leads to earlier ones (RFC 5005), however many arrived at once.
    """
    saved = get_object_or_404(SavedSearch, token=token, user__is_active=True)
    problem, news, page = "", _NONE, reverse("search")
    to = request.GET.get("to", "")
    try:
        query = read_query(saved.query)
        page = search_url(query)
        window = Window.since(0)
        if (last := whole_number(to, window.to)) is not None:
            window = Window(0, last)
        news = new_matches(query, window, ENTRIES)
    except BadQuery as error:
        problem = str(error)
    further = f"{request.build_absolute_uri(request.path)}?to={news.rest.to}" if news.rest else ""
    atom = _AtomFeed(
        title=_in_xml(saved.name),
        link=request.build_absolute_uri(page),
        description="",
        subtitle=_in_xml(problem) or None,
        author_name=site_name(),
        feed_url=request.build_absolute_uri(request.path),
        feed_guid=saved.token.urn,
        language=get_language(),
        modified=_modified(saved, news, problem, is_whole=not to),
        next=further,
    )
    # A picture with a changed file keeps its entry id.
    first = FormerId.first([image.id for image in news.images])
    for image in news.images:
        _add(atom, image, request, first.get(image.id, image.id))
    response = HttpResponse(atom.writeString("utf-8"), content_type=atom.content_type)
    response["Last-Modified"] = http_date(atom.latest_post_date().timestamp())
    return response


def _modified(saved: SavedSearch, news: News, problem: str, *, is_whole: bool) -> dt.datetime:
    """Return when the feed last changed, also by removed entries."""
    entries = max((image.updated for image in news.images), default=saved.created)
    if not is_whole:
        return entries
    facts = [
        (image.id, image.title, image.author, image.licence, image.tags, image.updated, image.arrival.moment)
        for image in news.images
    ]
    digest = hashlib.sha256(repr((saved.name, bool(problem), facts)).encode()).hexdigest()
    return saved.note_feed(digest, entries)


def _add(atom: Atom1Feed, image: Image, request: HttpRequest, first_id: uuid.UUID) -> None:
    # Our own URL of the thumbnail: a presigned one would change with each response.
    thumbnail = request.build_absolute_uri(reverse("rendition", args=[image.id, storage.THUMBNAIL]))
    link = request.build_absolute_uri(image.get_absolute_url())
    content = {"image": image, "thumbnail": thumbnail, "link": link}
    atom.add_item(
        title=_in_xml(image.name),
        link=link,
        description=_in_xml(render_to_string("search/_partials/feed_entry.html", content)),
        unique_id=first_id.urn,
        author_name=_in_xml(image.author) or None,
        pubdate=image.arrival.moment,
        updateddate=image.updated,
        categories=[_in_xml(tag) for tag in image.tags],
    )


def _in_xml(text: str) -> str:
    """Return `text` without the characters that XML forbids, escaped or not."""
    return _NOT_IN_XML.sub("", text)
