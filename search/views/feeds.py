"""A saved search as an Atom feed, for feed readers: they know its address, and no password."""

import datetime as dt
import re
import uuid

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.feedgenerator import Atom1Feed
from django.utils.http import http_date
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import conditional_page

from search import storage
from search.models import Image, SavedSearch
from search.querying import BadQuery
from search.querying.newcomers import new_matches
from search.querying.saving import read_query
from search.templatetags.pictures import search_url
from search.views.methods import require_safe

ENTRIES = 50
_BEGINNING = dt.datetime.fromtimestamp(0, dt.UTC)
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class _AtomFeed(Atom1Feed):
    def latest_post_date(self) -> dt.datetime:
        # Django's is the present moment for a feed without entries, which would be a new feed each second.
        dates = [item["updateddate"] for item in self.items]
        latest: dt.datetime = max(dates, default=self.feed["created"])
        return latest


@require_safe
@cache_control(private=True, max_age=300)
@conditional_page
def feed(request: HttpRequest, token: uuid.UUID) -> HttpResponse:
    """The newest matches first; without entries where there are none, or where the search can't be run any more."""
    saved = get_object_or_404(SavedSearch, token=token, user__is_active=True)
    problem, images, page = "", [], reverse("search")
    try:
        query = read_query(saved.query)
        page, images = search_url(query), new_matches(query, _BEGINNING, ENTRIES)
    except BadQuery as error:
        problem = str(error)
    atom = _AtomFeed(
        title=_in_xml(saved.name),
        link=request.build_absolute_uri(page),
        description="",
        subtitle=_in_xml(problem) or None,
        author_name=_("Picture search"),
        feed_url=request.build_absolute_uri(request.path),
        feed_guid=saved.token.urn,
        language=get_language(),
        created=saved.created,
    )
    for image in images:
        _add(atom, image, request)
    response = HttpResponse(atom.writeString("utf-8"), content_type=atom.content_type)
    response["Last-Modified"] = http_date(atom.latest_post_date().timestamp())
    return response


def _add(atom: Atom1Feed, image: Image, request: HttpRequest) -> None:
    # The site's own address of the thumbnail: one that the storage signs would change from one answer to the next.
    thumbnail = request.build_absolute_uri(reverse("rendition", args=[image.id, storage.THUMBNAIL]))
    link = request.build_absolute_uri(image.get_absolute_url())
    content = {"image": image, "thumbnail": thumbnail, "link": link}
    atom.add_item(
        title=_in_xml(image.name),
        link=link,
        description=_in_xml(render_to_string("search/_partials/feed_entry.html", content)),
        unique_id=image.id.urn,
        author_name=_in_xml(image.author) or None,
        pubdate=image.created,
        updateddate=image.updated,
        categories=[_in_xml(tag) for tag in image.tags],
    )


def _in_xml(text: str) -> str:
    """Return `text` without the characters that no XML may hold, escaped or not."""
    return _NOT_IN_XML.sub("", text)
