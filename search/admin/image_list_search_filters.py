"""Filters of the list of pictures for its search, and for missing data."""

from typing import TYPE_CHECKING, Any

from django.contrib.admin.views.main import SEARCH_VAR
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from search.admin.image_list_filters import Choice, Choices
from search.models import Image
from search.query import Minimum, Mode
from search.state.missing_details import lacking

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


class LackingFilter(Choice):
    title = _("missing details")
    parameter_name = "lacks"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [
            ("tags", _("Tags")),
            ("title", _("Title")),
            ("description", _("Description")),
            ("date", _("Date taken")),
            ("vector", _("Vector")),
            ("windows", _("Vectors of parts")),
            ("original", _("Original (at the last check)")),
            ("thumbnail", _("Thumbnail (at the last check)")),
        ]

    def passing(self, queryset: QuerySet[Image], value: str) -> QuerySet[Image]:
        return lacking(queryset, value)


class OutlierFilter(Choice):
    title = _("similarity")
    parameter_name = "outliers"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("yes", _("Unlike all others"))]

    def passing(self, queryset: QuerySet[Image], value: str) -> QuerySet[Image]:
        return queryset.filter(isolation__is_outlier=True)


class _OfTheSearch(Choice):
    """A search option as a filter; displayed only with a search."""

    default: "_StrPromise"
    """Label of the default."""

    def __init__(self, request: HttpRequest, *args: Any) -> None:
        self._is_asked = bool(request.GET.get(SEARCH_VAR))
        super().__init__(request, *args)

    def has_output(self) -> bool:
        return self._is_asked

    def queryset(self, request: HttpRequest, queryset: QuerySet[Image]) -> QuerySet[Image]:
        return queryset

    def choices(self, changelist: Any) -> Any:
        first, *others = super().choices(changelist)
        yield {**first, "display": self.default}
        yield from others


class MatchesFilter(_OfTheSearch):
    title = _("matches")
    parameter_name = "min"
    default = _("Strong and related")

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(Minimum.STRONG, _("Strong only")), (Minimum.ANY, _("All, nearest first"))]


class ModeFilter(_OfTheSearch):
    title = _("search mode")
    parameter_name = "mode"
    default = _("Content and text")

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(Mode.MEANING, _("Content only")), (Mode.WORDS, _("Text only"))]
