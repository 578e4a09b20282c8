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
    title = _("what is lacking")
    parameter_name = "lacks"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [
            ("tags", _("Tags")),
            ("title", _("A title")),
            ("description", _("A description")),
            ("date", _("A date taken")),
            ("vector", _("Their vector")),
            ("windows", _("Vectors of their parts")),
            ("original", _("Their original, when last looked for")),
            ("thumbnail", _("Their thumbnail, when last looked for")),
        ]

    def passing(self, queryset: QuerySet[Image], value: str) -> QuerySet[Image]:
        return lacking(queryset, value)


class OutlierFilter(Choice):
    title = _("likeness")
    parameter_name = "outliers"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("yes", _("Far from all others"))]

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
        return [(Minimum.STRONG, _("Strong alone")), (Minimum.ANY, _("All, nearest first"))]


class ModeFilter(_OfTheSearch):
    title = _("kind of search")
    parameter_name = "mode"
    default = _("By look and words")

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(Mode.MEANING, _("By look alone")), (Mode.WORDS, _("By words alone"))]
