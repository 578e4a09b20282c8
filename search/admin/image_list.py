"""The list of pictures: in the order of a search, as a list or a grid, and with "save and next"."""

import copy
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib.admin.views.main import ORDER_VAR
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, QueryDict

from search.admin import picture_html, searching
from search.admin.model_admin_bases import MOST_COUNTED, SturdyList
from search.admin.pasted_picture_list import note_of_the_set
from search.models import Image, Origin, Report

if TYPE_CHECKING:
    from search.admin.images import ImageAdmin

VIEW = "images-as"
"""Session key: "grid" or "list", as last chosen."""


class ImageList(SturdyList):
    """In the order of a search, unless a sort column is chosen."""

    note = ""
    found: searching.Found | None = None

    def get_queryset(self, request: HttpRequest, exclude_parameters: list[str | None] | None = None) -> QuerySet[Any]:
        rows = super().get_queryset(request, exclude_parameters).defer("embedding", "description")
        self.found = searching.what_was_found(request)
        self.note = " ".join(note for note in (note_of_the_set(request), self.found and self.found.note) if note)
        if self.found and ORDER_VAR not in self.params:
            rows = rows.order_by("place")
        return rows

    def get_ordering_field_columns(self) -> dict[int, Any]:
        """Return the sort columns: none in the order of a search."""
        return {} if self.found and ORDER_VAR not in self.params else super().get_ordering_field_columns()

    def get_results(self, request: HttpRequest) -> None:
        """Load the rows of one page, with what takes one query for all of them."""
        super().get_results(request)
        images = self.result_list = list(self.result_list)
        picture_html.with_thumbnails(images)
        beside = _beside([image.pk for image in images])
        ranked = self.found.ranked if self.found else {}
        may_edit = self.model_admin.has_change_permission(request)
        for image in images:
            image.file_name, image.waiting_reports = beside.get(image.pk, ("", 0))
            image.may_be_edited = may_edit
            if one := ranked.get(image.pk):
                image.distance, image.band, image.by_words = one.distance, one.band, one.by_words


def _beside(image_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, tuple[str, int]]:
    """Return the file name and the number of unresolved reports of each image, in one query."""
    reports = Report.objects.filter(resolved=None, image=OuterRef("pk")).order_by().values("image")
    rows = Image.objects.filter(pk__any_of=list(image_ids)).values_list(
        "pk", Subquery(Origin.latest_address()), Subquery(reports.annotate(count=Count("*")).values("count"))
    )
    return {key: ((address or "").rstrip("/").rpartition("/")[2], count or 0) for key, address, count in rows}


def view_links(request: HttpRequest) -> dict[str, str]:
    """Return the URLs of this list as a list and as a grid."""
    links = {}
    for view in ("list", "grid"):
        params = request.GET.copy()
        params["view"] = view
        links[view] = f"?{params.urlencode()}"
    return links


def next_in_list(model_admin: "ImageAdmin", request: HttpRequest, image_id: uuid.UUID) -> uuid.UUID | None:
    """Return the next picture in the list that a form was opened from, as that list is now; None after the last one.
    If this one is no longer in it, its first."""
    asked = copy.copy(request)
    asked.method = "GET"
    asked.GET = QueryDict(request.GET.get("_changelist_filters", ""))
    rows = model_admin.get_changelist_instance(asked).get_queryset(asked)
    ids = list(rows.values_list("pk", flat=True)[:MOST_COUNTED])
    if image_id not in ids:
        return next(iter(ids), None)
    return next(iter(ids[ids.index(image_id) + 1 :]), None)
