"""The search box of the list of pictures: like the page's search, nearest first; or pasted ids and URLs."""

import datetime as dt
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from django.contrib.postgres.fields import ArrayField
from django.db.models import DateTimeField, ExpressionWrapper, F, Func, IntegerField, Q, QuerySet, UUIDField, Value
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from search.admin.model_admin_bases import ID, ImpossibleSearch
from search.embedding import ModelUnavailable
from search.models import FormerId, Image, Origin
from search.models.querysets import ImageQuerySet
from search.query import BadQuery, Filters, Minimum, SearchQuery
from search.query.filters import Hidden
from search.relevance import Band
from search.retrieval.all_results import MOST_LISTED, best_of, with_hidden
from search.retrieval.search_scope import Scope
from search.text.normalization import composed

NAMED_MISSING = 10
"""Maximum of missing ids that the note lists."""
ABOUT_THE_LIST = {"q", "o", "p", "min", "mode", "hidden", "all", "e", "_facets"}
"""Parameters that filter nothing, or that the search itself takes."""
_ATTRIBUTE = "what_was_found"


@dataclass(frozen=True, slots=True)
class Found:
    """The results of a search: ids, best first, with the ranked images; and a note for the user."""

    ids: Sequence[uuid.UUID]
    ranked: Mapping[uuid.UUID, Image] = field(default_factory=dict)
    note: str = ""


def what_was_found(request: HttpRequest) -> Found | None:
    """Return the ranked results of this request's search; None without a ranking."""
    found: Found | None = getattr(request, _ATTRIBUTE, None)
    return found


def search(request: HttpRequest, queryset: QuerySet[Image], text: str) -> QuerySet[Image]:
    """Return those of `queryset` that match `text`. Raises ImpossibleSearch."""
    text = composed(text.replace("\0", "")).strip()
    if not text:
        return queryset
    if ID.search(text):
        found = _pasted(text)
    else:
        query = _query(request, text)
        if query.is_empty:
            return queryset.filter(pk__in=Scope(with_hidden(query)).images.values("pk"))
        found = _ranked(request, queryset, query, text)
    setattr(request, _ATTRIBUTE, found)
    return in_order(queryset, found.ids)


def in_order(queryset: QuerySet[Image], ids: Sequence[uuid.UUID]) -> QuerySet[Image]:
    """Return those of `queryset` with these ids, each annotated with its `place` among them."""
    places = Value(list(ids), ArrayField(UUIDField()))
    place = Func(places, F("pk"), function="array_position", output_field=IntegerField())
    return queryset.filter(pk__any_of=list(ids)).annotate(place=place)


def read_pasted(text: str) -> tuple[list[uuid.UUID], list[str]]:
    """Return the ids of existing images in `text`, given by ids or URLs, and the parts that match none.

    Images whose files have changed since are found by their former ids.
    """
    named: dict[str, list[uuid.UUID]] = {}
    for part in re.split(r"[\s,;]+", text):
        if part:
            named[part] = [uuid.UUID(one) for one in ID.findall(part)]
    ids = list(dict.fromkeys(image_id for each in named.values() for image_id in each))
    there = set(Image.objects.kept().filter(pk__any_of=ids).values_list("pk", flat=True))
    former = FormerId.present([image_id for image_id in ids if image_id not in there])
    present = {image_id: image_id if image_id in there else former.get(image_id) for image_id in ids}
    found = dict.fromkeys(image_id for image_id in present.values() if image_id)
    missing = [part for part, each in named.items() if not any(present[image_id] for image_id in each)]
    return list(found), missing


def note_of_pasted(found: int, missing: Sequence[str], total: int | None = None) -> str:
    """Describe how many pictures a pasted list has, and what is missing; `missing` may be the first of `total`."""
    text = ngettext("%(count)s pasted picture was found.", "%(count)s pasted pictures were found.", found) % {
        "count": f"{found:,}"
    }
    lost = len(missing) if total is None else total
    if not lost:
        return text
    named = ", ".join(one if len(one) <= 80 else f"{one[:79]}…" for one in missing[:NAMED_MISSING])
    if lost > NAMED_MISSING:
        named = _("%(names)s and %(count)s more") % {"names": named, "count": f"{lost - NAMED_MISSING:,}"}
    return f"{text} {_('Not found:')} {named}"


def _pasted(text: str) -> Found:
    ids, missing = read_pasted(text)
    return Found(ids, note=note_of_pasted(len(ids), missing) if missing or len(ids) > 1 else "")


def _query(request: HttpRequest, text: str) -> SearchQuery:
    try:
        query = SearchQuery.from_params(
            {"q": [text], "min": request.GET.getlist("min")[-1:], "mode": request.GET.getlist("mode")[-1:]}
        )
    except BadQuery as problem:
        raise ImpossibleSearch(str(problem)) from None
    if not request.GET.get("min"):
        query = query.replace(minimum=Minimum.RELATED)
    hidden = {"yes": Hidden.ONLY, "no": Hidden.NO}.get(request.GET.get("hidden", ""))
    return query.replace(filters=Filters(hidden=hidden)) if hidden else query


def _ranked(request: HttpRequest, queryset: QuerySet[Image], query: SearchQuery, text: str) -> Found:
    # The search gets the list's other filters, else the nearest might all be filtered out.
    is_narrowed = bool(set(request.GET) - ABOUT_THE_LIST)
    among = list(queryset.values_list("pk", flat=True)) if is_narrowed else None
    try:
        listing = best_of(query, MOST_LISTED, among)
    except BadQuery as problem:
        raise ImpossibleSearch(str(problem)) from None
    except ModelUnavailable:
        text = _("The search model is not available right now.")
        later = _("Try again in a moment, or search by text only.")
        raise ImpossibleSearch(f"{text} {later}") from None
    named = _named(queryset, query, text)
    if named and not _matches_well(listing.images):
        return Found(named)
    ranked = {image.pk: image for image in listing.images}
    return Found(list(dict.fromkeys([*named, *ranked])), ranked, _note(query, listing.images, listing.found))


def _named(queryset: QuerySet[Image], query: SearchQuery, text: str) -> list[uuid.UUID]:
    """Return matches that the pages' search doesn't cover: authors, file names, and titles that the parser takes for
    exclusions, such as "-5 °C"."""
    meant, named = query.box.meant, Q()
    if meant:
        files = Origin.objects.filter(address__icontains=meant).values("image_id")
        named |= Q(author__icontains=meant) | Q(pk__in=files)
    if query.box.unwanted:
        named |= Q(title__icontains=text)
    if not named:
        return []
    found = with_hidden(query).all_filters.apply(cast("ImageQuerySet", queryset)).filter(named)
    # An expression: for an index of dates the planner would read all images in that order.
    added = ExpressionWrapper(F("created") + Value(dt.timedelta()), DateTimeField())
    return list(found.order_by(added.desc(), "pk").values_list("pk", flat=True)[:MOST_LISTED])


def _matches_well(images: Sequence[Image]) -> bool:
    return any(image.band in (Band.STRONG, Band.RELATED) for image in images)


def _note(query: SearchQuery, images: Sequence[Image], found: int) -> str:
    if query.minimum is not Minimum.ANY and images and not _matches_well(images):
        text = _("There are no good matches. These are the nearest pictures.")
    else:
        text = _("Nearest first.")
    if found > len(images):
        text += " " + _(
            "The first %(count)s of %(found)s results are listed. Sorting by a column sorts only these."
        ) % {
            "count": f"{len(images):,}",
            "found": f"{found:,}",
        }
    return text
