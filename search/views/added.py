"""The pictures that a user has just added: exactly these, to view, tag and edit."""

import uuid
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.cache import add_never_cache_headers, patch_vary_headers
from django.utils.translation import gettext as _

from search.accounts.roles import may_add
from search.http.id_parsing import page_number
from search.http.methods import require_POST, require_safe
from search.models import Image, PictureSet, WorkingSet
from search.models.picture_sets import MOST as MOST_IN_A_SET
from search.query import SearchQuery
from search.query.selection import images_in_order
from search.views.errors import error_page
from search.views.images import details_of, rights, visibilities_offered
from search.views.searching import WHAT_IS_ASKED_FOR

PER_PAGE = 60
MOST = 10_000
"""Maximum of pictures in one set."""


class TooMany(Exception):
    """More pictures than one set may have. The message is for the user."""


def address_of(request: HttpRequest, ids: Sequence[uuid.UUID]) -> str:
    """Save these images, at least one, as a set; return the URL of its page.

    Without an account it is a shared set, which shows only public images. Raises TooMany.
    """
    limit = MOST if request.user.is_authenticated else MOST_IN_A_SET
    if len(ids) > limit:
        text = _("You chose %(number)s pictures; the limit is %(limit)s at once.")
        raise TooMany(text % {"number": f"{len(ids):,}", "limit": f"{limit:,}"})
    if request.user.is_authenticated:
        return reverse("added", args=[WorkingSet.keep(request.user, ids).pk])
    return PictureSet.keep(ids, None).get_absolute_url()


@require_POST
def keep(request: HttpRequest) -> HttpResponse:
    """Save the pictures that the script has uploaded one by one, `ids` separated by spaces, and redirect to their
    page.

    `then`=tag focuses the field for tags there.
    """
    if not may_add(request.user):
        raise PermissionDenied
    try:
        ids = list(dict.fromkeys(uuid.UUID(text) for text in request.POST.get("ids", "").split()))
        images = Image.objects.filter(pk__any_of=ids[: MOST + 1]).visible_to(request.user)
        there = set(images.values_list("pk", flat=True))
        shown = [one for one in ids if one in there]
        if not shown:
            raise ValueError
        address = address_of(request, shown)
    except ValueError:
        problem = _("None of these pictures exist any longer.")
        return error_page(request, 400, problem, _("Go back and try again."))
    except TooMany as problem:
        return error_page(request, 400, str(problem), _("Go back and try again."))
    return redirect(f"{address}?then=tag" if request.POST.get("then") == "tag" else address)


@require_safe
def added(request: HttpRequest, set_id: uuid.UUID) -> HttpResponse:
    """The pictures of a set a page at a time, for the user who added them. htmx requests further pages only."""
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    kept = WorkingSet.of(request.user, str(set_id))
    if kept is None:
        raise Http404
    page, address = page_number(request), reverse("added", args=[kept.pk])
    start = (page - 1) * PER_PAGE
    there = kept.present()
    seen = set(Image.objects.visible_to(request.user).filter(pk__any_of=there).values_list("pk", flat=True))
    ids = [one for one in there if one in seen]
    is_more = bool(request.htmx) and request.htmx.target == "more"  # type: ignore[attr-defined]
    context: dict[str, Any] = {
        "images": images_in_order(ids[start : start + PER_PAGE], request.user),
        "count": len(ids),
        "is_more": is_more,
        "next": f"{address}?page={page + 1}" if len(ids) > start + PER_PAGE else "",
        "previous": f"{address}?page={page - 1}" if page > 1 else "",
        "first": start + 1,
        "query": SearchQuery(),
    }
    if not is_more:
        may = rights(request)
        context |= {
            **may,
            "set": kept.pk,
            "address": address,
            "wants_tags": request.GET.get("then") == "tag",
            "forms": _forms(request, kept, may, address) if may["may_change"] else "",
        }
    template = "search/_partials/album_part.jinja" if is_more else "search/added.jinja"
    response = render(request, template, context, using="jinja2")
    patch_vary_headers(response, WHAT_IS_ASKED_FOR)
    add_never_cache_headers(response)
    return response


def _forms(request: HttpRequest, kept: WorkingSet, may: dict[str, Any], address: str) -> str:
    """Forms for changing all of them, without scripts."""
    context = {
        **may,
        "set": kept.pk,
        "without_tags": True,
        "next": address,
        "next_when_gone": reverse("upload"),
        "details": details_of(None),
        "visibilities": visibilities_offered(None),
        "trash_days": settings.TRASH_DAYS,
    }
    return render_to_string("search/_partials/curate_forms.html", context, request)
