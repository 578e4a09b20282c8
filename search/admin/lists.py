"""What the lists of the admin share: they stay quick over large tables, and no input breaks them."""

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
from django.utils.functional import cached_property
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from search.admin.shared import Shared
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
"""So many rows are counted and paged through; who looks for something further on narrows the list."""
LONGEST_QUERY_STRING = 2_000
"""Every link of a list repeats it."""

_IMPOSSIBLE = "is_impossible_list"
"""Set on a request whose search or filters can't be applied: its list is empty, whatever is left of them."""

ID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)


class ImpossibleSearch(Exception):
    """What was searched can't be: nothing is listed. The message is for the person."""


def image_ids(text: str) -> list[uuid.UUID]:
    """Return the ids that a search names, by themselves or in the address of an image's page; of images whose files
    have changed since, those that they have now, too."""
    named = [uuid.UUID(each) for each in ID.findall(text)]
    return [*named, *FormerId.present(named).values()]


def log_changes(request: HttpRequest, rows: Sequence[Model], field: str) -> None:
    """Note in the history of each row that this person changed `field`."""
    if rows:
        message: Any = [{"changed": {"fields": [field]}}]
        LogEntry.objects.log_actions(request.user.pk, rows, CHANGE, message)  # type: ignore[arg-type]


class BoundedPaginator(_Paginator):
    """Counts no further than people page, and takes a page beyond the last for the last."""

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
        except ValueError as error:  # histories hand on what stands in the address
            raise PageNotAnInteger from error


class SturdyList(ChangeList):
    def get_queryset(self, request: HttpRequest, exclude_parameters: list[str | None] | None = None) -> QuerySet[Any]:
        queryset = super().get_queryset(request, exclude_parameters)
        # A search that can't be made, such as one with a NUL, finds nothing rather than everything.
        possible = self.search_form_class(request.GET).is_valid() and not hasattr(request, _IMPOSSIBLE)
        return queryset if possible else queryset.none()

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if isinstance(self.paginator, BoundedPaginator):
            self.page_num = self.paginator.validate_number(self.page_num)


class Sturdy(Shared, _ModelAdmin):
    """A list to which wrong filters, searches and selections do no harm."""

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

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Return the list that is asked for; one without rows where that can't be made, never one of all rows.

        Django would answer with all of them, which the next bulk action would change.
        """
        if len(request.META.get("QUERY_STRING", "")) > LONGEST_QUERY_STRING:
            problem = _("This search is too long, so nothing is shown. Shorten it.")
        else:
            problem = _("There is no such filter or page, so nothing is shown.")
            try:
                if made := self._made(request):
                    return made
            except ImpossibleSearch as error:
                problem = str(error)
        self.message_user(request, problem, messages.ERROR)
        return self._list_of_nothing(request)

    def _made(self, request: HttpRequest) -> ChangeList | None:
        try:
            with transaction.atomic():
                return super().get_changelist_instance(request)
        except (DataError, ValueError, OverflowError, IncorrectLookupParameters) as error:
            # Filters come as people type them into the address, and some fail only when the query is made.
            # Not what was asked for: a search is nobody's business.
            logger.info("Not a list: %s by %s", request.path, sorted(request.GET)[:20], exc_info=error)
            return None

    def _list_of_nothing(self, request: HttpRequest) -> ChangeList:
        """The words stay in the box, to be mended, and the links keep the filters where these are in order."""
        words, filters = request.GET.get(SEARCH_VAR, ""), request.GET.copy()
        filters.pop(SEARCH_VAR, None)
        setattr(request, _IMPOSSIBLE, True)
        if len(filters.urlencode()) > LONGEST_QUERY_STRING:
            filters = QueryDict(mutable=True)
        request.GET = filters  # type: ignore[assignment] # as Django's own views do
        made = self._made(request)
        if made is None:
            filters.clear()
            made = super().get_changelist_instance(request)
        made.query = words
        return made

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        # Each word is a condition of its own, and of thousands there are more than Python can nest.
        if len(search_term) > LONGEST_QUERY_STRING:
            return queryset.none(), False
        # The list's own search form refuses a NUL; the autocompletion does not.
        return super().get_search_results(request, queryset, composed(search_term.replace("\0", "")))

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *args: Any) -> HttpResponse | None:
        try:
            for key in request.POST.getlist(ACTION_CHECKBOX_NAME):
                self.opts.pk.to_python(key)
        except ValidationError:
            self.message_user(request, _("What is selected is not in this list."), messages.ERROR)
            return None
        return super().response_action(request, queryset, *args)


class ReadOnly(Sturdy):
    """A list of what is looked at here, and written elsewhere: by whoever may view it."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
