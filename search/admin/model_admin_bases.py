"""What the lists of the admin share: they stay fast over large tables, and no input breaks them."""

import logging
import re
import uuid
from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList
from django.core.exceptions import ValidationError
from django.core.paginator import PageNotAnInteger, Paginator
from django.db import DataError, transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.functional import cached_property
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from search.admin.concurrent_edits import Shared
from search.admin.stored_texts import localise
from search.models import FormerId
from search.text.normalization import composed

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
    _Paginator = Paginator[Any]
else:
    _ModelAdmin = admin.ModelAdmin
    _Paginator = Paginator

logger = logging.getLogger(__name__)

MOST_COUNTED = 10_000
"""Maximum of rows counted and paged through; to get further, users narrow the list."""
LONGEST_QUERY_STRING = 2_000
"""Every link of a list repeats it."""

_IMPOSSIBLE = "is_impossible_list"
"""Attribute of a request whose search or filters are invalid: its list is empty."""

ID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)


class ImpossibleSearch(Exception):
    """The search is invalid, and nothing is listed. The message is for the user."""


def image_ids(text: str) -> list[uuid.UUID]:
    """Return the ids in a search text, bare or in URLs of image pages; for images whose files have changed since, also
    their current ids."""
    named = [uuid.UUID(each) for each in ID.findall(text)]
    return [*named, *FormerId.present(named).values()]


def log_changes(request: HttpRequest, rows: Sequence[Model], field: str) -> None:
    """Record in the history of each row that this user changed `field`."""
    if rows:
        message: Any = [{"changed": {"fields": [field]}}]
        LogEntry.objects.log_actions(request.user.pk, rows, CHANGE, message)  # type: ignore[arg-type]


class BoundedPaginator(_Paginator):
    """Counts up to MOST_COUNTED, and clamps page numbers to the last page."""

    @cached_property
    def _found(self) -> int:
        rows: Any = self.object_list
        found: int = rows.order_by().values("pk")[: MOST_COUNTED + 1].count()
        return found

    @cached_property
    def count(self) -> int:
        return min(self._found, MOST_COUNTED)

    @property
    def has_more(self) -> bool:
        """Whether there are more than `count`."""
        return self._found > MOST_COUNTED

    def validate_number(self, number: float | str) -> int:
        try:
            return max(1, min(int(number), self.num_pages))
        except ValueError as error:  # history pages pass the raw parameter
            raise PageNotAnInteger from error


class SturdyList(ChangeList):
    def get_queryset(self, request: HttpRequest, exclude_parameters: list[str | None] | None = None) -> QuerySet[Any]:
        queryset = super().get_queryset(request, exclude_parameters)
        # An invalid search, such as one with a NUL, finds nothing rather than everything.
        possible = self.search_form_class(request.GET).is_valid() and not hasattr(request, _IMPOSSIBLE)
        return queryset if possible else queryset.none()

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if isinstance(self.paginator, BoundedPaginator):
            self.page_num = self.paginator.validate_number(self.page_num)


class Sturdy(Shared, _ModelAdmin):
    """A list that invalid filters, searches and selections can't break."""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return SturdyList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {"title": capfirst(self.opts.verbose_name_plural), **(extra_context or {})}
        response = self.with_patience(
            request,
            lambda: super(Sturdy, self).changelist_view(request, context),
            lambda: redirect(request.get_full_path()),
        )
        if hasattr(request, _IMPOSSIBLE) and response.status_code == HTTPStatus.OK:
            response.status_code = HTTPStatus.BAD_REQUEST
        return response

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The history of one row, in the reader's language."""
        response: HttpResponse = super().history_view(request, object_id, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data:
            localise(response.context_data["action_list"])
        return response

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Return the requested list; for invalid parameters one without rows, never one of all rows.

        Django would return all of them, and the next bulk action would change them.
        """
        if len(request.META.get("QUERY_STRING", "")) > LONGEST_QUERY_STRING:
            problem = _("This search is too long. Shorten it.")
        else:
            problem = _("There is no such filter or page.")
            try:
                if made := self._valid_list(request):
                    return made
            except ImpossibleSearch as error:
                problem = str(error)
        self.message_user(request, problem, messages.ERROR)
        return self._empty_list(request)

    def _valid_list(self, request: HttpRequest) -> ChangeList | None:
        try:
            with transaction.atomic():
                return super().get_changelist_instance(request)
        except (DataError, ValueError, OverflowError, IncorrectLookupParameters) as error:
            # Filters are raw parameters, and some fail only when the query runs.
            # The values are not logged: searches are private.
            logger.info("Not a list: %s by %s", request.path, sorted(request.GET)[:20], exc_info=error)
            return None

    def _empty_list(self, request: HttpRequest) -> ChangeList:
        """Return an empty list that keeps the words in the search box, and valid filters in its links."""
        words, filters = request.GET.get(SEARCH_VAR, ""), request.GET.copy()
        filters.pop(SEARCH_VAR, None)
        setattr(request, _IMPOSSIBLE, True)
        if len(filters.urlencode()) > LONGEST_QUERY_STRING:
            filters = QueryDict(mutable=True)
        request.GET = filters  # type: ignore[assignment] # as Django's own views do
        made = self._valid_list(request)
        if made is None:
            filters.clear()
            made = super().get_changelist_instance(request)
        made.query = words
        return made

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        # Each word becomes a nested condition, and thousands exceed Python's recursion limit.
        if len(search_term) > LONGEST_QUERY_STRING:
            return queryset.none(), False
        # Django takes a quotation mark for an empty text, which every row contains.
        if search_term.strip() and not search_term.strip(" \t\r\n\"'"):
            return queryset.none(), False
        # The list's own search form rejects a NUL; autocompletion does not.
        return super().get_search_results(request, queryset, composed(search_term.replace("\0", "")))

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *args: Any) -> HttpResponse | None:
        try:
            for key in request.POST.getlist(ACTION_CHECKBOX_NAME):
                self.opts.pk.to_python(key)
        except ValidationError:
            self.message_user(request, _("The selected pictures are not in this list."), messages.ERROR)
            return None
        return super().response_action(request, queryset, *args)


class LongList(Sturdy):
    """A list of a table that may have millions of rows."""

    paginator = BoundedPaginator
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER


class ReadOnly(LongList):
    """A read-only list for users who may view it; its rows are written elsewhere."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
